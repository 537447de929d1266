"""What healing can minimise, and what each objective needs: states, outputs, or labels."""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from theory.healing.alignment import Method, distance
from theory.healing.heal import block_states
from theory.networks import MLP, affine
from theory.training import cross_entropy

TEMPERATURE = 4.0
"""Of the softmax that distillation compares (Hinton, Vinyals, Dean 2015)."""


class Member(NamedTuple):
    """One pruned network and what there is to heal it with.

    Attributes:
        dense: the network before pruning, an `MLP` or another with ``logits(x)``.
        start: where healing starts, pruned.
        masks: of the weights.
        x, y: calibration images and labels.
        teacher: the images that the dense network is shown, `x` but for a control.
    """

    dense: Any
    start: Any
    masks: Any
    x: Float[Array, "n d"]
    y: Array
    teacher: Float[Array, "n d"]


def hidden(net: MLP, x: Array) -> tuple[Array, ...]:
    """Hidden states after their ReLU."""
    return tuple(jax.nn.relu(h) for h in net.preactivations(x)[:-1])


def hidden_and_logits(net: MLP, x: Array) -> tuple[Array, ...]:
    """Hidden states, and the logits as one more."""
    *below, logits = net.preactivations(x)
    return *map(jax.nn.relu, below), logits


def last_hidden(net: MLP, x: Array) -> tuple[Array, ...]:
    """The state that the head reads."""
    return hidden(net, x)[-1:]


def next_preactivations(net: MLP, x: Array) -> tuple[Array, ...]:
    """What the next layers make of the hidden states, logits included."""
    return net.preactivations(x)[1:]


def layer(i: int, net: MLP, h: Array) -> Array:
    """Hidden state i from the one before it, or from the image."""
    return jax.nn.relu(affine(h, net.weights[i], net.biases[i]))


@dataclass(frozen=True)
class Aligned:
    """The distance of states; one by one, each from its dense input, by ``block``.

    Attributes:
        states: ``states(net, x)``.
        method: directions, or values.
        block: ``block(i, net, h)``, state i from the one before or from the image; None for all
            states of one pass through the network.
    """

    states: Callable[..., Any] = hidden
    method: Method = "starfish"
    block: Callable[[int, Any, Array], Array] | None = None

    def data(self, member: Member) -> Any:
        """What a batch is cut from."""
        targets = self.states(member.dense, member.teacher)
        inputs = member.x if self.block is None else (member.x, *targets[:-1])
        return inputs, targets

    def loss(self, net: Any, data: Any) -> Float[Array, ""]:
        """Zero where the states agree."""
        inputs, targets = data
        if self.block is None:
            return distance(self.states(net, inputs), targets, self.method)
        blocks = [partial(self.block, i) for i in range(len(targets))]
        return distance(block_states(blocks, net, inputs), targets, self.method)


@dataclass(frozen=True)
class Distilled:
    """The divergence of the softened outputs, T²·KL."""

    def data(self, member: Member) -> Any:
        """What a batch is cut from."""
        return member.x, member.dense.logits(member.teacher)

    def loss(self, net: Any, data: Any) -> Float[Array, ""]:
        """Zero where the outputs agree."""
        x, target = data
        log_p = jax.nn.log_softmax(target / TEMPERATURE)
        log_q = jax.nn.log_softmax(net.logits(x) / TEMPERATURE)
        return TEMPERATURE**2 * jnp.mean(jnp.sum(jnp.exp(log_p) * (log_p - log_q), axis=-1))


@dataclass(frozen=True)
class Labelled:
    """Cross-entropy of the labels."""

    def data(self, member: Member) -> Any:
        """What a batch is cut from."""
        return member.x, member.y

    def loss(self, net: Any, data: Any) -> Float[Array, ""]:
        """In nats."""
        return cross_entropy(net, data)
