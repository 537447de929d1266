"""The ascent of Auto-PGD: projected steps with momentum, whose size halves without progress.

Source: Croce and Hein, "Reliable evaluation of adversarial robustness with an ensemble of diverse
parameter-free attacks" (arXiv 2003.01690), Algorithm 1, with the details of its reference
implementation wherever the two differ.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Integer

from theory.attacks.balls import Ball
from theory.attacks.losses import misclassified, wide
from theory.attacks.survivors import Function

MOMENTUM = 0.75
"""Share of a new step in the step taken; the rest is the last one's."""

PROGRESS = 0.75
"""Share of steps that must raise the loss, or the step size is halved."""

Evaluate = Callable[[Float[Array, "n d"]], tuple[Float[Array, "n classes"], Float[Array, " n"]]]
"""Logits of rows, which decide on success, and what is ascended, labels and targets fixed."""


def of_logits(f: Function, objective: Callable[[Any], Float[Array, " n"]]) -> Evaluate:
    """What ascends a loss of the logits.

    Example:
        >>> of_logits(lambda x: x, lambda z: z[:, 1])(jnp.array([[3.0, 4.0]]))[1].tolist()
        [4.0]
    """

    def evaluate(x):
        z = wide(f(x))
        return z, objective(z)

    return evaluate


