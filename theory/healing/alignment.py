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

    Returns:
        The distance; NaN where squares overflow, or underflow in all of the target.

    Raises:
        ValueError: states of different shapes.

    Source: arXiv 2606.01126, the loss of STARFISH.

    Example:
        >>> h = jnp.array([[3.0, 4.0], [0.0, 0.0]])
        >>> float(cosine_distance(h, h)), round(float(cosine_distance(-h, h)), 4)
        (0.0, 1.0)
    """
    check_shapes(state, target)
    scale = jnp.mean(jnp.sum(target**2, axis=-1))
    # A layer that is dead on all inputs has no scale; any positive one gives distance 0 or 1/2.
    epsilon = jnp.where(scale > 0, FLOOR * scale, 1)

    def direction(h):
        return h / jnp.sqrt(jnp.sum(h**2, axis=-1, keepdims=True) + epsilon)

    apart = jnp.mean(jnp.sum((direction(state) - direction(target)) ** 2, axis=-1)) / 2
    largest = jnp.max(jnp.sum(state**2, axis=-1), initial=0)
    return apart + _unknown(jnp.where(jnp.isfinite(largest), scale, jnp.nan), target)


def check_shapes(state: Array, target: Array) -> None:
    """Refuse states of different shapes, which would be broadcast.

    Raises:
        ValueError: otherwise.

    Example:
        >>> check_shapes(jnp.ones((3, 2)), jnp.ones((1, 2)))
        Traceback (most recent call last):
        ValueError: states have shapes (3, 2) and (1, 2): give states of one shape
    """
    if state.shape != target.shape:
        raise ValueError(
            f"states have shapes {state.shape} and {target.shape}: give states of one shape"
        )


def _unknown(scale, target):
    """0, or NaN where squares leave the range of their type: no distance of 0 is to come of it."""
    underflows = (scale == 0) & jnp.any(target != 0)
    # Added, not multiplied: the gradient is what it would be without.
    return jnp.where(jnp.isfinite(scale) & ~underflows, jnp.zeros((), scale.dtype), jnp.nan)


def normalised_mse(
    state: Float[Array, "*rows features"], target: Float[Array, "*rows features"]
) -> Float[Array, ""]:
    """Mean square distance in units of the target's mean square, which scale it does see.

    Returns:
        The distance; NaN where squares of the target overflow, or all of them underflow.

    Raises:
        ValueError: states of different shapes.

    Example:
        >>> h = jnp.array([[3.0, 4.0]])
        >>> float(normalised_mse(h, h)), float(normalised_mse(0 * h, h))
        (0.0, 1.0)
    """
    check_shapes(state, target)
    scale = jnp.mean(target**2)
    apart = jnp.mean((state - target) ** 2) / jnp.where(scale > 0, scale, 1)
    return apart + _unknown(scale, target)


DISTANCES = {"starfish": cosine_distance, "mse": normalised_mse}


def check_method(method: Any) -> None:
    """Refuse what is no `Method`.

    Raises:
        ValueError: otherwise.

    Example:
        >>> check_method("cosine")
        Traceback (most recent call last):
        ValueError: method is 'cosine' and must be 'starfish' or 'mse'
    """
    if method not in DISTANCES:
        raise ValueError(f"method is {method!r} and must be {' or '.join(map(repr, DISTANCES))}")


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

    Raises:
        ValueError: states of different names, number or shapes, or an unknown method.

    Example:
        >>> h = jnp.array([[3.0, 4.0]])
        >>> float(distance([h, h], [h, 0 * h], "mse")) > 0
        True
    """

    def measure(state, target):
        return DISTANCES[method](single(state), single(target))

    check_method(method)
    # By name: a list of layers is as good as a tuple.
    named = [jax.tree_util.tree_leaves_with_path(tree) for tree in (states, targets)]
    names = [[jax.tree_util.keystr(path) for path, _ in tree] for tree in named]
    if names[0] != names[1]:
        raise ValueError(f"states are {names[0]} and targets {names[1]}: give the same layers")
    pairs = zip(*named, strict=True)
    return jnp.mean(jnp.stack([measure(state, target) for (_, state), (_, target) in pairs]))
