"""Many p-values at once: what may be rejected so that any error at all stays unlikely."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from theory.checks import as_floats, traced


def holm(p_values: Any) -> Float[Array, " tests"]:
    """p-values adjusted so that rejecting those below α errs at all with probability at most α.

    Holm (1979): the i-th smallest of n is multiplied by n − i + 1, and made monotone.

    Args:
        p_values: of all tests, (tests,).

    Raises:
        ValueError: these are no probabilities on one axis.

    Example:
        >>> adjusted = holm(jnp.array([0.01, 0.04, 0.03]))
        >>> bool(jnp.allclose(adjusted, jnp.array([0.03, 0.06, 0.06])))
        True
    """
    p_values = as_floats("p_values", p_values)
    if p_values.ndim != 1:
        raise ValueError(f"p_values have shape {p_values.shape} and must have one axis, (tests,).")
    known = np.empty(0) if traced(p_values) else np.asarray(p_values)
    if ((known < 0) | (known > 1 + 1e-6)).any():
        raise ValueError("p_values must be from 0 to 1; at least one is not.")
    order = jnp.argsort(p_values)
    factors = jnp.arange(len(p_values), 0, -1).astype(p_values.dtype)
    adjusted = jnp.minimum(jax.lax.cummax(p_values[order] * factors), 1)
    return jnp.zeros_like(p_values).at[order].set(adjusted)
