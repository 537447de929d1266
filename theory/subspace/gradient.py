"""The input gradient off the data's subspace, and the scale that theory gives it."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from theory.checks import as_floats, check_finite
from theory.geometry import as_subspace
from theory.networks import TwoLayerReLU
from theory.networks.dense import check_single


def off_subspace_gradient(
    net: Callable[[Any], Any], x: Any, basis: Any
) -> Float[Array, "*batch d"]:
    """Π_{P^⊥} ∇N(x), the part of the input gradient orthogonal to P.

    Args:
        net: any function that JAX can differentiate, (..., d) -> (...), or of batches alone,
            (n, d) -> (n,).
        x: points (..., d).
        basis: orthonormal columns spanning P, (d, dim), or a `Subspace`.

    Returns:
        The projected gradients, shaped as ``x``.

    Raises:
        ValueError: the network gives several numbers for a point, the basis is none, or something
            is not finite: ReLU's gates would take a NaN for a number below 0.

    References:
        Melamed, Yehudai, Vardi, NeurIPS 2023 (arXiv 2303.00783), Section 4.

    Example:
        >>> net = TwoLayerReLU(jnp.array([[1.0, 2.0]]), jnp.ones(1))
        >>> off_subspace_gradient(net, jnp.array([3.0, 0.0]), jnp.array([[1.0], [0.0]])).tolist()
        [0.0, 2.0]
    """
    x = as_floats("x", x)
    if not x.ndim:
        raise ValueError("x is one number and must be a point (d,), or points (..., d).")
    if isinstance(net, TwoLayerReLU):
        check_network(net)
    check_finite("points", x)
    plane = as_subspace(basis, x.shape[-1])
    batches_alone = _takes_batches_alone(net, x)

    def output(point):
        found = net(point[None, :])[0] if batches_alone else net(point)
        if found.size != 1:
            raise ValueError(
                f"The network gives shape {found.shape} for one point: give one of its outputs."
            )
        return found.reshape(())

    gradients = jax.vmap(jax.grad(output))(x.reshape((-1, x.shape[-1])))
    return plane.reject(gradients).reshape(x.shape)


def _takes_batches_alone(net: Callable[[Any], Any], x: Float[Array, "*batch d"]) -> bool:
    """Whether a function refuses one point (d,), or takes its coordinates for points."""

    def outputs(*shape: int) -> int | None:
        try:
            return jax.eval_shape(net, jax.ShapeDtypeStruct(shape, x.dtype)).size
        except (IndexError, TypeError, ValueError):
            return None

    d = x.shape[-1]
    if (of_one := outputs(d)) == 1:
        return False
    of_batch = outputs(1, d)
    return of_batch is not None if of_one is None else of_batch == 1


def check_network(net: Any) -> None:
    """Refuse what is not one two-layer ReLU network of finite weights.

    Raises:
        ValueError: otherwise.

    Example:
        >>> check_network("a name")
        Traceback (most recent call last):
        ValueError: the network is a str and must be a TwoLayerReLU
    """
    if not isinstance(net, TwoLayerReLU):
        raise ValueError(f"the network is a {type(net).__name__} and must be a TwoLayerReLU")
    check_single(net, 2)
    check_finite("weights", net)


def active(net: TwoLayerReLU, x: Float[Array, "*batch d"]) -> Bool[Array, "*batch width"]:
    """The set S of neurons active at x, ⟨w_i, x⟩ > 0 (as in JAX, a neuron at its kink is off).

    Raises:
        ValueError: weights or points are not finite, or the network is another.

    Example:
        >>> net = TwoLayerReLU(jnp.array([[1.0], [-1.0]]), jnp.ones(2))
        >>> active(net, jnp.array([2.0])).tolist()
        [True, False]
    """
    check_network(net)
    check_finite("points", x)
    return x @ net.w.T > 0


def gradient_scale(
    net: TwoLayerReLU, x: Float[Array, "*batch d"], sigma: float
) -> Float[Array, "*batch"]:
    """σ·√(Σ_{i∈S} u_i²): the standard deviation of each coordinate of Π_{P^⊥} ∇N(x).

    With u_i = ±1/√m this is σ√(k/m), k = |S|.

    Raises:
        ValueError: as of `active`.

    Example:
        >>> net = TwoLayerReLU(jnp.eye(2), jnp.array([3.0, 4.0]))
        >>> float(gradient_scale(net, jnp.ones(2), sigma=0.1))
        0.5
    """
    return sigma * jnp.sqrt(jnp.where(active(net, x), net.u**2, 0).sum(axis=-1))
