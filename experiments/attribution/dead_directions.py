"""What agreement is good for: telling the directions that training learned from those it left.

Words are embedded in a random r-dimensional subspace P of R^d, so training never touches the other
d − r directions of the first layer (Adam does, for the LSTM). Which directions are live is asked
of the gradients at the words of a test text, one score per direction of an orthonormal basis of P
and of P^⊥. The words of the text are those of training, or have been given a part off P as well,
as new words would have: then their coordinates alone no longer tell.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure
from xarray import Dataset

from experiments.attribution.corpus import PAPER, SMOKE, ComparedSettings, load_corpus
from experiments.attribution.training import accuracy, doubled, train
from experiments.cells import over
from experiments.experiment import Experiment, Progress, Summary
from experiments.plots.comparison import listed
from experiments.plots.dots import dots
from experiments.plots.estimates import LEVEL, ahead, numbers, share
from experiments.plots.style import CHANCE, grid, legend
from theory.attribution.copies import Kind
from theory.attribution.directions import METHODS, adapted_basis, direction_scores_of_texts
from theory.attribution.ranking import auroc
from theory.geometry import random_subspace
from theory.keys import named
from theory.sampling import gaussian_points
from theory.settings import Count

WORDS = ("words of training", "words with a part off P")


class Drawn(IntEnum):
    """What is drawn for a data set."""

    TEXTS = 0
    SUBSPACE = 1
    EMBEDDING = 2
    TRAINING = 3
    BASIS = 4


@dataclass(frozen=True)
class Settings(ComparedSettings):
    """Copies of classifiers on embeddings with directions that training never sees."""

    dataset: Literal["planted"] = "planted"
    """the set whose embedding can be chosen without losing its meaning"""
    dim: Count = 48
    """dimension r of P, in which the words of training lie"""
    copies: int = 8
    """copies M of the classifier, independently initialised"""

    def __post_init__(self):
        super().__post_init__()
        if not self.dim < self.sizes.d:
            raise ValueError(f"dim is {self.dim} and must be below d = {self.sizes.d}")


def run(settings: Settings, key, progress: Progress) -> Dataset:
    """``area``, AUROC over directions by words and method; test ``accuracy`` of every copy."""
    live = np.arange(settings.sizes.d) < settings.dim

    def cell(trial: int, kind: Kind):
        drawn = {name: named(jax.random.fold_in(key, trial), name) for name in Drawn}
        # A fixed position, so that networks with weights for each position learn it as well.
        corpus = load_corpus(settings, drawn[Drawn.TEXTS], settings.sizes.tokens // 2)
        span = random_subspace(drawn[Drawn.SUBSPACE], settings.sizes.d, settings.dim)
        rows = gaussian_points(drawn[Drawn.EMBEDDING], settings.sizes.vocabulary, settings.sizes.d)
        table, new = (jnp.pad(x, ((1, 0), (0, 0))) for x in (span.project(rows), rows))
        single = np.asarray(table, np.float32)
        copies = train(
            settings, kind, corpus, single, drawn[Drawn.TRAINING], lambda *_: None, keep=False
        )
        right = accuracy(copies, single, corpus.x_test, corpus.y_test)
        _, copies = doubled(single, copies)
        basis = adapted_basis(span, drawn[Drawn.BASIS])
        ids = corpus.x_test[: settings.texts]
        scores = [
            np.asarray(direction_scores_of_texts(copies, rows[ids], basis)) for rows in (table, new)
        ]
        areas = np.array([[[auroc(one, live) for one in text] for text in of] for of in scores])
        return {
            "area": (("words", "method"), areas.mean(axis=1)),
            "accuracy": (("copy",), right),
        }

    labels = {"words": WORDS, "method": METHODS, "copy": range(1, settings.copies + 1)}
    return over(cell, progress, labels, trial=range(settings.trials), kind=settings.kinds)


def draw(data: Dataset, settings: Settings) -> Figure:
    """AUROC of each method over directions, one panel per kind of classifier."""
    figure, cells = grid(data, "kind", size=(7.2, 2.8), sharey=True)
    for at, ax in cells:
        ax.axvline(0.5, **CHANCE, label="chance")
        dots(ax, share(data.area.sel(at)), y="method", series="words", ms=4, capsize=2)
        ax.set(xlabel="AUROC, live directions", xlim=(0.2, 1.04))
        ax.set_xticks([0.25, 0.5, 0.75, 1], [".25", ".5", ".75", "1"])
    legend(figure, cells)
    return figure


def summary(data: Dataset, settings: Settings) -> Summary:
    """AUROC with intervals by kind and words, and what follows in a sentence."""
    ours, theirs = (data.area.sel({"method": m}) for m in ("agreement", "|gradient×input|"))
    good, better = (
        listed(ahead(*pair), "{kind} on {words}, by {text}")
        for pair in ((ours, theirs), (theirs, ours))
    )
    sentence = (
        f"Agreement tells live from dead directions better than |gradient×input| for {good}; "
        f"|gradient×input| does it better for {better} (AUROC; intervals over {settings.trials} "
        f"data sets that hold together with {LEVEL:.0%})."
    )
    tables = {
        "area": numbers(share(data.area)),
        "accuracy_mean": numbers(data.accuracy.mean(("trial", "copy")), digits=None),
    }
    return Summary((sentence,), tables)


experiment = Experiment(
    name="attribution.dead-directions",
    title="Agreement tells learned directions from those that training never touched",
    label="the method's intuition, with ground truth",
    provenance="derived",
    presets={
        "smoke": Settings(**SMOKE, kinds=("sum", "max"), dim=5, texts=4),
        "course": Settings(),
        "paper": Settings(**PAPER),
    },
    run=run,
    draw=draw,
    summary=summary,
)
