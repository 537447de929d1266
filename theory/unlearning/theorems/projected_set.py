"""U3 for several points: the projected certificate of a set F that one step forgets.

As U3 (`theory.unlearning.theorems.projected_certificate`), with the terms of all forgotten points
removed at once, w̃_j = w_j − Σ_{r∈F} M_rj u_j y_r(x_r − Πx_r), Π the projection on the span of the
retained points. Retained pre-activations stay, so margins, gates and kinks do; the residual is θ₀'s
plus Σ_F M_r ∘ u y_r Πx_r, whose norm is D_F ≤ Σ_F D_r by the triangle inequality: terms of
different points may cancel, and the sum of the single bounds is looser. The rest of the proof is
the same.
"""

from dataclasses import dataclass

from theory.claims import AtMost
from theory.settings import Count
from theory.theorem import Control, Number, Theorem, Trial
from theory.unlearning import settings as unlearning
from theory.unlearning.certified import PARTS, ROUNDING, certified
from theory.unlearning.settings import check_some_kept


@dataclass(frozen=True)
class Settings(unlearning.Settings):
    """A trained network, and how many points it forgets."""

    forgotten: Count = 3
    """points to forget, fewer than m"""

    def __post_init__(self):
        super().__post_init__()
        check_some_kept(self.forgotten, self.samples)


def trial(settings: Settings, key, fraction: Number = 1.0) -> Trial:
    """Measured: ε and δ of θ̃ with the retained multipliers, its ε with multipliers found anew, its
    smallest retained margin, τ, and D_F. Predicted: ε₁ + D_F twice, δ₁, 1,
    1 − √(1 − (D_F + s)²/‖θ̃‖²), and Σ_F D_r.

    The step is ``fraction`` of the theorem's.
    """
    return certified(settings, key, settings.forgotten, fraction)


theorem = Theorem(
    name="unlearning.projected-set",
    statement="two-layer ReLU θ, θ₀ = θ moved onto its kinks, by s ≤ .01‖θ‖; D = D_F = "
    "‖Σ_F M_r∘u y_r Πx_r‖; where λ_r ≥ .1λ_max, D + s < ‖θ̃‖; data Gaussian, correlated, clustered "
    "or heavy-tailed",
    label="U3 (many points)",
    provenance="derived",
    claim=PARTS | {"D": AtMost(ulps=ROUNDING, says="D_F ≤ Σ_F A_r‖Πx_r‖")},
    presets={
        "smoke": Settings(d=100, samples=6, width=40, margin=100.0, forgotten=2, trials=20),
        "course": Settings(d=1000, margin=100.0, trials=135),
        "paper": Settings(d=10_000, margin=300.0, trials=688),
    },
    trial=trial,
    control=Control(name="twice the step", numbers={"fraction": 2.0}),
)
