"""What agreement of copies is made of: chance off the span of the texts, learning on it (X1, X2).

Copies of a two-layer ReLU network on flattened texts are trained by descent, by descent on shuffled
labels, and by Adam. Off the span of the training texts descent leaves the gradients of two copies
at chance; Adam, whose steps leave the span, does not. On the span copies agree, on shuffled labels
as well, within a stated margin: agreement certifies that a direction was learned, not that there
was anything to learn.
"""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax
from jaxtyping import Array
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import stats

from experiments.experiment import Arrays, Experiment, Progress
from experiments.plots.estimates import mean_interval
from experiments.plots.style import BLACK, BLUE, GREEN, STYLE, VERMILION, error_bars
from theory.attribution import settings as attribution
from theory.attribution.agreement import expected_chance, pair_cosines
from theory.attribution.scene import Scene, draw_copies, draw_scene, train_copies
from theory.ensemble import ensemble
from theory.statistics import ALPHA, test_law
from theory.training import hidden_layer_only, train

RECIPES = ("descent", "descent, labels shuffled", "Adam")
RECIPE_STYLES = ((BLUE, "--", "o"), (GREEN, ":", "s"), (VERMILION, "-.", "^"))
"""Colour, line and marker, so that nothing rests on colour alone."""

EQUIVALENT = 0.05
"""Difference of cosines up to which agreement on the span counts as the same.

It is a twentieth of the way from copies before training, which agree at 0, to identical ones.
"""


@dataclass(frozen=True)
class Settings(attribution.Settings):
    """Copies of a network on flattened texts, trained in three ways."""

    tokens: int = 16
    """words T of every text"""
    d: int = 32
    """dimension of a word's embedding"""
    samples: int = 64
    """training texts n"""
    width: int = 100
    """neurons m"""
    copies: int = 8
    """copies M, the largest number that is averaged"""
    adam_rate: float = 0.003
    """step size of Adam"""
    adam_steps: int = 300
    """steps of Adam, unless the margin is reached before"""
    trials: int = 24
    """data sets, each with its own copies"""

    def __post_init__(self):
        super().__post_init__()
        if self.copies < 2 or self.trials < 2:
            raise ValueError(
                f"copies is {self.copies} and trials is {self.trials}; both must be at least 2"
            )
        if not 0 < self.adam_rate < np.inf:
            raise ValueError(f"adam_rate is {self.adam_rate} and must be positive and finite")


def learnable(scene: Scene) -> Scene:
    """Labels that half of the first coordinates of a text decide, in place of random ones."""
    score = jnp.sum(scene.x[:, ::2], axis=1)
    return scene._replace(y=jnp.where(score >= jnp.median(score), 1.0, -1.0).astype(scene.x.dtype))


def trial(settings: Settings, key) -> dict[str, Array]:
    """One data set: cosines of pairs off and on the span, norms of averages; first axis recipes."""
    key_scene, key_copies = jax.random.split(key)
    shuffled = draw_scene(settings, key_scene)  # its labels are random
    scene = learnable(shuffled)
    start = draw_copies(settings, jax.random.split(key_copies, settings.copies))

    def by_adam(network):
        return train(
            network,
            scene.x,
            scene.y,
            optimizer=hidden_layer_only(optax.adam(settings.adam_rate)),
            steps=settings.adam_steps,
            margin=settings.margin,
        )

    trained = (
        train_copies(settings, scene, start),
        train_copies(settings, shuffled, start),
        jax.vmap(by_adam)(start),
    )

    def measure(copies):
        gradients = jax.vmap(lambda net: jax.grad(lambda x: net(x))(scene.x[0]))(copies)
        off, on = scene.span.reject(gradients), scene.span.project(gradients)
        counts = jnp.arange(1, settings.copies + 1, dtype=off.dtype)[:, None]
        averages = jnp.cumsum(off, axis=0) / counts
        return {
            "off": pair_cosines(off[:, None])[:, 0],
            "on": pair_cosines(on[:, None])[:, 0],
            "average": jnp.linalg.norm(averages, axis=1) / jnp.linalg.norm(off[0]),
        }

    networks = [each.network for each in trained]
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *networks)
    return jax.lax.map(measure, stacked) | {
        "margin": jnp.stack([each.margin for each in trained]),
    }


def run(settings: Settings, key, progress: Progress) -> Arrays:
    """All data sets; arrays (trials, recipes, pairs or copies)."""
    progress(0.0, f"{settings.trials} × {settings.copies} networks, in three ways")
    program = jax.jit(lambda keys: ensemble(lambda key: trial(settings, key), keys))
    arrays = jax.device_get(program(jax.random.split(key, settings.trials)))
    progress(1.0, "done")
    return arrays


def draw(arrays: Arrays, settings: Settings) -> Figure:
    """Off-span cosines against their law, norms of averages against 1/√M, agreement on the span."""
    with plt.style.context(STYLE):
        figure, axes = plt.subplots(1, 3, figsize=(7.2, 3.2), width_ratios=(4, 3, 2))
        _cosines(axes[0], arrays, settings)
        _averages(axes[1], arrays, settings)
        _agreement(axes[2], arrays)
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=4)
    return figure


