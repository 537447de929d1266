"""Every attribution method that needs only the networks, on many texts, and what chance gives."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Int32, Key

from theory.attribution.agreement import pair_cosines
from theory.attribution.copies import Kind, draw_untrained
from theory.attribution.methods import gradient, present
from theory.attribution.scores import ENSEMBLE, Explained, ensemble_scores, explain, word_gradients

TOGETHER = 16
"""Texts explained at once: enough for the machine, few enough for occlusion's memory."""

STEPS = {"flat": 1, "sum": 1, "max": 1, "lstm": 256}
"""Steps of integrated gradients at first; one is exact for networks without biases."""

COMPLETE = 1e-3
"""The gap of integrated gradients up to which steps are doubled, relative to the logits."""

MOST_STEPS = 1024
"""Steps at which doubling ends, whatever the gap is then."""


def explain_texts(
    copies: Any,
    table: Float[Array, "vocabulary_and_padding d"],
    ids: Int32[Array, "texts words"],
    key: Key[Array, ""],
    steps: int,
) -> Explained:
    """`explain` of several texts, the arrays with a leading axis of texts; one key for each.

    Example:
        >>> copies = draw_untrained("sum", jax.random.split(jax.random.key(0), 2), 3, d=4, width=5)
        >>> ids = jnp.array([[1, 2, 0], [2, 1, 1]], jnp.int32)
        >>> table = jnp.eye(3, 4, dtype=jnp.float32)
        >>> explain_texts(copies, table, ids, jax.random.key(1), 1).logits.shape
        (2, 2)
    """

    def one(inputs):
        row, which = inputs
        return explain(copies, table[row], jax.random.fold_in(key, which), steps=steps)

    return jax.lax.map(one, (ids, jnp.arange(len(ids))), batch_size=TOGETHER)


_explain = jax.jit(explain_texts, static_argnames="steps")


def score(
    kind: Kind,
    copies: Any,
    table: Float[Array, "vocabulary_and_padding d"],
    ids: Int32[np.ndarray, "texts words"],
    key: Key[Array, ""],
) -> Explained:
    """`explain_texts` with as many steps as integrated gradients need, as NumPy arrays.

    Args:
        kind: of classifier.
        copies: with a leading axis; the first is explained.
        table: the embedding.
        ids: texts.
        key: of SmoothGrad's noise.
    """
    steps = STEPS[kind]
    while True:
        found = jax.device_get(_explain(copies, table, jnp.asarray(ids), key, steps))
        if found.gap.max() <= COMPLETE or steps == 1 or steps >= MOST_STEPS:
            return found
        steps *= 2


@jax.jit
def gradients_of_texts(
    copies: Any, x: Float[Array, "texts words d"]
) -> Float[Array, "texts copies words d"]:
    """`word_gradients` of several embedded texts."""
    return jax.lax.map(lambda text: word_gradients(copies, text), x, batch_size=TOGETHER)


@jax.jit
def ensemble_scores_of_texts(
    gradients: Float[Array, "texts copies words d"], words: Bool[Array, "texts words"]
) -> Float[Array, "methods texts words"]:
    """The scores of `ENSEMBLE` from `gradients_of_texts`."""
    scores = jax.vmap(ensemble_scores)(gradients, words)
    return jnp.stack([scores[name] for name in ENSEMBLE])


def untrained_agreement(
    kind: Kind, x: Float[Array, "words d"], keys: Key[Array, " sets"], *, width: int, copies: int
) -> Float[Array, "sets words"]:
    """Agreement of the words of one text by sets of untrained copies, 0 at padding.

    Args:
        kind: of classifier.
        x: the embedded text.
        keys: one for each set.
        width: of the classifiers.
        copies: of a set.

    Example:
        >>> keys = jax.random.split(jax.random.key(0), 5)
        >>> untrained_agreement("sum", jnp.ones((3, 4)), keys, width=6, copies=2).shape
        (5, 3)
    """

    def one(key):
        fresh = draw_untrained(kind, jax.random.split(key, copies), *x.shape, width=width)
        fresh = jax.tree.map(lambda leaf: leaf.astype(x.dtype), fresh)
        return ensemble_scores(word_gradients(fresh, x), present(x))["agreement"]

    return jax.lax.map(one, keys, batch_size=TOGETHER)


_untrained_agreement = jax.jit(untrained_agreement, static_argnames=("kind", "width", "copies"))


def untrained_scores(
    kind: Kind, x: Float[Array, "words d"], copies: int, sets: int, key: Key[Array, ""], width: int
) -> Float[np.ndarray, "sets present"]:
    """Agreement's scores by chance: of all words of one text, for sets of untrained copies.

    The directions of a maximum over words are not uniform even then, which makes the p-values of
    uniform directions too small; those of the other kinds are, up to what these scores show.

    Args:
        kind: of classifier.
        x: the embedded text.
        copies: of a set, as many as explain the text.
        sets: sets of copies, independent of each other as their words are not.
        key: of the copies.
        width: of the classifiers.
    """
    words = np.asarray(present(x))
    keys = jax.random.split(key, sets)
    return np.asarray(_untrained_agreement(kind, x, keys, width=width, copies=copies))[:, words]


def padding_agreement(
    copies: Any, table: Float[Array, "vocabulary_and_padding d"], ids: Int32[Array, "texts words"]
) -> Float[Array, ""]:
    """Mean |cos| of the copies' gradients at padding, before it is masked; NaN without any.

    Exactly 0 where the networks have no gradient at padding: then nothing has been tested.

    Example:
        >>> from theory.networks import SumReLU, two_layer_relu
        >>> copies = jax.vmap(lambda key: SumReLU(two_layer_relu(key, 3, 8)))(
        ...     jax.random.split(jax.random.key(0), 2)
        ... )
        >>> table = jnp.ones((3, 3)).at[0].set(0)
        >>> float(padding_agreement(copies, table, jnp.array([[1, 2, 0]], jnp.int32)))
        0.0
    """

    def one(row):
        x = table[row]
        cosines = pair_cosines(jax.vmap(lambda net: gradient(net, x))(copies))
        return jnp.sum(jnp.where(row[None] == 0, jnp.abs(cosines), 0), axis=1).mean()

    return jnp.sum(jax.lax.map(one, ids)) / jnp.sum(ids == 0).astype(table.dtype)
