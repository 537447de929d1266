"""S5 with trained output weights: the radius of ‖u_T‖, not of the ±1/√m that training began with.

Proof. S5 holds for any u, so for u_T; W_⊥ is that of the beginning, since training on P moves no
hidden weight off P whatever u is (S1). ∎
"""

from dataclasses import replace

import jax
import jax.numpy as jnp

from theory.geometry import off_by_rounding
from theory.subspace.assumptions import assumptions
from theory.subspace.certified import CLAIM, attempt
from theory.subspace.scene import draw_scene, train_scene
from theory.subspace.settings import Settings
from theory.subspace.theorems.trained_output import LARGE_MARGIN, output_moved
from theory.theorem import Choice, Control, Theorem, Trial


def trial(settings: Settings, key, on_plane: Choice = False) -> Trial:
    """Measured and predicted are those of S5, ``change``, ``no flip``, ``radius``, ``nor less``.

    Measured: the change of N, the nearest flip found, the radius twice. Predicted: their bounds.
    """
    key_scene, key_z = jax.random.split(key)
    scene = draw_scene(settings, key_scene)
    trained = train_scene(settings, scene, train_output=True)
    (measured, predicted), on = attempt(trained.network, scene.x0, scene.subspace, key_z, on_plane)
    return Trial(
        measured,
        predicted,
        assumptions=assumptions(settings, scene, trained)
        | {"z ∈ P^⊥": off_by_rounding(on) - on}
        | output_moved(scene, trained.network),
        given=jnp.isfinite(measured["no flip"]),
    )


theorem = Theorem(
    name="subspace.trained-radius",
    statement="at x₀ ∈ P, W_⊥ = Π_{P⊥}W, r the certified radius, u = u_T trained with W on P",
    label="S5 (with S2')",
    provenance="derived",
    claim=CLAIM,
    presets={
        "smoke": replace(LARGE_MARGIN, ell=32, d=42, trials=40),
        "course": replace(LARGE_MARGIN, ell=48, d=58, trials=135),
        "paper": replace(LARGE_MARGIN, ell=74, d=84, trials=688),
    },
    trial=trial,
    control=Control(
        name="z along the gradient's part in P",
        numbers={"on_plane": True},
    ),
)
