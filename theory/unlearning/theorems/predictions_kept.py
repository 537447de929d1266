"""What forgetting a point can change in a ReLU network's predictions, and so in its accuracy.

θ' is θ after the ascent step that takes away the term of the forgotten point, u_j M_rj y_r x_r from
w_j, with M_rj ∈ [0, λ_r] the multiplier times the gate. Put B_r = Σ_j u_j²M_rj. At any x, on any
data,

    |N(x, θ') − N(x, θ)| ≤ B_r·|⟨x_r, x⟩|,

so a prediction changes only where |N(x, θ)| ≤ B_r|⟨x_r, x⟩|, and on any points the accuracy changes
by at most the share of points at which that is so.

Proof. σ is 1-Lipschitz: the difference is at most Σ_j |u_j|·|u_j M_rj y_r⟨x_r, x⟩|. If two numbers
have different signs, each is at most their difference in size. ∎

This is Theorem 5.1 for a network, as far as it goes without a law of N(x, θ): on a mixture with
‖μ‖ = c·d^{−1/4} the inner product ⟨x_r, x⟩ is of order 1/√d and N(x, θ) of the order of the margins
times that, so a forgotten point is one of m voices.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Key

from theory.claims import AtMost
from theory.networks import TwoLayerReLU, two_layer_relu
from theory.sampling import gaussian_mixture, mixture_points
from theory.theorem import Control, Number, Theorem, Trial
from theory.unlearning.gradient_ascent import gradient_ascent
from theory.unlearning.kkt import kkt
from theory.unlearning.pattern import combine
from theory.unlearning.scene import Scene, descend, margin_reached
from theory.unlearning.settings import Settings
from theory.unlearning.steps import step_taken

SEPARATION = 0.5
"""c of ‖μ‖ = c·d^{−1/4}."""

FRESH = 500
"""Fresh points of the mixture."""


def trial(settings: Settings, key: Key[Array, ""], fraction: Number = 1.0) -> Trial:
    """Measured: the largest |N(x, θ') − N(x, θ)|/|⟨x_r, x⟩| over fresh points, and by how much the
    accuracy on them changes. Predicted: B_r, and the share of points with |N(x)| ≤ B_r|⟨x_r, x⟩|.

    The step is ``fraction`` of the theorem's.
    """
    key_data, key_fresh, key_net = jax.random.split(key, 3)
    data = gaussian_mixture(key_data, settings.samples, settings.d, SEPARATION * settings.d**-0.25)
    fresh = mixture_points(key_fresh, data.mean, FRESH)
    start = two_layer_relu(key_net, settings.d, settings.width, settings.sigma)
    trained = descend(settings, Scene(data.x, data.y, start))
    explained = kkt(trained.network, data.x, data.y)
    net = explained.snapped.network
    assert isinstance(net, TwoLayerReLU)
    after = gradient_ascent(net, data.x, data.y, 0, fraction=fraction, explained=explained)
    weights = explained.scale * explained.weights[:, 0]
    step = combine(net.u, weights[:, None], data.x[:1], data.y[:1])
    bound, inner = jnp.sum(net.u**2 * weights), jnp.abs(fresh.x @ data.x[0])
    before, then = net(fresh.x), after(fresh.x)
    # Counts are exact: equal accuracies differ by nothing.
    right = [jnp.sum(fresh.y * outputs > 0, dtype=inner.dtype) for outputs in (before, then)]
    return Trial(
        measured={
            "output": jnp.max(jnp.abs(then - before) / inner),
            "accuracy": jnp.abs(right[1] - right[0]) / FRESH,
        },
        predicted={
            "output": bound,
            "accuracy": jnp.mean(jnp.abs(before) <= bound * inner, dtype=inner.dtype),
        },
        assumptions={"margin reached": margin_reached(settings, trained)}
        | step_taken(net.w, after.w, step),
        given=explained.multipliers[0] >= 0.1 * jnp.max(explained.multipliers),
    )


theorem = Theorem(
    name="unlearning.predictions-kept",
    statement="two-layer ReLU θ on its kinks, trained to the margin on ±μ + N(0, I/d), θ' after "
    "forgetting r, λ_r ≥ .1λ_max, B_r = Σ_j u_j²M_rj, at fresh points x",
    label="U8 (Theorem 5.1, ReLU)",
    provenance="derived",
    claim={
        "output": AtMost(ulps=1e6, says="|N(x, θ') − N(x, θ)| ≤ B_r|⟨x_r, x⟩|"),
        "accuracy": AtMost(says="|acc(θ') − acc(θ)| ≤ share of x with |N(x, θ)| ≤ B_r|⟨x_r, x⟩|"),
    },
    presets={
        "smoke": Settings(d=200, samples=6, width=40, margin=100.0, trials=20),
        "course": Settings(d=500, margin=100.0, trials=135),
        "paper": Settings(d=2000, samples=20, margin=300.0, trials=688),
    },
    trial=trial,
    control=Control(name="eight times the step", numbers={"fraction": 8.0}),
)
