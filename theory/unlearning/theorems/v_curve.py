"""U6: the V-curve of stationarity against the size of the ascent step lies in a narrow sandwich.

κ_t√(ε₁² + (1−t)²A_r²‖x_r − Πx_r‖²) ≤ ε(t) ≤ κ_t√(ε₁² + (1−t)²A_r²‖x_r‖²) for t = β/β*, the pattern
of gates and kinks frozen at that of θ, which was moved onto its kinks. The proof, by the optimality
of the multipliers, is in `theory.unlearning.vcurve`. With gates found anew after the step the upper
side is false: there ε is near 1 at t = 1 already, which is why only a certificate nearby, and never
the network after the step, is called a KKT point.
"""

import jax
import jax.numpy as jnp

from theory.claims import AtLeast, AtMost
from theory.theorem import Control, Number, Theorem, Trial
from theory.unlearning import searches
from theory.unlearning.certified import SOLVER
from theory.unlearning.pattern import neurons
from theory.unlearning.scene import draw_gaussian, margin_reached, train_scene
from theory.unlearning.settings import Settings
from theory.unlearning.vcurve import FRACTIONS, sandwiched


def trial(settings: Settings, key, share: Number = 1.0) -> Trial:
    """Measured: ε(t) at one t of `FRACTIONS`, uniform. Predicted: both sides of the sandwich.

    ``share`` is the step really taken, as a part of the one believed.
    """
    scene = draw_gaussian(settings, key)
    trained = train_scene(settings, scene)
    explained, x, y = trained.explained, scene.x, scene.y
    t = jax.random.choice(jax.random.fold_in(key, 1), jnp.array(FRACTIONS, x.dtype))
    found = sandwiched(explained, x, y, t, share)
    w = neurons(trained.network).w
    happened = {
        "margin reached": margin_reached(settings, trained),
        "moved onto kinks ≤ .01‖θ‖": 0.01 - trained.moved * explained.scale / jnp.linalg.norm(w),
    }
    return found._replace(assumptions=happened | found.assumptions)


theorem = Theorem(
    name="unlearning.v-curve",
    statement="two-layer ReLU θ on its kinks, which moved it by ≤ .01‖θ‖, x ~ N(0, I/d), gates and "
    "kinks frozen at θ's, λ optimal, β = tβ*, t ∈ {.5, …, 2}, λ_r ≥ .1λ_max, "
    "κ_t = 1/min_{k≠r} q_k(θ(t)) > 0",
    label="U6",
    provenance="derived",
    claim={
        "lower": AtLeast(ulps=SOLVER, says="ε(t) ≥ κ_t√(ε₁² + (1−t)²A_r²‖x_r − Πx_r‖²)"),
        "upper": AtMost(ulps=SOLVER, says="ε(t) ≤ κ_t√(ε₁² + (1−t)²A_r²‖x_r‖²)"),
    },
    presets={
        "smoke": Settings(d=100, samples=6, width=40, margin=100.0, trials=20),
        "course": Settings(d=1000, trials=135),
        "paper": Settings(d=10_000, trials=688),
    },
    trial=trial,
    control=Control(name="a step 1.25 times as long", numbers={"share": 1.25}),
    search=searches.sandwich,
)
