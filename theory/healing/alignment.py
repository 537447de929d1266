"""How far a network's internal states are from those of another: what healing minimises.

A state is an array whose last axis holds features; every other axis is a row to be aligned:
images of an MLP, images and tokens of a transformer.
"""

from collections.abc import Callable
from typing import Any, Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Method = Literal["starfish", "mse"]
"""Directions of the states, or the states themselves."""

States = Callable[[Any, Any], Any]
"""``states(params, inputs)``, the hidden states of a network: a pytree of arrays, one per layer."""

FLOOR = 1e-6
"""A row this much below the mean square of the target's rows counts as having no direction."""


def cosine_distance(
    state: Float[Array, "*rows features"], target: Float[Array, "*rows features"]
) -> Float[Array, ""]:
    r"""Mean over rows of 1 − cos(h, h*), exactly 0 with gradient 0 at identical states.

    .. math:: \tfrac12 ‖ĥ − ĥ^*‖², \quad ĥ = h / \sqrt{‖h‖² + ε},

    which is 1 − cos up to ε, has a gradient at zero rows (dead neurons give them), and vanishes
    where both are zero. ε is a millionth of the mean square norm of the target's rows, so that
    the distance does not depend on the units of the states.

    Args:
        state: of the network that is healed.
        target: the same of the dense network.

    Source: arXiv 2606.01126, the loss of STARFISH.

    Example:
        >>> h = jnp.array([[3.0, 4.0], [0.0, 0.0]])
        >>> float(cosine_distance(h, h)), round(float(cosine_distance(-h, h)), 4)
        (0.0, 1.0)
    """
    scale = jnp.mean(jnp.sum(target**2, axis=-1))
    # A layer that is dead on all inputs has no scale; any positive one gives distance 0 or 1/2.
    epsilon = jnp.where(scale > 0, FLOOR * scale, 1)

    def direction(h):
        return h / jnp.sqrt(jnp.sum(h**2, axis=-1, keepdims=True) + epsilon)

    return jnp.mean(jnp.sum((direction(state) - direction(target)) ** 2, axis=-1)) / 2


def normalised_mse(
    state: Float[Array, "*rows features"], target: Float[Array, "*rows features"]
) -> Float[Array, ""]:
    """Mean square distance in units of the target's mean square, which scale it does see.

    Example:
        >>> h = jnp.array([[3.0, 4.0]])
        >>> float(normalised_mse(h, h)), float(normalised_mse(0 * h, h))
        (0.0, 1.0)
    """
    scale = jnp.mean(target**2)
    return jnp.mean((state - target) ** 2) / jnp.where(scale > 0, scale, 1)


DISTANCES = {"starfish": cosine_distance, "mse": normalised_mse}


def single(array: Array) -> Array:
    """Half precision as single; all else as it is.

    Example:
        >>> single(jnp.ones(2, jnp.bfloat16)).dtype, single(jnp.ones(2, jnp.float32)).dtype
        (dtype('float32'), dtype('float32'))
    """
    return array.astype(jnp.float32) if jnp.finfo(array.dtype).bits < 32 else array


def distance(states: Any, targets: Any, method: Method = "starfish") -> Float[Array, ""]:
    """The mean over layers of the distance of their states.

    States in half precision are compared in single: squares of them leave its range.

    Args:
        states: of the network that is healed, a pytree with one array per layer.
        targets: of the dense network.
        method: "starfish" compares directions by `cosine_distance`, "mse" by `normalised_mse`.

    Example:
        >>> h = jnp.array([[3.0, 4.0]])
        >>> float(distance([h, h], [h, 0 * h], "mse")) > 0
        True
    """

    def measure(state, target):
        return DISTANCES[method](single(state), single(target))

    pairs = zip(jax.tree.leaves(states), jax.tree.leaves(targets), strict=True)
    return jnp.mean(jnp.stack([measure(state, target) for state, target in pairs]))
