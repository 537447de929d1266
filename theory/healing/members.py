"""Pruned networks with their calibration images, and controls that healing must not survive."""

from enum import IntEnum
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Int, Key

from theory.healing.masks import apply_masks
from theory.healing.objectives import Member
from theory.networks import MLP, mlp


class Calibration(NamedTuple):
    """Unlabelled images for every network and draw; labels are for the methods that need them.

    Attributes:
        x: shape (trials, draws, n, …).
        y: shape (trials, draws, n).
    """

    x: Float[Array, "trials draws n ..."]
    y: Int[Array, "trials draws n"]


def repeated(tree: Any, draws: int) -> Any:
    """Arrays of a leading axis of networks, each once for every draw: (trials · draws, …).

    Example:
        >>> repeated(jnp.array([1, 2]), 2).tolist()
        [1, 1, 2, 2]
    """
    return jax.tree.map(lambda leaf: jnp.repeat(leaf, draws, axis=0), tree)


def members(dense: Any, masks: Any, calibration: Calibration) -> Member:
    """All networks with all draws, in one leading axis of trials · draws.

    Args:
        dense: of a leading axis of trials.
        masks: of a leading axis of trials, or already of trials · draws.
        calibration: draws for every network.
    """
    trials, draws = calibration.y.shape[:2]
    nets = repeated(dense, draws)
    if len(jax.tree.leaves(masks)[0]) == trials:
        masks = repeated(masks, draws)
    x, y = (leaf.reshape(-1, *leaf.shape[2:]) for leaf in calibration)
    return Member(nets, apply_masks(nets, masks), masks, x, y, x)


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


def broken(control: Control, cell: Member, key: Key[Array, ""]) -> Member:
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
