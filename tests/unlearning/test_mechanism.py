"""Training, the ascent step, the certificate, and the planted case that a wrong sign fails."""

from functools import cache

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy.special import logsumexp

from theory.networks import Linear, TwoLayerReLU, two_layer_relu
from theory.unlearning import (
    certificate,
    closed_form_multipliers,
    common_step,
    gradient_ascent,
    kkt,
    retrain,
    train_to_large_margin,
)
from theory.unlearning.certificate import angle
from theory.unlearning.lyu_li import decayed, lyu_li
from theory.unlearning.margin import LEARNING_RATE, exponential_slope, logistic_slope
from theory.unlearning.near_orthogonal import EPSILON_D, unlearn
from theory.unlearning.scene import Scene, draw_gaussian, train_scene
from theory.unlearning.settings import Settings
from theory.unlearning.theorems import two_layer_derived

SETTINGS = Settings(d=120, width=20, samples=6)


@cache
def trained():
    """A network at margin 1000 with its data and conditions; one for all tests."""
    scene = draw_gaussian(SETTINGS, jax.random.key(5))
    network = train_to_large_margin(scene.start, scene.x, scene.y, SETTINGS.margin).network
    return network, scene, kkt(network, scene.x, scene.y)


def test_training_is_loss_normalised_descent():
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(5, 30)) / 30**0.5, np.array([1.0, -1.0, 1.0, -1.0, 1.0])
    net = two_layer_relu(jax.random.key(0), d=30, width=8, scale=0.01)
    w, u = np.array(net.w), np.array(net.u)
    curvature = np.abs(x @ x.T).sum(axis=1).max() * (u**2).sum()
    for _ in range(200):
        z = w @ x.T
        q = y * (u @ np.maximum(z, 0))
        slopes = -np.logaddexp(0, q)
        p = np.exp(slopes - logsumexp(slopes))
        w = w + LEARNING_RATE / curvature / p.max() * (u[:, None] * (z > 0) * (p * y)) @ x
    found = train_to_large_margin(net, jnp.array(x), jnp.array(y), 1e9, steps=200)
    np.testing.assert_allclose(found.network.w, w, rtol=1e-9, atol=1e-9)
    assert int(found.steps) == 200


def test_training_does_not_depend_on_the_scale_of_the_data():
    scene = draw_gaussian(SETTINGS, jax.random.key(1))
    small = train_to_large_margin(scene.start, scene.x, scene.y, 50.0)
    start = scene.start._replace(w=scene.start.w / 100)
    large = train_to_large_margin(start, 100 * scene.x, scene.y, 50.0)
    assert int(small.steps) == int(large.steps)
    np.testing.assert_allclose(100 * large.network.w, small.network.w, rtol=1e-6, atol=1e-9)


def test_slopes_are_those_of_their_losses():
    q = jnp.linspace(-5, 30, 50)
    derivative = jax.vmap(jax.grad(lambda q: jax.nn.softplus(-q)))(q)
    np.testing.assert_allclose(logistic_slope(q), jnp.log(-derivative), atol=1e-12)
    np.testing.assert_allclose(exponential_slope(q), -q)


def test_the_stages_of_training_end_at_a_kkt_point():
    _, _, explained = trained()
    assert float(explained.stationarity) < 0.01 and float(explained.slackness) < 0.01
    assert float(explained.snapped.distance / explained.scale) < 1e-3
    assert (explained.multipliers > 0).any() and float(explained.scale) >= 999


def test_closed_form_multipliers_and_common_step():
    network, scene, explained = trained()
    support = explained.multipliers > 1e-3 * explained.multipliers.max()
    closed = closed_form_multipliers(network, scene.x, scene.y)
    error = jnp.where(support, jnp.abs(closed / explained.multipliers - 1), 0).max()
    assert float(error) < 0.002
    # The common raw step takes from every point what the theorem's step takes.
    step = common_step(network, scene.x, scene.y)
    for r in np.flatnonzero(support)[:2].tolist():
        raw, own = (
            gradient_ascent(network, scene.x, scene.y, r, explained=explained, log_step=s)
            for s in (step, None)
        )
        moved = jnp.linalg.norm(own.w - network.w)
        assert float(jnp.linalg.norm(raw.w - own.w) / moved) < 0.005


