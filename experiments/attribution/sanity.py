"""Sanity checks: does an attribution see what was learned, or the text and the architecture?

Scores of the trained copies are compared (Spearman's ρ, Adebayo et al. 2018) with those of copies
at initialisation, and with those of copies trained on shuffled labels: evidence only for a kind
whose copies classify test texts better than chance. Padding must be unremarkable, which only
networks with a gradient there can fail, and a map of positions is no explanation of words: the
share of agreement's variance that a word's position alone explains is measured, beside what chance
gives.
"""

from dataclasses import dataclass
from enum import IntEnum

import jax
import numpy as np
from matplotlib.figure import Figure
from xarray import DataArray, Dataset

from experiments.attribution.corpus import SMOKE, ComparedSettings
from experiments.attribution.training import prepare, untrained
from experiments.cells import over
from experiments.errors import UsageError
from experiments.experiment import Experiment, Progress, Summary
from experiments.plots.dots import dots
from experiments.plots.estimates import defined, numbers, share
from experiments.plots.style import BLACK, CHANCE, grid, legend, stacked
from theory.attribution.agreement import expected_chance
from theory.attribution.copies import Kind
from theory.attribution.ranking import adebayo, position_share
from theory.attribution.scores import ENSEMBLE, SINGLE
from theory.attribution.texts import padding_agreement, score
from theory.keys import named

METHODS = (*SINGLE, *ENSEMBLE)
RANDOMISED = ("parameters drawn anew", "labels shuffled in training")

LEARNED = 0.6
"""Mean test accuracy below which ρ is called no evidence.

Labels are balanced, so chance is ½: copies that are right on fewer than three texts in five have
learned next to nothing that an attribution of a test text could show.
"""

_padding_agreement = jax.jit(padding_agreement)


class Drawn(IntEnum):
    """What is drawn beside a prepared set."""

    UNTRAINED = 5
    NOISE = 6


@dataclass(frozen=True)
class Settings(ComparedSettings):
    """Copies of every kind, their untrained twins, and copies trained on shuffled labels."""

    dataset: str = "scripts"
    texts: int = 16
    """test texts explained, of each trial; few, because intervals are over trials"""
    trials: int = 6
    """embeddings and sets of copies"""


def run(settings: Settings, key, progress: Progress) -> Dataset:
    """Train twice, explain three times.

    Returns:
        ``rho``, mean Spearman's ρ over the texts where it is defined, NaN without any, and
        ``undefined``, the number of the other texts; ``padding``, from `padding_agreement`;
        ``position_share`` of agreement and ``position_chance``; the mean test ``accuracy`` of the
        copies, and ``shuffled_accuracy``.

    Raises:
        UsageError: no test text has two known words.
    """

    def cell(trial: int, kind: Kind):
        trial_key = jax.random.fold_in(key, trial)
        trained = prepare(settings, kind, trial_key)
        shuffled = prepare(settings, kind, trial_key, shuffled=True)
        texts = trained.corpus.x_test
        ids = texts[(texts > 0).sum(axis=1) >= 2][: settings.texts]
        if not len(ids):
            raise UsageError(
                f"No test text of {settings.dataset} has two known words, and ranks need them: "
                "raise tokens or vocabulary, or give longer texts."
            )
        words = ids > 0
        keys = jax.random.split(named(trial_key, Drawn.UNTRAINED), settings.copies)
        sizes = {"words": ids.shape[1], "d": settings.sizes.d, "width": settings.hidden(kind)}
        fresh = jax.tree.map(lambda leaf: leaf.astype(float), untrained(kind, keys, **sizes))
        explained, *others = (
            score(kind, copies, trained.table, ids, named(trial_key, Drawn.NOISE)).scores
            for copies in (trained.copies, fresh, shuffled.copies)
        )
        pairs = [[(explained[name], other[name]) for name in METHODS] for other in others]
        rho = np.array([[list(map(adebayo, *pair, words)) for pair in of] for of in pairs])
        # ρ of constant scores is undefined, and no evidence: certainly not of ρ = 0.
        known = np.isfinite(rho)
        count = known.sum(axis=-1)
        compared = ("randomised", "method")
        return {
            "rho": (compared, np.where(known, rho, 0).sum(-1) / np.where(count, count, np.nan)),
            "undefined": (compared, len(ids) - count),
            "padding": ((), _padding_agreement(trained.copies, trained.table, ids)),
            "position_share": ((), position_share(np.asarray(explained["agreement"]), words)),
            "position_chance": ((), (words.any(axis=0).sum() - 1) / max(1, words.sum() - 1)),
            "accuracy": ((), trained.accuracy.mean()),
            "shuffled_accuracy": ((), shuffled.accuracy.mean()),
        }

    labels = {"randomised": RANDOMISED, "method": METHODS}
    return over(cell, progress, labels, trial=range(settings.trials), kind=settings.kinds)


