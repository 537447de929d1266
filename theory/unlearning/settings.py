"""Settings of the unlearning system, one name per quantity everywhere."""

from dataclasses import dataclass
from math import inf, sqrt

from theory import theorem


@dataclass(frozen=True)
class Settings(theorem.Settings):
    """A network trained to a large margin on few points, one of which is to be forgotten.

    Example:
        >>> round(Settings(d=100).sigma, 6)
        0.0001
    """

    d: int = 300
    """input dimension"""
    width: int = 50
    """neurons n"""
    samples: int = 10
    """training points m"""
    scale: float | None = None
    """standard deviation of the hidden weights at initialisation; 1e-3/√d when None"""
    margin: float = 1000.0
    """train until every y_i N(x_i) is at least this"""
    steps: int = 1_000_000
    """largest number of training steps"""

    def __post_init__(self):
        super().__post_init__()
        if self.samples < 2:
            raise ValueError("samples is 1 and must be at least 2: one is forgotten, one is kept")
        if not 0 < self.margin < inf:
            raise ValueError(f"margin is {self.margin} and must be positive and finite")
        if not 0 < self.sigma < inf:
            raise ValueError(f"scale is {self.scale} and must be positive and finite")

    @property
    def sigma(self) -> float:
        """The standard deviation at initialisation, with its default filled in."""
        return 1e-3 / sqrt(self.d) if self.scale is None else self.scale
