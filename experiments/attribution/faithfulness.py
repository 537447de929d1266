"""Are attributions faithful to the model? ERASER and deletion curves.

Words are removed in the order of each method's scores, once by closing the gap and once by putting
words of other texts in their place. Intervals are over texts: the copies are trained once.
"""

from dataclasses import dataclass
from enum import IntEnum

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure
from xarray import Dataset

from experiments.attribution.corpus import SMOKE, ComparedSettings
from experiments.attribution.scoring import PerturbedSettings, score_perturbed, tried
from experiments.attribution.training import logits_of, prepare
from experiments.cells import over
from experiments.errors import UsageError
from experiments.experiment import Experiment, Progress, Summary, part
from experiments.plots.dots import dots
from experiments.plots.estimates import defined, mean, numbers
from experiments.plots.style import CHANCE, GREEN, grid, legend, looks
from theory.attribution.copies import Kind
from theory.attribution.ranking import kendall_tau
from theory.attribution.removal import by_removal_of_texts
from theory.attribution.texts import score
from theory.keys import named
from theory.settings import Filled, Sample

RANDOM = "random order"
OPERATORS = ("words deleted", "words replaced")
"""What becomes of removed words. Padding in their place would be as if they were deleted to all
classifiers but "flat", which do not see it."""
MEASURES = {
    "comprehensiveness": "drop of p, large is good",
    "sufficiency": "drop of p, small is good",
    "deletion": "area below p, small is good",
    "insertion": "area below p, large is good",
}
"""What is measured of the probability p of the explained class, in words for an axis."""
STEPS = 64
"""Steps of a curve: one word at a time up to so many words, some at a time in longer texts."""


class Drawn(IntEnum):
    """What is drawn with the key of a run."""

    PREPARED = 0
    SMOOTHING = 1
    ORDER = 2
    OTHER_WORDS = 3


@dataclass(frozen=True)
class Settings(ComparedSettings, PerturbedSettings):
    """Texts explained by every method and taken apart."""

    dataset: str = "scripts"
    kinds: Filled[Kind] = ("sum", "max", "lstm")
    texts: Sample = 60
    """test texts explained, all classified rightly by the first copy"""


def run(settings: Settings, key, progress: Progress) -> Dataset:
    """Train, explain, take apart.

    Returns:
        ``found`` over kind, text, method, operator and measure; ``tau``, Kendall's τ with
        leave-one-out, NaN where it has none; ``accuracy`` of every copy.
    """
    settings.require_libraries()
    methods, count = (*tried(settings.perturbed), RANDOM), len(settings.kinds)

    def cell(kind: Kind):
        report = part(progress, settings.kinds.index(kind) / count, 1 / count)
        prepared = prepare(settings, kind, named(key, Drawn.PREPARED), part(report, 0, 0.6))
        corpus, table, copies, accuracy = prepared
        net = jax.tree.map(lambda leaf: leaf[0], copies)
        outputs = logits_of(copies, table, corpus.x_test)[0]
        long_enough = (corpus.x_test > 0).sum(axis=1) >= 2
        rows = np.flatnonzero(((outputs > 0) == (corpus.y_test > 0)) & long_enough)
        if len(rows) < settings.texts:
            raise UsageError(
                f"The first copy, {kind}, gets {len(rows)} texts right, fewer than texts = "
                f"{settings.texts}: lower it, or train longer."
            )
        ids = corpus.x_test[rows[: settings.texts]]
        report(0.6, f"explaining, {kind}")
        scores = score(kind, copies, table, ids, named(key, Drawn.SMOOTHING)).scores
        scores |= score_perturbed(copies, table, ids, settings.perturbed)
        scores[RANDOM] = np.asarray(jax.random.uniform(named(key, Drawn.ORDER), ids.shape))
        stacked = np.stack([scores[name] for name in methods], axis=1)
        seen = jnp.asarray(corpus.x_train[corpus.x_train > 0])
        report(0.8, f"taking texts apart, {kind}")
        others = jax.random.choice(named(key, Drawn.OTHER_WORDS), seen, ids.shape)
        found = by_removal_of_texts(net, table, ids, others, stacked, STEPS)
        tau = [
            [kendall_tau(one, reference, row > 0) for one in each]
            for each, reference, row in zip(stacked, scores["occlusion"], ids, strict=True)
        ]
        return {
            "found": (("text", "method", "operator", "measure"), found),
            "tau": (("text", "method"), tau),
            "accuracy": (("copy",), accuracy),
        }

    labels = {"method": methods, "operator": OPERATORS, "measure": tuple(MEASURES)}
    labels |= {"text": range(settings.texts), "copy": range(settings.copies)}
    return over(cell, progress, labels, kind=settings.kinds)


def draw(data: Dataset, settings: Settings) -> Figure:
    """One column for each kind, one row for each measure, and one for τ."""
    panels = Dataset(coords={"kind": data.kind, "measure": [*MEASURES, "Kendall's τ"]})
    size = 7.2, 1 + 0.8 * data.sizes["method"]
    figure, cells = grid(panels, "kind", "measure", size=size, sharex="row", sharey=True)
    for at, ax in cells:
        if at["measure"] not in MEASURES:
            ax.axvline(0, **CHANCE)
            interval = defined(data.tau.sel(kind=at["kind"]), "text")
            dots(ax, interval, y="method", color=GREEN, marker="D")
            ax.set(xlim=(-1.15, 1.15), xlabel="τ with occlusion")
            continue
        interval = mean(data.found.sel(at), "text")
        for operator, look in looks(OPERATORS).items():
            level = interval.centre.sel({"method": RANDOM, "operator": operator})
            ax.axvline(float(level), **CHANCE | {"color": look["color"]}, label=RANDOM)
        dots(ax, interval, y="method", series="operator")
        ax.set_xlabel(MEASURES[at["measure"]])
    legend(figure, cells)
    return figure


def summary(data: Dataset, settings: Settings) -> Summary:
    """By kind and method, every measure with its interval, both operators, and Kendall's τ."""
    return Summary(
        tables={
            "found": numbers(mean(data.found, "text")),
            "kendall_tau": numbers(defined(data.tau, "text")),
            "texts_with_a_tau": numbers(data.tau.count("text")),
            "accuracy": numbers(data.accuracy),
        }
    )


SMALL = SMOKE | {"dataset": "planted", "kinds": ("sum",), "epochs": 8, "texts": 6}
PAPER = Settings(
    dataset="imdb", kinds=("lstm",), tokens=500, d=64, width=512, learning_rate=0.001, texts=200,
    perturbed=2000,
)  # fmt: skip

experiment = Experiment(
    name="attribution.faithfulness",
    title="Which attributions are faithful to the model",
    label="evaluation by removal",
    provenance="derived",
    presets={"smoke": Settings(**SMALL, perturbed=None), "course": Settings(), "paper": PAPER},
    run=run,
    draw=draw,
    summary=summary,
)
