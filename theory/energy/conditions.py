"""When one step down the energy keeps or restores a class: the conditions of E1 and E6.

t is the true class, e = softmax z, g_k = ∇z_k.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from theory.attacks.balls import Rows
from theory.attacks.losses import Classes, Logits, Values, bounded, of_class, wide, without
from theory.attacks.survivors import Function

TINY = 1e-30
"""What keeps the logarithm of a squared norm finite."""


class Local(NamedTuple):
    """Logits at points, and their gradients there."""

    z: Logits
    g: Float[Array, "n classes d"]


def local(f: Function, x: Rows) -> Local:
    """Logits and gradients of all classes: one forward pass, K backward passes.

    Example:
        >>> local(lambda x: x, jnp.ones((1, 2))).g.tolist()
        [[[1.0, 0.0], [0.0, 1.0]]]
    """
    z, pull = jax.vjp(f, x)
    one_hot = jnp.eye(z.shape[1], dtype=z.dtype)
    g = jax.lax.map(lambda row: pull(jnp.broadcast_to(row, z.shape))[0], one_hot)
    return Local(z, jnp.moveaxis(g, 0, 1))


class Weights(NamedTuple):
    """How large the other classes' parts of ∇E are beside the true class's, by class j.

    Attributes:
        kappa: κ_j = max(e_j, e_t)‖g_j‖ / (e_t‖g_t‖).
        rest: v_j = ‖Σ_{i≠t,j} e_i g_i‖ / (e_t‖g_t‖).
        margin: f_j − f_t.
        slope: ‖g_t‖, of every row.

    At j = t the first two mean nothing, and the margin is 0.
    """

    kappa: Float[Array, "n classes"]
    rest: Float[Array, "n classes"]
    margin: Float[Array, "n classes"]
    slope: Values


def weights(at: Local, y: Classes) -> Weights:
    """The quantities of E6 at points whose true classes are y.

    Example:
        >>> at = Local(jnp.zeros((1, 2)), jnp.array([[[2.0, 0.0], [0.0, 1.0]]]))
        >>> weights(at, jnp.array([0])).kappa[0, 1].tolist()
        0.5
    """
    e = jax.nn.softmax(at.z, axis=1)
    size = jnp.linalg.norm(at.g, axis=2)
    e_t, slope = of_class(e, y)[:, None], of_class(size, y)
    own = e_t * slope[:, None]
    parts = e[:, :, None] * at.g
    true = jnp.take_along_axis(parts, y[:, None, None], axis=1)
    others = jnp.sum(parts, axis=1, keepdims=True) - true - parts
    return Weights(
        jnp.maximum(e, e_t) * size / own,
        jnp.linalg.norm(others, axis=2) / own,
        at.z - of_class(at.z, y)[:, None],
        slope,
    )


def condition(of: Weights, radius: Values) -> Float[Array, "n classes"]:
    """κ_j + √(v_j² + k_j⁻²), k_j = ε‖g_t‖/max(0, f_j − f_t): below 1 for all j ≠ t, E6 holds.

    Args:
        of: weights.
        radius: ε of every row.

    Example:
        >>> of = Weights(*(jnp.array([[value]]) for value in (0.5, 0.0, 0.5)), jnp.array([2.0]))
        >>> condition(of, jnp.array([1.0])).tolist()
        [[0.75]]
    """
    inverse = jnp.maximum(of.margin, 0) / (radius * of.slope)[:, None]
    return of.kappa + jnp.hypot(of.rest, inverse)


def gain(of: Weights, radius: Values) -> Float[Array, "n classes"]:
    """ε‖g_t‖√((1 − κ_j)² − v_j²), by how much f_t − f_j grows at least; 0 where κ_j + v_j > 1.

    Example:
        >>> of = Weights(*(jnp.array([[value]]) for value in (0.2, 0.0, 0.5)), jnp.array([2.0]))
        >>> gain(of, jnp.array([1.0])).tolist()
        [[1.6]]
    """
    left = jnp.maximum(1 - of.kappa, 0) ** 2 - of.rest**2
    return (radius * of.slope)[:, None] * jnp.sqrt(jnp.maximum(left, 0))


def log_ratio(f: Function, x: Rows, y: Classes) -> Values:
    """log u = log[e_h‖g_h‖ / (e_t‖g_t‖)], h the largest other class: where u > 1, E1 says nothing.

    One forward and two backward passes; differentiable.

    Example:
        >>> float(log_ratio(lambda x: x, jnp.array([[0.0, 3.0]]), jnp.array([0]))[0])
        3.0
    """
    z, pull = jax.vjp(lambda x: bounded(wide(f(x))), x)
    other = jnp.argmax(without(z, y), axis=1).astype(y.dtype)
    labels = jnp.arange(z.shape[1], dtype=y.dtype)[None]

    def log_norm(classes):
        gradient = pull((labels == classes[:, None]).astype(z.dtype))[0]
        return jnp.log(jnp.sum(gradient**2, axis=1) + TINY) / 2

    return of_class(z, other) - of_class(z, y) + (log_norm(other) - log_norm(y)).astype(z.dtype)
