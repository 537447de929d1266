"""A few images of two classes as a learning problem on their span.

Images are scaled by one common factor to a root mean square norm of √d.
"""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from experiments.data.images import draw_class, load_images
from experiments.errors import UsageError
from theory import settings as foundation
from theory.geometry import Subspace, numerical_rank, span
from theory.settings import Label
from theory.subspace import settings as subspace


@dataclass(frozen=True)
class Settings(foundation.Settings):
    """Networks trained to tell a few images of two classes apart."""

    dataset: str = "digits"
    """digits, mnist, fashion_mnist, cifar10, or the path of an .npz file in Keras's layout"""
    classes: tuple[Label, Label] = (3, 8)
    """the two classes, labelled −1 and +1"""
    samples: int = 16
    """training images n, half of either class; their span is P"""
    width: int = 50
    """neurons m"""
    scale: float | None = None
    """standard deviation σ of the hidden weights at initialisation; 1/√d when None"""
    learning_rate: float | None = None
    """step size η; 4/d when None"""
    steps: int = 5000
    """largest number of training steps"""
    margin: float = 1.0
    """stop when every y_j N(x_j) is at least this"""
    full_trials: int = 8
    """networks trained in full dimension as well, to see that W stays put off P"""
    pictures: int = 4
    """images drawn with the smallest step found that flips them"""
    trials: int = 264
    """networks trained in the span of the images, for the verdicts on S2 and S3"""

    def __post_init__(self):
        super().__post_init__()
        if len(set(self.classes)) != 2:
            raise ValueError(f"classes are {self.classes} and must be two different ones")
        if self.samples < 2:
            raise ValueError(f"samples is {self.samples}; two classes need two images")


class Data(NamedTuple):
    """The images as a learning problem.

    Attributes:
        subspace: P, the span of the images.
        x: images as rows, scaled to a root mean square norm of √d.
        y: labels ±1.
    """

    subspace: Subspace
    x: Float[Array, "samples d"]
    y: Float[Array, " samples"]


class Problem(NamedTuple):
    """A learning problem with what belongs to it.

    Attributes:
        settings: of the subspace system, with the d and ℓ of the images.
        data: images and labels.
        unit: the scale: x = unit · pixels in [0, 1].
        shape: of one image.
    """

    settings: subspace.Settings
    data: Data
    unit: float
    shape: tuple[int, ...]


def load_problem(settings: Settings, key) -> Problem:
    """Draw the images and find their span.

    Raises:
        UsageError: the set lacks a class or images of it, or the images span all of R^d.
    """
    images = load_images(settings.dataset)
    # Half of either class, rounded up for the first.
    halves = (settings.samples + 1) // 2, settings.samples // 2
    chosen = [
        draw_class(images, label, half, jax.random.fold_in(key, i))[:half]
        for i, (label, half) in enumerate(zip(settings.classes, halves, strict=True))
    ]
    pixels = np.concatenate([images.x_train[indices] for indices in chosen])
    d = pixels[0].size
    unit = d**0.5 / np.sqrt((pixels**2).sum() / len(pixels))
    x = jnp.asarray(unit * pixels.reshape(len(pixels), d), float)
    y = jnp.concatenate(
        [
            jnp.full(len(indices), sign, x.dtype)
            for indices, sign in zip(chosen, (-1, 1), strict=True)
        ]
    )
    rank = numerical_rank(x)
    if rank == d:
        raise UsageError(
            f"The {settings.samples} images of {images.name} span all {d} dimensions, "
            "which leaves no direction off P: lower samples."
        )
    placed = subspace.Settings(
        d=d,
        ell=d - rank,
        width=settings.width,
        samples=settings.samples,
        scale=settings.scale,
        learning_rate=settings.learning_rate,
        steps=settings.steps,
        margin=settings.margin,
        trials=settings.trials,
    )
    return Problem(placed, Data(span(x, rank), x, y), float(unit), pixels.shape[1:])
