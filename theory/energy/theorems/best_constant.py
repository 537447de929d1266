"""E2: the constant of E1 is best possible.

For every k > 1 and every C′ < C = k/(k − 1) there are two linear logits with ε = k|r|/‖g_t‖ and
C′·e_h‖g_h‖ < e_t‖g_t‖ whose prediction one step down the energy does not correct: all with parallel
gradients, u ∈ (1/C, 1/C′) and 0 < |r| ≤ ln(uC).

Proof. With c = 1 the step is along g_t and Δ = ε‖g_t‖(1 − ρ), ρ = ue^{−|r|}. So
r + Δ = |r|(k(1 − ρ) − 1) = |r|(k − 1)(1 − uCe^{−|r|}), which is not positive if |r| ≤ ln(uC). ∎
"""

import jax
import jax.numpy as jnp

from theory.claims import AtMost, Identity
from theory.energy.linear import log_uniform, pair
from theory.energy.settings import Local
from theory.theorem import Control, Number, Theorem, Trial


def trial(settings: Local, key, cosine: Number = 1.0) -> Trial:
    """Measured: the margin after, and how far it is from its formula. Predicted: 0, and the size
    of the numbers that are added up."""
    key_k, key_share, key_u, key_r, key_pair = jax.random.split(key, 5)
    k = 1 + log_uniform(key_k, 1e-2, 1e2)
    c = k / (k - 1)
    share = jax.random.uniform(key_share, minval=0.5, maxval=0.99)  # C′/C
    u = 1 / (c * jax.random.uniform(key_u, minval=share, maxval=0.999))
    r = -jnp.log(u * c) * jax.random.uniform(key_r, minval=0.01, maxval=0.99)
    scene = pair(key_pair, settings.d, r, u * jnp.exp(r), cosine)
    radius = k * -r / scene.slope
    step = scene.step(radius)
    u, r = scene.u, scene.margin
    formula = -r * (k - 1) * (1 - u * c * jnp.exp(r))
    after = scene.after(step)
    parallel = scene.g[0] @ scene.g[1] / (scene.slope * jnp.linalg.norm(scene.g[1]))
    return Trial(
        measured={"not corrected": after, "margin": jnp.abs(after - formula)},
        predicted={"not corrected": 0 * after, "margin": scene.rounding(step)},
        assumptions={
            "C′·e_h‖g_h‖ < e_t‖g_t‖": 1 - share * c * u,
            "0 < |r| ≤ ln(uC)": jnp.minimum(-r, jnp.log(u * c) + r),
            "parallel gradients": parallel - 1 + 1e-9,
        },
    )


theorem = Theorem(
    name="energy.best-constant",
    statement="every k > 1, C′ < C = k/(k−1): g_h ∥ g_t, u = e_h‖g_h‖/(e_t‖g_t‖) ∈ (1/C, 1/C′), "
    "0 < |r| ≤ ln(uC), ε = k|r|/‖g_t‖, so C′·e_h‖g_h‖ < e_t‖g_t‖, as in E1 but for C",
    label="E2",
    provenance="derived",
    claim={
        "not corrected": AtMost(says="f_t ≤ f_h at x + δ"),
        "margin": Identity(says="r + Δ = |r|(k − 1)(1 − uCe^{−|r|})"),
    },
    presets={
        "smoke": Local(trials=500),
        "course": Local(trials=20_000),
        "paper": Local(trials=100_000),
    },
    trial=trial,
    control=Control(name="orthogonal gradients", numbers={"cosine": 0.0}),
)
