"""The KKT conditions against an independent slow reference, and their invariances."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from tests.unlearning import reference
from theory.geometry import Subspace, orthonormalise
from theory.networks import Linear, TwoLayerReLU, two_layer_relu
from theory.unlearning import (
    autograd_pattern,
    certificate,
    closed_form_multipliers,
    common_step,
    gradient_ascent,
    kkt,
    train_to_large_margin,
)
from theory.unlearning.pattern import Pattern, snap

AGREE = 1e-8
"""Agreement asked of the solver, relative to ‖θ‖ at smallest margin one."""


def problem(case: str, seed: int):
    """A random network whose labels are its own signs, so that every margin is positive."""
    rng = np.random.default_rng(seed)
    n, d, width = {"more points than dimensions": (9, 5, 8)}.get(case, (7, 12, 9))
    if case == "a single sample":
        n = 1
    x = rng.normal(size=(n, d))
    w, u = rng.normal(size=(width, d)), rng.choice([-1.0, 1.0], width) * width**-0.5
    if case == "duplicated points":
        x[1] = x[0]
        x[3] = 2 * x[2]
    if case == "dead neurons":
        w[:2] = 0
    if case == "exact kinks":
        for j in range(width):
            w[j] -= x[j % n] * (w[j] @ x[j % n]) / (x[j % n] @ x[j % n])
    y = np.sign(np.maximum(w @ x.T, 0).T @ u)
    return w, u, x, y


def solve(w, u, x, y, **options):
    """`kkt` of NumPy arrays."""
    net = TwoLayerReLU(jnp.array(w), jnp.array(u))
    return kkt(net, jnp.array(x), jnp.array(y), **options)


CASES = [
    *("no kinks", "exact kinks", "many kinks", "dead neurons", "duplicated points"),
    *("a single sample", "more points than dimensions"),
]


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("case", CASES)
def test_agrees_with_the_reference(case, seed):
    w, u, x, y = problem(case, seed)
    _, kinks = reference.pattern(w, x, 0.1 if case == "many kinks" else 1e-12)
    w = reference.snap(w, x, kinks)
    gates = ((w @ x.T > 0) & ~kinks).astype(float)
    margins = u @ (np.maximum(w @ x.T, 0) * gates)
    if (margins == 0).any():
        pytest.skip("a point with nothing but kinks has no margin")
    y = np.sign(margins)  # moving onto many kinks may have cost a margin
    expected = reference.project(w / np.abs(margins).min(), u, x, y, gates, kinks)
    found = solve(w, u, x, y, pattern=Pattern(jnp.array(gates), jnp.array(kinks)))
    unit = float(np.linalg.norm(w) / found.scale)
    assert abs(float(found.stationarity) - expected.stationarity) <= AGREE * unit
    np.testing.assert_array_less(-1e-12, found.multipliers)
    assert (found.weights <= found.multipliers[None, :] * (1 + 1e-9) + 1e-12).all()
    # The multipliers themselves where they are unique.
    if case in ("no kinks", "a single sample", "dead neurons"):
        np.testing.assert_allclose(found.multipliers, expected.multipliers, atol=AGREE * unit)


@pytest.mark.parametrize("seed", range(3))
def test_naive_gates_agree_with_plain_nonnegative_least_squares(seed):
    w, u, x, y = problem("exact kinks", seed)
    net = TwoLayerReLU(jnp.array(w), jnp.array(u))
    found = solve(w, u, x, y, pattern=autograd_pattern(net, jnp.array(x)))
    gates = (w @ x.T > 0).astype(float)
    scale = (y * (u @ np.maximum(w @ x.T, 0))).min()
    expected = reference.project(w / scale, u, x, y, gates, np.zeros(gates.shape, bool))
    assert float(found.stationarity) == pytest.approx(expected.stationarity, rel=AGREE)


@pytest.mark.parametrize("factor", [1e-6, 1e6])
@pytest.mark.parametrize("case", ["no kinks", "exact kinks", "more points than dimensions"])
def test_scale_of_weights_is_handled(case, factor):
    w, u, x, y = problem(case, 0)
    one, other = (solve(f * w, u, x, y, tolerance=1e-12) for f in (1, factor))
    assert float(other.scale) == pytest.approx(factor * float(one.scale))
    for name in ("multipliers", "stationarity", "slackness", "margins", "weights"):
        a, b = getattr(one, name), getattr(other, name)
        np.testing.assert_allclose(b, a, rtol=1e-7, atol=1e-8 * float(jnp.abs(a).max()))


def test_scale_of_data_and_rotations_and_order_of_neurons_and_points():
    w, u, x, y = problem("exact kinks", 1)
    rng = np.random.default_rng(0)
    rotation, _ = np.linalg.qr(rng.normal(size=(x.shape[1],) * 2))
    points, units = rng.permutation(len(x)), rng.permutation(len(w))
    one = solve(w, u, x, y, tolerance=1e-12)
    turned, moved = w[units] @ rotation, 3 * x[points] @ rotation
    other = solve(turned, u[units], moved, y[points], tolerance=1e-10)
    # Nine times the Gram matrix of a third of the weights: λ/9, ε/3.
    np.testing.assert_allclose(9 * other.multipliers, one.multipliers[points], atol=1e-7)
    assert 3 * float(other.stationarity) == pytest.approx(float(one.stationarity), rel=1e-7)
    assert float(9 * other.slackness) == pytest.approx(float(one.slackness), rel=1e-6)


def test_an_exact_kkt_point_is_recognised():
    # Orthonormal data: λ_i = 1/(share of neurons with the sign of y_i), kinks at the others.
    n = 6
    u = jnp.array([1.0, -1.0] * 4) / 8**0.5
    y = jnp.array([1.0, -1.0] * 3)
    opened = (u[:, None] * y[None, :] > 0).astype(float)
    w = u[:, None] * 2 * y[None, :] * opened
    found = kkt(TwoLayerReLU(5 * w, u), jnp.eye(n), y)
    np.testing.assert_allclose(found.multipliers, 2, rtol=1e-8)
    assert float(found.stationarity) < 1e-7 and float(found.slackness) < 1e-7
    assert float(found.scale) == pytest.approx(5)


def test_linear_predictor_has_the_multipliers_of_the_support_vector_machine():
    x = np.random.default_rng(0).normal(size=(4, 40))  # nearly orthogonal: margins positive
    multipliers = np.array([1.0, 2.0, 0.5, 0.0])
    w = np.array([1.0, -1.0, 1.0, 0.0]) * multipliers @ x
    y = np.sign(x @ w)
    assert (y[:3] == [1, -1, 1]).all()
    found = kkt(Linear(jnp.array(w)), jnp.array(x), jnp.array(y))
    np.testing.assert_allclose(found.multipliers * found.scale, multipliers, atol=1e-6)
    assert float(found.stationarity) < 1e-7


def test_snap_moves_least_and_only_onto_kinks():
    w, u, x, _ = problem("no kinks", 2)
    snapped = snap(TwoLayerReLU(jnp.array(w), jnp.array(u)), jnp.array(x), 0.1)
    _, kinks = reference.pattern(w, x, 0.1)
    moved = reference.snap(w, x, kinks)
    np.testing.assert_allclose(snapped.network.w, moved, atol=1e-12)
    assert float(snapped.distance) == pytest.approx(np.linalg.norm(moved - w))
    assert np.abs((moved @ x.T)[kinks]).max() < 1e-12


def test_batches_agree_with_single_problems():
    problems = [problem("no kinks", seed) for seed in range(3)]
    w, u, x, y = (jnp.array(np.stack(arrays)) for arrays in zip(*problems, strict=True))
    batch = jax.vmap(lambda w, u, x, y: kkt(TwoLayerReLU(w, u), x, y).stationarity)(w, u, x, y)
    for i in range(3):
        single = kkt(TwoLayerReLU(w[i], u[i]), x[i], y[i]).stationarity
        assert float(batch[i]) == pytest.approx(float(single), rel=1e-10)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        (lambda net, x, y: (net, x, 2 * y), "Label 0 is .* must be -1 or"),
        (lambda net, x, y: (net, x, -y), r"margin y·N\(x\) = -.* classified"),
        (lambda net, x, y: (net._replace(w=0 * net.w), x, y), "margin y·N"),
        (lambda net, x, y: (net, x.at[0, 0].set(jnp.nan), y), "must be finite"),
        (lambda net, x, y: (net, x[:0], y[:0]), "no training points"),
    ],
)
def test_bad_problems_are_one_sentence(change, message):
    w, u, x, y = problem("no kinks", 0)
    net = TwoLayerReLU(jnp.array(w), jnp.array(u))
    with pytest.raises(ValueError, match=message):
        kkt(*change(net, jnp.array(x), jnp.array(y)))


def test_a_margin_that_is_not_positive_is_nan_in_a_compiled_program():
    w, u, x, y = problem("no kinks", 0)
    net = TwoLayerReLU(jnp.array(w), jnp.array(u))
    found = jax.jit(kkt)(net, jnp.array(x), jnp.array(-y))
    assert np.isnan(found.stationarity) and np.isnan(found.scale)


@pytest.fixture(scope="module")
def explained():
    """Two networks trained on the same points, and the conditions of both."""
    x, y = jax.random.normal(jax.random.key(1), (4, 8)), jnp.array([1.0, -1.0, 1.0, -1.0])

    def trained(seed):
        start = two_layer_relu(jax.random.key(seed), 8, 6, 0.01)
        return train_to_large_margin(start, x, y, 100.0).network

    nets = trained(0), trained(5)
    return x, y, nets, [kkt(net, x, y) for net in nets]


def test_conditions_of_something_else_are_refused(explained):
    x, y, (net, other), (its, others) = explained
    plain = certificate(net, x, y, 0)
    jax.tree.map(np.testing.assert_array_equal, certificate(net, x, y, 0, explained=its), plain)
    certificate(its.snapped.network, x, y, 0, explained=its)
    for wrong in (others, its._replace(margins=its.margins[::-1])):
        with pytest.raises(ValueError, match="of another network or other data"):
            certificate(net, x, y, 0, explained=wrong)
    # The same margins, by other weights: off the span of the points.
    off = Subspace(orthonormalise(x.T)).reject(jax.random.normal(jax.random.key(2), net.w.shape))
    same_margins = net._replace(w=net.w + 0.1 * off)
    np.testing.assert_allclose(same_margins(x), net(x), rtol=1e-9)
    with pytest.raises(ValueError, match="of another network or other data"):
        certificate(same_margins, x, y, 0, explained=its)
    few = kkt(net, x[:3], y[:3])
    with pytest.raises(ValueError, match=r"explained is of \(3,\) points, and \(4,\) are given"):
        gradient_ascent(net, x, y, 3, explained=few)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda x, y, net: common_step(net, x, -y), "must be classified correctly"),
        (lambda x, y, net: closed_form_multipliers(net, x, -y), "must be classified correctly"),
        (lambda x, y, net: kkt(net, x, y, tolerance=1.0), "tolerance is 1.0 and must be"),
        (lambda x, y, net: kkt(net, x, y, tolerance=np.nan), "tolerance is nan"),
        (lambda x, y, net: autograd_pattern(net, x.at[0, 0].set(np.nan)), "not finite"),
        (lambda x, y, net: train_to_large_margin(net, x, y, np.nan), "margin is nan"),
        (lambda x, y, net: train_to_large_margin(net, x, y, 1, learning_rate=-1), "rate is -1"),
        (lambda x, y, net: train_to_large_margin(net, x, y, 1, steps=-3), "steps is -3"),
    ],
)
def test_bad_options_are_one_sentence(explained, call, says):
    x, y, (net, _), _ = explained
    with pytest.raises(ValueError, match=says):
        call(x, y, net)


def test_what_is_known_is_looked_at_in_a_program_being_traced(explained):
    """As where only the step is an argument of it."""
    x, y, (net, other), (its, _) = explained

    def after(fraction, net=net):
        step = jnp.exp(common_step(net, x, y))
        ascended = gradient_ascent(net, x, y, 0, fraction=fraction, explained=its)
        more = train_to_large_margin(net, x, y, jnp.array(120.0), steps=jnp.array(10))
        return ascended.w.sum() + step + more.margin

    np.testing.assert_allclose(jax.jit(after)(0.5), after(0.5), rtol=1e-10)
    with pytest.raises(ValueError, match="of another network"):
        jax.jit(lambda fraction: after(fraction, other))(0.5)
