"""The small-norm filter, the method's least justified step: what is found with and without it.

The paper keeps a word's agreement only where its gradient is among the smaller half. Here that
quantile goes from strict to none, on texts whose deciding words are known.
"""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from experiments.attribution.corpus import ComparedSettings
from experiments.attribution.training import prepare
from experiments.experiment import Arrays, Experiment, Progress
from experiments.plots.estimates import share_interval
from experiments.plots.style import BLACK, STYLE
from theory.attribution.agreement import agreement_scores, small_norm
from theory.attribution.evaluation import auroc, pointing_game
from theory.attribution.methods import present
from theory.attribution.scores import word_gradients
from theory.theorem import Source

PUBLISHED = 0.5
"""The quantile of the paper."""

LINES = (("o", "-", 4.5), ("s", "--", 6), ("D", "-.", 4), ("^", ":", 3.5))
"""Marker, line and size by kind: curves that coincide are seen beside and inside one another."""


@dataclass(frozen=True)
class Settings(ComparedSettings):
    """The filter's quantile on texts whose deciding words are known."""

    dataset: str = "planted"
    """planted or scripts, where the deciding words are known"""
    quantiles: tuple[float, ...] = (0.25, 0.5, 0.75, 0.9, 1.0)
    """shares of the words that the filter keeps, ascending; 1 keeps all"""
    texts: int = 60
    """test texts explained, of each data set"""

    def __post_init__(self):
        super().__post_init__()
        if self.dataset not in ("planted", "scripts"):
            raise ValueError(f"dataset is {self.dataset} and must be planted or scripts")
        if not self.quantiles or not all(0 < q <= 1 for q in self.quantiles):
            raise ValueError(f"quantiles are {self.quantiles} and must be above 0 and at most 1")


@jax.jit
def _filtered(copies, x, quantiles):
    def one(text):
        found = agreement_scores(word_gradients(copies, text))
        return jax.vmap(lambda q: small_norm(found, q, present(text)))(quantiles)

    return jax.lax.map(one, x, batch_size=16)


def run(settings: Settings, key, progress: Progress) -> Arrays:
    """Train and filter.

    Returns:
        ``found`` (data sets, kinds, quantiles, 2): pointing accuracy and AUROC; ``kept`` (data
        sets, kinds, quantiles), the share of deciding words that pass the filter; ``chance``
        (data sets, kinds), the share of words that decide.
    """
    shape = (settings.trials, len(settings.kinds))
    arrays = {
        "found": np.zeros((*shape, len(settings.quantiles), 2)),
        "kept": np.zeros((*shape, len(settings.quantiles))),
        "chance": np.zeros(shape),
    }
    quantiles = jnp.asarray(settings.quantiles, float)
    for done, cell in enumerate(np.ndindex(*shape)):
        kind = settings.kinds[cell[1]]
        progress(done / np.prod(shape), f"data set {cell[0] + 1} of {settings.trials}, {kind}")
        corpus, table, copies, _ = prepare(settings, kind, jax.random.fold_in(key, cell[0]))
        assert corpus.target is not None
        rows = np.flatnonzero(corpus.target.any(axis=1))[: settings.texts]
        ids, target = corpus.x_test[rows], corpus.target[rows]
        scores = np.asarray(_filtered(copies, table[ids], quantiles))
        arrays["chance"][cell] = (target.sum(axis=1) / (ids > 0).sum(axis=1)).mean()
        for i in range(len(settings.quantiles)):
            each = list(zip(scores[:, i], target, ids > 0, strict=True))
            arrays["found"][(*cell, i)] = [
                np.mean([judge(*text) for text in each]) for judge in (pointing_game, auroc)
            ]
            arrays["kept"][(*cell, i)] = (scores[:, i] > 0)[target].mean()
    progress(1.0, "done")
    return arrays


def draw(arrays: Arrays, settings: Settings) -> Figure:
    """Pointing, AUROC and the deciding words that survive, against the quantile."""
    panels = (
        ("pointing accuracy", arrays["found"][..., 0], float(arrays["chance"].mean())),
        ("AUROC", arrays["found"][..., 1], 0.5),
        ("deciding words that pass", arrays["kept"], None),
    )
    with plt.style.context(STYLE):
        figure, axes = plt.subplots(1, 3, figsize=(7.2, 2.9))
        for ax, (label, values, chance) in zip(axes, panels, strict=True):
            if chance is None:
                line = np.array([0, 1])
                ax.plot(line, line, color=BLACK, lw=0.8, ls=":", label="chance")
            else:
                ax.axhline(chance, color=BLACK, lw=0.8, ls=":", label="chance")
            ax.axvline(PUBLISHED, color="0.6", lw=0.8, label="published filter")
            for i, kind in enumerate(settings.kinds):
                mark, line, size = LINES[i % len(LINES)]
                interval = share_interval(values[:, i])
                ax.errorbar(
                    np.array(settings.quantiles) + 0.018 * (i - (len(settings.kinds) - 1) / 2),
                    interval.centre,
                    interval.bars,
                    fmt=mark,
                    ls=line,
                    ms=size,
                    mfc="none",
                    capsize=2,
                    label=kind,
                )
            ax.set(xlabel="share of words kept", ylabel=label, xlim=(0, 1.08), ylim=(-0.05, 1.1))
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=6)
    return figure


def summary(arrays: Arrays, settings: Settings) -> dict[str, Any]:
    """By kind and quantile, means with intervals over data sets."""
    out = {}
    for i, kind in enumerate(settings.kinds):
        for j, quantile in enumerate(settings.quantiles):
            measures = {
                "pointing": arrays["found"][:, i, j, 0],
                "AUROC": arrays["found"][:, i, j, 1],
                "deciding_words_kept": arrays["kept"][:, i, j],
            }
            out[f"{kind}, {quantile:g} kept"] = {
                name: share_interval(values).rounded() for name, values in measures.items()
            }
    return out


experiment = Experiment(
    name="attribution.filter",
    title="What the small-norm filter keeps, and what it discards",
    source=Source(
        paper="melamed2023attribution",
        arxiv="2311.13454",
        label="the small-norm filter",
        provenance="derived",
    ),
    presets={
        "smoke": Settings(
            kinds=("sum", "max"),
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
        "paper": Settings(samples=16_000, width=256, texts=200, trials=20),
    },
    run=run,
    draw=draw,
    summary=summary,
)
