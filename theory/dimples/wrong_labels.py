"""Training sets of claim 5: adversarial images with targets that are not their classes."""

from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Integer, Key

from theory.attacks.ascent import ascend, of_logits
from theory.attacks.balls import Ball, Rows, norms, unit
from theory.attacks.losses import targeted_cross_entropy
from theory.attacks.survivors import Function
from theory.theorem import Number

Targets = Literal["random", "next"]


def targets(
    kind: Targets, key: Key[Array, ""], y: Integer[Array, " n"], classes: int
) -> Integer[Array, " n"]:
    """Classes other than y: the next one, or any other at random.

    Example:
        >>> y = jnp.array([0, 1, 2])
        >>> targets("next", jax.random.key(0), y, 3).tolist()
        [1, 2, 0]
        >>> bool(jnp.any(targets("random", jax.random.key(0), y, 3) == y))
        False
    """
    away = 1 if kind == "next" else jax.random.randint(key, y.shape, 1, classes)
    return (y + away) % classes


@partial(jax.jit, static_argnames="steps")
def aimed(
    f: Function, x: Rows, target: Integer[Array, " n"], radius: Number, *, steps: int
) -> tuple[Rows, Float[Array, ""]]:
    """Images within an L∞ radius that f takes for their targets, and the share that it does.

    Args:
        f: logits of rows, a pytree.
        x: rows in [0, 1].
        target: classes to be taken for.
        radius: of the ball.
        steps: of APGD on the cross-entropy of the target, all of which are taken.

    Example:
        >>> f = jax.tree_util.Partial(lambda x: x)
        >>> x = jnp.array([[0.6, 0.4]])
        >>> found, share = aimed(f, x, jnp.array([1]), 0.2, steps=9)
        >>> float(share), bool(found[0, 1] > found[0, 0])
        (1.0, True)
    """
    evaluate = of_logits(f, lambda z: targeted_cross_entropy(z, target, target))
    ball = Ball(x, jnp.asarray(radius, x.dtype), "linf", (0.0, 1.0))
    everyone = jnp.ones(len(x), bool)
    found = ascend(evaluate, target, ball, x, steps, everyone, until_success=False).best
    return found, jnp.mean(jnp.argmax(f(found), axis=1) == target)


def controls(key: Key[Array, ""], x: Rows, found: Rows) -> dict[str, Rows]:
    """What else may be trained on: images, with noise as long as the perturbations, or these alone.

    Example:
        >>> x, found = jnp.array([[0.5, 0.5]]), jnp.array([[0.5, 0.75]])
        >>> controls(jax.random.key(0), x, found)["perturbations alone"].tolist()
        [[0.5, 0.75]]
    """
    change = found - x
    noise = unit(jax.random.normal(key, x.shape, x.dtype))
    return {
        "the images": x,
        "images with noise": jnp.clip(x + norms(change, "l2")[:, None] * noise, 0, 1),
        "perturbations alone": 0.5 + change,
    }
