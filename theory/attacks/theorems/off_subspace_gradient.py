"""M4′: the law of the gradient off the data's subspace for any activation, and that it is large.

Let N(x) = Σ_i u_i σ(⟨w_i, x⟩), u_i = ±1/√m, σ′ ≥ β > 0, w_i(0) ~ N(0, I/d), trained on points of P
without decay, x ∈ P, and ℓ = dim P^⊥. Given what lives on P,

  ‖Π_{P^⊥}∇N(x)‖²·md/Σ_i σ′(⟨w_i, x⟩)² ~ χ²_ℓ,

so ‖Π_{P^⊥}∇N(x)‖² ≥ β²ℓ/(2d) with probability at least 1 − e^{−ℓ/16}.

Proof. Steps at points of P move w_i within P, by what depends on Π_P w(0), u and the data alone;
so Πw_i is N(0, I_ℓ/d) given these, while the slopes s_i = σ′(⟨w_i, x⟩) are given. Then
Π∇N(x) = Σ_i u_i s_i Πw_i ~ N(0, (Σ_i s_i²/(md))·I_ℓ). As Σ_i s_i² ≥ mβ², the bound fails only if
χ²_ℓ < ℓ/2, which has probability at most e^{−ℓ/16} (Laurent and Massart 2000, Lemma 1: below
ℓ − 2√(ℓt) with probability at most e^{−t}, at t = ℓ/16). ∎
"""

from math import exp

import jax.numpy as jnp

from theory.attacks.mesoscopic import happened, play
from theory.attacks.settings import Smooth
from theory.claims import AtLeast
from theory.isotropy import chi_square
from theory.theorem import Control, Number, Theorem, Trial


def trial(settings: Smooth, key, kept: Number = 1.0) -> Trial:
    """Measured: ‖Π∇N(x)‖²·md/Σσ′²; ‖Π∇N(x)‖². Predicted: ℓ, for comparison; β²ℓ/(2d).

    Weight decay leaves ``kept`` of W_⊥.
    """
    scene = play(settings, key, kept=kept)
    squared = jnp.sum(scene.after.gradient(scene.x0, settings.ell) ** 2)
    slopes = jnp.sum(scene.after.slopes(scene.x0) ** 2)
    scale = slopes / (settings.width * settings.d)
    ell = jnp.asarray(settings.ell, squared.dtype)
    return Trial(
        measured={"law": squared / scale, "size": squared},
        predicted={"law": ell, "size": settings.beta**2 * ell / (2 * settings.d)},
        assumptions=happened(settings, scene),
    )


theorem = Theorem(
    name="attacks.off-subspace-gradient",
    statement="N = Σu_iσ(⟨w_i,x⟩), u_i = ±1/√m, σ′ ≥ β, w_i(0) ~ N(0, I/d), trained on points of "
    "P without decay, x ∈ P, ℓ = dim P⊥",
    label="M4′",
    provenance="derived",
    claim={
        "law": chi_square(
            lambda settings: settings.ell, says="‖Π_{P⊥}∇N(x)‖²·md/Σσ′(⟨w_i,x⟩)² ~ χ²_ℓ"
        ),
        "size": AtLeast(
            failure=lambda settings: exp(-settings.ell / 16),
            says="‖Π_{P⊥}∇N(x)‖² ≥ β²ℓ/(2d) but with probability e^{−ℓ/16}",
        ),
    },
    presets={
        "smoke": Smooth(d=56, ell=48, trials=200),
        "course": Smooth(trials=688),
        "paper": Smooth(d=100, ell=84, width=200, trials=2000),
    },
    trial=trial,
    control=Control(name="weight decay to 0.8 of W_⊥ ignored", numbers={"kept": 0.8}),
)
