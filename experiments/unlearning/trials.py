"""All trials of an experiment by one program, put under labels once training ended well."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
from jaxtyping import Array, Key
from numpy.typing import ArrayLike
from xarray import Dataset

from experiments.cells import Labels, every, labelled
from experiments.errors import UsageError
from experiments.experiment import Progress
from theory.settings import Count, Sample
from theory.unlearning import settings as unlearning

SMALL = {"width": 40, "samples": 5, "margin": 100.0, "trials": 3}
"""Settings of networks that train in a moment."""


@dataclass(frozen=True)
class Settings(unlearning.Settings):
    """What experiments on networks of random points share."""

    d: Count = 1000
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
    """Run every trial ``(settings, key) -> arrays``, each with its own key, and label the arrays.

    ``reached``, the smallest margin, is among them, and must be ``margin``, or that of the
    settings. ``labels`` and ``others`` are as of `labelled`.
    """
    progress(0.0, f"{settings.trials} networks to margin {settings.margin:g}")
    arrays = every(partial(trial, settings))(key, settings.trials)
    require_margin(arrays["reached"], settings.margin if margin is None else margin)
    progress(1.0, "done")
    return labelled(arrays, labels, others)


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
