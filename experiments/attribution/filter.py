"""The small-norm filter, the method's least justified step: what is found with and without it.

The paper keeps a word's agreement only where its gradient is among the smaller half. Here that
quantile goes from strict to none, on texts whose deciding words are known.
"""

from dataclasses import dataclass
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure
from xarray import Dataset

from experiments.attribution.corpus import PAPER, SMOKE, ComparedSettings, decided
from experiments.attribution.training import prepare
from experiments.cells import over
from experiments.experiment import Experiment, Progress, Summary
from experiments.plots.curves import curves
from experiments.plots.estimates import numbers, share
from experiments.plots.style import CHANCE, grid, legend
from theory.attribution.agreement import agreement_scores, small_norm
from theory.attribution.copies import Kind
from theory.attribution.methods import present
from theory.attribution.ranking import judged
from theory.attribution.scores import word_gradients
from theory.settings import Count, Increasing, ShareAboveZero

MEASURES = ("pointing accuracy", "AUROC", "deciding words that pass")

PUBLISHED = 0.5
"""The quantile of the paper."""


@dataclass(frozen=True)
class Settings(ComparedSettings):
    """The filter's quantile on texts whose deciding words are known."""

    dataset: Literal["planted", "scripts"] = "planted"
    """a set whose deciding words are known"""
    quantiles: Increasing[ShareAboveZero] = (0.25, 0.5, 0.75, 0.9, 1.0)
    """shares of the words that the filter keeps; 1 keeps all"""
    texts: Count = 60


@jax.jit
def _filtered(copies, x, quantiles):
    def one(text):
        found = agreement_scores(word_gradients(copies, text))
        return jax.vmap(lambda q: small_norm(found, q, present(text)))(quantiles)

    return jax.lax.map(one, x, batch_size=16)


def run(settings: Settings, key, progress: Progress) -> Dataset:
    """``score`` over trial, kind, quantile and measure; ``chance``, the share that decides."""
    quantiles = jnp.asarray(settings.quantiles, float)

    def cell(trial: int, kind: Kind):
        corpus, table, copies, _ = prepare(settings, kind, jax.random.fold_in(key, trial))
        ids, target = decided(corpus, settings.texts)
        scores = np.asarray(_filtered(copies, table[ids], quantiles))
        found = [judged(one, target, ids > 0) for one in scores.swapaxes(0, 1)]
        kept = [(one > 0)[target].mean() for one in scores.swapaxes(0, 1)]
        chance = (target.sum(axis=1) / (ids > 0).sum(axis=1)).mean()
        return {
            "score": (("quantile", "measure"), np.column_stack([found, kept])),
            "chance": ((), chance),
        }

    labels = {"quantile": settings.quantiles, "measure": MEASURES}
    return over(cell, progress, labels, trial=range(settings.trials), kind=settings.kinds)


def draw(data: Dataset, settings: Settings) -> Figure:
    """Pointing, AUROC and the deciding words that survive, against the quantile."""
    figure, cells = grid(data, columns="measure", size=(7.2, 2.9), sharey=True)
    chance = (float(data.chance.mean()), 0.5, None)
    for (at, ax), level in zip(cells, chance, strict=True):
        if level is None:
            ax.plot([0, 1], [0, 1], **CHANCE, label="chance")
        else:
            ax.axhline(level, **CHANCE, label="chance")
        ax.axvline(PUBLISHED, color="0.6", lw=0.8, label="published filter")
        found = share(data.score.sel(at))
        curves(ax, found, x="quantile", series="kind", dodge=0.018, mfc="none")
        ax.set(xlabel="share of words kept", xlim=(0, 1.08), ylim=(-0.05, 1.1))
    cells[0][1].set_ylabel("mean over texts")
    legend(figure, cells, ncols=6)
    return figure


def summary(data: Dataset, settings: Settings) -> Summary:
    """Means with intervals over data sets."""
    return Summary(tables={"score": numbers(share(data.score))})


experiment = Experiment(
    name="attribution.filter",
    title="What the small-norm filter keeps, and what it discards",
    label="the small-norm filter",
    provenance="derived",
    presets={
        "smoke": Settings(**SMOKE, kinds=("sum", "max"), texts=6),
        "course": Settings(),
        "paper": Settings(**PAPER),
    },
    run=run,
    draw=draw,
    summary=summary,
)
