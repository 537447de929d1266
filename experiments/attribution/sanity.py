"""Sanity checks: does an attribution see what was learned, or the text and the architecture?

Scores of the trained copies are compared (Spearman's ρ, Adebayo et al. 2018) with those of copies
at initialisation, and with those of copies trained on shuffled labels. Padding must be
unremarkable, and a map of positions is no explanation of words: the share of agreement's variance
that a word's position alone explains is measured, beside what chance gives.
"""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Array, Float
from matplotlib.figure import Figure

from experiments.attribution.corpus import ComparedSettings
from experiments.attribution.scoring import score
from experiments.attribution.training import prepare, untrained
from experiments.experiment import STYLE, Arrays, Experiment, Progress
from experiments.panels import BLACK, BLUE, VERMILION, mean_interval
from theory.attribution.agreement import expected_chance, pair_cosines
from theory.attribution.evaluation import adebayo
from theory.attribution.methods import gradient
from theory.attribution.scores import ENSEMBLE, SINGLE
from theory.theorem import Source

METHODS = (*SINGLE, *ENSEMBLE)
RANDOMISED = ("parameters drawn anew", "labels shuffled in training")


@dataclass(frozen=True)
class Settings(ComparedSettings):
    """Copies of every kind, their untrained twins, and copies trained on shuffled labels."""

    dataset: str = "scripts"
    """planted, scripts, rt_polarity, imdb, or a folder of negative/*.txt and positive/*.txt"""
    trials: int = 3
    """embeddings and sets of copies"""


@jax.jit
def padding_agreement(copies, table, ids) -> Float[Array, ""]:
    """Mean |cos| of the copies' gradients at padding, before it is masked; NaN without any."""

    def one(row):
        x = table[row]
        cosines = pair_cosines(jax.vmap(lambda net: gradient(net, x))(copies))
        return jnp.sum(jnp.where(row[None] == 0, jnp.abs(cosines), 0), axis=1).mean()

    return jnp.sum(jax.lax.map(one, ids)) / jnp.sum(ids == 0).astype(table.dtype)


def position_share(scores: np.ndarray, words: np.ndarray) -> float:
    """The share of the scores' variance that lies between positions, (K, T) texts.

    By chance it is about (positions − 1)/(words − 1), because every position's mean is fitted.

    Example:
        >>> position_share(np.array([[1.0, 2.0], [1.0, 2.0]]), np.ones((2, 2), bool))
        1.0
    """
    whole = scores[words].mean()
    counts = words.sum(axis=0)
    means = np.where(words, scores, 0).sum(axis=0) / np.maximum(counts, 1)
    between = (counts * (means - whole) ** 2).sum()
    within = ((scores - means) ** 2)[words].sum()
    return float(between / (between + within)) if between + within > 0 else 0.0


def run(settings: Settings, key, progress: Progress) -> Arrays:
    """Train twice, explain three times.

    Returns:
        ``rho`` (trials, kinds, randomised, methods), mean Spearman's ρ over texts; ``padding``
        (trials, kinds), mean |cos| at padding, NaN without any; ``position`` (trials, kinds), and
        ``position_chance``; ``accuracy`` and ``shuffled_accuracy`` (trials, kinds).
    """
    shape = (settings.trials, len(settings.kinds))
    arrays: Arrays = {name: np.zeros(shape) for name in ("padding", "position", "position_chance")}
    arrays |= {name: np.zeros(shape) for name in ("accuracy", "shuffled_accuracy")}
    arrays["rho"] = np.zeros((*shape, len(RANDOMISED), len(METHODS)))
    for done, cell in enumerate(np.ndindex(*shape)):
        kind = settings.kinds[cell[1]]
        progress(done / np.prod(shape), f"trial {cell[0] + 1} of {settings.trials}, {kind}")
        trial_key = jax.random.fold_in(key, cell[0])
        trained = prepare(settings, kind, trial_key)
        shuffled = prepare(settings, kind, trial_key, shuffled=True)
        ids = trained.corpus.x_test[(trained.corpus.x_test > 0).sum(axis=1) >= 2]
        ids = ids[: settings.texts]
        words = ids > 0
        keys = jax.random.split(jax.random.fold_in(trial_key, 5), settings.copies)
        width = settings.hidden(kind)
        fresh = untrained(kind, keys, words=ids.shape[1], d=settings.sizes.d, width=width)
        fresh = jax.tree.map(lambda leaf: leaf.astype(float), fresh)
        explained = [
            score(kind, copies, trained.table, ids, jax.random.fold_in(trial_key, 6)).scores
            for copies in (trained.copies, fresh, shuffled.copies)
        ]
        for i in range(len(RANDOMISED)):
            for j, name in enumerate(METHODS):
                pairs = zip(explained[0][name], explained[i + 1][name], words, strict=True)
                # ρ of constant scores is undefined, and no evidence.
                values = np.array([adebayo(*pair) for pair in pairs])
                values = values[np.isfinite(values)]
                arrays["rho"][(*cell, i, j)] = values.mean() if values.size else 0
        padded = bool((ids == 0).any())
        padding = padding_agreement(trained.copies, trained.table, ids) if padded else np.nan
        arrays["padding"][cell] = np.asarray(padding)
        arrays["position"][cell] = position_share(np.asarray(explained[0]["agreement"]), words)
        positions = int(words.any(axis=0).sum())
        arrays["position_chance"][cell] = (positions - 1) / max(1, int(words.sum()) - 1)
        arrays["accuracy"][cell] = trained.accuracy.mean()
        arrays["shuffled_accuracy"][cell] = shuffled.accuracy.mean()
    progress(1.0, "done")
    return arrays


