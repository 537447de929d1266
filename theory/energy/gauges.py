"""One classifier in other gauges: what is added to all its logits changes no prediction.

Source: remark of the paper that the energy is no function of the class probabilities; E4 and E5.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from theory.energy.linear import Pair
from theory.networks import MLP
from theory.theorem import Number


def shifted(net: MLP, v: Float[Array, " width"], c: Number = 0.0) -> MLP:
    """The same classifier with W + 1vᵀ and b + c1 in its last layer.

    Example:
        >>> import jax
        >>> from theory.networks import mlp
        >>> net, x = mlp(jax.random.key(0), (2, 3, 4)), jnp.ones((5, 2))
        >>> other = shifted(net, jnp.ones(3), 1.0)
        >>> bool(jnp.all(other.logits(x).argmax(axis=1) == net.logits(x).argmax(axis=1)))
        True
    """
    (*first, last), (*biases, offset) = net.weights, net.biases
    return MLP((*first, last + v[None]), (*biases, offset + jnp.asarray(c, offset.dtype)))


def regauged(scene: Pair, a: Number) -> Pair:
    """Two linear logits with a·f_t added to both: gradients (1 + a)g_t and g_h + a·g_t.

    Example:
        >>> import jax
        >>> from theory.energy.linear import pair
        >>> scene = pair(jax.random.key(0), 5, -1.0, 1.0, -1.0)
        >>> bool(jnp.linalg.norm(regauged(scene, 1.0).g[1]) < 1e-6)
        True
    """
    return Pair(scene.z, scene.g + a * scene.g[:1])
