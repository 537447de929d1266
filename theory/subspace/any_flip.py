"""How far any function must be followed off the subspace before it changes its sign.

Of two layers `theory.subspace.flip` finds the flip exactly; of any other function a search does.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from theory.bisection import bisect
from theory.geometry import as_matrix
from theory.subspace.gradient import off_subspace_gradient

FIRST = 16
"""The first step tried is this part of |f|/‖Π_{P^⊥}∇f‖, which would flip a linear function."""

BISECTIONS = 60
"""An interval [t, 2t] is halved as often: below rounding in float64."""


def flips_by_search(
    function: Callable[[Any], Any], x: Any, basis: Any, limit: float = 1e3
) -> Float[Array, " n"]:
    """The smallest step along −sign(f)·Π_{P^⊥}∇f(x), normalised, that flips the sign of f.

    Steps are doubled, from a sixteenth of that which would flip a linear function, until the sign
    has changed, and the last doubling is bisected. A function that changes its sign and changes it
    back within one doubling is not seen to do so: the flip found is one, and may not be the first.

    Args:
        function: (n, d) -> (n,), one that JAX can differentiate.
        x: points (n, d).
        basis: orthonormal columns spanning P, (d, dim), or a `Subspace`.
        limit: no step is longer.

    Returns:
        The distance of each point's flip; infinity where there is none up to the limit, or no
        direction to follow: where f(x) or the gradient off P is 0 or not a number.

    Raises:
        ValueError: the function gives several numbers for a point, x is no matrix, the basis is
            none, or the limit not above 0.

    References:
        Melamed, Yehudai, Vardi, NeurIPS 2023 (arXiv 2303.00783): the direction that is followed.

    Example:
        >>> axis = jnp.array([[1.0], [0.0]])
        >>> x = jnp.array([[2.0, 0.0], [0.0, -3.0]])
        >>> flips = flips_by_search(lambda x: x[:, 0] + x[:, 1] ** 3 + 6, x, axis)
        >>> [f"{t:g}" for t in flips.tolist()]  # off the axis the first has no gradient
        ['inf', '1.18288']
    """
    if not limit > 0:
        raise ValueError(f"limit is {limit:g} and must be above 0.")
    x = as_matrix(x)
    gradient = off_subspace_gradient(function, x, basis)

    def values(x):
        found = function(x)
        if found.size != len(x):
            raise ValueError(f"The function gives shape {found.shape} for {len(x)} points.")
        return found.reshape(len(x)).astype(x.dtype)

    value, largest = values(x), jnp.max(jnp.abs(gradient), axis=-1)
    there = (largest > 0) & (jnp.abs(value) > 0)  # NaN compares false
    largest, sign = jnp.where(there, largest, 1), jnp.sign(value)
    gradient = gradient / largest[:, None]  # or its squares might overflow, or vanish
    norm = jnp.where(there, jnp.linalg.norm(gradient, axis=-1), 1)
    direction = -sign[:, None] * gradient / norm[:, None]

    def flipped(t):
        return values(x + t[:, None] * direction) * sign <= 0

    def search(state):
        return jnp.any(~state[2] & (state[1] < limit))

    def double(state):
        low, high, found = state
        low = jnp.where(found, low, high)
        high = jnp.where(found, high, jnp.minimum(2 * high, limit))
        return low, high, found | flipped(high)

    linear = jnp.abs(value) / largest / norm
    # Twice 0 is 0: the first step is above it, whatever was rounded.
    first = jnp.where(there, jnp.clip(linear / FIRST, jnp.finfo(x.dtype).tiny, limit), limit)
    start = jnp.zeros_like(first), first, flipped(first) | ~there
    low, high, found = jax.lax.while_loop(search, double, start)
    _, distance = bisect(flipped, low, high, BISECTIONS)
    return jnp.where(there & found, distance, jnp.inf)
