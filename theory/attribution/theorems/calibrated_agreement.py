"""X4: the p-values of agreement are uniform where nothing was learned.

Untrained copies of a classifier with one two-layer ReLU network at every word, w_j ~ N(0, σ²I_d)
and u_j = ±1/√m uniform. The gradient at a word e is g = Σ_{j: ⟨w_j, e⟩ > 0} u_j w_j.

Proof. Given which neurons are active, the part of w_j across e is still N(0, σ²I_{d−1}), and the
part along e is half a Gaussian, to which the uniform sign of u_j gives its other half. So
g ~ N(0, (k/m)σ²I_d) with k active neurons: the M directions at a word are independent and uniform,
and its score is one more draw of what `chance_scores` simulates. Its rank is uniform, hence
p = (1 + #{larger or equal})/(1 + B) is uniform up to 1/(1 + B). ∎

Pairs of copies share copies, so the law of their mean is not the one for independent pairs, which
is 1.5 to 3.4 times too liberal at .001.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from theory import settings as foundation
from theory.attribution.agreement import agreement
from theory.attribution.scene import with_directions
from theory.claims import Law
from theory.networks import SumReLU, two_layer_relu
from theory.sampling import gaussian_points
from theory.settings import Count, Sample
from theory.theorem import Control, Theorem, Trial


@dataclass(frozen=True)
class Settings(foundation.Settings):
    """Untrained copies of a classifier that sums a two-layer ReLU network over the words."""

    d: Sample = 64
    """dimension of the embedding; in one dimension all directions agree"""
    width: Count = 64
    """neurons m"""
    copies: Sample = 5
    """copies M of the classifier"""
    samples: Count = 2000
    """simulated draws of chance B"""


def untrained_gradients(
    settings: Settings, key: Key[Array, ""], x: Float[Array, "words d"]
) -> Float[Array, "copies words d"]:
    """The gradient of every untrained copy at every word of a text.

    Example:
        >>> x = jax.random.normal(jax.random.key(0), (3, 64))
        >>> untrained_gradients(Settings(), jax.random.key(1), x).shape
        (5, 3, 64)
    """

    def gradient(key):
        return jax.grad(SumReLU(two_layer_relu(key, settings.d, settings.width)))(x)

    return jax.vmap(gradient)(jax.random.split(key, settings.copies))


def trial(settings: Settings, key, learned: float = 0.0) -> Trial:
    """Measured: the p-value of one word. Predicted: ½, its mean.

    ``learned`` adds to every copy's gradient a common direction of that share of its norm.
    """
    key_word, key_nets, key_chance, key_plant = jax.random.split(key, 4)
    word = gaussian_points(key_word, 1, settings.d)
    gradients = untrained_gradients(settings, key_nets, word)
    norms = jnp.linalg.norm(gradients, axis=-1, keepdims=True)
    plant = jax.random.normal(key_plant, (1, 1, settings.d))
    shown = gradients + learned * norms * plant / jnp.linalg.norm(plant)
    found = agreement(shown, key=key_chance, samples=settings.samples)
    return Trial(
        measured=found.p_value[0],
        predicted=jnp.full((), 0.5, word.dtype),
        assumptions=with_directions(gradients),
    )


theorem = Theorem(
    name="attribution.calibrated-agreement",
    statement="untrained copies: p = (1 + #{chance ≥ score})/(1 + B) is uniform on [0, 1]",
    label="X4",
    provenance="derived",
    claim=Law(cdf=lambda values, settings: np.clip(values, 0, 1), resolution=0.075),
    presets={
        "smoke": Settings(d=32, width=32, copies=3, samples=200, trials=60),
        "course": Settings(trials=688),
        "paper": Settings(copies=8, samples=4000, trials=2000),
    },
    trial=trial,
    control=Control(
        name="a learned direction of the gradients' own length",
        trial=lambda settings, key: trial(settings, key, learned=1.0),
    ),
)
