"""X3: the exact law of the gradient at a training text, off the span of all training texts.

Texts are embedded by one frozen table and flattened to R^D, D = T·d. With P = span{x_j} and
ℓ = D − rank, g = √(m/kσ²)·Π_{P^⊥}∇N(x) is a standard Gaussian on P^⊥ after training without decay,
k > 0 neurons being active at x: ‖g‖² ~ χ²_ℓ; ⟨g, v⟩ ~ N(0, 1) for a unit v ∈ P^⊥ fixed before the
weights are drawn; and ‖Π_Q g‖²/‖g‖² ~ Beta(h/2, (ℓ−h)/2) for such a Q ⊂ P^⊥ of dimension h.

Proof. The embedding is frozen, so ∂L/∂w_i = Σ_j c_ij x_j is in P, which depends on the texts only:
training keeps Π_{P^⊥}w_i, and Π_{P^⊥}w(0) is independent of the texts, u and Π_P w(0). These decide
Π_P w(t), the stopping time (through margins at points of P) and, as x ∈ P, the active set S. Given
them, Π_{P^⊥}∇N(x) = Σ_{i∈S} u_i Π_{P^⊥}w_i(0) is Gaussian on P^⊥ with covariance σ² Σ_{i∈S} u_i² =
σ²k/m in each of ℓ directions. The rest are laws of a standard Gaussian of R^ℓ. ∎

The norm alone would not show that all directions are alike: with variances ½ and 3/2 it has nearly
the law of χ²_ℓ, and Q, the half of P^⊥ next to the first coordinates, a share far from that of
Beta. No text outside the training set is needed to see a gradient that was never learned: the
explained text has been trained on. P is the span of whole texts: the words' own embeddings may fill
R^d.
"""

import jax
import jax.numpy as jnp

from theory.attribution.isotropy import isotropy, laws, means
from theory.attribution.scene import (
    active,
    assumptions,
    draw_copies,
    draw_scene,
    kept_off_span,
    learned,
    off_span_gradients,
    train_copies,
)
from theory.attribution.settings import Settings
from theory.theorem import Control, Theorem, Trial


def trial(settings: Settings, key) -> Trial:
    """Measured: ‖g‖², ⟨g, v⟩ and ‖Π_Q g‖²/‖g‖². Predicted: their means ℓ, 0 and h/ℓ."""
    key_scene, key_copies = jax.random.split(key)
    scene = draw_scene(settings, key_scene)
    starts = draw_copies(settings, jax.random.split(key_copies, 1))
    trained = train_copies(settings, scene, starts)
    gradient = off_span_gradients(trained.network, scene.x[0], scene.span)[0]
    k = active(trained.network, scene.x[0])[0]
    variance = settings.sigma**2 * jnp.maximum(k, 1).astype(gradient.dtype) / settings.width
    return Trial(
        measured=isotropy(gradient / jnp.sqrt(variance), scene.span),
        predicted=means(settings, gradient.dtype),
        assumptions=assumptions(scene)
        | kept_off_span(scene.span, starts, trained.network)
        | learned(settings, scene.span, starts, trained),
        given=k > 0,
    )


theorem = Theorem(
    name="attribution.training-input-law",
    statement="trained to the margin, W_⊥ as drawn, g = √(m/kσ²)·Π_{P⊥}∇N(x), x a training text, "
    "P the span of all",
    label="X3",
    provenance="derived",
    claim=laws("g"),
    presets={
        "smoke": Settings(samples=32, steps=5000, trials=118),
        "course": Settings(steps=5000, trials=688),
        "paper": Settings(tokens=16, samples=32, width=100, steps=5000, trials=2000),
    },
    trial=trial,
    control=Control(
        name="weight decay that shrinks W_⊥",
        settings={"weight_decay": 0.002},
    ),
)
