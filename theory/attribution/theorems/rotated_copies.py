"""X4 for trained copies: without a common basis of the embedding, agreement is at chance.

Copies are trained on texts whose first word decides the label, and all learn what that word means.
Copy m has a table of its own: the common one turned by a rotation R_m, independent of all else and
uniform (Haar). The p-value of any word fixed in advance is then uniform up to 1/(1 + B), and its
score is that of M independent uniform directions, whatever was learned.

Proof. Let R act on every word of a text. Descent commutes with rotations: the copy trained on the
table R_m e from W_m(0) is the one trained on the table e from W_m(0)R_m, turned back: its gradient
at a word is R_m g_m, with g_m that of the latter. The rows of W_m(0) are Gaussian, so W_m(0)R_m has
their law given R_m: g_m is independent of R_m. R_m v is uniform on the sphere of radius ‖v‖ for
every v. So, given the g's, none of them zero, the M directions are independent and uniform, and the
score is one more draw of chance, as in X4. ∎

This is what an ensemble shows in which every copy has an embedding table of its own: nothing.
Agreement needs one shared, frozen table, and the control is the same copies on it.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from theory.attribution import settings as attribution
from theory.attribution.agreement import agreement
from theory.attribution.reference import CHANCE
from theory.attribution.scene import (
    Scene,
    draw_copies,
    draw_scene,
    drawn_apart,
    learned,
    train_copies,
    with_directions,
)
from theory.geometry import Subspace, orthonormalise
from theory.networks import TwoLayerReLU
from theory.sampling import gaussian_points
from theory.settings import Count, Sample
from theory.theorem import Choice, Control, Theorem, Trial


@dataclass(frozen=True)
class Settings(attribution.Settings):
    """Several copies of the network on the same texts."""

    copies: Sample = 4
    """copies M of the classifier, each with a rotation of its own"""
    draws: Count = 2000
    """simulated draws of chance B"""

    def __post_init__(self):
        super().__post_init__()
        if self.d < self.copies:
            raise ValueError(f"d is {self.d} and must be at least copies = {self.copies}")


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


def turned(scene: Scene, turn: Float[Array, "d d"]) -> Scene:
    """The scene in which the table was turned.

    Example:
        >>> scene = draw_scene(Settings(), jax.random.key(0))
        >>> bool(jnp.allclose(turned(scene, -jnp.eye(8)).x, -scene.x))
        True
    """
    words = scene.x.reshape(len(scene.x), -1, len(turn))
    x = (words @ turn.T).reshape(scene.x.shape)
    return Scene(x, scene.y, Subspace(orthonormalise(x.T)))


def trial(settings: Settings, key, rotate: Choice = True) -> Trial:
    """Measured: the p-value and the score of a training text's first word.

    Predicted: ½ and the mean of two directions' |cos|, about √(2/πd), for comparison only.
    """
    key_scene, key_plant, key_copies, key_turn, key_chance = jax.random.split(key, 5)
    scene = plant(settings, draw_scene(settings, key_scene), key_plant)
    starts = draw_copies(settings, jax.random.split(key_copies, settings.copies))
    turns = rotations(key_turn, settings.copies, settings.d)
    turns = jnp.where(rotate, turns, turns[:1])

    def explain(start, turn):
        own = turned(scene, turn)
        one = jax.tree.map(lambda leaf: leaf[None], start)
        trained = train_copies(settings, own, one)
        network = TwoLayerReLU(trained.network.w[0], trained.network.u[0])
        gradient = jax.grad(network)(own.x[0])[: settings.d]  # at the first word alone
        return own.x, gradient, learned(settings, own.span, one, trained)

    tables, gradients, margins = jax.vmap(explain)(starts, turns)
    found = agreement(gradients[:, None], key=key_chance, samples=settings.draws)
    means = {"p": 0.5, "score": (2 / jnp.pi / settings.d) ** 0.5}
    apart = drawn_apart(tables)["copies drawn apart"]
    return Trial(
        measured={"p": found.p_value[0], "score": found.score[0]},
        predicted={name: jnp.full((), mean, scene.x.dtype) for name, mean in means.items()},
        assumptions=with_directions(gradients[:, None])
        | drawn_apart(starts.w)
        | {"tables turned apart": apart}
        | jax.tree.map(jnp.min, margins),
    )


theorem = Theorem(
    name="attribution.rotated-copies",
    statement="M copies trained to the margin, each on a table turned by a Haar rotation of its "
    "own, g_m the gradient of copy m at a training text's first word",
    label="X4, rotations",
    provenance="derived",
    claim=CHANCE,
    presets={
        "smoke": Settings(copies=3, draws=200, steps=5000, trials=118),
        "course": Settings(d=16, steps=5000, trials=688),
        "paper": Settings(
            tokens=16, d=32, samples=32, width=100, copies=8, steps=5000, trials=2000
        ),
    },
    trial=trial,
    control=Control(
        name="one common basis of the embedding",
        numbers={"rotate": False},
    ),
)
