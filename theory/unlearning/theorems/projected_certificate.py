"""U3: the projected certificate, on any data.

Let θ be trained, θ₀ the same moved onto its kinks, both in units in which the smallest margin of θ₀
is one, s = ‖θ − θ₀‖, and λ, M the multipliers of θ₀ with errors ε₁, δ₁.
θ̃ removes from θ₀ only what the retained points do not see of the forgotten term,
w̃_j = w_j − M_rj u_j y_r(x_r − Πx_r), so that retained pre-activations, margins, gates and kinks
are those of θ₀. With the retained multipliers of θ₀ its residual is θ₀'s plus the seen part of the
term, of norm D = A_r‖Πx_r‖, A_r² = Σ_j M_rj²u_j²; slackness terms are unchanged; and the ascent
step, which starts from θ, ends within D + s of θ̃. The proof is in `theory.unlearning.certificate`.

The trial does not take the certificate's word: residual, slackness, margins and angle are computed
from the networks, and the multipliers of θ̃ on the retained points also anew, at the kinks that θ̃
has within 1e-9. The proof asks nothing of the data; tried are Gaussian, correlated, clustered and
heavy-tailed ones. A point that is no support vector is forgotten for nothing, and one with
D + s ≥ ‖θ̃‖ has no bound on τ: draws with λ_r below a tenth of the largest multiplier, or with such
a D, are no trials.
"""

import jax.numpy as jnp

from theory.claims import AtLeast, AtMost
from theory.theorem import Control, Theorem, Trial
from theory.unlearning.certificate import angle, certificate
from theory.unlearning.gradient_ascent import gradient_ascent
from theory.unlearning.kkt import kkt
from theory.unlearning.pattern import combine, neurons
from theory.unlearning.scene import descend, draw_varied, margin_reached
from theory.unlearning.settings import Settings
from theory.unlearning.steps import step_taken

SOLVER = 1e8
"""Machine epsilons that the solver of the multipliers may be off, 2e-8 in float64."""

ROUNDING = 1e5
"""Machine epsilons of what is computed twice: slackness is a difference of nearly equal numbers."""


def trial(settings: Settings, key, fraction: float = 1.0) -> Trial:
    """Measured: ε and δ of θ̃ with the retained multipliers, its ε with multipliers found anew, its
    smallest retained margin, and τ. Predicted: ε₁ + D twice, δ₁, 1, and 1 − √(1 − (D + s)²/‖θ̃‖²).

    The step is ``fraction`` of the theorem's.
    """
    scene = draw_varied(settings, key)
    trained = descend(settings, scene)
    net, x, y = trained.network, scene.x, scene.y
    explained = kkt(net, x, y)
    lam, weights, scale = explained.multipliers, explained.weights, explained.scale
    proof = certificate(net, x, y, 0, explained=explained)
    after = gradient_ascent(net, x, y, 0, fraction=fraction, explained=explained)
    (w, u, _), tilde = neurons(net), neurons(proof.network).w
    margins = y[1:] * proof.network(x[1:]) / scale
    own = kkt(proof.network, x[1:], y[1:], tolerance=1e-9)
    moved, norm = explained.snapped.distance, jnp.linalg.norm(tilde)
    residual = tilde / scale - combine(u, weights[:, 1:], x[1:], y[1:])
    step = scale * combine(u, weights[:, :1], x[:1], y[:1])
    bound, one = proof.bound, jnp.ones((), x.dtype)
    return Trial(
        measured={
            "ε": jnp.linalg.norm(residual),
            "ε anew": own.stationarity * own.scale / scale,
            "δ": jnp.max(lam[1:] * (margins - 1)),
            "margin": jnp.min(margins),
            "τ": angle(neurons(after).w, tilde),
        },
        predicted={
            "ε": bound.epsilon,
            "ε anew": bound.epsilon,
            "δ": bound.delta,
            "margin": one,
            "τ": bound.tau,
        },
        assumptions={
            "margin reached": margin_reached(settings, trained),
            "‖θ − θ₀‖ ≤ .01‖θ‖": 0.01 - moved / jnp.linalg.norm(w),
        }
        | step_taken(w, neurons(after).w, step),
        given=(lam[0] >= 0.1 * jnp.max(lam)) & (bound.distance * scale + moved < norm),
    )


theorem = Theorem(
    name="unlearning.projected-certificate",
    statement="two-layer ReLU θ, θ₀ = θ moved onto its kinks, by s ≤ .01‖θ‖; D = A_r‖Πx_r‖; "
    "where λ_r ≥ .1λ_max, D + s < ‖θ̃‖; data Gaussian, correlated, clustered or heavy-tailed",
    label="U3",
    provenance="derived",
    claim={
        "ε": AtMost(ulps=ROUNDING, says="ε(θ̃) ≤ ε₁ + D with the retained multipliers of θ₀"),
        "ε anew": AtMost(ulps=SOLVER, says="ε(θ̃) ≤ ε₁ + D with multipliers found anew"),
        "δ": AtMost(ulps=ROUNDING, says="δ(θ̃) ≤ δ₁"),
        "margin": AtLeast(ulps=ROUNDING, says="min_{k≠r} q_k(θ̃) ≥ q_min(θ₀)"),
        "τ": AtMost(ulps=SOLVER, says="τ ≤ 1 − √(1 − (D + s)²/‖θ̃‖²), the step taken from θ"),
    },
    presets={
        "smoke": Settings(d=100, samples=6, width=40, margin=100.0, trials=20),
        "course": Settings(d=1000, margin=100.0, trials=135),
        "paper": Settings(d=10_000, margin=300.0, trials=688),
    },
    trial=trial,
    control=Control(name="twice the step", trial=lambda settings, key: trial(settings, key, 2.0)),
)
