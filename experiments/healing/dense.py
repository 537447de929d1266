"""Images, the dense networks to be pruned, and calibration images that none of them has seen."""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

import jax
import numpy as np
from numpy.typing import NDArray

from experiments.data.images import load_images
from experiments.errors import UsageError
from experiments.experiment import Progress
from experiments.suited import filled
from theory import settings as foundation
from theory.healing.members import Calibration, Images, draw, members
from theory.healing.objectives import Member
from theory.healing.training import dense_networks
from theory.networks import MLP, mlp
from theory.settings import Bound, Count, Filled, Positive, Sample


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
        return filled(self, SIZES.get(self.dataset, SIZES["cifar10"]))


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


SMOKE: dict[str, Any] = dict(width=16, depth=2, epochs=3, trials=2, draws=1, steps=4, rates=(1e-2,))
"""Settings of the smallest run of MLPs."""

PAPER: dict[str, Any] = dict(trials=20, steps=1600)
"""Settings of a run as large as a paper's."""


def flattened(images: NDArray) -> NDArray:
    """Images as vectors, for MLPs."""
    return images.reshape(len(images), -1)


def load(settings: ImageSettings, key, form: Callable[[NDArray], Any] = flattened) -> Images:
    """Load a set, and set the images aside that the dense networks do not see.

    Args:
        settings: the name of the set.
        key: of what is set aside.
        form: what the network takes, from images (n, side, side) or (n, side, side, 3).
    """
    images = load_images(settings.dataset)
    order = np.asarray(jax.random.permutation(key, len(images.x_train)))
    pool, train = np.split(order, [int(POOL * len(order))])
    x, x_test = (np.asarray(form(x), np.float32) for x in (images.x_train, images.x_test))
    y, y_test = images.y_train.astype(np.int32), images.y_test.astype(np.int32)
    return Images(x[train], y[train], x[pool], y[pool], x_test, y_test)


def dense_mlps(settings: MLPSettings, images: Images, key) -> MLP:
    """Dense MLPs, see `dense_networks`."""
    sizes = settings.sizes
    widths = (images.x_train.shape[1], *[sizes.width] * settings.depth, images.classes)
    return dense_networks(
        lambda key: mlp(key, widths), key, settings.trials, *images.training, sizes.epochs
    )


def count_of(images: Images, share: float) -> int:
    """How many calibration images a share of the training images is.

    Raises:
        UsageError: less than one.
    """
    total = len(images.x_train) + len(images.x_pool)
    if round(share * total) < 1:
        raise UsageError(
            f"A share of {share} of {total} training images is less than one image: give at "
            f"least {1 / total:.1g}."
        )
    return round(share * total)


def draw_calibration(
    settings: ImageSettings, images: Images, share: float, key, seen: bool = False
) -> Calibration:
    """`draw` of a share of the training images, see `count_of`."""
    count = count_of(images, share)
    return draw(images, key, settings.trials, settings.draws, count, seen)


class Prepared(NamedTuple):
    """Images, dense networks with a leading axis, and images to heal each of them with."""

    images: Images
    dense: Any
    calibration: Calibration

    def pruned(self, masks: Any) -> Member:
        """The networks with these masks and their images, see `members`."""
        return members(self.dense, masks, self.calibration)


def prepare(
    settings: Any,
    keys: Any,
    progress: Progress,
    form: Callable[[NDArray], Any] = flattened,
    train: Callable[[Any, Images, Any], Any] = dense_mlps,
    fewest: int = 1,
) -> Prepared:
    """Load images, draw those to heal with, and train the dense networks.

    Args:
        settings: derived from `ImageSettings`.
        keys: of the images, the dense networks, and the draws.
        progress: told that networks are trained.
        form: as of `load`.
        train: ``train(settings, images, key)``, dense networks with a leading axis.
        fewest: calibration images that there must be.
    """
    key_images, key_dense, key_draws = keys
    images = load(settings, key_images, form)
    calibration = draw_calibration(settings, images, settings.sizes.share, key_draws)
    if calibration.y.shape[-1] < fewest:
        raise UsageError(f"{fewest} calibration images are needed: give a larger --share.")
    progress(0, "training dense networks")
    return Prepared(images, train(settings, images, key_dense), calibration)
