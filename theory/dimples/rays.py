"""Where a decision boundary crosses lines: found on a grid, exact to rounding by bisection.

A pair of crossings within one cell of the grid is not seen.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from theory.attacks.balls import Rows
from theory.bisection import bisect

HALVINGS = 60

FANS, FAN = 8, 17
"""Directions about which nearer crossings are looked for, and rays about each at a time."""


def nearest_crossing(
    f: Callable[[Rows], Float[Array, " n"]],
    x: Rows,
    direction: Rows,
    low: float | Float[Array, " n"],
    high: float | Float[Array, " n"],
    cells: int,
) -> Float[Array, " n"]:
    """The t of least |t| in [low, high] where f(x + t·direction) changes its sign.

    Args:
        f: of rows; its sign is the class.
        x: points.
        direction: of each.
        low, high: ends of t, for all points or for each its own.
        cells: of the grid.

    Returns:
        t by point, NaN where there is no change of sign between neighbours on the grid.

    Example:
        >>> circle = lambda x: jnp.sum(x**2, axis=1) - 1
        >>> x, up = jnp.array([[0.6, 0.5], [3.0, 0.0]]), jnp.array([[0.0, 1.0], [0.0, 1.0]])
        >>> found = nearest_crossing(circle, x, up, -3.0, 3.0, 100)
        >>> bool(jnp.abs(found[0] - 0.3) < 1e-6), bool(jnp.isnan(found[1]))
        (True, True)
    """
    share = jnp.linspace(0, 1, cells + 1, dtype=x.dtype)[:, None]
    low, high = (jnp.broadcast_to(jnp.asarray(end, x.dtype), (1, len(x))) for end in (low, high))
    t = low + share * (high - low)

    def at(t):
        return f(x + t[:, None] * direction) > 0

    above = jax.lax.map(at, t)
    changes = above[1:] != above[:-1]
    nearer = jnp.minimum(jnp.abs(t[1:]), jnp.abs(t[:-1]))
    first = jnp.argmin(jnp.where(changes, nearer, jnp.inf), axis=0)[None]
    start, left, right = (
        jnp.take_along_axis(values, first + after, axis=0)[0]
        for values, after in ((above, 0), (t, 0), (t, 1))
    )

    left, right = bisect(lambda t: at(t) != start, left, right, HALVINGS)
    return jnp.where(jnp.any(changes, axis=0), (left + right) / 2, jnp.nan)


def around(
    f: Callable[[Rows], Float[Array, " n"]], x: Rows, reach: float, cells: int, rays: int
) -> Float[Array, " n"]:
    """The distance of points of the plane to the boundary, positive where f > 0.

    The nearest crossings on rays in all directions, then on finer and finer fans of rays about
    those that are nearer than their neighbours, `FANS` at most, until angles are known to 1e-9:
    where the boundary is straight, the distance is then off by 1e-18 of itself.

    Args:
        f: of rows; its sign is the class.
        x: points (n, 2).
        reach: how far to look.
        cells: of the grid on a ray.
        rays: in all directions, at first.

    Returns:
        Signed distances, ±∞ where there is no boundary in reach.

    Example:
        >>> line = lambda x: x @ jnp.array([0.6, 0.8]) - 1
        >>> found = around(line, jnp.array([[0.0, 0.0], [3.0, 1.0]]), 2.0, 50, 64)
        >>> bool(jnp.allclose(found, jnp.array([-1.0, 1.6]), atol=1e-6))
        True
    """

    def lengths(angles, low, high):
        along = jnp.stack([jnp.cos(angles), jnp.sin(angles)], axis=-1)
        each = angles.size // len(x)
        starts, low, high = (jnp.repeat(part, each, axis=0) for part in (x, low, high))
        found = nearest_crossing(f, starts, along.reshape(-1, 2), low, high, cells)
        return jnp.where(jnp.isnan(found), jnp.inf, found).reshape(angles.shape)

    circle = jnp.linspace(0, 2 * jnp.pi, rays, endpoint=False, dtype=x.dtype)
    far = jnp.full(len(x), reach, x.dtype)
    first = lengths(jnp.broadcast_to(circle, (len(x), rays)), 0 * far, far)
    lowest = (first <= jnp.roll(first, 1, axis=1)) & (first <= jnp.roll(first, -1, axis=1))
    chosen = jax.lax.top_k(-jnp.where(lowest, first, jnp.inf), min(FANS, rays))[1]
    centre, width, best = circle[chosen], 2 * jnp.pi / rays, jnp.min(first, axis=1)
    spread = jnp.linspace(-1, 1, FAN, dtype=x.dtype)
    while width > 1e-9:
        angles = centre[:, :, None] + width * jnp.broadcast_to(spread, (*centre.shape, FAN))
        # A tip of the boundary may be thinner than a cell was: look just before what is known.
        high = jnp.where(jnp.isfinite(best), best, far)
        found = lengths(angles, jnp.maximum(high - 4 * reach / cells, 0), high)
        best = jnp.minimum(best, jnp.min(found, axis=(1, 2)))
        at = jnp.argmin(found, axis=2)[:, :, None]
        centre = jnp.take_along_axis(angles, at, axis=2)[:, :, 0]
        width *= 2 / (FAN - 1)
    return jnp.where(f(x) > 0, best, -best)
