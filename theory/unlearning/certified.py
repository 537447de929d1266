"""Trials of the projected certificate of `theory.unlearning.certificate`.

A trial does not take the certificate's word: residual, slackness, margins and angle are computed
from the networks, and the multipliers of θ̃ on the retained points also anew, at the kinks that θ̃
has within 1e-9. A point that is no support vector is forgotten for nothing, and one with
D + s ≥ ‖θ̃‖ has no bound on τ: draws with a λ_r below a tenth of the largest multiplier, or with
such a D, are no trials.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from theory.claims import AtLeast, AtMost, Claim
from theory.networks import Linear, TwoLayerReLU
from theory.theorem import Number, Trial
from theory.unlearning.certificate import angle, certificate, sum_of_distances
from theory.unlearning.gradient_ascent import gradient_ascent
from theory.unlearning.kkt import KKT, kkt
from theory.unlearning.pattern import combine, neurons
from theory.unlearning.scene import descend, draw_varied, margin_reached
from theory.unlearning.settings import Settings
from theory.unlearning.steps import step_taken

SOLVER = 1e8
"""Machine epsilons that the solver of the multipliers may be off, 2e-8 in float64."""

ROUNDING = 1e5
"""Machine epsilons of what is computed twice: slackness is a difference of nearly equal numbers."""

PARTS: dict[str, Claim] = {
    "ε": AtMost(ulps=ROUNDING, says="ε(θ̃) ≤ ε₁ + D with the retained multipliers of θ₀"),
    "ε anew": AtMost(ulps=SOLVER, says="ε(θ̃) ≤ ε₁ + D with multipliers found anew"),
    "δ": AtMost(ulps=ROUNDING, says="δ(θ̃) ≤ δ₁"),
    "margin": AtLeast(ulps=ROUNDING, says="min_{k∉F} q_k(θ̃) ≥ q_min(θ₀)"),
    "τ": AtMost(ulps=SOLVER, says="τ ≤ 1 − √(1 − (D + s)²/‖θ̃‖²), the step taken from θ"),
}
"""What the certificate promises."""


def certified(settings: Settings, key: Key[Array, ""], k: int = 1, fraction: Number = 1.0) -> Trial:
    """Train, forget the first k points by ``fraction`` of the theorem's step, and certify."""
    scene = draw_varied(settings, key)
    trained = descend(settings, scene)
    net, x, y = trained.network, scene.x, scene.y
    found = judged(net, x, y, kkt(net, x, y), k, fraction)
    reached = {"margin reached": margin_reached(settings, trained)}
    return found._replace(assumptions=reached | found.assumptions)


def judged(
    net: Linear | TwoLayerReLU,
    x: Float[Array, "n d"],
    y: Float[Array, " n"],
    explained: KKT,
    k: int = 1,
    fraction: Number = 1.0,
) -> Trial:
    """The certificate of a network for its first k points, against what it promises.

    Several points have a part D besides: measured D_F, predicted the sum of the D_r.

    Args:
        net: θ.
        x: training inputs.
        y: labels ±1.
        explained: the conditions of θ₀, which is θ moved onto its kinks.
        k: points to forget.
        fraction: of the theorem's step that is taken.

    Example:
        >>> net, x, y = Linear(jnp.array([2.0, -2.0])), jnp.eye(2), jnp.array([1.0, -1.0])
        >>> judged(net, x, y, kkt(net, x, y)).predicted["margin"].item()
        1.0
    """
    lam, weights, scale = explained.multipliers, explained.weights, explained.scale
    forget = range(k)
    proof = certificate(net, x, y, forget, explained=explained)
    after = gradient_ascent(net, x, y, forget, fraction=fraction, explained=explained)
    (w, u, _), tilde = neurons(net), neurons(proof.network).w
    margins = y[k:] * proof.network(x[k:]) / scale
    own = kkt(proof.network, x[k:], y[k:], tolerance=1e-9)
    moved, norm = explained.snapped.distance, jnp.linalg.norm(tilde)
    residual = tilde / scale - combine(u, weights[:, k:], x[k:], y[k:])
    step = scale * combine(u, weights[:, :k], x[:k], y[:k])
    bound = proof.bound
    measured = {
        "ε": jnp.linalg.norm(residual),
        "ε anew": own.stationarity * own.scale / scale,
        "δ": jnp.max(lam[k:] * (margins - 1)),
        "margin": jnp.min(margins),
        "τ": angle(neurons(after).w, tilde),
    }
    predicted = {
        "ε": bound.epsilon,
        "ε anew": bound.epsilon,
        "δ": bound.delta,
        "margin": jnp.ones((), x.dtype),
        "τ": bound.tau,
    }
    if k > 1:
        measured["D"], predicted["D"] = bound.distance, sum_of_distances(explained, x, k)
    return Trial(
        measured,
        predicted,
        assumptions={
            "‖θ − θ₀‖ ≤ .01‖θ‖": 0.01 - moved / jnp.linalg.norm(w),
        }
        | step_taken(w, neurons(after).w, step),
        given=(jnp.min(lam[:k]) >= 0.1 * jnp.max(lam)) & (bound.distance * scale + moved < norm),
    )
