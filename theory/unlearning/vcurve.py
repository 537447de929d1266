"""The V-curve: stationarity of the retained problem against the size of the ascent step.

With t = β/β*, the pattern of gates and kinks frozen at that of θ, v_r = M_r ∘ u y_r x_r the term of
the forgotten point, and e the residual of θ (scaled to smallest margin one), the weights after the
step are θ(t) = θ − t·v_r and their stationarity obeys

.. math::
    κ_t \\sqrt{ε_1^2 + (1-t)^2 A_r^2 \\|x_r - Πx_r\\|^2} \\le ε(t)
    \\le κ_t \\sqrt{ε_1^2 + (1-t)^2 A_r^2 \\|x_r\\|^2},

with A_r² = Σ_j M_jr² u_j², Π the projection onto the span of the retained points, and κ_t one over
the smallest retained margin of θ(t) (derived).

Proof. The multipliers are optimal over a cone, so ⟨e, v⟩ = 0 for v = v_r, which may be scaled both
ways, and ⟨e, v⟩ ≤ 0 for every v in the cone. Keep the retained multipliers: the residual of θ(t)
is e + (1 − t)v_r, whose square is ε₁² + (1 − t)²‖v_r‖², the upper bound. For the lower one split
v_r into its part in the span and the part v_r^⊥ off it, orthogonal to all retained terms. With any
other retained multipliers c the residual is e + s + (1 − t)v_r^⊥, where
s = (1 − t)v_r^∥ + Σ_{k≠r}(v_k − c_k) has its rows in the span. Its square is at least
ε₁² + (1 − t)²‖v_r^⊥‖² + 2⟨e, s + (1 − t)v_r^⊥⟩, and the last product is
(1 − t)⟨e, v_r⟩ + Σ⟨e, v_k⟩ − Σ⟨e, c_k⟩ ≥ 0.
"""

from typing import NamedTuple

import jax.numpy as jnp
from jaxtyping import Array, Bool, Float

from theory.geometry import Subspace, orthonormalise
from theory.networks import Linear, TwoLayerReLU
from theory.theorem import Number, Trial
from theory.unlearning.gradient_ascent import gradient_ascent
from theory.unlearning.kkt import KKT, kkt
from theory.unlearning.pattern import Pattern, combine, neurons
from theory.unlearning.steps import step_taken

FRACTIONS = (0.5, 0.75, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0)
"""t = β/β*."""


class VCurve(NamedTuple):
    """One point of the V-curve.

    Attributes:
        epsilon: stationarity with the frozen pattern.
        lower, upper: the sandwich around it.
        margin: smallest retained margin, in units of that of θ; the sandwich needs it positive.
        network: θ(t).
    """

    epsilon: Float[Array, ""]
    lower: Float[Array, ""]
    upper: Float[Array, ""]
    margin: Float[Array, ""]
    network: Linear | TwoLayerReLU


def v_curve(
    explained: KKT,
    x: Float[Array, "n d"],
    y: Float[Array, " n"],
    fraction: Float[Array, ""],
    taken: Float[Array, ""] | None = None,
) -> VCurve:
    """Stationarity after a step on the first point, and the sandwich that it lies in.

    Args:
        explained: `kkt` of the trained network; the step is taken from its snapped network.
        x: training inputs.
        y: labels ±1.
        fraction: t = β/β*.
        taken: the fraction really taken, where it differs from the one believed (for controls).

    Example:
        >>> x, y = jnp.eye(2), jnp.array([1.0, -1.0])
        >>> explained = kkt(Linear(jnp.array([2.0, -2.0])), x, y)
        >>> point = v_curve(explained, x, y, jnp.array(0.5))
        >>> [round(float(value), 3) for value in point[:3]]
        [0.5, 0.5, 0.5]
    """
    pattern = explained.snapped.pattern
    net = gradient_ascent(
        explained.snapped.network,
        x,
        y,
        0,
        fraction=fraction if taken is None else taken,
        explained=explained,
    )
    after = kkt(net, x[1:], y[1:], pattern=Pattern(pattern.gates[:, 1:], pattern.kinks[:, 1:]))
    _, u, _ = neurons(net)
    amplitude = jnp.sum((explained.weights[:, 0] * u) ** 2)
    off = Subspace(orthonormalise(x[1:].T)).reject(x[0])
    margin = after.scale / explained.scale

    def side(part):
        square = explained.stationarity**2 + (1 - fraction) ** 2 * amplitude * jnp.sum(part**2)
        return jnp.sqrt(square) / margin

    return VCurve(after.stationarity, side(off), side(x[0]), margin, net)


def stay_positive(
    x: Float[Array, "n coordinates"],
    y: Float[Array, " n"],
    multipliers: Float[Array, " n"],
    fractions: Float[Array, " fractions"],
) -> Bool[Array, " fractions"]:
    """Whether the retained multipliers that explain the projection are positive, by step size.

    They are λ_k + (1 − t) λ_r y_r y_k a_k for a linear predictor, with Πx_r = Σ_k a_k x_k and r the
    first point: where all are positive, the lower side of the sandwich is exact.

    Example:
        >>> x, y, fractions = jnp.array([[1.0, 1], [1, 0]]), jnp.array([1.0, -1]), jnp.arange(2.0)
        >>> stay_positive(x, y, jnp.array([2.0, 1.0]), fractions).tolist()
        [False, True]
    """
    kept, gone = x[1:], x[0]
    share = jnp.linalg.solve(kept @ kept.T, kept @ gone)
    added = multipliers[0] * y[0] * y[1:] * share
    left = multipliers[None, 1:] + jnp.outer(1 - fractions, added)
    return jnp.all(left > 0, axis=-1)


def sandwiched(
    explained: KKT,
    x: Float[Array, "samples d"],
    y: Float[Array, " samples"],
    t: Float[Array, ""],
    share: Number = 1.0,
) -> Trial:
    """ε(t) of any network on its kinks between both sides of the sandwich, as two parts.

    Args:
        explained: `kkt` of the network.
        x: training inputs.
        y: labels ±1.
        t: β/β*.
        share: the step really taken, as a part of the one believed.

    Example:
        >>> x, y = jnp.eye(2), jnp.array([1.0, -1.0])
        >>> explained = kkt(Linear(jnp.array([2.0, -2.0])), x, y)
        >>> round(sandwiched(explained, x, y, jnp.array(0.5)).measured["upper"].item(), 3)
        0.5
    """
    point = v_curve(explained, x, y, t, taken=share * t)
    (w, u, _), after = neurons(explained.snapped.network), neurons(point.network).w
    step = t * explained.scale * combine(u, explained.weights[:, :1], x[:1], y[:1])
    taken = step_taken(w, after, step)
    return Trial(
        measured={"lower": point.epsilon, "upper": point.epsilon},
        predicted={"lower": point.lower, "upper": point.upper},
        assumptions={
            "retained margins positive": point.margin,
            "step moved w": taken["step moved w"],
            "β = tβ*": taken["β = β*"],
        },
        given=explained.multipliers[0] >= 0.1 * jnp.max(explained.multipliers),
    )
