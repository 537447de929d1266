"""X1: off the span of the texts, gradients of independent copies agree by chance only.

Copies share the data and are initialised independently. At a training text, the cosine of the
parts off P = span{x_j} of two copies' input gradients has cos² ~ Beta(½, (ℓ−1)/2), ℓ = dim P^⊥ ≥ 2,
and so has that of either with an axis of P^⊥ fixed before the weights are drawn.

Proof. A step of descent at rate η adds combinations of the x_j to the weights, and weight decay λ
multiplies them by 1 − ηλ: after T steps Π_{P^⊥}W(T) = (1 − ηλ)^T·Π_{P^⊥}W(0). What else there is at
the end (Π_P W(T), u, the active set S, the stopping time T) depends on the data, u and Π_P W(0)
only, which are independent of Π_{P^⊥}W(0). Given all this, S not empty and ηλ < 1,
Π_{P^⊥}∇N(x) = (1 − ηλ)^T Σ_{i∈S} u_i Π_{P^⊥}w_i(0) is an isotropic Gaussian on P^⊥, and those of
two copies are independent. So the direction of one is uniform given the other, or given the axis,
and the squared coordinate of a uniform direction of R^ℓ is χ²_1/(χ²_1 + χ²_{ℓ−1}) with independent
terms: Beta(½, (ℓ−1)/2). ∎

Weight decay changes lengths, not directions, hence is allowed here, and by how much is a part of
its own. With large ℓ the law hardly depends on ℓ: the smoke and course presets have ℓ = 3, where
Beta(½, ℓ/2) in its place is seen. The control is the trap of an ensemble in which one checkpoint
appears twice.
"""

import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

from theory.attribution.scene import (
    active,
    assumptions,
    draw_copies,
    draw_scene,
    drawn_apart,
    learned,
    off_span_gradients,
    train_copies,
)
from theory.attribution.settings import Settings
from theory.claims import Identity, Law
from theory.isotropy import axes_off
from theory.theorem import Choice, Control, Theorem, Trial


def cdf(values: np.ndarray, settings: Settings, t: float = 0.0) -> np.ndarray:
    """Of Beta(½, (ℓ(1 + t) − 1)/2)."""
    return stats.beta.cdf(values, 0.5, (settings.ell * (1 + t) - 1) / 2)


def trial(settings: Settings, key, same_start: Choice = False) -> Trial:
    """Measured: cos² of the copies' Π_{P^⊥}∇N(x), of one with an axis; ‖Π_{P^⊥}(W(T) − cW(0))‖_F.

    Predicted: 1/ℓ, the mean of the law, twice; ‖Π_{P^⊥}W(0)‖_F, the scale. c is (1 − ηλ)^T.
    """
    key_scene, key_copies = jax.random.split(key)
    scene = draw_scene(settings, key_scene)
    x, off = scene.x[0], scene.span.reject
    keys = jax.random.split(key_copies, 2)
    starts = draw_copies(settings, jnp.where(same_start, keys[:1], keys))
    trained = train_copies(settings, scene, starts)
    one, other = off_span_gradients(trained.network, x, scene.span)
    given = (active(trained.network, x) > 0).all()

    def squared_cosine(a, b):
        return (a @ b) ** 2 / jnp.where(given, (a @ a) * (b @ b), 1)

    decay = (1 - settings.rate * settings.weight_decay) ** trained.steps.astype(x.dtype)
    missed = off(trained.network.w - decay[:, None, None] * starts.w)
    mean = jnp.full((), 1 / settings.ell, x.dtype)
    return Trial(
        measured={
            "cos²": squared_cosine(one, other),
            "axis": squared_cosine(one, axes_off(scene.span, slice(1))[:, 0]),
            "decay": jnp.linalg.norm(missed.ravel()),
        },
        predicted={"cos²": mean, "axis": mean, "decay": jnp.linalg.norm(off(starts.w).ravel())},
        assumptions=assumptions(scene)
        | drawn_apart(off(starts.w))
        | learned(settings, scene.span, starts, trained),
        given=given,
    )


SMALL = {"tokens": 4, "d": 4, "samples": 13, "weight_decay": 5e-4, "steps": 20_000}
"""ℓ = 3, few dimensions, and steps for the few copies that need many."""


theorem = Theorem(
    name="attribution.off-span-cosine",
    statement="independent copies, T steps at rate η with decay λ to the margin, "
    "g_m = Π_{P⊥}∇N_m(x), x a training text",
    label="X1",
    provenance="derived",
    claim={
        "cos²": Law(cdf, 0.075, "cos²(g₁, g₂) ~ Beta(½, (ℓ−1)/2)", {"ℓ": cdf}),
        "axis": Law(cdf, 0.075, "cos²(g₁, v) ~ Beta(½, (ℓ−1)/2), v ∈ P⊥ fixed", {"ℓ": cdf}),
        "decay": Identity(ulps=4096, says="Π_{P⊥}W(T) = (1−ηλ)^T·Π_{P⊥}W(0)"),
    },
    presets={
        "smoke": Settings(**SMALL, trials=118),
        "course": Settings(**SMALL, trials=1200),
        "paper": Settings(
            tokens=16, samples=32, width=100, weight_decay=5e-4, steps=20_000, trials=2000
        ),
    },
    trial=trial,
    control=Control(
        name="the same initialisation key for both copies",
        numbers={"same_start": True},
    ),
)
