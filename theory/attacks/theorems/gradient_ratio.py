"""M4″: off the data's subspace the gradient changes by a share that falls as 1/√d, if m is no more.

In the setting of M4 and M4′ (σ′ ≥ β and L-Lipschitz), with α the largest
‖Π(∇N(x + v) − ∇N(x))‖/‖Π∇N(x)‖ over v ∈ P^⊥, ‖v‖ ≤ R,

  α ≤ (√2LR/β)·(√m + √ℓ + t)²/√(mdℓ) with probability at least 1 − e^{−t²/2} − e^{−ℓ/16},

about 4√2·LR/(β√d) for m ≈ ℓ ≈ d: the numerator is at most (LR/√m)(√m + √ℓ + t)²/d by M4, the
denominator at least β√(ℓ/(2d)) by M4′. ∎

For m ≫ ℓ the bound grows as √m, and so does α where output weights have the sign of σ″, all
positive here: Σ_i u_i σ″(⟨w_i, x⟩)ŵ_iŵ_iᵀ then adds up. With random signs it does not: the control.
The paper's corollary has no bound on m, and would be false for such u. Both scalings are of the
rate α/R for R → 0 before training; at finite m the largest singular value of Ŵ is below its limit
by a share of order m^{−2/3}, which tilts the one in d by some hundredths.
"""

from dataclasses import dataclass
from math import exp

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Integer, Key

from theory.attacks.mesoscopic import happened, play, worst_change
from theory.attacks.settings import Smooth
from theory.claims import AtMost, Scaling
from theory.settings import Count, Sizes
from theory.theorem import Control, Number, Theorem, Trial


@dataclass(frozen=True)
class Settings(Smooth):
    """The bound of one size, and the sizes to sweep."""

    sizes: Sizes = (32, 48, 64, 96, 128, 192)
    """values of d with m = ℓ = d − dim P, and of m/stretch with d and ℓ as below"""
    stretch: Count = 50
    """m over size where m is swept"""
    few: Count = 4
    """ℓ where m is swept, at d = ℓ + dim P"""


def bound(settings: Smooth) -> float:
    """(√2LR/β)(√m + √ℓ + t)²/√(mdℓ).

    Example:
        >>> round(bound(Smooth(d=64, ell=56, width=64, radius=2.0)), 3)
        0.949
    """
    m, d, ell = settings.width, settings.d, settings.ell
    spread = (m**0.5 + ell**0.5 + settings.deviation) ** 2 / (m * d * ell) ** 0.5
    return 2**0.5 * settings.smoothness * settings.radius / settings.beta * spread


def rates(
    settings: Settings,
    key: Key[Array, ""],
    shapes: Integer[Array, "sizes 2"],
    largest: tuple[int, int],
    aligned: Number,
) -> Float[Array, " sizes"]:
    """α/R for R → 0 of a network of each shape (m, ℓ) before training: ‖ΠHΠ‖_op, H = ∇²N(x), over
    the root mean square of ‖Π∇N(x)‖ given what lives on P.

    On P nothing but ⟨w_i, x⟩ ~ N(0, 1) matters. ΠHΠ = Σ_i u_i σ″ ŵ_iŵ_iᵀ, to whose norm power
    iteration comes from below. u_i is 1/√m where ``aligned``, and else of random sign. All shapes
    are one program, in which weights of smaller ones are 0.
    """

    def at(argument):
        (m, ell), key = argument
        key_w, key_z, key_u, key_v = jax.random.split(key, 4)
        w = jax.random.normal(key_w, largest)
        there = (jnp.arange(largest[0]) < m), (jnp.arange(largest[1]) < ell)
        m, d = m.astype(w.dtype), (ell + settings.dim).astype(w.dtype)
        w = jnp.where(there[0][:, None] & there[1][None], w / jnp.sqrt(d), 0)
        s = jax.nn.sigmoid(settings.sharpness * jax.random.normal(key_z, largest[:1]))
        u = jax.random.rademacher(key_u, largest[:1], dtype=w.dtype)
        u = jnp.where(there[0], jnp.where(jnp.asarray(aligned) > 0, 1, u) / jnp.sqrt(m), 0)
        bend = 4 * settings.smoothness * s * (1 - s)
        hessian = w.T @ ((u * bend)[:, None] * w)

        def follow(_, v):
            v = hessian @ v
            return v / jnp.linalg.norm(v)

        v = jax.random.normal(key_v, largest[1:])
        v = jax.lax.fori_loop(0, 30, follow, jnp.where(there[1], v, 0))
        slopes = settings.beta + (1 - settings.beta) * s
        mean_square = jnp.sum((u * slopes) ** 2) * ell.astype(w.dtype) / d
        return jnp.linalg.norm(hessian @ v) / jnp.sqrt(mean_square)

    return jax.lax.map(at, (shapes, jax.random.split(key, len(shapes))))


