"""Pruned networks with the images to heal them, and controls that healing must not survive."""

from enum import IntEnum
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int, Key
from numpy.typing import NDArray

from theory.healing.masks import apply_masks
from theory.healing.objectives import Member
from theory.networks import MLP, mlp


class Images(NamedTuple):
    """Images as a network takes them, float32 (n, …), and classes (n,).

    Attributes:
        x_train, y_train: for the dense networks.
        x_pool, y_pool: for calibration.
        x_test, y_test: for testing.
    """

    x_train: NDArray[np.float32]
    y_train: NDArray[np.int32]
    x_pool: NDArray[np.float32]
    y_pool: NDArray[np.int32]
    x_test: NDArray[np.float32]
    y_test: NDArray[np.int32]

    @property
    def training(self) -> tuple[Array, Array]:
        """The training images and their classes, for a program."""
        return jnp.asarray(self.x_train), jnp.asarray(self.y_train)

    @property
    def classes(self) -> int:
        """Classes that the networks tell apart."""
        return int(max(self.y_train.max(), self.y_test.max())) + 1


class Calibration(NamedTuple):
    """Unlabelled images for every network and draw; labels are for the methods that need them.

    Attributes:
        x: shape (trials, draws, n, …).
        y: shape (trials, draws, n).
    """

    x: Float[Array, "trials draws n ..."]
    y: Int[Array, "trials draws n"]


def draw(
    images: Images, key: Key[Array, ""], trials: int, draws: int, count: int, seen: bool = False
) -> Calibration:
    """Draw calibration images without replacement, anew for every network and draw.

    Args:
        images: where to draw from.
        key: of the draws.
        trials: networks.
        draws: for each of them.
        count: images of a draw.
        seen: draw from the images that the dense networks were trained on.
    """
    x, y = (images.x_train, images.y_train) if seen else (images.x_pool, images.y_pool)
    rows = jax.vmap(jax.vmap(lambda key: jax.random.permutation(key, len(x))[:count]))
    at = np.asarray(rows(jax.random.split(key, (trials, draws))))
    return Calibration(jnp.asarray(x[at]), jnp.asarray(y[at]))


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
