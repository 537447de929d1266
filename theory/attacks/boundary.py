"""How far the decision boundary is along a direction in which it was crossed."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Integer

from theory.attacks.losses import misclassified
from theory.bisection import bisect


class Crossing(NamedTuple):
    """A point of the boundary between each input and a misclassified point, from both sides.

    Attributes:
        share: of the way, the least found to be misclassified; 1 where there was none.
        inputs: misclassified points there.
        gap: shares between which the boundary lies.
    """

    share: Float[Array, " n"]
    inputs: Float[Array, "n ..."]
    gap: Float[Array, " n"]


def crossing(
    logits: Callable[[Any], Any],
    x: Float[Array, "n ..."],
    y: Integer[Array, " n"],
    found: Float[Array, "n ..."],
    halvings: int = 40,
) -> Crossing:
    """Bisect the segment from each input to a point that is misclassified.

    Where the segment crosses the boundary several times, one of the crossings.

    Args:
        logits: of a batch.
        x, y: inputs and labels, classified right.
        found: misclassified points, as an attack returns them; others come back as they are.
        halvings: evaluations; the gap is 2^−halvings.

    Example:
        >>> x, found = jnp.array([[1.0, 0.0]]), jnp.array([[0.0, 1.0]])
        >>> at = crossing(lambda x: x, x, jnp.array([0]), found)
        >>> round(float(at.share[0]), 6), bool(at.inputs[0, 1] > at.inputs[0, 0])
        (0.5, True)
    """
    wide = (len(x), *[1] * (x.ndim - 1))

    def point(share):
        return jnp.where(share.reshape(wide) == 1, found, x + share.reshape(wide) * (found - x))

    def missed(share) -> Bool[Array, " n"]:
        return misclassified(logits(point(share)), y)

    one = jnp.ones(len(x), x.dtype)
    low, high = bisect(missed, 0 * one, one, halvings)
    there = missed(one)
    share, gap = jnp.where(there, high, 1), jnp.where(there, high - low, 1)
    return Crossing(share, point(share), gap)
