"""U3: the projected certificate, on any data.

θ̃ removes from θ only what the retained points do not see of the forgotten term,
w̃_j = w_j − M_rj u_j y_r(x_r − Πx_r), so that retained pre-activations, margins, gates and kinks are
those of θ. With the retained multipliers of θ its residual is θ's plus the seen part of the term,
of norm D = (Σ_j M_rj²u_j²)^½ ‖Πx_r‖; slackness terms are unchanged; and the network after the
ascent step is within D of θ̃. The proof is in `theory.unlearning.certificate`.

The trial does not take the certificate's word: it computes the multipliers of θ̃ on the retained
points anew, at the kinks that θ̃ has within 1e-9, and the slackness from its own margins.
"""

import jax.numpy as jnp

from theory.claims import AtMost
from theory.theorem import Control, Theorem, Trial
from theory.unlearning.certificate import certificate
from theory.unlearning.kkt import kkt
from theory.unlearning.pattern import neurons, with_weights
from theory.unlearning.scene import draw_gaussian, margin_reached, train_scene
from theory.unlearning.settings import Settings

SOLVER = 1e8
"""Machine epsilons that the solver of the multipliers may be off, 2e-8 in float64."""


def trial(settings: Settings, key, share: float = 1.0) -> Trial:
    """Measured: the largest of ε, τ, and δ if exceeded, over their bounds. Predicted: 1.

    ``share`` is the part of λ_r that is taken for λ_r.
    """
    scene = draw_gaussian(settings, key)
    trained = train_scene(settings, scene)
    explained = trained.explained
    x, y = scene.x, scene.y
    proof = certificate(trained.network, x, y, 0, explained=explained)
    w, u, _ = neurons(proof.network)
    excess = (share - 1) * explained.scale * (u * explained.weights[:, 0] * y[0])
    net = with_weights(proof.network, w - excess[:, None] * x[0][None, :])
    own = kkt(net, x[1:], y[1:], tolerance=1e-9)
    kept = explained.multipliers[1:]
    delta = jnp.max(kept * (y[1:] * net(x[1:]) / explained.scale - 1))
    ratios = (
        proof.epsilon / proof.bound.epsilon,
        own.stationarity / proof.bound.epsilon,
        # Mostly equal to its bound, it would hide how tight the others are.
        jnp.where(delta > (1 + 1e-8) * proof.bound.delta, delta / proof.bound.delta, 0),
        proof.tau / proof.bound.tau,
    )
    measured = jnp.max(jnp.stack(ratios))
    return Trial(
        measured=measured,
        predicted=jnp.ones_like(measured),
        assumptions={
            "margin reached": margin_reached(settings, trained),
            "D < ‖θ̃‖": 1 - proof.bound.distance * explained.scale / jnp.linalg.norm(w),
        },
    )


theorem = Theorem(
    name="unlearning.projected-certificate",
    statement="any data: ε ≤ ε₁ + D, δ ≤ δ₁, τ ≤ 1 − √(1 − D²/‖θ̃‖²), D = A_r‖Πx_r‖",
    label="U3",
    provenance="derived",
    claim=AtMost(ulps=SOLVER),
    presets={
        "smoke": Settings(d=100, samples=6, width=40, margin=100.0, trials=20),
        "course": Settings(d=1000, trials=135),
        "paper": Settings(d=10_000, trials=688),
    },
    trial=trial,
    control=Control(name="1.25 λ_r", trial=lambda settings, key: trial(settings, key, 1.25)),
)
