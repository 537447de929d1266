"""Training in the span of the data against training in full dimension and against NumPy."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from theory.networks import Linear, mlp, two_layer_relu
from theory.training import (
    exponential,
    hidden_layer_only,
    logistic,
    train,
    train_in_span,
    train_to_margin,
)

STEPS = 300
TOLERANCE = 1e-10  # 300 steps of rounding at 1e-16, in weights of size 1e-1

OPTIMIZERS = {
    "descent": lambda rate: optax.sgd(rate),
    "momentum": lambda rate: optax.sgd(rate / 5, momentum=0.9),
    "nesterov": lambda rate: optax.sgd(rate / 5, momentum=0.9, nesterov=True),
    "decay": lambda rate: optax.chain(optax.add_decayed_weights(0.1), optax.sgd(rate)),
    "coupled": lambda rate: optax.chain(optax.add_decayed_weights(0.1), optax.sgd(rate / 5, 0.9)),
    "decoupled": lambda rate: optax.chain(
        optax.trace(0.9), optax.add_decayed_weights(0.1), optax.scale(-rate / 5)
    ),
}


def problem(n, rank, d=40, width=16):
    key = jax.random.key(n)
    key_a, key_b, key_y, key_net = jax.random.split(key, 4)
    x = jax.random.normal(key_a, (n, rank)) @ jax.random.normal(key_b, (rank, d)) / rank**0.5
    y = jax.random.rademacher(key_y, (n,), dtype=x.dtype)
    return two_layer_relu(key_net, d, width), x, y


@cache
def in_full(name, n, rank):
    """Training in full dimension; once for both forms in the span."""
    net, x, y = problem(n, rank)
    optimizer = hidden_layer_only(OPTIMIZERS[name](4 / x.shape[1]))
    return train(net, x, y, optimizer=optimizer, steps=STEPS)


@pytest.mark.parametrize("name", OPTIMIZERS)
@pytest.mark.parametrize(("n", "rank"), [(8, 12), (30, 5)], ids=["n<r", "n>r"])
@pytest.mark.parametrize("form", ["gram", "coordinates"])
def test_span_equals_full_dimension(name, n, rank, form):
    net, x, y = problem(n, rank)
    full, optimizer = in_full(name, n, rank), OPTIMIZERS[name](4 / x.shape[1])
    reduced = train_in_span(net, x, y, optimizer=optimizer, steps=STEPS, form=form)
    assert np.abs(np.subtract(full.network.w, reduced.network.w)).max() < TOLERANCE
    assert np.abs(np.subtract(full.network.w, net.w)).max() > 1e-3  # something was learned
    assert np.array_equal(full.network.u, net.u)
    assert abs(full.loss - reduced.loss) < TOLERANCE
    assert abs(full.margin - reduced.margin) < TOLERANCE


@pytest.mark.parametrize("form", ["gram", "coordinates"])
def test_span_equals_full_dimension_with_both_layers_trained(form):
    net, x, y = problem(8, 12)
    optimizer = optax.sgd(4 / x.shape[1])
    full = train(net, x, y, optimizer=optimizer, steps=STEPS)
    reduced = train_in_span(
        net, x, y, optimizer=optimizer, steps=STEPS, form=form, train_output=True
    )
    assert np.abs(np.subtract(full.network.w, reduced.network.w)).max() < TOLERANCE
    assert np.abs(np.subtract(full.network.u, reduced.network.u)).max() < TOLERANCE


def test_against_a_numpy_loop():
    net, *data = problem(8, 12)
    rate, decay = 4 / net.w.shape[1], 0.1
    w, u, x, y = (np.array(array) for array in (*net, *data))
    for _ in range(STEPS):
        z = w @ x.T
        q = y * (u @ np.maximum(z, 0))
        slope = -y / (1 + np.exp(q)) / len(y)
        w = w - rate * (np.outer(u, slope) * (z > 0) @ x + decay * w)
    optimizer = optax.chain(optax.add_decayed_weights(decay), optax.sgd(rate))
    trained = train_in_span(net, *data, optimizer=optimizer, steps=STEPS)
    assert np.abs(w - trained.network.w).max() < TOLERANCE


def test_both_forms_stop_at_the_same_step_and_just_there():
    net, x, y = problem(8, 12)
    optimizer = optax.sgd(4 / x.shape[1])
    full = train(net, x, y, optimizer=hidden_layer_only(optimizer), steps=10_000, margin=1.0)
    reduced = train_in_span(net, x, y, optimizer=optimizer, steps=10_000, margin=1.0)
    before = train_in_span(net, x, y, optimizer=optimizer, steps=int(full.steps) - 1)
    assert full.steps == reduced.steps > 0
    assert before.margin < 1 <= full.margin
    assert np.isclose(full.margin, jnp.min(y * full.network(x)), rtol=1e-12)


def test_a_network_already_at_the_margin_takes_no_step():
    net, x, y = problem(8, 12)
    trained = train_to_margin(net, x, y, margin=1.0)
    again = train_to_margin(trained.network, x, y, margin=1.0)
    assert again.steps == 0
    assert np.array_equal(again.network.w, trained.network.w)


def test_too_few_steps_are_reported_by_the_margin():
    net, x, y = problem(8, 12)
    trained = train_to_margin(net, x, y, margin=1e9, steps=7)
    assert trained.steps == 7
    assert trained.margin < 1e9


def test_labels_and_signs_are_symmetric():
    """Flipping all labels and all output weights gives the same hidden weights."""
    net, x, y = problem(8, 12)
    one = train_to_margin(net, x, y).network
    two = train_to_margin(net._replace(u=-net.u), x, -y).network
    assert np.abs(np.subtract(one.w, two.w)).max() < TOLERANCE


def test_rotating_the_data_and_the_network_rotates_the_result():
    net, x, y = problem(8, 12)
    rotation = jax.random.orthogonal(jax.random.key(5), x.shape[1])
    one = train_to_margin(net, x, y).network
    two = train_to_margin(net._replace(w=net.w @ rotation), x @ rotation, y).network
    assert np.abs(np.subtract(one.w @ rotation, two.w)).max() < TOLERANCE


@pytest.mark.parametrize("loss", [logistic, exponential])
def test_losses_fall_and_match_their_derivatives(loss):
    q = jnp.linspace(-3, 3, 7)
    step = 1e-6
    slope = jax.vmap(jax.grad(loss))(q)
    difference = (loss(q + step) - loss(q - step)) / (2 * step)
    assert np.abs(np.subtract(slope, difference)).max() < 1e-8
    assert (slope < 0).all()


def test_training_serves_any_network():
    _, x, y = problem(6, 12)
    for net in (Linear(jnp.zeros(x.shape[1])), mlp(jax.random.key(0), (x.shape[1], 30, 1))):
        trained = train(net, x, y, optimizer=optax.sgd(0.1), steps=5000, margin=0.3)
        assert trained.margin >= 0.3


def test_a_margin_that_is_just_reached_is_reached():
    net, x, y = problem(8, 12)
    rule = optax.sgd(0.01)
    third = train_in_span(net, x, y, optimizer=rule, steps=3)
    again = train_in_span(net, x, y, optimizer=rule, steps=99, margin=third.margin)
    assert again.steps == 3


def test_dead_network_stays_finite():
    """No neuron is active at any point: nothing moves, nothing is NaN."""
    net, x, y = problem(8, 12)
    dead = net._replace(w=jnp.zeros_like(net.w))
    trained = train_to_margin(dead, x, y, steps=50)
    assert np.array_equal(trained.network.w, dead.w)
    assert trained.margin == 0
    assert np.isfinite(trained.loss)
