"""X4 for trained copies: without a common basis of the embedding, agreement is at chance.

Copies are trained on texts whose first word decides the label, and all learn what that word means.
Then the embedding space of every copy is turned by a rotation R_m of its own, independent and
uniform (Haar), which changes no output. The p-value of any word fixed in advance is now uniform up
to 1/(1 + B), whatever was learned.

Proof. In its turned space copy m is e ↦ N_m(…, R_mᵀe, …), with the gradient R_m g_m at word t.
R_m is independent of all g's and R_m v is uniform on the sphere of radius ‖v‖ for every v. So,
given the g's, none of them zero, the M directions are independent and uniform, and the score is one
more draw of chance, as in X4. ∎

Descent commutes with rotations: a copy trained on turned embeddings from a turned start is the
turned copy. So this is what an ensemble shows in which every copy has an embedding table of its
own: nothing. Agreement needs one shared, frozen table, and the control is the same copies on it.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from theory.attribution import settings as attribution
from theory.attribution.agreement import agreement
from theory.attribution.scene import Scene, draw_copies, draw_scene, train_copies, with_directions
from theory.claims import Law
from theory.geometry import Subspace, orthonormalise
from theory.sampling import gaussian_points
from theory.settings import Count
from theory.theorem import Control, Theorem, Trial


@dataclass(frozen=True)
class Settings(attribution.Settings):
    """Several copies of the network on the same texts."""

    copies: Count = 4
    """copies M of the classifier, each with a rotation of its own"""
    draws: Count = 2000
    """simulated draws of chance B"""


def plant(settings: Settings, scene: Scene, key: Key[Array, ""]) -> Scene:
    """The same texts with the label's own word in first place, one of two new words.

    Example:
        >>> settings = Settings()
        >>> scene = plant(settings, draw_scene(settings, jax.random.key(0)), jax.random.key(1))
        >>> len(jnp.unique(scene.x[:, : settings.d], axis=0))
        2
    """
    words = gaussian_points(key, 2, settings.d)
    first = words[(scene.y > 0).astype(int)]
    x = scene.x.at[:, : settings.d].set(first)
    return Scene(x, scene.y, Subspace(orthonormalise(x.T)))


def rotations(key: Key[Array, ""], copies: int, d: int) -> Float[Array, "copies d d"]:
    """Independent uniform (Haar) orthogonal matrices.

    Gram-Schmidt turns with its input: for Gaussian columns, whose law no orthogonal U changes, QZ
    and Q(UZ) = UQ(Z) have the same law, which is what Haar means. No sign needs fixing, because
    Gram-Schmidt leaves none open.

    Example:
        >>> turn = rotations(jax.random.key(0), 1, 5)[0]
        >>> bool(jnp.abs(turn @ turn.T - jnp.eye(5)).max() < 1e-5)
        True
    """
    return jax.vmap(orthonormalise)(jax.random.normal(key, (copies, d, d)))


def trial(settings: Settings, key, rotate: bool = True) -> Trial:
    """Measured: the p-value of a training text's first word. Predicted: ½, its mean."""
    key_scene, key_plant, key_copies, key_turn, key_chance = jax.random.split(key, 5)
    scene = plant(settings, draw_scene(settings, key_scene), key_plant)
    starts = draw_copies(settings, jax.random.split(key_copies, settings.copies))
    trained = train_copies(settings, scene, starts)
    gradients = jax.vmap(lambda network: jax.grad(network)(scene.x[0]))(trained.network)
    gradients = gradients[:, None, : settings.d]  # at the first word alone
    if rotate:
        turns = rotations(key_turn, settings.copies, settings.d)
        gradients = jnp.einsum("mij,mwj->mwi", turns, gradients)
    found = agreement(gradients, key=key_chance, samples=settings.draws)
    return Trial(
        measured=found.p_value[0],
        predicted=jnp.full((), 0.5, scene.x.dtype),
        assumptions=with_directions(gradients)
        | {"every copy has learned the labels": jnp.min(trained.margin) - settings.margin},
    )


theorem = Theorem(
    name="attribution.rotated-copies",
    statement="trained copies, a Haar rotation of each one's embedding: p is uniform on [0, 1]",
    label="X4, rotations",
    provenance="derived",
    claim=Law(cdf=lambda values, settings: np.clip(values, 0, 1), resolution=0.075),
    presets={
        "smoke": Settings(copies=3, draws=200, trials=118),
        "course": Settings(d=16, trials=688),
        "paper": Settings(tokens=16, d=32, samples=32, width=100, copies=8, trials=2000),
    },
    trial=trial,
    control=Control(
        name="one common basis of the embedding",
        trial=lambda settings, key: trial(settings, key, rotate=False),
    ),
)
