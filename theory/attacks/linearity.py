"""How nearly linear a two-layer ReLU network is, certified, as far as MALT needs it."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Integer

from theory.attacks.balls import Norm, norms
from theory.attacks.distances import DUAL, to_plane
from theory.networks import MLP


class AlmostLinear(NamedTuple):
    """What M2 needs of a network at points, for each class aimed at.

    Attributes:
        s: MALT's score, (z_y − z_j)/‖∇(z_y − z_j)‖_q.
        alpha: a certified α, by which share the gradient changes at most in the ball of radius
            s/(1 − α); infinite where there is none below 1.
    """

    s: Float[Array, "n targets"]
    alpha: Float[Array, "n targets"]


def certified(
    net: MLP,
    x: Float[Array, "n d"],
    y: Integer[Array, " n"],
    targets: Integer[Array, "n targets"],
    norm: Norm,
) -> AlmostLinear:
    """The smallest α that counts every neuron whose kink the ball of radius s/(1 − α) meets.

    In a ball the gradient of g = Σ_i a_i σ(⟨w_i, x⟩ + b_i) + c changes by at most
    Σ|a_i|‖w_i‖_q over the neurons whose kink meets it. A larger ball meets more of them: from
    α = 0 the iteration increases, and ends after as many rounds as there are neurons.

    Args:
        net: with one hidden layer.
        x, y: points, classified right.
        targets: classes to aim at.
        norm: p, of the distance.

    Raises:
        ValueError: the network has more hidden layers, or none.

    Source: M2, `theory.attacks.theorems.almost_linear`.

    Example:
        >>> net = MLP((jnp.eye(2), jnp.eye(2)), (jnp.zeros(2), jnp.zeros(2)))
        >>> at = jnp.array([[3.0, 2.0]]), jnp.array([0]), jnp.array([[1]])
        >>> found = certified(net, *at, "linf")
        >>> found.s.tolist(), found.alpha.tolist()
        ([[0.5]], [[0.0]])
    """
    if len(net.weights) != 2:
        raise ValueError(f"the network has {len(net.weights) - 1} hidden layers and must have 1")
    (w, out), (b, c) = net.weights, net.biases
    size = norms(w, DUAL[norm])

    def one(x, y, target):
        before = w @ x + b
        a = out[y] - out[target]
        g = a @ jax.nn.relu(before) + c[y] - c[target]
        slope = jnp.where(before > 0, a, 0) @ w
        s = to_plane(g[None], slope[None], norm)[0]
        steep = norms(slope[None], DUAL[norm])[0]

        def widen(_, alpha):
            radius = jnp.where(alpha < 1, s / jnp.where(alpha < 1, 1 - alpha, 1), jnp.inf)
            met = jnp.abs(before) <= radius * size
            return jnp.sum(jnp.where(met, jnp.abs(a) * size, 0)) / steep

        alpha = jax.lax.fori_loop(0, len(w) + 1, widen, jnp.zeros_like(s))
        return s, jnp.where(alpha < 1, alpha, jnp.inf)

    each = jax.vmap(jax.vmap(one, in_axes=(None, None, 0)))
    return AlmostLinear(*each(x, y, targets))
