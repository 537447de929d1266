"""Settings of the attribution system, one name per quantity everywhere."""

from dataclasses import dataclass
from math import sqrt

from theory.settings import Count, Positive, TrainedSettings


@dataclass(frozen=True)
class Settings(TrainedSettings):
    """Two-layer ReLU networks trained on random labels of texts, embedded and flattened.

    Example:
        >>> settings = Settings(tokens=8, d=8, samples=16)
        >>> settings.dimension, settings.ell
        (64, 48)
    """

    tokens: Count = 8
    """words T of every text"""
    d: Count = 8
    """dimension of a word's embedding"""
    vocabulary: Count = 100
    """words V of the embedding table, which all copies share and none trains"""
    samples: Count = 16
    """training texts n"""
    scale: Positive | None = None
    """standard deviation σ of the hidden weights at initialisation; 1/√(T·d) when None"""
    learning_rate: Positive | None = None
    """step size η; 4/T when None, because a flattened text has norm about √T"""

    def __post_init__(self):
        super().__post_init__()
        if self.ell < 2:
            raise ValueError(
                f"samples is {self.samples} and must be at most tokens * d - 2 = "
                f"{self.dimension - 2}, because a direction needs ell >= 2 dimensions off the span"
            )

    @property
    def dimension(self) -> int:
        """D = T·d, the dimension of a flattened text."""
        return self.tokens * self.d

    @property
    def ell(self) -> int:
        """ℓ = D − n, the dimensions that n linearly independent texts leave out."""
        return self.dimension - self.samples

    @property
    def sigma(self) -> float:
        """σ, with its default filled in."""
        return 1 / sqrt(self.dimension) if self.scale is None else self.scale

    @property
    def rate(self) -> float:
        """η, with its default filled in."""
        return 4 / self.tokens if self.learning_rate is None else self.learning_rate
