"""D2: for a linear model the distances on a subspace and off it give that anywhere.

δ_std⁻² = δ_on⁻² + δ_off⁻², for any subspace.

Proof. With f at the point and gradient g, δ = f/‖Πg‖ in the directions of a subspace with projector
Π, so δ⁻² = ‖Πg‖²/f², and ‖g‖² = ‖Πg‖² + ‖g − Πg‖². ∎

How well the three distances of a network satisfy it says how straight its boundary is between them:
the control bends the model.
"""

import jax.numpy as jnp

from theory.claims import Identity
from theory.dimples.linear import draw
from theory.dimples.settings import Subspace
from theory.theorem import Control, Number, Theorem, Trial


def trial(settings: Subspace, key, bend: Number = 0.0) -> Trial:
    """Measured: |δ_std⁻² − δ_on⁻² − δ_off⁻²|. Predicted: δ_std⁻². The model has ``bend`` of a
    two-layer network."""
    scene = draw(settings, key, bend=bend)
    (std, on, off), ends = scene.distances()
    straight = scene.value(scene.x[None])[0] + (ends - scene.x[None]) @ _gradient(scene)
    curved = jnp.max(jnp.abs(scene.value(ends) - straight)) / scene.value(scene.x[None])[0]
    return Trial(
        measured=jnp.abs(std**-2 - on**-2 - off**-2),
        predicted=std**-2,
        assumptions={
            "linear where attacks end": 1e-9 - curved,
            "all three attacks succeed": jnp.where(jnp.isfinite(std + on + off), 1.0, -1.0),
        },
    )


def _gradient(scene):
    active = (scene.w @ scene.x > 0).astype(scene.g.dtype)
    return scene.g + scene.bend * ((scene.u * active) @ scene.w)


theorem = Theorem(
    name="dimples.distances-add",
    statement="δ_std⁻² = δ_on⁻² + δ_off⁻², δ the distance to a linear model's boundary, anywhere, "
    "on a subspace, or off it, by bisected attacks",
    label="D2",
    provenance="derived",
    claim=Identity(ulps=2.0**16),
    presets={
        "smoke": Subspace(trials=50),
        "course": Subspace(trials=688),
        "paper": Subspace(d=784, trials=2000),
    },
    trial=trial,
    control=Control(name="a two-layer ReLU network", numbers={"bend": 1.0}),
)
