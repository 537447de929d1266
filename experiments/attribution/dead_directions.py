"""What agreement is good for: telling the directions that training learned from those it left.

Words are embedded in a random r-dimensional subspace P of R^d, so training never touches the other
d − r directions of the first layer (Adam does, for the LSTM). Which directions are live is asked
of the gradients at the words of a test text, one score per direction of an orthonormal basis of P
and of P^⊥. The words of the text are those of training, or have been given a part off P as well,
as new words would have: then their coordinates alone no longer tell.
"""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Array, Float
from matplotlib.figure import Figure

from experiments.attribution.corpus import ComparedSettings, load_corpus
from experiments.attribution.training import accuracy, doubled, train
from experiments.experiment import Arrays, Experiment, Progress
from experiments.plots.estimates import LEVEL, jointly, mean_interval, share_interval
from experiments.plots.style import BLACK, BLUE, STYLE, VERMILION
from theory.attribution.agreement import pair_cosines
from theory.attribution.evaluation import auroc
from theory.attribution.scores import word_gradients
from theory.geometry import Subspace, orthonormalise, random_subspace
from theory.sampling import gaussian_points

METHODS = ("agreement", "signed agreement", "gradient norm", "mean gradient", "|gradient×input|")
WORDS = ("words of training", "words with a part off P")


@dataclass(frozen=True)
class Settings(ComparedSettings):
    """Copies of classifiers on embeddings with directions that training never sees."""

    dim: int = 48
    """dimension r of P, in which the words of training lie"""
    copies: int = 8
    """copies M of the classifier, independently initialised"""

    def __post_init__(self):
        super().__post_init__()
        if self.dataset != "planted":
            raise ValueError(
                f"dataset is {self.dataset}; directions are dead in planted texts only"
            )
        if not self.dim < self.sizes.d:
            raise ValueError(f"dim is {self.dim} and must be below d = {self.sizes.d}")


def direction_scores(
    gradients: Float[Array, "copies words d"], x: Float[Array, "words d"]
) -> Float[Array, "methods d"]:
    """Scores of the coordinate directions, those of `METHODS`.

    A direction's coefficients at the words of the text are a vector for each copy: agreement is
    that of these vectors. A dead direction's are independent across copies, and agree by chance.

    Args:
        gradients: of every copy at every word, in the basis whose directions are asked for.
        x: the text in that basis.

    Example:
        >>> scores = direction_scores(jnp.ones((3, 4, 2)), jnp.ones((4, 2)).at[:, 1].set(0))
        >>> scores[0].round(3).tolist(), scores[4].tolist()
        ([1.0, 1.0], [4.0, 0.0])
    """
    across = jnp.swapaxes(gradients, 1, 2)
    cosines = pair_cosines(across)
    return jnp.stack(
        [
            jnp.mean(jnp.abs(cosines), axis=0),
            jnp.mean(cosines, axis=0),
            jnp.linalg.norm(across[0], axis=-1),
            jnp.linalg.norm(jnp.mean(across, axis=0), axis=-1),
            jnp.sum(jnp.abs(gradients[0] * x), axis=0),
        ]
    )


@jax.jit
def _scores(copies, x, basis):
    def one(text):
        return direction_scores(word_gradients(copies, text) @ basis, text @ basis)

    return jax.lax.map(one, x, batch_size=16)


def _basis(span: Subspace, key) -> Float[Array, "d d"]:
    """An orthonormal basis of R^d, first of P and then of P^⊥."""
    rest = span.reject(jax.random.normal(key, (span.ell, span.dim + span.ell)))
    return jnp.concatenate([span.basis, orthonormalise(rest.T)], axis=1)


