"""Images, the dense networks to be pruned, and calibration images that none of them has seen."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Annotated, Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from numpy.typing import NDArray

from experiments.data.images import load_images
from experiments.errors import UsageError
from theory import settings as foundation
from theory.ensemble import ensemble
from theory.healing.descent import masked_descent
from theory.networks import MLP, mlp
from theory.settings import Bound, Count, Filled, Positive, Sample
from theory.training import annealed_adam, cross_entropy, train_classifiers


class Sizes(NamedTuple):
    """What suits a set of images, for the settings of the same names."""

    width: int
    epochs: int
    share: float


SIZES = {
    "digits": Sizes(128, 60, 0.05),
    "mnist": Sizes(256, 6, 0.004),
    "fashion_mnist": Sizes(256, 6, 0.004),
    "cifar10": Sizes(256, 20, 0.05),
}
"""A file of one's own is taken for images as in cifar10."""

POOL = 0.1
"""Share of the training images that no dense network sees, from which calibration draws."""

DrawnShare = Annotated[float, Bound(above=0, at_most=POOL)]
"""Calibration images that can be drawn, as a share of the training images."""


@dataclass(frozen=True)
class ImageSettings(foundation.Settings):
    """Dense networks on images, and how to heal what pruning leaves of them."""

    dataset: str = "digits"
    """digits, mnist, fashion_mnist, cifar10, or an .npz file in Keras's layout"""
    epochs: Count | None = None
    """passes over the training images of a dense network; what suits the set when None"""
    trials: Sample = 6
    """dense networks, each with its own start and order of images"""
    draws: Count = 3
    """draws of calibration images for each dense network"""
    steps: Count = 300
    """steps of every method that trains"""
    batch: Count = 32
    """calibration images of a step"""
    rates: Filled[Positive] = (1e-3, 3e-3, 1e-2, 3e-2, 1e-1)
    """step sizes among which every method chooses by a loss on held-out calibration images"""

    @property
    def sizes(self) -> Sizes:
        """The sizes, with what suits the set where nothing is given.

        Example:
            >>> MLPSettings(width=7).sizes
            Sizes(width=7, epochs=60, share=0.05)
        """
        suited = SIZES.get(self.dataset, SIZES["cifar10"])
        given = {name: getattr(self, name, None) for name in Sizes._fields}
        return suited._replace(**{name: x for name, x in given.items() if x is not None})


@dataclass(frozen=True)
class MLPSettings(ImageSettings):
    """Dense MLPs on images."""

    width: Count | None = None
    """neurons of every hidden layer; what suits the set when None"""
    depth: Count = 3
    """hidden layers"""


@dataclass(frozen=True)
class CalibratedSettings(MLPSettings):
    """Dense MLPs, and one number of images to heal them with."""

    share: DrawnShare | None = None
    """calibration images, as a share of the training images; what suits the set when None"""


