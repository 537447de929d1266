"""Figures A, B, C and E of the paper: agreement against gradient norm, word by word, on one text.

A: all words; B: those of small norm, which the paper keeps; C: the norms; E: how many dimensions
the inputs fill, word by word and as flattened texts, on which the theory's freezing rests.
"""

from dataclasses import dataclass
from typing import Any, get_args

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.attribution.chosen import ChosenSettings, choose
from experiments.attribution.corpus import Corpus
from experiments.attribution.scoring import untrained_scores
from experiments.attribution.training import prepare
from experiments.experiment import Arrays, Experiment, Progress
from experiments.plots.style import BLACK, BLUE, GREEN, ORANGE, STYLE, VERMILION
from theory.attribution.agreement import (
    agreement_scores,
    calibrate,
    expected_chance,
    pair_cosines,
)
from theory.attribution.copies import Kind
from theory.attribution.scores import word_gradients

TOP = 15
"""Words marked, as in the paper."""

LABELLED = 4
"""Of these, different words whose names are written out."""

LINE = 0.1
"""Height of a name, on the axis of agreement."""

SPECTRUM_TEXTS = 1000
"""Texts whose flattened embeddings are decomposed."""


@dataclass(frozen=True)
class Settings(ChosenSettings):
    """One text seen by copies of every kind of classifier."""

    dataset: str = "scripts"
    """planted, scripts, rt_polarity, imdb, or a folder of negative/*.txt and positive/*.txt"""
    kinds: tuple[Kind, ...] = get_args(Kind)
    """classifiers: flat, sum, max, lstm"""

    def __post_init__(self):
        super().__post_init__()
        if not self.kinds:
            raise ValueError("kinds is empty; give one of flat, sum, max, lstm")


def run(settings: Settings, key, progress: Progress) -> Arrays:
    """Train each kind and look at one text, the same one where it is given.

    Returns:
        For the i-th kind, ``words_i`` (T_i,), and by word ``score_i``, ``spread_i`` (standard
        deviation over pairs), ``norm_i`` (the mean of relative ones), ``length_i`` (mean ‖g‖),
        ``p_value_i``, ``adjusted_i``; ``untrained_i``, the mean score of untrained copies at its
        words; ``accuracy_i``. ``spectrum_words``, ``spectrum_texts``: cumulative variances.
    """
    arrays = {}
    corpus, table = None, None
    for i, kind in enumerate(settings.kinds):
        prepared = prepare(
            settings,
            kind,
            jax.random.fold_in(key, 0),
            lambda part, what, i=i: progress((i + part) / len(settings.kinds), what),
        )
        corpus, table = prepared.corpus, prepared.table
        chosen = choose(settings, prepared)
        x, count = prepared.table[chosen.ids], len(chosen.words)
        gradients = jax.jit(word_gradients)(chosen.copies, x)[:, :count]
        found = agreement_scores(gradients)
        chance = untrained_scores(
            settings, kind, x, chosen.agreeing, settings.chance, jax.random.fold_in(key, 1)
        )
        calibrated = calibrate(found.score, jnp.asarray(chance))
        arrays |= {
            f"words_{i}": np.array(chosen.words),
            f"score_{i}": found.score,
            f"spread_{i}": jnp.std(jnp.abs(pair_cosines(gradients)), axis=0),
            f"norm_{i}": found.norm,
            f"length_{i}": jnp.mean(jnp.linalg.norm(gradients, axis=-1), axis=0),
            f"p_value_{i}": calibrated.p_value,
            f"adjusted_{i}": calibrated.adjusted,
            f"untrained_{i}": np.asarray(chance.mean()),
            f"accuracy_{i}": prepared.accuracy,
        }
    assert corpus is not None
    progress(1.0, "done")
    return arrays | _spectra(corpus, np.asarray(table))


def _spectra(corpus: Corpus, table: np.ndarray) -> Arrays:
    words = table[corpus.x_train[corpus.x_train > 0]]
    flat = table[corpus.x_train[:SPECTRUM_TEXTS]].reshape(
        -1, corpus.x_train.shape[1] * len(table[0])
    )
    return {"spectrum_words": _explained(words), "spectrum_texts": _explained(flat)}


def _explained(x: np.ndarray) -> np.ndarray:
    """Cumulative share of variance of the principal components, from the smaller Gram matrix."""
    x = x - x.mean(axis=0)
    gram = x.T @ x if x.shape[1] <= x.shape[0] else x @ x.T
    variance = np.maximum(np.linalg.eigvalsh(gram)[::-1], 0)
    return np.cumsum(variance) / variance.sum()


