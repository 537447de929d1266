"""Synthetic data: Gaussian points and mixtures, prescribed Gram matrices, planted texts."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Int32, Key


def gaussian_points(key: Key[Array, ""], n: int, d: int) -> Float[Array, "n d"]:
    """Independent points x ~ N(0, I_d/d): norms near 1, inner products of order 1/√d.

    Example:
        >>> gaussian_points(jax.random.key(0), 3, 100).shape
        (3, 100)
    """
    return jax.random.normal(key, (n, d)) * d**-0.5


class Mixture(NamedTuple):
    """Two Gaussians of opposite means: x = y·μ + N(0, I_d/d).

    Attributes:
        mean: μ.
        x: points.
        y: labels ±1, uniform.
    """

    mean: Float[Array, " d"]
    x: Float[Array, "n d"]
    y: Float[Array, " n"]


def at_cosine(
    key: Key[Array, ""], toward: Float[Array, " d"], cosine: float | Float[Array, ""]
) -> Float[Array, " d"]:
    """A unit vector at a cosine to another one, uniform besides; in one dimension it must be ±1.

    Args:
        key: of the direction besides.
        toward: a unit vector.
        cosine: in [−1, 1].

    Example:
        >>> v = at_cosine(jax.random.key(0), jnp.array([1.0, 0.0, 0.0]), 0.6)
        >>> round(float(v[0]), 4), round(float(v @ v), 4)
        (0.6, 1.0)
    """
    aside = jax.random.normal(key, toward.shape)
    aside = aside - (aside @ toward) * toward
    length = jnp.linalg.norm(aside)
    aside = aside / jnp.where(length > 0, length, 1)
    cosine = jnp.asarray(cosine, toward.dtype)
    return cosine * toward + jnp.sqrt(jnp.maximum(1 - cosine**2, 0)) * aside


def gaussian_mixture(
    key: Key[Array, ""], n: int, d: int, norm: float | Float[Array, ""]
) -> Mixture:
    """Draw a uniformly random mean of this norm, and n points of its mixture.

    Example:
        >>> data = gaussian_mixture(jax.random.key(0), n=20, d=50, norm=2.0)
        >>> data.x.shape, round(float(jnp.linalg.norm(data.mean)), 4)
        ((20, 50), 2.0)
    """
    key_mean, key_data = jax.random.split(key)
    direction = jax.random.normal(key_mean, (d,))
    mean = norm * direction / jnp.linalg.norm(direction)
    return mixture_points(key_data, mean, n)


def mixture_points(key: Key[Array, ""], mean: Float[Array, " d"], n: int) -> Mixture:
    """n further points of the mixture with this mean.

    Example:
        >>> mixture_points(jax.random.key(0), jnp.ones(4), n=5).y.shape
        (5,)
    """
    key_y, key_x = jax.random.split(key)
    y = jax.random.rademacher(key_y, (n,), dtype=mean.dtype)
    return Mixture(mean, y[:, None] * mean[None, :] + gaussian_points(key_x, n, len(mean)), y)


def nearly_orthogonal_gram(
    key: Key[Array, ""], n: int, norm_slack: float, correlation: float | Float[Array, ""]
) -> Float[Array, "n n"]:
    """A Gram matrix with ‖x_i‖² ∈ [1 − ψ, 1 + ψ] and |⟨x_i, x_j⟩| ≤ φ, uniform in both.

    Args:
        key: a typed JAX key.
        n: number of points.
        norm_slack: ψ.
        correlation: φ; below (1 − ψ)/n the matrix is positive definite (Gershgorin).

    Example:
        >>> gram = nearly_orthogonal_gram(jax.random.key(0), 5, 0.1, 0.01)
        >>> bool(jnp.abs(gram - jnp.diag(jnp.diag(gram))).max() <= 0.01)
        True
    """
    key_norm, key_off = jax.random.split(key)
    norms = jax.random.uniform(key_norm, (n,), minval=1 - norm_slack, maxval=1 + norm_slack)
    off = jax.random.uniform(key_off, (n, n), minval=-correlation, maxval=correlation)
    upper = jnp.triu(off, 1)
    return upper + upper.T + jnp.diag(norms)


def points_with_gram(gram: Float[Array, "n n"]) -> Float[Array, "n n"]:
    """n points of R^n with this Gram matrix: the rows of its Cholesky factor.

    Any other choice is a rotation of this one, which no two-layer network without biases sees.
    The factor is built column by column instead of by LAPACK, which does not run on several CPU
    devices at once.

    Args:
        gram: positive definite.

    Example:
        >>> gram = jnp.array([[4.0, 1.0], [1.0, 2.0]])
        >>> x = points_with_gram(gram)
        >>> bool(jnp.abs(x @ x.T - gram).max() < 1e-5)
        True
    """
    n = len(gram)

    def column(k, factor):
        rest = gram[:, k] - factor @ factor[k]
        # Rows above k are 0 up to rounding, and are made so.
        below = jnp.where(jnp.arange(n) >= k, rest, 0)
        return factor.at[:, k].set(below / jnp.sqrt(rest[k]))

    return jax.lax.fori_loop(0, n, column, jnp.zeros_like(gram))


class PlantedTexts(NamedTuple):
    """Texts whose label is decided by one word each.

    Attributes:
        ids: words, from 1 up; 0 is kept for padding.
        y: labels ±1, uniform.
        target: where the deciding word stands.
    """

    ids: Int32[Array, "n words"]
    y: Float[Array, " n"]
    target: Bool[Array, "n words"]


def planted_texts(
    key: Key[Array, ""],
    n: int,
    words: int,
    vocabulary: int,
    *,
    tells: int = 1,
    decoys: int = 2,
    position: int | None = None,
) -> PlantedTexts:
    """Uniformly random texts with a deciding word and as rare ones that decide nothing.

    Words 1 ... ``tells`` mean +1, the next ``tells`` mean −1, and the ``decoys`` after them occur
    once in a text of either label, so that rarity alone does not tell. All others are uniform.

    Args:
        key: a typed JAX key.
        n: number of texts.
        words: words of a text.
        vocabulary: number of words there are.
        tells: deciding words of either label.
        decoys: words as rare as those, of which every text holds one.
        position: where the deciding word stands; uniform when None. The decoy is anywhere else.

    Raises:
        ValueError: if the vocabulary has no other words, or a text no room for both.

    Example:
        >>> texts = planted_texts(jax.random.key(0), 100, words=8, vocabulary=50)
        >>> bool(jnp.all((texts.ids[texts.target] == 1) == (texts.y > 0)))
        True
    """
    special = 2 * tells + decoys
    if min(tells, decoys) < 1 or vocabulary <= special or words < 2:
        raise ValueError(
            f"vocabulary is {vocabulary} and words is {words}: need tells and decoys, more words "
            f"than these {special}, and at least two in a text"
        )
    key_y, key_ids, key_tell, key_decoy, key_at, key_other = jax.random.split(key, 6)
    y = jax.random.rademacher(key_y, (n,), dtype=float)
    shape = (n, words)
    ids = jax.random.randint(key_ids, shape, special + 1, vocabulary + 1, dtype=jnp.int32)
    tell = jax.random.randint(key_tell, (n,), 1, tells + 1, dtype=jnp.int32)
    tell = jnp.where(y > 0, tell, tell + tells)
    decoy = jax.random.randint(key_decoy, (n,), 2 * tells + 1, special + 1, dtype=jnp.int32)
    if position is None:
        at = jax.random.randint(key_at, (n,), 0, words)
    else:
        at = jnp.full((n,), position)
    other = (at + jax.random.randint(key_other, (n,), 1, words)) % words
    places = jnp.arange(words)[None, :]
    target = places == at[:, None]
    ids = jnp.where(places == other[:, None], decoy[:, None], ids)
    return PlantedTexts(jnp.where(target, tell[:, None], ids), y, target)
