"""Where a decision boundary crosses lines: found on a grid, exact to rounding by bisection.

A pair of crossings within one cell of the grid is not seen.
"""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from theory.attacks.balls import Rows

HALVINGS = 60


def nearest_crossing(
    f: Callable[[Rows], Float[Array, " n"]],
    x: Rows,
    direction: Rows,
    low: float,
    high: float,
    cells: int,
) -> Float[Array, " n"]:
    """The t of least |t| in [low, high] where f(x + t·direction) changes its sign.

    Args:
        f: of rows; its sign is the class.
        x: points.
        direction: of each.
        low, high: ends of t.
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
    t = jnp.linspace(low, high, cells + 1, dtype=x.dtype)

    def at(t):
        return f(x + t[:, None] * direction) > 0

    above = jax.lax.map(lambda one: at(jnp.full(len(x), one)), t)
    changes = above[1:] != above[:-1]
    nearer = jnp.minimum(jnp.abs(t[1:]), jnp.abs(t[:-1]))[:, None]
    first = jnp.argmin(jnp.where(changes, nearer, jnp.inf), axis=0)
    start = jnp.take_along_axis(above, first[None], axis=0)[0]

    def halve(_, ends):
        left, right = ends
        middle = (left + right) / 2
        same = at(middle) == start
        return jnp.where(same, middle, left), jnp.where(same, right, middle)

    left, right = jax.lax.fori_loop(0, HALVINGS, halve, (t[first], t[first + 1]))
    return jnp.where(jnp.any(changes, axis=0), (left + right) / 2, jnp.nan)


def around(
    f: Callable[[Rows], Float[Array, " n"]], x: Rows, reach: float, cells: int, rays: int
) -> Float[Array, " n"]:
    """The distance of points of the plane to the boundary, positive where f > 0.

    The nearest crossing on rays in all directions, then on finer and finer fans of rays about the
    nearest one, until its angle is known to 1e-9: where the boundary is straight, the distance is
    then off by 1e-18 of itself.

    Args:
        f: of rows; its sign is the class.
        x: points (n, 2).
        reach: how far to look.
        cells: of the grid on a ray.
        rays: in each fan.

    Returns:
        Signed distances, ±∞ where there is no boundary in reach.

    Example:
        >>> line = lambda x: x @ jnp.array([0.6, 0.8]) - 1
        >>> found = around(line, jnp.array([[0.0, 0.0], [3.0, 1.0]]), 2.0, 50, 64)
        >>> bool(jnp.allclose(found, jnp.array([-1.0, 1.6]), atol=1e-6))
        True
    """

    def lengths(angles):
        along = jnp.stack([jnp.cos(angles), jnp.sin(angles)], axis=-1)
        found = nearest_crossing(
            f, jnp.repeat(x, rays, axis=0), along.reshape(-1, 2), 0.0, reach, cells
        )
        return jnp.where(jnp.isnan(found), jnp.inf, found).reshape(len(x), rays)

    circle = jnp.linspace(0, 2 * jnp.pi, rays, endpoint=False, dtype=x.dtype)
    angles = jnp.broadcast_to(circle, (len(x), rays))
    width = 2 * jnp.pi / rays
    best = jnp.full(len(x), jnp.inf)
    while width > 1e-9:
        found = lengths(angles)
        best = jnp.minimum(best, jnp.min(found, axis=1))
        centre = jnp.take_along_axis(angles, jnp.argmin(found, axis=1)[:, None], axis=1)
        angles = centre + width * jnp.linspace(-1, 1, rays, dtype=x.dtype)[None]
        width *= 2 / (rays - 1)
    return jnp.where(f(x) > 0, best, -best)
