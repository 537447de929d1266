"""Where something begins to hold along a line, for many lines at once."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

Ends = tuple[Float[Array, " n"], Float[Array, " n"]]


def bisect(
    past: Callable[[Float[Array, " n"]], Bool[Array, " n"]],
    low: Float[Array, " n"],
    high: Float[Array, " n"],
    halvings: int,
) -> Ends:
    """Intervals halved so often that ``past`` is false at their lower and true at their upper end.

    Args:
        past: of a point of each interval, false at ``low`` and true at ``high``.
        low, high: the intervals.
        halvings: evaluations of ``past``; each halves all intervals.

    Example:
        >>> low, high = bisect(lambda t: t**2 > 2, jnp.zeros(1), 2 * jnp.ones(1), 20)
        >>> round(float(low[0]), 4), round(float(high[0]), 4)
        (1.4142, 1.4142)
    """

    def halve(_, ends: Ends) -> Ends:
        low, high = ends
        middle = (low + high) / 2
        beyond = past(middle)
        return jnp.where(beyond, low, middle), jnp.where(beyond, middle, high)

    return jax.lax.fori_loop(0, halvings, halve, (low, high))
