"""Attacks on a defended classifier that know more of the defence from rung to rung.

Source: the ladder that Croce et al. 2022 (arXiv 2202.13711) ask of test-time defences.
"""

from collections.abc import Iterable
from dataclasses import replace
from functools import partial
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Key

from theory.attacks.apgd import after, apgd
from theory.attacks.ascent import ascend
from theory.attacks.balls import Ball, Norm
from theory.attacks.checks import check_attack, numbers, prepared
from theory.attacks.losses import margin, wide
from theory.attacks.malt import malt
from theory.attacks.result import Attacked, attacked
from theory.attacks.square import square
from theory.attacks.survivors import Split, folded, keys_of, on_rows, split, stand
from theory.energy.conditions import log_ratio
from theory.energy.et3 import Defended

Rung = Literal["transfer", "identity", "unrolled", "breaking", "square"]
"""What an attack knows of the defence:

* ``transfer``: nothing; what fells the classifier alone is given to the defended one;
* ``identity``: its output, with gradients as if it changed nothing (BPDA);
* ``unrolled``: all of it, gradients flow through its steps;

these three by APGD on the cross-entropy, then targeted on the ratio of logits;

* ``breaking``: its theorem besides; log[e_h‖g_h‖/(e_t‖g_t‖)] is ascended with the margin;
* ``square``: its scores alone, so that masked gradients do not help it.
"""

RUNGS: tuple[Rung, ...] = get_args(Rung)

STATIC = ("rest", "norm", "steps", "restarts", "batch")


@partial(jax.jit, static_argnames=("rest", "batch"))
def _given(arrays, x, y, points, *, rest, batch):
    """The defended classifier on points that others found: whether one fells it, and which."""
    by = Split(arrays, rest).joined(x.shape[1:])
    standing, _ = stand(by, x.reshape(len(x), -1), y, batch)
    for found in points:
        rows = found.reshape(len(x), -1)
        fell = standing.alive & stand(by, rows, y, batch)[0].misclassified
        standing = standing._replace(
            inputs=jnp.where(fell[:, None], rows, standing.inputs),
            success=standing.success | fell,
            runs=standing.runs + 1,
            forwards=standing.forwards + 1,
        )
    return standing


@partial(jax.jit, static_argnames=STATIC)
def _breaking(arrays, key, x, y, *, rest, eps, norm, box, steps, restarts, batch):
    by: Any = Split(arrays, rest).whole()
    f = Split(arrays, rest).joined(x.shape[1:])

    def alone(rows):
        return by.logits(rows.reshape(len(rows), *x.shape[1:]))

    rows, keys = x.reshape(len(x), -1), keys_of(key, len(x))
    standing, _ = stand(f, rows, y, batch)

    def update(standing, given, inside):
        x, y, keys = given

        def evaluate(x):
            z = wide(f(x))
            return z, margin(z, y) + log_ratio(alone, x, y)

        ball = Ball(x, eps, norm, box)
        end = ascend(evaluate, y, ball, ball.draw(keys), steps, inside)
        return after(standing, end, jnp.full_like(y, -1))

    def one(r, standing):
        return on_rows(update, standing.alive, standing, (rows, y, folded(keys, r)), batch)

    return jax.lax.fori_loop(0, restarts, one, standing)


