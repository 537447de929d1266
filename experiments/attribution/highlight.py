"""Figure D of the paper: one text highlighted by every method, as a page and as a heat map.

``--text`` explains a text of one's own. Copies trained on real texts are kept in the user's cache,
so that a second text takes seconds.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any

import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.colors import LinearSegmentedColormap
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from xarray import Dataset

from experiments.attribution import highlighted
from experiments.attribution.chosen import LARGE, SMALL, ChosenSettings, choose
from experiments.attribution.highlighted import AGREEMENT, INK, LEVEL, TOP, falling, shade
from experiments.attribution.scoring import PerturbedSettings, score_perturbed, tried
from experiments.attribution.training import prepare
from experiments.experiment import Experiment, Progress, Summary
from experiments.plots.names import printable
from theory.attribution.agreement import calibrate
from theory.attribution.copies import Kind
from theory.attribution.texts import score
from theory.keys import named

CLASSES = {1: "positive", -1: "negative", 0: "unknown"}

DRAWN = 40
"""Words of the heat map, which has room for no more; the page has them all."""


class Drawn(IntEnum):
    """What is drawn with the key of a run."""

    PREPARED = 0
    SMOOTHING = 1
    UNTRAINED = 2


@dataclass(frozen=True)
class Settings(ChosenSettings, PerturbedSettings):
    """One text highlighted by every method."""

    kind: Kind = "max"
    """classifier: flat, sum, max or lstm"""


def run(settings: Settings, key, progress: Progress) -> Dataset:
    """Train, choose and explain.

    Returns:
        What `highlighted` shows, ``text``, ``score``, ``p_value`` and ``adjusted``; the ``logit``
        of the copies that agree, the ``accuracy`` of all; ``predicted`` and ``label`` (±1, 0 when
        unknown), the ``gap`` of integrated gradients, and how many words are ``left_out``; these
        words and where they stood where there are any, as in `highlighted`.
    """
    settings.require_libraries()
    prepared = prepare(settings, settings.kind, named(key, Drawn.PREPARED), progress)
    progress(0.95, "explaining")
    chosen = choose(settings, prepared)
    copies, table, ids = chosen.copies, prepared.table, chosen.ids[None]
    explained = score(settings.kind, copies, table, ids, named(key, Drawn.SMOOTHING))
    found = explained.scores | score_perturbed(copies, table, ids, settings.perturbed)
    methods, words = tried(settings.perturbed), np.arange(len(chosen.words))
    scores = np.stack([found[name][0, words] for name in methods])
    chance = chosen.by_chance(settings, settings.kind, table, named(key, Drawn.UNTRAINED))
    significance = calibrate(jnp.asarray(found[AGREEMENT][0, words]), jnp.asarray(chance))
    progress(1.0, "done")
    left = {"left_words": ("left", list(chosen.left_out)), "before": ("left", list(chosen.before))}
    return Dataset(
        {"text": ("word", list(chosen.words)), "score": (("method", "word"), scores)}
        | {name: ("word", np.asarray(p)) for name, p in significance._asdict().items()}
        | {"logit": ("agreeing", explained.logits[0]), "accuracy": ("copy", prepared.accuracy)}
        | {"predicted": chosen.predicted, "label": chosen.label or 0}
        | {"left_out": len(chosen.left_out), "gap": explained.gap[0]}
        | (left if chosen.left_out else {}),
        {"method": list(methods), "word": words + 1, "copy": np.arange(settings.copies)},
    )


def warning(data: Dataset, settings: Settings) -> str | None:
    """Said of a text of whose words the classifiers know less than half."""
    words = data.sizes["word"]
    before = data.before.values if "before" in data else np.empty(0, int)
    # What follows the last word that is read may be known.
    unknown = int((before < words).sum() if words == settings.sizes.tokens else before.size)
    if unknown <= words:
        return None
    return (
        f"Of {words + unknown} words of this text the classifiers know {words}: what they say is "
        "hardly about the text, which may be of another language or kind than those they learned "
        "from."
    )


def facts(data: Dataset, settings: Settings) -> dict[str, Any]:
    """About the text and the networks, for the page."""
    return {
        "texts": settings.dataset,
        "classifier": settings.kind,
        "copies that agree": f"{data.logit.size} of {settings.copies}",
        "predicted": CLASSES[int(data.predicted)],
        "label": CLASSES[int(data.label)],
        "logit": round(float(data.logit[0]), 3),
        "test accuracy": round(float(data.accuracy.mean()), 3),
        "words left out": int(data.left_out),
        "sets of untrained copies": settings.chance,
    }


def draw(data: Dataset, settings: Settings) -> Figure:
    """Methods × words, those words of largest mean strength over the methods."""
    marks = highlighted.marks(data)
    order = falling(marks.strength.mean("method"))[:DRAWN]
    shown = marks.isel(word=order)
    figure, ax = plt.subplots(figsize=(7.2, 1.9 + 0.17 * max(len(order), 12)))
    colours = LinearSegmentedColormap.from_list("strength", [*map(shade, (-1, 0, 1))])
    image = ax.imshow(shown.strength.T, cmap=colours, vmin=-1, vmax=1, aspect="auto")
    for i, j in np.argwhere(shown.top.values):
        text = str(int(shown["rank"][i, j]))
        ax.text(i, j, text, ha="center", va="center", fontsize=6, color=INK)
    for i, j in np.argwhere(shown.significant.values):
        ax.add_patch(Rectangle((i - 0.46, j - 0.42), 0.92, 0.84, fill=False, color=INK, lw=0.9))
    words = [f"{printable(data.text[i].item(), 20)} ({i + 1})" for i in order]
    ax.set_yticks(range(len(order)), words, parse_math=False, fontsize=7)
    ax.set_xticks(range(len(data.method)), data.method.values, rotation=40, ha="left", fontsize=8)
    ax.tick_params(top=True, labeltop=True, bottom=False, labelbottom=False)
    ax.grid(False)
    ax.set_xlabel(
        f"number: rank among all words, of the {TOP} largest positive scores\n"
        f"frame: copies agree more than by chance, at level {LEVEL} over all words"
    )
    which = "all" if len(order) == data.sizes["word"] else f"{len(order)} of {data.sizes['word']}"
    ax.set_ylabel(f"{which} words (place in the text),\nby their mean over methods")
    figure.colorbar(image, label="score / strongest |score|\nof the method", aspect=40)
    return figure


def page(data: Dataset, settings: Settings) -> str:
    """The text under every method, as a page."""
    note = (
        "Every method scores every word. Words on which independently trained copies agree more "
        "than untrained ones do, at 5 % over all words of the text, are outlined: their direction "
        "was learned, which is not to say that they decided."
    )
    if (data.adjusted <= LEVEL).all():
        note += (
            " Here the copies agree on every word: that tells this text from chance, and no word "
            "from another."
        )
    note = " ".join(filter(None, (warning(data, settings), note)))
    return highlighted.page(data, facts(data, settings), "Words that matter, by method", note)


def summary(data: Dataset, settings: Settings) -> Summary:
    """The words each method puts first, and how many agree significantly."""
    found = warning(data, settings)
    return Summary(
        sentences=() if found is None else (found,),
        tables={
            "words": data.sizes["word"],
            "significant": int((data.adjusted <= LEVEL).sum()),
            "integrated_gradients_gap": float(data.gap),
            "accuracy_min": float(data.accuracy.min()),
            "first_words": {
                name: data.text.values[falling(data.score.sel({"method": name}))[:5]].tolist()
                for name in data.method.values
            },
        },
    )


experiment = Experiment(
    name="attribution.highlight",
    title="One text highlighted by every method",
    label="figure D",
    provenance="paper",
    presets={
        "smoke": Settings(**SMALL, perturbed=None),
        "course": Settings(),
        "paper": Settings(**LARGE, kind="lstm", perturbed=2000),
    },
    run=run,
    draw=draw,
    summary=summary,
    page=page,
)
