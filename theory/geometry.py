"""Linear subspaces by orthonormal bases, and the span of a data set."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from theory.checks import as_floats, check_finite, finite, traced


class Subspace(NamedTuple):
    """A linear subspace P of R^d, given by an orthonormal basis in its columns.

    Example:
        >>> plane = Subspace(jnp.eye(3)[:, :2])
        >>> plane.reject(jnp.array([1.0, 2.0, 3.0])).tolist()
        [0.0, 0.0, 3.0]
    """

    basis: Float[Array, "d dim"]

    @property
    def dim(self) -> int:
        """dim P."""
        return self.basis.shape[1]

    @property
    def ell(self) -> int:
        """ℓ = dim P^⊥."""
        return self.basis.shape[0] - self.basis.shape[1]

    def project(self, x: Float[Array, "*batch d"]) -> Float[Array, "*batch d"]:
        """Π_P x, the orthogonal projection onto P."""
        return (x @ self.basis) @ self.basis.T

    def reject(self, x: Float[Array, "*batch d"]) -> Float[Array, "*batch d"]:
        """Π_{P^⊥} x, the part of x orthogonal to P."""
        return x - self.project(x)

    def off_share(self, x: Float[Array, "*batch d"]) -> Float[Array, "*batch"]:
        """‖Π_{P^⊥} x‖ / ‖x‖, which is 0 exactly when x lies in P; 0 for x = 0."""
        norm = jnp.linalg.norm(x, axis=-1)
        off = jnp.linalg.norm(self.reject(x), axis=-1)
        return jnp.where(norm > 0, off / jnp.where(norm > 0, norm, 1), 0)


def as_subspace(basis: Any, d: int) -> Subspace:
    """A subspace of R^d from itself or its basis; that this is orthonormal is looked at.

    Args:
        basis: a `Subspace`, or orthonormal columns (d, dim); zero columns do not count.
        d: of the space.

    Raises:
        ValueError: these are no orthonormal columns of d numbers.

    Example:
        >>> as_subspace([[1.0], [1.0]], 2)
        Traceback (most recent call last):
        ...
        ValueError: The columns of the basis are not orthonormal: take those of ...
    """
    columns = as_floats("basis", basis.basis if isinstance(basis, Subspace) else basis)
    if columns.ndim != 2 or columns.shape[0] != d:
        raise ValueError(
            f"The basis has shape {columns.shape} and must have its vectors in columns, ({d}, dim)."
        )
    if not traced(columns):
        known = np.asarray(columns)  # by NumPy, as in `finite`
        gram = known.T @ known
        off = np.abs(gram - np.diag(np.diag(gram) > 0))
        if not (off < jnp.finfo(columns.dtype).eps ** 0.5).all():  # NaN compares false
            raise ValueError(
                "The columns of the basis are not orthonormal: take those of theory.geometry.span."
            )
    return Subspace(columns)


def as_matrix(x: Any) -> Array:
    """Points (n, d) as an array.

    Raises:
        ValueError: these are none.

    Example:
        >>> as_matrix([[1, 2]]).shape
        (1, 2)
    """
    x = as_floats("x", x)
    if x.ndim != 2:
        raise ValueError(f"x has shape {x.shape} and must have a point in each row, (n, d).")
    return x


OFF_BY_ROUNDING = 1e4
"""Machine epsilons of relative distance that rounding may put between a subspace and its points.

