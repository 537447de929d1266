"""Whether training ended where it should: no KKT conditions hold of a network that does not fit."""

import numpy as np
from numpy.typing import ArrayLike

from experiments.errors import UsageError


def require_margin(reached: ArrayLike, margin: ArrayLike) -> None:
    """Refuse networks that ran out of steps.

    Args:
        reached: smallest margin of every network.
        margin: what it should be at least, of a shape that broadcasts.

    Raises:
        UsageError: if any network has less.

    Example:
        >>> require_margin([100.0, 101.0], 100.0)
    """
    fit = np.asarray(reached) >= np.asarray(margin) * (1 - 1e-9)  # up to the rounding of a sum
    if not fit.all():
        raise UsageError(
            f"{(~fit).sum()} of {fit.size} networks did not reach the margin asked for, because "
            "they cannot fit their points or ran out of steps: raise d, width or steps, or lower "
            "samples or margin."
        )
