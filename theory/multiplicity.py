"""Many p-values at once: what may be rejected so that any error at all stays unlikely."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float


def holm(p_values: Float[Array, " tests"]) -> Float[Array, " tests"]:
    """p-values adjusted so that rejecting those below α errs at all with probability at most α.

    Holm (1979): the i-th smallest of n is multiplied by n − i + 1, and made monotone.

    Example:
        >>> adjusted = holm(jnp.array([0.01, 0.04, 0.03]))
        >>> bool(jnp.allclose(adjusted, jnp.array([0.03, 0.06, 0.06])))
        True
    """
    order = jnp.argsort(p_values)
    factors = jnp.arange(len(p_values), 0, -1).astype(p_values.dtype)
    adjusted = jnp.minimum(jax.lax.cummax(p_values[order] * factors), 1)
    return jnp.zeros_like(p_values).at[order].set(adjusted)
