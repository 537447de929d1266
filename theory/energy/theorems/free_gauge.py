"""E5: training leaves the gauge of a softmax head where it was, so ET3 depends on the start.

Let a network with a last layer z = W h + b be trained on a loss of the differences of logits, such
as the softmax cross-entropy. Then Σ_k w_k and Σ_k b_k are conserved by every optimiser whose
updates are linear in the gradients with scalar coefficients, from buffers that are 0: gradient
descent, heavy ball. With weight decay λ at rate η they shrink by (1 − ηλ)^T.

And started from W + 1vᵀ, b + c1 in place of W, b, every optimiser that sees gradients alone, Adam
included, ends at the same features and the same centred head, with the same shift.

Proof. Such a loss is unchanged by z → z + φ1, so Σ_k ∂loss/∂z_k = 0 for every input, and
Σ_k ∂loss/∂w_k = Σ_inputs (Σ_k ∂loss/∂z_k)h = 0: every update of Σ_k w_k is 0, or −ηλΣ_k w_k. The
shift adds (⟨v, h⟩ + c)1 to the logits, so that the gradients of W and b are the same, and those of
the features lose or gain (Σ_k ∂loss/∂z_k)v = 0: by induction all updates are the same. ∎

Adam does not conserve Σ_k w_k, nor does clipping by element; the binary cross-entropy of each
class, which sees more than differences, moves all of this: the control.
"""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import optax

from theory.claims import Identity
from theory.energy.gauges import shifted
from theory.metrics import negative_log_likelihood
from theory.networks import MLP, mlp
from theory.settings import Count, Positive, Sample
from theory.settings import Settings as Foundation
from theory.theorem import Control, Number, Theorem, Trial
from theory.training.mini_batch import descend

AMPLIFIED = 2.0**12
"""Rounding allowed, in machine epsilons: training multiplies it, and the shift adds to it."""

DECAY = 0.02


@dataclass(frozen=True)
class Settings(Foundation):
    """A two-layer network with biases, trained on Gaussian points with random classes."""

    d: Count = 5
    """input dimension"""
    classes: Sample = 4
    """classes K"""
    width: Count = 12
    """neurons"""
    samples: Count = 24
    """training points"""
    steps: Count = 60
    """training steps on all points"""
    learning_rate: Positive = 0.2
    """of heavy ball; a tenth of it is Adam's"""
    shift: Positive = 1.0
    """standard deviation of v and c"""


def trial(settings: Settings, key, sigmoid: Number = 0.0) -> Trial:
    """Measured: how far sums and heads are from what the statement says. Predicted: the size of
    what is added up. The loss has ``sigmoid`` of the binary cross-entropies."""
    key_x, key_y, key_net, key_v, key_c = jax.random.split(key, 5)
    data = (
        jax.random.normal(key_x, (settings.samples, settings.d)),
        jax.random.randint(key_y, (settings.samples,), 0, settings.classes),
    )
    start = mlp(key_net, (settings.d, settings.width, settings.classes))
    v = settings.shift * jax.random.normal(key_v, (settings.width,))
    c = settings.shift * jax.random.normal(key_c)
    (_, last), (_, offset) = start.weights, start.biases
    other = shifted(start, v, c)

    def of_logits(z, y):
        one_hot = jax.nn.one_hot(y, settings.classes, dtype=z.dtype)
        binary = jnp.mean(jnp.sum(optax.sigmoid_binary_cross_entropy(z, one_hot), axis=1))
        softmax = negative_log_likelihood(z, y)
        return softmax + sigmoid * (binary - softmax)

    def trained(net, optimizer) -> Any:
        def loss(net, data):
            return of_logits(net.logits(data[0]), data[1])

        steps, batch = settings.steps, settings.samples
        return descend(loss, net, data, optimizer=optimizer, steps=steps, batch=batch)[0]

    rate = settings.learning_rate
    ball = optax.sgd(rate, momentum=0.5)
    adam = optax.adam(rate / 10)
    decayed = optax.chain(optax.add_decayed_weights(DECAY), optax.sgd(rate))
    by_ball, by_decay = trained(start, ball), trained(start, decayed)
    measured, predicted = {}, {}

    def compare(name, difference, *sizes):
        measured[name] = jnp.linalg.norm(difference)
        predicted[name] = sum(jnp.linalg.norm(size) for size in sizes)

    compare("Σw", jnp.sum(by_ball.weights[1] - last, axis=0), by_ball.weights[1], last)
    compare("Σb", jnp.sum(by_ball.biases[1] - offset), by_ball.biases[1], offset)
    shrunk = (1 - rate * DECAY) ** settings.steps * last
    compare("Σw, decayed", jnp.sum(by_decay.weights[1] - shrunk, axis=0), by_decay.weights[1], last)
    for name, one, same in (
        ("head, heavy ball", by_ball, trained(other, ball)),
        ("head, Adam", trained(start, adam), trained(other, adam)),
    ):
        difference = _centred(one) - _centred(same)
        compare(name, difference, same.weights[1], same.biases[1], v, c)
    slopes = jax.grad(of_logits)(by_ball.logits(data[0]), data[1])
    change = jnp.linalg.norm(_centred(by_ball) - _centred(start))
    return Trial(
        measured,
        predicted,
        {
            "Σ_k ∂loss/∂z_k = 0": 1e-9 - jnp.max(jnp.abs(jnp.sum(slopes, axis=1))),
            "the head moved by a tenth": change / jnp.linalg.norm(_centred(start)) - 0.1,
        },
    )


def _centred(net: MLP):
    """Weights and bias of the last layer less their mean over classes."""
    head = jnp.concatenate([net.weights[-1], net.biases[-1][:, None]], axis=1)
    return head - jnp.mean(head, axis=0, keepdims=True)


theorem = Theorem(
    name="energy.free-gauge",
    statement="a network with last layer z = Wh + b, trained on a loss with Σ_k ∂loss/∂z_k = 0: by "
    "heavy ball, with weight decay λ at rate η, and from W + 1vᵀ, b + c1 in place of W, b",
    label="E5",
    provenance="derived",
    claim={
        "Σw": Identity(ulps=AMPLIFIED, says="Σ_k w_k is conserved by heavy ball"),
        "Σb": Identity(ulps=AMPLIFIED, says="Σ_k b_k is conserved by heavy ball"),
        "Σw, decayed": Identity(ulps=AMPLIFIED, says="Σ_k w_k shrinks by (1 − ηλ)^T"),
        "head, heavy ball": Identity(ulps=AMPLIFIED, says="W, b less their means are the same"),
        "head, Adam": Identity(ulps=AMPLIFIED, says="W, b less their means are the same"),
    },
    presets={
        "smoke": Settings(trials=10, steps=40),
        "course": Settings(trials=135),
        "paper": Settings(trials=688, width=50, steps=200),
    },
    trial=trial,
    control=Control(name="binary cross-entropies", numbers={"sigmoid": 1.0}),
)
