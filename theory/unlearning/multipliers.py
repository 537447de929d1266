"""Multipliers along training: the solver's and the closed form's, at one margin after another."""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from theory.settings import Increasing, Positive
from theory.unlearning import settings as unlearning
from theory.unlearning.gradient_ascent import closed_form_multipliers
from theory.unlearning.kkt import kkt
from theory.unlearning.margin import LogSlope, logistic_slope, train_to_large_margin
from theory.unlearning.scene import Scene

SUPPORT = 1e-3
"""A point is a support vector where its multiplier exceeds this share of the largest one."""


@dataclass(frozen=True)
class Settings(unlearning.Settings):
    """Settings of a statement about growing margins.

    Example:
        >>> Settings().sizes[-1]
        800.0
    """

    sizes: Increasing[Positive] = (25.0, 50.0, 100.0, 200.0, 400.0, 800.0)
    """margins at which multipliers are compared, increasing; the last one is held out"""


class Multipliers(NamedTuple):
    """Multipliers at every margin, of θ scaled to smallest margin one.

    Attributes:
        exact: by `kkt`.
        closed: by `closed_form_multipliers`.
        reached: smallest margin reached, over the one asked for, minus one.
    """

    exact: Float[Array, "sizes n"]
    closed: Float[Array, "sizes n"]
    reached: Float[Array, " sizes"]

    @property
    def support(self) -> Bool[Array, "sizes n"]:
        """Where a point is a support vector."""
        return self.exact > SUPPORT * jnp.max(self.exact, axis=-1, keepdims=True)


def multipliers_along(
    settings: Settings, scene: Scene, slope: LogSlope = logistic_slope
) -> Multipliers:
    """Train on from margin to margin, and compare the multipliers at each.

    Args:
        settings: with the margins.
        scene: data and network at initialisation; it is trained on the logistic loss.
        slope: log |ℓ'| of the loss that the closed form takes it to be.

    Example:
        >>> from theory.unlearning.scene import draw_gaussian
        >>> settings = Settings(d=50, samples=4, width=10, sizes=(20.0, 40.0))
        >>> found = multipliers_along(settings, draw_gaussian(settings, jax.random.key(0)))
        >>> found.exact.shape, bool((found.reached >= 0).all())
        ((2, 4), True)
    """

    def stage(net, margin):
        trained = train_to_large_margin(net, scene.x, scene.y, margin, steps=settings.steps)
        net = trained.network
        exact = kkt(net, scene.x, scene.y).multipliers
        closed = closed_form_multipliers(net, scene.x, scene.y, slope=slope)
        return net, Multipliers(exact, closed, trained.margin / margin - 1)

    return jax.lax.scan(stage, scene.start, jnp.array(settings.sizes, scene.x.dtype))[1]


def shape(values: Float[Array, " sizes"]) -> Float[Array, " sizes"]:
    """Values over their geometric mean.

    A trial has a constant of its own in front of its power law; a power law is in the shape.

    Example:
        >>> shape(jnp.array([8.0, 2.0])).tolist()
        [2.0, 0.5]
    """
    return values / jnp.exp(jnp.mean(jnp.log(values)))


def half_slope(q: Float[Array, "*batch"]) -> Float[Array, "*batch"]:
    """The slope of a loss with half the decay, e^{−q/2}, for which nothing was trained.

    Example:
        >>> float(half_slope(jnp.array(4.0)))
        -2.0
    """
    return -q / 2
