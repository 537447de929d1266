"""An experiment's loops, over cells and over trials, with the results put under their labels."""

from collections.abc import Callable, Mapping, Sequence
from contextvars import ContextVar
from functools import partial
from itertools import product
from typing import Any

import jax
import numpy as np
import xarray as xr

from experiments.experiment import Progress
from theory.ensemble import ensemble

Measured = Mapping[str, tuple[Sequence[str], Any]]
"""What a cell measured: dimensions and values by name."""

Labels = Mapping[str, Sequence[Any] | np.ndarray]
"""Of each dimension."""


KEPT: ContextVar[Callable[[str, Callable[[], Measured]], Measured] | None] = ContextVar(
    "KEPT", default=None
)
"""``(name of a cell, measure) -> cell``: what keeps cells until all are done; None keeps none."""


def every(trial: Callable[..., Any]) -> Callable[..., dict[str, np.ndarray]]:
    """All trials as one program, each with its own key: ``(key, count, *given) -> arrays``.

    Args:
        trial: ``(*given, key) -> arrays``. What is given is an argument of the program: XLA would
            spend its time multiplying constants at compile time.

    Example:
        >>> found = every(lambda scale, key: {"x": scale * jax.random.normal(key)})
        >>> found(jax.random.key(0), 3, 2.0)["x"].shape
        (3,)
    """
    program = jax.jit(lambda keys, *given: ensemble(lambda key: trial(*given, key), keys))
    return lambda key, count, *given: jax.device_get(program(jax.random.split(key, count), *given))


def labelled(
    arrays: Mapping[str, np.ndarray], labels: Labels, others: Mapping[str, Labels] | None = None
) -> xr.Dataset:
    """Arrays of all trials under names.

    Args:
        arrays: the first axis is the trials.
        labels: of the further dimensions in order, of which an array has the first few.
        others: the same for arrays that have dimensions of their own, all of them.

    Example:
        >>> data = labelled({"epsilon": np.ones((3, 2)), "norm": np.ones(3)}, {"d": (10, 100)})
        >>> data.epsilon.dims, data.norm.dims
        (('trial', 'd'), ('trial',))
    """
    data = xr.Dataset(coords={"trial": range(len(next(iter(arrays.values()))))})
    for name, array in arrays.items():
        along = (others or {}).get(name, labels)
        dims = tuple(along)[: array.ndim - 1]
        data[name] = ("trial", *dims), array
        data = data.assign_coords({dim: np.asarray(along[dim]) for dim in dims})
    return data


def along(arrays: Mapping[str, Any], *dims: str) -> dict[str, tuple[tuple[str, ...], Any]]:
    """Arrays as `over` wants them of a cell: each over the first few of these dimensions.

    Example:
        >>> along({"height": np.ones((3, 2)), "right": np.ones(3)}, "trial", "place")["right"][0]
        ('trial',)
    """
    return {name: (dims[: np.ndim(values)], values) for name, values in arrays.items()}


def together(found: Sequence[Mapping[str, Any]]) -> dict[str, np.ndarray]:
    """What trials gave one by one as arrays of all of them, the first axis being the trials.

    Example:
        >>> together([{"x": 1.0}, {"x": 2.0}])
        {'x': array([1., 2.])}
    """
    return {name: np.stack([np.asarray(one[name]) for one in found]) for name in found[0]}


def over(
    cell: Callable[..., Measured],
    progress: Progress,
    labels: Labels | None = None,
    **cells: Sequence[Any],
) -> xr.Dataset:
    """Measure every combination of labels.

    A run that was stopped does not measure again what it kept: no two loops of one experiment are
    to have the same names and labels.

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
    measured, keep = [], KEPT.get()
    for done, at in enumerate(product(*cells.values())):
        what = ", ".join(f"{name} {label}" for name, label in zip(cells, at, strict=True))
        progress(done / np.prod(shape), what)
        measured.append(keep(what, partial(cell, *at)) if keep else cell(*at))
    progress(1.0, "done")
    stacked = {}
    for name, (dims, _) in measured[0].items():
        values = np.stack([np.asarray(one[name][1]) for one in measured])
        stacked[name] = (*cells, *dims), values.reshape(*shape, *values.shape[1:])
    named = {**cells, **(labels or {})}
    return xr.Dataset(stacked, {dim: np.asarray(list(names)) for dim, names in named.items()})
