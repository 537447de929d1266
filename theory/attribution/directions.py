"""Which directions of the embedding did training touch? One score for each of them."""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from theory.attribution.agreement import pair_cosines
from theory.attribution.scores import word_gradients
from theory.geometry import Subspace, orthonormalise

METHODS = ("agreement", "signed agreement", "gradient norm", "mean gradient", "|gradient×input|")

MOST = 16
"""Copies whose signs are all tried: every further one doubles their number."""


def direction_scores(
    gradients: Float[Array, "copies words d"], x: Float[Array, "words d"]
) -> Float[Array, "methods d"]:
    """Scores of the coordinate directions, those of `METHODS`.

    A direction's coefficients at the words of the text are a vector for each copy: agreement is
    that of these vectors. A dead direction's are independent across copies, with signs by chance
    (`signed_p_values`), but along much the same line: their |cos| is not that of uniform ones.

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
def direction_scores_of_texts(
    copies: Any, x: Float[Array, "texts words d"], basis: Float[Array, "d d"]
) -> Float[Array, "texts methods d"]:
    """`direction_scores` of several texts, of the directions of a basis.

    Args:
        copies: classifiers with a leading axis.
        x: the embedded texts.
        basis: orthonormal columns.
    """

    def one(text):
        return direction_scores(word_gradients(copies, text) @ basis, text @ basis)

    return jax.lax.map(one, x, batch_size=16)


def adapted_basis(span: Subspace, key: Key[Array, ""]) -> Float[Array, "d d"]:
    """An orthonormal basis of R^d, first of P and then of P^⊥.

    Example:
        >>> from theory.geometry import random_subspace
        >>> span = random_subspace(jax.random.key(0), 5, 2)
        >>> basis = adapted_basis(span, jax.random.key(1))
        >>> basis.shape, bool(jnp.allclose(basis.T @ basis, jnp.eye(5), atol=1e-5))
        ((5, 5), True)
    """
    rest = span.reject(jax.random.normal(key, (span.ell, span.dim + span.ell)))
    return jnp.concatenate([span.basis, orthonormalise(rest.T)], axis=1)


def signed_p_values(gradients: Float[Array, "copies words d"]) -> Float[Array, " d"]:
    """How likely the signed agreement of every coordinate direction is if its signs are by chance.

    A direction that training never touched is as likely with either sign in every copy, whatever
    the rest of the network (`theory.attribution.theorems.signed_agreement`). So the p-value is the
    share of the 2^{M−1} choices of the M copies' signs, up to that of all, at which the mean cosine
    is at least the one found: exact at any number of copies, words and neurons.

    Args:
        gradients: of every copy at every word, in the basis whose directions are asked for; a
            direction with a coefficient that is NaN has no p-value. At 5 % none of fewer than six
            copies is rejected.

    Raises:
        ValueError: fewer than two copies, or more than `MOST`.

    Example:
        >>> signed_p_values(jnp.ones((6, 4, 2)).at[0, :, 0].set(-1)).tolist()
        [0.21875, 0.03125]
    """
    copies = len(gradients)
    if not 2 <= copies <= MOST:
        raise ValueError(f"There are {copies} copies of the classifier; give 2 to {MOST}.")
    cosines = pair_cosines(jnp.swapaxes(gradients, 1, 2))
    bits = jnp.arange(2 ** (copies - 1))[:, None] >> jnp.arange(copies)[None, :]
    signs = (1 - 2 * (bits & 1)).astype(cosines.dtype)  # the first row is all ones
    i, j = jnp.triu_indices(copies, 1)
    sums = (signs[:, i] * signs[:, j]) @ cosines
    p_values = jnp.mean(sums >= sums[:1], axis=0, dtype=cosines.dtype)
    return jnp.where(jnp.isnan(sums[0]), jnp.nan, p_values)
