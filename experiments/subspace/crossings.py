"""Where a network with biases changes its sign along the normal of a hyperplane."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from theory.networks import MLP
from theory.subspace.flip import first_crossing


def flip_distances(
    net: MLP, x: Float[Array, "n d"], normal: Float[Array, " d"]
) -> Float[Array, " n"]:
    """The exact distance to the nearest change of sign along ±normal, for a two-layer network.

    Example:
        >>> net = MLP((jnp.eye(2), jnp.array([[1.0, -1.0]])), (jnp.zeros(2), jnp.zeros(1)))
        >>> flip_distances(net, jnp.array([[2.0, 0.5]]), jnp.array([0.0, 1.0])).tolist()
        [1.5]
    """
    (w, u), (b, c) = net.weights, net.biases
    slope = w @ normal
    z = x @ w.T
    z = z + jnp.broadcast_to(b, z.shape)

    along = jax.vmap(first_crossing, in_axes=(0, None, None, None))
    both = jax.vmap(along, in_axes=(None, 0, None, None))
    return both(z, jnp.stack([slope, -slope]), u[0], c[0]).min(axis=0)


def certified_radii(
    net: MLP, x: Float[Array, "n d"], normal: Float[Array, " d"]
) -> Float[Array, " n"]:
    """|N(x)| / (‖u‖₂·‖W normal‖₂): no step along the normal shorter than this changes the sign.

    σ is 1-Lipschitz with or without the bias inside it, and the output bias cancels, so
    |N(x+z) − N(x)| ≤ Σ_i |u_i|·|⟨w_i, z⟩| ≤ ‖u‖₂·‖Wz‖₂.

    Example:
        >>> net = MLP((jnp.eye(2), jnp.array([[1.0, -1.0]])), (jnp.zeros(2), jnp.zeros(1)))
        >>> radii = certified_radii(net, jnp.array([[2.0, 0.5]]), jnp.array([0.0, 1.0]))
        >>> round(float(radii[0]), 3)
        1.061
    """
    w, u = net.weights
    return jnp.abs(net(x)) / (jnp.linalg.norm(u) * jnp.linalg.norm(w @ normal))
