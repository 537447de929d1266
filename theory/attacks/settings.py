"""Settings of the attacks room, one name per quantity everywhere."""

from dataclasses import dataclass
from math import log, sqrt

from theory.settings import Count, Positive, ProperShare, Sample, Settings


@dataclass(frozen=True)
class Linear(Settings):
    """Linear logits z = A x + c with Gaussian A and c, at x uniform in the middle of [0, 1]^d.

    Example:
        >>> Linear(classes=3).d
        12
    """

    d: Count = 12
    """input dimension"""
    classes: Sample = 7
    """classes K"""


@dataclass(frozen=True)
class Smooth(Settings):
    """A two-layer network of a smooth activation, its hidden layer trained on points of P.

    Example:
        >>> settings = Smooth(sharpness=2.0, beta=0.5)
        >>> settings.smoothness, settings.dim
        (0.25, 8)
    """

    d: Count = 64
    """input dimension"""
    ell: Count = 56
    """ℓ = dim P^⊥, the dimensions that the data leaves out"""
    width: Count = 64
    """neurons m"""
    samples: Count = 10
    """training points n"""
    steps: Count = 60
    """training steps, of size 4/d"""
    beta: ProperShare = 0.5
    """β, the least slope of the activation; the largest is 1"""
    sharpness: Positive = 2.0
    """κ: the slope is β + (1 − β)/(1 + e^{−κz})"""
    radius: Positive = 1.0
    """R, the largest norm of a step off P"""
    delta: ProperShare = 0.05
    """δ, the failure probability where a theorem leaves it free"""

    def __post_init__(self):
        super().__post_init__()
        if self.ell >= self.d:
            raise ValueError(f"ell is {self.ell} and must be smaller than d = {self.d}")

    @property
    def dim(self) -> int:
        """dim P = d − ℓ."""
        return self.d - self.ell

    @property
    def smoothness(self) -> float:
        """L, the largest slope of the activation's derivative: (1 − β)κ/4."""
        return (1 - self.beta) * self.sharpness / 4

    @property
    def deviation(self) -> float:
        """t of e^{−t²/2} = δ."""
        return sqrt(2 * log(1 / self.delta))
