"""U1: one step of gradient ascent unlearns a point from a linear predictor.

Recalled (Theorem 3.1): let w be an (ε₁, δ₁)-approximate KKT point of margin maximisation on m ≥ 2
points, ε₁, δ₁ ≤ .5, ‖x_i‖² ∈ [1 − ψ, 1 + ψ] with ψ ≤ .1, |⟨x_i, x_j⟩| ≤ φ ≤ ε_d/4m with
ε_d ≤ .1. Then w' = w − λ_r y_r x_r is (ε, δ, τ)-successful at forgetting point r, with

* ε = ε₁ + ε₁ε_d/(m − ε_d),
* δ = δ₁ + δ₁ε_d/(m − ε_d) + 7.2ε_d/m,
* τ = 0: the KKT point of the retained problem is w' itself, rescaled to smallest margin one.

It follows from U1' (`theory.unlearning.theorems.linear_exact`), which has ε ≤ κε₁ and
δ ≤ κ²(δ₁ + 2λ_maxλ_rφ) with κ = 1/(1 − λ_rφ) and λ_max ≤ (1 + δ₁ + ε₁√(1 + ψ))/(1 − ψ − mφ).
Any λ ≥ 0 that gives ε₁ and δ₁ will do, and the retained ones give ε and δ. Put t = ε_d/m ≤ .05,
so φ ≤ t/4.

* λ_max ≤ (1.5 + .5√1.1)/(.9 − .025) < 2.314, so λ_rφ ≤ .579t.
* ε: κ ≤ 1/(1 − t) = 1 + ε_d/(m − ε_d).
* δ: κ² ≤ 1/(1 − .579t)² ≤ 1.062. The term κ²δ₁ exceeds δ₁/(1 − t) by at most
  δ₁·.158t·κ²/(1 − t) ≤ .09t, and 2κ²λ_max²φ ≤ 2·1.062·2.314²·t/4 ≤ 2.85t. Together less than
  3t, where the theorem allows 7.2t.
"""

import jax.numpy as jnp
import numpy as np

from theory.claims import AtMost, Identity
from theory.theorem import Control, Number, Search, Theorem, Trial
from theory.unlearning.linear import Bound, Planted, Settings, judged, plant, unlearn
from theory.unlearning.planted import plant_linear, start_linear
from theory.unlearning.recomputed import forget_linear


def trial(settings: Settings, key, fraction: Number = 1.0) -> Trial:
    """Measured: ε, δ, τ of the predictor after the step. Predicted: ε and δ of the theorem; of
    τ = 0 the scale of a cosine.

    The step is ``fraction`` of the theorem's.
    """
    return forget(settings, plant(settings, key), fraction)


def forget(settings: Settings, planted: Planted, fraction: Number = 1.0) -> Trial:
    """What the theorem says of one predictor."""
    unlearned = unlearn(planted, fraction=fraction)
    before = unlearned.before
    share = settings.epsilon_d / (settings.samples - settings.epsilon_d)
    bound = Bound(
        epsilon=before.stationarity * (1 + share),
        delta=before.slackness * (1 + share) + 7.2 * settings.epsilon_d / settings.samples,
    )
    measured, predicted = judged(unlearned, bound)
    return Trial(
        measured,
        predicted,
        assumptions={
            "ε₁ ≤ .5": 0.5 - before.stationarity,
            "δ₁ ≤ .5": 0.5 - before.slackness,
            "ψ ≤ .1": 0.1 - unlearned.psi,
            "φ ≤ ε_d/4m": settings.epsilon_d / (4 * settings.samples) - unlearned.phi,
            "ε_d ≤ .1": jnp.asarray(0.1 - settings.epsilon_d, unlearned.phi.dtype),
        }
        | unlearned.happened,
    )


def check(settings: Settings, scene) -> Trial:
    """The same of a planted scene in NumPy."""
    found, m, epsilon_d = forget_linear(settings, scene), settings.samples, settings.epsilon_d
    before, share = found.before, epsilon_d / (m - epsilon_d)
    return Trial(
        {"ε": found.epsilon, "δ": found.delta, "τ": found.tau},
        {
            "ε": before.epsilon + before.epsilon * share,
            "δ": before.delta + before.delta * share + 7.2 * epsilon_d / m,
            "τ": np.float64(1),
        },
        {
            "ε₁ ≤ .5": 0.5 - before.epsilon,
            "δ₁ ≤ .5": 0.5 - before.delta,
            "ψ ≤ .1": 0.1 - found.psi,
            "φ ≤ ε_d/4m": epsilon_d / 4 / m - found.phi,
            "ε_d ≤ .1": np.float64(0.1 - epsilon_d),
        }
        | found.happened,
    )


theorem = Theorem(
    name="unlearning.linear",
    statement="linear, w' = w − λ_r y_r x_r, m ≥ 2, λ ≥ 0, ε₁, δ₁ ≤ .5, |‖x_i‖² − 1| ≤ .1, "
    "|⟨x_i, x_j⟩| ≤ ε_d/4m, ε_d ≤ .1",
    label="U1 (Theorem 3.1)",
    provenance="recalled",
    claim={
        "ε": AtMost(says="ε ≤ ε₁(1 + ε_d/(m − ε_d))"),
        "δ": AtMost(says="δ ≤ δ₁(1 + ε_d/(m − ε_d)) + 7.2ε_d/m"),
        "τ": Identity(says="τ = 0: w' is the KKT point itself, but for its scale"),
    },
    presets={
        "smoke": Settings(samples=5, trials=20),
        "course": Settings(samples=10, trials=135),
        "paper": Settings(samples=20, trials=688),
    },
    trial=trial,
    control=Control(name="twice the step", numbers={"fraction": 2.0}),
    search=Search(
        settings=Settings(samples=4),
        start=start_linear,
        trial=lambda settings, scene: forget(settings, plant_linear(settings, scene)),
        check=check,
    ),
)
