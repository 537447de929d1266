"""The V-curve of a linear predictor, where theory is a line and retraining is unique (U1', U6).

Descent from zero keeps w = Σ_i λ_i y_i x_i with every λ_i > 0, so nothing is left unexplained:
ε₁ = 0. After the fraction t of the step the part (1 − t)λ_r y_r x_r of the forgotten point is
left. The retained points explain its projection Πx_r onto their span by moving their multipliers,

.. math:: ε(t) = κ_t |1-t| λ_r \\|x_r - Πx_r\\|,

exactly, as long as none of them becomes negative; where one would, ε(t) is larger, and at most
κ_t|1 − t|λ_r‖x_r‖.
"""

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
from jaxtyping import Array, Float
from matplotlib.figure import Figure
from xarray import Dataset

from experiments.experiment import Experiment, Progress, Summary
from experiments.plots.curves import curves
from experiments.plots.estimates import mean, numbers
from experiments.plots.style import BLACK, legend, looks
from experiments.unlearning.step_size_scene import ROUNDING, SMALL, Settings, over_dimensions
from theory.networks import Linear
from theory.unlearning.certificate import angle, certificate
from theory.unlearning.gradient_ascent import gradient_ascent
from theory.unlearning.retrain import retrain
from theory.unlearning.scene import Scene, draw_gaussian_in_span, train_scene
from theory.unlearning.vcurve import stay_positive, v_curve


def trial(settings: Settings, d: Float[Array, ""], key) -> dict[str, Array]:
    """One predictor: ε and theory at every step size, and the angle to the retrained one."""
    data = draw_gaussian_in_span(settings, d, key)
    x, y = data.x, data.y
    start = Linear(jnp.zeros_like(x[0]))
    trained = train_scene(settings, Scene(x, y, start))
    again = retrain(start, x, y, 0, settings.margin).network
    explained = trained.explained
    proof = certificate(trained.network, x, y, 0, explained=explained).network

    def at(fraction):
        curve = v_curve(explained, x, y, fraction)
        after = gradient_ascent(trained.network, x, y, 0, fraction=fraction, explained=explained)
        return {
            "measured": curve.epsilon,
            "theory": curve.lower,
            "upper": curve.upper,
            "angle": angle(after.w, again.w),
            "angle_to_certificate": angle(after.w, proof.w),
        }

    fractions = jnp.asarray(settings.fractions)
    return jax.lax.map(at, fractions) | {
        "exact": stay_positive(x, y, explained.multipliers, fractions),
        "before": explained.stationarity,
        "reached": trained.margin,
    }


def run(settings: Settings, key, progress: Progress) -> Dataset:
    """ε (``measured``), its ``theory`` and angles over d, trial and fraction."""
    return over_dimensions(settings, trial, key, progress)


def draw(data: Dataset, settings: Settings) -> Figure:
    """ε, and the angle to the retrained predictor, against t."""
    figure, axes = plt.subplots(1, 2)
    panels = (
        (data.measured, data.theory, "-", "exact theory"),
        (data.angle, data.angle_to_certificate, "--", r"certificate $\tilde{w}$ for retrained"),
    )
    for ax, (measured, theory, ls, label) in zip(axes, panels, strict=True):
        ax.plot([], [], color=BLACK, ls=ls, lw=1, label=label)
        for d, look in looks(settings.dims).items():
            ax.plot(data.fraction, theory.sel(d=d).mean("trial"), color=look["color"], ls=ls, lw=1)
            options = {"ls": "none", "mfc": "none", "ms": 5, "label": f"measured, $d$ = {d}"}
            curves(ax, mean(measured.sel(d=d)), x="fraction", **look, **options)
        ax.set_xlabel(r"step size in units of the theorem's, $t=\beta/\beta^*$")
    axes[0].set_ylabel(r"stationarity $\varepsilon$, mean of predictors")
    axes[1].set(yscale="log", ylabel=r"1 $-$ cos(unlearned, retrained)")
    legend(figure, [({}, ax) for ax in axes], ncols=3)
    return figure


def summary(data: Dataset, settings: Settings) -> Summary:
    """By d, how far ε is from theory, and how near the theorem's step comes to retraining."""
    each = ("trial", "fraction")
    measured, theory, off = data.measured, data.theory, data.fraction != 1
    exact, tip = data.exact & off, data.sel(fraction=1.0, drop=True)
    error = abs(measured / theory - 1).where(exact).max(each)
    outside = (measured < theory * (1 - ROUNDING)) | (measured > data.upper * (1 + ROUNDING))
    found = {
        "measured": measured.count(each),
        "exact": exact.sum(each),
        "relative_error_max": error,
        "outside_band": (outside & off).sum(each),
        "epsilon_at_1_max": tip.measured.max("trial"),
        "epsilon_before_max": data.before.max("trial"),
        "angle_to_retrained_at_1": tip.angle.mean("trial"),
        "angle_to_certificate_at_1": tip.angle_to_certificate.mean("trial"),
        "angle_smallest_at": data.angle.mean("trial").idxmin("fraction"),
        "margin_min": data.reached.min("trial"),
    }
    total = {"relative_error_max": float(error.max()), "d": list(settings.dims)}
    return Summary(tables=total | {"by_dimension": numbers(Dataset(found), None)})


experiment = Experiment(
    name="unlearning.step-size-linear",
    title="For a linear predictor ε is an exact V, and its tip is near the retrained one",
    label="U1', U6",
    provenance="derived",
    presets={
        "smoke": Settings(**SMALL),
        "course": Settings(trials=40),
        "paper": Settings(d=100_000, smaller=(100, 1000, 10_000), trials=1000),
    },
    run=run,
    draw=draw,
    summary=summary,
)
