"""Are attributions faithful to the model? ERASER and deletion curves.

Words are removed in the order of each method's scores, once by closing the gap and once by putting
words of other texts in their place. Intervals are over texts: the copies are trained once.
"""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.attribution.corpus import ComparedSettings
from experiments.attribution.scoring import PerturbedSettings, score, score_perturbed, tried
from experiments.attribution.training import logits_of, prepare
from experiments.errors import UsageError
from experiments.experiment import Arrays, Experiment, Progress
from experiments.plots.estimates import defined_interval, finite, mean_interval
from experiments.plots.style import BLACK, BLUE, GREEN, STYLE, VERMILION
from theory.attribution.copies import Kind
from theory.attribution.evaluation import (
    delete,
    deletion_curve,
    eraser,
    insertion_curve,
    kendall_tau,
    replace,
)

RANDOM = "random"
OPERATORS = ("deleted", "replaced")
"""What becomes of removed words. Padding in their place would be as if they were deleted to all
classifiers but "flat", which do not see it."""
MEASURES = ("comprehensiveness", "sufficiency", "deletion", "insertion")
STEPS = 64
"""Steps of a curve: one word at a time up to so many words, some at a time in longer texts."""

BETTER = {"comprehensiveness": "large", "sufficiency": "small"}
BETTER |= {"deletion": "small", "insertion": "large"}


@dataclass(frozen=True)
class Settings(ComparedSettings, PerturbedSettings):
    """Texts explained by every method and taken apart."""

    dataset: str = "scripts"
    """planted, scripts, rt_polarity, imdb, or a folder of negative/*.txt and positive/*.txt"""
    kinds: tuple[Kind, ...] = ("sum", "max", "lstm")
    """classifiers: flat, sum, max, lstm"""
    texts: int = 60
    """test texts explained, all classified rightly by the first copy"""


def methods(settings: Settings) -> tuple[str, ...]:
    """The methods that are tried, a random order last."""
    return (*tried(settings.perturbed), RANDOM)


@jax.jit
def _measure(net, table, ids, others, scores):
    """(K, T) texts and (K, methods, T) scores to (K, methods, operators, measures)."""

    def one(inputs):
        row, other, scores = inputs
        x = table[row]
        towards = jnp.where(net(x) >= 0, 1, -1).astype(x.dtype)

        def probability(x):
            return jax.nn.sigmoid(towards * net(x))

        def judge(score):
            found = []
            for remove in (delete, replace(table[other])):
                both = eraser(probability, x, score, remove=remove)
                deletion = deletion_curve(probability, x, score, remove, STEPS)
                insertion = insertion_curve(probability, x, score, remove, STEPS)
                found.append(jnp.stack([*both, deletion.area, insertion.area]))
            return jnp.stack(found)

        return jax.lax.map(judge, scores)

    return jax.lax.map(one, (ids, others, scores))


def run(settings: Settings, key, progress: Progress) -> Arrays:
    """Train, explain, take apart.

    Returns:
        ``found`` (kinds, texts, methods, operators, measures), ``tau`` (kinds, texts, methods),
        Kendall's τ with leave-one-out, and ``accuracy`` (kinds, copies).
    """
    settings.require_libraries()
    names, kinds = methods(settings), settings.kinds
    found, tau, right = [], [], []
    for i, kind in enumerate(kinds):

        def report(part: float, what: str, i=i) -> None:
            progress((i + 0.6 * part) / len(kinds), what)

        prepared = prepare(settings, kind, jax.random.fold_in(key, 0), report)
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
        progress((i + 0.6) / len(kinds), f"explaining, {kind}")
        scores = score(kind, copies, table, ids, jax.random.fold_in(key, 1)).scores
        scores |= score_perturbed(copies, table, ids, settings.perturbed)
        scores[RANDOM] = np.asarray(jax.random.uniform(jax.random.fold_in(key, 2), ids.shape))
        stacked = np.stack([scores[name] for name in names], axis=1)
        seen = jnp.asarray(corpus.x_train[corpus.x_train > 0])
        progress((i + 0.8) / len(kinds), f"taking texts apart, {kind}")
        drawn = jax.random.choice(jax.random.fold_in(key, 3), seen, ids.shape)
        found.append(np.asarray(_measure(net, table, ids, drawn, stacked)))
        tau.append(
            [
                [kendall_tau(scores[m][k], scores["occlusion"][k], ids[k] > 0) for m in names]
                for k in range(len(ids))
            ]
        )
        right.append(accuracy)
    progress(1.0, "done")
    return {"found": np.stack(found), "tau": np.array(tau), "accuracy": np.stack(right)}


