"""How every point flips along its own off-subspace gradient, for the figures that show it."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from theory.networks import TwoLayerReLU
from theory.subspace.flip import flip_distance
from theory.subspace.gradient import off_subspace_gradient


class Flips(NamedTuple):
    """How each of n points flips along −sign(N)·Π_{P^⊥}∇N.

    Attributes:
        gradient: ‖Π_{P^⊥}∇N‖.
        direction: the unit vector followed; 0 at a point without a gradient.
        distance: to the flip; infinity where there is none.
    """

    gradient: Float[Array, " n"]
    direction: Float[Array, "n d"]
    distance: Float[Array, " n"]


def flips_along_gradient(
    net: TwoLayerReLU, x: Float[Array, "n d"], basis: Float[Array, "d dim"]
) -> Flips:
    """The exact flip of every point along its own off-subspace gradient."""
    gradient = off_subspace_gradient(net, x, basis)
    norm = jnp.linalg.norm(gradient, axis=-1)
    there = norm > 0
    unit = gradient / jnp.where(there, norm, 1)[:, None]
    direction = -jnp.sign(net(x))[:, None] * unit
    # Where there is no direction to follow any other stands in, and its answer is dropped.
    follow = jnp.where(there[:, None], direction, 1)
    distance = jax.vmap(flip_distance, in_axes=(None, 0, 0))(net, x, follow)
    return Flips(norm, direction, jnp.where(there, distance, jnp.inf))
