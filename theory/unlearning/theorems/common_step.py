"""U5: one raw step size unlearns any point.

For a loss that is a sum over points, β = ‖θ‖²/Σ_k|ℓ'(q_k)|q_k is the step that removes the term of
point r, whichever r is: the theorem's step is β_r = λ_r/|ℓ'(q_r)|, and λ_r ∝ |ℓ'(q_r)| with the
factor of U4. At a finite margin the β_r differ from it and among themselves, over the support
vectors by as much as U4 errs, which falls as 1/margin once training has settled (as there).
"""

import jax.numpy as jnp

from theory.claims import Scaling
from theory.theorem import Control, Number, Theorem, Trial
from theory.unlearning.multipliers import Settings, multipliers_along, shape
from theory.unlearning.scene import draw_gaussian


def trial(settings: Settings, key, decay: Number = 1.0) -> Trial:
    """Measured: the shapes of max_r|β_r/β − 1| and of max β_r/min β_r − 1 over the margins, r the
    support vectors. Predicted: that of 1/margin.

    β is that of the loss ℓ(``decay``·q), ℓ the logistic one, on which the network is trained.
    """
    found = multipliers_along(settings, draw_gaussian(settings, key), decay)
    ratio = found.exact / found.closed  # β_r/β, for β_r = λ_r/|ℓ'(q_r)|
    largest = jnp.max(jnp.where(found.support, ratio, -jnp.inf), axis=-1)
    smallest = jnp.min(jnp.where(found.support, ratio, jnp.inf), axis=-1)
    falls = shape(1 / jnp.array(settings.sizes, ratio.dtype))
    return Trial(
        measured={
            "β": shape(jnp.maximum(jnp.abs(largest - 1), jnp.abs(smallest - 1))),
            "spread": shape(largest / smallest - 1),
        },
        predicted={"β": falls, "spread": falls},
        assumptions=found.happened,
        given=found.settled,
    )


theorem = Theorem(
    name="unlearning.common-step",
    statement="β = ‖θ‖²/Σ_k|ℓ'(q_k)|q_k, β_r = λ_r/|ℓ'(q_r)|, r any support vector of θ trained on "
    "Σℓ, given ε(θ) ≤ .2 at each margin, x ~ N(0, I/d)",
    label="U5",
    provenance="derived",
    claim={
        "β": Scaling(exponent=-1.0, tolerance=0.08, power=1.0, says="max_r|β_r/β − 1| ∝ 1/margin"),
        "spread": Scaling(
            exponent=-1.0, tolerance=0.08, power=1.0, says="max_r β_r/min_r β_r − 1 ∝ 1/margin"
        ),
    },
    presets={
        "smoke": Settings(d=100, samples=6, width=40, trials=32),
        "course": Settings(trials=60),
        "paper": Settings(d=1000, trials=688),
    },
    trial=trial,
    control=Control(
        name="trained on another loss than ℓ, of twice its decay",
        numbers={"decay": 0.5},
    ),
)
