"""Eigenvalues by matrix products alone.

Unlike LAPACK's they batch on every backend and run on several CPU devices, or in several programs,
at once.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

SQUARINGS = 52
"""Squarings k of a matrix, after which 2^{−k} is below the rounding of float64."""


def largest_eigenvalue(matrix: Float[Array, "d d"]) -> Float[Array, ""]:
    """The largest eigenvalue λ of a symmetric positive semidefinite matrix A, by squaring it.

    P = A^{2^k} / tr A^{2^k} has A's eigenvectors, and tr AP is a mean of the eigenvalues. One of
    (1 − g)λ has at most (1 − g)^{2^k} ≤ e^{−g·2^k} of the weight and so takes away at most
    gλe^{−g·2^k} < 2^{−k}λ: nothing at k = `SQUARINGS`, however close to λ it is.

    Example:
        >>> largest_eigenvalue(jnp.diag(jnp.array([3.0, 0.0, 3.0, 1.0]))).item()
        3.0
    """

    def normalised(a):
        trace = jnp.trace(a)
        return a / jnp.where(trace > 0, trace, 1)

    def square(_, a):
        return normalised(a @ a)

    return jnp.sum(matrix * jax.lax.fori_loop(0, SQUARINGS, square, normalised(matrix)))
