"""X1: off the span of the texts, gradients of independent copies agree by chance only.

Copies share the data and are initialised independently. At a training text, the cosine of the
parts off P = span{x_j} of two copies' input gradients has cos² ~ Beta(½, (ℓ−1)/2), ℓ = dim P^⊥ ≥ 2.

Proof. A step of descent adds combinations of the x_j to the weights, and weight decay multiplies
them by a common factor, so Π_{P^⊥}w_i(t) = c(t)·Π_{P^⊥}w_i(0), c ≠ 0 depending on t alone. What
else there is at the end (Π_P w(t), u, the active set S, the stopping time) depends on the data, u
and Π_P w(0) only, which are independent of Π_{P^⊥}w(0). Given all this and S not empty,
Π_{P^⊥}∇N(x) = c Σ_{i∈S} u_i Π_{P^⊥}w_i(0) is an isotropic Gaussian on P^⊥, and those of two copies
are independent. So the direction of one is uniform given the other, and the squared coordinate of
a uniform direction of R^ℓ is χ²_1/(χ²_1 + χ²_{ℓ−1}) with independent terms: Beta(½, (ℓ−1)/2). ∎

Weight decay changes lengths, not directions, hence is allowed here. The control is the trap of an
ensemble in which one checkpoint appears twice.
"""

import jax
import jax.numpy as jnp
from scipy import stats

from theory.attribution.scene import (
    active,
    assumptions,
    draw_copies,
    draw_scene,
    off_span_gradients,
    train_copies,
)
from theory.attribution.settings import Settings
from theory.claims import Law
from theory.theorem import Control, Theorem, Trial


def trial(settings: Settings, key, same_start: bool = False) -> Trial:
    """Measured: cos² of the two copies' Π_{P^⊥}∇N(x). Predicted: 1/ℓ, the mean of its law."""
    key_scene, key_copies = jax.random.split(key)
    scene = draw_scene(settings, key_scene)
    x = scene.x[0]
    keys = jax.random.split(key_copies, 2)
    starts = draw_copies(settings, keys[jnp.array([0, 0])] if same_start else keys)
    copies = train_copies(settings, scene, starts).network
    one, other = off_span_gradients(copies, x, scene.span)
    given = (active(copies, x) > 0).all()
    squares = jnp.where(given, (one @ one) * (other @ other), 1)
    return Trial(
        measured=(one @ other) ** 2 / squares,
        predicted=jnp.full((), 1 / settings.ell, x.dtype),
        assumptions=assumptions(scene),
        given=given,
    )


theorem = Theorem(
    name="attribution.off-span-cosine",
    statement="cos²(Π_{P⊥}∇N₁(x), Π_{P⊥}∇N₂(x)) ~ Beta(½, (ℓ−1)/2) for independent copies",
    label="X1",
    provenance="derived",
    claim=Law(
        cdf=lambda values, settings: stats.beta.cdf(values, 0.5, (settings.ell - 1) / 2),
        resolution=0.075,
    ),
    presets={
        "smoke": Settings(samples=32, trials=118),
        "course": Settings(trials=688),
        "paper": Settings(tokens=16, samples=32, width=100, trials=2000),
    },
    trial=trial,
    control=Control(
        name="the same initialisation key for both copies",
        trial=lambda settings, key: trial(settings, key, same_start=True),
    ),
)