def padding_tested(data: Dataset) -> DataArray:
    """The kinds that have a gradient at padding in some trial, so that agreement there says much.

    Example:
        >>> padding = DataArray([[0.1, 0.0], [0.1, 0.0]], dims=("trial", "kind"))
        >>> padding_tested(Dataset({"padding": padding})).values.tolist()
        [True, False]
    """
    return (data.padding.fillna(0) != 0).any("trial")


def draw(data: Dataset, settings: Settings) -> Figure:
    """ρ of every method under both randomisations, padding and positions by kind."""
    figure, parts = stacked((7.2, 5.8), 3, 1.3)
    _, cells = grid(data, "kind", size=(7.2, 4.0), within=parts[0], sharex=True, sharey=True)
    for at, ax in cells:
        ax.axvline(0, **CHANCE, label="shows the learned alone")
        dots(ax, defined(data.rho.sel(at)), y="method", series="randomised", ms=3)
        right = float(data.accuracy.sel(at).mean())
        remark = "" if right >= LEARNED else "\nnear chance: no evidence"
        ax.set_title(f"{at['kind']}\ntest accuracy {right:.2f}{remark}", fontsize=8)
        ax.set_xlabel(r"Spearman's $\rho$")
    cells[0][1].set_xlim(min(0.0, float(defined(data.rho).low.min())) - 0.05, 1.05)
    legend(parts[0], cells)
    left, right = parts[1].subplots(1, 2, sharey=True)
    chance = float(expected_chance(settings.sizes.d))
    tested = padding_tested(data)
    left.axvline(chance, **CHANCE, label="chance of agreement")
    dots(left, defined(data.padding.where(tested)), y="kind")
    for row, kind in enumerate(settings.kinds[::-1]):
        if not tested.sel(kind=kind):  # a point at 0 would look like a test passed
            padded = bool(data.padding.sel(kind=kind).notnull().any())
            what = "no gradient at padding" if padded else "no padding"
            left.text(1.05 * chance, row, what, va="center", color="0.4", size=8)
    left.set(xlabel="agreement at padding", ylabel="classifier")
    left.set_xlim(-0.02, max(0.3, 2 * chance))
    dots(right, share(data.position_share), y="kind")
    expected, look = data.position_chance.mean("trial"), {"color": BLACK, "ms": 12}
    right.plot(expected[::-1], range(len(expected)), "|", **look, label="chance of the share")
    right.set(xlabel="share of variance between positions", xlim=(-0.02, 1.05))
    legend(parts[1], [({}, left), ({}, right)])
    return figure


def summary(data: Dataset, settings: Settings) -> Summary:
    """By kind: ρ with intervals and how often it is undefined, padding, positions, accuracies."""
    accuracy, tested = data.accuracy.mean("trial"), padding_tested(data)
    none = [kind for kind in settings.kinds if accuracy.sel(kind=kind) < LEARNED]
    untested = [kind for kind in settings.kinds if not tested.sel(kind=kind)]
    sentences = (
        f"Classifiers near chance, whose ρ is no evidence: {', '.join(none) or 'none'}.",
        "Classifiers of which padding tests nothing, for want of it or of a gradient there: "
        f"{', '.join(untested) or 'none'}.",
    )
    tables = {
        "chance": float(expected_chance(settings.sizes.d)),
        "accuracy": numbers(accuracy, digits=None),
        "near_chance_so_no_evidence": numbers(accuracy < LEARNED),
        "accuracy_with_shuffled_labels": numbers(data.shuffled_accuracy.mean("trial"), None),
        "agreement_at_padding": numbers(defined(data.padding.where(tested))),
        "position_share": numbers(share(data.position_share)),
        "position_share_by_chance": numbers(data.position_chance.mean("trial"), digits=None),
        "rho": numbers(defined(data.rho), digits=3),
        # Texts without ρ, of all trials; and trials without any text that has one.
        "undefined_texts": numbers(data.undefined.sum("trial")),
        "undefined_trials": numbers(data.rho.isnull().sum("trial")),
    }
    return Summary(sentences, tables)


experiment = Experiment(
    name="attribution.sanity",
    title="Attributions of trained copies against those of randomised ones",
    label="sanity checks",
    provenance="derived",
    presets={
        "smoke": Settings(**SMOKE, kinds=("sum",), dataset="planted", texts=6),
        "course": Settings(),
        "paper": Settings(width=256, texts=200, trials=10),
    },
    run=run,
    draw=draw,
    summary=summary,
)
