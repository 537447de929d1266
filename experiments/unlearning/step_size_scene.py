"""Gaussian data and a network in several input dimensions, by one program for all of them."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any

import jax
from jaxtyping import Array, Key
from xarray import Dataset

from experiments.cells import along, every, over
from experiments.experiment import Progress
from experiments.unlearning import trials
from theory.settings import Count, Increasing, Listed, NonNegative

SMALL = trials.SMALL | {"d": 1000, "smaller": (100,), "fractions": (0.0, 0.5, 0.9, 1.0, 1.1, 2.0)}
"""Settings of networks that train in a moment."""

ROUNDING = 1e-7
"""Relative error that the solver of the KKT conditions may add to a comparison."""


@dataclass(frozen=True)
class Settings(trials.Settings):
    """One step of several sizes, in several input dimensions."""

    d: Count = 10_000
    """largest input dimension"""
    smaller: Annotated[tuple[Count, ...], Listed(0, rising=True)] = (100, 1000)
    """further input dimensions"""
    fractions: Increasing[NonNegative] = (
        *(0.0, 0.2, 0.4, 0.6, 0.8, 0.9, 0.95, 0.98),
        *(1.0, 1.02, 1.05, 1.1, 1.2, 1.4, 1.6, 1.8, 2.0),
    )
    """step sizes β/β*, with 1 among them"""

    def __post_init__(self):
        super().__post_init__()
        if self.smaller and self.smaller[-1] >= self.d:
            raise ValueError(f"smaller is {self.smaller} and must stay below d")
        if self.dims[0] <= self.samples:
            raise ValueError(f"the smallest d is {self.dims[0]} and must exceed samples")
        if 1.0 not in self.fractions:
            raise ValueError(f"fractions are {self.fractions} and must include 1")

    @property
    def dims(self) -> tuple[int, ...]:
        """All input dimensions."""
        return (*self.smaller, self.d)


def over_dimensions(
    settings: Settings, trial: Callable[..., Any], key: Key[Array, ""], progress: Progress
) -> Dataset:
    """Trials ``(settings, d, key) -> arrays`` over d, trial, and fraction where there is one."""
    program = every(partial(trial, settings))  # once for all dimensions

    def cell(d: int):
        arrays = program(jax.random.fold_in(key, d), settings.trials, float(d))
        trials.require_margin(arrays["reached"], settings.margin)
        return along(arrays, "trial", "fraction")

    labels = {"trial": range(settings.trials), "fraction": settings.fractions}
    return over(cell, progress, labels, d=settings.dims)
