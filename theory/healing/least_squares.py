"""Closed forms: the survivors of a layer, or the head, by ridge regression."""

from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, UInt8

from theory.checks import check_inputs, traced

ITERATIONS = 1000
"""Largest number of steps of conjugate gradients, which end as soon as the tolerance is met."""


def masked_ridge(
    x: Float[Array, "n inputs"],
    z: Float[Array, "n outputs"],
    mask: UInt8[Array, "outputs inputs"] | Bool[Array, "outputs inputs"],
    ridge: Float[Array, ""] | float,
    tolerance: float = 1e-6,
) -> Float[Array, "outputs inputs"]:
    r"""The unique minimiser of ‖X wᵀ − z‖² + λ‖w‖² over weights that are 0 where the mask is.

    With G = XᵀX and M the diagonal of an output's mask it solves

    .. math:: (M G M + λ I + I − M)\, w = M Xᵀ z

    for every output by conjugate gradients, all outputs in one product per step: dense solvers
    would factorise as many matrices as there are outputs.

    Args:
        x: what enters the layer.
        z: what should leave it, less the bias.
        mask: 1 for weights that may differ from 0.
        ridge: λ > 0, in units of squared inputs.
        tolerance: relative residual at which an output is done.

    Returns:
        The weights, exactly 0 where the mask is.

    Raises:
        ValueError: no rows, or not as many in x as in z; entries that are not finite; a mask with
            other values than 0 and 1. Nothing that is traced is looked at.

    Example:
        >>> x, mask = jnp.eye(2), jnp.array([[1, 0]], jnp.uint8)
        >>> masked_ridge(x, jnp.ones((2, 1)), mask, 1.0).tolist()
        [[0.5, 0.0]]
    """
    if not traced((x, z, mask)):
        check_inputs((x, z))
        if not np.isin(mask, (0, 1)).all():
            raise ValueError("the mask has other values than 0 and 1")
    return _masked_ridge(x, z, mask, ridge, tolerance)


@partial(jax.jit, static_argnames="tolerance")
def _masked_ridge(x, z, mask, ridge, tolerance):
    # In units of their own, so that no product of small numbers in single precision is 0.
    unit = jnp.maximum(jnp.max(jnp.abs(x)), jnp.sqrt(ridge))
    size = jnp.max(jnp.abs(z))
    x, z = x / unit, z / jnp.where(size > 0, size, 1)
    gram = x.T @ x

    def solve(z, kept):
        def apply(w):
            w = jnp.where(kept, w, jnp.zeros((), w.dtype))
            return jnp.where(kept, gram @ w, jnp.zeros((), w.dtype)) + ridge / unit / unit * w

        target = jnp.where(kept, x.T @ z, jnp.zeros((), x.dtype))
        # Restricted to the survivors the system is the one above without its rows w = 0.
        return jax.scipy.sparse.linalg.cg(apply, target, tol=tolerance, maxiter=ITERATIONS)[0]

    return jax.vmap(solve, in_axes=(1, 0))(z, mask.astype(bool)) * (size / unit)


def ridge_around(
    start: Float[Array, "outputs inputs"],
    x: Float[Array, "n inputs"],
    z: Float[Array, "n outputs"],
    ridge: Float[Array, ""] | float,
) -> Float[Array, "outputs inputs"]:
    """The minimiser of ‖X wᵀ − z‖² + λ‖w − start‖²: fewer equations than weights move it little.

    Example:
        >>> ridge_around(jnp.ones((1, 2)), jnp.eye(2), jnp.ones((2, 1)), 1.0).tolist()
        [[1.0, 1.0]]
    """
    all_of_it = jnp.ones(start.shape, jnp.uint8)
    return start + masked_ridge(x, z - x @ start.T, all_of_it, ridge)
