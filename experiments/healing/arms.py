"""Every way to heal a pruned network from the same masks and the same few images, on equal terms.

All that train take the same steps with a step size from the same grid, chosen by each method's own
loss on a fifth of the images of the first draws. They train the weights that survived below the
head; those named "+ biases" also the biases there, and those named "head refitted" fit the head
afterwards to the dense logits. Only methods that train the same are fair rivals: `RIVALS`. Labels
are seen by "labels" alone.
"""

import time
from collections.abc import Callable, Sequence
from functools import partial
from typing import Any, Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from experiments.errors import UsageError
from experiments.healing.dense import ImageSettings
from theory.ensemble import ensemble
from theory.healing.corrections import correct_biases, reconstruct, refit_head, repair
from theory.healing.descent import masked_descent
from theory.healing.masks import apply_masks
from theory.healing.objectives import (
    Aligned,
    Distilled,
    Labelled,
    Member,
    hidden_and_logits,
    last_hidden,
    layer,
)
from theory.networks import MLP
from theory.training import annealed_adam


def survivors(net: MLP) -> Any:
    """What is trained: the weights of the hidden layers, as far as their masks leave them."""
    flags: Any = (*[True] * (len(net.weights) - 1), False)
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
    Arm("block-wise MSE", Aligned(method="mse", block=layer)),
    Arm("distillation", Distilled()),
    Arm("distillation + biases", Distilled(), trainable=survivors_and_biases),
    Arm("distillation, head refitted", closed=_refit, after="distillation"),
    Arm("labels", Labelled()),
    Arm("labels + biases", Labelled(), trainable=survivors_and_biases),
    Arm("labels, head refitted", closed=_refit, after="labels"),
)
"""Methods compared; those with `after` follow the method that they start from."""

Main = Literal[
    "ridge, layer by layer",
    "STARFISH",
    "STARFISH + logits",
    "STARFISH, head refitted",
    "distillation",
    "distillation, head refitted",
    "labels",
]  # fmt: skip
Name = Literal[
    Main, "biases corrected", "REPAIR", "head refitted", "STARFISH + biases", "MSE",
    "MSE + logits", "last hidden", "block-wise MSE", "distillation + biases", "labels + biases",
    "labels, head refitted",
]  # fmt: skip

MAIN: tuple[Main, ...] = get_args(Main)
"""Methods that are compared where there is no room for all, and drawn as curves."""

RIVALS = {
    "STARFISH": ("distillation", "labels"),
    "STARFISH + biases": ("distillation + biases", "labels + biases"),
    "STARFISH + logits": ("distillation", "labels"),
    "STARFISH, head refitted": ("distillation, head refitted", "labels, head refitted"),
}
"""The faithful method and its named extensions, each with rivals that train the same."""


def chosen(names: Sequence[str], among: Sequence[Arm] = ARMS) -> tuple[Arm, ...]:
    """The methods of these names, in the order of all.

    Raises:
        ValueError: one starts from another that is not chosen.

    Example:
        >>> chosen(["STARFISH, head refitted"])
        Traceback (most recent call last):
        ValueError: methods has STARFISH, head refitted and must have STARFISH, where that starts
    """
    for arm in among:
        if arm.name in names and arm.after is not None and arm.after not in names:
            raise ValueError(f"methods has {arm.name} and must have {arm.after}, where that starts")
    return tuple(arm for arm in among if arm.name in names)


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
