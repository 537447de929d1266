"""Estimates over independent networks or data sets, each with its 95 % interval.

`mean`, `share`, `rms`, `median` and `defined` are those of `theory.intervals` over named dimensions
of labelled data, of which they keep the other labels.
"""

from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray
from xarray import DataArray, Dataset

from theory import intervals
from theory.intervals import LEVEL as LEVEL
from theory.intervals import jointly as jointly


class Interval(NamedTuple):
    """An estimate and its interval: arrays, labelled where the values were."""

    centre: Any
    low: Any
    high: Any

    def sel(self, **labels: Any) -> "Interval":
        """The part with these labels; of labelled intervals only."""
        return Interval(*(part.sel(labels) for part in self))

    def isel(self, **positions: Any) -> "Interval":
        """The part at these positions; of labelled intervals only."""
        return Interval(*(part.isel(**positions) for part in self))

    @property
    def bars(self) -> NDArray[np.float64]:
        """Lengths below and above the centre, as ``yerr`` of matplotlib wants them."""
        with np.errstate(invalid="ignore"):  # an infinite centre has no bars
            return np.stack([self.centre - self.low, self.high - self.centre])

    def rounded(self, digits: int = 4) -> list[float]:
        """Centre, low and high of one estimate, for JSON.

        Example:
            >>> Interval(*intervals.mean([0.0, 0.0, 0.0, 1.0])).rounded()
            [0.25, -0.5456, 1.0456]
        """
        return [round(float(x), digits) for x in self]

    def figures(self, digits: int) -> tuple[str, ...]:
        """Centre, low and high of one estimate, with a minus that is no hyphen."""
        return tuple(f"{float(x):.{digits}f}".replace("-", "−") for x in self)

    def text(self, digits: int = 2) -> str:
        """One estimate for a sentence, which says what the interval is.

        Example:
            >>> Interval(np.array(-1.0), np.array(-2.0), np.array(0.5)).text(1)
            '−1.0 [−2.0, 0.5]'
        """
        centre, low, high = self.figures(digits)
        return f"{centre} [{low}, {high}]"


def finite(values: ArrayLike) -> list[float | None]:
    """A list for JSON, which has no infinity: None in its place.

    Example:
        >>> finite([1.0, np.inf])
        [1.0, None]
    """
    return [float(x) if np.isfinite(x) else None for x in np.ravel(values)]


def _over_dimensions(statistic: Callable[..., intervals.Ends]) -> Callable[..., Interval]:
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

    labelled.__name__ = labelled.__qualname__ = statistic.__name__
    labelled.__doc__ = f"`theory.intervals.{statistic.__name__}` over named dimensions."
    return labelled


mean = _over_dimensions(intervals.mean)
share = _over_dimensions(intervals.share)
defined = _over_dimensions(intervals.defined)
rms = _over_dimensions(intervals.rms)
median = _over_dimensions(intervals.median)


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


def exponents(values: DataArray, size: str) -> DataArray:
    """The slope of log value against the log of a dimension's labels, over the other dimensions.

    Example:
        >>> sizes = np.array([1.0, 2.0, 4.0])
        >>> values = DataArray([sizes**2], {"m": sizes}, dims=("trial", "m"))
        >>> exponents(values, "m").round(6).values.tolist()
        [2.0]
    """
    ordered = values.transpose(size, ...)
    columns = np.log(ordered.values).reshape(len(ordered), -1)
    slopes = np.polyfit(np.log(ordered[size].values), columns, 1)[0]
    like = ordered.isel({size: 0}, drop=True)
    return like.copy(data=slopes.reshape(like.shape))


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
    labelled = values.centre if isinstance(values, Interval) else values
    if labelled.ndim:
        dim = str(labelled.dims[0])
        labels = labelled[dim].values.tolist()  # positions where there are no labels
        return {
            label_text(label): numbers(values.isel(**{dim: i}), digits)  # pyright: ignore
            for i, label in enumerate(labels)
        }
    found = [part.item() for part in (values if isinstance(values, Interval) else (values,))]
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
