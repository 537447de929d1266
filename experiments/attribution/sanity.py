"""Sanity checks: does an attribution see what was learned, or the text and the architecture?

Scores of the trained copies are compared (Spearman's ρ, Adebayo et al. 2018) with those of copies
at initialisation, and with those of copies trained on shuffled labels: evidence only for a kind
whose copies classify test texts better than chance. Padding must be unremarkable, which only
networks with a gradient there can fail, and a map of positions is no explanation of words: the
share of agreement's variance that a word's position alone explains is measured, beside what chance
gives.
"""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Array, Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.attribution.corpus import ComparedSettings
from experiments.attribution.scoring import score
from experiments.attribution.training import prepare, untrained
from experiments.experiment import Arrays, Experiment, Progress
from experiments.plots.estimates import defined_interval, share_interval
from experiments.plots.style import BLACK, BLUE, STYLE, VERMILION
from theory.attribution.agreement import expected_chance, pair_cosines
from theory.attribution.evaluation import adebayo
from theory.attribution.methods import gradient
from theory.attribution.scores import ENSEMBLE, SINGLE

METHODS = (*SINGLE, *ENSEMBLE)
RANDOMISED = ("parameters drawn anew", "labels shuffled in training")

LEARNED = 0.6
"""Mean test accuracy below which ρ is called no evidence.

Labels are balanced, so chance is ½: copies that are right on fewer than three texts in five have
learned next to nothing that an attribution of a test text could show.
"""


@dataclass(frozen=True)
class Settings(ComparedSettings):
    """Copies of every kind, their untrained twins, and copies trained on shuffled labels."""

    dataset: str = "scripts"
    """planted, scripts, rt_polarity, imdb, or a folder of negative/*.txt and positive/*.txt"""
    texts: int = 16
    """test texts explained, of each trial; few, because intervals are over trials"""
    trials: int = 6
    """embeddings and sets of copies"""


