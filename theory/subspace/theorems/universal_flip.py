"""S4: one direction off the subspace flips every point of it at once.

Proof. Write g_i = Π_{P^⊥}w_i ~ N(0, σ²I_ℓ), s_i = sign u_i, v = Σ_i s_i g_i. Given g_i,
Σ_{j≠i} s_j⟨g_i, g_j⟩ ~ N(0, ‖g_i‖²σ²(m−1)); with ℓ ≥ 16(m−1)ln(m/δ) and ‖g_i‖² ≥ σ²ℓ/2 it stays
above −‖g_i‖²/2 for all i but for probability δ, so s_i⟨g_i, v⟩ ≥ ‖g_i‖²/2 ≥ σ²ℓ/4. Moving by
z = −y₀αv therefore raises no neuron with s_i = y₀ and raises each of the k_− active opposing
ones by ≥ ασ²ℓ/4 at weight 1/√m, so N falls by more than |N(x₀)| for the α below.
‖v‖² ≤ 2mσ²ℓ gives the norm. Laurent and Massart bound the m+1 tails by e^{−ℓ/16} each.

The paper's Theorem 5.1 has this leading form, with constants that are not asserted here.
"""

from dataclasses import dataclass
from math import exp, log

import jax
import jax.numpy as jnp

from theory.claims import AtMost
from theory.settings import ProperShare
from theory.subspace.flip import flip_distance, universal_direction
from theory.subspace.gradient import active
from theory.subspace.scene import (
    assumptions,
    draw_scene,
    identical_rows,
    points_in,
    train_scene,
)
from theory.subspace.settings import Settings
from theory.theorem import Control, Theorem, Trial

POINTS = 64
"""Points of P tried in each trial, beside the training points."""


@dataclass(frozen=True)
class FlipSettings(Settings):
    """The scene's settings and the δ of the condition ℓ ≥ 16(m−1)ln(m/δ)."""

    delta: ProperShare = 0.05
    """probability allowed to the crossing terms"""


def trial(settings: FlipSettings, key, prepare=lambda scene: scene) -> Trial:
    """Measured: the smallest flip along −y₀v, at the point of P where it is worst.

    Predicted: (1+10⁻⁶)·4√2·|N(x₀)|·(m/k_−)/(σ√ℓ) there. The theorem's own step is tried as well:
    where it does not flip, or is longer than the prediction, measured is infinite.
    """
    key_scene, key_points = jax.random.split(key)
    scene = prepare(draw_scene(settings, key_scene))
    net = train_scene(settings, scene).network
    m, variance = settings.width, settings.sigma**2 * settings.ell
    v = universal_direction(net, scene.subspace)

    def attack(x):
        value = net(x)
        y = jnp.sign(value)
        opposing = jnp.sum(active(net, x) & (jnp.sign(net.u) == -y)).astype(x.dtype)
        exists = (opposing > 0) & (value != 0)
        opposing = jnp.maximum(opposing, 1)
        alpha = (1 + 1e-6) * 4 * m**0.5 * jnp.abs(value) / (opposing * variance)
        step = alpha * jnp.linalg.norm(v)
        bound = (1 + 1e-6) * 4 * 2**0.5 * jnp.abs(value) * (m / opposing) / variance**0.5
        flips = (net(x - y * alpha * v) * y < 0) & (step <= bound)
        smallest = flip_distance(net, x, -y * v)
        return jnp.where(flips, smallest, jnp.inf), bound, exists

    points = jnp.concatenate([scene.x, points_in(key_points, scene.subspace, POINTS)])
    measured, predicted, exists = jax.lax.map(attack, points)
    worst = jnp.argmax(jnp.where(exists, measured / jnp.where(exists, predicted, 1), -1))
    needed = 16 * (m - 1) * log(m / settings.delta)
    return Trial(
        measured=measured[worst],
        predicted=predicted[worst],
        assumptions=assumptions(settings, scene)
        | {"ℓ ≥ 16(m−1)ln(m/δ)": jnp.asarray(settings.ell - needed, points.dtype)},
        given=exists.any(),
    )


theorem = Theorem(
    name="subspace.universal-flip",
    statement="z = −y₀αΣ_i sign(u_i)Π_{P⊥}w_i flips N at every x₀ ∈ P with k₋ ≥ 1, "
    "‖z‖ ≤ (1+10⁻⁶)·4√2·|N(x₀)|·(m/k₋)/(σ√ℓ), with probability ≥ 1 − (m+1)e^{−ℓ/16} − δ",
    label="S4 (after Theorem 5.1)",
    provenance="derived",
    claim=AtMost(
        failure=lambda settings: (settings.width + 1) * exp(-settings.ell / 16) + settings.delta
    ),
    presets={
        "smoke": FlipSettings(width=8, ell=600, d=610, trials=40),
        "course": FlipSettings(width=20, ell=2050, d=2060, trials=145),
        "paper": FlipSettings(width=20, ell=2540, d=2550, delta=0.01, trials=700),
    },
    trial=trial,
    control=Control(
        name="identical rows of W_⊥",
        trial=lambda settings, key: trial(settings, key, identical_rows),
    ),
)
