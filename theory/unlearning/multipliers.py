"""Multipliers along training: the solver's and the closed form's, at one margin after another."""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from theory.networks import Linear, TwoLayerReLU
from theory.settings import Increasing, Positive
from theory.theorem import Number
from theory.unlearning import settings as unlearning
from theory.unlearning.certificate import angle
from theory.unlearning.gradient_ascent import closed_form_multipliers
from theory.unlearning.kkt import kkt
from theory.unlearning.margin import (
    LogSlope,
    logistic_slope,
    train_to_large_margin,
)
from theory.unlearning.pattern import autograd_pattern, combine, neurons
from theory.unlearning.scene import Scene

SUPPORT = 1e-3
"""A point is a support vector where its multiplier exceeds this share of the largest one."""


SETTLED = 0.2
"""The largest ε of θ at which training counts as having settled in a direction."""

FOLLOWED = 1e-9
"""The largest 1 − cos to its descent at which a loss is the one that was trained on."""


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
        stationarity: ε of θ at the exact multipliers.
        reached: smallest margin reached, over the one asked for, minus one.
        followed: 1 − cos of the angle between a step of training and the descent on the loss that
            the closed form takes it to be.
    """

    exact: Float[Array, "sizes n"]
    closed: Float[Array, "sizes n"]
    stationarity: Float[Array, " sizes"]
    reached: Float[Array, " sizes"]
    followed: Float[Array, " sizes"]

    @property
    def support(self) -> Bool[Array, "sizes n"]:
        """Where a point is a support vector."""
        return self.exact > SUPPORT * jnp.max(self.exact, axis=-1, keepdims=True)

    @property
    def settled(self) -> Bool[Array, ""]:
        """Whether θ was near its own multipliers' direction at every margin.

        In a few scenes of a hundred a neuron still crosses a point at a large margin, and θ is then
        what two directions have left.
        """
        return jnp.max(self.stationarity) <= SETTLED

    @property
    def happened(self) -> dict[str, Float[Array, ""]]:
        """Margins of what must have happened."""
        return {
            "margin reached": jnp.min(self.reached),
            "trained on ℓ": FOLLOWED - jnp.max(self.followed),
        }


def multipliers_along(settings: Settings, scene: Scene, decay: Number = 1.0) -> Multipliers:
    """Train on from margin to margin, and compare the multipliers at each.

    Args:
        settings: with the margins.
        scene: data and network at initialisation; it is trained on the logistic loss.
        decay: the closed form takes it to be ℓ(decay·q) instead.

    Example:
        >>> from theory.unlearning.scene import draw_gaussian
        >>> settings = Settings(d=50, samples=4, width=10, sizes=(20.0, 40.0))
        >>> found = multipliers_along(settings, draw_gaussian(settings, jax.random.key(0)))
        >>> found.exact.shape, bool((found.reached >= 0).all())
        ((2, 4), True)
    """

    def slope(q):
        return logistic_slope(decay * q)

    def stage(net, margin):
        trained = train_to_large_margin(net, scene.x, scene.y, margin, steps=settings.steps)
        net = trained.network
        exact = kkt(net, scene.x, scene.y)
        closed = closed_form_multipliers(net, scene.x, scene.y, slope=slope)
        followed = off_descent(net, scene, slope)
        reached = trained.margin / margin - 1
        return net, Multipliers(exact.multipliers, closed, exact.stationarity, reached, followed)

    return jax.lax.scan(stage, scene.start, jnp.array(settings.sizes, scene.x.dtype))[1]


def off_descent(net: Linear | TwoLayerReLU, scene: Scene, slope: LogSlope) -> Float[Array, ""]:
    """1 − cos of the angle between a step of training on the logistic loss and one on another.

    Example:
        >>> from theory.unlearning.margin import exponential_slope
        >>> net = Linear(jnp.array([1.0, 3.0]))
        >>> scene = Scene(jnp.eye(2), jnp.ones(2), net)
        >>> losses = logistic_slope, exponential_slope
        >>> [float(off_descent(net, scene, slope)) < 1e-6 for slope in losses]
        [True, False]
    """
    step = train_to_large_margin(net, scene.x, scene.y, jnp.inf, steps=1).network.w - net.w
    weights = jax.nn.softmax(slope(scene.y * net(scene.x)))
    gates = autograd_pattern(net, scene.x).gates
    believed = combine(neurons(net).u, gates * weights[None, :], scene.x, scene.y)
    return angle(step.reshape(believed.shape), believed)


def shape(values: Float[Array, " sizes"]) -> Float[Array, " sizes"]:
    """Values over their geometric mean.

    A trial has a constant of its own in front of its power law; a power law is in the shape.

    Example:
        >>> shape(jnp.array([8.0, 2.0])).tolist()
        [2.0, 0.5]
    """
    return values / jnp.exp(jnp.mean(jnp.log(values)))
