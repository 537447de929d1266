"""The chance law of agreement by another way, which shares nothing with what it judges.

The Gram matrix of M standard Gaussian vectors of R^d, d ≥ M, is LLᵀ with L lower triangular and
independent: L_ij ~ N(0, 1) below the diagonal, and L_ii² ~ χ²_{d−i}, i = 0..M−1, on it (Bartlett
1933). So the cosines of M independent uniform directions are those of the rows of L.
"""

from functools import cache
from typing import Any

import numpy as np
from scipy import stats

from theory.claims import Law

DRAWS = 400_000
"""Draws of the law: its distribution function errs by about .001."""


@cache
def chance_law(copies: int, d: int) -> np.ndarray:
    """Ascending draws of the mean |cos| over the pairs of M independent uniform directions.

    Example:
        >>> law = chance_law(2, 3)  # one |cos|, which is uniform in three dimensions
        >>> bool(abs(np.mean(law < 0.3) - 0.3) < 0.005)
        True
    """
    if d < copies:
        raise ValueError(f"d is {d} and must be at least {copies}, the number of copies")
    rng = np.random.default_rng(0)
    rows = rng.standard_normal((DRAWS, copies, copies)) * np.tri(copies, k=-1)
    for i in range(copies):
        rows[:, i, i] = np.sqrt(rng.chisquare(d - i, DRAWS))
    rows /= np.sqrt((rows**2).sum(axis=2, keepdims=True))
    pairs = [(i, j) for i in range(copies) for j in range(i)]
    cosines = [(rows[:, i] * rows[:, j]).sum(axis=1) for i, j in pairs]
    return np.sort(np.mean(np.abs(cosines), axis=0))


def score_cdf(values: np.ndarray, settings: Any, larger: float = 0.0) -> np.ndarray:
    """Of 1 + ``larger`` times the agreement of ``settings.copies`` directions of R^d by chance."""
    law = chance_law(settings.copies, settings.d)
    return np.searchsorted(law, values / (1 + larger), side="right") / len(law)


def uniform_cdf(values: np.ndarray, settings: Any, smaller: float = 0.0) -> np.ndarray:
    """Of a uniform number to the power of 1 + ``smaller``."""
    return np.clip(values, 0, 1) ** (1 / (1 + smaller))


CHANCE = {
    "p": Law(
        uniform_cdf,
        0.075,
        "p = (1 + #{chance ≥ score})/(1 + B) is uniform on [0, 1]",
        {"exponent": uniform_cdf},
    ),
    "score": Law(
        score_cdf,
        0.075,
        "mean over pairs of |cos(g_i, g_j)| ~ that of M independent uniform directions",
        {"scale": score_cdf},
    ),
}
"""The laws of a word's p-value and score where directions agree by chance."""


def pair_tail(cosine: float, d: int) -> float:
    """P(|cos| ≥ c) of two independent uniform directions of R^d.

    Example:
        >>> round(pair_tail(0.5, 3), 4)
        0.5
    """
    return float(stats.beta.sf(cosine**2, 0.5, (d - 1) / 2))