def _cosines(ax: Axes, arrays: Arrays, settings: Settings) -> None:
    grid = np.linspace(-1, 1, 801)
    ell = settings.ell
    # cos² ~ Beta(½, (ℓ−1)/2), so (1 + cos)/2 ~ Beta((ℓ−1)/2, (ℓ−1)/2).
    law = stats.beta((ell - 1) / 2, (ell - 1) / 2).cdf((1 + grid) / 2)
    ax.plot(grid, law, color=BLACK, label="chance (X1)")
    for i, (name, (colour, line, mark)) in enumerate(zip(RECIPES, RECIPE_STYLES, strict=True)):
        values = np.sort(arrays["off"][:, i].ravel())
        share = np.arange(1, len(values) + 1) / len(values)
        every = max(1, len(values) // 6)  # a third of that apart, two laws on one line are seen
        ax.step(
            values,
            share,
            where="post",
            color=colour,
            lw=1.2,
            ls=line,
            marker=mark,
            markevery=(i * every // 3, every),
            label=name,
        )
    ax.set(xlabel="cosine of two copies off the span", ylabel="distribution function")
    ax.set_xlim(1.2 * arrays["off"].min(), 1.2 * arrays["off"].max())


def _averages(ax: Axes, arrays: Arrays, settings: Settings) -> None:
    counts = np.arange(1, settings.copies + 1)
    ax.plot(counts, counts**-0.5, color=BLACK, label=r"$1/\sqrt{M}$ (X2)")
    for i, (colour, line, mark) in enumerate(RECIPE_STYLES):
        interval = mean_interval(arrays["average"][:, i])
        beside = counts * 1.03 ** (i - 1)  # side by side, since two recipes have the same law
        error_bars(ax, beside, interval, color=colour, fmt=mark, ls=line, lw=0.8, ms=3)
    ax.set(xscale="log", yscale="log", xlabel="copies averaged $M$")
    ax.set_ylabel("norm off the span / that of one copy")
    ticks = [m for m in (1, 2, 4, 8, 16, 32) if m <= settings.copies]
    ax.set_xticks(ticks, map(str, ticks))
    ax.set_yticks([0.3, 0.5, 1.0], ["0.3", "0.5", "1"])
    ax.minorticks_off()
    ax.legend()


def _agreement(ax: Axes, arrays: Arrays) -> None:
    true = arrays["on"][:, 0].mean()
    band = f"as with true\nlabels, ± {EQUIVALENT:g}"
    ax.axhspan(true - EQUIVALENT, true + EQUIVALENT, color="0.9", lw=0, label=band)
    for i, (colour, _, mark) in enumerate(RECIPE_STYLES):
        interval = mean_interval(arrays["on"][:, i].mean(axis=1)[:, None])
        error_bars(ax, [i], interval, color=colour, fmt=mark)
    ax.set_xticks(range(3), ["descent", "shuffled", "Adam"], rotation=30, ha="right")
    ax.set_ylabel("cosine of two copies on the span")
    ax.set(ylim=(0, 1.02), xlim=(-0.5, 2.5))
    ax.legend(loc="lower left")


def summary(arrays: Arrays, settings: Settings) -> dict[str, Any]:
    """By recipe: mean |cos| off the span, its law, the exponent in M, the agreement on the span.

    Intervals are over data sets. Of shuffled labels, whether agreement on the span is equivalent:
    the interval of the difference, paired by data set and start, lies within `EQUIVALENT`.
    """
    logs = np.log(np.arange(1, settings.copies + 1))
    out: dict[str, Any] = {"chance": float(expected_chance(settings.ell)), "alpha": ALPHA}
    half = (settings.ell - 1) / 2
    for i, name in enumerate(RECIPES):
        first = arrays["off"][:, i, 0]  # one pair per data set: pairs share copies
        law = test_law(first, lambda values: stats.beta(half, half).cdf((1 + values) / 2))
        exponents = np.polyfit(logs, np.log(arrays["average"][:, i]).T, 1)[0]
        out[name] = {
            "off_span_cosine_mean_abs": float(np.abs(arrays["off"][:, i]).mean()),
            "off_span_p_value": law.p_value,
            "average_exponent": mean_interval(exponents).rounded(),
            "on_span_cosine": mean_interval(arrays["on"][:, i].mean(axis=1)).rounded(),
            "margin_min": float(arrays["margin"][:, i].min()),
        }
    on = arrays["on"].mean(axis=2)
    difference = mean_interval(on[:, 1] - on[:, 0])
    out["on the span, shuffled labels − true ones"] = {
        "cosine_difference": difference.rounded(),
        "equivalence_margin": EQUIVALENT,
        "equivalent": bool(-EQUIVALENT < difference.low and difference.high < EQUIVALENT),
    }
    return out


experiment = Experiment(
    name="attribution.law",
    title="Copies agree by chance off the span of the texts, and by learning on it",
    label="X1, X2",
    provenance="derived",
    presets={
        "smoke": Settings(tokens=8, d=8, samples=16, width=50, copies=4, adam_steps=100, trials=4),
        "course": Settings(),
        "paper": Settings(tokens=32, d=64, samples=128, width=256, trials=48),
    },
    run=run,
    draw=draw,
    summary=summary,
)