def draw(arrays: Arrays, settings: Settings) -> Figure:
    """One row for each kind, one panel for each measure, both operators."""
    names, kinds = methods(settings), settings.kinds
    y = np.arange(len(names))[::-1]
    with plt.style.context(STYLE):
        figure, axes = plt.subplots(
            len(kinds), 5, figsize=(7.2, 0.9 + 2.2 * len(kinds)), sharey=True, squeeze=False
        )
        for i, kind in enumerate(kinds):
            for m, measure in enumerate(MEASURES):
                ax = axes[i, m]
                values = arrays["found"][i, :, :, :, m]
                chance = values[:, names.index(RANDOM)].mean()
                ax.axvline(chance, color=BLACK, lw=0.8, ls=":", label="random order")
                for o, (operator, colour) in enumerate(
                    zip(OPERATORS, (BLUE, VERMILION), strict=True)
                ):
                    interval = mean_interval(values[:, :, o])
                    ax.errorbar(
                        interval.centre,
                        y + 0.15 - 0.3 * o,
                        xerr=interval.bars,
                        fmt="os"[o],
                        ms=3,
                        capsize=1.5,
                        color=colour,
                        label=f"words {operator}",
                    )
                ax.set_title(f"{measure}\n({BETTER[measure]} is good)" if i == 0 else "")
                ax.set_xlabel("probability" if i == len(kinds) - 1 else "")
                ax.locator_params(axis="x", nbins=3)
            _taus(axes[i, -1], arrays["tau"][i], y)
            axes[i, 0].set_yticks(y, names)
            axes[i, 0].set_ylabel(kind)
        axes[0, -1].set_title("Kendall's τ\n(occlusion)")
        axes[-1, -1].set_xlabel("τ")
        figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure


def _taus(ax: Axes, tau: np.ndarray, y: np.ndarray) -> None:
    interval = defined_interval(tau)
    ax.axvline(0, color=BLACK, lw=0.8, ls=":")
    ax.errorbar(interval.centre, y, xerr=interval.bars, fmt="D", ms=3, capsize=1.5, color=GREEN)
    ax.set_xlim(-1.05, 1.05)


def summary(arrays: Arrays, settings: Settings) -> dict[str, Any]:
    """By kind and method, every measure with its interval, both operators, and Kendall's τ."""
    out: dict[str, Any] = {}
    for i, kind in enumerate(settings.kinds):
        rows, tau = {}, defined_interval(arrays["tau"][i])
        for m, name in enumerate(methods(settings)):
            values = {
                f"{measure}_{operator}": arrays["found"][i, :, m, o, j]
                for j, measure in enumerate(MEASURES)
                for o, operator in enumerate(OPERATORS)
            }
            rows[name] = {label: mean_interval(v).rounded() for label, v in values.items()}
            rows[name]["kendall_tau"] = finite([np.round(x[m], 4) for x in tau])
            rows[name]["texts_with_a_tau"] = int(np.isfinite(arrays["tau"][i, :, m]).sum())
        out[kind] = rows
        out[f"{kind}, accuracy"] = [round(float(a), 4) for a in arrays["accuracy"][i]]
    return out


experiment = Experiment(
    name="attribution.faithfulness",
    title="Which attributions are faithful to the model",
    label="evaluation by removal",
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
            epochs=8,
            texts=6,
            perturbed=None,
        ),  # fmt: skip
        "course": Settings(),
        "paper": Settings(
            dataset="imdb",
            kinds=("lstm",),
            tokens=500,
            d=64,
            width=512,
            learning_rate=0.001,
            texts=200,
            perturbed=2000,
        ),  # fmt: skip
    },
    run=run,
    draw=draw,
    summary=summary,
)