def climb(
    rung: Rung,
    defence: Defended,
    key: Key[Array, ""],
    x: Any,
    y: Any,
    eps: Any = 8 / 255,
    norm: Norm = "linf",
    *,
    steps: int = 50,
    restarts: int = 2,
    targets: int = 5,
    queries: int = 500,
    batch: int = 256,
) -> Attacked:
    """One rung of the ladder, on all inputs that the defended classifier has right.

    Args:
        rung: which.
        defence: the defended classifier, and its box.
        key, x, y, eps, norm, batch: as of `theory.attacks.apgd`.
        steps: of APGD.
        restarts: random starts of APGD.
        targets: classes aimed at, those of the largest logits.
        queries: of ``square``.

    Returns:
        What became of the *defended* classifier, evaluated again at the points found. An input on
        which the classifier alone is wrong already is not attacked by ``transfer``, and stays.

    Raises:
        ValueError: as `theory.attacks.apgd` and `Defended` do, or for another rung.

    Example:
        >>> from theory.networks import mlp
        >>> net = mlp(jax.random.key(0), (4, 16, 5))
        >>> x = jax.random.uniform(jax.random.key(1), (6, 4))
        >>> by = Defended(net.logits, 0.1, 0.05)
        >>> y = by(x).argmax(1)
        >>> bool(climb("unrolled", by, jax.random.key(2), x, y, eps=0.4, steps=9).success.any())
        True
    """
    if rung not in RUNGS:
        raise ValueError(f"rung is {rung!r} and must be one of {RUNGS}")
    options: dict[str, Any] = {"eps": eps, "norm": norm, "box": defence.box, "batch": batch}
    if rung == "square":
        return square(defence, key, x, y, queries=queries, **options)
    x, y, _ = prepared(defence, x, y, defence.box)
    parts = split(defence)
    if rung != "breaking":
        seen = defence.logits if rung == "transfer" else replace(defence, backward=rung)
        options |= {"steps": steps}
        first = apgd(seen, key, x, y, loss="ce", restarts=restarts, **options)
        second = malt(seen, key, x, y, order="logits", targets=targets, **options)
        points = first.inputs, second.inputs
        standing = _given(parts.arrays, x, y, points, rest=parts.rest, batch=batch)
        gradients = first.gradients + second.gradients
        return attacked(standing._replace(gradients=gradients), x, second.loss)
    check_attack(eps=eps, norm=norm, steps=steps, restarts=restarts, batch=batch)
    standing = _breaking(
        *(parts.arrays, key, x, y), rest=parts.rest, **numbers(x, eps, defence.box), norm=norm,
        steps=steps, restarts=restarts, batch=batch,
    )  # fmt: skip
    return attacked(standing, x, "margin and ratio")


def ladder(
    defence: Defended, key: Key[Array, ""], x: Any, y: Any, eps: Any = 8 / 255, **options: Any
) -> dict[Rung, Attacked]:
    """Every rung, each on all inputs; arguments as of `climb`.

    The same with ``defence.alone()`` is what the classifier is worth without the defence: compare
    `kept` of both.

    Example:
        >>> from theory.networks import mlp
        >>> net = mlp(jax.random.key(0), (4, 16, 5))
        >>> x = jax.random.uniform(jax.random.key(1), (6, 4))
        >>> by, y = Defended(net.logits, 0.1, 0.05), net.logits(x).argmax(1)
        >>> few = {"steps": 3, "queries": 9}
        >>> kept(ladder(by, jax.random.key(2), x, y, eps=0.2, **few).values()).shape
        (6,)
    """
    keys = jax.random.split(key, len(RUNGS))
    return {
        rung: climb(rung, defence, each, x, y, eps, **options)
        for rung, each in zip(RUNGS, keys, strict=True)
    }


def kept(found: Iterable[Attacked]) -> Bool[Array, " n"]:
    """Which inputs are right, and stay so under every attack: the worst case of each.

    Logits that are NaN are not right at an input, and at points that attacks come to no success.

    Example:
        >>> from theory.attacks import apgd
        >>> x, y = jnp.array([[0.6, 0.5], [0.5, 0.6]]), jnp.array([0, 0])
        >>> kept([apgd(lambda x: x, jax.random.key(0), x, y, eps=0.01)]).tolist()
        [True, False]
    """
    right = [~(one.success | one.misclassified | one.invalid) for one in found]
    return jnp.all(jnp.stack(right), axis=0)


def published(
    defence: Defended, key: Key[Array, ""], x: Any, y: Any, eps: Any = 8 / 255, **options: Any
) -> Bool[Array, " n"]:
    """Which inputs the paper's protocol calls kept: right, and right under transferred and
    identity-gradient attacks of targeted APGD; arguments as of `theory.attacks.malt`.

    Example:
        >>> from theory.networks import mlp
        >>> net = mlp(jax.random.key(0), (4, 16, 5))
        >>> x = jax.random.uniform(jax.random.key(1), (6, 4))
        >>> by, y = Defended(net.logits, 0.1, 0.05), net.logits(x).argmax(1)
        >>> published(by, jax.random.key(2), x, y, eps=0.01, steps=3, targets=2).shape
        (6,)
    """
    options |= {"eps": eps, "order": "logits"}
    given = malt(defence.logits, key, x, y, **options).inputs
    found = malt(replace(defence, backward="identity"), key, x, y, **options)
    return kept([found]) & (defence(given).argmax(axis=1) == y)
