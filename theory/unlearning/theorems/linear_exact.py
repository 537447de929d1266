"""U1': forgetting one point of a linear predictor, without constants that are rounded up.

Let w be an (ε₁, δ₁)-approximate KKT point of margin maximisation on m ≥ 2 points with multipliers
λ ≥ 0, any that give ε₁ and δ₁, and smallest margin 1, |⟨x_i, x_j⟩| ≤ φ, λ_rφ < 1, and
κ = 1/(1 − λ_rφ). Then w' = w − λ_r y_r x_r is (ε, δ, τ)-successful at forgetting r with

* ε ≤ κε₁, δ ≤ κ²(δ₁ + 2λ_maxλ_rφ), τ = 0;
* and, if ‖x_i‖² ∈ [1 − ψ, 1 + ψ] and 1 − ψ − mφ > 0,
  λ_max ≤ (1 + δ₁ + ε₁√(1 + ψ))/(1 − ψ − mφ).

Proof. Write q for margins, e = w − Σ_i λ_i y_i x_i, ‖e‖ ≤ ε₁. For k ≠ r the step moves the margin
to q'_k = q_k − λ_r y_r y_k⟨x_r, x_k⟩, by at most λ_rφ, so the smallest retained one is
q' ≥ 1 − λ_rφ > 0. Put s = 1/q' ≤ κ and w̃ = sw': its retained margins are at least 1, and cos(w',
w̃) = 1, which is τ = 0. Take the multipliers sλ_k.

* w̃ − Σ_{k≠r} sλ_k y_k x_k = s(w − Σ_i λ_i y_i x_i) = se, so ε ≤ κε₁.
* sλ_k(sq'_k − 1) = s²λ_k(q'_k − q') ≤ s²λ_k(q_k + λ_rφ − 1 + λ_rφ) ≤ κ²(δ₁ + 2λ_maxλ_rφ).
* Let λ_i be the largest multiplier. If λ_i ≤ 1 the bound on it holds, since it is at least 1.
  Otherwise q_i ≤ 1 + δ₁/λ_i ≤ 1 + δ₁, while
  q_i = Σ_k λ_k y_i y_k⟨x_i, x_k⟩ + y_i⟨e, x_i⟩ ≥ λ_i(1 − ψ − (m − 1)φ) − ε₁√(1 + ψ). ∎
"""

import jax.numpy as jnp
import numpy as np

from theory.claims import AtMost, Identity
from theory.theorem import Control, Number, Search, Theorem, Trial
from theory.unlearning.linear import Planted, Settings, exact_bound, judged, plant, unlearn
from theory.unlearning.planted import plant_linear, start_linear
from theory.unlearning.recomputed import forget_linear


def trial(settings: Settings, key, fraction: Number = 1.0) -> Trial:
    """Measured: ε, δ, τ of the predictor after the step; λ_max before it. Predicted: their bounds;
    of τ = 0 the scale of a cosine.

    φ and ψ are the smallest that the data allow. The step is ``fraction`` of the theorem's.
    """
    return forget(settings, plant(settings, key), fraction)


def forget(settings: Settings, planted: Planted, fraction: Number = 1.0) -> Trial:
    """What the theorem says of one predictor."""
    unlearned = unlearn(planted, fraction=fraction)
    before, psi, phi = unlearned.before, unlearned.psi, unlearned.phi
    room = 1 - psi - settings.samples * phi
    most = (1 + before.slackness + before.stationarity * jnp.sqrt(1 + psi)) / room
    measured, predicted = judged(unlearned, exact_bound(unlearned))
    return Trial(
        measured | {"λ_max": jnp.max(before.multipliers)},
        predicted | {"λ_max": most},
        assumptions={"λ_rφ < 1": 1 - unlearned.removed * phi, "1 − ψ − mφ > 0": room}
        | unlearned.happened,
    )


def check(settings: Settings, scene) -> Trial:
    """The same of a planted scene in NumPy."""
    found = forget_linear(settings, scene)
    before, psi, phi = found.before, found.psi, found.phi
    lam, room = before.lam, 1 - psi - settings.samples * phi
    kappa = 1 / (1 - lam[0] * phi)
    return Trial(
        {"ε": found.epsilon, "δ": found.delta, "τ": found.tau, "λ_max": lam.max()},
        {
            "ε": kappa * before.epsilon,
            "δ": kappa**2 * (before.delta + 2 * lam.max() * lam[0] * phi),
            "τ": np.float64(1),
            "λ_max": (1 + before.delta + before.epsilon * np.sqrt(1 + psi)) / room,
        },
        {"λ_rφ < 1": 1 - lam[0] * phi, "1 − ψ − mφ > 0": room} | found.happened,
    )


theorem = Theorem(
    name="unlearning.linear-exact",
    statement="linear, w' = w − λ_r y_r x_r, m ≥ 2, λ ≥ 0, κ = 1/(1 − λ_rφ), λ_rφ < 1, "
    "ψ = max|‖x_i‖² − 1|, φ = max|⟨x_i, x_j⟩|, 1 − ψ − mφ > 0",
    label="U1'",
    provenance="derived",
    claim={
        "ε": AtMost(says="ε ≤ κε₁"),
        "δ": AtMost(says="δ ≤ κ²(δ₁ + 2λ_maxλ_rφ)"),
        "τ": Identity(says="τ = 0: w' is the KKT point itself, but for its scale"),
        "λ_max": AtMost(says="λ_max ≤ (1 + δ₁ + ε₁√(1 + ψ))/(1 − ψ − mφ)"),
    },
    presets={
        "smoke": Settings(samples=5, trials=20),
        "course": Settings(samples=10, trials=135),
        "paper": Settings(samples=20, trials=688),
    },
    trial=trial,
    control=Control(
        name="a step 1.1 times as long",
        numbers={"fraction": 1.1},
    ),
    search=Search(
        settings=Settings(samples=3, epsilon_d=2.0),
        start=start_linear,
        trial=lambda settings, scene: forget(settings, plant_linear(settings, scene)),
        check=check,
    ),
)
