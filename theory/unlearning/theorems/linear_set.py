"""U9: forgetting several points of a linear predictor in one step.

U1' with λ_r replaced by Λ = Σ_{r∈F} λ_r: let w be an (ε₁, δ₁)-approximate KKT point with
multipliers λ ≥ 0 and smallest margin 1, |⟨x_i, x_j⟩| ≤ φ, Λφ < 1, and κ = 1/(1 − Λφ). Then
w' = w − Σ_{r∈F} λ_r y_r x_r is (ε, δ, τ)-successful at forgetting F, with ε ≤ κε₁,
δ ≤ κ²(δ₁ + 2λ_maxΛφ) and τ = 0.

Proof. Write q for margins and e = w − Σ_i λ_i y_i x_i. For k ∉ F the step moves the margin to
q'_k = q_k − Σ_{r∈F} λ_r y_r y_k⟨x_r, x_k⟩, by at most Λφ, so the smallest retained one is
q' ≥ 1 − Λφ > 0. Put s = 1/q' ≤ κ and w̃ = sw', whose retained margins are at least 1 and whose
cosine with w' is 1. With the multipliers sλ_k, k ∉ F, its residual is se, hence ε ≤ κε₁, and
sλ_k(sq'_k − 1) = s²λ_k(q'_k − q') ≤ s²λ_k(q_k − 1 + 2Λφ) ≤ κ²(δ₁ + 2λ_maxΛφ). ∎
"""

from dataclasses import dataclass

import numpy as np

from theory.claims import AtMost, Identity
from theory.settings import Count
from theory.theorem import Control, Number, Search, Theorem, Trial
from theory.unlearning import linear
from theory.unlearning.linear import Planted, exact_bound, judged, plant, unlearn
from theory.unlearning.planted import plant_linear, start_linear
from theory.unlearning.recomputed import forget_linear
from theory.unlearning.settings import check_some_kept


@dataclass(frozen=True)
class Settings(linear.Settings):
    """The planted predictor, and how many points it forgets."""

    forgotten: Count = 3
    """points to forget, fewer than m"""

    def __post_init__(self):
        super().__post_init__()
        check_some_kept(self.forgotten, self.samples)


def trial(settings: Settings, key, fraction: Number = 1.0) -> Trial:
    """Measured: ε, δ, τ of the predictor after the step. Predicted: their bounds; of τ = 0 the
    scale of a cosine.

    φ is the smallest that the data allow. The step is ``fraction`` of the theorem's.
    """
    return forget(settings, plant(settings, key), fraction)


def forget(settings: Settings, planted: Planted, fraction: Number = 1.0) -> Trial:
    """What the theorem says of one predictor."""
    unlearned = unlearn(planted, settings.forgotten, fraction)
    measured, predicted = judged(unlearned, exact_bound(unlearned))
    return Trial(
        measured,
        predicted,
        assumptions={"Λφ < 1": 1 - unlearned.removed * unlearned.phi} | unlearned.happened,
    )


def check(settings: Settings, scene) -> Trial:
    """The same of a planted scene in NumPy."""
    found = forget_linear(settings, scene, settings.forgotten)
    before, lam = found.before, found.before.lam
    shift = found.phi * sum(lam[r] for r in range(settings.forgotten))
    kappa = 1 / (1 - shift)
    return Trial(
        {"ε": found.epsilon, "δ": found.delta, "τ": found.tau},
        {
            "ε": kappa * before.epsilon,
            "δ": kappa**2 * (before.delta + 2 * lam.max() * shift),
            "τ": np.float64(1),
        },
        {"Λφ < 1": 1 - shift} | found.happened,
    )


theorem = Theorem(
    name="unlearning.linear-set",
    statement="linear, w' = w − Σ_F λ_r y_r x_r, F not all points, λ ≥ 0, Λ = Σ_F λ_r, "
    "κ = 1/(1 − Λφ), Λφ < 1, φ = max|⟨x_i, x_j⟩|",
    label="U9 (many points, linear)",
    provenance="derived",
    claim={
        "ε": AtMost(says="ε ≤ κε₁"),
        "δ": AtMost(says="δ ≤ κ²(δ₁ + 2λ_maxΛφ)"),
        "τ": Identity(says="τ = 0: w' is the KKT point itself, but for its scale"),
    },
    presets={
        "smoke": Settings(samples=5, forgotten=2, trials=20),
        "course": Settings(samples=10, forgotten=3, trials=135),
        "paper": Settings(samples=20, forgotten=5, trials=688),
    },
    trial=trial,
    control=Control(
        name="a step 1.1 times as long",
        numbers={"fraction": 1.1},
    ),
    search=Search(
        settings=Settings(samples=4, forgotten=2, epsilon_d=1.0),
        start=start_linear,
        trial=lambda settings, scene: forget(settings, plant_linear(settings, scene)),
        check=check,
    ),
)
