"""Networks of many sizes in one program: arrays of the largest shape, padded with zeros."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array

from theory.ensemble import ensemble
from theory.geometry import Subspace
from theory.networks import TwoLayerReLU
from theory.subspace.flip import certified_radius, flip_distance, universal_direction
from theory.subspace.gradient import off_subspace_gradient
from theory.subspace.scene import Scene
from theory.subspace.settings import Settings
from theory.training import train_in_span

DISTANCES = ("along gradient", "universal", "certified")
"""From a point to its flip along its own gradient, along one direction for all; a lower bound."""


def initial_scale(settings: Settings, d):
    """The standard deviation σ of the hidden weights; d is a number or an array of them."""
    return d**-0.5 if settings.scale is None else settings.scale


def padded_scene(settings: Settings, largest: tuple[int, int], key, d, ell, width) -> Scene:
    """A scene with d, ℓ and m as *traced* numbers, so that one program serves a whole sweep.

    Coordinates from d on are zero in weights and data, and neurons from m on are zero: none of
    them ever moves. P is spanned by the first d − ℓ coordinates; as Gaussian weights and
    gradient descent do not see a rotation, every P gives the same law.

    Args:
        settings: everything but the sizes.
        largest: the shape (m, d) of the arrays.
        key: of this scene.
        d, ell, width: the sizes, float scalars.
    """
    rows, columns = largest
    key_x, key_y, key_w, key_u = jax.random.split(key, 4)
    column, row = jnp.arange(columns, dtype=float), jnp.arange(rows, dtype=float)
    inside = column < d - ell
    x = jnp.where(inside, jax.random.normal(key_x, (settings.samples + 1, columns)), 0)
    x = x * (jnp.sqrt(d) / jnp.linalg.norm(x, axis=-1, keepdims=True))
    y = jax.random.rademacher(key_y, (settings.samples,), dtype=x.dtype)
    w = initial_scale(settings, d) * jax.random.normal(key_w, (rows, columns))
    u = jax.random.rademacher(key_u, (rows,), dtype=x.dtype) / jnp.sqrt(width)
    exists = row < width
    there = exists[:, None] & (column < d)[None, :]
    network = TwoLayerReLU(jnp.where(there, w, 0), jnp.where(exists, u, 0))
    return Scene(Subspace(jnp.diag(inside.astype(x.dtype))), x[1:], y, x[0], network)


def trial(
    settings: Settings, largest: tuple[int, int], flips: bool, key, d, ell, width
) -> dict[str, Array]:
    """Train one network of one size; measure its gradient, and its flips where they are wanted.

    Returns:
        ``gradient``, the norm of Π_{P^⊥}∇N(x₀); ``flip``, the `DISTANCES` over |N(x₀)|; ``given``,
        whether an active neuron opposes the sign of N(x₀), without which none of them is claimed.
    """
    scene = padded_scene(settings, largest, key, d, ell, width)
    rate = 4 / d if settings.learning_rate is None else settings.learning_rate
    net = train_in_span(
        scene.network,
        scene.x,
        scene.y,
        optimizer=optax.chain(optax.add_decayed_weights(settings.weight_decay), optax.sgd(rate)),
        steps=settings.steps,
        margin=settings.margin,
    ).network
    x0, gradient = scene.x0, off_subspace_gradient(net, scene.x0, scene.subspace.basis)
    norm = jnp.linalg.norm(gradient)
    if not flips:
        return {"gradient": norm}
    output = net(x0)
    opposing = ((x0 @ net.w.T > 0) & (net.u * output < 0)).any()
    directions = jnp.stack([gradient, universal_direction(net, scene.subspace)])
    # Without an opposing active neuron nothing is claimed; without an active one there is no
    # gradient to follow either, and any direction will do.
    directions = -jnp.sign(output) * jnp.where(opposing, directions, 1)
    distance = jax.vmap(lambda z: flip_distance(net, x0, z))(directions)
    unit = jnp.where(opposing, jnp.abs(output), 1)
    distances = [*distance, certified_radius(net, x0, scene.subspace)]
    return {"gradient": norm, "given": opposing, "flip": jnp.stack(distances) / unit}


def program(
    settings: Settings, largest: tuple[int, int], flips: bool
) -> Callable[..., dict[str, Array]]:
    """One compiled function (keys, sizes) -> arrays (keys, sizes) of what `trial` measures.

    ``sizes`` holds equally many values of d, ℓ and m, by the names of `trial`'s arguments.
    """

    def measure(key, shapes):
        keys = jax.random.split(key, len(shapes["d"]))
        return jax.lax.map(
            lambda item: trial(settings, largest, flips, item[0], **item[1]), (keys, shapes)
        )

    return jax.jit(lambda keys, shapes: ensemble(lambda key: measure(key, shapes), keys))
