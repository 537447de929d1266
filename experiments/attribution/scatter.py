"""Figures A, B, C and E of the paper: agreement against gradient norm, word by word, on one text.

A: all words; B: those of small norm, which the paper keeps; C: the norms; E: how many dimensions
the inputs fill, word by word and as flattened texts, on which the theory's freezing rests.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import Any, get_args

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from xarray import DataArray, Dataset

from experiments.attribution.chosen import LARGE, SMALL, ChosenSettings, choose
from experiments.attribution.highlighted import LEVEL, TOP, falling
from experiments.attribution.training import Prepared, prepare
from experiments.experiment import Experiment, Progress, Summary, part
from experiments.plots.names import printable, write_names
from experiments.plots.style import BLACK, BLUE, GREEN, ORANGE, THEORY, VERMILION, legend, stacked
from theory.attribution import agreement_scores, calibrate
from theory.attribution.agreement import expected_chance, pair_cosines
from theory.attribution.copies import Kind
from theory.attribution.embedding import explained_variance
from theory.attribution.scores import word_gradients
from theory.keys import named
from theory.settings import Filled

NAMED = 4
"""Words of a panel whose names are written out, at most: those of largest score that have room."""

SPECTRUM_TEXTS = 1000
"""Texts whose flattened embeddings are decomposed."""


class Drawn(IntEnum):
    """What is drawn with the key of a run."""

    PREPARED = 0
    UNTRAINED = 1


@dataclass(frozen=True)
class Settings(ChosenSettings):
    """One text seen by copies of every kind of classifier."""

    kinds: Filled[Kind] = get_args(Kind)
    """classifiers: flat, sum, max, lstm"""


def run(settings: Settings, key, progress: Progress) -> Dataset:
    """Train each kind and look at one text, the same one where it is given.

    Returns:
        Over kind and word, padded with NaN where a kind's text is shorter: ``text``, ``score``,
        ``spread`` (standard deviation over pairs), ``norm`` (the mean of relative ones), ``length``
        (mean ‖g‖), ``p_value`` and ``adjusted``. By kind ``untrained``, the mean score of untrained
        copies at its words, and ``accuracy`` of every copy. ``spectrum_words`` and
        ``spectrum_texts``: cumulative shares of variance.
    """
    parts: list[Dataset] = []
    kinds, prepared = settings.kinds, None
    for i, kind in enumerate(kinds):
        report = part(progress, i / len(kinds), 1 / len(kinds))
        prepared = prepare(settings, kind, named(key, Drawn.PREPARED), report)
        parts.append(_looked_at(settings, kind, prepared, named(key, Drawn.UNTRAINED)))
    assert prepared is not None
    progress(1.0, "done")
    along = DataArray(list(kinds), dims="kind", name="kind")
    found = xr.concat(parts, along, join="outer", data_vars="all", fill_value={"text": ""})
    texts = prepared.corpus.x_train  # the same for every kind
    table = np.asarray(prepared.table)
    flat = table[texts[:SPECTRUM_TEXTS]].reshape(-1, texts.shape[1] * table.shape[1])
    for name, x in ("words", table[texts[texts > 0]]), ("texts", flat):
        share = explained_variance(x)
        dim = f"component_of_{name}"
        found = found.assign({f"spectrum_{name}": (dim, share), dim: np.arange(1, 1 + len(share))})
    return found


def _looked_at(settings: Settings, kind: Kind, prepared: Prepared, key) -> Dataset:
    chosen = choose(settings, prepared)
    x, count = prepared.table[chosen.ids], len(chosen.words)
    gradients = jax.jit(word_gradients)(chosen.copies, x)[:, :count]
    found = agreement_scores(gradients)
    chance = chosen.by_chance(settings, kind, prepared.table, key)
    by_word = {
        "text": list(chosen.words),
        "score": found.score,
        "spread": jnp.std(jnp.abs(pair_cosines(gradients)), axis=0),
        "norm": found.norm,
        "length": jnp.mean(jnp.linalg.norm(gradients, axis=-1), axis=0),
        **calibrate(found.score, jnp.asarray(chance))._asdict(),
    }
    return Dataset(
        {name: ("word", np.asarray(values)) for name, values in by_word.items()}
        | {"untrained": ((), chance.mean()), "accuracy": ("copy", prepared.accuracy)},
        {"word": np.arange(1, count + 1), "copy": np.arange(settings.copies)},
    )


def _of(data: Dataset, kind: str) -> Dataset:
    """What was seen of one kind's text."""
    return data.sel(kind=kind).dropna("word", subset=["score"])


