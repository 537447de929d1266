"""Does an attribution point at the reason? Texts whose label one planted word decides.

Every text holds a deciding word and a decoy that is as rare. All methods score all words of test
texts; the pointing game asks whether the deciding word comes first, AUROC how many words come
before it. A data set, not a text, is what the intervals are over.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Literal

import jax
import numpy as np
from matplotlib.figure import Figure
from xarray import Dataset

from experiments.attribution.corpus import PAPER, SMOKE, ComparedSettings, decided
from experiments.attribution.scoring import PerturbedSettings, score_perturbed, tried
from experiments.attribution.training import prepare
from experiments.cells import over
from experiments.experiment import Experiment, Progress, Summary
from experiments.plots.comparison import listed
from experiments.plots.curves import curves
from experiments.plots.dots import dots
from experiments.plots.estimates import LEVEL, ahead, jointly, numbers, share
from experiments.plots.style import CHANCE, grid, legend, stacked
from theory.attribution.copies import Kind
from theory.attribution.ranking import judged
from theory.attribution.scores import ENSEMBLE
from theory.attribution.texts import ensemble_scores_of_texts, gradients_of_texts, score
from theory.keys import named
from theory.settings import Count, Increasing, Sample

POSITIONS = ("random position", "fixed position")
"""Where the deciding word stands: anywhere, or in the middle of every text."""

MEASURES = ("pointing accuracy", "AUROC")
AGREEMENT, BASELINE = "agreement", "|gradient×input|"
SWEPT = (AGREEMENT, "agreement, small norms")
"""Methods shown against the number of copies."""


class Drawn(IntEnum):
    """What is drawn beside a prepared set."""

    NOISE = 5


@dataclass(frozen=True)
class Settings(ComparedSettings, PerturbedSettings):
    """Copies of every kind of classifier on texts with planted words."""

    dataset: Literal["planted"] = "planted"
    """the set of which everybody knows which words decide"""
    copies: int = 8
    sweep: Increasing[Sample] = (3, 5, 8)
    """numbers of copies with which the methods that need several are tried"""
    perturbed: Count | None = 500

    def __post_init__(self):
        super().__post_init__()
        if max(self.sweep) > self.copies:
            raise ValueError(f"sweep is {self.sweep}, with more than copies = {self.copies}")

    @property
    def chance(self) -> dict[str, float]:
        """What scores that know nothing reach, by measure."""
        return {"pointing accuracy": 1 / self.sizes.tokens, "AUROC": 0.5}


def run(settings: Settings, key, progress: Progress) -> Dataset:
    """Train and explain.

    Returns:
        ``score`` of every method by measure, ``swept`` of those that need several copies by their
        number; test ``accuracy`` of every copy, and ``gap``, the largest of integrated gradients.
    """
    settings.require_libraries()
    methods = tried(settings.perturbed)

    def cell(trial: int, kind: Kind, position: str):
        data_key = jax.random.fold_in(key, trial)
        middle = settings.sizes.tokens // 2 if position == "fixed position" else None
        corpus, table, copies, right = prepare(settings, kind, data_key, position=middle)
        ids, target = decided(corpus, settings.texts)
        words = ids > 0
        explained = score(kind, copies, table, ids, named(data_key, Drawn.NOISE))
        scores = explained.scores | score_perturbed(copies, table, ids, settings.perturbed)
        found = [judged(np.asarray(scores[name]), target, words) for name in methods]
        gradients, fewer = gradients_of_texts(copies, table[ids]), []
        for count in settings.sweep:
            swept = np.asarray(ensemble_scores_of_texts(gradients[:, :count], words))
            fewer.append([judged(one, target, words) for one in swept])
        return {
            "score": (("method", "measure"), found),
            "swept": (("copies", "ensemble", "measure"), fewer),
            "accuracy": (("copy",), right),
            "gap": ((), explained.gap.max()),
        }

    labels = {"method": methods, "measure": MEASURES, "copies": settings.sweep}
    labels |= {"ensemble": ENSEMBLE, "copy": range(1, settings.copies + 1)}
    cells = {"trial": range(settings.trials), "kind": settings.kinds, "position": POSITIONS}
    return over(cell, progress, labels, **cells)


def draw(data: Dataset, settings: Settings) -> Figure:
    """Both measures of all methods, by kind and position; agreement against M below."""
    figure, parts = stacked((7.2, 8.4), 10, 3)
    _, cells = grid(data, "kind", "measure", size=(7.2, 6.4), within=parts[0], sharey=True)
    for at, ax in cells:
        ax.axvline(settings.chance[at["measure"]], **CHANCE, label="chance")
        dots(ax, share(data.score.sel(at)), y="method", series="position", ms=3)
        ax.set(title=at["kind"], xlabel=at["measure"], xlim=(-0.03, 1.03))
        ax.set_xticks([0, 0.5, 1], ["0", ".5", "1"])
    legend(parts[0], cells)
    _, cells = grid(data, "kind", size=(7.2, 2.0), within=parts[1], sharey=True)
    for at, ax in cells:
        ax.axhline(settings.chance["AUROC"], **CHANCE, label="chance")
        swept = data.swept.sel(at | {"measure": "AUROC", "position": "random position"})
        curves(ax, share(swept.sel(ensemble=list(SWEPT))), x="copies", series="ensemble", ms=3)
        ax.set(ylim=(-0.03, 1.05), xlim=(settings.sweep[0] - 1, settings.sweep[-1] + 1))
        ax.set_xlabel("copies $M$")
        ax.set_xticks(settings.sweep)
    cells[0][1].set_ylabel("AUROC, random position")
    legend(parts[1], cells, "lower")
    return figure


def summary(data: Dataset, settings: Settings) -> Summary:
    """Means with intervals for every kind, position and method, and what follows in sentences."""
    area = data.score.sel(measure="AUROC")
    ours, theirs = (area.sel({"method": name}) for name in (AGREEMENT, BASELINE))
    # Two comparisons in each place; all hold together with 95 %.
    count = 2 * data.sizes["kind"] * data.sizes["position"]
    good = listed(share(ours, level=jointly(count)), "{kind}, {position}, {text}", 0.5)
    higher, lower = (
        listed(ahead(*pair, comparisons=count), "{kind}, {position}, by {text}")
        for pair in ((ours, theirs), (theirs, ours))
    )
    sentences = (
        f"Agreement ranks the deciding word above chance for {good}.",
        f"It ranks it higher than {BASELINE} does for {higher}, and lower for {lower} (AUROC; "
        f"intervals over {settings.trials} data sets that hold together with {LEVEL:.0%}).",
    )
    tables = {
        "score": numbers(share(data.score)),
        "accuracy_mean": numbers(data.accuracy.mean(("trial", "copy")), digits=None),
        "integrated_gradients_gap_max": float(data.gap.max()),
        "chance": settings.chance,
    }
    return Summary(sentences, tables)


experiment = Experiment(
    name="attribution.planted",
    title="Which attributions find the word that decides a text",
    label="evaluation with ground truth",
    provenance="derived",
    presets={
        "smoke": Settings(**SMOKE, kinds=("sum", "max"), sweep=(3,), texts=4, perturbed=None),
        "course": Settings(),
        "paper": Settings(**PAPER),
    },
    run=run,
    draw=draw,
    summary=summary,
)
