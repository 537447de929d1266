"""The stationarity ε of the unlearned network against the size of the ascent step (U6).

One and the same network is judged three ways on the retained points. With the gates and kinks of
the network before the step kept (frozen), ε is the V of the theorem, its tip at the theorem's
step. With gates and kinks found anew (honest), the tip is lifted off zero and rounded off, because
the step has moved pre-activations across the kinks; in low dimension it is gone. With the gates of
automatic differentiation (naive), which are 0 or 1 at kinks, ε is of order one at every step size.
"""

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
from jaxtyping import Array, Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from xarray import Dataset

from experiments.experiment import Experiment, Progress, Summary
from experiments.plots.curves import curves
from experiments.plots.estimates import mean, numbers
from experiments.plots.style import BLACK, BLUE, GREEN, PURPLE, VERMILION, legend
from experiments.unlearning.step_size_scene import ROUNDING, SMALL, Settings, over_dimensions
from theory.unlearning.certificate import certificate
from theory.unlearning.gradient_ascent import gradient_ascent
from theory.unlearning.kkt import by_two_gates
from theory.unlearning.scene import draw_gaussian_in_span, train_scene
from theory.unlearning.vcurve import v_curve

NEAR = 0.05
"""How far from β* the smallest ε may lie."""

FAR = 0.1
"""The width of the sandwich is judged at |1 − t| of at least this."""


def trial(settings: Settings, d: Float[Array, ""], key) -> dict[str, Array]:
    """One network: ε three ways and the sandwich at every step size, and the certificate."""
    scene = draw_gaussian_in_span(settings, d, key)
    trained = train_scene(settings, scene)
    explained, net = trained.explained, trained.network
    x, y = scene.x, scene.y

    def at(fraction):
        curve = v_curve(explained, x, y, fraction)
        after = gradient_ascent(net, x, y, 0, fraction=fraction, explained=explained)
        honest, naive = by_two_gates(after, x[1:], y[1:])
        found = {"frozen": curve.epsilon, "lower": curve.lower, "upper": curve.upper}
        return found | {"honest": honest.stationarity, "naive": naive.stationarity}

    proof = certificate(net, x, y, 0, explained=explained)
    return jax.lax.map(at, jnp.asarray(settings.fractions)) | {
        "certificate": proof.epsilon,
        "bound": proof.bound.epsilon,
        "before": explained.stationarity,
        "reached": trained.margin,
        "snapped": trained.moved,
    }


def run(settings: Settings, key, progress: Progress) -> Dataset:
    """ε (``frozen``, ``honest``, ``naive``) and its sandwich over d, trial and fraction."""
    return over_dimensions(settings, trial, key, progress)


def draw(data: Dataset, settings: Settings) -> Figure:
    """ε against t, one column per d; below, the frozen ε in units of the upper bound."""
    figure, axes = plt.subplots(
        2, len(settings.dims), figsize=(7.2, 5.0), squeeze=False, sharex=True, height_ratios=(5, 3)
    )
    for ax in axes[0, 1:]:
        ax.sharey(axes[0, 0])
    for d, (above, below) in zip(settings.dims, axes.T, strict=True):
        _curves(above, data.sel(d=d))
        _tightness(below, data.sel(d=d))
        above.set_title(f"$d$ = {d}")
        below.set(xlabel=r"step size $t=\beta/\beta^*$", ylabel=r"$\varepsilon$ / upper bound")
    axes[0, 0].set(ylim=(0, None), ylabel=r"stationarity $\varepsilon$, mean of networks")
    legend(figure, [({}, ax) for ax in axes[0]], ncols=3)
    return figure


