"""E6: when one step down the energy makes, or leaves, the true class the predicted one of K.

Let f be linear on the ball of radius ε, g_k = ∇f_k, g_t ≠ 0, e = softmax f, and for j ≠ t

    κ_j = max(e_j, e_t)‖g_j‖/(e_t‖g_t‖),  v_j = ‖Σ_{i≠t,j} e_i g_i‖/(e_t‖g_t‖),
    k_j = ε‖g_t‖/max(0, f_j − f_t), 1/k_j = 0 where f_j ≤ f_t.

If κ_j + √(v_j² + k_j⁻²) < 1 for all j ≠ t, then argmax f = t after a step of length ε against ∇E,
with no box. Wherever κ_j + v_j ≤ 1, f_t − f_j grows by at least ε‖g_t‖√((1 − κ_j)² − v_j²).

Proof. In units of e_t‖g_t‖ let S = Σ e_i g_i, along which the step is, u_j = e_j‖g_j‖ ≤ κ_j and
λ = κ_j/u_j. ‖S‖ ≥ 1 − u_j − v_j > 0, or g_j = 0 and the claim is shorter. Let x_t, x_j be the
cosines of g_t, g_j with S, and η that part of e_j g_j which is perpendicular to S. Perpendicular
parts of S add up to 0, so x_t ≥ √(1 − (η + v_j)²); and f_t − f_j grows by at least
ε‖g_t‖(x_t − (e_t/e_j) u_j x_j), e_t/e_j ≤ λ. If x_j ≤ 0, x_t ≥ √(1 − (u_j + v_j)²), which is at
least √((1 − κ_j)² − v_j²). Otherwise (e_t/e_j) u_j x_j ≤ √(κ_j² − η′²) with η′ = λη ≥ η. Now
(√((1 − κ_j)² − v_j²), v_j) and (√(κ_j² − η′²), η′) have lengths 1 − κ_j and κ_j, so their sum has
length at most 1: √((1 − κ_j)² − v_j²) + √(κ_j² − η′²) ≤ √(1 − (v_j + η′)²) ≤ x_t.
With (1 − κ_j)² − v_j² > k_j⁻² the growth exceeds f_j − f_t. ∎

The condition is the least one: with g_t and g_j at angles ±θ to S, sin θ = v_j/(1 − u_j), and the
rest of S perpendicular to it, the growth is ε‖g_t‖√((1 − u_j)² − v_j²) and f_j − f_t → 0 can be
chosen. Half of the scenes are such; the control puts them just outside.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from theory.attacks.balls import Ball, unit
from theory.claims import AtLeast
from theory.energy.conditions import Local, condition, gain, weights
from theory.energy.directions import slope_of
from theory.energy.et3 import moved
from theory.energy.linear import log_uniform
from theory.energy.settings import Many
from theory.geometry import random_subspace
from theory.theorem import Control, Number, Theorem, Trial


class Scene(NamedTuple):
    """Linear logits at 0, of the true class first, and their gradients."""

    z: Float[Array, " classes"]
    g: Float[Array, "classes d"]

    def logits(self, x: Float[Array, "n d"]) -> Float[Array, "n classes"]:
        """z + g x of rows."""
        return x @ self.g.T + self.z[None]


def anywhere(settings: Many, key) -> Scene:
    """Gaussian logits, and gradients in any directions, none too large for the true one."""
    key_z, key_share, key_all, key_g, key_scale = jax.random.split(key, 5)
    z = log_uniform(key_scale, 0.1, 10) * jax.random.normal(key_z, (settings.classes,))
    e = jax.nn.softmax(z)
    # κ of the others, of a sum that leaves some scenes to qualify and some not to.
    share = jax.random.exponential(key_share, (settings.classes - 1,))
    kappa = share / jnp.sum(share) * jax.random.uniform(key_all, minval=0.05, maxval=1.5)
    size = kappa * e[0] / jnp.maximum(e[1:], e[0])
    directions = unit(jax.random.normal(key_g, (settings.classes, settings.d)))
    return Scene(z, directions * jnp.concatenate([jnp.ones(1), size])[:, None])


def extremal(settings: Many, key) -> Scene:
    """Class 1 predicted by a hair, and the bound attained for it; other classes far behind."""
    key_u, key_v, key_r, key_q = jax.random.split(key, 4)
    u = jax.random.uniform(key_u, minval=0.05, maxval=0.7)
    v = (1 - u) * jax.random.uniform(key_v, minval=0.05, maxval=0.9)
    z = jnp.full(settings.classes, -60.0)
    z = z.at[0].set(0.0).at[1].set(log_uniform(key_r, 1e-6, 1e-4)).at[2].set(-0.01)
    e = jax.nn.softmax(z)
    sine = v / (1 - u)
    along = jnp.stack([jnp.sqrt(1 - sine**2), sine])
    opposite = along * jnp.array([1.0, -1.0])
    planar = jnp.stack(
        [along, u * e[0] / e[1] * opposite, v * e[0] / e[2] * jnp.array([0.0, -1.0])]
    )
    basis = random_subspace(key_q, settings.d, 2).basis
    return Scene(z, jnp.zeros((settings.classes, settings.d)).at[:3].set(planar @ basis.T))


def trial(settings: Many, key, edge: Number = 0.999) -> Trial:
    """Measured: the least f_t − f_j after, and by how much f_t − f_j grew where it is nearest to
    its bound. Predicted: 0, and that bound. The radius puts the largest κ_j + √(v_j² + k_j⁻²) at
    ``edge``. Given: κ_j + v_j is below it for all j, and t is not predicted."""
    key_kind, key_scene = jax.random.split(key)
    kinds = anywhere(settings, key_scene), extremal(settings, key_scene)
    scene = jax.tree.map(
        lambda one, other: jnp.where(jax.random.bernoulli(key_kind), one, other), *kinds
    )
    first = jnp.zeros(1, int)
    of = weights(Local(scene.z[None], scene.g[None]), first)
    kappa, rest, behind = of.kappa[0, 1:], of.rest[0, 1:], of.margin[0, 1:]
    # κ + √(v² + k⁻²) = edge, for the k that needs the largest radius.
    inverse = jnp.sqrt(jnp.maximum((edge - kappa) ** 2 - rest**2, 0))
    needed = jnp.where(behind > 0, behind / jnp.where(inverse > 0, inverse, 1), 0)
    radius = jnp.max(needed) / of.slope[0]
    reach = radius[None]
    origin = jnp.zeros((1, settings.d))
    ball = Ball(origin, radius, "l2", None)
    after = moved(slope_of("energy", scene.logits, origin), ball, 2 * radius, 1)
    z = scene.logits(after)[0]
    margin = z[0] - z[1:]
    growth, bound = margin + behind, gain(of, reach)[0, 1:]
    nearest = jnp.argmin(jnp.where(bound > 0, growth / jnp.where(bound > 0, bound, 1), jnp.inf))
    left = jnp.max(condition(of, reach)[0, 1:])
    length = jnp.linalg.norm(after)
    return Trial(
        measured={"restored": jnp.min(margin), "growth": growth[nearest]},
        predicted={"restored": jnp.zeros(()), "growth": bound[nearest]},
        assumptions={
            "κ_j + √(v_j² + k_j⁻²) < 1": 1 - left,
            "a step of length ε": 1e-9 - jnp.abs(length / jnp.where(radius > 0, radius, 1) - 1),
        },
        given=jnp.all(kappa + rest < edge) & (radius > 0),
    )


theorem = Theorem(
    name="energy.many-classes",
    statement="K classes linear on B_ε, t true, κ_j = max(e_j, e_t)‖g_j‖/(e_t‖g_t‖), "
    "v_j = ‖Σ_{i≠t,j} e_ig_i‖/(e_t‖g_t‖), k_j = ε‖g_t‖/max(0, f_j − f_t), "
    "κ_j + √(v_j² + k_j⁻²) < 1 for j ≠ t; δ = −ε∇E/‖∇E‖",
    label="E6",
    provenance="derived",
    claim={
        "restored": AtLeast(says="f_t ≥ f_j at x + δ for all j"),
        "growth": AtLeast(says="f_t − f_j grows by ≥ ε‖g_t‖√((1−κ_j)² − v_j²)"),
    },
    presets={
        "smoke": Many(classes=5, trials=4000),
        "course": Many(trials=150_000),
        "paper": Many(classes=30, d=30, trials=1_000_000),
    },
    trial=trial,
    control=Control(name="just outside the condition", numbers={"edge": 1.001}),
)
