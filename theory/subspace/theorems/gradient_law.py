"""S2: the exact law of the off-subspace gradient, at every training step.

Proof. Every gradient step moves w_i inside span{x_j} ⊂ P, so Π_{P^⊥}w_i(t) = Π_{P^⊥}w_i(0), and
(Π_P w(t), u, S) depends on Π_P w(0), u and the data only, hence is independent of Π_{P^⊥}w(0).
Given S, Π_{P^⊥}∇N(x₀) = Σ_{i∈S} u_i Π_{P^⊥}w_i is a Gaussian on P^⊥ with covariance
σ² Σ_{i∈S} u_i² = σ²k/m in each of ℓ directions. The stopping time depends on margins at points of
P alone, so it may depend on nothing else.
"""

import jax.numpy as jnp
from scipy import stats

from theory.claims import Law
from theory.subspace.gradient import active, gradient_scale, off_subspace_gradient
from theory.subspace.scene import (
    assumptions,
    draw_scene,
    train_scene,
    with_decay_factor,
)
from theory.subspace.settings import Settings
from theory.theorem import Control, Theorem, Trial


def trial(settings: Settings, key) -> Trial:
    """Measured: ‖Π_{P^⊥}∇N(x₀)‖²·m/(kσ²). Predicted: ℓ, the mean of its law."""
    scene = draw_scene(settings, key)
    net = train_scene(settings, scene).network
    gradient = off_subspace_gradient(net, scene.x0, scene.subspace.basis)
    given = active(net, scene.x0).any()
    scale = jnp.where(given, gradient_scale(net, scene.x0, settings.sigma), 1)
    return Trial(
        measured=jnp.sum((gradient / scale) ** 2),
        predicted=jnp.asarray(settings.ell, gradient.dtype),
        assumptions=assumptions(settings, scene),
        given=given,
    )


theorem = Theorem(
    name="subspace.gradient-law",
    statement="(m/kσ²)·‖Π_{P⊥}∇N(x₀)‖² ~ χ²_ℓ after training",
    label="S2",
    provenance="derived",
    claim=Law(cdf=lambda values, settings: stats.chi2.cdf(values, settings.ell)),
    presets={
        "smoke": Settings(ell=32, d=42, trials=118),
        "course": Settings(ell=48, d=58, trials=688),
        "paper": Settings(ell=74, d=84, trials=2000),
    },
    trial=trial,
    control=Control(
        name="weight decay to 0.9 of W_⊥ ignored",
        trial=lambda settings, key: trial(with_decay_factor(settings, 0.9), key),
    ),
)
