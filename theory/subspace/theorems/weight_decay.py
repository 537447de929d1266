"""S7, Theorem 6.2: L2 regularisation shrinks the weights off the subspace by a known factor.

Proof. The step of plain descent is w ← w − η(∇L + λw) with Π_{P^⊥}∇L = 0, hence a factor 1 − ηλ
per step; decay applied after momentum, as here, gives the same. Decay inside the momentum does
not: there c_{t+1} = (1+μ−ηλ)c_t − μc_{t−1}, the control. ∎
"""

from math import inf

import jax.numpy as jnp
import optax

from theory.claims import Identity
from theory.geometry import off_by_rounding
from theory.subspace.assumptions import assumptions, decay_error, left_by_decay
from theory.subspace.scene import draw_scene
from theory.subspace.settings import Settings
from theory.theorem import Control, Number, Theorem, Trial
from theory.training import hidden_layer_only, train

MOMENTUM = 0.9


def trial(settings: Settings, key, coupled: Number = 0.0) -> Trial:
    """Measured: ‖Π_{P^⊥}(W(T) − c_T W(0))‖_F, c_T = (1−ηλ)^T. Predicted (its scale): ‖W(0)‖_F.

    Training is in full dimension, with the share ``coupled`` of the decay before the momentum.
    """
    scene = draw_scene(settings, key)
    before, after = (
        optax.add_decayed_weights(share * settings.weight_decay) for share in (coupled, 1 - coupled)
    )
    optimizer = optax.chain(before, optax.trace(MOMENTUM), after, optax.scale(-settings.rate))
    start = scene.network
    trained = train(
        start,
        scene.x,
        scene.y,
        optimizer=hidden_layer_only(optimizer),
        steps=settings.steps,
        margin=settings.margin,
    )
    factor = left_by_decay(settings, trained)
    difference = scene.subspace.reject(trained.network.w - factor * start.w)
    margins = assumptions(settings, scene, trained, kept=factor)
    del margins["no weight decay"]
    wrong = decay_error(optimizer, start.w, settings.decay_factor)
    return Trial(
        measured=jnp.linalg.norm(difference),
        predicted=jnp.linalg.norm(start.w),
        assumptions=margins
        | {
            "a step without gradient leaves 1 − ηλ of W": off_by_rounding(start.w) - wrong,
            "|c_T| at most 0.9": 0.9 - jnp.abs(factor),
        },
    )


def decayed(ell: int, trials: int, steps: int = 300) -> Settings:
    """Settings that run all ``steps``, with ηλ = 1/steps: c_T is about 1/e."""
    d = ell + 10
    return Settings(
        ell=ell, d=d, steps=steps, weight_decay=d / (4 * steps), margin=inf, trials=trials
    )


theorem = Theorem(
    name="subspace.weight-decay",
    statement="Π_{P⊥}w_i(T) = (1−ηλ)^T·Π_{P⊥}w_i(0) after T steps of momentum 0.9 with decay λ "
    "after it, on points of P",
    label="S7 (Theorem 6.2)",
    provenance="recalled",
    claim=Identity(ulps=64),
    presets={
        "smoke": decayed(32, trials=10, steps=100),
        "course": decayed(48, trials=135),
        "paper": decayed(74, trials=688),
    },
    trial=trial,
    control=Control(
        name="decay inside the momentum",
        numbers={"coupled": 1.0},
    ),
)
