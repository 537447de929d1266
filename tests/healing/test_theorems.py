"""The theorems on healing: what they rest on, edges, planted mistakes, and their controls."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from optax import contrib

from theory.healing.alignment import distance
from theory.healing.masks import apply_masks, magnitude, random_scores, smallest, smallest_of_rows
from theory.healing.theorems import (
    dense_fixed_point,
    exact_zeros,
    frozen_noise,
    loss_falls,
    loss_floor,
    masked_ridge,
)
from theory.healing.theorems.dense_fixed_point import draw_inputs, draw_network, hidden_states
from theory.healing.theorems.exact_zeros import gradients_masked, optimizers, weights_masked
from theory.networks import TwoLayerReLU
from theory.theorem import compiled, simulate, verify

FIXED, ZEROS, RIDGE, NOISE = (
    module.theorem for module in (dense_fixed_point, exact_zeros, masked_ridge, frozen_noise)
)


def judge(theorem, measured, predicted, part):
    """The status of these numbers of a part, one per trial."""
    measured, predicted = np.atleast_1d(measured).astype(float), np.atleast_1d(predicted)
    claim = theorem.parts[part]
    return claim.judge(measured, predicted.astype(float), theorem.presets["smoke"]).status


# H1: the dense network


@pytest.fixture(scope="module")
def states():
    settings = FIXED.presets["smoke"]
    net = draw_network(settings, jax.random.key(0))
    return hidden_states(net, draw_inputs(settings, jax.random.key(1)))


def naive(h, target):
    """1 − cos with plain norms."""
    norms = jnp.linalg.norm(h, axis=1) * jnp.linalg.norm(target, axis=1)
    return jnp.mean(1 - jnp.sum(h * target, axis=1) / norms)


def floored(h, target, epsilon=1e-12):
    """1 − ⟨ĥ, ĥ*⟩ with ε inside the square roots."""
    lengths = (jnp.sqrt(jnp.sum(a**2, axis=1, keepdims=True) + epsilon) for a in (h, target))
    return jnp.mean(1 - jnp.sum(h / next(lengths) * (target / next(lengths)), axis=1))


@pytest.mark.slow
def test_usual_cosine_losses_are_not_zero_at_the_dense_network(states):
    h = states[-1]
    for loss in (naive, floored):
        assert judge(FIXED, float(loss(h, h)) ** 0.5, 1.0, "D cosine") == "falsified"
    assert jnp.isnan(jax.grad(naive)(h, h)).any()
    # A row of zeros costs 1 of the mean.
    rows = int((~(h > 0).any(axis=1)).sum())
    assert rows >= 1 and float(floored(h, h)) == pytest.approx(rows / len(h), abs=1e-6)


@pytest.mark.parametrize("method", ["starfish", "mse"])
def test_the_distance_itself_is_zero_and_a_shuffled_teacher_far(states, method):
    value, gradient = jax.value_and_grad(lambda h: distance(h, states, method))(states)
    assert float(value) == 0 and all(float(jnp.abs(g).max()) == 0 for g in gradient)
    shuffled = tuple(jnp.roll(h, 1, axis=0) for h in states)
    assert float(distance(states, shuffled, method)) > 0.05


def test_one_weight_is_seen_in_the_gradient_to_first_and_in_the_distance_to_second_order():
    settings = FIXED.presets["smoke"]
    net, x = draw_network(settings, jax.random.key(0)), draw_inputs(settings, jax.random.key(1))
    targets = hidden_states(net, x)

    def sizes(step):
        moved = net._replace(weights=(net.weights[0].at[1, 2].add(step), *net.weights[1:]))
        loss, gradient = jax.value_and_grad(lambda n: distance(hidden_states(n, x), targets))(moved)
        return float(loss), float(jnp.linalg.norm(gradient.weights[0]))

    (loss, slope), (far_loss, far_slope) = sizes(1e-6), sizes(1e-5)
    assert far_loss / loss == pytest.approx(100, rel=1e-2)
    assert far_slope / slope == pytest.approx(10, rel=1e-2)


# H2: exact zeros


@pytest.fixture(scope="module")
def layer():
    """A loss of one layer's weights, with the weights, their mask and the data."""
    keys = jax.random.split(jax.random.key(2), 4)
    x, w, teacher = (jax.random.normal(key, (8, 8)) for key in keys[:3])

    def loss(w, data):
        return jnp.mean((data @ w.T - data @ teacher.T) ** 2)

    return loss, w, smallest(random_scores(keys[3], w), 0.5), x


