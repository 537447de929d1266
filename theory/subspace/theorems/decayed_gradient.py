"""S7, second part: the gradient bound S3' with σ·|c_T| in place of σ, c_T = (1−ηλ)^T.

S2's proof holds with Π_{P^⊥}w_i(T) = c_T·Π_{P^⊥}w_i(0) ~ N(0, c_T²σ²I_ℓ).
"""

from dataclasses import replace
from math import exp

import jax.numpy as jnp

from theory.claims import AtMost
from theory.subspace.gradient import active, gradient_scale, off_subspace_gradient
from theory.subspace.scene import (
    assumptions,
    draw_scene,
    train_scene,
    with_decay_factor,
)
from theory.subspace.settings import Settings
from theory.theorem import Control, Theorem, Trial


def trial(settings: Settings, key, overstated: float = 1.0) -> Trial:
    """Measured: ‖Π_{P^⊥}∇N(x₀)‖. Predicted: σ|c_T|√(2kℓ/m).

    ``overstated`` is the factor by which λ is believed larger than it is.
    """
    used = replace(settings, weight_decay=settings.weight_decay / overstated)
    scene = draw_scene(used, key)
    trained = train_scene(used, scene)
    net = trained.network
    factor = settings.decay_factor ** trained.steps.astype(scene.x.dtype)
    gradient = off_subspace_gradient(net, scene.x0, scene.subspace.basis)
    scale = gradient_scale(net, scene.x0, settings.sigma) * jnp.abs(factor)
    margins = assumptions(settings, scene)
    del margins["no weight decay"]
    return Trial(
        measured=jnp.linalg.norm(gradient),
        predicted=scale * (2 * settings.ell) ** 0.5,
        assumptions=margins,
        given=active(net, scene.x0).any(),
    )


theorem = Theorem(
    name="subspace.decayed-gradient",
    statement="‖Π_{P⊥}∇N(x₀)‖ ≤ |c_T|√(2kℓσ²/m) with probability ≥ 1 − e^{−ℓ/16}, c_T = (1−ηλ)^T",
    label="S7 (Theorem 6.2)",
    provenance="recalled",
    claim=AtMost(failure=lambda settings: exp(-settings.ell / 16)),
    presets={
        "smoke": with_decay_factor(Settings(ell=32, d=42, trials=68), 0.5),
        "course": with_decay_factor(Settings(ell=48, d=58, trials=185), 0.5),
        "paper": with_decay_factor(Settings(ell=74, d=84, trials=702), 0.5),
    },
    trial=trial,
    control=Control(
        name="λ half of what is believed",
        trial=lambda settings, key: trial(settings, key, overstated=2.0),
    ),
)
