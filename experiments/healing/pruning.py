"""Pruning by magnitude, and controls that healing must not survive."""

from enum import IntEnum

import jax
import jax.numpy as jnp

from theory.healing.masks import apply_masks, magnitude, smallest
from theory.healing.objectives import Member
from theory.networks import MLP, mlp


def percent(share: float) -> str:
    """A share in words, with all its digits.

    Example:
        >>> percent(0.9), percent(0.901), percent(0.999999)
        ('90 %', '90.1 %', '99.9999 %')
    """
    return f"{100 * share:.10g} %"


def magnitude_masks(dense: MLP, share: float) -> MLP:
    """Masks of the smallest weights of every hidden layer, for networks of a leading axis."""

    def of(net):
        hidden = smallest(magnitude(net.weights[:-1]), share)
        return MLP((*hidden, None), (None,) * len(net.biases))  # pyright: ignore

    return jax.vmap(of)(dense)


class Control(IntEnum):
    """What must heal less than STARFISH does: each breaks one thing that it relies on."""

    OTHER_IMAGES = 0
    NOISE = 1
    REDRAWN = 2


CONTROLS = {
    Control.OTHER_IMAGES: "targets of other images",
    Control.NOISE: "noise for images",
    Control.REDRAWN: "survivors redrawn",
}


def broken(control: Control, cell: Member, key) -> Member:
    """Members with what STARFISH relies on broken."""
    if control == Control.OTHER_IMAGES:
        return cell._replace(teacher=jnp.roll(cell.x, 1, axis=1))
    if control == Control.NOISE:
        noise = jax.random.normal(key, cell.x.shape, jnp.float32)
        noise = jnp.mean(cell.x) + jnp.std(cell.x) * noise
        return cell._replace(x=noise, teacher=noise)
    widths = (cell.x.shape[-1], *[w.shape[1] for w in cell.dense.weights])
    drawn = jax.vmap(lambda key: mlp(key, widths))(jax.random.split(key, len(cell.x)))
    weights = (*drawn.weights[:-1], cell.dense.weights[-1])
    fresh = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), MLP(weights, cell.dense.biases))
    return cell._replace(start=apply_masks(fresh, cell.masks))