RECIPES = optimizers(1e-2, jax.random.key(3)) | {"Muon": contrib.muon(1e-2)}


@pytest.mark.parametrize("name", RECIPES)
def test_only_noise_and_mixing_move_pruned_weights_whose_gradients_are_masked(layer, name):
    loss, w, mask, x = layer
    heal = partial(jax.jit, static_argnums=(0, 4, 5))
    with jax.numpy_dtype_promotion("standard"):
        exact, loose = (
            heal(descend)(loss, w, mask, x, RECIPES[name], 5)
            for descend in (weights_masked, gradients_masked)
        )
    assert (exact[mask == 0] == 0).all() and (exact[mask == 1] != w[mask == 1]).any()
    assert bool((loose[mask == 0] == 0).all()) == (name not in ("noisy descent", "Muon"))


def test_masks_by_products_fail_at_nan():
    assert judge(ZEROS, float(jnp.nan * 0.0), 0.0, "Lion") == "falsified"
    assert judge(ZEROS, 5e-324, 0.0, "Lion") == "falsified"
    assert judge(ZEROS, -0.0, 0.0, "Lion") == "verified"


# H3: ridge regression of a pruned layer


@pytest.fixture(scope="module")
def ridge_trials():
    return simulate(RIDGE, RIDGE.presets["smoke"])


def test_the_rate_is_tight_in_every_trial(ridge_trials):
    measured, predicted = ridge_trials.measured["upper"], ridge_trials.predicted
    assert (measured > predicted["upper"] / 2).all()
    assert (measured < 2 * predicted["lower"]).all()


@pytest.mark.parametrize(
    ("part", "faster"), [("upper", 1.0), ("upper", 1.3), ("lower", 1.0), ("lower", 0.8)]
)
def test_other_rates_are_falsified(ridge_trials, part, faster):
    settings = RIDGE.presets["smoke"]
    shrunk = settings.ridge / (1 + settings.ridge)  # ηλ
    factor = ((1 - faster * shrunk) / (1 - shrunk)) ** settings.steps
    predicted = factor * ridge_trials.predicted[part]
    status = judge(RIDGE, ridge_trials.measured[part], predicted, part)
    assert status == ("verified" if faster == 1 else "falsified")


def test_the_bound_is_the_rate_of_what_no_input_sees():
    """NumPy: the part of the start across the inputs' survivors decays by 1 − ηλ exactly."""
    rng = np.random.default_rng(0)
    x, z, kept = rng.normal(size=(4, 12)), rng.normal(size=4), np.arange(12) < 8
    a = x[:, kept]
    size = (x**2).sum()
    ridge, w = 0.1 * size, rng.normal(size=8)
    rate, steps = 1 / (1.1 * size), 30
    best = np.linalg.solve(a.T @ a + ridge * np.eye(8), a.T @ z)
    unseen = np.eye(8) - np.linalg.pinv(a) @ a
    start = w - best
    for _ in range(steps):
        w = w - rate * (a.T @ (a @ w - z) + ridge * w)
    bound = (1 - rate * ridge) ** steps
    np.testing.assert_allclose(unseen @ (w - best), bound * (unseen @ start), atol=1e-13)
    assert np.linalg.norm(w - best) <= bound * np.linalg.norm(start)
    mask = jnp.asarray(kept.astype(np.uint8))[None]
    arrays = jnp.asarray(x), jnp.asarray(z)[:, None]
    found = masked_ridge.masked_ridge(*arrays, mask, ridge, tolerance=1e-12)
    np.testing.assert_allclose(found[0, :8], best, rtol=1e-10)
    assert (found[0, 8:] == 0).all()


