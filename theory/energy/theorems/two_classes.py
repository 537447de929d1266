"""E1: what one step down the energy does to a point that one of two classes has taken.

Let f be linear on the ball of radius ε with two classes, t true and h predicted: r = f_t − f_h ≤ 0,
e = softmax f, g_k = ∇f_k, g_t ≠ 0, u = e_h‖g_h‖/(e_t‖g_t‖), ρ = ‖g_h‖/‖g_t‖, c = cos∠(g_t, g_h).
A step of length ε against ∇E = −(e_t g_t + e_h g_h), with no box, changes the margin by

    Δ = ε‖g_t‖[(1 + uc) − ρ(u + c)]/√(1 + u² + 2uc),    and Δ ≥ ε‖g_t‖(1 − u) where u ≤ 1.

If ε ≥ k|r|/‖g_t‖ with k > 1, and C·e_h‖g_h‖ < e_t‖g_t‖ with C = k/(k − 1), t is predicted after it.

Proof. The step is along t + uh in units of e_t‖g_t‖, t and h the directions of the gradients, and
⟨g_t − g_h, t + uh⟩ = ‖g_t‖[(1 + uc) − ρ(u + c)]. As e_t ≤ e_h, ρ ≤ u. If u + c ≥ 0, the bracket is
at least 1 + uc − u(u + c) = 1 − u², and the root at most 1 + u. Otherwise the bracket is at least
1 + uc, and the root at most √(1 + uc), so that Δ ≥ ε‖g_t‖√(1 − u). Then
r + Δ ≥ |r|(k(1 − u) − 1), positive where u < 1 − 1/k. ∎

The paper's Theorem 4.1 has this form; its ε > −2r/‖g_t‖ is k = C = 2. C is best possible (E2).
"""

import jax
import jax.numpy as jnp

from theory.claims import AtLeast, Identity
from theory.energy.linear import any_cosine, log_uniform, pair
from theory.energy.settings import Budgeted
from theory.theorem import Control, Number, Theorem, Trial

ROUNDING = 1e-9
"""How far a measured k may be from the one that was drawn."""


def trial(settings: Budgeted, key, budget: Number = 1.0) -> Trial:
    """Measured: |Δ − its formula|, Δ, and the margin after. Predicted: the numbers that are added
    up, ε‖g_t‖(1 − u), and 0. The radius is ``budget`` times what the statement asks for."""
    key_r, key_k, key_u, key_c, key_slope, key_pair = jax.random.split(key, 6)
    r = -settings.spread * jax.random.exponential(key_r)
    k = 1 + log_uniform(key_k, 1e-2, 1e2)
    # As near to the boundary, u = 1 − 1/k, as to a millionth of it.
    u = (1 - 1 / k) * (1 - log_uniform(key_u, 1e-6, 1.0))
    scene = pair(
        key_pair, settings.d, r, u * jnp.exp(r), any_cosine(key_c), log_uniform(key_slope, 0.1, 10)
    )
    radius = budget * k * -r / scene.slope
    step = scene.step(radius)
    change = scene.after(step) - scene.margin
    u, slope = scene.u, scene.slope
    size = jnp.linalg.norm(scene.g[1]) / slope
    c = scene.g[0] @ scene.g[1] / (size * slope**2)
    root = jnp.sqrt(1 + u**2 + 2 * u * c)
    formula = radius * slope * ((1 + u * c) - size * (u + c)) / root
    zero = jnp.zeros_like(change)
    return Trial(
        measured={
            "change": jnp.abs(change - formula),
            "bound": change,
            "corrected": scene.after(step),
        },
        predicted={
            "change": scene.rounding(step) / root**2,  # 1/root is off by ε/root³
            "bound": radius * slope * (1 - u),
            "corrected": zero,
        },
        assumptions={
            "f_t ≤ f_h": -scene.margin,
            "ε ≥ k|r|/‖g_t‖": radius * slope / (k * -scene.margin) - 1 + ROUNDING,
            "C·e_h‖g_h‖ < e_t‖g_t‖": 1 - u * k / (k - 1),
            "a step of length ε": ROUNDING - jnp.abs(jnp.linalg.norm(step) / radius - 1),
        },
    )


theorem = Theorem(
    name="energy.two-classes",
    statement="r = f_t − f_h ≤ 0 of 2 classes linear on B_ε, u = e_h‖g_h‖/(e_t‖g_t‖), "
    "ε ≥ k|r|/‖g_t‖, k > 1, u < 1 − 1/k; δ = −ε∇E/‖∇E‖, Δ the change of r",
    label="E1 (Theorem 4.1)",
    provenance="derived",
    claim={
        "change": Identity(says="Δ = ε‖g_t‖[(1 + uc) − ρ(u + c)]/√(1 + u² + 2uc)"),
        "bound": AtLeast(says="Δ ≥ ε‖g_t‖(1 − u)"),
        "corrected": AtLeast(says="f_t ≥ f_h at x + δ"),
    },
    presets={
        "smoke": Budgeted(trials=2000),
        "course": Budgeted(trials=100_000),
        "paper": Budgeted(trials=500_000),
    },
    trial=trial,
    control=Control(name="half the radius", numbers={"budget": 0.5}),
)
