"""Figure D of the paper: one text highlighted by every method, as a page and for print.

``--text`` explains a text of one's own. Copies trained on real texts are kept in the user's cache,
so that a second text takes seconds.
"""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure

from experiments.attribution import highlighted, highlighted_figure
from experiments.attribution.chosen import ChosenSettings, choose
from experiments.attribution.highlighted import Highlighted
from experiments.attribution.scoring import (
    METHODS,
    PerturbedSettings,
    score,
    score_perturbed,
    untrained_scores,
)
from experiments.attribution.training import prepare
from experiments.experiment import Arrays, Experiment, Progress
from theory.attribution.agreement import calibrate
from theory.attribution.copies import Kind

CLASSES = {1: "positive", -1: "negative", 0: "unknown"}


@dataclass(frozen=True)
class Settings(ChosenSettings, PerturbedSettings):
    """One text highlighted by every method."""

    dataset: str = "scripts"
    """planted, scripts, rt_polarity, imdb, or a folder of negative/*.txt and positive/*.txt"""
    kind: Kind = "max"
    """classifier: flat, sum, max or lstm"""


def run(settings: Settings, key, progress: Progress) -> Arrays:
    """Train, choose and explain.

    Returns:
        ``words`` (T,), one array of scores (T,) per method, ``p_value`` and ``adjusted`` (T,),
        ``logits`` of the copies that agree, and single numbers: ``copies``, ``predicted``,
        ``label`` (0 when unknown), ``left_out``, ``gap``, ``accuracy``.
    """
    settings.require_libraries()
    prepared = prepare(settings, settings.kind, jax.random.fold_in(key, 0), progress)
    progress(0.95, "explaining")
    chosen = choose(settings, prepared)
    ids = chosen.ids[None]
    words = len(chosen.words)
    x = prepared.table[chosen.ids]
    explained = score(settings.kind, chosen.copies, prepared.table, ids, jax.random.fold_in(key, 1))
    scores = explained.scores | score_perturbed(
        chosen.copies, prepared.table, ids, settings.perturbed
    )
    chance = untrained_scores(
        settings, settings.kind, x, chosen.agreeing, settings.chance, jax.random.fold_in(key, 2)
    )
    found = calibrate(jnp.asarray(scores["agreement"][0, :words]), jnp.asarray(chance))
    progress(1.0, "done")
    return {name: np.asarray(scores[name][0, :words]) for name in METHODS if name in scores} | {
        "words": np.array(chosen.words),
        "p_value": np.asarray(found.p_value),
        "adjusted": np.asarray(found.adjusted),
        "logits": np.asarray(explained.logits[0]),
        "copies": np.asarray(settings.copies),
        "predicted": np.asarray(chosen.predicted),
        "label": np.asarray(chosen.label or 0),
        "left_out": np.asarray(chosen.left_out),
        "gap": np.asarray(explained.gap[0]),
        "accuracy": prepared.accuracy,
    }


def shown(arrays: Arrays, settings: Settings) -> Highlighted:
    """The arrays as a highlighted text."""
    logits = arrays["logits"]
    return Highlighted(
        words=tuple(arrays["words"].tolist()),
        methods={name: arrays[name] for name in METHODS if name in arrays},
        p_value=arrays["p_value"],
        adjusted=arrays["adjusted"],
        facts={
            "texts": settings.dataset,
            "classifier": settings.kind,
            "copies that agree": f"{len(logits)} of {int(arrays['copies'])}",
            "predicted": CLASSES[int(arrays["predicted"])],
            "label": CLASSES[int(arrays["label"])],
            "logit": round(float(logits[0]), 3),
            "test accuracy": round(float(arrays["accuracy"].mean()), 3),
            "words left out": int(arrays["left_out"]),
            "sets of untrained copies": settings.chance,
        },
    )


def draw(arrays: Arrays, settings: Settings) -> Figure:
    """The text under every method, for print."""
    return highlighted_figure.draw(shown(arrays, settings))


def page(arrays: Arrays, settings: Settings) -> str:
    """The text under every method, as a page."""
    note = (
        "Every method scores every word. Words on which independently trained copies agree more "
        "than untrained ones do, at 5 % over all words of the text, are outlined: their direction "
        "was learned, which is not to say that they decided."
    )
    if (arrays["adjusted"] <= highlighted.LEVEL).all():
        note += (
            " Here the copies agree on every word: that tells this text from chance, and no word "
            "from another."
        )
    return highlighted.page(shown(arrays, settings), "Words that matter, by method", note)


def summary(arrays: Arrays, settings: Settings) -> dict[str, Any]:
    """The words each method puts first, and how many agree significantly."""
    words = arrays["words"]
    methods = shown(arrays, settings).methods
    return {
        "words": len(words),
        "significant": int((arrays["adjusted"] <= highlighted.LEVEL).sum()),
        "integrated_gradients_gap": float(arrays["gap"]),
        "accuracy_min": float(arrays["accuracy"].min()),
        "first_words": {
            name: [str(words[i]) for i in np.argsort(-scores, kind="stable")[:5]]
            for name, scores in methods.items()
        },
    }


experiment = Experiment(
    name="attribution.highlight",
    title="One text highlighted by every method",
    label="figure D",
    provenance="paper",
    presets={
        "smoke": Settings(
            dataset="planted",
            tokens=8,
            d=8,
            vocabulary=30,
            samples=256,
            width=16,
            copies=4,
            epochs=8,
            chance=99,
            perturbed=None,
        ),  # fmt: skip
        "course": Settings(),
        "paper": Settings(
            dataset="imdb",
            kind="lstm",
            tokens=500,
            vocabulary=1000,
            samples=25_000,
            d=64,
            width=512,
            epochs=5,
            learning_rate=0.001,
            perturbed=2000,
        ),  # fmt: skip
    },
    run=run,
    draw=draw,
    summary=summary,
    page=page,
)
