"""The loop of an experiment over its cells, with the results put together under their labels."""

from collections.abc import Callable, Mapping, Sequence
from itertools import product
from typing import Any

import numpy as np
import xarray as xr

from experiments.experiment import Progress

Measured = Mapping[str, tuple[Sequence[str], Any]]
"""What a cell measured: dimensions and values by name."""


def over(
    cell: Callable[..., Measured],
    progress: Progress,
    labels: Mapping[str, Sequence[Any]] | None = None,
    **cells: Sequence[Any],
) -> xr.Dataset:
    """Measure every combination of labels.

    Args:
        cell: called with one label of each kind, by position; gives the same names, dimensions
            and shapes every time.
        progress: told which labels come next.
        labels: of the dimensions inside a cell.
        cells: the labels of each dimension that is looped over, the last one fastest.

    Example:
        >>> data = over(
        ...     lambda kind, size: {"score": (("measure",), [size, size**2])},
        ...     lambda done, what: None,
        ...     labels={"measure": ["one", "two"]},
        ...     kind=["sum", "max"],
        ...     size=[2, 3],
        ... )
        >>> data.score.sizes["size"], float(data.score.sel(kind="max", size=3, measure="two"))
        (2, 9.0)
    """
    shape = tuple(map(len, cells.values()))
    measured = []
    for done, at in enumerate(product(*cells.values())):
        what = ", ".join(f"{name} {label}" for name, label in zip(cells, at, strict=True))
        progress(done / np.prod(shape), what)
        measured.append(cell(*at))
    progress(1.0, "done")
    stacked = {}
    for name, (dims, _) in measured[0].items():
        values = np.stack([np.asarray(one[name][1]) for one in measured])
        stacked[name] = (*cells, *dims), values.reshape(*shape, *values.shape[1:])
    named = {**cells, **(labels or {})}
    return xr.Dataset(stacked, {dim: np.asarray(list(names)) for dim, names in named.items()})
