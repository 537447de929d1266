"""U7, second half: complementary slackness improves as the margin grows.

Lyu and Li (2020): for a network that is 1-homogeneous in θ, all q_i > 0, the exponential loss
ℒ = Σ_i e^{−q_i}, γ = q_min/‖θ‖ and λ_i = e^{−q_i}/(γ‖∇ℒ‖), at any weights whatever,

    Σ_i λ_i(q_i/q_min − 1) ≤ (m − 1)γ^{−2}/(e·q_min).

Proof. By Euler ⟨θ, y_i∇N(x_i)⟩ = q_i, so ‖∇ℒ‖ ≥ ⟨θ, −∇ℒ⟩/‖θ‖ = Σ_k e^{−q_k} q_k/‖θ‖
≥ γΣ_k e^{−q_k} ≥ γe^{−q_min}. Hence λ_i ≤ γ^{−2}e^{−(q_i − q_min)}, and the sum is at most
γ^{−2}/q_min · Σ_i t_i e^{−t_i} with t_i = q_i − q_min. The point of smallest margin contributes 0
and every other one at most max_t te^{−t} = 1/e. ∎

The tail of the loss matters: with |ℓ'(q)| = q^{−3} the sum does not change with the scale of the
weights, while the bound falls as one over it.
"""

import jax.numpy as jnp
from jaxtyping import Array, Key

from theory.claims import AtMost
from theory.theorem import Choice, Control, Number, Paper, Theorem, Trial
from theory.unlearning import searches
from theory.unlearning.lyu_li import decayed
from theory.unlearning.margin import exponential_slope
from theory.unlearning.scene import descend, draw_gaussian, margin_reached
from theory.unlearning.settings import Settings


def trial(
    settings: Settings,
    key: Key[Array, ""],
    cubic: Choice = False,
    stretch: Number = 1.0,
) -> Trial:
    """Measured: Σλ_i(q_i/q_min − 1). Predicted: (m − 1)γ^{−2}/(e·q_min).

    The network is trained on the exponential loss and multiplied by ``stretch``; the multipliers
    are those of the exponential loss, or of one with |ℓ'(q)| = q⁻³ where ``cubic``.
    """
    scene = draw_gaussian(settings, key)
    trained = descend(settings, scene, exponential_slope)

    def slope(q):
        return jnp.where(cubic, -3 * jnp.log(q), exponential_slope(q))

    found = decayed(trained.network, scene.x, scene.y, slope, stretch)
    reached = {"margin reached": margin_reached(settings, trained)}
    return found._replace(assumptions=reached | found.assumptions)


theorem = Theorem(
    name="unlearning.slackness-decay",
    statement="exponential loss, all q_i > 0: Σλ_i(q_i/q_min − 1) ≤ (m−1)γ⁻²/(e·q_min), "
    "γ = q_min/‖θ‖, λ_i = |ℓ'(q_i)|/(γ‖∇ℒ‖)",
    label="U7 (slackness)",
    provenance="paper",
    paper=Paper(
        key="lyu2020gradient",
        arxiv="1906.05890",
        title="Gradient Descent Maximizes the Margin of Homogeneous Neural Networks",
    ),
    claim=AtMost(),
    presets={
        "smoke": Settings(margin=100.0, trials=20),
        "course": Settings(margin=300.0, trials=135),
        "paper": Settings(d=1000, margin=1000.0, trials=688),
    },
    trial=trial,
    control=Control(
        name="|ℓ'(q)| = q⁻³, weights × 100",
        numbers={"cubic": True, "stretch": 100.0},
    ),
    search=searches.any_weights,
)
