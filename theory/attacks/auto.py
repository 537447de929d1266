"""The part of AutoAttack that is here: APGD-CE, targeted APGD, Square, in its order; no FAB.

Source: Croce and Hein 2020 (arXiv 2003.01690), Section 5.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
from jaxtyping import Array, Key

from theory.attacks.apgd import run
from theory.attacks.balls import Norm
from theory.attacks.checks import check_attack, numbers, prepared, warn_of_probabilities
from theory.attacks.losses import defined
from theory.attacks.result import Attacked, attacked
from theory.attacks.square import Grid, check_grid, search_all
from theory.attacks.survivors import Split, folded, keys_of, split, stand
from theory.attacks.targets import aimed


@partial(jax.jit, static_argnames=("rest", "loss", "norm", "targets", "steps", "queries", "batch"))
def _auto(
    arrays, key, x, y, *, rest, loss, eps, norm, box, targets, steps, queries, batch
):  # fmt: skip
    f = Split(arrays, rest).joined(x.shape[1:])
    rows, keys = x.reshape(len(x), -1), keys_of(key, len(x))
    ball = {"eps": eps, "norm": norm, "box": box, "batch": batch}
    standing, z = stand(f, rows, y, batch)
    first = folded(keys, targets)
    standing = run(f, "ce", standing, rows, y, None, first, steps=steps, **ball)
    standing, aims = aimed(
        *(f, standing, rows, y, z, keys), order="logits", norm=norm, box=box,
        candidates=targets, targets=targets, batch=batch,
    )  # fmt: skip

    def one(t, standing):
        aim, start = aims[:, t], folded(keys, t)
        return run(f, loss, standing, rows, y, aim, start, steps=steps, **ball)

    standing = jax.lax.fori_loop(0, targets, one, standing)
    last, grid = folded(keys, targets + 1), Grid.of(x.shape[1:])
    return search_all(f, standing, rows, y, last, grid, queries=queries, **ball), z


def auto(
    logits: Callable[[Any], Any],
    key: Key[Array, ""],
    x: Any,
    y: Any,
    eps: Any = 8 / 255,
    norm: Norm = "linf",
    targets: int = 9,
    steps: int = 100,
    queries: int = 5000,
    box: tuple[float, float] | None = (0.0, 1.0),
    *,
    batch: int = 256,
) -> Attacked:
    """Attack by APGD on the cross-entropy, then targeted APGD, then Square: most of AutoAttack.

    AutoAttack has FAB between the last two. Each takes the samples that those before left.

    Args:
        logits, key, x, y, eps, norm, steps, box, batch: as of `apgd`.
        targets: classes of the largest logits to aim at, at most K − 1.
        queries: of Square.

    Returns:
        What `apgd` does. ``runs`` counts attacks and targets: 1 for a success of the first,
        ``targets`` + 2 for one of Square.

    Raises:
        ValueError: as `square` does.

    Example:
        >>> from theory.networks import mlp
        >>> net = mlp(jax.random.key(0), (4, 16, 5))
        >>> x = jax.random.uniform(jax.random.key(1), (6, 4))
        >>> y = net.logits(x).argmax(1)
        >>> bool(auto(net.logits, jax.random.key(2), x, y, eps=0.3, queries=50).success.any())
        True
    """
    x, y, classes = prepared(logits, x, y, box)
    counts = {"targets": targets, "steps": steps, "queries": queries, "batch": batch}
    check_attack(eps=eps, norm=norm, **counts)
    check_grid(x)
    targets = min(targets, classes - 1)
    used = defined("dlr", classes, targeted=True)
    parts = split(logits)
    standing, z = _auto(
        *(parts.arrays, key, x, y),
        rest=parts.rest, loss=used, targets=targets, **numbers(x, eps, box), norm=norm,
        steps=steps, queries=queries, batch=batch,
    )  # fmt: skip
    warn_of_probabilities(z)
    return attacked(standing, x, used, targets, targets)
