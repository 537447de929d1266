"""S5, first part: no short step off the subspace changes the network much.

Proof. σ is 1-Lipschitz, so for z ∈ P^⊥ |N(x₀+z) − N(x₀)| ≤ Σ_i |u_i|·|⟨w_i, z⟩| ≤ ‖u‖₂·‖Wz‖₂ and
Wz = W_⊥z. Hence no z ∈ P^⊥ shorter than r = |N(x₀)|/(‖u‖₂·‖W_⊥‖_op) changes the sign. ∎

The output weights are one to three times ±1/√m here, so that a radius without ‖u‖ would show.
What is compared is in `theory.subspace.certified`.
"""

import jax
import jax.numpy as jnp

from theory.geometry import off_by_rounding
from theory.subspace.assumptions import assumptions
from theory.subspace.certified import CLAIM, attempt
from theory.subspace.scene import draw_scene, train_scene
from theory.subspace.searches import certified_radius
from theory.subspace.settings import Settings
from theory.theorem import Choice, Control, Theorem, Trial


def trial(settings: Settings, key, on_plane: Choice = False) -> Trial:
    """Measured: ``change`` |N(x₀+z) − N(x₀)| at the worst z tried; ``no flip``, the distance that
    `nearest_flip` finds from the same directions; ``radius`` and ``nor less``, `certified_radius`.

    Predicted: ‖u‖‖W_⊥z‖; `certified_radius`; |N(x₀)|/‖u‖ over ‖W_⊥q‖ and over the Schatten norm.
    """
    key_scene, key_u, key_z = jax.random.split(key, 3)
    scene = draw_scene(settings, key_scene)
    u = scene.network.u * jax.random.uniform(key_u, (settings.width,), minval=1, maxval=3)
    scene = scene._replace(network=scene.network._replace(u=u))
    trained = train_scene(settings, scene)
    (measured, predicted), on = attempt(trained.network, scene.x0, scene.subspace, key_z, on_plane)
    size = jnp.linalg.norm(trained.network.u)
    return Trial(
        measured,
        predicted,
        assumptions=assumptions(settings, scene, trained)
        | {"z ∈ P^⊥": off_by_rounding(on) - on, "‖u‖ not 1": jnp.abs(size - 1) - 0.25},
        given=jnp.isfinite(measured["no flip"]),
    )


theorem = Theorem(
    name="subspace.certified-radius",
    statement="at x₀ ∈ P, W_⊥ = Π_{P⊥}W, r the certified radius, whatever u, after training on P",
    label="S5",
    provenance="derived",
    claim=CLAIM,
    presets={
        "smoke": Settings(ell=100, d=110, margin=2.0, steps=5000, learning_rate=1 / 110, trials=40),
        "course": Settings(
            ell=200, d=210, margin=2.0, steps=5000, learning_rate=1 / 210, trials=135
        ),
        "paper": Settings(
            ell=990, d=1000, margin=2.0, steps=5000, learning_rate=1 / 1000, trials=688
        ),
    },
    trial=trial,
    control=Control(
        name="z along the gradient's part in P",
        numbers={"on_plane": True},
    ),
    search=certified_radius,
)
