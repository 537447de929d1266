"""ReLU networks of any depth without biases whose first layer is divided, on data of a subspace P.

As in two layers, ∂L/∂W₁ = Σ_j δ_j x_jᵀ is a combination of the data, so that W₁ is frozen off P,
whatever is trained. Training in coordinates of P is that in full dimension, step for step, under
every optimiser whose steps are linear in the gradients (gradient descent, momentum), and its cost
does not know the dimension.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from theory.networks import mlp
from theory.theorem import Number


class Homogeneous(NamedTuple):
    """A fully connected ReLU network without biases; as a function, the first of its outputs.

    Attributes:
        weights: one ``(width_out, width_in)`` matrix per layer.

    Example:
        >>> net = homogeneous(jax.random.key(0), (3, 16, 16, 1))
        >>> x = jnp.ones((5, 3))
        >>> bool(jnp.allclose(net(2 * x), 2 * net(x)))
        True
    """

    weights: tuple[Float[Array, "_ _"], ...]

    def __call__(self, x: Float[Array, "n d"]) -> Float[Array, " n"]:
        *hidden, last = self.weights
        for weight in hidden:
            x = jax.nn.relu(x @ weight.T)
        return (x @ last.T)[:, 0]

    def logits(self, x: Float[Array, "n d"]) -> Float[Array, "n 2"]:
        """f/2 and −f/2, of the classes +1 and −1."""
        f = self(x) / 2
        return jnp.stack([f, -f], axis=1)


def homogeneous(key: Key[Array, ""], widths: tuple[int, ...], factor: Number = 1.0) -> Homogeneous:
    """PyTorch's default weights, those of the first layer divided by ``factor``.

    Args:
        key: a typed JAX key.
        widths: input dimension, hidden widths and 1, in order.
        factor: a smaller initialisation where it is above 1.
    """
    first, *rest = mlp(key, widths).weights
    return Homogeneous((first / jnp.asarray(factor, first.dtype), *rest))


class InPlane(NamedTuple):
    """A network as one of coordinates on a subspace, and what of its first layer is off it.

    Attributes:
        network: of coordinates.
        off: W₁ off the subspace, (width, d).
        basis: orthonormal columns, (d, k).
    """

    network: Homogeneous
    off: Float[Array, "width d"]
    basis: Float[Array, "d k"]

    @property
    def whole(self) -> Homogeneous:
        """The same network of points in R^d."""
        first, *rest = self.network.weights
        return Homogeneous((first @ self.basis.T + self.off, *rest))


def in_plane(net: Homogeneous, basis: Float[Array, "d k"]) -> InPlane:
    """Split a network's first layer.

    Example:
        >>> net, basis = homogeneous(jax.random.key(0), (3, 8, 1)), jnp.eye(3)[:, :2]
        >>> x = jnp.array([[1.0, -2.0, 0.0]])
        >>> split = in_plane(net, basis)
        >>> bool(jnp.allclose(split.network(x @ basis), net(x)))
        True
        >>> bool(jnp.allclose(split.whole.weights[0], net.weights[0]))
        True
    """
    first, *rest = net.weights
    on = first @ basis
    return InPlane(Homogeneous((on, *rest)), first - on @ basis.T, basis)
