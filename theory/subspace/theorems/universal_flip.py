"""S4: one direction off the subspace flips every point of it at once.

Proof. Write g_i = Π_{P^⊥}w_i ~ N(0, σ²I_ℓ), s_i = sign u_i, v = Σ_i s_i g_i. Given g_i,
Σ_{j≠i} s_j⟨g_i, g_j⟩ ~ N(0, ‖g_i‖²σ²(m−1)); with ℓ ≥ 16(m−1)ln(m/δ) and ‖g_i‖² ≥ σ²ℓ/2 it stays
above −‖g_i‖²/2 for all i but for probability δ, so s_i⟨g_i, v⟩ ≥ ‖g_i‖²/2 ≥ σ²ℓ/4: this is
``gain``, one inequality a neuron, and no point of P is in it. Moving x₀ ∈ P by z = −y₀αv
therefore raises no neuron with s_i = y₀ and raises each of the k_− active opposing ones by
≥ ασ²ℓ/4 at weight 1/√m, so y₀N falls by at least k_−ασ²ℓ/(4√m) = (1+10⁻⁶)|N(x₀)|, at every
x₀ ∈ P with k_− ≥ 1 and N(x₀) ≠ 0. ``length``, ‖v‖² ≤ 2mσ²ℓ, gives
‖z‖ = α‖v‖ ≤ (1+10⁻⁶)·4√2·|N(x₀)|·(m/k_−)/(σ√ℓ). Laurent and Massart bound the m+1 tails by
e^{−ℓ/16} each. Whether the margin is reached depends on W(0) through P alone, so given it nothing
changes. ∎

The trial evaluates both inequalities, and besides tries the step at points of P. The paper's
Theorem 5.1 has this leading form, with constants that are not asserted here.
"""

from dataclasses import dataclass
from math import exp, log

import jax
import jax.numpy as jnp
import optax

from theory.claims import AtLeast, AtMost
from theory.settings import ProperShare
from theory.subspace.assumptions import assumptions, rows_uncorrelated
from theory.subspace.flip import universal_direction
from theory.subspace.gradient import active
from theory.subspace.scene import draw_scene, parallel_rows, points_in, train_scene
from theory.subspace.settings import Settings
from theory.theorem import Choice, Control, Theorem, Trial

POINTS = 64
"""Points of P tried in each trial, beside the training points."""


@dataclass(frozen=True)
class FlipSettings(Settings):
    """The scene's settings and the δ of the condition ℓ ≥ 16(m−1)ln(m/δ)."""

    samples: int = 3
    margin: float = 2.0
    delta: ProperShare = 0.05
    """probability allowed to the crossing terms"""


def trial(settings: FlipSettings, key, parallel: Choice = False) -> Trial:
    """Measured: ``gain`` min_i s_i⟨g_i, v⟩; ``length`` ‖v‖²; ``flip``, the least fall over |N(x₀)|.

    Predicted: σ²ℓ/4, 2mσ²ℓ and 1 + 10⁻⁶. Tried are the training points and `POINTS` others.
    """
    key_scene, key_points = jax.random.split(key)
    scene = draw_scene(settings, key_scene)
    scene = optax.tree.where(parallel, parallel_rows(scene), scene)
    trained = train_scene(settings, scene)
    net, m, variance = trained.network, settings.width, settings.sigma**2 * settings.ell
    v, signs = universal_direction(net, scene.subspace), jnp.sign(net.u)

    def attack(x):
        value = net(x)
        y = jnp.sign(value)
        opposing = jnp.sum(active(net, x) & (signs == -y)).astype(x.dtype)
        exists = (opposing > 0) & (value != 0)
        alpha = 4 * m**0.5 * jnp.abs(value) / (jnp.maximum(opposing, 1) * variance)
        after = y * net(x - y * (1 + 1e-6) * alpha * v)
        fallen = (jnp.abs(value) - after) / jnp.where(exists, jnp.abs(value), 1)
        return jnp.where(exists, fallen, jnp.inf), exists

    points = jnp.concatenate([scene.x, points_in(key_points, scene.subspace, POINTS)])
    fallen, exists = jax.lax.map(attack, points)
    needed = 16 * (m - 1) * log(m / settings.delta)
    predicted = {"gain": variance / 4, "length": 2 * m * variance, "flip": 1 + 1e-6}
    return Trial(
        measured={
            "gain": jnp.min(signs * (scene.subspace.reject(net.w) @ v)),
            "length": v @ v,
            "flip": jnp.min(fallen),
        },
        predicted={name: jnp.asarray(bound, v.dtype) for name, bound in predicted.items()},
        assumptions=assumptions(settings, scene, trained)
        | {
            "ℓ ≥ 16(m−1)ln(m/δ)": jnp.asarray(settings.ell - needed, v.dtype),
            "rows of W_⊥ uncorrelated": rows_uncorrelated(scene),
        },
        given=exists.any() & (trained.margin >= settings.margin),
    )


def failure(settings: FlipSettings) -> float:
    """(m+1)e^{−ℓ/16} + δ."""
    return (settings.width + 1) * exp(-settings.ell / 16) + settings.delta


theorem = Theorem(
    name="subspace.universal-flip",
    statement="given that the margin is reached, each with probability ≥ 1 − (m+1)e^{−ℓ/16} − δ if "
    "ℓ ≥ 16(m−1)ln(m/δ), v = Σ_i s_i g_i, s_i = sign u_i, g_i = Π_{P⊥}w_i; gain and length imply: "
    "z = −y₀αv, α = (1+10⁻⁶)·4√m|N(x₀)|/(k₋σ²ℓ), flips every x₀ ∈ P with k₋ ≥ 1, N(x₀) ≠ 0, and "
    "‖z‖ ≤ (1+10⁻⁶)·4√2·|N(x₀)|·(m/k₋)/(σ√ℓ)",
    label="S4 (after Theorem 5.1)",
    provenance="derived",
    claim={
        "gain": AtLeast(failure, says="min_i s_i⟨g_i, v⟩ ≥ σ²ℓ/4"),
        "length": AtMost(failure, says="‖v‖² ≤ 2mσ²ℓ"),
        "flip": AtLeast(failure, says="y₀(N(x₀) − N(x₀+z)) ≥ (1+10⁻⁶)|N(x₀)| where tried"),
    },
    presets={
        "smoke": FlipSettings(width=12, ell=800, d=810, delta=0.13, trials=60),
        "course": FlipSettings(width=20, ell=2050, d=2060, trials=150),
        "paper": FlipSettings(width=20, ell=2540, d=2550, delta=0.01, trials=730),
    },
    trial=trial,
    control=Control(
        name="parallel rows of W_⊥",
        numbers={"parallel": True},
    ),
)
