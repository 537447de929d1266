"""How nearly a network is a KKT point of margin maximisation.

.. math:: \\min \\tfrac12 \\|\\theta\\|^2 \\quad \\text{s.t.} \\quad y_i N(x_i, \\theta) \\ge 1

An (ε, δ)-approximate KKT point has λ ≥ 0 with ‖θ − Σ_i λ_i y_i ∇N(x_i, θ)‖ ≤ ε,
λ_i (y_i N(x_i, θ) − 1) ≤ δ and y_i N(x_i, θ) ≥ 1, ∇N an element of Clarke's subdifferential.
Networks here are homogeneous in θ, so a network of any scale is judged at θ / min_i y_i N(x_i).
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from theory.checks import traced
from theory.networks import Linear, TwoLayerReLU
from theory.unlearning.checks import check_problem
from theory.unlearning.cone import nearest
from theory.unlearning.pattern import (
    TOLERANCE,
    Pattern,
    Snapped,
    autograd_pattern,
    combine,
    neurons,
    snap,
)


class KKT(NamedTuple):
    """The KKT conditions at θ/scale, where the smallest margin is 1.

    Attributes:
        multipliers: λ ≥ 0, by `kkt` the ones of the smallest residual.
        stationarity: ε, the norm of the residual that they leave.
        slackness: δ = max_i λ_i (y_i N(x_i) − 1).
        margins: y_i N(x_i), at least 1.
        scale: the smallest margin of the network as given; λ·scale explains θ itself.
        weights: M_ji, λ_i times the gate of neuron j at x_i, an element of [0, λ_i] at kinks.
        snapped: the network that is judged, in the scale given: θ moved onto its kinks.
    """

    multipliers: Float[Array, " n"]
    stationarity: Float[Array, ""]
    slackness: Float[Array, ""]
    margins: Float[Array, " n"]
    scale: Float[Array, ""]
    weights: Float[Array, "width n"]
    snapped: Snapped

    def _repr_html_(self) -> str:
        from theory.display import card

        return card(self)


def kkt(
    net: Linear | TwoLayerReLU,
    x: Any,
    y: Any,
    *,
    pattern: Pattern | None = None,
    tolerance: float | Float[Array, ""] = TOLERANCE,
) -> KKT:
    """Multipliers, stationarity and slackness of a network at its training data.

    Args:
        net: a linear predictor or a two-layer ReLU network, hidden weights trained.
        x: training inputs (n, d).
        y: labels ±1 (n,).
        pattern: judge by these gates and kinks, and move nothing: `autograd_pattern` for those of
            automatic differentiation, another network's to keep them frozen.
        tolerance: without a pattern, which pre-activations count as kinks; see `snap`.

    Returns:
        The conditions; NaN where a margin is not positive inside a compiled program.

    Raises:
        ValueError: for labels other than ±1, a point that is not classified correctly, or a
            tolerance outside [0, 1).

    Example:
        >>> conditions = kkt(Linear(jnp.array([2.0, -2.0])), jnp.eye(2), jnp.array([1.0, -1.0]))
        >>> conditions.multipliers.round(4).tolist(), float(conditions.scale)
        ([1.0, 1.0], 2.0)
        >>> bool(conditions.stationarity < 1e-3)
        True
    """
    x, y = check_problem(net, x, y)
    if not traced(tolerance) and not 0 <= np.asarray(tolerance) < 1:
        raise ValueError(f"tolerance is {tolerance} and must be at least 0 and below 1")
    return _kkt(net, x, y, pattern, tolerance)


SAME = 1e-3
"""Margins and distances of the same network and data differ by less, in single precision too."""


def as_explained(explained: KKT | None, net: Linear | TwoLayerReLU, x: Any, y: Any) -> KKT:
    """The conditions that a caller gives, if they are those of this network and data; else `kkt`.

    Raises:
        ValueError: they are of other points, or of another network; and as `kkt`.

    Example:
        >>> net, y = Linear(jnp.array([2.0, -2.0])), jnp.array([1.0, -1.0])
        >>> as_explained(kkt(net, jnp.eye(2), y), Linear(net.w[::-1]), jnp.eye(2), -y)
        Traceback (most recent call last):
        ValueError: explained is of another network or other data: give kkt of the same
    """
    if explained is None:
        return kkt(net, x, y)
    if explained.multipliers.shape != y.shape:
        raise ValueError(
            f"explained is of {explained.multipliers.shape} points, and {y.shape} are given: give "
            "kkt of the same"
        )
    if traced((explained, net, x, y)):
        return explained
    snapped = explained.snapped
    with jax.ensure_compile_time_eval():  # what is known is known in a program being traced, too
        margins = y * snapped.network(x) / explained.scale
        (w, *_), (moved, *_) = neurons(net), neurons(snapped.network)
        # Which may be given as well as the network that was moved.
        allowed = (1 + SAME) * snapped.distance + SAME * jnp.linalg.norm(moved)
        same = jnp.allclose(margins, explained.margins, rtol=SAME, atol=0)
        same = bool(same & (jnp.linalg.norm(w - moved) <= allowed))
    if not same:
        raise ValueError("explained is of another network or other data: give kkt of the same")
    return explained


@jax.jit
def _kkt(net, x, y, pattern: Pattern | None, tolerance) -> KKT:
    """Compiled once per shape, however often it is called."""
    if pattern is None:
        snapped = snap(net, x, tolerance)
    else:
        snapped = Snapped(net, pattern, jnp.zeros((), x.dtype))
    w, u, _ = neurons(snapped.network)
    margins = y * snapped.network(x)
    scale = jnp.min(margins)
    scale = jnp.where(scale > 0, scale, jnp.nan)
    near = nearest(w / scale, u, x, y, snapped.pattern)
    margins = margins / scale
    return KKT(
        multipliers=near.multipliers,
        stationarity=jnp.linalg.norm(near.residual),
        slackness=jnp.max(near.multipliers * (margins - 1)),
        margins=margins,
        scale=scale,
        weights=near.weights,
        snapped=snapped,
    )


def conditions(
    net: Linear | TwoLayerReLU,
    x: Float[Array, "n d"],
    y: Float[Array, " n"],
    multipliers: Float[Array, " n"],
) -> KKT:
    """The conditions with these multipliers of the network as it is, and autograd's gates.

    The definition asks for any λ ≥ 0; these need not be the ones of the smallest residual.

    Args:
        net: a linear predictor or a two-layer ReLU network of any scale.
        x: training inputs.
        y: labels ±1.
        multipliers: λ·scale.

    Returns:
        The conditions; NaN where a margin is not positive.

    Example:
        >>> net, y = Linear(jnp.array([2.0, -2.0])), jnp.array([1.0, -1.0])
        >>> found = conditions(net, jnp.eye(2), y, jnp.array([2.0, 1.0]))
        >>> float(found.stationarity), found.multipliers.tolist()
        (0.5, [1.0, 0.5])
    """
    q = y * net(x)
    scale = jnp.where(jnp.min(q) > 0, jnp.min(q), jnp.nan)
    lam, margins = multipliers / scale, q / scale
    pattern = autograd_pattern(net, x)
    (w, u, _), weights = neurons(net), pattern.gates * lam[None, :]
    return KKT(
        multipliers=lam,
        stationarity=jnp.linalg.norm(w / scale - combine(u, weights, x, y)),
        slackness=jnp.max(lam * (margins - 1)),
        margins=margins,
        scale=scale,
        weights=weights,
        snapped=Snapped(net, pattern, jnp.zeros((), x.dtype)),
    )


def by_two_gates(
    net: Linear | TwoLayerReLU, x: Float[Array, "n d"], y: Float[Array, " n"]
) -> tuple[KKT, KKT]:
    """The conditions of a network moved onto its kinks, and as it is by autograd's gates.

    Example:
        >>> found = by_two_gates(Linear(jnp.array([2.0, -2.0])), jnp.eye(2), jnp.array([1.0, -1.0]))
        >>> [float(one.scale) for one in found]
        [2.0, 2.0]
    """
    snapped = snap(net, x)
    naive = Snapped(net, autograd_pattern(net, x), jnp.zeros_like(snapped.distance))
    both = jax.tree.map(lambda *leaves: jnp.stack(leaves), snapped, naive)
    found = jax.lax.map(lambda one: kkt(one.network, x, y, pattern=one.pattern), both)
    first, second = (jax.tree.map(lambda leaf, i=i: leaf[i], found) for i in (0, 1))
    return first, second
