"""Many pruned networks healed by one method as one program, and the step size that it takes."""

from collections.abc import Callable, Sequence
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array

from theory.ensemble import ensemble
from theory.healing.descent import masked_descent
from theory.healing.masks import apply_masks
from theory.healing.methods import Arm
from theory.healing.objectives import Member
from theory.training import annealed_adam

Program = Callable[[Member, Array], Any]
"""``program(members, rate)`` heals members of a leading axis."""


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


def best_rate(arm: Arm, members: Member, rates: Sequence[float], steps: int, batch: int) -> float:
    """The step size with the smallest mean loss on a fifth of the images, which are held out.

    The middle one where there are too few images to hold any out; NaN for a closed form.

    Args:
        arm: the method.
        members: pruned networks of a leading axis.
        rates: step sizes to choose from.
        steps: of the descent.
        batch: images of a step.

    Raises:
        ValueError: no step size leaves the loss finite.
    """
    if arm.objective is None:
        return float("nan")
    n = members.x.shape[1]
    if len(rates) == 1 or n < 5:
        return rates[len(rates) // 2]
    losses = _held_out_losses(
        members,
        jnp.asarray(rates, jnp.float32),
        arm=arm,
        steps=steps,
        batch=batch,
        held_out=n // 5,
    )
    means = np.asarray(jnp.mean(losses, axis=1))
    if not np.isfinite(means).any():
        raise ValueError(f"no step size leaves the loss of {arm.name} finite")
    return rates[int(np.argmin(np.where(np.isfinite(means), means, np.inf)))]


def compiled(arm: Arm, members: Member, steps: int, batch: int) -> Program:
    """The program that heals members of these shapes by a method, ready to be timed."""
    rate = jnp.float32(0)
    return _heal.lower(members, rate, arm=arm, steps=steps, batch=batch).compile()
