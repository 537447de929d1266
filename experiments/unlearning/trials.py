"""All trials of an experiment by one program, put under labels once training ended well."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Key
from numpy.typing import ArrayLike
from xarray import Dataset

from experiments.errors import UsageError
from experiments.experiment import Progress
from theory.ensemble import ensemble
from theory.settings import Count, Sample
from theory.unlearning import settings as unlearning

Labels = Mapping[str, Sequence[Any] | np.ndarray]

SMALL = {"width": 40, "samples": 5, "margin": 100.0, "trials": 3}
"""Settings of networks that train in a moment."""


@dataclass(frozen=True)
class Settings(unlearning.Settings):
    """What experiments on networks of random points share."""

    d: Count = 1000
    """input dimension"""
    trials: Sample = 12
    """networks, of each kind where there are several"""


def measure(
    settings: Any,
    trial: Callable[[Any, Any], Mapping[str, Array]],
    key: Key[Array, ""],
    progress: Progress,
    labels: Labels,
    others: Mapping[str, Labels] | None = None,
    margin: ArrayLike | None = None,
) -> Dataset:
    """Run every trial, each with its own key.

    Args:
        settings: with the number of trials, and the margin that training was to reach.
        trial: ``(settings, key) -> arrays``, with the smallest margin ``reached`` among them.
        key: every trial's key derives from it.
        progress: told at the start and at the end.
        labels, others: as of `labelled`.
        margin: what was to be reached, where it is not ``settings.margin``.
    """
    progress(0.0, f"{settings.trials} networks to margin {settings.margin:g}")
    program = jax.jit(lambda keys: ensemble(lambda key: trial(settings, key), keys))
    arrays = jax.device_get(program(jax.random.split(key, settings.trials)))
    require_margin(arrays["reached"], settings.margin if margin is None else margin)
    progress(1.0, "done")
    return labelled(arrays, labels, others)


def labelled(
    arrays: Mapping[str, np.ndarray], labels: Labels, others: Mapping[str, Labels] | None = None
) -> Dataset:
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
    others = others or {}
    data = Dataset(coords={"trial": range(len(next(iter(arrays.values()))))})
    for name, array in arrays.items():
        along = others.get(name, labels)
        dims = tuple(along)[: array.ndim - 1]
        data[name] = ("trial", *dims), array
        data = data.assign_coords({dim: np.asarray(along[dim]) for dim in dims})
    return data


def require_margin(reached: ArrayLike, margin: ArrayLike) -> None:
    """Refuse networks that ran out of steps: no KKT conditions hold where a network does not fit.

    Raises:
        UsageError: if any network reached less than its margin.

    Example:
        >>> require_margin([100.0, 101.0], 100.0)
    """
    fit = np.asarray(reached) >= np.asarray(margin) * (1 - 1e-9)  # up to the rounding of a sum
    if not fit.all():
        raise UsageError(
            f"{(~fit).sum()} of {fit.size} networks did not reach the margin asked for, because "
            "they cannot fit their points or ran out of steps: raise d, width or steps, or lower "
            "samples or margin."
        )
