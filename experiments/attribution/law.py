"""What agreement of copies is made of: chance off the span of the texts, learning on it (X1, X2).

Copies of a two-layer ReLU network on flattened texts are trained by descent, by descent on shuffled
labels, and by Adam. Off the span of the training texts descent leaves the gradients of two copies
at chance; Adam, whose steps leave the span, does not. On the span copies agree, on shuffled labels
as well, within a stated margin: agreement certifies that a direction was learned, not that there
was anything to learn.
"""

from dataclasses import dataclass
from functools import partial

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import stats
from xarray import Dataset

from experiments.cells import every
from experiments.experiment import Experiment, Progress, Summary
from experiments.plots.curves import curves
from experiments.plots.estimates import exponents, mean, numbers
from experiments.plots.style import THEORY, legend, logarithmic, looks
from theory.attribution import settings as attribution
from theory.attribution.agreement import expected_chance
from theory.attribution.recipes import ADAM, RECIPES, SHUFFLED, TRUE, trial
from theory.settings import Count, Positive, Sample
from theory.statistics import ALPHA, test_law

LOOKS = looks(RECIPES, {TRUE: {"ls": "--"}, SHUFFLED: {"ls": ":"}, ADAM: {"ls": "-."}})

EQUIVALENT = 0.05
"""Difference of cosines up to which agreement on the span counts as the same.

It is a twentieth of the way from copies before training, which agree at 0, to identical ones.
"""


@dataclass(frozen=True)
class Settings(attribution.Settings):
    """Copies of a network on flattened texts, trained in three ways."""

    tokens: int = 16
    d: int = 32
    samples: int = 64
    width: int = 100
    copies: Sample = 8
    """copies M, the largest number that is averaged"""
    adam_rate: Positive = 0.003
    """step size of Adam"""
    adam_steps: Count = 300
    """steps of Adam, unless the margin is reached before"""
    trials: Sample = 24
    """data sets, each with its own copies"""


def run(settings: Settings, key, progress: Progress) -> Dataset:
    """``off`` and ``on``, cosines of pairs of copies off the span and on it, and so forth.

    ``average`` is the norm off the span of the mean of so many copies, over that of one; ``margin``
    is of each copy.
    """
    progress(0.0, f"{settings.trials} × {settings.copies} networks, in three ways")
    adam = {"adam_rate": settings.adam_rate, "adam_steps": settings.adam_steps}
    one = partial(trial, settings, copies=settings.copies, **adam)
    found = every(one)(key, settings.trials)
    progress(1.0, "done")
    inner = {"off": "pair", "on": "pair", "average": "copies", "margin": "copy"}
    count = np.arange(1, settings.copies + 1)
    labels = {"trial": np.arange(settings.trials), "recipe": list(RECIPES)}
    return Dataset(
        {name: (("trial", "recipe", dim), found[name]) for name, dim in inner.items()},
        labels | {"copies": count, "copy": count},
    )


def _chance(settings: Settings):
    """The law of a cosine by chance, (1 + cos)/2 ~ Beta; that is, cos² ~ Beta(½, (ℓ−1)/2)."""
    half = (settings.ell - 1) / 2
    return stats.beta(half, half, loc=-1, scale=2)


def draw(data: Dataset, settings: Settings) -> Figure:
    """Off-span cosines against their law, norms of averages against 1/√M, agreement on the span."""
    figure, axes = plt.subplots(1, 3, figsize=(7.2, 3.2), width_ratios=(4, 3, 2))
    _cosines(axes[0], data, settings)
    _averages(axes[1], data, settings)
    _agreement(axes[2], data)
    legend(figure, [({}, axes[0])])
    return figure


