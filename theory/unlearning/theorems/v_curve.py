"""U6: the V-curve of stationarity against the size of the ascent step lies in a narrow sandwich.

κ_t√(ε₁² + (1−t)²A_r²‖x_r − Πx_r‖²) ≤ ε(t) ≤ κ_t√(ε₁² + (1−t)²A_r²‖x_r‖²) for t = β/β*, the pattern
of gates and kinks frozen. The proof, by the optimality of the multipliers, is in
`theory.unlearning.vcurve`.
"""

import jax
import jax.numpy as jnp

from theory.claims import AtMost
from theory.theorem import Control, Theorem, Trial
from theory.unlearning.scene import draw_gaussian, margin_reached, train_scene
from theory.unlearning.settings import Settings
from theory.unlearning.theorems.projected_certificate import SOLVER
from theory.unlearning.vcurve import v_curve

FRACTIONS = (0.0, 0.25, 0.5, 0.75, 0.9, 1.0, 1.1, 1.25, 1.5, 2.0)
"""t = β/β*."""


def trial(settings: Settings, key, share: float = 1.0) -> Trial:
    """Measured: the largest of lower/ε and ε/upper over t. Predicted: 1.

    ``share`` is the step really taken, as a part of the one believed.
    """
    scene = draw_gaussian(settings, key)
    trained = train_scene(settings, scene)

    def at(fraction):
        return v_curve(trained.explained, scene.x, scene.y, fraction, taken=share * fraction)

    points = jax.lax.map(at, jnp.array(FRACTIONS, scene.x.dtype))
    ratios = jnp.maximum(points.lower / points.epsilon, points.epsilon / points.upper)
    measured = jnp.max(ratios)
    return Trial(
        measured=measured,
        predicted=jnp.ones_like(measured),
        assumptions={
            "margin reached": margin_reached(settings, trained),
            "retained margins positive": jnp.min(points.margin),
        },
    )


theorem = Theorem(
    name="unlearning.v-curve",
    statement="κ_t√(ε₁²+(1−t)²A_r²‖x_r−Πx_r‖²) ≤ ε(t) ≤ κ_t√(ε₁²+(1−t)²A_r²‖x_r‖²), t = β/β*",
    label="U6",
    provenance="derived",
    claim=AtMost(ulps=SOLVER),
    presets={
        "smoke": Settings(d=100, samples=6, width=40, margin=100.0, trials=20),
        "course": Settings(d=1000, trials=135),
        "paper": Settings(d=10_000, trials=688),
    },
    trial=trial,
    control=Control(name="1.25 λ_r", trial=lambda settings, key: trial(settings, key, share=1.25)),
)
