"""Points that a classifier has lost, and what one step of ET3 makes of them.

The step has no box, and the length k|r|/‖∇f_t‖ that E1 counts in: r < 0 is the margin, t the class.
"""

from functools import partial

import jax
import jax.numpy as jnp
from jax.tree_util import Partial
from jaxtyping import Array, Float, Key

from theory.attacks.balls import Ball, Rows
from theory.attacks.losses import Classes, Values, margin, of_class, without
from theory.attacks.survivors import Function
from theory.energy.conditions import condition, local, weights
from theory.energy.directions import slope_of
from theory.energy.et3 import moved
from theory.energy.linear import Pair, any_cosine, log_uniform, pair
from theory.theorem import Number


@jax.jit
def restoration(f: Function, x: Rows, y: Classes, k: Number) -> dict[str, Values]:
    """What a step does to lost points, and what E6 says of them.

    Args:
        f: logits of rows, a pytree.
        x: points.
        y: their classes t.
        k: of the length of the step, at every point its own.

    Returns:
        ``ratio`` 1/u = e_t‖g_t‖/(e_h‖g_h‖), h the largest other class; ``after``, the margin after
        the step, over \\|r\\|; ``error``, how far it is from that of linear logits with the same
        gradients; ``proved``, 1 where E6 says that the point is restored. NaN where it is not lost.

    Example:
        >>> f = Partial(lambda x: x * jnp.array([[2.0, 1.0]]))
        >>> found = restoration(f, jnp.array([[0.0, 0.5]]), jnp.array([0]), 4.0)
        >>> [round(float(found[name][0]), 3) for name in ("ratio", "after", "error")]
        [1.213, 0.814, 0.0]
    """
    at = local(f, x)
    of = weights(at, y)
    other = jnp.argmax(without(at.z, y), axis=1)
    r = of_class(at.z, y) - of_class(at.z, other)
    part = jax.nn.softmax(at.z, axis=1) * jnp.linalg.norm(at.g, axis=2)
    radius = jnp.asarray(k, x.dtype) * jnp.abs(r) / of.slope

    def one(x, radius):
        slope = slope_of("energy", f, x[None])
        return moved(slope, Ball(x[None], radius, "l2", None), radius, 1)[0]

    end = jax.vmap(one)(x, radius)
    after = -margin(f(end), y)
    straight = -margin(at.z + jnp.einsum("nkd,nd->nk", at.g, end - x), y)
    classes = jnp.arange(at.z.shape[1])[None]
    left = jnp.where(classes == y[:, None], 0, condition(of, radius))
    values = {
        "ratio": of_class(part, y) / of_class(part, other),
        "after": after / jnp.abs(r),
        "error": jnp.abs(after - straight) / jnp.abs(r),
        "proved": (jnp.max(left, axis=1) < 1).astype(x.dtype),
    }
    return {name: jnp.where(r < 0, value, jnp.nan) for name, value in values.items()}


@partial(jax.jit, static_argnames="d")
def restoration_of_pairs(
    keys: Key[Array, " n"], k: Number, d: int
) -> dict[str, Float[Array, " n"]]:
    """`restoration` of two linear logits by key: \\|r\\| exponential, u log-uniform in [.1, 10].

    Example:
        >>> found = restoration_of_pairs(jax.random.split(jax.random.key(0), 50), 2.0, 5)
        >>> bool(jnp.all(found["after"][found["ratio"] > 2] >= -1e-6))  # E1
        True
    """

    def one(key):
        key_r, key_u, key_c, key_pair = jax.random.split(key, 4)
        r, u = -jax.random.exponential(key_r), log_uniform(key_u, 0.1, 10.0)
        drawn = pair(key_pair, d, r, u * jnp.exp(r), any_cosine(key_c))
        f = Partial(Pair.logits, drawn)
        found = restoration(f, jnp.zeros((1, d)), jnp.zeros(1, int), k)
        return jax.tree.map(lambda value: value[0], found)

    return jax.vmap(one)(keys)
