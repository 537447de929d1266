"""The distance to the decision boundary along gradients, on a subspace, off it, or anywhere.

Source: Shamir, Melamed and BenShmuel (arXiv 2106.10151), Section 4; with steps that grow by a
constant factor, so that all three distances are found to the same relative precision, and with
bisection, which makes the precision that of rounding.
"""

from collections.abc import Callable
from functools import partial
from typing import Any, Literal, NamedTuple, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Bool, Float, Integer

from theory.attacks.balls import Rows, norms, unit
from theory.attacks.boundary import crossing
from theory.attacks.checks import prepared
from theory.attacks.losses import margin, misclassified, of_class, wide
from theory.attacks.survivors import Split, split
from theory.checks import traced

Side = Literal["std", "on", "off"]
"""Where gradients are projected: nowhere, on the subspace, or off it."""

SIDES: tuple[Side, ...] = get_args(Side)

FIRST, GROWTH = 1e-3, 1.05
"""The first step, in units of the root mean square norm of the inputs that are finite, and how much
each is longer than the one before."""

STEPS = 200
"""At most; the last of them ends 1e-3·1.05²⁰⁰ ≈ 17 such norms away, where all go straight on."""


class Restricted(NamedTuple):
    """What an attack along projected gradients found.

    Attributes:
        inputs: misclassified points on the boundary; where there is none, the inputs.
        distance: to them in L2, infinite where there is none. An upper bound of the distance to
            the boundary in these directions.
        found: whether there is one.
    """

    inputs: Rows
    distance: Float[Array, " n"]
    found: Bool[Array, " n"]


def projected(g: Rows, basis: Float[Array, "n d k"] | Float[Array, "d k"], side: Side) -> Rows:
    """Rows on or off the subspaces that orthonormal columns span: one for all, or for each its own.

    Raises:
        ValueError: another side.

    Example:
        >>> basis = jnp.eye(3)[:, :1]
        >>> [projected(jnp.ones((1, 3)), basis, side).tolist()[0] for side in ("on", "off")]
        [[1.0, 0.0, 0.0], [0.0, 1.0, 1.0]]
    """
    if side not in SIDES:
        raise ValueError(f"side is {side!r} and must be one of {SIDES}")
    if side == "std":
        return g
    basis = jnp.broadcast_to(basis, (len(g), *basis.shape[-2:]))
    on = jnp.einsum("ndk,nd->nk", basis, g)
    on = jnp.einsum("ndk,nk->nd", basis, on)
    return on if side == "on" else g - on


def share_off(
    f: Callable[[Rows], Float[Array, "n classes"]],
    x: Rows,
    y: Integer[Array, " n"],
    basis: Float[Array, "n d k"] | Float[Array, "d k"],
) -> Float[Array, " n"]:
    """‖Π_{P⊥}∇‖/‖∇‖ of the margin of y over the largest other logit: √(1 − k/d) for a random P.

    Example:
        >>> f, basis = lambda x: x[:, :2] * jnp.array([[3.0, 4.0]]), jnp.eye(3)[:, :1]
        >>> round(float(share_off(f, jnp.ones((1, 3)), jnp.array([0]), basis)[0]), 4)  # 4/5
        0.8
    """
    gradient = jax.grad(lambda x: -jnp.sum(margin(f(x), y)))(x)
    return norms(projected(gradient, basis, "off"), "l2") / norms(gradient, "l2")