def draw(arrays: Arrays, settings: Settings) -> Figure:
    """ρ of every method under both randomisations, padding and positions by kind."""
    kinds = settings.kinds
    y = np.arange(len(METHODS))[::-1]
    with plt.style.context(STYLE):
        figure = plt.figure(figsize=(7.2, 5.6))
        parts: Any = figure.subfigures(2, 1, height_ratios=(3, 2))
        upper, lower = parts
        axes = np.atleast_1d(upper.subplots(1, len(kinds), sharey=True))
        for i, ax in enumerate(axes):
            ax.axvline(0, color=BLACK, lw=0.8, ls=":", label="sees the learned alone")
            for r, (colour, mark) in enumerate(((BLUE, "o"), (VERMILION, "s"))):
                interval = mean_interval(arrays["rho"][:, i, r])
                ax.errorbar(
                    interval.centre,
                    y + 0.12 - 0.24 * r,
                    xerr=interval.bars,
                    fmt=mark,
                    color=colour,
                    ms=3,
                    capsize=1.5,
                    label=RANDOMISED[r],
                )
            ax.set(title=kinds[i], xlabel=r"Spearman's $\rho$", xlim=(-0.6, 1.05))
        axes[0].set_yticks(y, METHODS)
        upper.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
        left, right = lower.subplots(1, 2)
        x = np.arange(len(kinds))
        chance = float(expected_chance(settings.sizes.d))
        left.axhline(chance, color=BLACK, lw=0.8, ls=":", label="chance")
        interval = mean_interval(arrays["padding"])
        left.errorbar(x, interval.centre, interval.bars, fmt="o", color=BLUE, capsize=2)
        left.set(ylabel="agreement at padding", ylim=(-0.02, max(0.3, 2 * chance)))
        interval = mean_interval(arrays["position"])
        right.errorbar(x, interval.centre, interval.bars, fmt="o", color=BLUE, capsize=2)
        expected = arrays["position_chance"].mean(axis=0)
        right.plot(x, expected, "_", color=BLACK, ms=14, label="by chance")
        right.set(ylabel="variance between positions", ylim=(-0.02, 1.05))
        for ax in (left, right):
            ax.set_xticks(x, kinds)
            ax.legend()
    return figure


def summary(arrays: Arrays, settings: Settings) -> dict[str, Any]:
    """By kind: ρ with intervals, agreement at padding, the share of positions, accuracies."""
    out: dict[str, Any] = {"chance": float(expected_chance(settings.sizes.d))}
    for i, kind in enumerate(settings.kinds):
        interval = mean_interval(arrays["padding"][:, i])
        position = mean_interval(arrays["position"][:, i])
        out[kind] = {
            "accuracy": float(arrays["accuracy"][:, i].mean()),
            "accuracy_with_shuffled_labels": float(arrays["shuffled_accuracy"][:, i].mean()),
            "agreement_at_padding": [float(x) for x in interval],
            "position_share": [float(x) for x in position],
            "position_share_by_chance": float(arrays["position_chance"][:, i].mean()),
        }
        for r, name in enumerate(RANDOMISED):
            out[f"{kind}, {name}"] = {
                method: mean_interval(arrays["rho"][:, i, r, j]).rounded(3)
                for j, method in enumerate(METHODS)
            }
    return out


experiment = Experiment(
    name="attribution.sanity",
    title="Attributions of trained copies against those of randomised ones",
    source=Source(
        paper="melamed2023attribution",
        arxiv="2311.13454",
        label="sanity checks",
        provenance="derived",
    ),
    presets={
        "smoke": Settings(
            kinds=("sum",),
            dataset="planted",
            tokens=8,
            d=8,
            vocabulary=30,
            samples=256,
            width=16,
            copies=3,
            epochs=2,
            texts=6,
            trials=2,
        ),  # fmt: skip
        "course": Settings(),
        "paper": Settings(width=256, texts=200, trials=10),
    },
    run=run,
    draw=draw,
    summary=summary,
)
