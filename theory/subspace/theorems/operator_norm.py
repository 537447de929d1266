"""S5, second part: the operator norm behind the certified radius, known before training.

W_⊥ is an m×ℓ Gaussian matrix with independent entries N(0, σ²), frozen by S1, so the bound of
Davidson and Szarek (2001) holds at any time of training. ∎
"""

from dataclasses import dataclass
from math import exp

import jax.numpy as jnp
import optax

from theory.claims import AtMost
from theory.settings import Positive
from theory.subspace.assumptions import assumptions, rows_uncorrelated
from theory.subspace.flip import operator_norm
from theory.subspace.scene import draw_scene, parallel_rows, train_scene
from theory.subspace.settings import Settings
from theory.theorem import Choice, Control, Theorem, Trial


@dataclass(frozen=True)
class NormSettings(Settings):
    """The scene's settings and the t of the deviation bound."""

    t: Positive = 2.5
    """deviation, in units of σ"""


def trial(settings: NormSettings, key, parallel: Choice = False) -> Trial:
    """Measured: ‖Π_{P^⊥}W‖_op after training. Predicted: σ(√m + √ℓ + t)."""
    scene = draw_scene(settings, key)
    scene = optax.tree.where(parallel, parallel_rows(scene), scene)
    trained = train_scene(settings, scene)
    measured = operator_norm(scene.subspace.reject(trained.network.w))
    bound = settings.sigma * (settings.width**0.5 + settings.ell**0.5 + settings.t)
    return Trial(
        measured=measured,
        predicted=jnp.asarray(bound, measured.dtype),
        assumptions=assumptions(settings, scene, trained)
        | {"rows of W_⊥ uncorrelated": rows_uncorrelated(scene)},
    )


theorem = Theorem(
    name="subspace.operator-norm",
    statement="‖W_⊥‖_op ≤ σ(√m + √ℓ + t) with probability ≥ 1 − e^{−t²/2}, for independent "
    "w_i(0) ~ N(0, σ²I), trained on points of P without decay",
    label="S5",
    provenance="derived",
    claim=AtMost(failure=lambda settings: exp(-(settings.t**2) / 2)),
    presets={
        "smoke": NormSettings(ell=32, d=42, t=2.0, trials=68),
        "course": NormSettings(ell=48, d=58, t=2.5, trials=160),
        "paper": NormSettings(ell=74, d=84, t=3.1, trials=850),
    },
    trial=trial,
    control=Control(
        name="parallel rows of W_⊥",
        numbers={"parallel": True},
    ),
)
