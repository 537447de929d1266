"""M5b: the paper's Theorem 4.2, which is false as printed.

‖Π_{P^⊥}∇N(x)‖ ≥ β√(1 − 2√(ln(1/δ)/d)) with probability at least 1 − δ, in the setting of M4′.

It forgets that P^⊥ has only ℓ of the d dimensions. By M4′ the left side is
√(Σσ′²/m)·√(χ²_ℓ/d), near √(E σ′²)·√(ℓ/d), and the right side near β: with E σ′² < β²d/ℓ it is
violated in nearly every draw. What is true is M4′. Where ℓ = d it would be right: the bound is
χ²_d ≥ d − 2√(d ln(1/δ)).
"""

from math import log

import jax.numpy as jnp

from theory.attacks.mesoscopic import happened, play
from theory.attacks.settings import Smooth
from theory.claims import AtLeast
from theory.theorem import Control, Number, Theorem, Trial


def trial(settings: Smooth, key, kept: Number = 1.0) -> Trial:
    """Measured: ‖Π∇N(x)‖. Predicted: the paper's bound. Weight decay leaves ``kept`` of W_⊥."""
    scene = play(settings, key, kept=kept)
    size = jnp.linalg.norm(scene.after.gradient(scene.x0, settings.ell))
    bound = settings.beta * (1 - 2 * (log(1 / settings.delta) / settings.d) ** 0.5) ** 0.5
    return Trial(size, jnp.asarray(bound, size.dtype), happened(settings, scene))


theorem = Theorem(
    name="attacks.paper-gradient",
    statement="‖Π_{P⊥}∇N(x)‖ ≥ β√(1 − 2√(ln(1/δ)/d)) w.p. 1 − δ; N = Σu_iσ(⟨w_i,x⟩), u_i = ±1/√m, "
    "σ′ ≥ β, w_i(0) ~ N(0, I/d), trained on points of P, x ∈ P: false as printed",
    label="M5 (Theorem 4.2)",
    provenance="paper",
    claim=AtLeast(failure=lambda settings: settings.delta),
    presets={
        "smoke": Smooth(d=100, ell=25, trials=40),
        "course": Smooth(d=100, ell=25, trials=135),
        "paper": Smooth(d=400, ell=100, width=2000, trials=688),
    },
    trial=trial,
    control=Control(name="weight decay to 0.5 of W_⊥ ignored", numbers={"kept": 0.5}),
    expects={"smoke": "falsified", "course": "falsified", "paper": "falsified"},
)