def run(settings: Settings, key, progress: Progress) -> Arrays:
    """Train and ask.

    Returns:
        ``area``, AUROC over directions, (data sets, kinds, words, methods), and ``accuracy``
        (data sets, kinds, copies).
    """
    shape = (settings.trials, len(settings.kinds))
    arrays = {
        "area": np.zeros((*shape, len(WORDS), len(METHODS))),
        "accuracy": np.zeros((*shape, settings.copies)),
    }
    for done, cell in enumerate(np.ndindex(*shape)):
        kind = settings.kinds[cell[1]]
        progress(done / np.prod(shape), f"data set {cell[0] + 1} of {settings.trials}, {kind}")
        keys = [jax.random.fold_in(jax.random.fold_in(key, cell[0]), i) for i in range(6)]
        # A fixed position, so that networks with weights for each position learn it as well.
        corpus = load_corpus(settings, keys[0], settings.sizes.tokens // 2)
        span = random_subspace(keys[1], settings.sizes.d, settings.dim)
        rows = gaussian_points(keys[2], settings.sizes.vocabulary, settings.sizes.d)
        table = jnp.pad(span.project(rows), ((1, 0), (0, 0)))
        new = jnp.pad(rows, ((1, 0), (0, 0)))
        single = np.asarray(table, np.float32)
        copies = train(settings, kind, corpus, single, keys[3], lambda *_: None, keep=False)
        arrays["accuracy"][cell] = accuracy(copies, single, corpus.x_test, corpus.y_test)
        _, copies = doubled(single, copies)
        basis, live = _basis(span, keys[4]), np.arange(settings.sizes.d) < settings.dim
        for i, rows in enumerate((table, new)):
            scores = np.asarray(_scores(copies, rows[corpus.x_test[: settings.texts]], basis))
            arrays["area"][(*cell, i)] = [
                np.mean([auroc(one, live) for one in scores[:, m]]) for m in range(len(METHODS))
            ]
    progress(1.0, "done")
    return arrays


def draw(arrays: Arrays, settings: Settings) -> Figure:
    """AUROC of each method over directions, one panel per kind of classifier."""
    with plt.style.context(STYLE):
        count = len(settings.kinds)
        figure, axes = plt.subplots(1, count, figsize=(7.2, 2.8), sharey=True, squeeze=False)
        y = np.arange(len(METHODS))[::-1]
        for i, ax in enumerate(axes[0]):
            ax.axvline(0.5, color=BLACK, lw=0.8, ls=":", label="chance")
            for words, (colour, mark, shift) in enumerate(
                ((BLUE, "o", 0.12), (VERMILION, "s", -0.12))
            ):
                interval = share_interval(arrays["area"][:, i, words])
                ax.errorbar(
                    interval.centre,
                    y + shift,
                    xerr=interval.bars,
                    fmt=mark,
                    color=colour,
                    ms=4,
                    capsize=2,
                    label=WORDS[words],
                )
            ax.set(title=settings.kinds[i], xlabel="AUROC, live directions", xlim=(0.2, 1.04))
            ax.set_xticks([0.25, 0.5, 0.75, 1], [".25", ".5", ".75", "1"])
        axes[0, 0].set_yticks(y, METHODS)
        figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure


def summary(arrays: Arrays, settings: Settings) -> dict[str, Any]:
    """AUROC with intervals by kind and words, and what follows in a sentence."""
    ours, theirs = METHODS.index("agreement"), METHODS.index("|gradient×input|")
    level = jointly(len(settings.kinds) * len(WORDS))
    good, better, out = [], [], {}
    for i, kind in enumerate(settings.kinds):
        for j, words in enumerate(WORDS):
            out[f"{kind}, {words}"] = {
                name: share_interval(arrays["area"][:, i, j, m]).rounded()
                for m, name in enumerate(METHODS)
            }
            difference = arrays["area"][:, i, j, ours] - arrays["area"][:, i, j, theirs]
            interval = mean_interval(difference, level)
            if interval.low > 0:
                good.append(f"{kind} on {words}, by {interval.text()}")
            if interval.high < 0:
                better.append(f"{kind} on {words}, by {mean_interval(-difference, level).text()}")
    sentence = (
        "Agreement tells live from dead directions better than |gradient×input| for "
        f"{'; '.join(good) or 'no classifier here'}; |gradient×input| does it better for "
        f"{'; '.join(better) or 'no classifier here'} (AUROC; intervals over {settings.trials} "
        f"data sets that hold together with {LEVEL:.0%})."
    )
    accuracies = arrays["accuracy"].mean(axis=(0, 2))
    return {
        "sentence": sentence,
        "accuracy_mean": dict(zip(settings.kinds, map(float, accuracies), strict=True)),
    } | out


experiment = Experiment(
    name="attribution.dead-directions",
    title="Agreement tells learned directions from those that training never touched",
    label="the method's intuition, with ground truth",
    provenance="derived",
    presets={
        "smoke": Settings(
            kinds=("sum", "max"),
            tokens=8,
            d=8,
            dim=5,
            vocabulary=30,
            samples=256,
            width=16,
            copies=3,
            epochs=2,
            texts=4,
            trials=2,
        ),  # fmt: skip
        "course": Settings(),
        "paper": Settings(samples=16_000, width=256, texts=200, trials=20),
    },
    run=run,
    draw=draw,
    summary=summary,
)