def follow(
    f: Callable[[Rows], Float[Array, "n classes"]],
    x: Rows,
    y: Integer[Array, " n"],
    basis: Float[Array, "n d k"] | Float[Array, "d k"],
    side: Side,
) -> Restricted:
    """One attack; traceable and unchecked. Arguments as of `restricted`, rows for inputs."""

    def slope(x):
        def rise(x):
            z = wide(f(x))
            return jnp.sum(jnp.mean(z, axis=1) - of_class(z, y))

        gradient = jnp.nan_to_num(jax.grad(rise)(x))
        return unit(projected(gradient, basis, side).astype(x.dtype))

    squares = norms(x, "l2") ** 2
    scale = FIRST * jnp.sqrt(jnp.mean(squares, where=jnp.isfinite(squares)))

    def going(carry):
        step, _, missed = carry
        return (step < STEPS) & ~jnp.all(missed)

    def one(carry):
        step, at, missed = carry
        size = scale * (GROWTH - 1) * GROWTH ** step.astype(x.dtype)
        after = jnp.where(missed[:, None], at, at + size * slope(at))
        return step + 1, after, missed | misclassified(f(after), y)

    begun = jnp.asarray(0), x, jnp.zeros(len(x), bool)
    _, end, missed = jax.lax.while_loop(going, one, begun)
    at = crossing(f, x, y, end, halvings=60)
    inputs = jnp.where(missed[:, None], at.inputs, x)
    return Restricted(inputs, jnp.where(missed, norms(inputs - x, "l2"), jnp.inf), missed)


@partial(jax.jit, static_argnames=("rest", "side"))
def _restricted(arrays, x, y, basis, *, rest, side):
    f = Split(arrays, rest).joined(x.shape[1:])
    return follow(f, x.reshape(len(x), -1), y, basis, side)


def restricted(
    logits: Callable[[Any], Any],
    x: Any,
    y: Any,
    basis: Any,
    side: Side,
) -> Restricted:
    """Follow the gradient of mean_k z_k − z_y, projected, until an input is misclassified.

    Args:
        logits: as of `theory.attacks.apgd`.
        x: inputs ``(n, ...)``, in no box. Steps are in units of the root mean square norm of all
            that are finite: one input 10⁶ times as long as the others makes theirs as much longer.
        y: their classes, which the classifier has right.
        basis: orthonormal columns, (d, k) for all inputs or (n, d, k), for each its own.
        side: "on" the span of the basis, "off" it, or "std", which is anywhere.

    Returns:
        Rows of misclassified points, and how far they are: infinitely, or NaN, for an input that is
        not finite.

    Raises:
        ValueError: for inputs and labels that `theory.attacks.apgd` refuses too, inputs that are
            all 0 and have no norm to go by, a basis of another shape or without columns, one that
            is not orthonormal, or another side.

    Example:
        >>> x, basis = jnp.array([[0.6, 0.2, 0.1]]), jnp.eye(3)[:, :2]
        >>> steep = lambda x: x[:, :2]
        >>> found = restricted(steep, x, jnp.array([0]), basis, "on")
        >>> round(float(found.distance[0]), 6)  # 0.4/√2
        0.282843
        >>> bool(restricted(steep, x, jnp.array([0]), basis, "off").found[0])
        False
    """
    x, y, _ = prepared(logits, x, y, None)
    basis = jnp.asarray(basis)
    d = x[0].size
    if basis.ndim not in (2, 3) or basis.shape[-2] != d or basis.shape[:-2] not in ((), (len(x),)):
        raise ValueError(
            f"basis has shape {basis.shape} and must have ({d}, k) or ({len(x)}, {d}, k)"
        )
    if basis.shape[-1] == 0:
        raise ValueError("basis has no columns: give at least one")
    gram = jnp.einsum("...dk,...dl->...kl", basis, basis)
    one = jnp.broadcast_to(jnp.eye(basis.shape[-1], dtype=gram.dtype), gram.shape)
    off = float(jnp.max(jnp.abs(gram - one)))
    if not off < 1e-3:
        raise ValueError(f"basis is not orthonormal: its products are off by {off:.2g}")
    if not traced(x):
        known = np.asarray(x).reshape(len(x), -1)
        if not (np.isfinite(known).all(axis=1) & known.any(axis=1)).any():
            raise ValueError(
                "inputs are all 0 or not finite, and steps are in units of their norm: shift them"
            )
    parts = split(logits)
    return _restricted(parts.arrays, x, y, basis, rest=parts.rest, side=side)
