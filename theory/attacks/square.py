"""Square attack: random search on scores, which needs no gradient and no gradient can mask.

Source: Andriushchenko, Croce, Flammarion and Hein 2020 (arXiv 1912.00049), with the schedule of
AutoAttack. In L2 the pattern of a window is not turned by 90° at random.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Integer, Key

from theory.attacks.balls import Ball, Box, Norm
from theory.attacks.checks import check_attack, numbers, prepared, warn_of_probabilities
from theory.attacks.losses import margin, misclassified, wide
from theory.attacks.result import Attacked, attacked
from theory.attacks.survivors import (
    Function,
    Split,
    Standing,
    folded,
    keys_of,
    on_rows,
    split,
    stand,
)

SHARE = 0.8
"""Of an input that the first windows cover."""

HALVED = (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)
"""After which of 10 000 queries the share halves; rescaled to as many as there are."""


class Grid(NamedTuple):
    """How the numbers of an input lie: rows and columns of channels.

    Attributes:
        height, width, channels: (n, d) is one column of d rows, (n, H, W) has one channel.

    Example:
        >>> Grid.of((28, 28)), Grid.of((64,)).sides(0.25)
        (Grid(height=28, width=28, channels=1), (16, 1))
    """

    height: int
    width: int
    channels: int

    @classmethod
    def of(cls, shape: tuple[int, ...]) -> "Grid":
        """The grid of one input of a shape."""
        return cls(*(*shape, 1, 1)[:3])

    def sides(self, share: float, least: int = 1) -> tuple[int, int]:
        """Of a window that covers so much: a square, or a piece of a column."""
        if self.width == 1:
            return min(max(round(share * self.height), least), self.height), 1
        side = max(round((share * self.height * self.width) ** 0.5), least)
        return min(side, self.height), min(side, self.width)


def check_grid(x: Float[Array, "n ..."]) -> None:
    """Refuse inputs that have no grid.

    Raises:
        ValueError: they are neither vectors nor pictures.

    Example:
        >>> check_grid(jnp.ones((2, 3, 3, 1)))
    """
    if x.ndim > 4:
        raise ValueError(f"inputs have shape {x.shape}: give (n, d), (n, H, W) or (n, H, W, C)")


def schedule(queries: int, grid: Grid, least: int) -> Integer[Array, "queries 2"]:
    """The sides of the window of every query.

    Example:
        >>> schedule(5, Grid(64, 1, 1), 1)[:, 0].tolist()
        [51, 2, 1, 1, 1]
    """
    at = np.arange(queries) * 10_000 // queries
    halved = np.sum(at[:, None] > np.asarray(HALVED), axis=1)
    return jnp.asarray([grid.sides(SHARE / 2**h, least) for h in halved])


class Search(NamedTuple):
    """Where the search of every row is.

    Attributes:
        best, margin: the point of the largest margin max_{i≠y} z_i − z_y so far, and that.
        found, done: whether it is misclassified; no longer evaluated, nor charged.
        forwards: evaluated so far.
    """

    best: Float[Array, "n d"]
    margin: Float[Array, " n"]
    found: Bool[Array, " n"]
    done: Bool[Array, " n"]
    forwards: Integer[Array, " n"]


Picture = Float[Array, "height width channels"]


def _cells(grid: Grid):
    """Rows and columns, (height, width) each."""
    return jnp.meshgrid(jnp.arange(grid.height), jnp.arange(grid.width), indexing="ij")


def _window(key: Key[Array, ""], grid: Grid, sides: Integer[Array, " 2"]):
    """Rows and columns from the corner of a random window, and where it is, (height, width)."""
    i, j = _cells(grid)
    free = jnp.array([grid.height, grid.width]) - sides + 1
    corner = jax.random.randint(key, (2,), 0, free)
    i, j = i - corner[0], j - corner[1]
    return i, j, (i >= 0) & (i < sides[0]) & (j >= 0) & (j < sides[1])


def _pattern(
    i: Integer[Array, "h w"], j: Integer[Array, "h w"], sides: Integer[Array, " 2"], grid: Grid
) -> Float[Array, "h w"]:
    """Two opposite bumps, one above the other: squares about two centres, the k-th of 1/k²."""
    rings = max(grid.height, grid.width) + 1
    tail = jnp.cumsum((jnp.arange(1.0, rings + 1) ** -2)[::-1])[::-1]
    half = sides[0] // 2
    below = i >= half
    centre = jnp.where(below, half + (sides[0] - half) // 2, half // 2)
    ring = jnp.maximum(jnp.abs(i - centre), jnp.abs(j - sides[1] // 2))
    return jnp.where(below, -1.0, 1.0) * tail[jnp.minimum(ring, rings - 1)]


def _signs(key: Key[Array, ""], shape: tuple[int, ...], kind: Any) -> Picture:
    return jax.random.rademacher(key, shape, dtype=kind)


def _start(key: Key[Array, ""], grid: Grid, norm: Norm, kind: Any) -> Picture:
    """Stripes of random signs, or tiles of the pattern with random signs; of any length."""
    height, width, channels = grid
    if norm == "linf":
        stripes = (height, 1, channels) if width == 1 else (1, width, channels)
        return jnp.broadcast_to(_signs(key, stripes, kind), grid)
    sides = max(height // 5, 1), max(width // 5, 1)
    i, j = _cells(grid)
    tile = _pattern(i % sides[0], j % sides[1], jnp.array(sides), grid).astype(kind)
    signs = _signs(key, (-(-height // sides[0]), -(-width // sides[1]), channels), kind)
    return tile[..., None] * signs[i // sides[0], j // sides[1]]


def _moved(
    key: Key[Array, ""],
    delta: Picture,
    sides: Integer[Array, " 2"],
    grid: Grid,
    norm: Norm,
    eps: Float[Array, ""],
) -> Picture:
    """A perturbation with another window; before the ball and the box."""
    key_at, key_from, key_sign = jax.random.split(key, 3)
    signs = _signs(key_sign, (1, 1, grid.channels), delta.dtype)
    i, j, inside = _window(key_at, grid, sides)
    inside = inside[..., None]
    if norm == "linf":
        return jnp.where(inside, 2 * eps * signs, 0) + delta

    # What the other window had goes into this one, with what the box has cut off.
    other = _window(key_from, grid, sides)[2][..., None]

    def length(part):
        return jnp.sqrt(jnp.sum(part**2, axis=(0, 1), keepdims=True))

    there = jnp.where(inside, delta, 0)
    bumps = jnp.where(inside, _pattern(i, j, sides, grid)[..., None].astype(delta.dtype), 0)
    new = bumps / length(bumps) * signs + there / (length(there) + 1e-12)
    spent = length(jnp.where(inside | other, delta, 0))
    free = jnp.maximum(eps**2 - jnp.sum(delta**2), 0) / grid.channels
    new = new / (length(new) + 1e-12) * jnp.sqrt(free + spent**2)
    return jnp.where(inside, new, jnp.where(other, 0, delta))


def search(
    f: Function,
    y: Integer[Array, " n"],
    ball: Ball,
    keys: Key[Array, " n"],
    grid: Grid,
    queries: int,
    inside: Bool[Array, " n"],
) -> Search:
    """Search at random until so many points were evaluated, or every row is misclassified.

    Args:
        f: logits of rows, which are never differentiated.
        y: labels.
        ball: to stay in.
        keys: of the rows.
        grid: of an input.
        queries: points to evaluate, the first included.
        inside: which rows are searched at all.

    Example:
        >>> from theory.attacks.survivors import keys_of
        >>> ball = Ball(jnp.full((1, 4), 0.5), 0.2, "linf", (0.0, 1.0))
        >>> f = lambda x: jnp.stack([x[:, 0] - 0.35, -x[:, 0] + 0.35], axis=1)
        >>> keys, yes = keys_of(jax.random.key(0), 1), jnp.ones(1, bool)
        >>> bool(search(f, jnp.array([0]), ball, keys, Grid(4, 1, 1), 50, yes).found[0])
        True
    """
    x, (n, d) = ball.centre, ball.centre.shape
    sides = schedule(queries, grid, 1 if ball.norm == "linf" else 3)

    def at(delta):
        rows = delta.reshape(n, d)
        if ball.norm == "l2":  # always all of ε: what the box cut off is spread over the rest
            length = jnp.linalg.norm(rows, axis=1, keepdims=True)
            rows = rows * (ball.radius / jnp.where(length > 0, length, 1))
        return ball.project(x + rows)

    def evaluate(state, point, first=False):
        z = wide(f(point))
        value = margin(z, y)
        better = ~state.done & ((value > state.margin) | first)
        missed = misclassified(z, y) & ~state.done
        return Search(
            jnp.where((better | missed)[:, None], point, state.best),
            jnp.where(better, value, state.margin).astype(state.margin.dtype),
            state.found | missed,
            state.done | missed,
            state.forwards + (~state.done).astype(int),
        )

    def one(carry):
        i, state = carry
        delta = (state.best - x).reshape(n, *grid)
        moved = jax.vmap(lambda key, delta: _moved(key, delta, sides[i], grid, ball.norm, eps))
        return i + 1, evaluate(state, at(moved(folded(keys, i), delta)))

    eps = jnp.asarray(ball.radius, x.dtype)
    none = jnp.zeros(n, bool)
    kind = jax.eval_shape(lambda x: wide(f(x)), x).dtype
    state = Search(x, jnp.zeros(n, kind), none, ~inside, jnp.zeros(n, int))
    start = jax.vmap(lambda key: _start(key, grid, ball.norm, x.dtype))(folded(keys, 0))
    state = evaluate(state, at(eps * start), first=True)
    going = (jnp.asarray(1), state)
    return jax.lax.while_loop(lambda at: (at[0] < queries) & ~jnp.all(at[1].done), one, going)[1]


def search_all(
    f: Function,
    standing: Standing,
    x: Float[Array, "n d"],
    y: Integer[Array, " n"],
    keys: Key[Array, " n"],
    grid: Grid,
    *,
    eps: Float[Array, ""],
    norm: Norm,
    box: Box | None,
    queries: int,
    batch: int,
) -> Standing:
    """One search on the samples still standing; traceable, unchecked. Arguments as of `square`."""

    def update(standing, given, inside):
        x, y, keys = given
        end = search(f, y, Ball(x, eps, norm, box), keys, grid, queries, inside)
        return standing._replace(
            inputs=jnp.where(end.found[:, None], end.best, standing.inputs),
            success=standing.success | end.found,
            runs=standing.runs + 1,
            forwards=standing.forwards + end.forwards,
        )

    return on_rows(update, standing.alive, standing, (x, y, keys), batch)


@partial(jax.jit, static_argnames=("rest", "norm", "queries", "batch"))
def _square(arrays, key, x, y, *, rest, batch, **options):
    f = Split(arrays, rest).joined(x.shape[1:])
    rows, keys = x.reshape(len(x), -1), folded(keys_of(key, len(x)), 0)
    standing, z = stand(f, rows, y, batch)
    grid = Grid.of(x.shape[1:])
    return search_all(f, standing, rows, y, keys, grid, batch=batch, **options), z


def square(
    logits: Callable[[Any], Any],
    key: Key[Array, ""],
    x: Any,
    y: Any,
    eps: Any = 8 / 255,
    norm: Norm = "linf",
    queries: int = 5000,
    box: tuple[float, float] | None = (0.0, 1.0),
    *,
    batch: int = 256,
) -> Attacked:
    """Attack by random search on the margin: windows of an input are set to ±ε, or given its norm.

    Args:
        logits: as of `apgd`; it need not be differentiable.
        key, y, eps, norm, box, batch: as of `apgd`.
        x: inputs (n, d), (n, H, W) or (n, H, W, C): windows are pieces of a vector, or squares.
        queries: points evaluated.

    Raises:
        ValueError: as `apgd` does, or for inputs of other shapes.

    Source: Andriushchenko et al. 2020 (arXiv 1912.00049), Algorithms 1 to 3.

    Example:
        >>> x, y = jnp.full((2, 8), 0.5), jnp.zeros(2, int)
        >>> step = lambda x: jnp.round(x @ jnp.ones((8, 2)) * jnp.array([[-1.0, 1.0]]))
        >>> found = square(lambda x: step(x - 0.51), jax.random.key(0), x, y, eps=0.3, queries=100)
        >>> found.success.tolist(), found.gradients.tolist()
        ([True, True], [0, 0])
    """
    x, y, _ = prepared(logits, x, y, box)
    check_attack(eps=eps, norm=norm, queries=queries, batch=batch)
    check_grid(x)
    parts = split(logits)
    standing, z = _square(
        *(parts.arrays, key, x, y),
        rest=parts.rest, **numbers(x, eps, box), norm=norm, queries=queries, batch=batch,
    )  # fmt: skip
    warn_of_probabilities(z)
    return attacked(standing, x, "margin")