@jax.jit
def padding_agreement(copies, table, ids) -> Float[Array, ""]:
    """Mean |cos| of the copies' gradients at padding, before it is masked; NaN without any.

    Exactly 0 where the networks have no gradient at padding: then nothing has been tested.
    """

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
        ``rho`` (trials, kinds, randomised, methods), mean Spearman's ρ over the texts where it is
        defined, NaN without any; ``undefined`` (same shape), the number of the other texts;
        ``padding`` (trials, kinds), from `padding_agreement`; ``position`` (trials, kinds), and
        ``position_chance``; ``accuracy`` and ``shuffled_accuracy`` (trials, kinds).
    """
    shape = (settings.trials, len(settings.kinds))
    arrays: Arrays = {name: np.zeros(shape) for name in ("padding", "position", "position_chance")}
    arrays |= {name: np.zeros(shape) for name in ("accuracy", "shuffled_accuracy")}
    arrays["rho"] = np.zeros((*shape, len(RANDOMISED), len(METHODS)))
    arrays["undefined"] = np.zeros(arrays["rho"].shape, int)
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
                # ρ of constant scores is undefined, and no evidence: certainly not of ρ = 0.
                rho = np.array([adebayo(*pair) for pair in pairs])
                values = rho[np.isfinite(rho)]
                arrays["rho"][(*cell, i, j)] = values.mean() if values.size else np.nan
                arrays["undefined"][(*cell, i, j)] = rho.size - values.size
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


def padding_tested(arrays: Arrays) -> np.ndarray:
    """The kinds that have a gradient at padding in some trial, so that agreement there says much.

    Example:
        >>> padding_tested({"padding": np.array([[0.1, 0.0], [0.1, 0.0]])}).tolist()
        [True, False]
    """
    return (np.nan_to_num(arrays["padding"]) != 0).any(axis=0)


def draw(arrays: Arrays, settings: Settings) -> Figure:
    """ρ of every method under both randomisations, padding and positions by kind."""
    kinds = settings.kinds
    accuracy = arrays["accuracy"].mean(axis=0)
    y = np.arange(len(METHODS))[::-1]
    with plt.style.context(STYLE):
        figure = plt.figure(figsize=(7.2, 6.0))
        parts: Any = figure.subfigures(2, 1, height_ratios=(3, 2))
        upper, lower = parts
        axes = np.atleast_1d(upper.subplots(1, len(kinds), sharex=True, sharey=True))
        lowest = 0.0
        for i, ax in enumerate(axes):
            ax.axvline(0, color=BLACK, lw=0.8, ls=":", label="shows the learned alone")
            for r, (colour, mark) in enumerate(((BLUE, "o"), (VERMILION, "s"))):
                interval = defined_interval(arrays["rho"][:, i, r])
                lowest = float(np.nanmin([lowest, *interval.low]))
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
            remark = "" if accuracy[i] >= LEARNED else "\nnear chance: no evidence"
            ax.set_title(f"{kinds[i]}\ntest accuracy {accuracy[i]:.2f}{remark}", fontsize=8)
            ax.set_xlabel(r"Spearman's $\rho$")
        axes[0].set_xlim(lowest - 0.05, 1.05)
        axes[0].set_yticks(y, METHODS)
        upper.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
        left, right = lower.subplots(1, 2)
        _padding(left, arrays, float(expected_chance(settings.sizes.d)))
        x = np.arange(len(kinds))
        interval = share_interval(arrays["position"])
        right.errorbar(x, interval.centre, interval.bars, fmt="o", color=BLUE, capsize=2)
        expected = arrays["position_chance"].mean(axis=0)
        right.plot(x, expected, "_", color=BLACK, ms=14, label="by chance")
        right.set(ylabel="variance between positions", ylim=(-0.02, 1.05))
        for ax in (left, right):
            ax.set_xticks(x, [f"{k}\n({a:.2f})" for k, a in zip(kinds, accuracy, strict=True)])
            ax.set(xlabel="classifier (test accuracy)", xlim=(-0.5, len(kinds) - 0.5))
            ax.legend()
    return figure


def _padding(ax: Axes, arrays: Arrays, chance: float) -> None:
    ax.axhline(chance, color=BLACK, lw=0.8, ls=":", label="chance")
    top = max(0.3, 2 * chance)
    for x, tested in enumerate(padding_tested(arrays)):
        if tested:
            interval = defined_interval(arrays["padding"][:, [x]])
            ax.errorbar([x], interval.centre, interval.bars, fmt="o", color=BLUE, capsize=2)
        else:  # a point at 0 would look like a test passed
            padded = np.isfinite(arrays["padding"][:, x]).any()
            what = "no gradient\nat padding" if padded else "no padding"
            style = {"ha": "center", "va": "bottom", "color": "0.4", "size": 8}
            ax.text(x, 1.1 * chance, what, rotation=90, **style)
    ax.set(ylabel="agreement at padding", ylim=(-0.02, top))


def summary(arrays: Arrays, settings: Settings) -> dict[str, Any]:
    """By kind: ρ with intervals and how many are undefined, padding, positions, accuracies."""
    out: dict[str, Any] = {"chance": float(expected_chance(settings.sizes.d))}
    tested = padding_tested(arrays)
    for i, kind in enumerate(settings.kinds):
        accuracy = float(arrays["accuracy"][:, i].mean())
        out[kind] = {
            "accuracy": accuracy,
            "near_chance_so_no_evidence": accuracy < LEARNED,
            "accuracy_with_shuffled_labels": float(arrays["shuffled_accuracy"][:, i].mean()),
            "agreement_at_padding": defined_interval(arrays["padding"][:, i]).rounded()
            if tested[i]
            else "not tested: no gradient at padding, or no padding",
            "position_share": share_interval(arrays["position"][:, i]).rounded(),
            "position_share_by_chance": float(arrays["position_chance"][:, i].mean()),
        }
        for r, name in enumerate(RANDOMISED):
            rho = arrays["rho"][:, i, r]
            out[f"{kind}, {name}"] = {
                method: defined_interval(rho[:, j]).rounded(3) for j, method in enumerate(METHODS)
            }
            # Texts without ρ, of all trials; and trials without any text that has one.
            texts, trials = arrays["undefined"][:, i, r].sum(axis=0), np.isnan(rho).sum(axis=0)
            out[f"{kind}, {name}, undefined"] = {
                method: {"texts": int(texts[j]), "trials": int(trials[j])}
                for j, method in enumerate(METHODS)
                if texts[j]
            }
    return out


experiment = Experiment(
    name="attribution.sanity",
    title="Attributions of trained copies against those of randomised ones",
    label="sanity checks",
    provenance="derived",
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
