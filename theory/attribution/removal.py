"""Are attributions faithful to the model? What becomes of a probability as words are removed.

Scores are one number per word, larger for words that matter more; sign and norm are the caller's
choice. Padding, the zero vector, is never scored, selected or counted. All are pure functions that
query the model, for `jax.jit` and, over texts, `jax.vmap`.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int, Int32

from theory.attribution.methods import present

Probability = Callable[[Float[Array, "words d"]], Float[Array, ""]]
"""The probability of the explained class, of one embedded text."""
Remove = Callable[[Float[Array, "words d"], Bool[Array, " words"]], Float[Array, "words d"]]
"""A text without some of its words: `pad`, `delete`, or what `replace` makes."""


def pad(x: Float[Array, "words d"], removed: Bool[Array, " words"]) -> Float[Array, "words d"]:
    """The text with the removed words replaced by padding, the others where they were.

    Example:
        >>> pad(jnp.array([[1.0], [2.0], [3.0]]), jnp.array([True, False, False])).ravel().tolist()
        [0.0, 2.0, 3.0]
    """
    return jnp.where(removed[:, None], 0, x)


def delete(x: Float[Array, "words d"], removed: Bool[Array, " words"]) -> Float[Array, "words d"]:
    """The text without the removed words: the rest moves left, and padding fills the right.

    Example:
        >>> x = jnp.array([[1.0], [2.0], [3.0]])
        >>> delete(x, jnp.array([True, False, False])).ravel().tolist()
        [2.0, 3.0, 0.0]
    """
    return pad(x, removed)[jnp.argsort(removed, stable=True)]


def replace(others: Float[Array, "words d"]) -> Remove:
    """An operator that puts other words in the place of the removed ones.

    Classifiers that do not see padding (sum, max, lstm of `draw_classifier`) cannot tell `pad` from
    `delete`: the same words are left, in the same order. Other words leave a text of the same
    length, as texts seen in training are.

    Args:
        others: one embedded word for each of the text, for example drawn from the training texts.

    Example:
        >>> x, others = jnp.array([[1.0], [2.0]]), jnp.array([[8.0], [9.0]])
        >>> replace(others)(x, jnp.array([True, False])).ravel().tolist()
        [8.0, 2.0]
    """
    return lambda x, removed: jnp.where(removed[:, None], others, x)


def _rank(x: Float[Array, "words d"], scores: Float[Array, " words"]) -> Int[Array, " words"]:
    """0 for the word of largest score, and so on; ties by position, padding after every word."""
    order = jnp.lexsort((-scores, ~present(x)))
    return jnp.zeros_like(order).at[order].set(jnp.arange(order.size, dtype=order.dtype))


class Eraser(NamedTuple):
    """How much of a probability an explanation accounts for.

    Attributes:
        comprehensiveness: mean of p(x) − p(x without its top words); large when they are needed.
        sufficiency: mean of p(x) − p(top words alone); small when they are enough.
    """

    comprehensiveness: Float[Array, ""]
    sufficiency: Float[Array, ""]


def eraser(
    probability: Probability,
    x: Float[Array, "words d"],
    scores: Float[Array, " words"],
    fractions: tuple[float, ...] = (0.01, 0.05, 0.10, 0.20, 0.50),
    remove: Remove = pad,
) -> Eraser:
    """Comprehensiveness and sufficiency, averaged over the sizes of the explanation (AOPC).

    A fraction f of n words is the ⌈fn⌉ words of largest score. The mean is over the fractions, as
    in the benchmark's code; the paper's formula also counts the empty explanation.

    Args:
        probability: of the explained class.
        x: the text.
        scores: finite, one per word; ties go by position.
        fractions: sizes of the explanation, as fractions of the words.
        remove: `pad`, `delete`, or what `replace` makes.

    References:
        DeYoung et al., 2020 (arXiv 1911.03429); github.com/jayded/eraserbenchmark.

    Example:
        >>> x = jnp.array([[0.25], [0.5]])
        >>> [float(v) for v in eraser(lambda x: jnp.sum(x), x, x[:, 0], (0.5,))]
        [0.5, 0.25]
    """
    words, rank = present(x), _rank(x, scores)
    # An exact multiple that rounding lifts above its integer is not another word.
    sizes = jnp.ceil(jnp.asarray(fractions, x.dtype) * words.sum().astype(x.dtype) * (1 - 1e-6))

    def probabilities(size):
        top = words & (rank < size.astype(rank.dtype))
        return probability(remove(x, top)), probability(remove(x, words & ~top))

    without, alone = jax.vmap(probabilities)(sizes)
    whole = probability(x)
    return Eraser(whole - without.mean(), whole - alone.mean())


class Curve(NamedTuple):
    """A probability as words are removed or added.

    Attributes:
        probability: after 0, 1, ... steps, constant once there are no more words.
        area: under the curve, over the fraction of the words of the text, by trapezia.
    """

    probability: Float[Array, " points"]
    area: Float[Array, ""]


def _curve(
    probability: Probability, x: Array, changed: Callable[[Array], Array], steps: int | None
) -> Curve:
    """The curve of the texts ``changed(k)``, where k goes from 0 to all words of the text."""
    if steps is not None and steps < 1:
        raise ValueError(f"steps is {steps} and must be at least 1, or None")
    taken = x.shape[0] if steps is None else min(steps, x.shape[0])
    words = jnp.maximum(present(x).sum(), 1)
    needed = jnp.minimum(taken, words)
    k = jnp.minimum(jnp.arange(taken + 1), needed) * words // needed
    values = jax.vmap(lambda k: probability(changed(k)))(k)
    width = jnp.diff(k).astype(values.dtype) / words.astype(values.dtype)
    return Curve(values, jnp.sum(width * (values[:-1] + values[1:]) / 2))


def deletion_curve(
    probability: Probability,
    x: Float[Array, "words d"],
    scores: Float[Array, " words"],
    remove: Remove = pad,
    steps: int | None = None,
) -> Curve:
    """The probability as words are removed, largest score first; a small area is good.

    Args:
        probability: of the explained class.
        x: the text.
        scores: finite, one per word; ties go by position.
        remove: `pad`, `delete`, or what `replace` makes.
        steps: in how many nearly equal parts the words of a longer text go; one by one when None.

    Raises:
        ValueError: ``steps`` is below 1.

    References:
        Petsiuk, Das, Saenko, 2018 (arXiv 1806.07421).

    Example:
        >>> x = jnp.array([[0.25], [0.5]])
        >>> deletion_curve(lambda x: jnp.sum(x), x, x[:, 0]).probability.tolist()
        [0.75, 0.25, 0.0]
    """
    words, rank = present(x), _rank(x, scores)
    return _curve(probability, x, lambda k: remove(x, words & (rank < k)), steps)


def insertion_curve(
    probability: Probability,
    x: Float[Array, "words d"],
    scores: Float[Array, " words"],
    remove: Remove = pad,
    steps: int | None = None,
) -> Curve:
    """The probability as words are added to the empty text, largest score first; large is good.

    Arguments, errors and reference as for `deletion_curve`.

    Example:
        >>> x = jnp.array([[0.25], [0.5]])
        >>> insertion_curve(lambda x: jnp.sum(x), x, x[:, 0]).probability.tolist()
        [0.0, 0.5, 0.75]
    """
    words, rank = present(x), _rank(x, scores)
    return _curve(probability, x, lambda k: remove(x, words & (rank >= k)), steps)


def by_removal(
    probability: Probability,
    x: Float[Array, "words d"],
    scores: Float[Array, " words"],
    others: Float[Array, "words d"],
    steps: int | None = None,
) -> Float[Array, "2 4"]:
    """Everything that removing words tells of their scores.

    Args:
        probability: of the explained class.
        x: the text.
        scores: finite, one per word.
        others: words to put in the place of removed ones, as of `replace`.
        steps: as of `deletion_curve`.

    Returns:
        One row for `delete`, one for `replace`: comprehensiveness, sufficiency, and the areas of
        the deletion and the insertion curve.

    Example:
        >>> x = jnp.array([[0.25], [0.5]])
        >>> measures = jax.jit(lambda x: by_removal(jnp.sum, x, x[:, 0], jnp.zeros((2, 1))))
        >>> measures(x)[0, 2:].tolist()
        [0.3125, 0.4375]
    """
    found = []
    for remove in (delete, replace(others)):
        both = eraser(probability, x, scores, remove=remove)
        curves = (
            curve(probability, x, scores, remove, steps).area
            for curve in (deletion_curve, insertion_curve)
        )
        found.append(jnp.stack([*both, *curves]))
    return jnp.stack(found)


@partial(jax.jit, static_argnames="steps")
def by_removal_of_texts(
    net: Any,
    table: Float[Array, "vocabulary_and_padding d"],
    ids: Int32[Array, "texts words"],
    others: Int32[Array, "texts words"],
    scores: Float[Array, "texts methods words"],
    steps: int | None = None,
) -> Float[Array, "texts methods 2 4"]:
    """`by_removal` of several texts and of the class that a classifier predicts, by each method.

    Args:
        net: the classifier.
        table: the embedding.
        ids: the texts.
        others: words to put in the place of removed ones.
        scores: of every method.
        steps: as of `deletion_curve`.
    """

    def one(inputs):
        row, other, scores = inputs
        x = table[row]
        towards = jnp.where(net(x) >= 0, 1, -1).astype(x.dtype)

        def probability(x):
            return jax.nn.sigmoid(towards * net(x))

        return jax.lax.map(
            lambda score: by_removal(probability, x, score, table[other], steps), scores
        )

    return jax.lax.map(one, (ids, others, scores))
