"""S6, Theorem 6.1: a small initialisation makes the gradient off the subspace small.

With w_i(0) ~ N(0, β²I) this is S3' at σ = β, and linear in β at fixed k because training on P does
not touch W_⊥. The paper's constants are unconfirmed; these follow from S2. ∎
"""

from math import exp, sqrt

import jax.numpy as jnp

from theory.claims import AtMost
from theory.subspace.assumptions import assumptions
from theory.subspace.gradient import active, gradient_scale, off_subspace_gradient
from theory.subspace.scene import draw_scene, missing_direction, train_scene
from theory.subspace.settings import Settings
from theory.theorem import Control, Theorem, Trial


def trial(settings: Settings, key, believe=lambda scene: scene) -> Trial:
    """Measured: ‖Π_{P^⊥}∇N(x₀)‖. Predicted: β√(2kℓ/m)."""
    scene = believe(draw_scene(settings, key))
    trained = train_scene(settings, scene)
    net = trained.network
    gradient = off_subspace_gradient(net, scene.x0, scene.subspace.basis)
    margins = assumptions(settings, scene, trained)
    small = 0.1 / settings.d**0.5
    return Trial(
        measured=jnp.linalg.norm(gradient),
        predicted=gradient_scale(net, scene.x0, settings.sigma) * (2 * settings.ell) ** 0.5,
        assumptions=margins | {"β ≤ 0.1/√d": jnp.asarray(settings.sigma <= small)},
        given=active(net, scene.x0).any(),
    )


def small(ell: int, trials: int) -> Settings:
    """β = 0.1/√d."""
    d = ell + 10
    return Settings(ell=ell, d=d, scale=0.1 / sqrt(d), trials=trials)


theorem = Theorem(
    name="subspace.small-initialisation",
    statement="‖Π_{P⊥}∇N(x₀)‖ ≤ β√(2kℓ/m), given k ≥ 1, with probability ≥ 1 − e^{−ℓ/16}, "
    "for w_i(0) ~ N(0, β²I), β ≤ 0.1/√d, u_i = ±1/√m, trained on points of P without decay",
    label="S6 (Theorem 6.1)",
    provenance="recalled",
    claim=AtMost(failure=lambda settings: exp(-settings.ell / 16)),
    presets={"smoke": small(32, 68), "course": small(48, 185), "paper": small(74, 702)},
    trial=trial,
    control=Control(
        name="P without the direction Σ_j y_j x_j of the data",
        trial=lambda settings, key: trial(settings, key, missing_direction),
    ),
)
