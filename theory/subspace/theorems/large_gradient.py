"""S3, Theorem 4.1: the gradient off the subspace is large.

The bound is the paper's. Its probability follows from S2 and the lemma of Laurent and Massart
(2000), Pr[χ²_ℓ ≤ ℓ/2] ≤ e^{−ℓ/16}: given S, ‖Π_{P^⊥}∇N(x₀)‖² is σ²k/m times a χ²_ℓ. ∎
"""

from math import exp

import jax.numpy as jnp

from theory.claims import AtLeast
from theory.subspace.assumptions import assumptions
from theory.subspace.gradient import active, gradient_scale, off_subspace_gradient
from theory.subspace.scene import draw_scene, train_scene, with_decay_factor
from theory.subspace.settings import Settings
from theory.theorem import Control, Theorem, Trial


def trial(settings: Settings, key) -> Trial:
    """Measured: ‖Π_{P^⊥}∇N(x₀)‖. Predicted: σ√(kℓ/2m)."""
    scene = draw_scene(settings, key)
    trained = train_scene(settings, scene)
    net = trained.network
    gradient = off_subspace_gradient(net, scene.x0, scene.subspace.basis)
    return Trial(
        measured=jnp.linalg.norm(gradient),
        predicted=gradient_scale(net, scene.x0, settings.sigma) * (settings.ell / 2) ** 0.5,
        assumptions=assumptions(settings, scene, trained),
        given=active(net, scene.x0).any(),
    )


theorem = Theorem(
    name="subspace.large-gradient",
    statement="‖Π_{P⊥}∇N(x₀)‖ ≥ σ√(kℓ/2m), √(kℓ/2md) at σ² = 1/d, given k ≥ 1, with probability "
    "≥ 1 − e^{−ℓ/16}, for w_i(0) ~ N(0, σ²I), u_i = ±1/√m, trained on points of P without decay",
    label="S3 (Theorem 4.1, probability derived)",
    provenance="paper",
    claim=AtLeast(failure=lambda settings: exp(-settings.ell / 16)),
    presets={
        "smoke": Settings(ell=32, d=42, trials=118),
        "course": Settings(ell=48, d=58, trials=264),
        "paper": Settings(ell=74, d=84, trials=1149),
    },
    trial=trial,
    control=Control(
        name="weight decay to 0.5 of W_⊥ ignored",
        trial=lambda settings, key: trial(with_decay_factor(settings, 0.5), key),
    ),
)
