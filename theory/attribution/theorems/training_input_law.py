"""X3: the exact law of the gradient at a training text, off the span of all training texts.

Texts are embedded by one frozen table and flattened to R^D, D = T·d. With P = span{x_j} and
ℓ = D − rank, (m/kσ²)·‖Π_{P^⊥}∇N(x)‖² ~ χ²_ℓ after training, k neurons being active at x.

Proof. The embedding is frozen, so ∂L/∂w_i = Σ_j c_ij x_j is in P, which depends on the texts only:
training keeps Π_{P^⊥}w_i, and Π_{P^⊥}w(0) is independent of the texts, u and Π_P w(0). These decide
Π_P w(t), the stopping time (through margins at points of P) and, as x ∈ P, the active set S. Given
them, Π_{P^⊥}∇N(x) = Σ_{i∈S} u_i Π_{P^⊥}w_i(0) is Gaussian on P^⊥ with covariance σ² Σ_{i∈S} u_i² =
σ²k/m in each of ℓ directions. ∎

No text outside the training set is needed to see a gradient that was never learned: the explained
text has been trained on. P is the span of whole texts: the words' own embeddings may fill R^d.
"""

from dataclasses import replace
from math import inf

import jax
import jax.numpy as jnp
from scipy import stats

from theory.attribution.scene import (
    active,
    draw_copies,
    draw_scene,
    off_span_gradients,
    train_copies,
    without_decay,
)
from theory.attribution.settings import Settings
from theory.claims import Law
from theory.theorem import Control, Theorem, Trial


def trial(settings: Settings, key) -> Trial:
    """Measured: ‖Π_{P^⊥}∇N(x)‖²·m/(kσ²). Predicted: ℓ, the mean of its law."""
    key_scene, key_copies = jax.random.split(key)
    scene = draw_scene(settings, key_scene)
    starts = draw_copies(settings, jax.random.split(key_copies, 1))
    copies = train_copies(settings, scene, starts).network
    gradient = off_span_gradients(copies, scene.x[0], scene.span)[0]
    k = active(copies, scene.x[0])[0]
    variance = settings.sigma**2 * jnp.maximum(k, 1).astype(gradient.dtype) / settings.width
    return Trial(
        measured=jnp.sum(gradient**2) / variance,
        predicted=jnp.full((), settings.ell, gradient.dtype),
        assumptions=without_decay(settings, scene),
        given=k > 0,
    )


def with_decay_factor(settings: Settings, factor: float, steps: int = 100) -> Settings:
    """Settings that train for exactly ``steps`` steps, whose decay leaves ``factor`` of W_⊥.

    Example:
        >>> settings = with_decay_factor(Settings(), 0.9)
        >>> round((1 - settings.rate * settings.weight_decay) ** settings.steps, 6)
        0.9
    """
    decay = (1 - factor ** (1 / steps)) / settings.rate
    return replace(settings, weight_decay=decay, steps=steps, margin=inf)


theorem = Theorem(
    name="attribution.training-input-law",
    statement="(m/kσ²)·‖Π_{P⊥}∇N(x)‖² ~ χ²_ℓ at a training text x, P the span of all",
    label="X3",
    provenance="derived",
    claim=Law(cdf=lambda values, settings: stats.chi2.cdf(values, settings.ell), resolution=0.075),
    presets={
        "smoke": Settings(samples=32, trials=118),
        "course": Settings(trials=688),
        "paper": Settings(tokens=16, samples=32, width=100, trials=2000),
    },
    trial=trial,
    control=Control(
        name="weight decay to 0.9 of W_⊥ ignored",
        trial=lambda settings, key: trial(with_decay_factor(settings, 0.9), key),
    ),
)
