"""The scene of E1 to E4: two linear logits about a point, given by their margin and gradients.

r = f_t − f_h, ρ = ‖g_h‖/‖g_t‖, c = cos∠(g_t, g_h), so that u = e_h‖g_h‖/(e_t‖g_t‖) = ρe^{−r}:
they are no free parameters.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from theory.attacks.balls import Ball, unit
from theory.energy.directions import slope_of
from theory.energy.et3 import moved
from theory.sampling import at_cosine
from theory.theorem import Number


class Pair(NamedTuple):
    """Two linear logits, of the true class first, at the point 0.

    Attributes:
        z: logits at 0.
        g: their gradients.
    """

    z: Float[Array, " 2"]
    g: Float[Array, "2 d"]

    def logits(self, x: Float[Array, "n d"]) -> Float[Array, "n 2"]:
        """z + g x of rows."""
        return x @ self.g.T + self.z[None]

    @property
    def margin(self) -> Float[Array, ""]:
        """r = f_t − f_h."""
        return self.z[0] - self.z[1]

    @property
    def slope(self) -> Float[Array, ""]:
        """‖g_t‖."""
        return jnp.linalg.norm(self.g[0])

    @property
    def u(self) -> Float[Array, ""]:
        """e_h‖g_h‖/(e_t‖g_t‖), measured."""
        e = jax.nn.softmax(self.z)
        return e[1] * jnp.linalg.norm(self.g[1]) / (e[0] * self.slope)

    def step(self, radius: Number, steps: int = 1, alpha: Number = 2.0) -> Float[Array, " d"]:
        """δ of ET3 in a ball of a radius, with no box: steps of ``alpha`` times the radius."""
        origin = jnp.zeros_like(self.g[:1])
        radius = jnp.asarray(radius, origin.dtype)
        slope = slope_of("energy", self.logits, origin)
        return moved(slope, Ball(origin, radius, "l2", None), alpha * radius, steps)[0]

    def after(self, step: Float[Array, " d"]) -> Float[Array, ""]:
        """The margin at a step."""
        z = self.logits(step[None])[0]
        return z[0] - z[1]

    def rounding(self, step: Float[Array, " d"]) -> Float[Array, ""]:
        """The size of the numbers that a margin is made of."""
        return jnp.sum(jnp.abs(self.g) @ jnp.abs(step)) + jnp.sum(jnp.abs(self.z))


def pair(
    key: Key[Array, ""], d: int, margin: Number, ratio: Number, cosine: Number, slope: Number = 1.0
) -> Pair:
    """Logits with a margin r, gradients of norms ‖g_t‖ = slope and ρ‖g_t‖, at a cosine.

    In one dimension the cosine must be ±1.

    Args:
        key: of the plane of the gradients, and of what both logits have in common.
        d: input dimension.
        margin, ratio, cosine, slope: r, ρ, c and ‖g_t‖.

    Example:
        >>> drawn = pair(jax.random.key(0), 5, margin=-1.0, ratio=0.5, cosine=0.0)
        >>> round(float(drawn.u), 3)  # .5·e
        1.359
    """
    key_t, key_h, key_z = jax.random.split(key, 3)
    t = unit(jax.random.normal(key_t, (1, d)))[0]
    h = at_cosine(key_h, t, cosine)
    z = jax.random.normal(key_z) + jnp.stack([jnp.asarray(margin, t.dtype), jnp.zeros((), t.dtype)])
    return Pair(z, jnp.asarray(slope, t.dtype) * jnp.stack([t, ratio * h]))


def log_uniform(key: Key[Array, ""], low: float, high: float) -> Float[Array, ""]:
    """A number whose logarithm is uniform between those of two.

    Example:
        >>> bool(2 <= log_uniform(jax.random.key(0), 2.0, 3.0) <= 3)
        True
    """
    at = jax.random.uniform(key)
    return low * (high / low) ** at


def any_cosine(key: Key[Array, ""]) -> Float[Array, ""]:
    """Uniform in [−1, 1], and in one of four draws an end of it.

    Example:
        >>> bool(jnp.abs(any_cosine(jax.random.key(0))) <= 1)
        True
    """
    key_c, key_end = jax.random.split(key)
    c = jax.random.uniform(key_c, minval=-1.0, maxval=1.0)
    return jnp.where(jax.random.uniform(key_end) < 0.25, jnp.sign(c), c)
