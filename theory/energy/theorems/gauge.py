"""E4: what ET3 does depends on what all logits have in common, which no prediction depends on.

f and f + φ·1 are one classifier, and E(f + φ·1) = E(f) − φ. For two linear logits with g_h = −g_t,
as of a symmetric head, and r < 0, ET3 with any number of steps that fill the ball changes r by
−2ε‖g_t‖: it corrects nothing. In the gauge φ = f_t − f_t(x) the same classifier has gradients 2g_t
and 0, and ET3 changes r by +2ε‖g_t‖.

Proof. ∇E = −(e_t − e_h)g_t is along g_t while r < 0, which every step against it lowers further:
all steps are along −g_t, and r changes by −⟨2g_t, g_t⟩ε/‖g_t‖. With gradients 2g_t and 0,
∇E = −2e_t g_t, so all steps are along g_t. The rest is log Σ exp(f_k + φ) = φ + log Σ exp f_k. ∎
"""

import jax
import jax.numpy as jnp

from theory.claims import Identity
from theory.energy.directions import energy
from theory.energy.linear import Pair, log_uniform, pair
from theory.energy.settings import Budgeted
from theory.theorem import Control, Number, Theorem, Trial

STEPS = 3


def trial(settings: Budgeted, key, lean: Number = 0.0) -> Trial:
    """Measured: how far the changes of r, and of E, are from what the statement says. Predicted:
    the size of the numbers that are added up. g_h = −(1 − ``lean``)g_t."""
    key_r, key_slope, key_eps, key_pair = jax.random.split(key, 4)
    r = -settings.spread * jax.random.exponential(key_r)
    scene = pair(key_pair, settings.d, r, 1 - lean, -1.0, log_uniform(key_slope, 0.1, 10))
    radius = log_uniform(key_eps, 1e-2, 1e2) / scene.slope
    other = Pair(scene.z, scene.g + scene.g[:1])
    measured, predicted = {}, {}
    for name, gauge, sign in (("symmetric", scene, -1), ("moved", other, 1)):
        step = gauge.step(radius, STEPS, alpha=0.5)
        change = gauge.after(step) - gauge.margin
        measured[name] = jnp.abs(change - sign * 2 * radius * scene.slope)
        predicted[name] = gauge.rounding(step)
        at = step[None]
        shift = energy(other.logits(at)) - energy(scene.logits(at)) + at @ scene.g[0]
        measured[f"energy, {name}"] = jnp.abs(shift)[0]
        predicted[f"energy, {name}"] = other.rounding(step)
    off = jnp.linalg.norm(scene.g[0] + scene.g[1]) / scene.slope
    return Trial(
        measured,
        predicted,
        {"f_t < f_h": -scene.margin, "g_h = −g_t": 1e-9 - off},
    )


theorem = Theorem(
    name="energy.gauge",
    statement="2 linear logits, g_h = −g_t, r = f_t − f_h < 0, ET3 of 3 steps with no box; "
    "φ = ⟨g_t, · − x⟩, so that f + φ1 is the same classifier",
    label="E4",
    provenance="derived",
    claim={
        "symmetric": Identity(says="f: r changes by −2ε‖g_t‖"),
        "energy, symmetric": Identity(says="E(f + φ1) = E(f) − φ where f's step ends"),
        "moved": Identity(says="f + φ1: r changes by +2ε‖g_t‖"),
        "energy, moved": Identity(says="E(f + φ1) = E(f) − φ where that of f + φ1 ends"),
    },
    presets={
        "smoke": Budgeted(trials=500),
        "course": Budgeted(trials=20_000),
        "paper": Budgeted(trials=100_000),
    },
    trial=trial,
    control=Control(name="the other gradient half as long", numbers={"lean": 0.5}),
)
