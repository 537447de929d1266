"""X6: dead directions show agreement by chance, exactly; learned ones are found.

Copies m = 1..M share the texts x_1..x_n, P is their span. Of a direction b, copy m has the
coefficients a_m = (⟨∇N_m(x_j), b⟩)_j. Their signed agreement is the mean cosine C of the pairs
a_i, a_j, and its p-value the share of all choices of M signs s_m at which
Σ_{i<j} s_i s_j cos(a_i, a_j) is at least as large as for s = 1 (`signed_p_values`).

- Dead: for b ∈ P^⊥ fixed before the weights are drawn, as is a direction of the embedding that no
  word has, p is uniform on {1, …, 2^{M−1}}/2^{M−1}: at 5 % one in twenty is rejected at most.
- Learned: p ≤ 1/(1 + ½M(M−1)C²) if C > 0. So every b with C ≥ √(38/(M(M−1))) is rejected at 5 %.

Proof. Reflect copy m's initial weights along b: w_i − 2⟨w_i, b⟩b. They have the same law, being
isotropic Gaussians, and, as all x_j are across b, the same pre-activations at texts before and
after every step of descent, which adds combinations of texts. So they end as the reflection of
what they were, and a_m = Σ_i u_i 1[active at x_j]⟨w_i, b⟩ changes its sign alone. Given the a_m up
to signs, the M signs are fair and independent: the sum of s = 1 has any rank among the 2^{M−1},
which differ almost surely, with the same probability. Now let the s_m be fair and independent. The
sum has mean 0 and variance Σcos² ≤ ½M(M−1), as the s_i s_j are uncorrelated, and by Cantelli it is
at least ½M(M−1)C > 0 with probability at most 1/(1 + ½M(M−1)C²): that is p. ∎

Nothing need be uniform. That |cos| agrees as for uniform directions of R^n is false: a neuron is
active at one text as at the next like it, so the a_m of a dead direction are along much the same
line in all copies. At the smoke preset's sizes such p-values reject most dead directions at 5 %.
Weight decay, any rate, and any network whose first layer is linear and drawn so keep the proof.
Adam, whose steps leave P, does not.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from theory.attribution import settings as attribution
from theory.attribution.agreement import pair_cosines
from theory.attribution.directions import signed_p_values
from theory.attribution.reference import uniform_cdf
from theory.attribution.scene import (
    assumptions,
    draw_copies,
    draw_scene,
    drawn_apart,
    learned,
    train_copies,
    with_directions,
)
from theory.claims import AtMost, Law
from theory.geometry import off_by_rounding
from theory.isotropy import axes_off
from theory.networks import TwoLayerReLU
from theory.settings import Sample
from theory.theorem import Choice, Control, Theorem, Trial

LEVEL = 0.05
"""At which a direction is rejected."""


@dataclass(frozen=True)
class Settings(attribution.Settings):
    """Copies enough to reject where they agree."""

    copies: Sample = 10
    """copies M of the classifier"""

    def __post_init__(self):
        super().__post_init__()
        if self.enough >= 1:
            raise ValueError(f"copies is {self.copies} and must be at least 7, to agree enough")

    @property
    def pairs(self) -> int:
        """½M(M−1)."""
        return self.copies * (self.copies - 1) // 2

    @property
    def enough(self) -> float:
        """√(38/(M(M−1))), the mean cosine at which the bound is 5 %.

        Example:
            >>> round(Settings(copies=20).enough, 4)
            0.3162
        """
        return ((1 / LEVEL - 1) / self.pairs) ** 0.5


def coefficients(
    copies: TwoLayerReLU, x: Float[Array, "n D"], directions: Float[Array, "D b"]
) -> Float[Array, "copies n b"]:
    """⟨∇N_m(x_j), b⟩ of every copy, text and direction.

    Example:
        >>> copies = TwoLayerReLU(jnp.array([[[1.0, 2.0]]]), jnp.ones((1, 1)))
        >>> coefficients(copies, jnp.array([[1.0, 0.0], [-1.0, 0.0]]), jnp.eye(2)).tolist()
        [[[1.0, 2.0], [0.0, 0.0]]]
    """

    def one(net):
        return jax.vmap(jax.grad(lambda x: net(x)))(x) @ directions

    return jax.vmap(one)(copies)


def trial(settings: Settings, key, dead: Choice = True) -> Trial:
    """Measured: p of a direction off P, and of Σ_j y_j x_j.

    Predicted: ½, for comparison only, and 1/(1 + ½M(M−1)C²). The former direction is in P, the
    same as the latter, if not ``dead``.
    """
    key_scene, key_copies = jax.random.split(key)
    scene = draw_scene(settings, key_scene)
    starts = draw_copies(settings, jax.random.split(key_copies, settings.copies))
    trained = train_copies(settings, scene, starts)
    label = scene.y @ scene.x
    label = label / jnp.linalg.norm(label)
    off = jnp.where(dead, axes_off(scene.span, slice(1))[:, 0], label)
    found = coefficients(trained.network, scene.x, jnp.stack([off, label], axis=1))
    across = jnp.swapaxes(found, 1, 2)
    p_values, agreed = signed_p_values(found), jnp.mean(pair_cosines(across)[:, 1])
    return Trial(
        measured={"dead": p_values[0], "learned": p_values[1]},
        predicted={
            "dead": jnp.full((), 0.5, label.dtype),
            "learned": 1 / (1 + settings.pairs * agreed**2),
        },
        assumptions=assumptions(scene)
        | with_directions(across)
        | drawn_apart(scene.span.reject(starts.w))
        | learned(settings, scene.span, starts, trained)
        | {
            "b off P": off_by_rounding(off) - jnp.linalg.norm(scene.span.project(off)),
            "copies agree enough on Σ y_j x_j": agreed - settings.enough,
        },
    )


theorem = Theorem(
    name="attribution.signed-agreement",
    statement="M copies trained to the margin, a_m = (⟨∇N_m(x_j), b⟩)_j, C the mean of "
    "cos(a_i, a_j) over pairs, p the share of signs with at least that",
    label="X6",
    provenance="derived",
    claim={
        "dead": Law(
            uniform_cdf, 0.075, "p is uniform on [0, 1] for b ∈ P⊥ fixed", {"exponent": uniform_cdf}
        ),
        "learned": AtMost(
            says="p ≤ 1/(1 + ½M(M−1)C²) for b = Σ y_j x_j, hence p ≤ .05 as C ≥ √(38/(M(M−1)))"
        ),
    },
    presets={
        "smoke": Settings(tokens=4, samples=8, steps=5000, trials=118),
        "course": Settings(tokens=4, samples=8, steps=5000, trials=688),
        "paper": Settings(tokens=16, samples=32, width=100, copies=12, steps=5000, trials=2000),
    },
    trial=trial,
    control=Control(
        name="a learned direction taken for dead",
        numbers={"dead": False},
    ),
)
