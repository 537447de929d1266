"""Settings of the unlearning system, one name per quantity everywhere."""

from dataclasses import dataclass
from math import sqrt

from theory import settings as foundation
from theory.settings import Count, Positive, Sample


def check_some_kept(forgotten: int, samples: int) -> None:
    """Refuse to forget all points of as many.

    Example:
        >>> check_some_kept(3, 3)
        Traceback (most recent call last):
        ValueError: forgotten is 3 and must be less than samples = 3: one point at least is kept
    """
    if forgotten >= samples:
        raise ValueError(
            f"forgotten is {forgotten} and must be less than samples = {samples}: one point at "
            "least is kept"
        )


@dataclass(frozen=True)
class Settings(foundation.Settings):
    """A network trained to a large margin on few points, one of which is to be forgotten.

    Example:
        >>> round(Settings(d=100).sigma, 6)
        0.0001
    """

    d: Count = 300
    """input dimension"""
    width: Count = 50
    """neurons n"""
    samples: Sample = 10
    """training points m, of which one is forgotten and one at least is kept"""
    scale: Positive | None = None
    """standard deviation of the hidden weights at initialisation; 1e-3/√d when None"""
    margin: Positive = 1000.0
    """train until every y_i N(x_i) is at least this"""
    steps: Count = 1_000_000
    """largest number of training steps"""

    @property
    def sigma(self) -> float:
        """The standard deviation at initialisation, with its default filled in."""
        return 1e-3 / sqrt(self.d) if self.scale is None else self.scale
