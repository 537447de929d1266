"""Estimates over independent networks or data sets, each with its 95 % interval."""

from typing import NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike, NDArray
from scipy import stats

LEVEL = 0.95
"""Coverage of every error bar; verdicts and fits keep the stricter level of `theory.statistics`."""


def jointly(count: int) -> float:
    """Coverage of each of so many intervals that cover together with `LEVEL`, by Bonferroni.

    Example:
        >>> round(jointly(10), 4)
        0.995
    """
    return 1 - (1 - LEVEL) / count


class Interval(NamedTuple):
    """An estimate and its interval, each of the shape left after the networks' axis is gone."""

    centre: NDArray[np.float64]
    low: NDArray[np.float64]
    high: NDArray[np.float64]

    @property
    def bars(self) -> NDArray[np.float64]:
        """Lengths below and above the centre, as ``yerr`` of matplotlib wants them."""
        with np.errstate(invalid="ignore"):  # an infinite centre has no bars
            return np.stack([self.centre - self.low, self.high - self.centre])

    def rounded(self, digits: int = 4) -> list[float]:
        """Centre, low and high of one estimate, for JSON.

        Example:
            >>> mean_interval([0.0, 0.0, 0.0, 1.0]).rounded()
            [0.25, -0.5456, 1.0456]
        """
        return [round(float(x), digits) for x in self]

    def figures(self, digits: int) -> tuple[str, ...]:
        """Centre, low and high of one estimate, with a minus that is no hyphen.

        Example:
            >>> Interval(np.array(-1.0), np.array(-2.0), np.array(0.5)).figures(1)
            ('−1.0', '−2.0', '0.5')
        """
        return tuple(f"{float(x):.{digits}f}".replace("-", "−") for x in self)

    def text(self, digits: int = 2) -> str:
        """One estimate for a sentence, which says what the interval is.

        Example:
            >>> Interval(np.array(-1.0), np.array(-2.0), np.array(0.5)).text(1)
            '−1.0 [−2.0, 0.5]'
        """
        centre, low, high = self.figures(digits)
        return f"{centre} [{low}, {high}]"


def mean_interval(values: ArrayLike, level: float = LEVEL) -> Interval:
    """The mean over the first axis with Student's interval.

    Args:
        values: one row for each network.
        level: coverage; `jointly` says which makes several intervals cover together.

    Example:
        >>> interval = mean_interval([1.0, 2.0, 3.0])
        >>> float(interval.centre), round(float(interval.high), 2)
        (2.0, 4.48)
    """
    values = np.asarray(values, float)
    n = len(values)
    centre = values.mean(axis=0)
    reach = stats.t.ppf((1 + level) / 2, n - 1) * values.std(axis=0, ddof=1) / np.sqrt(n)
    return Interval(centre, centre - reach, centre + reach)


def share_interval(values: ArrayLike, level: float = LEVEL) -> Interval:
    """`mean_interval` of shares, which end at 0 and 1 where Student's interval does not.

    Example:
        >>> interval = share_interval([0.8, 1.0])
        >>> round(float(interval.centre), 3), float(interval.low), float(interval.high)
        (0.9, 0.0, 1.0)
    """
    interval = mean_interval(values, level)
    return Interval(interval.centre, np.maximum(interval.low, 0), np.minimum(interval.high, 1))


def defined_interval(values: Float[np.ndarray, "n *rest"]) -> Interval:
    """`mean_interval` over the entries of each column that are not NaN; NaN for fewer than two.

    Example:
        >>> interval = defined_interval(np.array([[1.0, 1.0], [np.nan, np.nan], [3.0, np.nan]]))
        >>> interval.centre.tolist()
        [2.0, nan]
    """
    columns = values.reshape(len(values), -1).T
    kept = [column[np.isfinite(column)] for column in columns]
    none = Interval(*np.full(3, np.nan))
    found = [mean_interval(column) if len(column) > 1 else none for column in kept]
    return Interval(*np.array(found).T.reshape(3, *values.shape[1:]))


def rms_interval(values: ArrayLike) -> Interval:
    """The root mean square over the first axis, from Student's interval of the mean square.

    Theory gives E‖Π∇N‖² exactly, so the root mean square has no finite-size bias; a mean has.

    Example:
        >>> float(rms_interval([3.0, 3.0]).centre)
        3.0
    """
    return Interval(*(np.sqrt(np.maximum(x, 0)) for x in mean_interval(np.square(values))))


def median_interval(values: ArrayLike) -> Interval:
    """The median over the first axis with the interval of its order statistics.

    Exact for any law, and it admits infinities: a flip that does not exist is infinitely far.

    Example:
        >>> interval = median_interval([1.0, 2.0, 3.0, 4.0, 5.0, 6.0, np.inf])
        >>> float(interval.low), float(interval.centre), float(interval.high)
        (1.0, 4.0, inf)
    """
    ordered = np.sort(np.asarray(values, float), axis=0)
    n = len(ordered)
    # P(the median < the order statistic of rank r + 1) = P(Bin(n, ½) ≤ r).
    rank = max(0, int(stats.binom.ppf((1 - LEVEL) / 2, n, 0.5)) - 1)
    # The middle pair is not averaged by np.median, which makes NaN of two infinities' difference.
    lower, upper = ordered[(n - 1) // 2], ordered[n // 2]
    centre = np.where(lower == upper, lower, (lower + upper) / 2)
    return Interval(centre, ordered[rank], ordered[n - 1 - rank])


def finite(values: ArrayLike) -> list[float | None]:
    """A list for JSON, which has no infinity: None in its place.

    Example:
        >>> finite([1.0, np.inf])
        [1.0, None]
    """
    return [float(x) if np.isfinite(x) else None for x in np.ravel(values)]
