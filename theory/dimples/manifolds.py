"""What stands for the data's manifold where it is curved: the tangents of an autoencoder."""

from functools import partial
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from theory.attacks.balls import Rows
from theory.geometry import orthonormalise
from theory.networks import MLP, mlp
from theory.training.mini_batch import descend
from theory.training.updates import annealed_adam


class Autoencoder(NamedTuple):
    """Two MLPs, from rows to codes and back.

    Attributes:
        encoder, decoder: of one hidden layer each.
    """

    encoder: MLP
    decoder: MLP

    def __call__(self, x: Rows) -> Rows:
        return self.decoder.logits(self.encoder.logits(x))

    def tangent(self, x: Rows) -> Float[Array, "n d k"]:
        """Orthonormal bases of what the decoder's Jacobian spans at the codes of rows.

        Example:
            >>> one = autoencoder(jax.random.key(0), 6, 8, 2)
            >>> basis = one.tangent(jnp.ones((3, 6)))
            >>> bool(jnp.allclose(basis[0].T @ basis[0], jnp.eye(2), atol=1e-6))
            True
        """

        def one(code):
            directions = jnp.eye(len(code), dtype=code.dtype)
            rows = jax.vmap(lambda v: jax.jvp(self.decoder.logits, (code,), (v,))[1])(directions)
            return orthonormalise(rows.T)

        return jax.vmap(one)(self.encoder.logits(x))


def autoencoder(key: Key[Array, ""], d: int, width: int, k: int) -> Autoencoder:
    """An autoencoder of d pixels and codes of k numbers, before training.

    Example:
        >>> autoencoder(jax.random.key(0), 6, 8, 2)(jnp.ones((3, 6))).shape
        (3, 6)
    """
    down, up = jax.random.split(key)
    return Autoencoder(mlp(down, (d, width, k)), mlp(up, (k, width, d)))


@partial(jax.jit, static_argnames=("steps", "batch"))
def train_autoencoder(
    net: Autoencoder,
    key: Key[Array, ""],
    x: Rows,
    rate: float | Float[Array, ""],
    *,
    steps: int,
    batch: int,
) -> Autoencoder:
    """Minimise the mean squared error of reconstruction by Adam with an annealed rate.

    Args:
        net: before training.
        key: of the order of the rows.
        x: rows.
        rate: step size of Adam at the start.
        steps, batch: of training.

    Example:
        >>> x = jnp.outer(jnp.linspace(-1, 1, 64), jnp.ones(4))
        >>> net = autoencoder(jax.random.key(0), 4, 16, 1)
        >>> net = train_autoencoder(net, jax.random.key(1), x, 1e-2, steps=300, batch=32)
        >>> bool(jnp.mean((net(x) - x) ** 2) < 0.01)
        True
    """

    def loss(net, x):
        return jnp.mean((net(x) - x) ** 2)

    order = jax.random.permutation(key, len(x))
    optimizer = annealed_adam(rate, steps)
    return descend(loss, net, x[order], optimizer=optimizer, steps=steps, batch=batch)[0]