def checkpoints(steps: int) -> list[int]:
    """After which steps the step size may be halved.

    Windows of .22N, then each .03N smaller down to .06N, in integers: a ceiling of the paper's
    fractions would give 58 in place of 57.

    Example:
        >>> checkpoints(100), checkpoints(50)
        ([22, 41, 57, 70, 80, 87, 93, 99], [11, 21, 30, 38, 45])
    """
    window, fewer, least = (max(percent * steps // 100, 1) for percent in (22, 3, 6))
    at = []
    while sum(at[-1:]) + window <= steps:
        at.append(sum(at[-1:]) + window)
        window = max(window - fewer, least)
    return at


class Ascent(NamedTuple):
    """Where the ascent of every row is.

    Attributes:
        x, previous: the point to evaluate next, and the one that the last step began at.
        best, best_gradient, best_loss: of the evaluated points, the first with the largest loss.
        last_loss: of the point before; 0 at first, with which the reference compares.
        checked_loss: the best at the last checkpoint.
        increases: steps that raised the loss since then.
        step: the step size.
        halved: whether it was halved at the last checkpoint.
        adversarial, found: the last point that was misclassified, and whether there was one.
        done: no longer evaluated, nor charged.
        gradients, zero_gradients: evaluated so far.
    """

    x: Float[Array, "n d"]
    previous: Float[Array, "n d"]
    best: Float[Array, "n d"]
    best_gradient: Float[Array, "n d"]
    best_loss: Float[Array, " n"]
    last_loss: Float[Array, " n"]
    checked_loss: Float[Array, " n"]
    increases: Integer[Array, " n"]
    step: Float[Array, " n"]
    halved: Bool[Array, " n"]
    adversarial: Float[Array, "n d"]
    found: Bool[Array, " n"]
    done: Bool[Array, " n"]
    gradients: Integer[Array, " n"]
    zero_gradients: Integer[Array, " n"]


def begin(x: Float[Array, "n d"], ball: Ball, kind: Any, inside: Bool[Array, " n"]) -> Ascent:
    """An ascent before its first evaluation.

    Args:
        x: the starts.
        ball: to stay in.
        kind: type of the loss.
        inside: which rows are ascended at all.
    """
    n = len(x)
    zero, none, loss = jnp.zeros(n, int), jnp.zeros(n, bool), jnp.zeros(n, kind)
    step = jnp.broadcast_to(jnp.asarray(2 * ball.radius, x.dtype), (n,))
    return Ascent(
        *(x, x, x, jnp.zeros_like(x), loss, loss, loss),
        *(zero, step, ~none, x, none, ~inside, zero, zero),
    )


def advance(
    evaluate: Evaluate,
    y: Integer[Array, " n"],
    ball: Ball,
    i: Integer[Array, ""] | int,
    window: Integer[Array, ""] | int,
    state: Ascent,
    until_success: bool = True,
) -> Ascent:
    """Evaluate point i of every row, halve the step size where it is time, and step to i + 1.

    Args:
        evaluate: logits of rows, and what is ascended.
        y: labels, for success alone.
        ball: to stay in.
        i: points evaluated before.
        window: steps since the last checkpoint if there is one after step i, otherwise 0.
        state: of the rows.
        until_success: whether a row is done once a point is misclassified.
    """

    def total(x):
        z, values = evaluate(x)
        return jnp.sum(values), (values, misclassified(z, y))

    gradient, (loss, missed) = jax.grad(total, has_aux=True)(state.x)
    gradient = jnp.nan_to_num(gradient)
    new = missed & ~state.done
    zero = ~state.done & jnp.all(gradient == 0, axis=1)
    state = state._replace(
        adversarial=jnp.where(new[:, None], state.x, state.adversarial),
        found=state.found | new,
        done=state.done | new if until_success else state.done,
        gradients=state.gradients + (~state.done).astype(int),
        zero_gradients=state.zero_gradients + zero.astype(int),
    )

    first = i == 0
    better = (loss > state.best_loss) | first
    best = jnp.where(better[:, None], state.x, state.best)
    best_gradient = jnp.where(better[:, None], gradient, state.best_gradient)
    best_loss = jnp.where(better, loss, state.best_loss)
    # The loss at the start is compared with none; that after the first step with 0.
    increases = state.increases + (~first & (loss > state.last_loss)).astype(int)
    checked = jnp.where(first, loss, state.checked_loss)

    now = window > 0
    few = increases.astype(state.step.dtype) <= PROGRESS * jnp.asarray(window, state.step.dtype)
    # True at first, so that standing still does not halve at the first checkpoint.
    stuck = ~state.halved & (checked >= best_loss)
    halve = now & (few | stuck)
    step = jnp.where(halve, state.step / 2, state.step)
    x = jnp.where(halve[:, None], best, state.x)
    gradient = jnp.where(halve[:, None], best_gradient, gradient)

    share = jnp.where(first, 1, MOMENTUM).astype(x.dtype)
    towards = ball.project(x + step[:, None] * ball.direction(gradient))
    following = ball.project(x + share * (towards - x) + (1 - share) * (x - state.previous))
    return state._replace(
        x=following,
        previous=x,
        best=best,
        best_gradient=best_gradient,
        best_loss=best_loss,
        last_loss=jnp.where(first, 0, loss),
        checked_loss=jnp.where(now, best_loss, checked),
        increases=jnp.where(now, 0, increases),
        step=step,
        halved=jnp.where(now, halve, state.halved),
    )


def windows(steps: int) -> Integer[Array, " points"]:
    """Of each of the ``steps + 1`` points how many steps its checkpoint judges; 0 for none.

    Example:
        >>> windows(10).tolist()
        [0, 0, 2, 1, 1, 1, 1, 1, 1, 1, 1]
    """
    at = checkpoints(steps)
    lengths = [b - a for a, b in zip([0, *at[:-1]], at, strict=True)]
    return jnp.zeros(steps + 1, int).at[jnp.asarray(at)].set(jnp.asarray(lengths))


def ascend(
    evaluate: Evaluate,
    y: Integer[Array, " n"],
    ball: Ball,
    start: Float[Array, "n d"],
    steps: int,
    inside: Bool[Array, " n"],
    until_success: bool = True,
) -> Ascent:
    """Ascend for so many steps, or until every row is done.

    Arguments as for `begin` and `advance`. ``best`` of the result has the largest loss found,
    which is what adversarial training takes.

    Example:
        >>> ball = Ball(jnp.zeros((1, 2)), 1.0, "l2", None)
        >>> everyone, y = jnp.ones(1, bool), jnp.array([0])
        >>> evaluate = of_logits(lambda x: x, lambda z: z[:, 1] - z[:, 0])
        >>> at = ascend(evaluate, y, ball, ball.centre, 50, everyone, False)
        >>> bool(jnp.allclose(at.best, jnp.array([[-(0.5**0.5), 0.5**0.5]]))), int(at.gradients[0])
        (True, 51)
    """
    kind = jax.eval_shape(evaluate, start)[1].dtype
    lengths = windows(steps)

    def going(carry):
        i, state = carry
        return (i <= steps) & ~jnp.all(state.done)

    def one(carry):
        i, state = carry
        return i + 1, advance(evaluate, y, ball, i, lengths[i], state, until_success)

    begun = begin(start, ball, kind, inside)
    return jax.lax.while_loop(going, one, (jnp.asarray(0), begun))[1]
