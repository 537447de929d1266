"""What a step of unlearning really did, read off the weights before and after it.

A theorem about a step says nothing of a network that stayed where it was, or went elsewhere.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

MOVED = 0.01
"""The least share of its norm by which a network must have moved to have unlearned anything."""

OFF = 1e-6
"""The largest relative distance of the step from the theorem's at which it is the theorem's."""


def step_taken(
    before: Float[Array, "*weights"],
    after: Float[Array, "*weights"],
    step: Float[Array, "*weights"],
) -> dict[str, Float[Array, ""]]:
    """Margins of two assumptions: that the step moved the weights, and is the theorem's.

    Args:
        before, after: weights before and after the step.
        step: what the theorem takes away from them.

    Example:
        >>> w = jnp.array([3.0, 4.0])
        >>> step_taken(w, 0.5 * w, 0.5 * w)["step moved w"].round(2).item()
        0.49
        >>> step_taken(w, w, 0.5 * w)["β = β*"].round(2).item()
        -1.0
    """
    gone = before - after
    share = jnp.linalg.norm(gone) / jnp.linalg.norm(before)
    off = jnp.linalg.norm(gone - step) / jnp.linalg.norm(step)
    return {"step moved w": share - MOVED, "β = β*": OFF - off}
