"""M5a: the paper's Theorem 4.1, on the change of the gradient off the data's subspace.

‖Π_{P^⊥}(∇N(x + v) − ∇N(x))‖ ≤ 20LR(√(ln(m/δ)/ℓ) + ln(1/δ)/m) with probability at least 1 − δ, in
the setting of M4. It holds in every draw tried, by a wide margin, though its proof takes summands
for centred that are not. M4 needs no probability, and is tighter where m and ℓ are about d.
"""

from math import log

import jax
import jax.numpy as jnp

from theory.attacks.mesoscopic import change, happened, play, smoother, worst_change
from theory.attacks.settings import Smooth
from theory.claims import AtMost
from theory.theorem import Control, Number, Theorem, Trial


def bound(settings: Smooth) -> float:
    """20LR(√(ln(m/δ)/ℓ) + ln(1/δ)/m).

    Example:
        >>> round(bound(Smooth(ell=50, d=60, width=100, delta=0.05)), 3)
        2.099
    """
    m, delta = settings.width, settings.delta
    rate = (log(m / delta) / settings.ell) ** 0.5 + log(1 / delta) / m
    return 20 * settings.smoothness * settings.radius * rate


def trial(settings: Smooth, key, sharper: Number = 1.0) -> Trial:
    """Measured: the change along a random v, and the largest that ascent finds from there.

    The activation is ``sharper`` times as sharp when the gradient is measured.
    """
    key_scene, key_v = jax.random.split(key)
    scene = play(settings, key_scene)
    net = scene.after._replace(sharpness=settings.sharpness * sharper)
    v = jax.random.normal(key_v, (settings.ell,))
    v = settings.radius * v / jnp.linalg.norm(v)
    along = jnp.linalg.norm(change(net, scene.x0, v))
    most = jnp.asarray(bound(settings), along.dtype)
    return Trial(
        {"random v": along, "worst v": worst_change(net, scene.x0, settings.radius, v)},
        {"random v": most, "worst v": most},
        happened(settings, scene) | {"σ′ is L-Lipschitz": smoother(settings, net)},
    )


def _fails(settings: Smooth) -> float:
    return settings.delta


theorem = Theorem(
    name="attacks.paper-change",
    statement="‖Π_{P⊥}(∇N(x+v) − ∇N(x))‖ ≤ 20LR(√(ln(m/δ)/ℓ) + ln(1/δ)/m) w.p. 1 − δ; x ∈ P, "
    "v ∈ P⊥, ‖v‖ = R, N = Σu_iσ(⟨w_i,x⟩), u_i = ±1/√m, σ′ L-Lipschitz, w_i(0) ~ N(0, I/d), "
    "trained on points of P",
    label="M5 (Theorem 4.1)",
    provenance="paper",
    claim={
        "random v": AtMost(failure=_fails, says="along a random v"),
        "worst v": AtMost(failure=_fails, says="along the worst v that ascent finds"),
    },
    presets={
        "smoke": Smooth(d=24, ell=18, width=24, samples=14, steps=200, sharpness=0.1, trials=140),
        "course": Smooth(sharpness=0.1, trials=140),
        "paper": Smooth(d=400, ell=360, width=400, sharpness=0.1, trials=688),
    },
    trial=trial,
    control=Control(name="an activation 200 times as sharp", numbers={"sharper": 200.0}),
)
