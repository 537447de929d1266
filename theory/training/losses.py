"""Losses of a margin q_j = y_j N(x_j), elementwise."""

from collections.abc import Callable

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

Loss = Callable[[Float[Array, "*batch"]], Float[Array, "*batch"]]


def logistic(q: Float[Array, "*batch"]) -> Float[Array, "*batch"]:
    """The logistic loss log(1 + e^{−q}) of a margin; BCE on a sigmoid is the same function.

    Example:
        >>> float(logistic(jnp.array(0.0))) == float(jnp.log(2.0))
        True
    """
    return jax.nn.softplus(-q)


def exponential(q: Float[Array, "*batch"]) -> Float[Array, "*batch"]:
    """The exponential loss e^{−q} of a margin.

    Example:
        >>> float(exponential(jnp.array(0.0)))
        1.0
    """
    return jnp.exp(-q)
