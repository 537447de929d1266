"""Labelled points of a line and of a plane: small enough to draw all that a network does there."""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Float

POINTS, SIDE = 7, 5
"""Points of the line, and of a side of the chessboard."""


class Board(NamedTuple):
    """Labelled points of a hyperplane.

    Attributes:
        x: the points.
        y: labels ±1.
        normal: the unit normal of the hyperplane.
    """

    x: Float[Array, "n d"]
    y: Float[Array, " n"]
    normal: Float[Array, " d"]


def line() -> Board:
    """Seven points (t, t), t = i/3 − 1, with alternating labels, the first one negative."""
    t = jnp.arange(POINTS) / 3 - 1
    y = jnp.where(jnp.arange(POINTS) % 2 == 0, -1.0, 1.0).astype(t.dtype)
    return Board(jnp.stack([t, t], axis=1), y, jnp.array([1.0, -1.0]) / jnp.sqrt(2.0))


def chessboard(height: float) -> Board:
    """The points {0, ¼, ½, ¾, 1}² × {z₀}, the corners and every second one positive."""
    square = jnp.stack(jnp.meshgrid(*2 * [jnp.arange(SIDE) / (SIDE - 1)]), axis=-1).reshape(-1, 2)
    x = jnp.concatenate([square, jnp.full_like(square[:, :1], height)], axis=1)
    y = jnp.where(jnp.arange(SIDE**2) % 2 == 0, 1.0, -1.0).astype(x.dtype)
    return Board(x, y, jnp.array([0.0, 0.0, 1.0]))
