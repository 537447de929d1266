"""M4: off the data's subspace the gradient of a smooth network changes by little, always.

Let N(x) = Σ_i u_i σ(⟨w_i, x⟩), |u_i| = 1/√m, σ′ L-Lipschitz, Π the projection onto P^⊥ of
dimension ℓ, Ŵ the m×ℓ coordinates of Πw_i there. For every x ∈ P, v ∈ P^⊥ with ‖v‖ ≤ R,

  ‖Π(∇N(x + v) − ∇N(x))‖ ≤ (LR/√m)·‖Ŵ‖²_op,

and if w_i(0) ~ N(0, I/d) and training was on points of P alone, ‖Ŵ‖_op ≤ (√m + √ℓ + t)/√d with
probability at least 1 − e^{−t²/2}.

Proof. ⟨w_i, x + v⟩ − ⟨w_i, x⟩ = ⟨ŵ_i, v⟩, so the slope of neuron i changes by D_i with
|D_i| ≤ L|⟨ŵ_i, v⟩|, and Π(∇N(x + v) − ∇N(x)) = Ŵᵀ(u∘D). Its norm is at most
‖Ŵ‖·‖D‖/√m ≤ ‖Ŵ‖·L‖Ŵv‖/√m ≤ (L/√m)‖Ŵ‖²‖v‖. Steps at points of P leave Ŵ as drawn, an m×ℓ
Gaussian matrix of entries N(0, 1/d) (Davidson and Szarek 2001, Theorem II.13). ∎
"""

import jax
import jax.numpy as jnp

from theory.attacks.mesoscopic import happened, play, smoother, worst_change
from theory.attacks.settings import Smooth
from theory.claims import AtMost
from theory.spectrum import largest_eigenvalue
from theory.theorem import Control, Number, Theorem, Trial


def trial(settings: Smooth, key, sharper: Number = 1.0) -> Trial:
    """Measured: the largest change that ascent finds from a random v; ‖Ŵ‖_op. Predicted: their
    bounds, with L as the settings say.

    The activation is ``sharper`` times as sharp when the gradient is measured.
    """
    key_scene, key_v = jax.random.split(key)
    scene = play(settings, key_scene)
    net = scene.after._replace(sharpness=settings.sharpness * sharper)
    w = net.w[:, : settings.ell]
    norm = jnp.sqrt(largest_eigenvalue(w.T @ w))
    m, ell, d = (jnp.asarray(size, norm.dtype) for size in (len(w), settings.ell, settings.d))
    start = jax.random.normal(key_v, (settings.ell,))
    found = worst_change(net, scene.x0, settings.radius, start)
    return Trial(
        measured={"change": found, "‖Ŵ‖": norm},
        predicted={
            "change": settings.smoothness * settings.radius / jnp.sqrt(m) * norm**2,
            "‖Ŵ‖": (jnp.sqrt(m) + jnp.sqrt(ell) + settings.deviation) / jnp.sqrt(d),
        },
        assumptions=happened(settings, scene) | {"σ′ is L-Lipschitz": smoother(settings, net)},
    )


theorem = Theorem(
    name="attacks.off-subspace-change",
    statement="N = Σu_iσ(⟨w_i,x⟩), |u_i| = 1/√m, σ′ L-Lipschitz, w_i(0) ~ N(0, I/d), trained on "
    "points of P, x ∈ P, v ∈ P⊥, ‖v‖ ≤ R, Ŵ = W on P⊥, dim P⊥ = ℓ",
    label="M4",
    provenance="derived",
    claim={
        "change": AtMost(says="‖Π_{P⊥}(∇N(x+v) − ∇N(x))‖ ≤ (LR/√m)‖Ŵ‖²_op"),
        "‖Ŵ‖": AtMost(
            failure=lambda settings: settings.delta,
            says="‖Ŵ‖_op ≤ (√m + √ℓ + t)/√d but with probability e^{−t²/2}",
        ),
    },
    presets={
        "smoke": Smooth(d=24, ell=18, width=24, trials=140),
        "course": Smooth(trials=140),
        "paper": Smooth(d=400, ell=360, width=400, trials=688),
    },
    trial=trial,
    control=Control(name="an activation 10 times as sharp", numbers={"sharper": 10.0}),
)
