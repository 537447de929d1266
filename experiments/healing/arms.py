"""Every way to heal a pruned network from the same masks and the same few images, on equal terms.

All that train take the same steps with a step size from the same grid, chosen by each method's own
loss on a fifth of the images of the first draws. They train the weights that survived below the
head; those named "+ biases" also the biases there, and those named "head refitted" fit the head
afterwards to the dense logits. Only methods that train the same are fair rivals: `RIVALS`. Labels
are seen by "labels" alone.
"""

import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from experiments.errors import UsageError
from experiments.healing.dense import ImageSettings
from theory.ensemble import ensemble
from theory.healing.alignment import Method, distance
from theory.healing.corrections import correct_biases, reconstruct, refit_head, repair
from theory.healing.descent import masked_descent
from theory.healing.heal import block_states
from theory.healing.masks import apply_masks
from theory.networks import MLP, affine
from theory.training import annealed_adam, cross_entropy

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


def _layer(i: int, net: MLP, h: Array) -> Array:
    return jax.nn.relu(affine(h, net.weights[i], net.biases[i]))


@dataclass(frozen=True)
class Aligned:
    """A method that aligns states; one by one, each from its dense input, by ``block``.

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
        """The distance of the states."""
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


def survivors(net: MLP) -> Any:
    """What is trained: the weights of the hidden layers, as far as their masks leave them."""
    layers = len(net.weights) - 1
    flags: Any = (*[True] * layers, False)
    return MLP(flags, False)  # pyright: ignore[reportArgumentType]


def survivors_and_biases(net: MLP) -> Any:
    """The same with the biases of the hidden layers."""
    flags = survivors(net).weights
    return MLP(flags, flags)


class Arm(NamedTuple):
    """One method.

    Attributes:
        name: in tables and figures.
        objective: what it minimises by descent; None for a closed form.
        closed: the closed form, ``(dense, network, masks, x) -> network``.
        trainable: which leaves of a network descent trains.
        after: the method whose healed networks a closed form starts from; None for the pruned.
    """

    name: str
    objective: Aligned | Distilled | Labelled | None = None
    closed: Callable[[Any, Any, Any, Array], Any] | None = None
    trainable: Callable[[Any], Any] = survivors
    after: str | None = None


def _refit(dense, net, masks, x):
    return refit_head(dense, net, x)


ARMS = (
    Arm("biases corrected", closed=lambda dense, net, masks, x: correct_biases(dense, net, x)),
    Arm("REPAIR", closed=lambda dense, net, masks, x: repair(dense, net, x)),
    Arm("ridge, layer by layer", closed=reconstruct),
    Arm("head refitted", closed=_refit),
    Arm("STARFISH", Aligned()),
    Arm("STARFISH + biases", Aligned(), trainable=survivors_and_biases),
    Arm("STARFISH + logits", Aligned(hidden_and_logits)),
    Arm("STARFISH, head refitted", closed=_refit, after="STARFISH"),
    Arm("MSE", Aligned(method="mse")),
    Arm("MSE + logits", Aligned(hidden_and_logits, "mse")),
    Arm("last hidden", Aligned(last_hidden)),
    Arm("block-wise MSE", Aligned(method="mse", block=_layer)),
    Arm("distillation", Distilled()),
    Arm("distillation + biases", Distilled(), trainable=survivors_and_biases),
    Arm("distillation, head refitted", closed=_refit, after="distillation"),
    Arm("labels", Labelled()),
    Arm("labels + biases", Labelled(), trainable=survivors_and_biases),
    Arm("labels, head refitted", closed=_refit, after="labels"),
)
"""Methods compared; those with `after` follow the method that they start from."""

NAMES = tuple(arm.name for arm in ARMS)

RIVALS = {
    "STARFISH": ("distillation", "labels"),
    "STARFISH + biases": ("distillation + biases", "labels + biases"),
    "STARFISH + logits": ("distillation", "labels"),
    "STARFISH, head refitted": ("distillation, head refitted", "labels, head refitted"),
}
"""The faithful method and its named extensions, each with rivals that train the same."""


def _descend(arm: Arm, member: Member, rate, steps: int, batch: int) -> Any:
    assert arm.objective is not None
    return masked_descent(
        arm.objective.loss,
        member.start,
        member.masks,
        arm.objective.data(member),
        optimizer=annealed_adam(rate, steps),
        steps=steps,
        batch=batch,
        trainable=arm.trainable(member.start),
    ).params


@partial(jax.jit, static_argnames=("arm", "steps", "batch", "held_out"))
def _held_out_losses(members, rates, *, arm, steps, batch, held_out):
    """The loss of every member and rate on the last images, healed with the others."""

    def one(member, rate):
        parts = [
            member._replace(x=member.x[rows], y=member.y[rows], teacher=member.teacher[rows])
            for rows in (slice(None, -held_out), slice(-held_out, None))
        ]
        healed = _descend(arm, parts[0], rate, steps, batch)
        return arm.objective.loss(healed, arm.objective.data(parts[1]))

    return jax.lax.map(lambda rate: ensemble(lambda member: one(member, rate), members), rates)


@partial(jax.jit, static_argnames=("arm", "steps", "batch"))
def _heal(members, rate, *, arm, steps, batch):
    def one(member):
        if arm.closed is None:
            return _descend(arm, member, rate, steps, batch)
        net = arm.closed(member.dense, member.start, member.masks, member.x)
        return apply_masks(net, member.masks)

    return ensemble(one, members)


def choose_rate(settings: ImageSettings, arm: Arm, firsts: Member) -> float:
    """The step size with the smallest mean loss on held-out images of the first draws.

    The middle of the grid where there are too few images to hold any out; NaN for a closed form.

    Raises:
        UsageError: no step size leaves the loss finite.
    """
    if arm.objective is None:
        return float("nan")
    n = firsts.x.shape[1]
    if len(settings.rates) == 1 or n < 5:
        return settings.rates[len(settings.rates) // 2]
    losses = _held_out_losses(
        firsts,
        jnp.asarray(settings.rates, jnp.float32),
        arm=arm,
        steps=settings.steps,
        batch=settings.batch,
        held_out=n // 5,
    )
    means = np.asarray(jnp.mean(losses, axis=1))
    if not np.isfinite(means).any():
        raise UsageError(f"No step size leaves the loss of {arm.name} finite: lower --rates.")
    return settings.rates[int(np.argmin(np.where(np.isfinite(means), means, np.inf)))]


Program = Callable[[Member, Array], Any]
"""``program(members, rate)`` heals members of a leading axis."""


def compiled(settings: ImageSettings, arm: Arm, members: Member, steps: int) -> Program:
    """The program that heals members of these shapes by a method, ready to be timed."""
    rate = jnp.float32(0)
    return _heal.lower(members, rate, arm=arm, steps=steps, batch=settings.batch).compile()


def timed(program: Program, members: Member, rate: float) -> tuple[Any, float]:
    """Healed networks, and the seconds for one of them."""
    start = time.perf_counter()
    nets = jax.block_until_ready(program(members, jnp.float32(rate)))
    return nets, (time.perf_counter() - start) / len(members.x)
