"""Balls around inputs, cut off by a box: starts in them, steps and projections; all on rows."""

from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

Norm = Literal["linf", "l2"]
"""Of the perturbation."""

AnyNorm = Literal["linf", "l2", "l1"]
"""Of any vector."""

Rows = Float[Array, "n d"]
Box = tuple[Float[Array, ""] | float, Float[Array, ""] | float]
"""The lowest and the highest value of a coordinate."""


def norms(v: Rows, norm: AnyNorm) -> Float[Array, " n"]:
    """The norm of every row.

    Example:
        >>> v = jnp.array([[3.0, -4.0]])
        >>> norms(v, "linf").tolist(), norms(v, "l2").tolist(), norms(v, "l1").tolist()
        ([4.0], [5.0], [7.0])
    """
    return jnp.linalg.norm(v, ord={"linf": jnp.inf, "l2": 2, "l1": 1}[norm], axis=1)


def unit(v: Rows) -> Rows:
    """Rows of Euclidean norm 1; those that are 0 stay so.

    Squares neither overflow nor underflow, so that a gradient of 1e-30 has a direction in single
    precision: the reference adds 1e-12 to its norm instead, and such a row would not move. The
    derivative is finite everywhere, and 0 where a row is.

    Example:
        >>> v = unit(jnp.array([[3e-30, 4e-30], [0.0, 0.0]]))
        >>> bool(jnp.allclose(v, jnp.array([[0.6, 0.8], [0.0, 0.0]])))
        True
    """
    most = jax.lax.stop_gradient(jnp.max(jnp.abs(v), axis=1, keepdims=True))
    still = most == 0
    v = jnp.where(still, 1, v / jnp.where(still, 1, most))
    return jnp.where(still, 0, v / jnp.linalg.norm(v, axis=1, keepdims=True))


def clipped(x: Rows, low: Any, high: Any) -> Rows:
    """Between two ends, with derivative 1 on them too, where pixels are: `jnp.clip` has ½ there.

    Example:
        >>> x = jnp.array([[-1.0, 0.0, 2.0]])
        >>> clipped(x, 0.0, 1.0).tolist()
        [[0.0, 0.0, 1.0]]
        >>> jax.grad(lambda x: jnp.sum(clipped(x, 0.0, 1.0)))(x).tolist()
        [[0.0, 1.0, 0.0]]
    """
    return jnp.where(x < low, low, jnp.where(x > high, high, x))


class Ball(NamedTuple):
    """{x' : ‖x' − centre‖_p ≤ radius} of every row, cut off by a box.

    Attributes:
        centre: the inputs, in the box.
        radius: ε, the same for all.
        norm: p.
        box: lowest and highest value; None where there is none.

    Example:
        >>> ball = Ball(jnp.full((1, 2), 0.5), 0.3, "linf", (0.0, 0.7))
        >>> bool(jnp.allclose(ball.project(jnp.array([[1.0, 0.0]])), jnp.array([[0.7, 0.2]])))
        True
    """

    centre: Rows
    radius: Float[Array, ""] | float
    norm: Norm
    box: Box | None

    def project(self, x: Rows) -> Rows:
        """Onto the ball, then the box; in the box coordinates come nearer to the centre's."""
        if self.norm == "linf":
            x = clipped(x, self.centre - self.radius, self.centre + self.radius)
        else:
            step = x - self.centre
            # The norm has no derivative where the step is 0, which is not outside.
            still = jnp.all(step == 0, axis=1, keepdims=True)
            length = norms(jnp.where(still, 1, step), "l2")[:, None]
            outside = ~still & (length > self.radius)
            shrink = self.radius / jnp.where(outside, length, 1)
            x = self.centre + jnp.where(outside, step * shrink, step)
        return self.clip(x)

    def clip(self, x: Rows) -> Rows:
        """Onto the box."""
        if self.box is None:
            return x
        return clipped(x, *(jnp.asarray(end, x.dtype) for end in self.box))

    def direction(self, gradient: Rows) -> Rows:
        """Of steepest ascent per norm as APGD takes it: signs, or the normalised gradient."""
        return jnp.sign(gradient) if self.norm == "linf" else unit(gradient)

    def draw(self, keys: Key[Array, " n"]) -> Rows:
        """A random start on the sphere of every row, cut off by the box, from a key of its own.

        Uniform in the cube or Gaussian, scaled to norm ε.
        """
        d, kind = self.centre.shape[1], self.centre.dtype
        if self.norm == "linf":
            v = jax.vmap(lambda key: jax.random.uniform(key, (d,), kind, -1, 1))(keys)
            v = v / norms(v, "linf")[:, None]
        else:
            v = unit(jax.vmap(lambda key: jax.random.normal(key, (d,), kind))(keys))
        return self.clip(self.centre + self.radius * v)
