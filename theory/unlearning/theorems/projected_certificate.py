"""U3: the projected certificate, on any data.

Let θ be trained, θ₀ the same moved onto its kinks, both in units in which the smallest margin of θ₀
is one, s = ‖θ − θ₀‖, and λ, M the multipliers of θ₀ with errors ε₁, δ₁.
θ̃ removes from θ₀ only what the retained points do not see of the forgotten term,
w̃_j = w_j − M_rj u_j y_r(x_r − Πx_r), so that retained pre-activations, margins, gates and kinks
are those of θ₀. With the retained multipliers of θ₀ its residual is θ₀'s plus the seen part of the
term, of norm D = A_r‖Πx_r‖, A_r² = Σ_j M_rj²u_j²; slackness terms are unchanged; and the ascent
step, which starts from θ, ends within D + s of θ̃. The proof is in `theory.unlearning.certificate`.

The proof asks nothing of the data; tried are Gaussian, correlated, clustered and heavy-tailed ones,
by `theory.unlearning.certified`.
"""

from theory.theorem import Control, Number, Theorem, Trial
from theory.unlearning import searches
from theory.unlearning.certified import PARTS, certified
from theory.unlearning.settings import Settings


def trial(settings: Settings, key, fraction: Number = 1.0) -> Trial:
    """Measured: ε and δ of θ̃ with the retained multipliers, its ε with multipliers found anew, its
    smallest retained margin, and τ. Predicted: ε₁ + D twice, δ₁, 1, and 1 − √(1 − (D + s)²/‖θ̃‖²).

    The step is ``fraction`` of the theorem's.
    """
    return certified(settings, key, 1, fraction)


theorem = Theorem(
    name="unlearning.projected-certificate",
    statement="two-layer ReLU θ, θ₀ = θ moved onto its kinks, by s ≤ .01‖θ‖; D = A_r‖Πx_r‖; "
    "where λ_r ≥ .1λ_max, D + s < ‖θ̃‖; data Gaussian, correlated, clustered or heavy-tailed",
    label="U3",
    provenance="derived",
    claim=PARTS,
    presets={
        "smoke": Settings(d=100, samples=6, width=40, margin=100.0, trials=20),
        "course": Settings(d=1000, margin=100.0, trials=135),
        "paper": Settings(d=10_000, margin=300.0, trials=688),
    },
    trial=trial,
    control=Control(name="twice the step", numbers={"fraction": 2.0}),
    search=searches.certificate,
)
