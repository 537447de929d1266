"""Every bound and threshold of the theorems on healing once more, in NumPy."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from theory.healing.masks import random_scores, smallest_of_rows
from theory.healing.theorems import dense_fixed_point, exact_zeros, frozen_noise, masked_ridge
from theory.networks import two_layer_relu
from theory.sampling import gaussian_points

EPS = 2.0**-52
KEY = jax.random.key(3)


def parts(module) -> Any:
    """The claims of a theorem by part."""
    return module.theorem.claim


def on_trial(module, settings, **options) -> Any:
    """One trial, compiled, as NumPy arrays."""
    trial = partial(module.theorem.trial, settings, **options)
    found = jax.device_get(jax.jit(trial)(KEY))
    assert set(found.measured) == set(found.predicted) == set(parts(module))
    return found


def check(found, expected, rel=1e-9):
    assert set(found) == set(expected)
    for name, value in expected.items():
        assert float(found[name]) == pytest.approx(float(value), rel=rel, abs=1e-12), name


def forward(net, x):
    """Hidden states of a network in NumPy."""
    states = []
    for w, b in zip(net.weights[:-1], net.biases[:-1], strict=True):
        x = np.maximum(x @ np.array(w).T + np.array(b), 0)
        states.append(x)
    return states


def cosine_distance(h, target):
    """½ mean ‖ĥ − ĥ*‖² with ε = 10⁻⁶ of the mean square norm."""
    epsilon = 1e-6 * (target**2).sum(axis=1).mean()
    unit, other = (a / np.sqrt((a**2).sum(axis=1, keepdims=True) + epsilon) for a in (h, target))
    return ((unit - other) ** 2).sum(axis=1).mean() / 2


@pytest.mark.parametrize("share", [0.0, 0.3])
def test_dense_fixed_point(share):
    settings = dense_fixed_point.Settings(d=5, width=6, depth=2, samples=7, trials=1)
    found = on_trial(dense_fixed_point, settings, share=share)
    key_net, key_x, key_masks = jax.random.split(KEY, 3)
    net = dense_fixed_point.draw_network(settings, key_net)
    x = np.array(dense_fixed_point.draw_inputs(settings, key_x))
    masks = [np.array(m) for m in dense_fixed_point.draw_masks(net, key_masks, share).weights[:-1]]
    targets = forward(net, x)
    kept = [np.where(m == 1, w, 0) for m, w in zip(masks, net.weights[:-1], strict=True)]
    states = forward(net._replace(weights=(*kept, net.weights[-1])), x)
    pairs = list(zip(states, targets, strict=True))
    cosine = np.mean([cosine_distance(h, t) for h, t in pairs])
    mse = np.mean([((h - t) ** 2).mean() / (t**2).mean() for h, t in pairs])
    distances = {name: found.measured[name] for name in ("D cosine", "D mse")}
    check(distances, {"D cosine": np.sqrt(cosine), "D mse": np.sqrt(mse)})
    for name in ("∇ cosine", "∇ mse"):
        assert (float(found.measured[name]) < 1e-14) == (share == 0)
    check(found.predicted, dict.fromkeys(found.predicted, 1))
    zero_rows = min((h == 0).all(axis=1).sum() for h in targets)
    dead = min((h == 0).all(axis=0).sum() for h in targets)
    assumed = {
        "all-ones mask": -sum((m == 0).sum() for m in masks),
        "a row of zeros in every state": zero_rows - 1,
        "a dead neuron in every layer": dead - 1,
        "living states in every layer": min((h > 0).mean() for h in targets) - 0.1,
    }
    check(found.assumptions, assumed)
    claims = parts(dense_fixed_point).values()
    assert all(claim.ulps == 32 and claim.failure(settings) == 0 for claim in claims)


def test_the_gradient_of_the_dense_network_is_in_units_of_the_distance():
    """‖W‖·‖∇D‖ by differences in NumPy, of a network that is pruned."""
    settings = dense_fixed_point.Settings(d=3, width=3, depth=1, samples=4, trials=1)
    found = on_trial(dense_fixed_point, settings, share=0.3)
    key_net, key_x, key_masks = jax.random.split(KEY, 3)
    net = dense_fixed_point.draw_network(settings, key_net)
    x = np.array(dense_fixed_point.draw_inputs(settings, key_x))
    mask = np.array(dense_fixed_point.draw_masks(net, key_masks, 0.3).weights[0])
    w, b = np.where(mask == 1, net.weights[0], 0), np.array(net.biases[0])
    (target,) = forward(net, x)
    flat = np.concatenate([w.ravel(), b])

    def mse(flat):
        h = np.maximum(x @ flat[:9].reshape(3, 3).T + flat[9:], 0)
        return ((h - target) ** 2).mean() / (target**2).mean()

    steps = 1e-6 * np.eye(12)
    slope = np.array([(mse(flat + s) - mse(flat - s)) / 2e-6 for s in steps])
    alive = np.repeat((w != 0).any(axis=1), 3), (w != 0).any(axis=1)
    slope[~np.concatenate(alive) & (np.concatenate([w.ravel(), b]) == 0)] = 0
    rest = [np.sum(np.array(a) ** 2) for a in (net.weights[1], net.biases[1])]
    size = np.sqrt((flat**2).sum() + sum(rest))
    assert float(found.measured["∇ mse"]) == pytest.approx(size * np.linalg.norm(slope), rel=1e-5)


def test_exact_zeros():
    settings = exact_zeros.Settings(d=4, width=5, depth=1, samples=6, pruned=0.6, steps=3, trials=1)
    found = on_trial(exact_zeros, settings)
    names = ["momentum", "Adam", "AdamW", "Lion", "noisy descent"]
    assert list(parts(exact_zeros)) == names
    check(found.predicted, dict.fromkeys(names, 0))
    key_net, key_x, key_masks, key_noise = jax.random.split(KEY, 4)
    net = exact_zeros.draw_network(settings, key_net)
    x = exact_zeros.draw_inputs(settings, key_x)
    mask = np.array(exact_zeros.draw_masks(net, key_masks, 0.6).weights[0])
    w = np.where(mask == 1, net.weights[0], 0)
    target = jnp.array(forward(net, np.array(x))[0])
    epsilon = 1e-6 * float((target**2).sum(axis=1).mean())

    def loss(w, _):
        h = jax.nn.relu(x @ w.T + jnp.broadcast_to(net.biases[0], target.shape))
        unit, other = (
            a / jnp.sqrt(jnp.sum(a**2, axis=1, keepdims=True) + epsilon) for a in (h, target)
        )
        return jnp.mean(jnp.sum((unit - other) ** 2, axis=1)) / 2

    slope = np.array(jax.grad(loss)(jnp.array(w), None))
    moved = []
    for recipe in exact_zeros.optimizers(settings.learning_rate, key_noise).values():
        end = exact_zeros.gradients_masked(loss, jnp.array(w), jnp.array(mask), x, recipe, 3)
        moved.append(np.linalg.norm((np.array(end) - w)[mask == 1]))
    assumed = {
        "weights masked after every step": 0,
        "finite updates of what is left": True,
        "every optimiser moved what is left": min(moved) / np.linalg.norm(w) - 1e-4,
        "pruned entries have a gradient": np.linalg.norm(slope[mask == 0]) - 1e-4,
        "half of the weights pruned": 0.6 - 0.5,
    }
    check(found.assumptions, assumed, rel=1e-6)


def test_masked_ridge():
    settings = masked_ridge.Settings(d=8, width=3, samples=2, ridge=0.2, steps=5, trials=1)
    found = on_trial(masked_ridge, settings)
    key_x, key_dense, key_start, key_masks = jax.random.split(KEY, 4)
    x = np.array(gaussian_points(key_x, 2, 8))
    dense, start = (two_layer_relu(key, 8, 3).w for key in (key_dense, key_start))
    z = x @ np.array(dense).T
    scores = random_scores(key_masks, dense)
    kept = np.array(smallest_of_rows(scores, 0.5)) == 1
    size = (x**2).sum()
    ridge = 0.2 * size
    rate = 1 / (size + ridge)
    shrunk = (1 - rate * ridge) ** 5
    left, lower, upper = 0.0, 0.0, 0.0
    for w, target, row in zip(np.array(start), z.T, kept, strict=True):
        a, w = x[:, row], w[row]
        best = np.linalg.solve(a.T @ a + ridge * np.eye(4), a.T @ target)
        unseen = np.eye(4) - np.linalg.pinv(a) @ a
        lower += ((unseen @ w) ** 2).sum()
        upper += ((w - best) ** 2).sum()
        for _ in range(5):
            w = w - rate * (a.T @ (a @ w - target) + ridge * w)
        left += ((w - best) ** 2).sum()
    check(found.measured, dict.fromkeys(("lower", "upper"), np.sqrt(left)), rel=1e-5)
    expected = {"lower": shrunk * np.sqrt(lower), "upper": shrunk * np.sqrt(upper)}
    check(found.predicted, expected, rel=1e-5)
    assert float(found.predicted["lower"]) == pytest.approx(expected["lower"], rel=1e-9)
    assumptions = dict(found.assumptions)
    solved = assumptions.pop("W* solves its equations where the mask is 1")
    assert 0.7e-5 < float(solved) <= 1e-5
    assumed = {
        "λ > 0": ridge,
        "W* is 0 where the mask is": 0,
        "a quarter of the weights pruned": 0.5 - 0.25,
        "fewer inputs than weights left": 4 - 3,
    }
    check(assumptions, assumed)


def test_frozen_noise():
    settings = frozen_noise.Settings(d=6, ell=3, width=5, samples=7, trials=1)
    found = on_trial(frozen_noise, settings)
    key_p, key_x, key_test, key_rule, key_net, key_again = jax.random.split(KEY, 6)
    basis = np.array(frozen_noise.axes_subspace(key_p, 6, 3).basis)
    on = basis.sum(axis=1) == 1
    c, t, v = (
        np.array(jax.random.normal(key, shape))
        for key, shape in ((key_x, (7, 3)), (key_test, (7, 3)), (key_rule, (3,)))
    )
    y = np.where(c @ v > 0, 1.0, -1.0)
    c = c + y[:, None] * v / np.linalg.norm(v)
    x = c @ basis.T
    start, again = (two_layer_relu(key, 6, 5) for key in (key_net, key_again))
    w, u, redrawn = np.array(start.w), np.array(start.u), np.array(again.w)
    q = np.zeros(7)
    drawn, rate = w.copy(), 4 / (x**2).sum(axis=1).max()
    for _ in range(20_000):
        z = x @ w.T
        q = y * (np.maximum(z, 0) @ u)
        if q.min() >= 1:
            break
        slope = -y / (1 + np.exp(q)) / 7
        w = w - rate * u[:, None] * (np.where(z.T > 0, slope, 0) @ x)
    outputs = np.maximum(t @ basis.T @ w.T, 0) @ u
    check(found.predicted, {"(a)": np.abs(outputs).max(), "(b)": 15})
    check(found.measured, {"(a)": 0, "(b)": 0})
    scores = np.abs(w) * np.linalg.norm(x, axis=0)
    cut = np.argsort(scores, axis=1)[:, :4]  # of a share ¾ of 6, rounded down
    gone = np.zeros_like(scores)
    np.put_along_axis(gone, cut, 1, axis=1)

    def relative(one, other, columns):
        return np.linalg.norm((one - other)[:, columns]) / np.linalg.norm(other[:, columns])

    assumptions = dict(found.assumptions)
    for name in ("P is spanned by axes", "calibration and test points in P", "W_⊥ kept"):
        assert float(assumptions.pop(name)) == pytest.approx(1e4 * EPS, rel=0.02)
    assumed = {
        "every axis of P is seen": np.linalg.norm(c, axis=0).min() - 1e4 * EPS,
        "margin reached": q.min() - 1,
        "moved on P": relative(w, drawn, on) - 0.05,
        "W_⊥ redrawn": relative(redrawn, w, ~on) - 0.05,
        "a share ℓ/d pruned": 0,
        "(b) prunes on P": gone[:, on].mean() - 0.1,
    }
    check(assumptions, assumed)
    claims = parts(frozen_noise).values()
    assert all(claim.ulps == 64 and claim.failure(settings) == 0 for claim in claims)
