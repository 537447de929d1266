"""Settings of the energy room, one name per quantity everywhere."""

from dataclasses import dataclass
from typing import Annotated

from theory.settings import Bound, Count, Positive, Settings


@dataclass(frozen=True)
class Local(Settings):
    """Linear logits about a point, drawn by their gradients.

    Example:
        >>> Local(d=3).d
        3
    """

    d: Count = 6
    """input dimension"""


@dataclass(frozen=True)
class Budgeted(Local):
    """Two classes, the true one behind by |r|, exponentially distributed.

    Example:
        >>> Budgeted().spread
        1.0
    """

    spread: Positive = 1.0
    """mean of |r|, the margin"""


@dataclass(frozen=True)
class Many(Local):
    """Several classes, the true one anywhere among them.

    Example:
        >>> Many(classes=3).classes
        3
    """

    classes: Annotated[int, Bound(at_least=3)] = 10
    """classes K"""
