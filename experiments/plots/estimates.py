"""Estimates over independent networks or data sets, each with its 95 % interval.

`mean_interval` and its like take arrays whose first axis is the networks; `mean`, `share`, `rms`,
`median` and `defined` are the same over named dimensions of labelled data, and keep the labels.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float
from numpy.typing import ArrayLike, NDArray
from scipy import stats
from xarray import DataArray, Dataset

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
    """An estimate and its interval, each of the shape left after the networks' axis is gone.

    Attributes:
        centre, low, high: arrays, labelled where the values were.
    """

    centre: Any
    low: Any
    high: Any

    def sel(self, **labels: Any) -> "Interval":
        """The part with these labels; of labelled intervals only."""
        return Interval(*(part.sel(labels) for part in self))

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


Statistic = Callable[..., Interval]


def _over_dimensions(statistic: Statistic, name: str) -> Statistic:
    """A statistic over the first axis as one over named dimensions of labelled data."""

    def labelled(
        values: DataArray, over: str | Sequence[str] = "trial", **options: Any
    ) -> Interval:
        over = (over,) if isinstance(over, str) else tuple(over)
        kept = [dim for dim in values.dims if dim not in over]
        ordered = values.transpose(*over, *kept)
        rows = ordered.values.reshape(-1, *(values.sizes[dim] for dim in kept))
        like = ordered.isel(dict.fromkeys(over, 0), drop=True)
        found = statistic(rows, **options)
        return Interval(*(like.copy(data=np.asarray(part, float)) for part in found))

    labelled.__name__ = labelled.__qualname__ = name
    labelled.__doc__ = (
        f"`{statistic.__name__}` over named dimensions; the others and their labels stay."
    )
    return labelled


mean = _over_dimensions(mean_interval, "mean")
share = _over_dimensions(share_interval, "share")
defined = _over_dimensions(defined_interval, "defined")
rms = _over_dimensions(rms_interval, "rms")
median = _over_dimensions(median_interval, "median")


def ahead(
    first: DataArray,
    second: DataArray,
    over: str | Sequence[str] = "trial",
    comparisons: int | None = None,
) -> Interval:
    """By how much the first is ahead of the second, paired over networks or data sets.

    Args:
        first, second: the same dimensions.
        over: what is paired and averaged over.
        comparisons: how many intervals cover together with `LEVEL`; all of these when None.

    Example:
        >>> a = DataArray([[1.0, 3.0], [2.0, 3.0]], dims=("trial", "kind"))
        >>> ahead(a, a - 1).centre.values.tolist()
        [1.0, 1.0]
    """
    gap = first - second
    count = mean(gap, over).centre.size if comparisons is None else comparisons
    return mean(gap, over, level=jointly(count))


def numbers(values: Interval | DataArray | Dataset, digits: int | None = 4) -> Any:
    """Labelled numbers as a table for ``result.json``: one level of names for every dimension.

    Args:
        values: an interval becomes a list of centre, low and high; a data set one table for each
            of its variables.
        digits: decimals; all when None.

    Example:
        >>> scores = DataArray([0.5, 1.0], dims="kind", coords={"kind": ["sum", "max"]})
        >>> numbers(scores)
        {'sum': 0.5, 'max': 1.0}
        >>> numbers(Interval(scores, scores - 1, scores + 1))["max"]
        [1.0, 0.0, 2.0]
    """
    if isinstance(values, Dataset):
        return {str(name): numbers(part, digits) for name, part in values.data_vars.items()}
    parts = values if isinstance(values, Interval) else (values,)
    first: DataArray = parts[0]  # pyright: ignore[reportAssignmentType]
    if first.ndim:
        dim = first.dims[0]
        labels = first[dim].values.tolist()  # positions where there are no labels
        return {
            label_text(label): numbers(
                Interval(*(part.isel({dim: i}) for part in parts))  # pyright: ignore
                if isinstance(values, Interval)
                else first.isel({dim: i}),
                digits,
            )
            for i, label in enumerate(labels)
        }
    found = [part.item() for part in parts]  # pyright: ignore[reportAttributeAccessIssue]
    if digits is not None:
        found = [round(x, digits) if isinstance(x, float) else x for x in found]
    return found if isinstance(values, Interval) else found[0]


def label_text(label: Any) -> str:
    """A label for reading: numbers without a needless ".0".

    Example:
        >>> label_text(0.25), label_text(1.0), label_text("sum")
        ('0.25', '1', 'sum')
    """
    return f"{label:g}" if isinstance(label, float) else str(label)
