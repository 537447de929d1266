"""U8: forgetting a point keeps the accuracy on a Gaussian mixture (Theorem 5.1, linear).

On x = yμ + N(0, I_d/d), y = ±1, a linear predictor w is right with probability Φ(S(w)),
S(w) = √d⟨w, μ⟩/‖w‖ (`theory.unlearning.theorems.mixture_error` puts that on trial). Let w be
trained, w' the predictor after the ascent step, w″ retrained without the point. Then for v = w and
v = w″

    |Φ(S(w')) − Φ(S(v))| ≤ √d‖μ‖·‖w'/‖w'‖ − v/‖v‖‖/√(2π).

Proof. S(w') − S(v) = √d⟨μ, w'/‖w'‖ − v/‖v‖⟩, and Φ has slope at most 1/√(2π). ∎

For the original the right side falls as 1/√m, the share of one point among m. It is computed for
the theorem's step from w, λ and x_r, before any step is taken: a step of several times β* does not
keep the accuracy.
"""

import jax.numpy as jnp
from jax.scipy.stats import norm
from jaxtyping import Array, Float, Key

from theory.claims import AtMost
from theory.networks import Linear
from theory.sampling import gaussian_mixture
from theory.theorem import Control, Number, Theorem, Trial
from theory.unlearning.certificate import angle
from theory.unlearning.gradient_ascent import gradient_ascent
from theory.unlearning.kkt import kkt
from theory.unlearning.margin import train_to_large_margin
from theory.unlearning.retrain import retrain
from theory.unlearning.steps import step_taken
from theory.unlearning.theorems.mixture_error import Settings, signal


def accuracy(w: Float[Array, " d"], mean: Float[Array, " d"]) -> Float[Array, ""]:
    """Φ(√d⟨w, μ⟩/‖w‖), the exact accuracy on the mixture.

    Example:
        >>> round(float(accuracy(jnp.array([1.0, 0, 0, 0]), jnp.array([0.5, 0, 0, 0]))), 4)
        0.8413
    """
    return norm.cdf(signal(w, mean))


def trial(settings: Settings, key: Key[Array, ""], fraction: Number = 1.0) -> Trial:
    """Measured: by how much the exact accuracy of w' differs from that of the original and of the
    retrained predictor. Predicted: √d‖μ‖ times the distance of the unit vectors, over √(2π), of the
    predictor after the theorem's step.

    The step is ``fraction`` of the theorem's.
    """
    d = settings.d
    data = gaussian_mixture(key, settings.samples, d, settings.separation * d**-0.25)
    x, y, start = data.x, data.y, Linear(jnp.zeros(d, data.x.dtype))
    trained = train_to_large_margin(start, x, y, settings.margin)
    net, again = trained.network, retrain(start, x, y, 0, settings.margin)
    explained = kkt(net, x, y)
    w = gradient_ascent(net, x, y, 0, fraction=fraction, explained=explained).w
    step = explained.scale * explained.multipliers[0] * y[0] * x[0]
    steepest = d**0.5 * jnp.linalg.norm(data.mean) / (2 * jnp.pi) ** 0.5
    references = {"original": net.w, "retrained": again.network.w}
    kept = accuracy(w, data.mean)
    return Trial(
        measured={name: jnp.abs(kept - accuracy(v, data.mean)) for name, v in references.items()},
        predicted={
            name: steepest * jnp.sqrt(2 * angle(net.w - step, v)) for name, v in references.items()
        },
        assumptions={
            "margin reached": trained.margin / settings.margin - 1,
            "retrained to the margin": again.margin / settings.margin - 1,
        }
        | step_taken(net.w, w, step),
        given=explained.multipliers[0] >= 0.1 * jnp.max(explained.multipliers),
    )


theorem = Theorem(
    name="unlearning.mixture-kept",
    statement="linear, trained to the margin on x = ±μ + N(0, I/d), w' after forgetting r, "
    "λ_r ≥ .1λ_max; exact accuracies Φ(√d⟨w, μ⟩/‖w‖)",
    label="U8 (Theorem 5.1, linear)",
    provenance="derived",
    claim={
        "original": AtMost(says="|acc(w') − acc(w)| ≤ √d‖μ‖·‖w'/‖w'‖ − w/‖w‖‖/√(2π)"),
        "retrained": AtMost(says="|acc(w') − acc(w″)| ≤ √d‖μ‖·‖w'/‖w'‖ − w″/‖w″‖‖/√(2π)"),
    },
    presets={
        "smoke": Settings(d=200, trials=20),
        "course": Settings(d=500, trials=135),
        "paper": Settings(d=2000, trials=688),
    },
    trial=trial,
    control=Control(name="eight times the step", numbers={"fraction": 8.0}),
)
