"""A few images of two classes as a learning problem on their span.

Images are scaled by one common factor to a root mean square norm of √d.
"""

from dataclasses import dataclass
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np

from experiments.data import two_classes
from experiments.errors import UsageError
from theory.geometry import numerical_rank, span
from theory.settings import Count, Margin, Positive, Sample
from theory.subspace.given import Data
from theory.subspace.settings import Settings as Placed


@dataclass(frozen=True)
class Settings(two_classes.Settings):
    """Networks trained to tell a few images of two classes apart."""

    samples: Sample = 16
    """training images n, half of either class; their span is P"""
    scale: Positive | None = None
    """standard deviation σ of the hidden weights at initialisation; 1/√d when None"""
    learning_rate: Positive | None = None
    """step size η; 4/d when None"""
    steps: Count = 5000
    """largest number of training steps"""
    margin: Margin = 1.0
    """stop when every y_j N(x_j) is at least this"""
    full_trials: Count = 8
    """networks trained in full dimension as well, to see that W stays put off P"""
    pictures: Count = 4
    """images drawn with the smallest step found that flips them"""
    trials: int = 264
    """networks trained in the span of the images, for the verdicts on S2 and S3"""


class Problem(NamedTuple):
    """A learning problem with what belongs to it.

    Attributes:
        settings: of the subspace system, with the d and ℓ of the images.
        data: images and labels.
        unit: the scale: x = unit · pixels in [0, 1].
        shape: of one image.
    """

    settings: Placed
    data: Data
    unit: float
    shape: tuple[int, ...]


def load_problem(settings: Settings, key) -> Problem:
    """Draw the images and find their span.

    Raises:
        UsageError: the set lacks a class or images of it, or the images span all of R^d.
    """
    images, drawn = two_classes.draw_classes(settings, key, folds=(0, 1))
    pixels = np.concatenate([of[:half] for of, half in zip(drawn, settings.halves, strict=True)])
    d = pixels[0].size
    unit = d**0.5 / np.sqrt((pixels**2).sum() / len(pixels))
    x = jnp.asarray(unit * pixels.reshape(len(pixels), d), float)
    y = jnp.asarray(np.repeat([-1.0, 1.0], settings.halves), x.dtype)
    rank = numerical_rank(x)
    if rank == d:
        raise UsageError(
            f"The {settings.samples} images of {images.name} span all {d} dimensions, "
            "which leaves no direction off P: lower samples."
        )
    shared = ("width", "samples", "scale", "learning_rate", "steps", "margin", "trials")
    placed = Placed(d=d, ell=d - rank, **{name: getattr(settings, name) for name in shared})
    return Problem(placed, Data(span(x, rank), x, y), float(unit), pixels.shape[1:])
