"""E3: points classified right are safe where the other class is not steeper, and only there.

In the setting of E1 but r ≥ 0: if ρ = ‖g_h‖/‖g_t‖ ≤ 1, a step of any length ε down the energy
changes the margin by Δ ≥ ε‖g_t‖(1 − ρ) ≥ 0.

Proof. Δ/(ε‖g_t‖) = N/D with N = (1 + uc) − ρ(u + c), D² = 1 + u² + 2uc, and u = ρe^{−r} ≤ ρ. Its
derivative in c has the sign of u²(u + c) − ρ(1 + uc), linear in c: at c = 1 it is
(u² − ρ)(1 + u) ≤ 0, at c = −1 it is −(u² + ρ)(1 − u) ≤ 0. So N/D is least at c = 1, where it is
1 − ρ. ∎

The paper remarks that clean points need no condition. With d = 1, g_t = 1, g_h = 2, r = ln 5 and
ε = 2r they are lost: r falls from 1.609 to −1.609. The control doubles ρ.
"""

import jax
import jax.numpy as jnp

from theory.claims import AtLeast
from theory.energy.linear import any_cosine, log_uniform, pair
from theory.energy.settings import Budgeted
from theory.theorem import Control, Number, Theorem, Trial


def trial(settings: Budgeted, key, steeper: Number = 1.0) -> Trial:
    """Measured: Δ, twice. Predicted: ε‖g_t‖(1 − ρ), and 0. ρ is ``steeper`` times what it was."""
    key_r, key_ratio, key_c, key_eps, key_pair = jax.random.split(key, 5)
    r = settings.spread * jax.random.exponential(key_r)
    ratio = steeper * (1 - log_uniform(key_ratio, 1e-3, 1.0))
    scene = pair(key_pair, settings.d, r, ratio, any_cosine(key_c))
    radius = log_uniform(key_eps, 1e-2, 1e2) / scene.slope
    step = scene.step(radius)
    change = scene.after(step) - scene.margin
    ratio = jnp.linalg.norm(scene.g[1]) / scene.slope
    # The margin itself is taken off a number of its own size.
    allowed = 64 * jnp.finfo(change.dtype).eps * scene.rounding(step)
    return Trial(
        measured={"bound": change + allowed, "kept": change + allowed},
        predicted={"bound": radius * scene.slope * (1 - ratio), "kept": 0 * change},
        assumptions={"f_t ≥ f_h": scene.margin, "‖g_h‖ ≤ ‖g_t‖": 1 - ratio},
    )


theorem = Theorem(
    name="energy.clean-points",
    statement="r = f_t − f_h ≥ 0 of 2 linear classes, ρ = ‖g_h‖/‖g_t‖ ≤ 1, any ε; "
    "δ = −ε∇E/‖∇E‖, Δ the change of r",
    label="E3",
    provenance="derived",
    claim={
        "bound": AtLeast(says="Δ ≥ ε‖g_t‖(1 − ρ)"),
        "kept": AtLeast(says="Δ ≥ 0"),
    },
    presets={
        "smoke": Budgeted(trials=500),
        "course": Budgeted(trials=20_000),
        "paper": Budgeted(trials=100_000),
    },
    trial=trial,
    control=Control(name="the other class up to twice as steep", numbers={"steeper": 2.0}),
)
