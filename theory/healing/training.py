"""Networks on labelled images, before pruning and again after it."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from theory.ensemble import ensemble
from theory.healing.descent import masked_descent
from theory.training import annealed_adam, cross_entropy, train_classifiers

BATCH = 128
"""Images of a step on all training images."""


def steps_of(images: int, epochs: float) -> int:
    """Steps of so many passes over so many images, at least one.

    Example:
        >>> steps_of(1280, 2.0), steps_of(10, 0.5)
        (20, 1)
    """
    return max(1, round(epochs * images / BATCH))


def dense_networks(
    draw: Callable[[Key[Array, ""]], Any],
    key: Key[Array, ""],
    count: int,
    x: Float[Array, "n ..."],
    y: Int[Array, " n"],
    epochs: float,
    rate: float = 1e-3,
) -> Any:
    """Trained networks, their arrays float32 with a leading axis.

    Args:
        draw: ``draw(key)``, an untrained network.
        key: of starts and of the order of images.
        count: how many.
        x, y: images and classes.
        epochs: passes over the images.
        rate: step size of Adam at the start.
    """
    key_start, key_order = jax.random.split(key)
    starts = jax.jit(jax.vmap(draw))(jax.random.split(key_start, count))
    starts = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), starts)
    keys, steps = jax.random.split(key_order, count), steps_of(len(x), epochs)
    return train_classifiers(starts, keys, x, y, jnp.float32(rate), steps=steps, batch=BATCH)


@partial(jax.jit, static_argnames=("steps", "trainable"))
def _retrain(nets, masks, keys, x, y, rate, *, steps, trainable):
    def member(arguments):
        net, masks, key = arguments
        order = jax.random.permutation(key, len(x))
        return masked_descent(
            cross_entropy,
            net,
            masks,
            (x[order], y[order]),
            optimizer=annealed_adam(rate, steps),
            steps=steps,
            batch=BATCH,
            trainable=trainable,
        ).params

    return ensemble(member, (nets, masks, keys))


def retrained(
    nets: Any,
    masks: Any,
    key: Key[Array, ""],
    x: Float[Array, "n ..."],
    y: Int[Array, " n"],
    epochs: float,
    trainable: Any,
    rate: float,
) -> Any:
    """Networks of a leading axis trained on all images, as far as their masks leave them.

    Args:
        nets: the networks.
        masks: with the same leading axis.
        key: of the order of the images.
        x, y: images and classes.
        epochs: passes over them.
        trainable: as in `masked_descent`, the same for all.
        rate: step size of Adam at the start.
    """
    keys, steps = jax.random.split(key, len(jax.tree.leaves(nets)[0])), steps_of(len(x), epochs)
    return _retrain(nets, masks, keys, x, y, jnp.float32(rate), steps=steps, trainable=trainable)
