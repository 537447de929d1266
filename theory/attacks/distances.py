"""How far away the plane is on which two linear logits are equal: with no box, and in one.

With g = z_y − z_j of a sample and a = ∇g the plane is {x + δ : g + ⟨a, δ⟩ = 0}.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from theory.attacks.balls import AnyNorm, Box, Rows, norms, unit

Values = Float[Array, " n"]

DUAL: dict[str, AnyNorm] = {"linf": "l1", "l2": "l2", "l1": "linf"}
"""q of 1/p + 1/q = 1 by p."""


def to_plane(g: Values, a: Rows, norm: AnyNorm) -> Values:
    """s = g/‖a‖_q, the least ‖δ‖_p that makes g + ⟨a, δ⟩ ≤ 0.

    0 where g ≤ 0 already, and infinite where a = 0 and no δ does.

    Source: Hölder's inequality, which is an equality at `toward_plane`.

    Example:
        >>> g, a = jnp.array([3.0]), jnp.array([[3.0, 4.0]])
        >>> [round(float(to_plane(g, a, norm)[0]), 4) for norm in ("linf", "l2", "l1")]
        [0.4286, 0.6, 0.75]
    """
    return _ratio(g, norms(a, DUAL[norm]))


def toward_plane(a: Rows, norm: AnyNorm) -> Rows:
    """The step of ‖·‖_p = 1 along which ⟨a, ·⟩ falls most, by ‖a‖_q.

    Example:
        >>> toward_plane(jnp.array([[3.0, -4.0]]), "l1").tolist()
        [[0.0, 1.0]]
    """
    if norm == "linf":
        return -jnp.sign(a)
    if norm == "l2":
        return -unit(a)
    largest = jnp.arange(a.shape[1])[None] == jnp.argmax(jnp.abs(a), axis=1)[:, None]
    return jnp.where(largest, -jnp.sign(a), 0)


def to_plane_in_box(g: Values, a: Rows, x: Rows, box: Box) -> Values:
    """The least ‖δ‖_∞ that makes g + ⟨a, δ⟩ ≤ 0 with x + δ in a box; infinite if none does.

    A step of r takes coordinate i by min(r, room_i) towards where ⟨a, ·⟩ falls, which lowers g by
    φ(r) = Σ_i |a_i| min(r, room_i): increasing, concave, with kinks at the rooms. Between the
    kinks on either side of φ(r) = g it is linear, and r exact.

    Args:
        g, a: margin and its gradient.
        x: in the box.
        box: lowest and highest value.

    Example:
        >>> a, x = jnp.array([[1.0, 1.0]]), jnp.array([[0.1, 0.9]])
        >>> g = jnp.array([0.2]), jnp.array([0.5]), jnp.array([1.5])
        >>> [round(float(to_plane_in_box(each, a, x, (0, 1))[0]), 4) for each in g]
        [0.1, 0.4, inf]
    """
    low, high = box
    # A coordinate that g does not depend on has no part in either sum.
    room = jnp.where(a > 0, x - low, jnp.where(a < 0, high - x, 0))
    order = jnp.argsort(room, axis=1)
    room, size = (jnp.take_along_axis(each, order, axis=1) for each in (room, jnp.abs(a)))
    still = jnp.cumsum(size[:, ::-1], axis=1)[:, ::-1]  # Σ_{i≥m} |a_i|
    stopped = jnp.cumsum(size * room, axis=1) - size * room  # Σ_{i<m} |a_i| room_i
    reached = stopped + room * still >= g[:, None]
    first = jnp.argmax(reached, axis=1)[:, None]
    rest, left = (jnp.take_along_axis(each, first, axis=1)[:, 0] for each in (stopped, still))
    r = jnp.where(jnp.any(reached, axis=1), _ratio(g - rest, left), jnp.inf)
    return jnp.where(g > 0, r, 0)


def _ratio(g: Values, slope: Values) -> Values:
    """g/slope, 0 where g is not positive, and else infinite where the slope is 0."""
    far = jnp.where(slope > 0, g / jnp.where(slope > 0, slope, 1), jnp.inf)
    return jnp.where(g > 0, far, 0)
