"""Every bound and threshold of the theorems on healing once more, in NumPy."""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from theory.healing.masks import random_scores, smallest_of_rows
from theory.healing.theorems import (
    dense_fixed_point,
    exact_zeros,
    frozen_noise,
    loss_falls,
    loss_floor,
    masked_ridge,
    rotated_magnitude,
)
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
def test_dense_fixed_point(monkeypatch, share):
    settings = dense_fixed_point.Settings(d=5, width=6, depth=2, samples=7, trials=1)
    monkeypatch.setattr(dense_fixed_point, "SHARE", 0.3)
    found = on_trial(dense_fixed_point, settings, pruned=share > 0)
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
        "living states in every layer": min((h > 0).mean() for h in targets) - 0.01,
    }
    check(found.assumptions, assumed)
    claims = parts(dense_fixed_point).values()
    assert all(claim.ulps == 32 and claim.failure(settings) == 0 for claim in claims)


def test_the_gradient_of_the_dense_network_is_in_units_of_the_distance(monkeypatch):
    """‖W‖·‖∇D‖ by differences in NumPy, of a network that is pruned."""
    settings = dense_fixed_point.Settings(d=3, width=3, depth=1, samples=4, trials=1)
    monkeypatch.setattr(dense_fixed_point, "SHARE", 0.3)
    found = on_trial(dense_fixed_point, settings, pruned=True)
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

    recipes = exact_zeros.optimizers(settings.learning_rate, key_noise).values()

    def ends(w):
        masked = exact_zeros.gradients_masked
        return [masked(loss, w, jnp.array(mask), x, recipe, 3) for recipe in recipes]

    slope = np.array(jax.jit(jax.grad(loss))(jnp.array(w), None))
    moved = [np.linalg.norm((end - w)[mask == 1]) for end in jax.jit(ends)(jnp.array(w))]
    assumed = {
        "NaN where pruned, to begin with": True,
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


def test_loss_falls():
    settings = loss_falls.Settings(d=5, width=6, samples=4, pruned=0.4, steps=3, step=0.3, trials=1)
    found = on_trial(loss_falls, settings)
    key_x, key_dense, key_mask = jax.random.split(KEY, 3)
    x = np.array(gaussian_points(key_x, 4, 5))
    dense = two_layer_relu(key_dense, 5, 6).w
    kept = np.array(smallest_of_rows(random_scores(key_mask, dense), 0.4)) == 1
    start, targets = np.where(kept, dense, 0), np.maximum(x @ np.array(dense).T, 0)
    epsilon = 1e-6 * (targets**2).sum(axis=1).mean()

    def directions(h):
        q = np.sqrt((h**2).sum(axis=1, keepdims=True) + epsilon)
        return h / q, q

    def cosine(h):
        """The loss, and its slope in h."""
        (unit, q), (other, _) = directions(h), directions(targets)
        off = unit - other
        return (off**2).sum() / 8, (off - unit * (unit * off).sum(axis=1, keepdims=True)) / q / 4

    def mse(h):
        size = (targets**2).sum()
        return ((h - targets) ** 2).sum() / size, 2 * (h - targets) / size

    def steep(loss, h, step):
        rows = np.full(4, 8 / (targets**2).sum())
        if loss is cosine:
            room = np.linalg.norm(h, axis=1) - np.linalg.norm(x @ step.T, axis=1)
            least = np.maximum(room, 0) ** 2 + epsilon
            rows = 2 / np.sqrt(3) / least + epsilon / least**2
        values = np.linalg.eigvalsh(np.sqrt(rows[:, None] * rows) * (x @ x.T) / 4)
        return (values**8).sum() ** (1 / 8)

    expected = {"measured": {}, "predicted": {}}
    sizes, moved = [], []
    for name, loss in (("cosine", cosine), ("mse", mse)):
        w, ratios, squares = start, [], []
        rate = 0.3 / steep(loss, np.maximum(x @ w.T, 0), 0 * w)
        first = loss(np.maximum(x @ w.T, 0))[0]
        for _ in range(3):
            z = x @ w.T
            value, slope = loss(np.maximum(z, 0))
            g = np.where(kept, np.where(z > 0, slope, 0).T @ x, 0)
            sizes.append(rate * steep(loss, np.maximum(z, 0), rate * g))
            w = w - rate * g
            squares.append((g**2).sum())
            ratios.append((value - loss(np.maximum(x @ w.T, 0))[0]) / rate / squares[-1])
        expected["measured"] |= {f"D {name}": min(ratios), f"∇ {name}": np.mean(squares)}
        expected["predicted"] |= {f"D {name}": 0.5, f"∇ {name}": 2 * first / rate / 3}
        moved.append(np.linalg.norm(w - start) / np.linalg.norm(start))
    check(found.measured, expected["measured"])
    check(found.predicted, expected["predicted"])
    assumed = {
        "η ≤ 1/K at every step": 1 - max(sizes),
        "t ≥ 0": 0,
        "weights moved": min(moved) - 0.05,
        "a quarter of the weights pruned": 0.4 - 0.25,
    }
    check(found.assumptions, assumed)
    assert all(claim.failure(settings) == 0 for claim in parts(loss_falls).values())
    large = loss_falls.theorem.control.settings
    assert large == {"step": 10.0, "steps": 10}


def test_loss_floor():
    settings = loss_floor.Settings(d=6, width=3, samples=9, steps=3, adam=5, trials=1)
    found = on_trial(loss_floor, settings)
    key_x, key_dense, key_start, key_masks = jax.random.split(KEY, 4)
    x = np.array(gaussian_points(key_x, 9, 6))
    dense, start = (two_layer_relu(key, 6, 3).w for key in (key_dense, key_start))
    z = x @ np.array(dense).T
    kept = np.array(smallest_of_rows(random_scores(key_masks, dense), 0.5)) == 1
    start = np.where(kept, start, 0)
    rate = 1 / np.linalg.norm(x.T @ x)

    def loss(w):
        return ((x @ w.T - z) ** 2).sum() / 2

    bottom, values = 0.0, []
    for target, row in zip(z.T, kept, strict=True):
        a = x[:, row]
        bottom += np.linalg.lstsq(a, target)[1][0] / 2
        values.extend(np.linalg.eigvalsh(a.T @ a))
    w, v, first, second = start, start, 0.0, 0.0
    for step in range(1, 6):
        if step <= 3:
            w = w - rate * np.where(kept, (x @ w.T - z).T @ x, 0)
        g = np.where(kept, (x @ v.T - z).T @ x, 0)
        first, second = 0.9 * first + 0.1 * g, 0.999 * second + 0.001 * g**2
        unbiased = first / (1 - 0.9**step), second / (1 - 0.999**step)
        v = v - 0.03 * unbiased[0] / (np.sqrt(unbiased[1]) + 1e-8)
    left, high = loss(w) - bottom, loss(start) - bottom
    measured = {"floor": min(loss(w), loss(v)), "lower": left, "upper": left}
    check(found.measured, measured, rel=1e-8)
    lower, upper = ((1 - rate * value) ** 6 * high for value in (max(values), min(values)))
    check(found.predicted, {"floor": bottom, "lower": lower, "upper": upper})
    moved = min(np.linalg.norm(end - start) for end in (w, v)) / np.linalg.norm(start)
    assumed = {
        "W is 0 where the mask is": 0,
        "μ > 0": rate * min(values) - 0.01,
        "f* > 0": bottom / ((z**2).sum() / 2) - 0.01,
        "f(W_0) above f*": high / ((z**2).sum() / 2) - 0.01,
        "weights moved": moved - 0.05,
        "a quarter of the weights pruned": 0.5 - 0.25,
    }
    check(found.assumptions, assumed, rel=1e-8)
    assert all(claim.failure(settings) == 0 for claim in parts(loss_floor).values())


def test_rotated_magnitude():
    settings = rotated_magnitude.Settings(d=6, ell=3, width=5, samples=7, share=0.4, trials=1)
    found = on_trial(rotated_magnitude, settings)
    key_p, key_x, key_rule, key_net = jax.random.split(KEY, 4)
    basis = np.linalg.qr(np.array(jax.random.normal(key_p, (6, 3))))[0]
    # Gram-Schmidt leaves the sign of each column's coefficient positive.
    basis = basis * np.sign((basis * np.array(jax.random.normal(key_p, (6, 3)))).sum(axis=0))
    c = np.array(jax.random.normal(key_x, (7, 3)))
    v = np.array(jax.random.normal(key_rule, (3,)))
    y = np.where(c @ v > 0, 1.0, -1.0)
    x = (c + y[:, None] * v / np.linalg.norm(v)) @ basis.T
    start = two_layer_relu(key_net, 6, 5, 0.5 / np.sqrt(6))
    w, u, margin = np.array(start.w), np.array(start.u), -np.inf
    drawn, rate = w.copy(), 4 / (x**2).sum(axis=1).max()
    for _ in range(20_000):
        z = x @ w.T
        margins = y * (np.maximum(z, 0) @ u)
        margin = margins.min()
        if margin >= 1:
            break
        slope = -y / (1 + np.exp(margins)) / 7
        w = w - rate * u[:, None] * (np.where(z.T > 0, slope, 0) @ x)
    first, on, off = w[0], basis @ basis.T, np.eye(6) - basis @ basis.T
    e = np.where(np.isin(np.arange(6), np.argsort(np.abs(first))[:2]), first, 0)  # ⌊.4·6⌋
    q = (e @ e) / (first @ first)
    across = e - q * first
    xi = across / np.linalg.norm(across)
    learned, noise = on @ first, off @ first
    # P ∩ w^⊥, as what is orthogonal to w and to P^⊥.
    prime = np.linalg.svd(np.concatenate([off, first[None]]))[2][4:]
    expected = {
        "noise": noise @ noise * 6 / 0.25,
        "signal": np.linalg.norm(first)
        * (xi @ learned)
        / np.linalg.norm(learned)
        / np.linalg.norm(noise),
        "leak": ((prime @ xi) ** 2).sum(),
    }
    check(found.measured, expected)
    check(found.predicted, {"noise": 3, "signal": 0, "leak": 2 / 5})
    assumptions = dict(found.assumptions)
    for name in ("training points in P", "W_⊥ kept"):
        assert float(assumptions.pop(name)) == pytest.approx(1e4 * EPS, rel=0.02)
    diagonal = np.diag(on)
    assumed = {
        "no axis in P or across it": (diagonal * (1 - diagonal)).min(),
        "margin reached": margin - 1,
        "moved on P": np.linalg.norm((w - drawn) @ on) / np.linalg.norm(drawn @ on) - 0.05,
        "some of w pruned, not all": min(q, 1 - q),
    }
    check(assumptions, assumed)
    claim, values = parts(rotated_magnitude), np.linspace(0.05, 0.95, 7)
    rng = np.random.default_rng(0)
    g = rng.normal(size=(400_000, 5)) ** 2
    shares = g[:, :2].sum(axis=1) / g.sum(axis=1)
    laws = {
        "noise": (9 * values, stats.chi2(3).cdf(9 * values)),
        # Of a direction of R⁵ a coordinate, and the squares of two of them.
        "signal": (2 * values - 1, stats.t(4).cdf(student(2 * values - 1, 5))),
        "leak": (values, np.mean(shares[:, None] <= values, axis=0)),
    }
    for part, (at, cdf) in laws.items():
        assert claim[part].resolution == 0.075
        drawn_law = 0.004 if part == "leak" else 1e-9
        np.testing.assert_allclose(claim[part].cdf(at, settings), cdf, atol=drawn_law)
    wider = claim["signal"].families["scale"](1.2 * values, settings, 0.2)
    np.testing.assert_allclose(wider, claim["signal"].cdf(values, settings))
    more = claim["leak"].families["ℓ"](values, settings, 1 / 3)
    np.testing.assert_allclose(more, stats.beta.cdf(values, 1, 2))


def student(coordinate, dimension):
    """Student's t of which the sine is a coordinate of a uniform direction."""
    return coordinate * np.sqrt((dimension - 1) / (1 - coordinate**2))