# H4: frozen noise


@pytest.fixture(scope="module")
def scene():
    """A network, a subspace of axes, and points of it."""
    settings = NOISE.presets["smoke"]
    keys = jax.random.split(jax.random.key(4), 4)
    subspace = frozen_noise.axes_subspace(keys[0], settings.d, settings.d - settings.ell)
    x = jax.random.normal(keys[1], (settings.samples, subspace.dim)) @ subspace.basis.T
    w = jax.random.normal(keys[2], (settings.width, settings.d))
    u = jax.random.normal(keys[3], (settings.width,))
    return settings, subspace, x, TwoLayerReLU(w, u)


def test_one_weight_more_per_row_changes_the_network(scene):
    settings, subspace, x, net = scene
    on = np.asarray(subspace.basis.sum(axis=1)) == 1
    for more, cut in ((0, False), (1, True)):
        mask = frozen_noise.wanda_mask(net.w, x, (settings.ell + more) / settings.d)
        lost = np.asarray(mask == 0)[:, on].sum(axis=1)
        assert (lost == more).all()
        change = jnp.abs(TwoLayerReLU(apply_masks(net.w, mask), net.u)(x) - net(x)).max()
        assert bool(change > 1e-3) == cut and bool(change == 0) != cut


def test_one_point_that_sees_every_axis_is_enough_and_one_that_misses_some_is_not(scene):
    settings, subspace, x, net = scene
    on = np.asarray(subspace.basis.sum(axis=1)) == 1
    share = settings.harmless
    mask = frozen_noise.wanda_mask(net.w, x[:1], share)
    assert np.asarray(mask)[:, on].all()
    blind = x[:1].at[:, int(np.flatnonzero(on)[0])].set(0)
    assert not np.asarray(frozen_noise.wanda_mask(net.w, blind, share))[:, on].all()


def test_magnitude_in_the_place_of_wanda_is_falsified(monkeypatch):
    monkeypatch.setattr(
        frozen_noise, "wanda_mask", lambda w, x, share: smallest_of_rows(magnitude(w), share)
    )
    settings = NOISE.presets["smoke"]
    measured, predicted = simulate(NOISE, settings)[:2]
    for part in ("(a)", "(b)"):
        assert judge(NOISE, measured[part], predicted[part], part) == "falsified"
    assert (measured["(a)"] > 0.02 * predicted["(a)"]).all()


@pytest.mark.slow
def test_an_untrained_network_is_not_judged():
    settings = replace(NOISE.presets["smoke"], steps=1, trials=5)
    verdict = verify(NOISE, settings)
    assert verdict.status == "not applicable"
    assert "margin reached" in [a.name for a in verdict.assumptions if not a.holds]


def test_a_subspace_without_complement_axes_is_refused():
    with pytest.raises(ValueError, match="ell is 60 and must be smaller than d = 60"):
        frozen_noise.Settings(ell=60)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("theorem", "broken"),
    [
        (FIXED, "all-ones mask"),
        (ZEROS, "weights masked after every step"),
        (RIDGE, "W* is 0 where the mask is"),
        (NOISE, "P is spanned by axes"),
        (loss_falls.theorem, "η ≤ 1/K at every step"),
        (loss_floor.theorem, "W is 0 where the mask is"),
    ],
    ids=lambda value: getattr(value, "name", ""),
)
def test_every_control_trial_is_caught_at_the_smoke_preset(theorem, broken):
    """Three seeds, one program."""
    settings = theorem.presets["smoke"]
    ready = compiled(theorem, settings, "control")
    for seed in range(1, 4):
        trials = simulate(theorem, settings, seed, "control", ready)
        missed = [name for name, margins in trials.assumptions.items() if not (margins >= 0).all()]
        assert missed == [broken]
        violations = [
            claim.violated(trials.measured[part], trials.predicted[part])
            for part, claim in theorem.parts.items()
        ]
        assert np.any(violations, axis=0).sum() >= settings.trials - 1
