"""S5, first part: no short step off the subspace changes the network much.

Proof. σ is 1-Lipschitz, so for z ∈ P^⊥ |N(x₀+z) − N(x₀)| ≤ Σ_i |u_i|·|⟨w_i, z⟩| ≤ ‖u‖₂·‖Wz‖₂ and
Wz = W_⊥z. Hence no z ∈ P^⊥ shorter than r = |N(x₀)|/(‖u‖₂·‖W_⊥‖_op) changes the sign. ∎

The output weights are one to three times ±1/√m here, so that a radius without ‖u‖ would show.
‖W_⊥‖_op lies between ‖W_⊥q‖ for any unit q, and the Schatten norm (tr (W_⊥W_⊥ᵀ)^{64})^{1/128},
which is at most m^{1/128} times too large: r is compared with both, for q of 1000 power iterations.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from theory.claims import AtLeast, AtMost
from theory.geometry import Subspace, off_by_rounding
from theory.networks import TwoLayerReLU
from theory.subspace.assumptions import assumptions
from theory.subspace.flip import certified_radius, nearest_flip, universal_direction
from theory.subspace.gradient import off_subspace_gradient
from theory.subspace.scene import draw_scene, train_scene
from theory.subspace.settings import Settings
from theory.theorem import Control, Theorem, Trial

RADII = (0.01, 0.1, 1.0, 10.0)
"""Lengths of z tried; points of P have norm √d."""


class Tried(NamedTuple):
    """What the parts of the statement compare, and how much of the directions tried lies in P."""

    measured: dict[str, Float[Array, ""]]
    predicted: dict[str, Float[Array, ""]]
    on_plane: Float[Array, ""]


def attempt(net: TwoLayerReLU, x0, plane: Subspace, key, on_plane: bool = False) -> Tried:
    """Directions tried: ±Π_{P^⊥}∇N(x₀), ± the universal one, ± the top singular one, 8 random ones.

    With ``on_plane`` the gradient's part in P takes the place of that off it.
    """
    off, size = plane.reject(net.w), jnp.linalg.norm(net.u)
    gram = off @ off.T
    gram = gram / jnp.trace(gram)
    top = jax.lax.fori_loop(0, 1000, lambda _, a: gram @ a / jnp.linalg.norm(gram @ a), net.u)
    q = top @ off / jnp.linalg.norm(top @ off)
    gradient = off_subspace_gradient(net, x0, plane.basis)
    gradient = plane.project(jax.grad(net)(x0)) if on_plane else gradient
    named = jnp.stack([gradient, universal_direction(net, plane), q])
    random = plane.reject(jax.random.normal(key, (8, len(x0))))
    directions = jnp.concatenate([named, -named, random])
    # Two of the directions vanish where no neuron is active.
    norms = jnp.linalg.norm(directions, axis=-1, keepdims=True)
    directions = directions / jnp.where(norms > 0, norms, 1)
    z = jnp.concatenate([radius * directions for radius in RADII])
    change = jnp.abs(net(x0[None, :] + z) - net(x0))
    allowed = size * jnp.linalg.norm(z @ off.T, axis=-1)
    worst = jnp.argmax(jnp.where(allowed > 0, change / jnp.where(allowed > 0, allowed, 1), -1))
    radius, nearest = certified_radius(net, x0, plane), nearest_flip(net, x0, plane, directions)
    schatten = jnp.trace(jnp.linalg.matrix_power(gram, 64)) ** (1 / 128) * jnp.linalg.norm(off)
    largest = jnp.abs(net(x0)) / size
    return Tried(
        {"change": change[worst], "no flip": nearest, "radius": radius, "nor less": radius},
        {
            "change": allowed[worst],
            "no flip": radius,
            "radius": largest / jnp.linalg.norm(off @ q),
            "nor less": largest / schatten,
        },
        jnp.max(jnp.linalg.norm(plane.project(directions), axis=-1)),
    )


CLAIM = {
    # A change of N is a difference of numbers near |N(x₀)|, at ‖z‖ as small as 0.01.
    "change": AtMost(ulps=2.0**14, says="|N(x₀+z) − N(x₀)| ≤ ‖u‖‖W_⊥z‖ at the z ∈ P^⊥ tried"),
    "no flip": AtLeast(says="the nearest flip found by search in P^⊥ is at least r away"),
    "radius": AtMost(says="r ≤ |N(x₀)|/(‖u‖‖W_⊥q‖), q the top singular vector found"),
    "nor less": AtLeast(says="r ≥ |N(x₀)|/(‖u‖(tr(W_⊥W_⊥ᵀ)⁶⁴)^{1/128})"),
}


def trial(settings: Settings, key, on_plane: bool = False) -> Trial:
    """Measured: ``change`` |N(x₀+z) − N(x₀)| at the worst z tried; ``no flip``, the distance that
    `nearest_flip` finds from the same directions; ``radius`` and ``nor less``, `certified_radius`.

    Predicted: ‖u‖‖W_⊥z‖; `certified_radius`; |N(x₀)|/‖u‖ over ‖W_⊥q‖ and over the Schatten norm.
    """
    key_scene, key_u, key_z = jax.random.split(key, 3)
    scene = draw_scene(settings, key_scene)
    u = scene.network.u * jax.random.uniform(key_u, (settings.width,), minval=1, maxval=3)
    scene = scene._replace(network=scene.network._replace(u=u))
    trained = train_scene(settings, scene)
    measured, predicted, on = attempt(trained.network, scene.x0, scene.subspace, key_z, on_plane)
    size = jnp.linalg.norm(trained.network.u)
    return Trial(
        measured,
        predicted,
        assumptions=assumptions(settings, scene, trained)
        | {"z ∈ P^⊥": off_by_rounding(on) - on, "‖u‖ not 1": jnp.abs(size - 1) - 0.25},
        given=jnp.isfinite(measured["no flip"]),
    )


theorem = Theorem(
    name="subspace.certified-radius",
    statement="at x₀ ∈ P, W_⊥ = Π_{P⊥}W, r the certified radius, whatever u, after training on P",
    label="S5",
    provenance="derived",
    claim=CLAIM,
    presets={
        "smoke": Settings(ell=100, d=110, margin=2.0, steps=5000, learning_rate=1 / 110, trials=40),
        "course": Settings(
            ell=200, d=210, margin=2.0, steps=5000, learning_rate=1 / 210, trials=135
        ),
        "paper": Settings(
            ell=990, d=1000, margin=2.0, steps=5000, learning_rate=1 / 1000, trials=688
        ),
    },
    trial=trial,
    control=Control(
        name="z along the gradient's part in P",
        trial=lambda settings, key: trial(settings, key, on_plane=True),
    ),
)