def trial(settings: Settings, key, aligned: Number = 1.0) -> Trial:
    """Measured: the α that ascent finds after training; α/R before at each size. Predicted: the
    bound; 1/√d and √m. All output weights are positive where ``aligned``."""
    key_scene, key_v, key_d, key_m = jax.random.split(key, 4)
    scene = play(settings, key_scene)
    start = jax.random.normal(key_v, (settings.ell,))
    found = worst_change(scene.after, scene.x0, settings.radius, start)
    alpha = found / jnp.linalg.norm(scene.after.gradient(scene.x0, settings.ell))
    ells, sizes = [size - settings.dim for size in settings.sizes], jnp.array(settings.sizes)
    square = jnp.array([ells, ells]).T
    long = jnp.stack([settings.stretch * sizes, jnp.full_like(sizes, settings.few)], axis=1)
    most = settings.stretch * settings.sizes[-1], settings.few
    shares = sizes.astype(alpha.dtype)
    return Trial(
        {
            "ratio": alpha,
            "d": rates(settings, key_d, square, (ells[-1], ells[-1]), aligned),
            "m": rates(settings, key_m, long, most, aligned),
        },
        {"ratio": jnp.asarray(bound(settings), alpha.dtype), "d": shares**-0.5, "m": shares**0.5},
        happened(settings, scene) | {"u_i σ″ ≥ 0 in the scalings": jnp.asarray(aligned) - 1.0},
    )


theorem = Theorem(
    name="attacks.gradient-ratio",
    statement="α = sup ‖Π(∇N(x+v) − ∇N(x))‖/‖Π∇N(x)‖ over v ∈ P⊥, ‖v‖ ≤ R; N = Σu_iσ(⟨w_i,x⟩), "
    "|u_i| = 1/√m, σ′ ≥ β L-Lipschitz, w_i(0) ~ N(0, I/d), trained on points of P, x ∈ P",
    label="M4″",
    provenance="derived",
    claim={
        "ratio": AtMost(
            failure=lambda settings: settings.delta + exp(-settings.ell / 16),
            says="α ≤ (√2LR/β)(√m + √ℓ + t)²/√(mdℓ) but with probability e^{−t²/2} + e^{−ℓ/16}",
        ),
        "d": Scaling(
            exponent=-0.5, tolerance=0.15, power=1,
            says="α/R ∝ d^{−1/2} for R → 0 before training, m = ℓ = d − dim P, u_i = 1/√m",
        ),
        "m": Scaling(
            exponent=0.5, tolerance=0.1, power=1,
            says="α/R ∝ m^{1/2} for R → 0 before training, m ≫ ℓ, d and ℓ fixed, u_i = 1/√m",
        ),
    },
    presets={
        "smoke": Settings(d=56, ell=48, sizes=(32, 40, 48, 64, 96, 128), trials=80),
        "course": Settings(trials=90),
        "paper": Settings(d=400, ell=360, width=400, trials=688),
    },
    trial=trial,
    control=Control(name="random signs of u", numbers={"aligned": 0.0}),
)  # fmt: skip
