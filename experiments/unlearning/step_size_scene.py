"""Gaussian data and a network at initialisation in coordinates of the span of the data.

Nothing in training, or in the KKT conditions, sees more of a data set than its Gram matrix, or
more of the part of a weight vector off the span than its norm. The Gram matrix of n Gaussian
points of R^d is LLᵀ/d with L lower triangular, normal below the diagonal and chi-distributed on
it (Bartlett's decomposition), so n + 1 coordinates have exactly the law of d, and d is a number
instead of a shape: one program serves every d.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key
from xarray import Dataset

from experiments.cells import over
from experiments.experiment import Progress
from experiments.unlearning.trials import require_margin
from theory.ensemble import ensemble
from theory.networks import two_layer_relu
from theory.settings import Count, Increasing, Listed, NonNegative, Sample
from theory.unlearning import settings as unlearning
from theory.unlearning.scene import Scene

SIGMA = unlearning.Settings(d=1).sigma
"""The default standard deviation at initialisation, times √d."""

ROUNDING = 1e-7
"""Relative error that the solver of the KKT conditions may add to a comparison."""


@dataclass(frozen=True)
class Settings(unlearning.Settings):
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
    trials: Sample = 12
    """networks in each dimension"""

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
    """All trials in every dimension by one program: over d, trial, and fraction where there is one.

    Args:
        settings: dimensions, trials and margin.
        trial: ``(settings, d, key) -> arrays``, with the margin ``reached`` among them.
        key: every trial's key derives from it.
        progress: told of every dimension.
    """

    @jax.jit
    def program(d, keys):
        return ensemble(lambda key: trial(settings, d, key), keys)

    def cell(d: int):
        keys = jax.random.split(jax.random.fold_in(key, d), settings.trials)
        arrays = jax.device_get(program(float(d), keys))
        require_margin(arrays["reached"], settings.margin)
        return {name: (("trial", "fraction")[: a.ndim], a) for name, a in arrays.items()}

    labels = {"trial": range(settings.trials), "fraction": settings.fractions}
    return over(cell, progress, labels, d=settings.dims)


def draw_gaussian(
    settings: unlearning.Settings, d: float | Float[Array, ""], key: Key[Array, ""]
) -> Scene:
    """The law of `theory.unlearning.scene.draw_gaussian` in n + 1 coordinates, at any d > n.

    Example:
        >>> draw_gaussian(Settings(), 1e6, jax.random.key(0)).x.shape
        (10, 11)
    """
    key_below, key_chi, key_y, key_net = jax.random.split(key, 4)
    n, width, d = settings.samples, settings.width, jnp.asarray(d, float)
    freedom = d - jnp.minimum(jnp.arange(n + width, dtype=d.dtype), n)
    diagonal, off = jnp.split(jnp.sqrt(jax.random.chisquare(key_chi, freedom)), [n])
    below = jnp.tril(jax.random.normal(key_below, (n, n)), -1)
    x = jnp.pad((below + jnp.diag(diagonal)) / jnp.sqrt(d), ((0, 0), (0, 1)))
    y = jax.random.rademacher(key_y, (n,), dtype=x.dtype)
    sigma = SIGMA / jnp.sqrt(d) if settings.scale is None else settings.scale
    net = two_layer_relu(key_net, n, width, 1.0)
    return Scene(x, y, net._replace(w=sigma * jnp.concatenate([net.w, off[:, None]], axis=1)))
