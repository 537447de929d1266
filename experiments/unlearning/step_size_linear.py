"""The V-curve of a linear predictor, where theory is a line and retraining is unique (U1', U6).

Descent from zero keeps w = Σ_i λ_i y_i x_i with every λ_i > 0, so nothing is left unexplained:
ε₁ = 0. After the fraction t of the step the part (1 − t)λ_r y_r x_r of the forgotten point is
left. The retained points explain its projection Πx_r onto their span by moving their multipliers,

.. math:: ε(t) = κ_t |1-t| λ_r \\|x_r - Πx_r\\|,

exactly, as long as none of them becomes negative; where one would, ε(t) is larger, and at most
κ_t|1 − t|λ_r‖x_r‖.
"""

from typing import Any

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Array, Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.experiment import Arrays, Experiment, Progress
from experiments.plots.estimates import mean_interval
from experiments.plots.style import BLUE, GREEN, PURPLE, STYLE, VERMILION, error_bars
from experiments.unlearning.step_size_scene import Settings, draw_gaussian, over_dimensions
from theory.networks import Linear
from theory.unlearning.certificate import angle, certificate
from theory.unlearning.gradient_ascent import gradient_ascent
from theory.unlearning.retrain import retrain
from theory.unlearning.scene import Scene, train_scene
from theory.unlearning.vcurve import v_curve

ROUNDING = 1e-7
"""Relative error that the solver of the KKT conditions may add to a comparison."""

MARKS = ((VERMILION, "o"), (BLUE, "s"), (GREEN, "^"), (PURPLE, "v"))
"""Colour and marker by d."""


def trial(settings: Settings, d: Float[Array, ""], key) -> dict[str, Array]:
    """One predictor: ε and theory at every step size, and the angle to the retrained one."""
    data = draw_gaussian(settings, d, key)
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

    return jax.lax.map(at, jnp.asarray(settings.fractions)) | {
        "x": x,
        "y": y,
        "multipliers": explained.multipliers,
        "before": explained.stationarity,
        "margin": trained.margin,
    }


def run(settings: Settings, key, progress: Progress) -> Arrays:
    """One program for every d; arrays of shape (dims, trials, ...)."""
    arrays = over_dimensions(settings, trial, key, progress)
    x, y, multipliers = (arrays.pop(name) for name in ("x", "y", "multipliers"))
    return arrays | {"exact": stay_positive(x, y, multipliers, np.array(settings.fractions))}


def stay_positive(x, y, multipliers, fractions) -> np.ndarray:
    """Whether the retained multipliers that explain the projection are positive, by step size.

    Args:
        x: data, shape (..., n, coordinates); the first point is forgotten.
        y: labels, shape (..., n).
        multipliers: λ of all points, shape (..., n).
        fractions: step sizes t.

    Returns:
        Whether λ_k + (1 − t) λ_r y_r y_k a_k > 0 for all k, with Πx_r = Σ_k a_k x_k;
        shape (..., fractions).
    """
    kept, gone = x[..., 1:, :], x[..., 0, :]
    seen = (kept @ gone[..., None])[..., 0]
    share = np.linalg.solve(kept @ kept.swapaxes(-1, -2), seen[..., None])[..., 0]
    added = multipliers[..., :1] * y[..., :1] * y[..., 1:] * share
    left = (1 - fractions)[:, None] * added[..., None, :]
    return (multipliers[..., None, 1:] + left > 0).all(axis=-1)


def draw(arrays: Arrays, settings: Settings) -> Figure:
    """ε, and the angle to the retrained predictor, against t."""
    with plt.style.context(STYLE):
        figure, axes = plt.subplots(1, 2)
        pairs = (("measured", "theory"), ("angle", "angle_to_certificate"))
        for ax, (measured, theory) in zip(axes, pairs, strict=True):
            for i, d in enumerate(settings.dims):
                _compare(ax, settings, d, arrays[measured][i], arrays[theory][i])
            ax.set_xlabel(r"step size in units of the theorem's, $t=\beta/\beta^*$")
        axes[0].set_ylabel(r"stationarity $\varepsilon$, retained points")
        axes[0].set_title(r"lines: $\kappa_t\,|1-t|\,\lambda_r\,\|x_r-\Pi x_r\|$")
        axes[1].set_yscale("log")
        axes[1].set_ylabel(r"1 $-$ cos(unlearned, retrained)")
        axes[1].set_title(r"lines: angle to the certificate $\tilde{w}$ instead")
        title = f"means over {settings.trials} predictors, 95 % intervals"
        axes[0].legend(loc="upper center", title=title, title_fontsize=8)
        axes[0].set_ylim(0, 1.45 * axes[0].get_ylim()[1])
    return figure


def _compare(ax: Axes, settings: Settings, d: int, measured, theory) -> None:
    color, marker = MARKS[settings.dims.index(d) % len(MARKS)]
    t = settings.fractions
    ax.plot(t, theory.mean(axis=0), color=color, lw=1)
    interval = mean_interval(measured)
    error_bars(ax, t, interval, fmt=marker, color=color, mfc="none", ms=5, label=f"$d$ = {d}")


def summary(arrays: Arrays, settings: Settings) -> dict[str, Any]:
    """By d, how far ε is from theory, and how near the theorem's step comes to retraining."""
    t = np.array(settings.fractions)
    off = t != 1
    per_d = []
    for i, d in enumerate(settings.dims):
        of_d = {name: values[i] for name, values in arrays.items()}
        measured, theory, upper = of_d["measured"], of_d["theory"], of_d["upper"]
        exact = of_d["exact"] & off[None, :]
        error = np.abs(measured[exact] / theory[exact] - 1)
        outside = (measured < theory * (1 - ROUNDING)) | (measured > upper * (1 + ROUNDING))
        per_d.append(
            {
                "d": d,
                "measured": int(exact.size),
                "exact": int(exact.sum()),
                "relative_error_max": float(error.max()),
                "outside_band": int(outside[:, off].sum()),
                "epsilon_at_1_max": float(measured[:, ~off].max()),
                "epsilon_before_max": float(of_d["before"].max()),
                "angle_to_retrained_at_1": float(of_d["angle"][:, ~off].mean()),
                "angle_to_certificate_at_1": float(of_d["angle_to_certificate"][:, ~off].mean()),
                "angle_smallest_at": float(t[of_d["angle"].mean(axis=0).argmin()]),
                "margin_min": float(of_d["margin"].min()),
            }
        )
    return {
        "relative_error_max": max(entry["relative_error_max"] for entry in per_d),
        "by_dimension": per_d,
    }


experiment = Experiment(
    name="unlearning.step-size-linear",
    title="For a linear predictor ε is an exact V, and its tip is near the retrained one",
    label="U1', U6",
    provenance="derived",
    presets={
        "smoke": Settings(
            d=1000,
            smaller=(100,),
            samples=5,
            margin=100.0,
            trials=4,
            fractions=(0.0, 0.5, 0.9, 1.0, 1.1, 2.0),
        ),
        "course": Settings(trials=40),
        "paper": Settings(d=100_000, smaller=(100, 1000, 10_000), trials=1000),
    },
    run=run,
    draw=draw,
    summary=summary,
)
