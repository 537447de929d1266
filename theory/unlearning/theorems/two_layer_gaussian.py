"""U2 where it is out of reach: Gaussian data of an ordinary dimension.

The theorem asks for |⟨x_i, x_j⟩| ≤ ε_d/(4mn), about 5e-6 for ten points and fifty neurons. Gaussian
points have inner products of order 1/√d, so this needs d above 1/(5e-6)² = 4·10¹⁰, and
|‖x‖² − 1| ≤ .1 some hundreds. So the verdict must be "not applicable", at every preset, whatever
the bounds. The trial measures by how much the assumptions are missed; U3, which assumes nothing of
the data, certifies the same networks.
"""

from theory.theorem import Control, Number, Theorem, Trial
from theory.unlearning import near_orthogonal
from theory.unlearning.scene import draw_gaussian
from theory.unlearning.settings import Settings
from theory.unlearning.theorems.two_layer import bound
from theory.unlearning.theorems.two_layer import theorem as two_layer


def trial(settings: Settings, key, share: Number = 1.0) -> Trial:
    """Measured: ε, δ, τ of the construction of Theorem 4.1. Predicted: the theorem's bounds.

    The step is ``share`` of the theorem's.
    """
    return near_orthogonal.trial(settings, draw_gaussian(settings, key), share, bound)


theorem = Theorem(
    name="unlearning.two-layer-gaussian",
    statement="Theorem 4.1 on x ~ N(0, I/d), d ≤ 10⁴: out of reach, |⟨x_i, x_j⟩| > ε_d/(4mn)",
    label="U2 (Theorem 4.1) on Gaussian data",
    provenance="recalled",
    claim=two_layer.claim,
    expects={"smoke": "not applicable", "course": "not applicable", "paper": "not applicable"},
    presets={
        "smoke": Settings(d=100, margin=100.0, trials=20),
        "course": Settings(d=1000, trials=135),
        "paper": Settings(d=10_000, trials=688),
    },
    trial=trial,
    control=Control(name="twice the step", numbers={"share": 2.0}),
)
