"""U4: the multipliers in closed form, without gates and without a solver.

λ_i = ‖θ‖²·|ℓ'(q_i)| / (q_min Σ_k|ℓ'(q_k)|q_k). Derivation. Where descent on ℒ = Σℓ(q_i) settles in
a direction, θ is parallel to −∇ℒ = Σ|ℓ'(q_i)|y_i∇N(x_i), so λ_i ∝ |ℓ'(q_i)|. N is homogeneous of
degree one in θ, so Euler's formula ⟨θ, ∇N(x_i)⟩ = N(x_i) gives ‖θ‖² = Σλ_iq_i, which fixes the
factor. Both hold in the limit; the weights that training has accumulated differ from those of its
last step by what the first steps did, a bounded part of a sum that grows with the margin. Hence an
error in proportion to 1/margin, which is what is put on trial, as a scaling. Whether training has
settled is measured, by ε of θ: where a neuron crosses a point late, the sum holds two directions.
"""

import jax.numpy as jnp

from theory.claims import Scaling
from theory.theorem import Control, Number, Theorem, Trial
from theory.unlearning.multipliers import Settings, multipliers_along, shape
from theory.unlearning.scene import draw_gaussian


def trial(settings: Settings, key, decay: Number = 1.0) -> Trial:
    """Measured: the shape of ‖λ̂ − λ‖/‖λ‖ over the margins. Predicted: that of 1/margin.

    λ̂ is that of the loss ℓ(``decay``·q), ℓ the logistic one, on which the network is trained.
    """
    found = multipliers_along(settings, draw_gaussian(settings, key), decay)
    error = jnp.linalg.norm(found.closed - found.exact, axis=-1)
    return Trial(
        measured=shape(error / jnp.linalg.norm(found.exact, axis=-1)),
        predicted=shape(1 / jnp.array(settings.sizes, error.dtype)),
        assumptions=found.happened,
        given=found.settled,
    )


theorem = Theorem(
    name="unlearning.closed-form",
    statement="‖λ̂ − λ‖/‖λ‖ ∝ 1/margin for λ̂_i = ‖θ‖²|ℓ'(q_i)|/(q_min Σ_k|ℓ'(q_k)|q_k), λ the "
    "multipliers of θ trained on Σℓ, given ε(θ) ≤ .2 at each margin, x ~ N(0, I/d)",
    label="U4",
    provenance="derived",
    claim=Scaling(exponent=-1.0, tolerance=0.05, power=1.0),
    presets={
        "smoke": Settings(d=100, samples=6, width=40, trials=64),
        "course": Settings(trials=60),
        "paper": Settings(d=1000, trials=688),
    },
    trial=trial,
    control=Control(
        name="trained on another loss than ℓ, of twice its decay",
        numbers={"decay": 0.5},
    ),
)
