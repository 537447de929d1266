"""Auto-PGD on the samples still standing, from a random start.

Source: Croce and Hein (arXiv 2003.01690), see `theory.attacks.ascent`.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Integer, Key

from theory.attacks.ascent import Ascent, ascend, of_logits
from theory.attacks.balls import Ball, Box, Norm
from theory.attacks.checks import (
    check_attack,
    check_targets,
    numbers,
    prepared,
    warn_of_probabilities,
)
from theory.attacks.losses import TARGETED, UNTARGETED, Loss, defined
from theory.attacks.result import Attacked, attacked
from theory.attacks.survivors import (
    Function,
    Split,
    Standing,
    folded,
    keys_of,
    on_rows,
    split,
    stand,
)


def run(
    f: Function,
    loss: Loss,
    standing: Standing,
    x: Float[Array, "n d"],
    y: Integer[Array, " n"],
    target: Integer[Array, " n"] | None,
    keys: Key[Array, " n"],
    *,
    eps: Float[Array, ""],
    norm: Norm,
    box: Box | None,
    steps: int,
    batch: int,
    until_success: bool = True,
) -> Standing:
    """One run of APGD from random starts on the samples still standing; traceable, unchecked.

    Args:
        f: logits of rows.
        loss: defined for as many classes as there are.
        standing: what was found before.
        x: inputs.
        y, target: labels, and classes to aim at or None.
        keys: of the starts.
        eps, norm, box, steps, batch, until_success: as in `apgd`.
    """

    def update(standing, given, inside):
        x, y, target, keys = given
        ball = Ball(x, eps, norm, box)
        if target is None:
            objective = partial(_flipped(UNTARGETED[loss]), y)
        else:
            objective = partial(_flipped(TARGETED[loss]), y, target)
        evaluate, start = of_logits(f, objective), ball.draw(keys)
        end = ascend(evaluate, y, ball, start, steps, inside, until_success)
        return after(standing, end, jnp.full_like(y, -1) if target is None else target)

    return on_rows(update, standing.alive, standing, (x, y, target, keys), batch)


def after(standing: Standing, end: Ascent, aimed: Integer[Array, " n"]) -> Standing:
    """What is known of rows when an ascent has ended.

    Args:
        standing: before it.
        end: of the ascent.
        aimed: the class that it aimed at, −1 for none.
    """
    return standing._replace(
        inputs=jnp.where(end.found[:, None], end.adversarial, standing.inputs),
        success=standing.success | end.found,
        target=jnp.where(end.found, aimed.astype(int), standing.target),
        runs=standing.runs + 1,
        gradients=standing.gradients + end.gradients,
        forwards=standing.forwards + end.gradients,
        zero_gradients=standing.zero_gradients + end.zero_gradients,
    )


def _flipped(loss):
    """The logits last, so that labels and targets can be bound."""
    return lambda *classes_and_logits: loss(classes_and_logits[-1], *classes_and_logits[:-1])


STATIC = ("rest", "loss", "norm", "steps", "restarts", "batch", "until_success")


@partial(jax.jit, static_argnames=STATIC)
def _apgd(arrays, key, x, y, target, *, rest, batch, loss, restarts, **options):
    f = Split(arrays, rest).joined(x.shape[1:])
    rows = x.reshape(len(x), -1)
    standing, z = stand(f, rows, y, batch)
    keys = keys_of(key, len(x))

    def one(r, standing):
        start = folded(keys, r)
        return run(f, loss, standing, rows, y, target, start, batch=batch, **options)

    return jax.lax.fori_loop(0, restarts, one, standing), z


def apgd(
    logits: Callable[[Any], Any],
    key: Key[Array, ""],
    x: Any,
    y: Any,
    eps: Any = 8 / 255,
    norm: Norm = "linf",
    loss: Loss = "dlr",
    targets: Any = None,
    steps: int = 100,
    box: tuple[float, float] | None = (0.0, 1.0),
    *,
    restarts: int = 1,
    batch: int = 256,
    until_success: bool = True,
) -> Attacked:
    """Attack by Auto-PGD from random starts, each on the samples that those before left.

    Compiled once for all inputs of one shape and every ε, box and weights: pass the same function,
    or a pytree that can be called, or the method of one, such as ``net.logits``.

    Args:
        logits: ``logits(x)``, any JAX function ``(m, ...) -> (m, K)`` of a batch by rows.
        key: of the starts. Each sample has its own, whatever the batch.
        x: inputs ``(n, ...)``, floating-point.
        y: labels ``(n,)`` or ``(n, 1)``, integers of any kind.
        eps: largest norm of the perturbation.
        norm: "linf" or "l2".
        loss: "ce", "dlr" or "margin", which ``dlr`` becomes for fewer than 3 classes, 4 if
            targeted; the result says so.
        targets: a class to aim at for each sample. Success is any misclassification.
        steps: of the ascent, which evaluates one point more.
        box: lowest and highest value of an input; None for no box.
        restarts: how many starts.
        batch: samples evaluated at a time, which bounds the memory.
        until_success: whether a sample is let be once it is misclassified. If not, all steps are
            taken and the last misclassified point is kept, as in the reference.

    Returns:
        The inputs after the attack, which of them succeeded, and what it cost. The norm of a
        perturbation exceeds ε by rounding alone: a few ulps of ε and of the largest input.

    Raises:
        ValueError: for inputs, labels, targets or options that cannot be.

    Source: Croce and Hein 2020 (arXiv 2003.01690), Algorithm 1.

    Example:
        >>> from theory.networks import mlp
        >>> net = mlp(jax.random.key(0), (4, 16, 3))
        >>> x = jax.random.uniform(jax.random.key(1), (5, 4))
        >>> y = net.logits(x).argmax(1)
        >>> found = apgd(net.logits, jax.random.key(2), x, y, eps=0.5)
        >>> bool(jnp.all((net.logits(found.inputs).argmax(1) != y) == found.success))
        True
    """
    x, y, classes = prepared(logits, x, y, box)
    check_attack(eps=eps, norm=norm, loss=loss, steps=steps, restarts=restarts, batch=batch)
    if targets is not None:
        targets = check_targets(targets, y, classes)
    used = defined(loss, classes, targets is not None)
    parts = split(logits)
    standing, z = _apgd(
        parts.arrays,
        key,
        x,
        y,
        targets,
        rest=parts.rest,
        loss=used,
        **numbers(x, eps, box),
        norm=norm,
        steps=steps,
        restarts=restarts,
        batch=batch,
        until_success=until_success,
    )
    warn_of_probabilities(z)
    return attacked(standing, x, used, targets=int(targets is not None))
