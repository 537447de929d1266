"""Settings of the subspace system, one name per quantity everywhere."""

from dataclasses import dataclass
from math import inf, sqrt

from theory import theorem


@dataclass(frozen=True)
class Settings(theorem.Settings):
    """A two-layer ReLU network trained on random labels of points of a random subspace P.

    Example:
        >>> Settings(d=58, ell=48).dim
        10
    """

    d: int = 58
    """input dimension"""
    ell: int = 48
    """ℓ = dim P^⊥, the dimensions that the data leaves out"""
    width: int = 50
    """neurons m"""
    samples: int = 10
    """training points n"""
    scale: float | None = None
    """standard deviation σ of the hidden weights at initialisation; 1/√d when None"""
    learning_rate: float | None = None
    """step size η; 4/d when None"""
    steps: int = 1000
    """largest number of training steps"""
    weight_decay: float = 0.0
    """λ of the penalty (λ/2)·Σ‖w_i‖²"""
    margin: float = 1.0
    """stop when every y_j N(x_j) is at least this"""

    def __post_init__(self):
        super().__post_init__()
        if self.ell >= self.d:
            raise ValueError(
                f"ell is {self.ell} and must be smaller than d = {self.d}, "
                "because the data needs a subspace of dimension d - ell >= 1"
            )
        for name in ("sigma", "rate", "margin"):
            if not getattr(self, name) > 0:
                raise ValueError(f"{name} is {getattr(self, name)} and must be positive")
        if self.sigma == inf or self.rate == inf or not 0 <= self.weight_decay < inf:
            raise ValueError("scale, learning_rate and weight_decay must be finite, decay >= 0")

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
