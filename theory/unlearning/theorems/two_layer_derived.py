"""U2': one ascent step on a two-layer ReLU network, nearly orthogonal data, constants derived.

Gates are those of automatic differentiation, closed at exact kinks: σ' ∈ {0, 1}, σ'(0) = 0, and
sign(z) := 2σ'(z) − 1. Let m ≥ 2, u_j = ±1/√n, θ scaled to smallest margin one, ε₁ ≤ 1, δ₁ ≤ ½,
ψ ≤ .1, φ ≤ ε_d/(4mn), ε_d ≤ .01, a_i = (1/n)Σ_jσ'_ij ≥ 1/n.

Multipliers. The margin of point i is λ_i a_i ‖x_i‖² + (other points) + (residual), so
.9 λ_i a_i ≤ q_i + a_i φ Σλ + 1.05 ε₁√a_i, and q_i ≤ 1 + δ₁/λ_i. For λ_i < 1 this is nothing, for
λ_i ≥ 1 it gives λ_i a_i ≤ 2.92, hence λ_i ≤ 2.92n and λ_i√a_i ≤ 2.92√n.

Gates. θ̃ adds |u_j|λ_rσ'_rjΔ_j to the network after the step, Δ_j = Σ_{k≠r} c·sign(w_j·x_k) x_k with
c = ε_d/(2mn). At a retained point neuron j then moves by |u_j|λ_rσ'_rj times
c‖x_k‖² sign(w_j·x_k), at least .45ε_d/(mn) in size, plus terms of at most φ(1 + cm) ≤ .252ε_d/(mn):
away from zero, and by at most .81ε_d/(mn). So no retained gate changes; a closed one at an exact
kink is pushed off it on its closed side, which is why sign(0) must be −1. Retained margins change
by at most η = .81ε_d/(mn)·λ_ra_r ≤ 2.37ε_d/(mn); with κ = 1/(1 − η), κθ̃ has margins of at least 1.

Conditions. Keep the retained multipliers, times κ. The residual is κ(e + |u|λ_rσ'_rΔ), and
‖Δ_j‖ ≤ 1.05c√m, so ε ≤ κ(ε₁ + D) with D = 1.55ε_d/√(mn). Slackness is at most
κλ_k(κ(q_k + η) − 1) ≤ κ²(δ₁ + 2λ_kη) ≤ κ²(δ₁ + 13.9ε_d/m). The step ends within D of θ̃, whose norm
is at least 1/(κ√(1 + ψ)) because a retained margin is at most ‖θ̃‖‖x_k‖, so the sine of their
angle is at most Dκ√(1 + ψ).
"""

import numpy as np

from theory.claims import AtMost
from theory.theorem import Control, Number, Search, Theorem, Trial
from theory.unlearning import near_orthogonal
from theory.unlearning.near_orthogonal import (
    EPSILON_D,
    NORM_SLACK,
    Outcome,
    draw_near_orthogonal,
)
from theory.unlearning.planted import start_near_orthogonal, unlearn_near_orthogonal
from theory.unlearning.recomputed import admitted, forget_near_orthogonal
from theory.unlearning.settings import Settings


def bound(settings: Settings, outcome: Outcome):
    """(ε, δ, τ) that the theorem promises."""
    m, n = settings.samples, settings.width
    kappa = 1 / (1 - 2.37 * EPSILON_D / (m * n))
    distance = 1.55 * EPSILON_D / (m * n) ** 0.5
    sine = distance * kappa * (1 + NORM_SLACK) ** 0.5
    return (
        kappa * (outcome.before.stationarity + distance),
        kappa**2 * (outcome.before.slackness + 13.9 * EPSILON_D / m),
        sine**2 / (1 + (1 - sine**2) ** 0.5),
    )


def trial(settings: Settings, key, share: Number = 1.0) -> Trial:
    """Measured: ε, δ, τ of the proof's construction. Predicted: their bounds.

    The step is ``share`` of the theorem's.
    """
    return near_orthogonal.trial(settings, draw_near_orthogonal(settings, key), share, bound)


def check(settings: Settings, scene) -> Trial:
    """The same of a planted scene in NumPy."""
    found, m, n = forget_near_orthogonal(settings, scene), settings.samples, settings.width
    kappa, distance = 1 / (1 - 0.0237 / (m * n)), 0.0155 / np.sqrt(m * n)
    sine = kappa * distance * np.sqrt(1.1)
    return Trial(
        {"ε": found.epsilon, "δ": found.delta, "τ": found.tau},
        {
            "ε": kappa * (found.before.epsilon + distance),
            "δ": kappa**2 * (found.before.delta + 0.139 / m),
            "τ": 2 * np.sin(np.arcsin(sine) / 2) ** 2,
        },
        admitted(settings, found),
    )


theorem = Theorem(
    name="unlearning.two-layer-derived",
    statement="two-layer ReLU, u_j = ±1/√n, gates of autodiff, m ≥ 2, ε₁ ≤ 1, δ₁ ≤ .5, "
    "|‖x_i‖² − 1| ≤ ψ = .1, |⟨x_i, x_j⟩| ≤ ε_d/(4mn), ε_d = .01, D = 1.55ε_d/√(mn), "
    "κ = 1/(1 − 2.37ε_d/(mn))",
    label="U2'",
    provenance="derived",
    claim={
        "ε": AtMost(says="ε ≤ κ(ε₁ + D)"),
        "δ": AtMost(says="δ ≤ κ²(δ₁ + 13.9ε_d/m)"),
        "τ": AtMost(says="τ ≤ 1 − √(1 − κ²D²(1 + ψ))"),
    },
    presets={
        "smoke": Settings(d=5, samples=5, scale=1e-9, margin=100.0, trials=20),
        "course": Settings(d=10, samples=10, scale=1e-9, trials=135),
        "paper": Settings(d=20, samples=20, scale=1e-9, trials=688),
    },
    trial=trial,
    control=Control(name="twice the step", numbers={"share": 2.0}),
    search=Search(
        settings=Settings(samples=4, width=4),
        start=start_near_orthogonal,
        trial=lambda settings, scene: near_orthogonal.judged(
            settings, unlearn_near_orthogonal(settings, scene), bound
        ),
        check=check,
    ),
)