def draw(arrays: Arrays, settings: Settings) -> Figure:
    """One row for each kind of classifier, and the spectra below."""
    rows = len(settings.kinds)
    with plt.style.context(STYLE):
        figure = plt.figure(figsize=(7.2, 2.3 * rows + 2.1))
        parts: Any = figure.subfigures(rows + 1, 1)
        for i, kind in enumerate(settings.kinds):
            axes = parts[i].subplots(1, 3, width_ratios=(5, 5, 4))
            norm, score = arrays[f"norm_{i}"], arrays[f"score_{i}"]
            small = norm <= np.median(norm)
            _scatter(axes[0], arrays, i, np.ones(len(norm), bool), settings)
            _scatter(axes[1], arrays, i, small, settings)
            axes[0].set_title(f"A: {kind}, all words")
            axes[1].set_title("B: words of small norm")
            axes[2].hist(arrays[f"length_{i}"], bins=min(20, len(score)), color=BLUE)
            axes[2].axvline(np.median(arrays[f"length_{i}"]), color=BLACK, lw=1, label="median")
            axes[2].set(xlabel=r"gradient norm $\|g_t\|$", ylabel="words", title="C: norms")
            axes[2].legend()
            if i == 0:
                handles = axes[0].get_legend_handles_labels()
                parts[0].legend(*handles, loc="outside upper center", ncols=4)
        axes = parts[rows].subplots(1, 2)
        _spectrum(axes[0], arrays["spectrum_words"], "E: words")
        _spectrum(axes[1], arrays["spectrum_texts"], "E: flattened texts")
    return figure


def _scatter(ax: Axes, arrays: Arrays, i: int, shown: np.ndarray, settings: Settings) -> None:
    norm, score, spread = (arrays[f"{name}_{i}"] for name in ("norm", "score", "spread"))
    order = np.argsort(np.where(shown, -score, np.inf), kind="stable")[: min(TOP, shown.sum())]
    top = np.zeros(len(score), bool)
    top[order] = True
    ax.axhline(float(expected_chance(settings.sizes.d)), color=BLACK, lw=1, label="chance")
    start = float(arrays[f"untrained_{i}"])
    ax.axhline(start, color=GREEN, lw=1, ls="--", label="untrained copies")
    for some, colour, mark, label in (
        (shown & ~top, BLUE, "o", "other words"),
        (top, VERMILION, "^", f"{TOP} largest scores (bars: SD over pairs)"),
    ):
        ax.errorbar(
            norm[some], score[some], spread[some], fmt=mark, color=colour, ms=3, lw=0.6, label=label
        )
    names = [str(name) for name in arrays[f"words_{i}"]]
    middle = norm[shown].mean()
    # Names stand one above the other, and above all points, so that none covers anything.
    height = np.max((score + spread)[shown]) + LINE * (LABELLED + 0.3)
    for name in list(dict.fromkeys(names[j] for j in order))[:LABELLED]:
        index = next(j for j in order if names[j] == name)
        # A dollar sign would begin a formula.
        text = (name if len(name) <= 14 else name[:13] + "…").replace("$", r"\$")
        left = norm[index] > middle
        ax.annotate(
            text,
            (norm[index], score[index]),
            (norm[index] + (-0.06 if left else 0.06) * np.ptp(norm[shown]), height),
            ha="right" if left else "left",
            va="center",
            fontsize=6,
            arrowprops={"arrowstyle": "-", "lw": 0.4, "color": BLACK, "alpha": 0.6},
        )
        height -= LINE
    ax.set(
        xlabel="mean relative norm $n_t$",
        ylabel="agreement $S_t$",
        ylim=(0, 1 + LINE * (LABELLED + 2)),
    )
    ax.set_yticks([0, 0.25, 0.5, 0.75, 1])


def _spectrum(ax: Axes, share: np.ndarray, title: str) -> None:
    ax.plot(np.arange(1, len(share) + 1), share, color=BLUE)
    enough = int(np.searchsorted(share, 0.95)) + 1
    ax.axhline(0.95, color=ORANGE, ls="--", lw=1, label=f"95 %: {enough} of {len(share)}")
    ax.set(xlabel="principal components", ylabel="share of variance", title=title, ylim=(0, 1.03))
    ax.legend(loc="lower right")


def summary(arrays: Arrays, settings: Settings) -> dict[str, Any]:
    """By kind: mean agreement, that of untrained copies, significant words, the first ones."""
    out: dict[str, Any] = {"chance": float(expected_chance(settings.sizes.d))}
    for name in ("words", "texts"):
        share = arrays[f"spectrum_{name}"]
        out[f"components_for_95_percent_{name}"] = int(np.searchsorted(share, 0.95)) + 1
    for i, kind in enumerate(settings.kinds):
        score, words = arrays[f"score_{i}"], arrays[f"words_{i}"]
        out[kind] = {
            "accuracy_min": float(arrays[f"accuracy_{i}"].min()),
            "words": len(words),
            "agreement_mean": float(score.mean()),
            "untrained_mean": float(arrays[f"untrained_{i}"]),
            "significant": int((arrays[f"adjusted_{i}"] <= 0.05).sum()),
            "first_words": [str(words[j]) for j in np.argsort(-score, kind="stable")[:5]],
        }
    return out


experiment = Experiment(
    name="attribution.scatter",
    title="Agreement against gradient norm, word by word",
    label="figures A, B, C and E",
    provenance="paper",
    presets={
        "smoke": Settings(
            kinds=("sum",),
            dataset="planted",
            tokens=8,
            d=8,
            vocabulary=30,
            samples=256,
            width=16,
            copies=4,
            epochs=8,
            chance=99,
        ),  # fmt: skip
        "course": Settings(),
        "paper": Settings(
            kinds=("lstm",),
            dataset="imdb",
            tokens=500,
            vocabulary=1000,
            samples=25_000,
            d=64,
            width=512,
            epochs=5,
            learning_rate=0.001,
        ),  # fmt: skip
    },
    run=run,
    draw=draw,
    summary=summary,
)
