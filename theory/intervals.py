"""Confidence intervals over independent networks or data sets, the first axis of an array.

Each gives an estimate, its low end and its high end, of the shape left after that axis is gone.
"""

from typing import Any

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike
from scipy import stats

LEVEL = 0.95
"""Coverage of an error bar; verdicts and fits keep the stricter level of `theory.statistics`."""

Ends = tuple[Any, Any, Any]
"""Centre, low and high, arrays."""


def jointly(count: int) -> float:
    """Coverage of each of so many intervals that cover together with `LEVEL`, by Bonferroni.

    Example:
        >>> round(jointly(10), 4)
        0.995
    """
    return 1 - (1 - LEVEL) / count


def mean(values: ArrayLike, level: float = LEVEL) -> Ends:
    """The mean with Student's interval; `jointly` says at which level several cover together.

    Example:
        >>> [round(float(x), 2) for x in mean([1.0, 2.0, 3.0])]
        [2.0, -0.48, 4.48]
    """
    values = np.asarray(values, float)
    n = len(values)
    centre = values.mean(axis=0)
    reach = stats.t.ppf((1 + level) / 2, n - 1) * values.std(axis=0, ddof=1) / np.sqrt(n)
    return centre, centre - reach, centre + reach


def share(values: ArrayLike, level: float = LEVEL) -> Ends:
    """`mean` of shares, which end at 0 and 1 where Student's interval does not.

    Example:
        >>> [round(float(x), 3) for x in share([0.8, 1.0])]
        [0.9, 0.0, 1.0]
    """
    centre, low, high = mean(values, level)
    return centre, np.maximum(low, 0), np.minimum(high, 1)


def defined(values: Float[np.ndarray, "n *rest"]) -> Ends:
    """`mean` over the entries of each column that are not NaN; NaN for fewer than two.

    Example:
        >>> defined(np.array([[1.0, 1.0], [np.nan, np.nan], [3.0, np.nan]]))[0].tolist()
        [2.0, nan]
    """
    columns = values.reshape(len(values), -1).T
    kept = [column[np.isfinite(column)] for column in columns]
    found = [mean(column) if len(column) > 1 else np.full(3, np.nan) for column in kept]
    centre, low, high = np.array(found).T.reshape(3, *values.shape[1:])
    return centre, low, high


def rms(values: ArrayLike) -> Ends:
    """The root mean square, from Student's interval of the mean square.

    Theory gives E‖Π∇N‖² exactly, so the root mean square has no finite-size bias; a mean has.

    Example:
        >>> float(rms([3.0, 3.0])[0])
        3.0
    """
    centre, low, high = (np.sqrt(np.maximum(x, 0)) for x in mean(np.square(values)))
    return centre, low, high


def median(values: ArrayLike) -> Ends:
    """The median with the interval of its order statistics.

    Exact for any law, and it admits infinities: a flip that does not exist is infinitely far.

    Example:
        >>> [float(x) for x in median([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, np.inf])]
        [4.0, 1.0, inf]
    """
    ordered = np.sort(np.asarray(values, float), axis=0)
    n = len(ordered)
    # P(the median < the order statistic of rank r + 1) = P(Bin(n, ½) ≤ r).
    rank = max(0, int(stats.binom.ppf((1 - LEVEL) / 2, n, 0.5)) - 1)
    # The middle pair is not averaged by np.median, which makes NaN of two infinities' difference.
    lower, upper = ordered[(n - 1) // 2], ordered[n // 2]
    centre = np.where(lower == upper, lower, (lower + upper) / 2)
    return centre, ordered[rank], ordered[n - 1 - rank]
