"""S7, second part: S3 and S3' with σ·|c_T| in place of σ, c_T = (1−ηλ)^T.

Proof. S2's proof holds with Π_{P^⊥}w_i(T) = c_T·Π_{P^⊥}w_i(0) ~ N(0, c_T²σ²I_ℓ), so that
‖Π_{P^⊥}∇N(x₀)‖² is c_T²σ²k/m times a χ²_ℓ given S. Either tail, below ℓ/2 and above 2ℓ, has a
probability ≤ e^{−ℓ/16} (Laurent and Massart 2000). ∎
"""

from dataclasses import replace
from math import exp

import jax.numpy as jnp

from theory.claims import AtLeast, AtMost
from theory.subspace.assumptions import left_by_decay, stated_decay
from theory.subspace.gradient import active, gradient_scale, off_subspace_gradient
from theory.subspace.scene import draw_scene, train_scene, with_decay_factor
from theory.subspace.settings import Settings
from theory.theorem import Control, Theorem, Trial


def trial(settings: Settings, key, overstated: float = 1.0) -> Trial:
    """Measured: ‖Π_{P^⊥}∇N(x₀)‖. Predicted: σ|c_T|√(kℓ/2m) below and σ|c_T|√(2kℓ/m) above.

    ``overstated`` is the factor by which λ is believed larger than it is.
    """
    used = replace(settings, weight_decay=settings.weight_decay / overstated)
    scene = draw_scene(used, key)
    trained = train_scene(used, scene)
    net, factor = trained.network, left_by_decay(settings, trained)
    norm = jnp.linalg.norm(off_subspace_gradient(net, scene.x0, scene.subspace.basis))
    scale = gradient_scale(net, scene.x0, settings.sigma) * jnp.abs(factor)
    return Trial(
        measured={"below": norm, "above": norm},
        predicted={
            "below": scale * (settings.ell / 2) ** 0.5,
            "above": scale * (2 * settings.ell) ** 0.5,
        },
        assumptions=stated_decay(settings, used, scene, trained)
        | {"|c_T| at most 0.9": 0.9 - jnp.abs(factor)},
        given=active(net, scene.x0).any(),
    )


def tail(settings: Settings) -> float:
    """e^{−ℓ/16}."""
    return exp(-settings.ell / 16)


theorem = Theorem(
    name="subspace.decayed-gradient",
    statement="each with probability ≥ 1 − e^{−ℓ/16} given k ≥ 1, c_T = (1−ηλ)^T, for "
    "w_i(0) ~ N(0, σ²I), u_i = ±1/√m, T steps of descent with decay λ on points of P",
    label="S7 (Theorem 6.2)",
    provenance="recalled",
    claim={
        "below": AtLeast(tail, says="‖Π_{P⊥}∇N(x₀)‖ ≥ σ|c_T|√(kℓ/2m)"),
        "above": AtMost(tail, says="‖Π_{P⊥}∇N(x₀)‖ ≤ σ|c_T|√(2kℓ/m)"),
    },
    presets={
        "smoke": with_decay_factor(Settings(ell=32, d=42, trials=118), 0.5),
        "course": with_decay_factor(Settings(ell=48, d=58, trials=264), 0.5),
        "paper": with_decay_factor(Settings(ell=74, d=84, trials=1149), 0.5),
    },
    trial=trial,
    control=Control(
        name="λ half of what is stated",
        trial=lambda settings, key: trial(settings, key, overstated=2.0),
    ),
)