def _cosines(ax: Axes, data: Dataset, settings: Settings) -> None:
    across = np.linspace(-1, 1, 801)
    ax.plot(across, _chance(settings).cdf(across), **THEORY, label="chance (X1)")
    for i, (name, style) in enumerate(LOOKS.items()):
        values = np.sort(data.off.sel(recipe=name).values, axis=None)
        share = np.arange(1, len(values) + 1) / len(values)
        every = max(1, len(values) // 6)  # a third of that apart, two laws on one line are seen
        marks = {"markevery": (i * every // 3, every), "lw": 1.2, "label": name}
        ax.step(values, share, where="post", **style, **marks)
    ax.set(xlabel="cosine of two copies off the span", ylabel="distribution function")
    ax.set_xlim(1.2 * float(data.off.min()), 1.2 * float(data.off.max()))


def _averages(ax: Axes, data: Dataset, settings: Settings) -> None:
    (theory,) = ax.plot(data.copies, data.copies**-0.5, **THEORY)
    ax.legend([theory], [r"$1/\sqrt{M}$ (X2)"])
    # Side by side, since two recipes have the same law.
    options = {"dodge": 0.06, "lw": 0.8, "ms": 3}
    curves(ax, mean(data.average), x="copies", series="recipe", given=LOOKS, **options)
    ticks = [m for m in (1, 2, 4, 8, 16, 32) if m <= settings.copies]
    logarithmic(ax, ticks)
    ax.set(xlabel="copies averaged $M$", ylim=(0.8 * settings.copies**-0.5, 1.1))
    ax.set_ylabel("norm off the span / that of one copy")


def _agreement(ax: Axes, data: Dataset) -> None:
    on = mean(data.on.mean("pair"))
    true = float(on.centre.sel(recipe=TRUE))
    band = f"as with true\nlabels, ± {EQUIVALENT:g}"
    ax.axhspan(true - EQUIVALENT, true + EQUIVALENT, color="0.9", lw=0, label=band)
    for i, (name, style) in enumerate(LOOKS.items()):
        one = on.sel(recipe=name)
        ax.errorbar([i], [one.centre], one.bars[:, None], capsize=2, **style)
    ax.set_xticks(range(3), ["descent", "shuffled", "Adam"], rotation=30, ha="right")
    ax.set(ylabel="cosine of two copies on the span", ylim=(0, 1.02), xlim=(-0.5, 2.5))
    ax.legend(loc="lower left")


def summary(data: Dataset, settings: Settings) -> Summary:
    """By recipe: mean |cos| off the span, its law, the exponent in M, the agreement on the span.

    Intervals are over data sets. Of shuffled labels, whether agreement on the span is equivalent:
    the interval of the difference, paired by data set and start, lies within `EQUIVALENT`.
    """
    first = data.off.isel(pair=0)  # one pair per data set: pairs share copies
    laws = {n: test_law(first.sel(recipe=n).values, _chance(settings).cdf) for n in RECIPES}
    on = data.on.mean("pair")
    difference = mean(on.sel(recipe=SHUFFLED) - on.sel(recipe=TRUE))
    equivalent = bool(-EQUIVALENT < difference.low and difference.high < EQUIVALENT)
    sentence = (
        f"On the span, cosines of copies with shuffled labels differ by {difference.text(3)} from "
        f"those with true ones, {'within' if equivalent else 'not within'} ±{EQUIVALENT:g}."
    )
    tables = {
        "chance": float(expected_chance(settings.ell)),
        "alpha": ALPHA,
        "off_span_cosine_mean_abs": numbers(abs(data.off).mean(("trial", "pair")), digits=None),
        "off_span_p_value": {name: law.p_value for name, law in laws.items()},
        "average_exponent": numbers(mean(exponents(data.average, "copies"))),
        "on_span_cosine": numbers(mean(on)),
        "margin_min": numbers(data.margin.min(("trial", "copy")), digits=None),
        "on the span, shuffled labels − true ones": {
            "cosine_difference": difference.rounded(),
            "equivalence_margin": EQUIVALENT,
            "equivalent": equivalent,
        },
    }
    return Summary((sentence,), tables)


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