def test_closed_form_multipliers_equal_their_definition_at_a_small_margin():
    net = two_layer_relu(jax.random.key(0), d=9, width=7)
    x = jax.random.normal(jax.random.key(1), (4, 9))
    y = jnp.sign(net(x))
    q = np.array(y * net(x))
    slope = 1 / (1 + np.exp(q))
    expected = (np.array(net.w) ** 2).sum() * slope / (q.min() * (slope * q).sum())
    np.testing.assert_allclose(closed_form_multipliers(net, x, y), expected, rtol=1e-10)


def test_the_step_removes_the_term_of_the_point():
    network, scene, explained = trained()
    after = gradient_ascent(network, scene.x, scene.y, 2, explained=explained)
    scale, weights = float(explained.scale), np.array(explained.weights[:, 2])
    term = scale * np.outer(np.array(network.u) * weights * float(scene.y[2]), scene.x[2])
    np.testing.assert_allclose(network.w - after.w, term, atol=1e-9 * scale)
    half = gradient_ascent(network, scene.x, scene.y, 2, fraction=0.5, explained=explained)
    np.testing.assert_allclose(half.w, (network.w + after.w) / 2, atol=1e-9 * scale)


def test_a_step_is_one_of_ascent_by_automatic_differentiation_off_kinks():
    x = jax.random.normal(jax.random.key(0), (4, 9))
    net = two_layer_relu(jax.random.key(1), d=9, width=7)
    y = jnp.sign(net(x))

    def loss(w):
        return jax.nn.softplus(-y[1] * net._replace(w=w)(x[1]))

    explained = kkt(net, x, y, tolerance=0.0)
    after = gradient_ascent(net, x, y, 1, log_step=jnp.log(0.3), explained=explained)
    np.testing.assert_allclose(after.w, net.w + 0.3 * jax.grad(loss)(net.w), atol=1e-12)


def test_a_set_is_forgotten_in_one_step():
    network, scene, explained = trained()
    one, two, both = (
        gradient_ascent(network, scene.x, scene.y, forget, explained=explained).w
        for forget in (0, 3, (0, 3))
    )
    np.testing.assert_allclose(both - network.w, one + two - 2 * network.w, atol=1e-9)


def test_the_certificate_keeps_the_retained_points_as_they_are():
    network, scene, explained = trained()
    for forget in ((1,), (0, 4)):
        kept = np.setdiff1d(np.arange(6), forget)
        proof = certificate(network, scene.x, scene.y, forget, explained=explained)
        before, after = (
            np.array(net.w @ scene.x[kept].T) for net in (explained.snapped.network, proof.network)
        )
        np.testing.assert_allclose(after, before, atol=1e-9 * np.abs(before).max())
        assert proof.epsilon <= proof.bound.epsilon
        assert proof.delta <= proof.bound.delta
        assert proof.tau <= proof.bound.tau
        # Its word against a fresh look at the network it gives.
        own = kkt(proof.network, scene.x[kept], scene.y[kept], tolerance=1e-9)
        assert own.stationarity <= proof.epsilon * (1 + 1e-8)
        ascended = gradient_ascent(network, scene.x, scene.y, forget, explained=explained)
        a, b = np.ravel(ascended.w), np.ravel(proof.network.w)
        cosine = a @ b / np.linalg.norm(a) / np.linalg.norm(b)
        assert float(proof.tau) == pytest.approx(1 - cosine, abs=1e-12)


def test_the_certificate_does_not_depend_on_units():
    network, scene, _ = trained()
    one = certificate(network, scene.x, scene.y, 0)
    other = certificate(network._replace(w=1e-6 * network.w), scene.x, scene.y, 0)
    for name in ("epsilon", "delta", "tau"):
        assert float(getattr(other, name)) == pytest.approx(float(getattr(one, name)), rel=1e-5)


def test_a_point_without_a_multiplier_is_forgotten_for_nothing():
    x = jnp.eye(3).at[2].set(jnp.array([1.0, 1.0, 1.0]))
    net, y = Linear(jnp.array([1.0, 1.0, 0.0])), jnp.ones(3)  # point 2 has margin 2
    proof = certificate(net, x, y, 2)
    assert float(proof.bound.distance) < 1e-6
    np.testing.assert_allclose(proof.network.w, net.w, atol=1e-6)


def test_the_linear_network_after_the_step_is_the_retrained_one_on_orthogonal_data():
    y = jnp.array([1.0, -1.0, 1.0])
    start = Linear(jnp.zeros(3))
    net = train_to_large_margin(start, jnp.eye(3), y, 100.0).network
    after = gradient_ascent(net, jnp.eye(3), y, 1)
    again = retrain(start, jnp.eye(3), y, 1, 100.0).network
    assert float(angle(after.w, again.w)) < 1e-12


