"""M3: the distance to a target class in a box, for linear logits and ℓ_∞, where s_j is too short.

Let g = z_y − z_j > 0 at x ∈ [0, 1]^d, a = ∇g, room_i = x_i if a_i > 0 and 1 − x_i if a_i < 0, and
φ(r) = Σ_i |a_i| min(r, room_i). The least ‖δ‖_∞ with g ≤ 0 at x + δ ∈ [0, 1]^d is the r with
φ(r) = g, and there is none if Σ_i |a_i| room_i < g. r ≥ s = g/‖a‖₁, with equality iff s ≤ room_i
wherever a_i ≠ 0.

Proof. Coordinate by coordinate, a step of at most r inside the box lowers ⟨a, ·⟩ by at most
|a_i| min(r, room_i), and −sign(a_i)·min(r, room_i) does. So g − φ(r) is the least value in reach,
and φ, continuous and increasing up to max room, first reaches g at r. As min(r, room_i) ≤ r,
φ(r) ≤ r‖a‖₁. ∎
"""

from dataclasses import dataclass

import jax.numpy as jnp

from theory.attacks import linear
from theory.attacks.distances import to_plane, to_plane_in_box
from theory.claims import AtLeast, Identity
from theory.settings import NonNegative
from theory.theorem import Control, Number, Theorem, Trial


@dataclass(frozen=True)
class Settings(linear.Linear):
    """Linear logits, of which some classes are out of reach."""

    shift: NonNegative = 0.7
    """what the label's logit has more, in units of the mean reach Σ|a_i| room_i of a class"""


def trial(settings: Settings, key, inset: Number = 0.0) -> Trial:
    """Measured: for the class where it is worst, g at the end of the step of length r, g at the
    end of one shorter by 10⁻⁹, and r; the number of classes that are said to be out of reach
    wrongly, or in reach. Predicted: the size of the numbers added up; 0; s; 1.

    The box is [inset, 1 − inset]^d, and believed to be [0, 1]^d.
    """
    scene = linear.draw(settings, key)
    points = jnp.broadcast_to(scene.x, scene.slopes.shape)
    room = jnp.where(scene.slopes > 0, points, 1 - points)
    reach = jnp.mean(jnp.sum(jnp.abs(scene.slopes) * room, axis=1))
    scene = scene._replace(c=scene.c.at[scene.y].add(settings.shift * reach))
    g = scene.margins(points)
    r = to_plane_in_box(g, scene.slopes, points, (0.0, 1.0))
    s = to_plane(g, scene.slopes, "linf")
    in_reach = jnp.isfinite(r)

    def after(length):
        end = points - length[:, None] * jnp.sign(scene.slopes)
        end = jnp.clip(end, inset, 1 - inset)
        return scene.margins(end), scene.rounding(end)

    corner, _ = after(jnp.ones_like(r))
    finite = jnp.where(in_reach, r, 0)
    left, size = after(finite)
    left = jnp.where(in_reach, jnp.abs(left), 0)
    short = jnp.where(in_reach, after((1 - 1e-9) * finite)[0], jnp.inf)
    worst, nearest = jnp.argmax(left / size), jnp.argmin(jnp.where(in_reach, r / s, jnp.inf))
    wrong = in_reach != (corner <= 0)
    one = jnp.ones((), g.dtype)
    return Trial(
        measured={
            "reached": left[worst],
            "no shorter": jnp.minimum(jnp.min(short), 1),
            "r ≥ s": jnp.where(in_reach.any(), r[nearest], 1),
            "out of reach": jnp.sum(wrong).astype(g.dtype),
        },
        predicted={
            "reached": size[worst],
            "no shorter": 0 * one,
            "r ≥ s": jnp.where(in_reach.any(), s[nearest], 1),
            "out of reach": one,
        },
        assumptions={"the box is [0, 1]^d": -inset * one},
        given=in_reach.any(),
    )


theorem = Theorem(
    name="attacks.boxed-distance",
    statement="least ‖δ‖_∞ with z_j ≥ z_y at x+δ ∈ [0,1]^d: Σ|a_i| min(r, room_i) = z_y − z_j, "
    "a = ∇(z_y − z_j), room_i = x_i or 1 − x_i, z linear; some class in reach",
    label="M3",
    provenance="derived",
    claim={
        "reached": Identity(says="z_y − z_j = 0 at the end of a step of r"),
        "no shorter": AtLeast(says="z_y > z_j wherever a step of (1 − 10⁻⁹)r leads in the box"),
        "r ≥ s": AtLeast(says="r ≥ (z_y − z_j)/‖a‖₁"),
        "out of reach": Identity(says="r = ∞ iff z_y > z_j in the last corner of the box"),
    },
    presets={
        "smoke": Settings(trials=20),
        "course": Settings(d=48, classes=20, trials=135),
        "paper": Settings(d=256, classes=100, trials=688),
    },
    trial=trial,
    control=Control(name="the box is smaller by 0.2 on every side", numbers={"inset": 0.2}),
)