A coordinate of Π_P x is a sum of up to d products, and so is each entry of a basis: both err by
multiples of ε that grow with d, and stay below this at every d of the presets. What leaves a
subspace in earnest leaves it by far more than 10⁴ε, which is 2·10⁻¹² in float64.
"""


def off_by_rounding(points: Float[Array, "..."]) -> Float[Array, ""]:
    """The largest `Subspace.off_share` that rounding alone may give to points of a subspace.

    Args:
        points: of any shape; only their floating-point type matters.

    Example:
        >>> plane = Subspace(jnp.eye(3)[:, :2])
        >>> x = jnp.array([[1.0, 2.0, 0.0], [1.0, 2.0, 1e-3]])
        >>> (plane.off_share(x) <= off_by_rounding(x)).tolist()
        [True, False]
    """
    return jnp.asarray(OFF_BY_ROUNDING * jnp.finfo(points.dtype).eps, points.dtype)


def orthonormalise(columns: Float[Array, "d dim"]) -> Float[Array, "d dim"]:
    """An orthonormal basis of the span of the columns, by Gram-Schmidt.

    Each column is cleared of the earlier ones twice, which brings orthogonality to rounding
    ("twice is enough", Giraud et al. 2005). A column that depends on earlier ones up to rounding
    leaves a zero column, so that QQᵀ is the projection onto the span at every rank. Unlike a
    LAPACK call it is a few lines of matrix products that compile fast, batch on every backend,
    and run on several CPU devices at once.

    Example:
        >>> q = orthonormalise(jax.random.normal(jax.random.key(0), (50, 4)))
        >>> bool(jnp.abs(q.T @ q - jnp.eye(4)).max() < 1e-5)
        True
    """

    rounding = 64 * jnp.finfo(columns.dtype).eps

    def clear(j, q):
        column = columns[:, j]
        smallest = rounding * jnp.linalg.norm(column)
        for _ in range(2):
            column = column - q @ (q.T @ column)
        norm = jnp.linalg.norm(column)
        new = norm > smallest
        return q.at[:, j].set(jnp.where(new, column / jnp.where(new, norm, 1), 0))

    return jax.lax.fori_loop(0, columns.shape[1], clear, jnp.zeros_like(columns))


def random_subspace(key: Key[Array, ""], d: int, dim: int) -> Subspace:
    """A uniformly random ``dim``-dimensional subspace of R^d: the span of Gaussian vectors.

    Example:
        >>> random_subspace(jax.random.key(0), d=20, dim=5).ell
        15
    """
    return Subspace(orthonormalise(jax.random.normal(key, (d, dim))))


def span(x: Any, rank: int) -> Subspace:
    """The subspace spanned by the rows of x: its leading ``rank`` right singular vectors.

    Args:
        x: data (n, d), one point per row.
        rank: the rank of x. Static, so that the call compiles; `numerical_rank` finds it.

    Raises:
        ValueError: x is no matrix, has no such rank, or is not finite.

    Example:
        >>> x = jnp.array([[1.0, 1.0, 0.0], [2.0, 2.0, 0.0]])
        >>> span(x, rank=1).off_share(x).max() < 1e-6
        Array(True, dtype=bool)
    """
    x = as_matrix(x)
    if not 0 <= rank <= min(x.shape):
        raise ValueError(f"rank is {rank}, and x has shape {x.shape}: take numerical_rank(x).")
    check_finite("points", x)
    _, _, vt = jnp.linalg.svd(x, full_matrices=False)
    return Subspace(vt[:rank].T)


def principal(x: Float[Array, "n d"], k: int) -> Float[Array, "d k"]:
    """The k principal components of largest variance, as orthonormal columns.

    Example:
        >>> x = jnp.array([[1.0, 0.1], [-1.0, 0.0], [2.0, -0.1]])
        >>> bool(jnp.abs(principal(x, 1)[0, 0]) > 0.99)
        True
    """
    centred = x - jnp.mean(x, axis=0, keepdims=True)
    _, vectors = jnp.linalg.eigh(centred.T @ centred)
    return vectors[:, ::-1][:, :k]


def numerical_rank(x: Any) -> int:
    """The number of singular values above the rounding of the largest one (LAPACK's criterion).

    Raises:
        ValueError: an entry is not finite, or x is no matrix (n, d).

    Example:
        >>> numerical_rank(jnp.array([[1.0, 1.0], [2.0, 2.0], [0.0, 0.0]]))
        1
    """
    x = as_matrix(x)
    if not finite(x):
        raise ValueError("A matrix with entries that are not finite has no rank.")
    return int(jnp.linalg.matrix_rank(x))