def test_angle_is_one_minus_the_cosine():
    a, b = (jax.random.normal(jax.random.key(i), (4, 5)) for i in range(2))
    cosine = jnp.sum(a * b) / jnp.linalg.norm(a) / jnp.linalg.norm(b)
    assert float(angle(a, b)) == pytest.approx(1 - float(cosine))
    assert float(angle(a, a + 1e-10 * b)) < 1e-19


@pytest.mark.parametrize(
    ("forget", "message"),
    [
        (6, "Point 6 is not there .* 0 to 5"),
        (-1, "Point -1 is not there"),
        ((1, 1), "Point 1 .* twice"),
        (tuple(range(6)), "All 6 points"),
        ((), "name at least one"),
    ],
)
@pytest.mark.parametrize("call", [gradient_ascent, certificate])
def test_what_cannot_be_forgotten_is_one_sentence(call, forget, message):
    network, scene, _ = trained()
    with pytest.raises(ValueError, match=message):
        call(network, scene.x, scene.y, forget)


def planted_kinks():
    """An exact KKT point whose retained points lie on kinks of neurons that see the forgotten one.

    Half the neurons see the points r = 0 and r' = 1, which differ from e_0 and e_1 by ±φ along the
    other points, so that r + r' is orthogonal to those; half see the others. All labels are +1.
    """
    others, width = 4, 8
    m = 2 + others
    correlation = 2.0**-15  # a power of two, so that sums cancel exactly however they are taken
    assert EPSILON_D / (8 * m * width) < correlation < EPSILON_D / (4 * m * width)
    signs = np.array([1.0, -1.0] * (others // 2))
    x = np.eye(m)
    x[0, 2:], x[1, 2:] = correlation * signs, -correlation * signs
    u = np.full(width, width**-0.5)
    w = np.zeros((width, m))
    w[: width // 2] = 2 * u[0] * (x[0] + x[1])
    w[width // 2 :, 2:] = 2 * u[0]
    return TwoLayerReLU(jnp.array(w), jnp.array(u)), jnp.array(x), jnp.ones(m)


def ratio_of_planted(at_zero: float) -> tuple[float, dict]:
    net, x, y = planted_kinks()
    outcome = unlearn(net, x, y, at_zero=at_zero)
    settings = Settings(samples=len(x), width=len(net.w))
    epsilon, _, _ = two_layer_derived.bound(settings, outcome)
    return float(outcome.epsilon / epsilon), outcome.assumptions


def test_exact_kinks_need_the_sign_that_the_gate_has():
    net, x, _ = planted_kinks()
    assert (np.array(net.w @ x.T) == 0).sum() == 4 * 4 + 4 * 2  # exactly
    ratio, assumptions = ratio_of_planted(-1.0)
    assert ratio <= 1 + 1e-6
    assert all(margin >= 0 for margin in assumptions.values())
    assert ratio_of_planted(0.0)[0] > 100
    assert ratio_of_planted(1.0)[0] > 100


def test_autograd_gates_would_remove_the_wrong_amount():
    _, scene, explained = trained()
    network = train_scene(SETTINGS, scene).network
    forgotten = int(explained.snapped.pattern.kinks.sum(axis=0).argmax())
    kept = np.setdiff1d(np.arange(6), forgotten)
    proof = certificate(network, scene.x, scene.y, forgotten, explained=explained)
    gates = explained.snapped.pattern.gates + explained.snapped.pattern.kinks.astype(float)
    wrong = explained._replace(weights=gates * explained.multipliers[None, :])
    after = certificate(network, scene.x, scene.y, forgotten, explained=wrong)
    own = kkt(after.network, scene.x[kept], scene.y[kept], tolerance=1e-9)
    assert float(own.stationarity) > 1.5 * float(proof.bound.epsilon)


def test_what_the_figure_shows_of_lyu_and_lis_slack_is_what_the_theorem_says():
    key_x, key_net = jax.random.split(jax.random.key(5))
    x, net = jax.random.normal(key_x, (4, 6)), two_layer_relu(key_net, 6, 12)
    scene = Scene(x, jnp.sign(net(x)), net)
    shown, said = lyu_li(net, scene), decayed(net, scene.x, scene.y)
    assert float(shown["slack"]) == pytest.approx(float(said.measured))
    assert float(shown["slack_bound"]) == pytest.approx(float(said.predicted))
    assert float(shown["gamma"]) == pytest.approx(min(abs(net(x))) / jnp.linalg.norm(net.w))
