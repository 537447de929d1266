"""Images of two classes as a task: what names them, and the draw of either class."""

from collections.abc import Sequence
from dataclasses import dataclass

import jax
import numpy as np

from experiments.data.images import Images, load_images
from experiments.errors import UsageError
from theory import settings as foundation
from theory.settings import Count, Label


@dataclass(frozen=True)
class Settings(foundation.Settings):
    """Networks trained to tell a few images of two classes apart."""

    dataset: str = "digits"
    """digits, mnist, fashion_mnist, cifar10, or the path of an .npz file in Keras's layout"""
    classes: tuple[Label, Label] = (3, 8)
    """the two classes, labelled −1 and +1"""
    samples: Count = 16
    """training images, half of either class"""
    width: Count = 50
    """neurons"""

    def __post_init__(self):
        super().__post_init__()
        if len(set(self.classes)) != 2:
            raise ValueError(f"classes are {self.classes} and must be two different ones")

    @property
    def halves(self) -> tuple[int, int]:
        """Training images of either class."""
        return (self.samples + 1) // 2, self.samples // 2


def draw_classes(
    settings: Settings, key, folds: Sequence[int]
) -> tuple[Images, tuple[np.ndarray, ...]]:
    """The set, and all training images of either class in random order, enough for its half.

    Args:
        settings: say which.
        key, folds: of either class's order, by the number that is folded into the key.

    Raises:
        UsageError: there is no such set, or it lacks a class or images of it.
    """
    images, found = load_images(settings.dataset), []
    for label, half, fold in zip(settings.classes, settings.halves, folds, strict=True):
        of_class = np.flatnonzero(images.y_train == label)
        if not of_class.size:
            known = np.unique(images.y_train).tolist()
            raise UsageError(f"{images.name} has no class {label}: choose from {known}.")
        if half > of_class.size:
            raise UsageError(
                f"{images.name} has {of_class.size} training images of class {label}, fewer than "
                f"the {half} that samples asks for: lower samples."
            )
        order = np.asarray(jax.random.permutation(jax.random.fold_in(key, fold), of_class.size))
        found.append(images.x_train[of_class[order]])
    return images, tuple(found)
