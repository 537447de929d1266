"""Which classes to aim at, and in which order.

Source: Melamed, Yehudai and Shamir, arXiv 2407.02240, Section 3 (MALT); the order by logits is
that of AutoAttack (Croce and Hein 2020), the score that of DeepFool (Moosavi-Dezfooli et al. 2016).
"""

from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Integer, Key

from theory.attacks.balls import AnyNorm, Box, Norm, norms
from theory.attacks.distances import DUAL, to_plane, to_plane_in_box
from theory.attacks.losses import bounded, of_class, wide, without
from theory.attacks.survivors import Function, Standing, on_rows

Order = Literal["malt", "logits", "random", "gradient", "box"]
"""Classes come first of which the score is lowest:

* ``malt``: (z_y − z_j)/‖∇(z_y − z_j)‖_q, the distance were the logits linear;
* ``logits``: z_y − z_j, the naive order;
* ``random``: uniform, for each sample another;
* ``gradient``: −‖∇(z_y − z_j)‖_q, half of MALT's score;
* ``box``: the distance were the logits linear, inside the box; for L∞ alone.
"""

SCORED = ("malt", "gradient", "box")
"""The orders that take a gradient for every candidate."""


def scores(
    f: Function,
    x: Float[Array, "n d"],
    y: Integer[Array, " n"],
    classes: Integer[Array, "n candidates"],
    *,
    order: Order,
    norm: AnyNorm,
    box: Box | None,
) -> Float[Array, "n candidates"]:
    """The score of each candidate class, from one forward pass and a backward pass for each.

    A class of no gradient is infinitely far; the published code ranks it first.

    Args:
        f: logits of rows.
        x, y: inputs and labels.
        classes: to score.
        order: one of `SCORED`.
        norm: of the attack, p.
        box: of ``box``, which needs one.

    Example:
        >>> x, y = jnp.array([[1.0, 0.0, 0.5]]), jnp.array([0])
        >>> steep = lambda x: x * jnp.array([[1.0, 9.0, 1.0]])
        >>> options = {"order": "malt", "norm": "linf", "box": None}
        >>> scores(steep, x, y, jnp.array([[1, 2]]), **options).round(2).tolist()
        [[0.1, 0.25]]
    """
    z, pull = jax.vjp(f, x)
    labels = jnp.arange(z.shape[1], dtype=y.dtype)[None]
    own = (labels == y[:, None]).astype(z.dtype)

    def one(classes):
        gradient = pull(own - (labels == classes[:, None]).astype(z.dtype))[0]
        gradient = jnp.nan_to_num(gradient)
        finite = bounded(wide(z))
        gap = (of_class(finite, y) - of_class(finite, classes)).astype(x.dtype)
        if order == "gradient":
            return -norms(gradient, DUAL[norm])
        if order == "box" and box is not None:
            return to_plane_in_box(gap, gradient, x, box)
        return to_plane(gap, gradient, norm)

    return jax.lax.map(one, classes.T.astype(y.dtype)).T


def aimed(
    f: Function,
    standing: Standing,
    x: Float[Array, "n d"],
    y: Integer[Array, " n"],
    z: Float[Array, "n classes"],
    keys: Key[Array, " n"],
    *,
    order: Order,
    norm: Norm,
    box: Box | None,
    candidates: int,
    targets: int,
    batch: int,
) -> tuple[Standing, Integer[Array, "n targets"]]:
    """The classes to aim at of the samples still standing, in order, with what scoring cost.

    Args:
        f: logits of rows.
        standing: who is left, charged a gradient for each candidate where the order takes one.
        x, y, z: inputs, labels and logits.
        keys: of the random order.
        order, norm, box: as of `scores`.
        candidates: how many classes of the largest logits are scored, at most K − 1.
        targets: how many of them are aimed at.
        batch: rows at a time.

    Example:
        >>> from theory.attacks.survivors import keys_of, stand
        >>> x, y = jnp.array([[1.0, 0.0, 0.5]]), jnp.array([0])
        >>> steep = lambda x: x * jnp.array([[1.0, 9.0, 1.0]])
        >>> standing, z = stand(steep, x, y, batch=1)
        >>> options = {"norm": "linf", "box": None, "candidates": 2, "targets": 2, "batch": 1}
        >>> given = (steep, standing, x, y, z, keys_of(jax.random.key(0), 1))
        >>> [aimed(*given, order=order, **options)[1].tolist() for order in ("malt", "logits")]
        [[[1, 2]], [[2, 1]]]
    """
    largest = jax.lax.top_k(without(bounded(z), y), candidates)[1].astype(y.dtype)
    if order == "logits":
        return standing, largest[:, :targets]
    if order == "random":
        ranks = jax.vmap(lambda key: jax.random.permutation(key, candidates))(keys)
        return standing, jnp.take_along_axis(largest, ranks, axis=1)[:, :targets]

    def update(state, given, inside):
        standing, _ = state
        x, y, classes = given
        score = scores(f, x, y, classes, order=order, norm=norm, box=box)
        # Stable: of equal scores the larger logit comes first.
        ranks = jnp.argsort(score, axis=1, stable=True)
        charged = standing._replace(
            gradients=standing.gradients + candidates, forwards=standing.forwards + 1
        )
        return charged, jnp.take_along_axis(classes, ranks, axis=1)

    state = on_rows(update, standing.alive, (standing, largest), (x, y, largest), batch)
    return state[0], state[1][:, :targets]
