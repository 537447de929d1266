"""Ways to keep a network from using derivatives on or off a subspace: claim 3."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from theory.attacks.restricted import Side, projected
from theory.networks import MLP
from theory.training.mini_batch import cross_entropy


class Way(NamedTuple):
    """How derivatives are limited.

    Attributes:
        scale: of the initial weights and biases of the first layer.
        decay: of all weights, decoupled.
        penalty: of the squared norm of the gradient on a side.
        side: of the subspace.
    """

    scale: float = 1.0
    decay: float = 0.0
    penalty: float = 0.0
    side: Side = "off"

    def begun(self, net: MLP) -> MLP:
        """The network before training.

        Example:
            >>> net = MLP((jnp.ones((1, 1)), jnp.ones((1, 1))), (jnp.ones(1), jnp.ones(1)))
            >>> [float(weight[0, 0]) for weight in Way(scale=0.5).begun(net).weights]
            [0.5, 1.0]
        """
        (first, *rest), (bias, *others) = net.weights, net.biases
        scale = jnp.asarray(self.scale, first.dtype)
        return MLP((scale * first, *rest), (scale * bias, *others))

    def loss(
        self, basis: Float[Array, "d k"], classes: int
    ) -> Callable[[MLP, Any], Float[Array, ""]]:
        """Cross-entropy of a batch (inputs, classes), and the mean penalty.

        The gradient is that of the label's logit less the mean of all, which no gauge changes.

        Example:
            >>> net = MLP((jnp.array([[2.0, 0.0], [0.0, 0.0]]),), (jnp.zeros(2),))
            >>> data = jnp.zeros((1, 2)), jnp.array([0])
            >>> ways = Way(penalty=1.0, side="on"), Way(penalty=1.0, side="off"), Way()
            >>> values = [way.loss(jnp.eye(2)[:, :1], 2)(net, data) for way in ways]
            >>> [round(float(value - values[2]), 6) for value in values]
            [1.0, 0.0, 0.0]
        """

        def loss(net, data):
            value = cross_entropy(net, data)
            if self.penalty == 0:
                return value
            x, y = data
            pull = jax.vjp(net.logits, x)[1]
            aim = jax.nn.one_hot(y, classes, dtype=x.dtype) - 1 / classes
            part = projected(pull(aim)[0], basis, self.side)
            return value + self.penalty * jnp.mean(jnp.sum(part**2, axis=1))

        return loss