def _curves(ax: Axes, data: Dataset) -> None:
    marks = {
        "gates of autograd": (data.naive, PURPLE, "^"),
        "gates found anew": (data.honest, GREEN, "s"),
    }
    for label, (values, color, marker) in marks.items():
        options = {"color": color, "marker": marker, "lw": 0.8, "ms": 3, "label": label}
        curves(ax, mean(values), x="fraction", band=True, **options)
    label = r"theory for the gates of $\theta$"
    lower, upper = (data[side].mean("trial") for side in ("lower", "upper"))
    ax.fill_between(data.fraction, lower, upper, color=BLUE, alpha=0.6, lw=1, label=label)
    options = {"color": VERMILION, "ls": "none", "ms": 3.5, "label": r"gates of $\theta$ kept"}
    curves(ax, mean(data.frozen), x="fraction", **options)
    options = {"color": BLACK, "marker": "D", "mfc": "white", "ls": "none", "zorder": 5}
    proof = mean(data.certificate.expand_dims(fraction=[1.0]))
    curves(ax, proof, x="fraction", label=r"certificate $\tilde{\theta}$", **options)
    label = "bound of the certificate"
    ax.plot(1, data.bound.mean(), "_", color=BLACK, ms=14, zorder=5, label=label)


def _tightness(ax: Axes, data: Dataset) -> None:
    lower = (data.lower / data.upper).mean("trial")
    ax.fill_between(data.fraction, lower, 1, color=BLUE, alpha=0.25, lw=0)
    ax.plot(data.fraction, lower, color=BLUE)
    ax.axhline(1, color=BLUE)
    options = {"color": VERMILION, "ls": "none", "ms": 3.5}
    curves(ax, mean(data.frozen / data.upper), x="fraction", **options)
    ax.ticklabel_format(axis="y", useOffset=False)


def summary(data: Dataset, settings: Settings) -> Summary:
    """By d, the tip of the V, the sandwich and the certificate."""
    each = ("trial", "fraction")
    frozen, lower, upper = data.frozen, data.lower, data.upper
    tip = data.sel(fraction=1.0, drop=True)
    outside = ((frozen < lower * (1 - ROUNDING)) | (frozen > upper * (1 + ROUNDING))).sum(each)
    lowest = frozen.idxmin("fraction")
    far = abs(1 - data.fraction) >= FAR - ROUNDING
    ratio = (data.certificate / data.bound).max("trial")
    found = {
        "lowest_at_least": lowest.min("trial"),
        "lowest_at_most": lowest.max("trial"),
        "tip_within_tolerance": (abs(lowest - 1) <= NEAR).all("trial"),
        "measured": frozen.count(each),
        "outside_band": outside,
        "undefined": frozen.isnull().sum(each),
        "band_width_max": (upper / lower - 1).where(far, 0).max(each),
        "over_upper": (frozen / upper).quantile([0, 0.5, 1], each).transpose("d", "quantile"),
        "frozen_at_0": frozen.isel(fraction=0, drop=True).mean("trial"),
        "frozen_at_1_mean": tip.frozen.mean("trial"),
        "frozen_at_1_max": tip.frozen.max("trial"),
        "honest_at_1_mean": tip.honest.mean("trial"),
        "naive_at_1_mean": tip.naive.mean("trial"),
        "naive_lowest": data.naive.mean("trial").min("fraction"),
        "certificate_mean": data.certificate.mean("trial"),
        "bound_mean": data.bound.mean("trial"),
        "certificate_over_bound_max": ratio,
        "epsilon_before_mean": data.before.mean("trial"),
        "snap_distance_max": data.snapped.max("trial"),
        "margin_min": data.reached.min("trial"),
    }
    total: dict = {"outside_band": int(outside.sum())}
    total |= {"certificate_over_bound_max": float(ratio.max()), "d": list(settings.dims)}
    return Summary(tables=total | {"by_dimension": numbers(Dataset(found), None)})


experiment = Experiment(
    name="unlearning.step-size",
    title="With its gates kept, the network is nearest to KKT at the theorem's step size",
    label="Figure on the step size",
    provenance="paper",
    presets={
        "smoke": Settings(**SMALL),
        "course": Settings(),
        "paper": Settings(d=100_000, smaller=(100, 1000, 10_000), trials=200),
    },
    run=run,
    draw=draw,
    summary=summary,
)
