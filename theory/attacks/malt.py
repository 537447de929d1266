"""MALT: targeted APGD on the classes that would be nearest were the logits linear.

Source: Melamed, Yehudai and Shamir, arXiv 2407.02240, Algorithm 1.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
from jaxtyping import Array, Key

from theory.attacks.apgd import run
from theory.attacks.balls import Norm
from theory.attacks.checks import check_attack, numbers, prepared, warn_of_probabilities
from theory.attacks.losses import Loss, defined
from theory.attacks.result import Attacked, attacked
from theory.attacks.survivors import Split, folded, keys_of, split, stand
from theory.attacks.targets import Order, aimed

STATIC = ("rest", "loss", "norm", "order", "candidates", "targets", "steps", "batch")


@partial(jax.jit, static_argnames=STATIC)
def _malt(
    arrays, key, x, y, *, rest, loss, eps, norm, box, candidates, targets, order, steps, batch
):  # fmt: skip
    f = Split(arrays, rest).joined(x.shape[1:])
    rows, keys = x.reshape(len(x), -1), keys_of(key, len(x))
    standing, z = stand(f, rows, y, batch)
    standing, aims = aimed(
        *(f, standing, rows, y, z, folded(keys, targets)), order=order, norm=norm, box=box,
        candidates=candidates, targets=targets, batch=batch,
    )  # fmt: skip

    def one(t, standing):
        aim, start = aims[:, t], folded(keys, t)
        return run(
            *(f, loss, standing, rows, y, aim, start),
            eps=eps, norm=norm, box=box, steps=steps, batch=batch,
        )  # fmt: skip

    return jax.lax.fori_loop(0, targets, one, standing), z


def malt(
    logits: Callable[[Any], Any],
    key: Key[Array, ""],
    x: Any,
    y: Any,
    eps: Any = 8 / 255,
    norm: Norm = "linf",
    candidates: int = 100,
    targets: int = 9,
    steps: int = 100,
    box: tuple[float, float] | None = (0.0, 1.0),
    *,
    loss: Loss = "dlr",
    order: Order = "malt",
    batch: int = 256,
) -> Attacked:
    """Attack by targeted APGD, one class after the other, the nearest by MALT's score first.

    One program per shape, as of `apgd`, whatever the number of targets.

    Args:
        logits, key, x, y, eps, norm, steps, box, loss, batch: as of `apgd`.
        candidates: how many classes of the largest logits are scored, at most K − 1.
        targets: how many of them are aimed at, with 1 run of APGD each, at most as many.
        order: in which they are.

    Returns:
        What `apgd` does. ``candidates`` and ``targets`` say how many there were, and ``runs`` of a
        success is the rank of its target.

    Raises:
        ValueError: as `apgd` does; also for the order ``box`` without a box, or in L2.

    Source: Melamed, Yehudai and Shamir (arXiv 2407.02240), Algorithm 1. A class without gradient
        comes last, any misclassification succeeds, and inputs that are misclassified already are
        counted, not attacked.

    Example:
        >>> from theory.networks import mlp
        >>> net = mlp(jax.random.key(0), (4, 16, 5))
        >>> x = jax.random.uniform(jax.random.key(1), (6, 4))
        >>> found = malt(net.logits, jax.random.key(2), x, net.logits(x).argmax(1), eps=0.3)
        >>> found.targets, bool(found.success.any())
        (4, True)
    """
    x, y, classes = prepared(logits, x, y, box)
    counts = {"candidates": candidates, "targets": targets, "steps": steps, "batch": batch}
    check_attack(eps=eps, norm=norm, loss=loss, order=order, **counts)
    if order == "box" and (box is None or norm != "linf"):
        raise ValueError("the order 'box' needs a box and norm 'linf', of which alone it is exact")
    candidates = min(candidates, classes - 1)
    targets = min(targets, candidates)
    used = defined(loss, classes, targeted=True)
    parts = split(logits)
    standing, z = _malt(
        *(parts.arrays, key, x, y),
        rest=parts.rest, loss=used, order=order, candidates=candidates, targets=targets,
        **numbers(x, eps, box), norm=norm, steps=steps, batch=batch,
    )  # fmt: skip
    warn_of_probabilities(z)
    return attacked(standing, x, used, candidates, targets)
