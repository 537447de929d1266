"""Frozen embeddings of words, one row per word, shared by all copies of a classifier.

Row 0 is zero and stands for padding. A shared table is what gives the gradients of two copies a
common basis: with a table of its own each copy would agree with the others at chance.
"""

from typing import Any

import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key
from numpy.typing import NDArray

from theory.checks import check_counts
from theory.sampling import gaussian_points

WINDOW = 5
"""Words on either side that count as context, as in word2vec."""


def random_embedding(
    key: Key[Array, ""], vocabulary: int, d: int
) -> Float[Array, "vocabulary_and_padding d"]:
    """Rows N(0, I_d/d), of norm near 1.

    Example:
        >>> import jax
        >>> random_embedding(jax.random.key(0), vocabulary=10, d=4).shape
        (11, 4)
    """
    return jnp.pad(gaussian_points(key, vocabulary, d), ((1, 0), (0, 0)))


def cooccurrences(ids: Any, vocabulary: int, window: int = WINDOW) -> NDArray[np.int64]:
    """How often two words stand at most ``window`` apart, in a symmetric table.

    Args:
        ids: texts (texts, words), 0 being padding.
        vocabulary: number of words; ids go from 1 to this.
        window: the largest distance that counts.

    Raises:
        ValueError: for ids that are none, of another shape, or no words; for a window below 1.

    Example:
        >>> cooccurrences(np.array([[1, 2, 2, 0]], np.int32), vocabulary=2, window=1).tolist()
        [[0, 1], [1, 2]]
    """
    check_counts(vocabulary=vocabulary, window=window)
    ids = np.asarray(ids)
    if ids.ndim != 2 or not np.issubdtype(ids.dtype, np.integer):
        raise ValueError(
            f"ids are {ids.dtype} of shape {ids.shape} and must be integers of (texts, words)"
        )
    if ids.size == 0 or ids.min() < 0 or ids.max() > vocabulary:
        found = f"go from {ids.min()} to {ids.max()}" if ids.size else "are none"
        raise ValueError(f"ids {found} and must be from 0, padding, to {vocabulary}, the last word")
    ids, size = ids.astype(np.int64), vocabulary + 1
    counts = np.zeros(size * size, np.int64)
    for apart in range(1, min(window, ids.shape[1] - 1) + 1):
        pairs = ids[:, :-apart] * size + ids[:, apart:]
        counts += np.bincount(pairs.ravel(), minlength=size * size)
    table = counts.reshape(size, size)[1:, 1:]
    return table + table.T


def ppmi_embedding(ids: Any, vocabulary: int, d: int, window: int = WINDOW) -> NDArray[np.float64]:
    """Positive pointwise mutual information of neighbours, factorised to rank d, rows of norm 1.

    PPMI_ij = max(0, log(p_ij/(p_i p_j))) = UΣUᵀ up to signs, and the embedding is U_d√Σ_d.

    Args:
        ids: texts (texts, words), 0 being padding.
        vocabulary: number of words; ids go from 1 to this.
        d: dimension of the embedding.
        window: the largest distance between neighbours.

    Returns:
        A table of shape (vocabulary + 1, d), float64, whose first row is zero. A word without
        neighbours has a zero row as well, and cannot be told from padding; in texts of one word
        each, no word can.

    Raises:
        ValueError: as of `cooccurrences`; if there are fewer words than dimensions.

    References:
        Levy, Goldberg, 2014, Neural word embedding as implicit matrix factorization.

    Example:
        >>> texts = np.random.default_rng(0).integers(1, 21, (50, 9), np.int32)
        >>> ppmi_embedding(texts, vocabulary=20, d=4).shape
        (21, 4)
    """
    check_counts(d=d)
    if d > vocabulary:
        raise ValueError(f"d is {d}, more dimensions than the {vocabulary} words can span")
    counts = cooccurrences(ids, vocabulary, window)
    margin = counts.sum(axis=1)
    expected = np.outer(margin, margin) / max(1, margin.sum())
    seen = counts > 0
    ratio = np.where(seen, counts, 1) / np.where(seen, expected, 1)
    u, sigma, _ = np.linalg.svd(np.maximum(np.log(ratio), 0))
    rows = u[:, :d] * np.sqrt(sigma[:d])
    # U is determined up to the sign of each column; fix it, so that every machine has the same.
    rows *= np.sign(u[np.abs(u[:, :d]).argmax(axis=0), np.arange(d)])
    norm = np.linalg.norm(rows, axis=1, keepdims=True)
    return np.pad(rows / np.where(norm > 0, norm, 1), ((1, 0), (0, 0)))


def explained_variance(x: Float[np.ndarray, "n d"]) -> Float[np.ndarray, " components"]:
    """Cumulative shares of variance of the principal components, min(n, d) of them.

    Example:
        >>> explained_variance(np.array([[2.0, 0], [-2, 0], [0, 1], [0, -1]])).tolist()
        [0.8, 1.0]
    """
    x = x - x.mean(axis=0)
    gram = x.T @ x if x.shape[1] <= x.shape[0] else x @ x.T  # the smaller one
    variance = np.maximum(np.linalg.eigvalsh(gram)[::-1], 0)
    return np.cumsum(variance) / variance.sum()
