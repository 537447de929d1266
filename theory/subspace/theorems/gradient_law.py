"""S2: the exact law of the off-subspace gradient, at every training step.

Proof. Every gradient step moves w_i inside span{x_j} ⊂ P, so Π_{P^⊥}w_i(t) = Π_{P^⊥}w_i(0), and
(Π_P w(t), u, S) depends on Π_P w(0), u and the data only, hence is independent of Π_{P^⊥}w(0).
Given S, Π_{P^⊥}∇N(x₀) = Σ_{i∈S} u_i Π_{P^⊥}w_i is a Gaussian on P^⊥ with covariance
σ² Σ_{i∈S} u_i² = σ²k/m in each of ℓ directions. The stopping time depends on margins at points of
P alone, so it may depend on nothing else. The axes behind the parts of g depend on P alone. ∎
"""

import jax.numpy as jnp

from theory.subspace.assumptions import assumptions
from theory.subspace.gradient import active, gradient_scale, off_subspace_gradient
from theory.subspace.isotropy import laws, scales, statistics
from theory.subspace.scene import draw_scene, train_scene, with_decay_factor
from theory.subspace.settings import Settings
from theory.theorem import Control, Theorem, Trial


def trial(settings: Settings, key) -> Trial:
    """Measured: `statistics` of g = Π_{P^⊥}∇N(x₀)·√(m/k)/σ. Predicted: the scales of their laws.

    ``norm`` and ``first half``, ``every other``: squared norms of g, of its parts along the first
    half of the axes and along every other axis. ``axis``: a coordinate.
    """
    scene = draw_scene(settings, key)
    trained = train_scene(settings, scene)
    net = trained.network
    given = active(net, scene.x0).any()
    scale = jnp.where(given, gradient_scale(net, scene.x0, settings.sigma), 1)
    g = off_subspace_gradient(net, scene.x0, scene.subspace.basis) / scale
    return Trial(
        measured=statistics(scene.subspace, g, settings.ell),
        predicted=scales(settings.ell, g.dtype),
        assumptions=assumptions(settings, scene, trained),
        given=given,
    )


theorem = Theorem(
    name="subspace.gradient-law",
    statement="g = √(m/kσ²)·Π_{P⊥}∇N(x₀) ~ N(0, I_ℓ) given k ≥ 1, for w_i(0) ~ N(0, σ²I), "
    "u_i = ±1/√m, trained on points of P without decay, at x₀ ∈ P",
    label="S2",
    provenance="derived",
    claim=laws(),
    presets={
        "smoke": Settings(ell=32, d=42, trials=200),
        "course": Settings(ell=48, d=58, trials=688),
        "paper": Settings(ell=74, d=84, trials=2000),
    },
    trial=trial,
    control=Control(
        name="weight decay to 0.8 of W_⊥ ignored",
        trial=lambda settings, key: trial(with_decay_factor(settings, 0.8), key),
    ),
)
