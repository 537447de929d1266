"""S2 whatever the loss and the first-order method: it knows nothing but how often it stops.

Proof. S2 uses of training that each step adds to w_i a combination of data points whose
coefficients depend on Π_P W, u and the data. That holds for any loss of the margins; for any
minibatches drawn independently of W_⊥; and for momentum, whose state is a combination of earlier
gradients. So Π_{P^⊥}w_i(t) = Π_{P^⊥}w_i(0) is independent of (Π_P w(t), u, S), and the law of S2
follows for each of them. ∎

Training is in *full dimension*, so that nothing off P is exact by construction.
"""

from collections.abc import Callable
from dataclasses import replace
from math import inf

import jax
import jax.numpy as jnp
import optax

from theory.isotropy import chi_square
from theory.subspace.assumptions import assumptions, smallest
from theory.subspace.gradient import active, gradient_scale, off_subspace_gradient
from theory.subspace.scene import (
    Scene,
    batch_loss,
    descend_in_batches,
    descent,
    draw_scene,
    with_decay_factor,
)
from theory.subspace.settings import Settings
from theory.theorem import Control, Theorem, Trial
from theory.training import (
    Loss,
    Trained,
    exponential,
    hidden_layer_only,
    logistic,
    train,
)

BATCHES = 100
"""Steps of stochastic descent."""


def descend(settings: Settings, scene: Scene, rate: float, momentum: float, loss: Loss) -> Trained:
    """Full batches, with decay after the momentum."""
    decay = optax.add_decayed_weights(settings.weight_decay)
    optimizer = hidden_layer_only(optax.chain(optax.trace(momentum), decay, optax.scale(-rate)))
    margin, steps = settings.margin, settings.steps
    return train(
        scene.network, scene.x, scene.y, optimizer=optimizer, steps=steps, margin=margin, loss=loss
    )


def descend_stochastically(settings: Settings, scene: Scene, key) -> Trained:
    """Minibatches."""
    rule, keys = hidden_layer_only(descent(settings)), jax.random.split(key, BATCHES)
    net = descend_in_batches(scene, scene.network, rule, keys)
    margin = jnp.min(scene.y * net(scene.x))
    return Trained(net, margin, jnp.asarray(BATCHES), batch_loss(scene, net))


def trial(settings: Settings, key) -> Trial:
    """Measured: ‖Π_{P^⊥}∇N(x₀)‖²·m/(kσ²) after each of the trainings. Predicted: ℓ."""
    key_scene, key_batch = jax.random.split(key)
    scene = draw_scene(settings, key_scene)
    rate = settings.rate
    methods: dict[str, Callable[[], Trained]] = {
        "exponential": lambda: descend(settings, scene, rate / 4, 0.0, exponential),
        "momentum": lambda: descend(settings, scene, rate / 10, 0.9, logistic),
        "SGD": lambda: descend_stochastically(settings, scene, key_batch),
    }
    measured, margins, given = {}, {}, jnp.asarray(True)
    for name, method in methods.items():
        net = (trained := method()).network
        some = active(net, scene.x0).any()
        scale = jnp.where(some, gradient_scale(net, scene.x0, settings.sigma), 1)
        g = off_subspace_gradient(net, scene.x0, scene.subspace.basis) / scale
        measured[name], given = g @ g, given & some
        trained = trained._replace(loss=batch_loss(scene, net))
        # Minibatches do not stop at a margin, so theirs is another sign that training happened.
        target = replace(settings, margin=inf) if name == "SGD" else settings
        margins = smallest(margins, assumptions(target, scene, trained))
    ell = jnp.asarray(settings.ell, scene.x.dtype)
    return Trial(measured, dict.fromkeys(measured, ell), margins, given)


theorem = Theorem(
    name="subspace.any-descent",
    statement="g = √(m/kσ²)·Π_{P⊥}∇N(x₀), given k ≥ 1, for w_i(0) ~ N(0, σ²I), u_i = ±1/√m, "
    "trained without decay on points of P, at x₀ ∈ P",
    label="S2 (any first-order method)",
    provenance="derived",
    claim={
        "exponential": chi_square(lambda s: s.ell, "‖g‖² ~ χ²_ℓ under the exponential loss"),
        "momentum": chi_square(lambda s: s.ell, "‖g‖² ~ χ²_ℓ after momentum 0.9"),
        "SGD": chi_square(lambda s: s.ell, "‖g‖² ~ χ²_ℓ after stochastic descent"),
    },
    presets={
        "smoke": Settings(ell=32, d=42, trials=200),
        "course": Settings(ell=48, d=58, trials=688),
        "paper": Settings(ell=74, d=84, trials=2000),
    },
    trial=trial,
    control=Control(
        name="weight decay to 0.8 of W_⊥ ignored",
        trial=lambda settings, key: trial(with_decay_factor(settings, 0.8), key),
    ),
)
