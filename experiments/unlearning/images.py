"""Images of two classes as a problem of unlearning.

Images are centred by the mean training image of the two classes and scaled by one common factor,
so that those trained on have a root mean square norm of one. Without the centring all images lie
in one narrow cone, and training to a large margin takes twenty times as long.
"""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from experiments.datasets import Images, load_images
from experiments.errors import UsageError
from theory import theorem


@dataclass(frozen=True)
class Settings(theorem.Settings):
    """Networks trained to tell a few images of two classes apart, which forget some of them.

    Images and those to forget are the same for all networks: only the initialisation is random.
    """

    dataset: str = "digits"
    """digits, mnist, fashion_mnist, cifar10, or the path of an .npz file in Keras's layout"""
    classes: tuple[int, int] = (3, 8)
    """the two classes, labelled −1 and +1"""
    samples: int = 20
    """training images m, of the two classes in turn"""
    forget: int = 2
    """images to forget, the first ones, so of the two classes in turn"""
    test: int = 500
    """test images, where there are so many"""
    width: int = 200
    """neurons n"""
    scale: float = 0.1
    """standard deviation of the hidden weights at initialisation, in units of 1/√d"""
    margin: float = 100.0
    """train until every y_i N(x_i) is at least this"""
    steps: int = 1_000_000
    """largest number of training steps"""
    trials: int = 64
    """networks"""

    def __post_init__(self):
        # In place of the base class's check, which knows no class 0.
        for name in ("samples", "forget", "test", "width", "steps"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)} and must be at least 1")
        if self.trials < 2:
            raise ValueError(f"trials is {self.trials} and an interval needs at least 2")
        if len(set(self.classes)) != 2:
            raise ValueError(f"classes are {self.classes} and must be two different ones")
        if self.forget > self.samples - 2:
            raise ValueError(
                f"forget is {self.forget} of {self.samples} images, and must leave at least two"
            )
        for name in ("scale", "margin"):
            if not 0 < getattr(self, name) < np.inf:
                raise ValueError(f"{name} is {getattr(self, name)} and must be positive and finite")


class Problem(NamedTuple):
    """Training and test images, centred and scaled.

    Attributes:
        x: training images, those to forget first.
        y: labels ±1, in turn.
        x_test: test images.
        y_test: their labels ±1.
    """

    x: Float[Array, "samples d"]
    y: Float[Array, " samples"]
    x_test: Float[Array, "test d"]
    y_test: Float[Array, " test"]


def load_problem(settings: Settings, key) -> Problem:
    """Draw the images.

    Raises:
        UsageError: the set lacks a class or images of it.
    """
    images = load_images(settings.dataset)
    drawn = [
        _draw(images, settings, label, jax.random.fold_in(key, label)) for label in settings.classes
    ]
    order = np.array([drawn[i % 2][i // 2] for i in range(settings.samples)])
    test = np.flatnonzero(np.isin(images.y_test, settings.classes))
    test = test[np.asarray(jax.random.permutation(key, test.size))[: settings.test]]
    if not test.size:
        raise UsageError(f"{images.name} has no test images of the classes {settings.classes}.")

    def signs(labels):
        return jnp.asarray(np.where(labels == settings.classes[1], 1.0, -1.0))

    centre = images.x_train[np.isin(images.y_train, settings.classes)].mean(axis=0)
    x, x_test = (
        (part - centre).reshape(len(part), -1)
        for part in (images.x_train[order], images.x_test[test])
    )
    unit = np.sqrt((x**2).sum() / len(x))
    if unit == 0:
        raise UsageError(f"The images drawn from {images.name} are all the same.")
    return Problem(
        jnp.asarray(x / unit, float),
        signs(images.y_train[order]),
        jnp.asarray(x_test / unit, float),
        signs(images.y_test[test]),
    )


def _draw(images: Images, settings: Settings, label: int, key) -> np.ndarray:
    """Indices of training images of one class: half of ``samples``, rounded down for the second."""
    of_class = np.flatnonzero(images.y_train == label)
    wanted = (settings.samples + (label == settings.classes[0])) // 2
    if not of_class.size:
        raise UsageError(
            f"{images.name} has no class {label}: choose from {np.unique(images.y_train).tolist()}."
        )
    if wanted > of_class.size:
        raise UsageError(
            f"{images.name} has {of_class.size} training images of class {label}, fewer than the "
            f"{wanted} that samples = {settings.samples} asks for: lower samples."
        )
    return of_class[np.asarray(jax.random.permutation(key, of_class.size))[:wanted]]
