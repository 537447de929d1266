"""M1: for linear logits MALT's score is the distance to the target class.

Let z = A x + c, g_j = z_y − z_j > 0 at x, a_j = ∇g_j ≠ 0, 1/p + 1/q = 1. The least ‖δ‖_p with
z_j ≥ z_y at x + δ is s_j = g_j/‖a_j‖_q, so the class of the lowest score is the nearest one.

Proof. g_j(x + δ) = g_j + ⟨a_j, δ⟩ ≥ g_j − ‖a_j‖_q‖δ‖_p by Hölder's inequality, which is positive
where ‖δ‖_p < s_j; and it is an equality for a step along the direction in which ⟨a_j, ·⟩ falls
most, where g_j(x + δ) = 0 at ‖δ‖_p = s_j. ∎

Lemma 3.1 of the paper is this for p = 2, misprinted: it takes the argmin of what is negative for
every class, which is the worst one, and leaves out the biases. Where a box cuts the step off, s_j
is only a lower bound: the control.
"""

import jax
import jax.numpy as jnp

from theory.attacks.balls import AnyNorm, norms
from theory.attacks.distances import toward_plane
from theory.attacks.linear import draw
from theory.attacks.settings import Linear
from theory.attacks.targets import scores
from theory.claims import AtLeast, AtMost, Identity
from theory.theorem import Control, Number, Theorem, Trial

NORMS: dict[AnyNorm, str] = {"l1": "ℓ₁", "l2": "ℓ₂", "linf": "ℓ_∞"}

NEAR = (1e-3, 1e-2, 0.1, 1.0)
"""How far the directions tried are from the one that the score follows: the problem is convex, so
that a nearer point would be found among the nearest directions already."""


def trial(settings: Linear, key, room: Number = 1e6) -> Trial:
    """Measured: by norm, g_j at the end of the step of length s_j, where it is largest for its
    rounding; the least distance along other directions, where it is nearest to s_j. Predicted: the
    size of the numbers added up; s_j. ``first``: the distance of the class that MALT aims at first,
    and the least of all.

    The box is [½ − room, ½ + room]^d.
    """
    key_scene, key_near = jax.random.split(key)
    scene = draw(settings, key_scene)
    measured, predicted, reach = {}, {}, []
    noise = jax.random.normal(key_near, (32, settings.d))
    noise = noise * jnp.tile(jnp.asarray(NEAR), 8)[:, None]
    for norm, name in NORMS.items():
        s = scores(
            scene.logits, scene.x[None], scene.y[None], scene.others[None],
            order="malt", norm=norm, box=None,
        )[0]  # fmt: skip
        along = toward_plane(scene.slopes, norm)
        end = scene.x[None] + s[:, None] * along
        reach.append(jnp.max(jnp.abs(end - 0.5)))
        end = jnp.clip(end, 0.5 - room, 0.5 + room)
        off, size = jnp.abs(scene.margins(end)), scene.rounding(end)
        worst = jnp.argmax(off / size)
        measured[f"reached, {name}"], predicted[f"reached, {name}"] = off[worst], size[worst]

        def distance(direction, norm: AnyNorm = norm):
            fall = -jnp.sum(scene.slopes * direction, axis=1)
            fall = fall / norms(direction, norm)
            return jnp.where(fall > 0, scene.g / jnp.where(fall > 0, fall, 1), jnp.inf)

        nearest = jnp.min(jax.vmap(lambda v, along=along: distance(along + v[None]))(noise), axis=0)
        worst = jnp.argmin(nearest / s)
        measured[f"no nearer, {name}"] = nearest[worst]
        predicted[f"no nearer, {name}"] = s[worst]
        r = distance(along)
        measured[f"first, {name}"], predicted[f"first, {name}"] = r[jnp.argmin(s)], jnp.min(r)
    return Trial(
        measured,
        predicted,
        {"no box in the way": (0.5 - jnp.max(jnp.stack(reach)) + room - 0.5) / room},
    )


def _claim():
    claims = {}
    for name in NORMS.values():
        claims[f"reached, {name}"] = Identity(says=f"g_j = 0 at x + s_j·u_j, ‖u_j‖ = 1 in {name}")
        claims[f"no nearer, {name}"] = AtLeast(says=f"no δ of {name} norm below s_j has g_j ≤ 0")
        claims[f"first, {name}"] = AtMost(says=f"argmin_j s_j is nearest in {name}")
    return claims


theorem = Theorem(
    name="attacks.linear-distance",
    statement="s_j = (z_y − z_j)/‖∇(z_y − z_j)‖_q is the least ‖δ‖_p with z_j(x+δ) ≥ z_y(x+δ), "
    "z linear, no box, x classified right, ∇ ≠ 0, p = 1, 2, ∞",
    label="M1 (Lemma 3.1, corrected)",
    provenance="derived",
    claim=_claim(),
    presets={
        "smoke": Linear(trials=20),
        "course": Linear(d=48, classes=20, trials=135),
        "paper": Linear(d=256, classes=100, trials=688),
    },
    trial=trial,
    control=Control(name="the box [0, 1]", numbers={"room": 0.5}),
)
