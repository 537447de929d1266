"""The stationarity ε of the unlearned network against the size of the ascent step (U6).

One and the same network is judged three ways on the retained points. With the gates and kinks of
the network before the step kept (frozen), ε is the V of the theorem, its tip at the theorem's
step. With gates and kinks found anew (honest), the tip is lifted off zero and rounded off, because
the step has moved pre-activations across the kinks; in low dimension it is gone. With the gates of
automatic differentiation (naive), which are 0 or 1 at kinks, ε is of order one at every step size.
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
from experiments.plots.style import BLACK, BLUE, GREEN, PURPLE, STYLE, error_bars
from experiments.unlearning.step_size_scene import Settings, draw_gaussian, over_dimensions
from theory.unlearning.certificate import certificate
from theory.unlearning.gradient_ascent import gradient_ascent
from theory.unlearning.kkt import kkt
from theory.unlearning.pattern import Snapped, autograd_pattern, snap
from theory.unlearning.scene import train_scene
from theory.unlearning.vcurve import v_curve

LABELS = (
    *(r"gates of $\theta$ kept", "theory for it (U6)"),
    *("gates found anew", "gates of autograd"),
    *(r"certificate $\tilde{\theta}$", "its bound (U3)"),
)
FROZEN, THEORY, HONEST, NAIVE, PROOF, BOUND = LABELS
ROUNDING = 1e-7
"""Relative error that the solver of the KKT conditions may add to a comparison."""

NEAR = 0.05
"""How far from β* the smallest ε may lie."""

FAR = 0.1
"""The width of the sandwich is judged at |1 − t| of at least this."""


def trial(settings: Settings, d: Float[Array, ""], key) -> dict[str, Array]:
    """One network: ε three ways and the sandwich at every step size, and the certificate."""
    scene = draw_gaussian(settings, d, key)
    trained = train_scene(settings, scene)
    explained, net = trained.explained, trained.network
    x, y = scene.x, scene.y
    kept, labels = x[1:], y[1:]

    def judge(snapped: Snapped):
        return kkt(snapped.network, kept, labels, pattern=snapped.pattern).stationarity

    def at(fraction):
        curve = v_curve(explained, x, y, fraction)
        after = gradient_ascent(net, x, y, 0, fraction=fraction, explained=explained)
        naive = Snapped(after, autograd_pattern(after, kept), jnp.zeros_like(fraction))
        both = jax.tree.map(lambda *leaves: jnp.stack(leaves), snap(after, kept), naive)
        honest, naive = jax.lax.map(judge, both)
        return {
            "frozen": curve.epsilon,
            "honest": honest,
            "naive": naive,
            "lower": curve.lower,
            "upper": curve.upper,
        }

    proof = certificate(net, x, y, 0, explained=explained)
    return jax.lax.map(at, jnp.asarray(settings.fractions)) | {
        "certificate": proof.epsilon,
        "bound": proof.bound.epsilon,
        "before": explained.stationarity,
        "margin": trained.margin,
        "snapped": trained.moved,
    }


def run(settings: Settings, key, progress: Progress) -> Arrays:
    """One program for every d; arrays of shape (dims, trials, fractions) or (dims, trials)."""
    return over_dimensions(settings, trial, key, progress)


def draw(arrays: Arrays, settings: Settings) -> Figure:
    """ε against t, one column per d; below, the frozen ε in units of the upper bound."""
    with plt.style.context(STYLE):
        dims = settings.dims
        figure, axes = plt.subplots(
            2, len(dims), figsize=(7.2, 5.0), sharex=True, squeeze=False, height_ratios=(5, 3)
        )
        for i, d in enumerate(dims):
            of_d = {name: values[i] for name, values in arrays.items()}
            _curves(axes[0, i], of_d, settings)
            _tightness(axes[1, i], of_d, settings)
            axes[0, i].set_title(f"$d$ = {d}")
        top = max(ax.get_ylim()[1] for ax in axes[0])
        for ax in axes[0]:
            ax.set_ylim(0, top)
        axes[0, 0].set_ylabel(r"stationarity $\varepsilon$, retained points")
        axes[1, 0].set_ylabel(r"$\varepsilon$ / upper bound")
        figure.supxlabel(r"step size in units of the theorem's, $t=\beta/\beta^*$", fontsize=9)
        title = f"means over {settings.trials} networks in each dimension, 95 % intervals"
        named = dict(zip(*reversed(axes[0, 0].get_legend_handles_labels()), strict=True))
        figure.legend(
            [named[label] for label in LABELS],
            LABELS,
            loc="outside upper center",
            ncols=3,
            title=title,
            title_fontsize=8.5,
        )
    return figure


def _curves(ax: Axes, arrays: Arrays, settings: Settings) -> None:
    t = settings.fractions
    for name, label, color, marker in (
        ("honest", HONEST, GREEN, "s"),
        ("naive", NAIVE, PURPLE, "^"),
    ):
        interval = mean_interval(arrays[name])
        ax.plot(t, interval.centre, marker, ls="-", color=color, lw=0.8, ms=3, label=label)
        ax.fill_between(t, interval.low, interval.high, color=color, alpha=0.18, lw=0)
    measured = mean_interval(arrays["frozen"])
    error_bars(ax, t, measured, ms=3.5, label=FROZEN)
    lower, upper = (arrays[side].mean(axis=0) for side in ("lower", "upper"))
    ax.fill_between(t, lower, upper, color=BLUE, alpha=0.6, lw=1, label=THEORY)
    proof = mean_interval(arrays["certificate"][:, None])
    options = {"color": BLACK, "zorder": 5}
    error_bars(ax, [1], proof, fmt="D", mfc="white", capsize=0, label=PROOF, **options)
    ax.plot(1, arrays["bound"].mean(), "_", ms=14, label=BOUND, **options)


def _tightness(ax: Axes, arrays: Arrays, settings: Settings) -> None:
    t = settings.fractions
    lower = (arrays["lower"] / arrays["upper"]).mean(axis=0)
    ax.fill_between(t, lower, 1, color=BLUE, alpha=0.25, lw=0)
    ax.plot(t, lower, color=BLUE)
    ax.axhline(1, color=BLUE)
    measured = mean_interval(arrays["frozen"] / arrays["upper"])
    error_bars(ax, t, measured, ms=3.5)
    ax.ticklabel_format(axis="y", useOffset=False)


def summary(arrays: Arrays, settings: Settings) -> dict[str, Any]:
    """By d, the tip of the V, the sandwich and the certificate."""
    t = np.array(settings.fractions)
    tip, far = list(t).index(1.0), np.abs(1 - t) >= FAR - ROUNDING
    per_d = []
    for i, d in enumerate(settings.dims):
        of_d = {name: values[i] for name, values in arrays.items()}
        frozen, lower, upper = of_d["frozen"], of_d["lower"], of_d["upper"]
        outside = (frozen < lower * (1 - ROUNDING)) | (frozen > upper * (1 + ROUNDING))
        lowest = t[frozen.argmin(axis=1)]
        width = (upper / lower - 1)[:, far]
        per_d.append(
            {
                "d": d,
                "lowest_at": [float(lowest.min()), float(lowest.max())],
                "tip_within_tolerance": bool((np.abs(lowest - 1) <= NEAR).all()),
                "measured": int(frozen.size),
                "outside_band": int(outside.sum()),
                "undefined": int(np.isnan(frozen).sum()),
                "band_width_max": float(width.max()) if far.any() else 0.0,
                "over_upper": [float(x) for x in np.quantile(frozen / upper, [0, 0.5, 1])],
                "frozen_at_0": float(frozen[:, 0].mean()),
                "frozen_at_1_mean": float(frozen[:, tip].mean()),
                "frozen_at_1_max": float(frozen[:, tip].max()),
                "honest_at_1_mean": float(of_d["honest"][:, tip].mean()),
                "naive_at_1_mean": float(of_d["naive"][:, tip].mean()),
                "naive_lowest": float(of_d["naive"].mean(axis=0).min()),
                "certificate_mean": float(of_d["certificate"].mean()),
                "bound_mean": float(of_d["bound"].mean()),
                "certificate_over_bound_max": float((of_d["certificate"] / of_d["bound"]).max()),
                "epsilon_before_mean": float(of_d["before"].mean()),
                "snap_distance_max": float(of_d["snapped"].max()),
                "margin_min": float(of_d["margin"].min()),
            }
        )
    return {
        "outside_band": sum(entry["outside_band"] for entry in per_d),
        "certificate_over_bound_max": max(entry["certificate_over_bound_max"] for entry in per_d),
        "by_dimension": per_d,
    }


experiment = Experiment(
    name="unlearning.step-size",
    title="With its gates kept, the network is nearest to KKT at the theorem's step size",
    label="Figure on the step size",
    provenance="paper",
    presets={
        "smoke": Settings(
            d=1000,
            smaller=(100,),
            width=40,
            samples=5,
            margin=100.0,
            trials=3,
            fractions=(0.0, 0.5, 0.9, 1.0, 1.1, 2.0),
        ),
        "course": Settings(),
        "paper": Settings(d=100_000, smaller=(100, 1000, 10_000), trials=200),
    },
    run=run,
    draw=draw,
    summary=summary,
)