class Images(NamedTuple):
    """Images as a network takes them, float32, and classes.

    Attributes:
        x_train, y_train: for the dense networks, (n, …) and (n,).
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
    def classes(self) -> int:
        """Classes that the networks tell apart."""
        return int(max(self.y_train.max(), self.y_test.max())) + 1

    def calibration(self, share: float) -> int:
        """How many calibration images a share of the training images is.

        Raises:
            UsageError: less than one.
        """
        total = len(self.x_train) + len(self.x_pool)
        if round(share * total) < 1:
            raise UsageError(
                f"A share of {share} of {total} training images is less than one image: give at "
                f"least {1 / total:.1g}."
            )
        return round(share * total)


def flattened(images: NDArray) -> NDArray:
    """Images as vectors, for MLPs."""
    return images.reshape(len(images), -1)


def load(settings: ImageSettings, key, form: Callable[[NDArray], Any] = flattened) -> Images:
    """Load a set, and set the images aside that the dense networks do not see.

    Args:
        settings: the name of the set.
        key: of what is set aside.
        form: what the network takes, from images (n, side, side) or (n, side, side, 3).

    Raises:
        UsageError: as of `load_images`.
    """
    images = load_images(settings.dataset)
    order = np.asarray(jax.random.permutation(key, len(images.x_train)))
    pool, train = np.split(order, [int(POOL * len(order))])
    x, x_test = (np.asarray(form(x), np.float32) for x in (images.x_train, images.x_test))
    y, y_test = images.y_train.astype(np.int32), images.y_test.astype(np.int32)
    return Images(x[train], y[train], x[pool], y[pool], x_test, y_test)


TRAIN_BATCH = 128
"""Images of a step on all training images."""


def steps_of(images: Images, epochs: float) -> int:
    """Steps of so many passes over the training images, at least one."""
    return max(1, round(epochs * len(images.x_train) / TRAIN_BATCH))


@partial(jax.jit, static_argnames=("steps", "trainable"))
def _train(nets, masks, keys, x, y, rate, *, steps, trainable):
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
            batch=TRAIN_BATCH,
            trainable=trainable,
        ).params

    return ensemble(member, (nets, masks, keys))


def train(
    nets: Any, masks: Any, keys: Any, images: Images, epochs: float, trainable: Any, rate: float
) -> Any:
    """Train networks of a leading axis on all training images, as far as their masks leave them.

    Args:
        nets: the networks.
        masks: with the same leading axis.
        keys: of the order of the images.
        images: the training images.
        epochs: passes over them.
        trainable: as in `masked_descent`, the same for all.
        rate: step size of Adam at the start.
    """
    steps = steps_of(images, epochs)
    x, y = jnp.asarray(images.x_train), jnp.asarray(images.y_train)
    return _train(nets, masks, keys, x, y, jnp.float32(rate), steps=steps, trainable=trainable)


def dense_networks(
    settings: ImageSettings, images: Images, key, draw: Callable[[Any], Any], rate: float = 1e-3
) -> Any:
    """Dense networks, their arrays float32 with a leading axis of trials.

    Args:
        settings: how many, and passes over the images.
        images: to train on.
        key: of starts and of the order of images.
        draw: ``draw(key)``, an untrained network.
        rate: step size of Adam at the start.
    """
    key_start, key_order = jax.random.split(key)
    starts = jax.jit(jax.vmap(draw))(jax.random.split(key_start, settings.trials))
    starts = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), starts)
    return train_classifiers(
        starts,
        jax.random.split(key_order, settings.trials),
        jnp.asarray(images.x_train),
        jnp.asarray(images.y_train),
        jnp.float32(rate),
        steps=steps_of(images, settings.sizes.epochs),
        batch=TRAIN_BATCH,
    )


def dense_mlps(settings: MLPSettings, images: Images, key) -> MLP:
    """Dense MLPs, see `dense_networks`."""
    widths = (images.x_train.shape[1], *[settings.sizes.width] * settings.depth, images.classes)
    return dense_networks(settings, images, key, lambda key: mlp(key, widths))


class Calibration(NamedTuple):
    """Unlabelled images for every network and draw; labels are for the methods that need them.

    Attributes:
        x: shape (trials, draws, n, …).
        y: shape (trials, draws, n).
    """

    x: Float[Array, "trials draws n ..."]
    y: Int[Array, "trials draws n"]


def draw_calibration(
    settings: ImageSettings, images: Images, share: float, key, seen: bool = False
) -> Calibration:
    """Draw calibration images without replacement, anew for every network and draw.

    Args:
        settings: trials and draws.
        images: where to draw from.
        share: of the training images.
        key: of the draws.
        seen: draw from the images that the dense networks were trained on.

    Raises:
        UsageError: the share is less than one image.
    """
    x, y = (images.x_train, images.y_train) if seen else (images.x_pool, images.y_pool)
    count = images.calibration(share)

    def rows(key):
        return jax.random.permutation(key, len(x))[:count]

    keys = jax.random.split(key, (settings.trials, settings.draws))
    at = np.asarray(jax.vmap(jax.vmap(rows))(keys))
    return Calibration(jnp.asarray(x[at]), jnp.asarray(y[at]))
