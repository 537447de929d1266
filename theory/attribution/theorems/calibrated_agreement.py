"""X4: the p-values of agreement are uniform where nothing was learned.

Untrained copies of a classifier with one two-layer ReLU network at every word, w_j ~ N(0, σ²I_d)
and u_j = ±1/√m uniform. The gradient at a word e is g = Σ_{j: ⟨w_j, e⟩ > 0} u_j w_j.

Proof. Given which neurons are active, the part of w_j across e is still N(0, σ²I_{d−1}), and the
part along e is half a Gaussian, to which the uniform sign of u_j gives its other half. So
g ~ N(0, (k/m)σ²I_d) with k > 0 active neurons, along e as across it: the M directions at a word are
independent and uniform. Their cosines are those of M Gaussian vectors, whose law is known without
drawing any (`theory.attribution.reference`): it is that of the score, and the score is one more
draw of what `chance_scores` simulates. Its rank is uniform, hence p = (1 + #{larger or equal})/
(1 + B) is uniform up to 1/(1 + B). ∎

Uniform ranks alone would say nothing of the score: those of any other statistic are uniform too.
Pairs of copies share copies, so the law of their mean is not the one for independent pairs, which
is 1.5 to 3.4 times too liberal at .001.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from theory import settings as foundation
from theory.attribution.agreement import agreement
from theory.attribution.reference import CHANCE
from theory.attribution.scene import drawn_apart, with_directions
from theory.geometry import off_by_rounding
from theory.isotropy import standard_normal
from theory.networks import SumReLU, TwoLayerReLU, two_layer_relu
from theory.sampling import gaussian_points
from theory.settings import Count, Sample
from theory.theorem import Control, Number, Theorem, Trial
from theory.training import train_to_margin


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

    def __post_init__(self):
        super().__post_init__()
        if self.d < self.copies:
            raise ValueError(f"d is {self.d} and must be at least copies = {self.copies}")


def draw_nets(settings: Settings, key: Key[Array, ""]) -> TwoLayerReLU:
    """Untrained copies, σ = 1/√d.

    Example:
        >>> draw_nets(Settings(), jax.random.key(0)).w.shape
        (5, 64, 64)
    """
    return jax.vmap(lambda key: two_layer_relu(key, settings.d, settings.width))(
        jax.random.split(key, settings.copies)
    )


def train_on(nets: TwoLayerReLU, words: Float[Array, "words d"], margin: Number) -> TwoLayerReLU:
    """Copies that have learned, each by itself, that these words are of one class.

    Args:
        nets: the copies.
        words: what they learn.
        margin: where training stops; at −∞ no step is taken.

    Example:
        >>> nets, word = draw_nets(Settings(), jax.random.key(0)), jnp.ones((1, 64))
        >>> bool(jax.vmap(lambda net: net(word))(train_on(nets, word, 3.0)).min() >= 3)
        True
    """
    y = jnp.ones(len(words), words.dtype)
    return jax.vmap(lambda net: train_to_margin(net, words, y, margin).network)(nets)


def word_gradients(
    nets: TwoLayerReLU, x: Float[Array, "words d"]
) -> Float[Array, "copies words d"]:
    """The gradient of every copy at every word of a text.

    Example:
        >>> word_gradients(draw_nets(Settings(), jax.random.key(0)), jnp.ones((3, 64))).shape
        (5, 3, 64)
    """
    return jax.vmap(lambda net: jax.grad(SumReLU(net))(x))(nets)


def untrained(starts: TwoLayerReLU, nets: TwoLayerReLU) -> dict[str, Float[Array, ""]]:
    """The margins of what chance assumes: copies as they were drawn, each on its own.

    Example:
        >>> nets = draw_nets(Settings(), jax.random.key(0))
        >>> {name: float(m) >= 0 for name, m in untrained(nets, nets).items()}
        {'copies drawn apart': True, 'nothing learned': True}
    """
    moved = jax.vmap(jnp.linalg.norm)(nets.w - starts.w)
    drawn = jax.vmap(jnp.linalg.norm)(starts.w)
    unmoved = off_by_rounding(starts.w) - jnp.max(moved / drawn)
    return drawn_apart(starts.w) | {"nothing learned": unmoved}


def trial(settings: Settings, key, margin: Number = -jnp.inf) -> Trial:
    """Measured: the p-value and score of one word, and √(m/kσ²)·⟨∇N_1, e⟩/‖e‖.

    Predicted: ½, the score of two directions by chance √(2/πd), and 0, all for comparison only.
    """
    key_word, key_nets, key_chance = jax.random.split(key, 3)
    word = gaussian_points(key_word, 1, settings.d)
    starts = draw_nets(settings, key_nets)
    nets = train_on(starts, word, margin)
    gradients = word_gradients(nets, word)
    found = agreement(gradients, key=key_chance, samples=settings.samples)
    k = jnp.sum(nets.w @ word[0] > 0, axis=1)
    variance = jnp.maximum(k[0], 1).astype(word.dtype) / (settings.width * settings.d)
    along = gradients[0, 0] @ word[0] / jnp.linalg.norm(word)
    means = {"p": 0.5, "score": (2 / jnp.pi / settings.d) ** 0.5, "along": 0.0}
    return Trial(
        measured={"p": found.p_value[0], "score": found.score[0], "along": along / variance**0.5},
        predicted={name: jnp.full((), mean, word.dtype) for name, mean in means.items()},
        assumptions=with_directions(gradients) | untrained(starts, nets),
        given=(k > 0).all(),
    )


theorem = Theorem(
    name="attribution.calibrated-agreement",
    statement="M untrained copies, independent, g_m the gradient of copy m at a word e, "
    "k > 0 neurons of the first active",
    label="X4",
    provenance="derived",
    claim=CHANCE | {"along": standard_normal("√(m/kσ²)·⟨g_1, e⟩/‖e‖ ~ N(0, 1)", 0.075)},
    presets={
        "smoke": Settings(d=32, copies=3, samples=200, trials=60),
        "course": Settings(trials=688),
        "paper": Settings(copies=8, samples=4000, trials=2000),
    },
    trial=trial,
    control=Control(
        name="copies trained on the word",
        numbers={"margin": 3.0},
    ),
)
