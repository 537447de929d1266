"""S2': the law of the off-subspace gradient when both layers are trained.

Proof. As S2: (u_T, S) is a function of Π_P w(0), u(0) and the data, so it is independent of
Π_{P^⊥}w(0), and given it Π_{P^⊥}∇N(x₀) = Σ_{i∈S} u_{i,T} Π_{P^⊥}w_i(0) is Gaussian on P^⊥ with
covariance σ² Σ_{i∈S} u_{i,T}² I_ℓ. ∎
"""

from dataclasses import replace

import jax.numpy as jnp
from jaxtyping import Array, Float

from theory.networks import TwoLayerReLU
from theory.subspace.assumptions import assumptions
from theory.subspace.gradient import active, gradient_scale, off_subspace_gradient
from theory.subspace.isotropy import laws, scales, statistics
from theory.subspace.scene import Scene, draw_scene, train_scene, with_decay_factor
from theory.subspace.settings import Settings
from theory.theorem import Control, Theorem, Trial

LARGE_MARGIN = Settings(margin=3.0, steps=5000)
"""It is reached within a few hundred steps, and moves u by as much as it was."""


def output_moved(scene: Scene, net: TwoLayerReLU) -> dict[str, Float[Array, ""]]:
    """The margin of what training both layers must have done: it changed the output weights."""
    u = scene.network.u
    return {"u moved by a half": jnp.linalg.norm(net.u - u) / jnp.linalg.norm(u) - 0.5}


def trial(settings: Settings, key) -> Trial:
    """Measured: the `statistics` of g = Π_{P^⊥}∇N(x₀)/(σ√Σ_{i∈S}u_{i,T}²), as in S2.

    Predicted: the scales of their laws.
    """
    scene = draw_scene(settings, key)
    trained = train_scene(settings, scene, train_output=True)
    net = trained.network
    given = active(net, scene.x0).any()
    scale = jnp.where(given, gradient_scale(net, scene.x0, settings.sigma), 1)
    g = off_subspace_gradient(net, scene.x0, scene.subspace.basis) / scale
    return Trial(
        measured=statistics(scene.subspace, g, settings.ell),
        predicted=scales(settings.ell, g.dtype),
        assumptions=assumptions(settings, scene, trained) | output_moved(scene, net),
        given=given,
    )


theorem = Theorem(
    name="subspace.trained-output",
    statement="g = Π_{P⊥}∇N(x₀)/(σ√Σ_{i∈S}u_{i,T}²) ~ N(0, I_ℓ) given S ≠ ∅, for "
    "w_i(0) ~ N(0, σ²I), both layers trained on points of P without decay, at x₀ ∈ P",
    label="S2'",
    provenance="derived",
    claim=laws(),
    presets={
        "smoke": replace(LARGE_MARGIN, ell=32, d=42, trials=200),
        "course": replace(LARGE_MARGIN, ell=48, d=58, trials=688),
        "paper": replace(LARGE_MARGIN, ell=74, d=84, trials=2000),
    },
    trial=trial,
    control=Control(
        name="weight decay to 0.8 of W_⊥ ignored",
        trial=lambda settings, key: trial(with_decay_factor(settings, 0.8), key),
    ),
)
