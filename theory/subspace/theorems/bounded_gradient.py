"""S3': the gradient off the subspace is not larger than twice its variance allows.

From S2 and the lemma of Laurent and Massart (2000), Pr[χ²_ℓ ≥ 2ℓ] ≤ e^{−ℓ/16}. ∎
"""

from math import exp

import jax.numpy as jnp

from theory.claims import AtMost
from theory.subspace.assumptions import assumptions
from theory.subspace.gradient import active, gradient_scale, off_subspace_gradient
from theory.subspace.scene import draw_scene, train_scene
from theory.subspace.settings import Settings
from theory.theorem import Control, Number, Theorem, Trial


def trial(settings: Settings, key, true_sigma: Number = 1.0) -> Trial:
    """Measured: ‖Π_{P^⊥}∇N(x₀)‖. Predicted: σ√(2kℓ/m).

    The network is initialised with ``true_sigma`` times the σ that is believed.
    """
    scene = draw_scene(settings, key)
    scene = scene._replace(network=scene.network._replace(w=true_sigma * scene.network.w))
    trained = train_scene(settings, scene)
    net = trained.network
    gradient = off_subspace_gradient(net, scene.x0, scene.subspace.basis)
    return Trial(
        measured=jnp.linalg.norm(gradient),
        predicted=gradient_scale(net, scene.x0, settings.sigma) * (2 * settings.ell) ** 0.5,
        assumptions=assumptions(settings, scene, trained),
        given=active(net, scene.x0).any(),
    )


theorem = Theorem(
    name="subspace.bounded-gradient",
    statement="‖Π_{P⊥}∇N(x₀)‖ ≤ σ√(2kℓ/m), given k ≥ 1, with probability ≥ 1 − e^{−ℓ/16}, "
    "for w_i(0) ~ N(0, σ²I), u_i = ±1/√m, trained on points of P without decay",
    label="S3'",
    provenance="derived",
    claim=AtMost(failure=lambda settings: exp(-settings.ell / 16)),
    presets={
        "smoke": Settings(ell=32, d=42, trials=68),
        "course": Settings(ell=48, d=58, trials=185),
        "paper": Settings(ell=74, d=84, trials=702),
    },
    trial=trial,
    control=Control(
        name="σ of W(0) 1.5 times the stated one",
        numbers={"true_sigma": 1.5},
    ),
)
