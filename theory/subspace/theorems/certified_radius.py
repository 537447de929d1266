"""S5, first part: no short step off the subspace changes the network much.

Proof. σ is 1-Lipschitz, so |N(x₀+z) − N(x₀)| ≤ Σ_i |u_i|·|⟨w_i, z⟩| ≤ ‖u‖₂·‖Wz‖₂, and Wz = W_⊥z
for z ∈ P^⊥. With ‖u‖₂ = 1, no z ∈ P^⊥ shorter than |N(x₀)|/‖W_⊥‖_op changes the sign.
"""

import jax
import jax.numpy as jnp

from theory.claims import AtMost
from theory.subspace.flip import universal_direction
from theory.subspace.gradient import off_subspace_gradient
from theory.subspace.scene import assumptions, draw_scene, train_scene
from theory.subspace.settings import Settings
from theory.theorem import Control, Theorem, Trial

RADII = (0.01, 0.1, 1.0, 10.0)
"""Lengths of z tried; points of P have norm √d."""


def trial(settings: Settings, key, understated: float = 1.0) -> Trial:
    """Measured: the largest |N(x₀+z) − N(x₀)|/‖W_⊥z‖ over adversarial and random z. Predicted: 1.

    The directions are ±Π_{P^⊥}∇N(x₀), ± the universal direction and random ones. ``understated``
    is the factor by which W_⊥ is believed smaller than it is.
    """
    key_scene, key_z = jax.random.split(key)
    scene = draw_scene(settings, key_scene)
    net = train_scene(settings, scene).network
    gradient = off_subspace_gradient(net, scene.x0, scene.subspace.basis)
    random = scene.subspace.reject(jax.random.normal(key_z, (8, settings.d)))
    named = jnp.stack([gradient, universal_direction(net, scene.subspace)])
    directions = jnp.concatenate([named, -named, random])
    # Two of the directions vanish where no neuron is active; a zero row then predicts no change.
    norms = jnp.linalg.norm(directions, axis=-1, keepdims=True)
    directions = directions / jnp.where(norms > 0, norms, 1)

    def ratio(radius):
        z = radius * directions
        change = jnp.abs(net(scene.x0[None, :] + z) - net(scene.x0))
        allowed = understated * jnp.linalg.norm(z @ scene.subspace.reject(net.w).T, axis=-1)
        return jnp.where(change > 0, change / allowed, 0)

    largest = jnp.max(jnp.stack([ratio(radius) for radius in RADII]))
    return Trial(
        measured=largest,
        predicted=jnp.ones_like(largest),
        assumptions=assumptions(settings, scene),
    )


theorem = Theorem(
    name="subspace.certified-radius",
    statement="|N(x₀+z) − N(x₀)| ≤ ‖W_⊥z‖ for every z ∈ P^⊥: no flip below |N(x₀)|/‖W_⊥‖_op",
    label="S5",
    provenance="derived",
    # A change of N is a difference of numbers near |N(x₀)|, at ‖z‖ as small as 0.01.
    claim=AtMost(ulps=2.0**14),
    presets={
        "smoke": Settings(width=20, ell=100, d=110, trials=40),
        "course": Settings(width=20, ell=200, d=210, trials=135),
        "paper": Settings(width=20, ell=990, d=1000, trials=688),
    },
    trial=trial,
    control=Control(
        name="W_⊥ understated by half",
        trial=lambda settings, key: trial(settings, key, understated=0.5),
    ),
)
