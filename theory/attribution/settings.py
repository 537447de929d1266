"""Settings of the attribution system, one name per quantity everywhere."""

from dataclasses import dataclass
from math import inf, sqrt

from theory import theorem


@dataclass(frozen=True)
class Settings(theorem.Settings):
    """Two-layer ReLU networks trained on random labels of texts, embedded and flattened.

    Example:
        >>> settings = Settings(tokens=8, d=8, samples=16)
        >>> settings.dimension, settings.ell
        (64, 48)
    """

    tokens: int = 8
    """words T of every text"""
    d: int = 8
    """dimension of a word's embedding"""
    vocabulary: int = 100
    """words V of the embedding table, which all copies share and none trains"""
    samples: int = 16
    """training texts n"""
    width: int = 50
    """neurons m"""
    scale: float | None = None
    """standard deviation σ of the hidden weights at initialisation; 1/√(T·d) when None"""
    learning_rate: float | None = None
    """step size η; 4/T when None, because a flattened text has norm about √T"""
    steps: int = 1000
    """largest number of training steps"""
    weight_decay: float = 0.0
    """λ of the penalty (λ/2)·Σ‖w_i‖²"""
    margin: float = 1.0
    """stop when every y_j N(x_j) is at least this"""

    def __post_init__(self):
        super().__post_init__()
        if self.ell < 2:
            raise ValueError(
                f"samples is {self.samples} and must be at most tokens * d - 2 = "
                f"{self.dimension - 2}, because a direction needs ell >= 2 dimensions off the span"
            )
        for name in ("sigma", "rate"):
            if not 0 < getattr(self, name) < inf:
                raise ValueError(f"{name} is {getattr(self, name)} and must be positive and finite")
        if not self.margin > 0:
            raise ValueError(f"margin is {self.margin} and must be positive")
        if not 0 <= self.weight_decay < inf:
            raise ValueError(f"weight_decay is {self.weight_decay} and must be finite and >= 0")

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
