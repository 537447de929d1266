"""Settings of the dimples room, one name per quantity everywhere."""

from dataclasses import dataclass

from theory.settings import Count, Settings


@dataclass(frozen=True)
class Subspace(Settings):
    """A model of two classes in R^d, and a random subspace of dimension k.

    Example:
        >>> Subspace(d=10, k=3).k
        3
    """

    d: Count = 400
    """input dimension"""
    k: Count = 16
    """dimension of the subspace"""

    def __post_init__(self):
        super().__post_init__()
        if self.k >= self.d:
            raise ValueError(f"k is {self.k} and must be smaller than d = {self.d}")
