"""How near the unlearned linear predictor is to the retrained one.

Margin maximisation of the retained points, min ½‖w‖² subject to y_k⟨w, x_k⟩ ≥ 1, is convex and has
one solution w*, to whose direction retraining converges (Soudry et al. 2018). Let w be as in U1',
with multipliers λ ≥ 0, smallest margin 1, residual e = w − Σλ_i y_i x_i of norm ε₁, and
Δ₁ = Σ_{k≠r} λ_k(q_k − 1); φ, κ as there, w' = w − λ_r y_r x_r, w̃ the same at smallest retained
margin one. Then, with a² = κ²(2Δ₁ + 4λ_rφΣ_{k≠r}λ_k + ε₁²),

    ‖w̃ − w*‖² ≤ a²,  and  1 − cos(w', w*) ≤ 1 − √(1 − a²/‖w̃‖²) where a < ‖w̃‖.

Proof. w̃ is feasible and w* optimal over a convex set, so ⟨w*, w̃ − w*⟩ ≥ 0 and
‖w̃ − w*‖² ≤ ‖w̃‖² − ‖w*‖². By weak duality with any multipliers c ≥ 0,
½‖w*‖² ≥ Σc_k − ½‖Σc_k y_k x_k‖². Take c = sλ, s ≤ κ the factor of w̃ = sw', so that
w̃ = Σc_k y_k x_k + se. Then ‖Σc_k y_k x_k‖² = ‖w̃ − se‖² = ‖w̃‖² − 2⟨w̃, se⟩ + s²ε₁², and
‖w̃‖² − ⟨w̃, se⟩ = Σc_k q̃_k, so ‖w̃‖² − ‖w*‖² ≤ 2Σc_k(q̃_k − 1) + s²ε₁². As in U1' each term
c_k(q̃_k − 1) is at most κ²λ_k(q_k − 1 + 2λ_rφ). A vector within a of w̃ is at an angle of at most
arcsin(a/‖w̃‖) to it. ∎

The solution w* is computed exactly: where the multipliers α of all retained margins being one are
positive, they satisfy the KKT conditions, which in a convex problem is enough.
"""

import jax
import jax.numpy as jnp

from theory.claims import AtMost
from theory.theorem import Control, Number, Theorem, Trial
from theory.unlearning.certificate import angle
from theory.unlearning.linear import ITERATIONS, Settings, plant, unlearn


def trial(settings: Settings, key, fraction: Number = 1.0) -> Trial:
    """Measured: ‖w̃ − w*‖² and 1 − cos(w', w*). Predicted: a² and 1 − √(1 − a²/‖w̃‖²).

    The step is ``fraction`` of the theorem's.
    """
    planted = plant(settings, key)
    unlearned = unlearn(planted, fraction=fraction)
    before, after, phi = unlearned.before, unlearned.after, unlearned.phi
    w = after.snapped.network.w / after.scale
    signed = planted.y[1:, None] * planted.x[1:]
    gram, one = signed @ signed.T, jnp.ones(len(signed), w.dtype)
    norms = jnp.diag(gram)
    off = gram - jnp.diag(norms)
    alpha = jax.lax.fori_loop(0, ITERATIONS, lambda _, a: (one - off @ a) / norms, one)
    best = alpha @ signed

    lam, shift = before.multipliers, unlearned.removed * phi
    kappa = 1 / (1 - shift)
    slack = lam[1:] @ (before.margins[1:] - 1)
    square = kappa**2 * (2 * slack + 4 * shift * jnp.sum(lam[1:]) + before.stationarity**2)
    sine = jnp.sqrt(square) / jnp.linalg.norm(w)
    return Trial(
        measured={"distance": jnp.sum((w - best) ** 2), "cosine": angle(w, best)},
        predicted={
            "distance": square,
            "cosine": sine**2 / (1 + jnp.sqrt(jnp.maximum(1 - sine**2, 0))),
        },
        assumptions={
            "λ_rφ < 1": 1 - shift,
            "a < ‖w̃‖": 1 - sine,
            "α > 0": jnp.min(alpha),
        }
        | unlearned.happened,
    )


theorem = Theorem(
    name="unlearning.retrained-cosine",
    statement="linear, w* the largest-margin predictor of the retained points, w̃ = w'/min q'_k, "
    "a² = κ²(2Σ_{k≠r}λ_k(q_k − 1) + 4λ_rφΣ_{k≠r}λ_k + ε₁²) < ‖w̃‖², κ = 1/(1 − λ_rφ), λ_rφ < 1",
    label="U10 (the retrained predictor)",
    provenance="derived",
    claim={
        "distance": AtMost(says="‖w̃ − w*‖² ≤ a²"),
        "cosine": AtMost(says="1 − cos(w', w*) ≤ 1 − √(1 − a²/‖w̃‖²)"),
    },
    presets={
        "smoke": Settings(samples=5, slack=0.1, trials=20),
        "course": Settings(samples=10, slack=0.1, trials=135),
        "paper": Settings(samples=20, slack=0.1, trials=688),
    },
    trial=trial,
    control=Control(name="twice the step", numbers={"fraction": 2.0}),
)
