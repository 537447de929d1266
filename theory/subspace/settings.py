"""Settings of the subspace system, one name per quantity everywhere."""

from dataclasses import dataclass
from math import sqrt

from theory.settings import Count, Positive, TrainedSettings


@dataclass(frozen=True)
class Settings(TrainedSettings):
    """A two-layer ReLU network trained on random labels of points of a random subspace P.

    Example:
        >>> Settings(d=58, ell=48).dim
        10
    """

    d: Count = 58
    """input dimension"""
    ell: Count = 48
    """ℓ = dim P^⊥, the dimensions that the data leaves out"""
    samples: Count = 10
    """training points n"""
    scale: Positive | None = None
    """standard deviation σ of the hidden weights at initialisation; 1/√d when None"""
    learning_rate: Positive | None = None
    """step size η; 4/d when None"""

    def __post_init__(self):
        super().__post_init__()
        if self.ell >= self.d:
            raise ValueError(
                f"ell is {self.ell} and must be smaller than d = {self.d}, "
                "because the data needs a subspace of dimension d - ell >= 1"
            )

    @property
    def dim(self) -> int:
        """dim P = d − ℓ."""
        return self.d - self.ell

    @property
    def sigma(self) -> float:
        """σ, with its default filled in."""
        return 1 / sqrt(self.d) if self.scale is None else self.scale

    @property
    def rate(self) -> float:
        """η, with its default filled in."""
        return 4 / self.d if self.learning_rate is None else self.learning_rate

    @property
    def decay_factor(self) -> float:
        """1 − ηλ: what one step of weight decay leaves of the weights off the subspace."""
        return 1 - self.rate * self.weight_decay