def _enough(spectrum: DataArray) -> int:
    """Principal components that have 95 % of the variance."""
    return int(np.searchsorted(spectrum, 0.95)) + 1


def draw(data: Dataset, settings: Settings) -> Figure:
    """One row for each kind of classifier, and the spectra below."""
    rows = data.sizes["kind"]
    figure, (above, below) = stacked((7.2, 2.3 * rows + 2.3), 2.3 * rows + 0.3, 2)
    axes = above.subplots(rows, 3, squeeze=False, width_ratios=(5, 5, 4))
    panels = []
    for kind, (every, some, norms) in zip(settings.kinds, axes, strict=True):
        words = _of(data, kind)
        small = words.isel(word=np.flatnonzero(words.norm <= words.norm.median()))
        for ax, shown, title in ((every, words, "all words"), (some, small, "small norms")):
            _scatter(ax, shown, float(expected_chance(settings.sizes.d)))
            ax.set_title(f"{'A' if ax is every else 'B'}: {kind}, {title}")
            panels.append((ax, shown))
        norms.hist(words.length, bins=min(20, words.sizes["word"]), color=BLUE)
        norms.axvline(words.length.median(), color=BLACK, lw=1, ls="--", label="median norm")
        norms.set(xlabel=r"gradient norm $\|g_t\|$", ylabel="words", title=f"C: {kind}, norms")
    for ax, name in zip(below.subplots(1, 2), ("words", "texts"), strict=True):
        share = data[f"spectrum_{name}"]
        ax.plot(share[f"component_of_{name}"], share, color=BLUE)
        label = f"95 %: {_enough(share)} of {share.size}"
        ax.axhline(0.95, color=ORANGE, ls="--", lw=1, label=label)
        ax.set(xlabel="principal components", ylabel="share of variance", ylim=(0, 1.03))
        ax.set_title("E: words" if name == "words" else "E: flattened texts")
        ax.legend(loc="lower right")
    legend(above, [({}, ax) for ax in axes[0]], ncols=5)
    figure.draw_without_rendering()  # now the panels are where they stay
    for ax, shown in panels:
        names = ((i, printable(shown.text[i].item(), 14)) for i in falling(shown.score)[:TOP])
        write_names(ax, shown.norm, shown.score, shown.spread, names, NAMED)
    return figure


def _scatter(ax: Axes, words: Dataset, chance: float) -> None:
    """The words of one panel, those of largest score marked, with what is reached by chance."""
    ordered = words.isel(word=falling(words.score))
    ax.axhline(chance, **THEORY, label="chance")
    ax.axhline(float(words.untrained), color=GREEN, lw=1, ls="--", label="untrained copies")
    for some, colour, mark, label in (
        (ordered.isel(word=slice(TOP, None)), BLUE, "o", "other words"),
        (ordered.isel(word=slice(TOP)), VERMILION, "^", f"{TOP} largest (bars: SD over pairs)"),
    ):
        look = {"fmt": mark, "color": colour, "ms": 3, "lw": 0.6, "label": label}
        ax.errorbar(some.norm, some.score, some.spread, **look)
    ax.set(xlabel="mean relative norm $n_t$", ylabel="agreement $S_t$", ylim=(-0.15, 1.15))
    ax.set_yticks([0, 0.25, 0.5, 0.75, 1])


def summary(data: Dataset, settings: Settings) -> Summary:
    """By kind: mean agreement, that of untrained copies, significant words, the first ones."""
    tables: dict[str, Any] = {
        "chance": float(expected_chance(settings.sizes.d)),
        "components for 95 percent": {
            name: _enough(data[f"spectrum_{name}"]) for name in ("words", "texts")
        },
    }
    for kind in settings.kinds:
        words = _of(data, kind)
        tables[kind] = {
            "accuracy_min": words.accuracy.min().item(),
            "words": words.sizes["word"],
            "agreement_mean": words.score.mean().item(),
            "untrained_mean": words.untrained.item(),
            "significant": int((words.adjusted <= LEVEL).sum()),
            "first_words": words.text.values[falling(words.score)[:5]].tolist(),
        }
    return Summary(tables=tables)


experiment = Experiment(
    name="attribution.scatter",
    title="Agreement against gradient norm, word by word",
    label="figures A, B, C and E",
    provenance="paper",
    presets={
        "smoke": Settings(**SMALL, kinds=("sum",)),
        "course": Settings(),
        "paper": Settings(**LARGE, kinds=("lstm",)),
    },
    run=run,
    draw=draw,
    summary=summary,
)
