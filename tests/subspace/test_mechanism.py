"""Off-subspace gradients and flips against finite differences, brute force and invariances."""

from dataclasses import replace
from functools import partial
from math import inf

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy.optimize import brentq

from theory.geometry import Subspace, random_subspace, span
from theory.networks import Linear, TwoLayerReLU, mlp, two_layer_relu
from theory.subspace import (
    active,
    certified_radius,
    flip_distance,
    gradient_scale,
    isotropy,
    off_subspace_gradient,
    universal_direction,
)
from theory.subspace.assumptions import assumptions, decay_error, rows_uncorrelated
from theory.subspace.flip import first_crossing, nearest_flip, operator_norm
from theory.subspace.gradient import check_network
from theory.subspace.scene import draw_scene, missing_direction, parallel_rows, train_scene
from theory.subspace.settings import Settings
from theory.training import train_to_margin

SETTINGS = Settings(d=30, ell=20, width=12, samples=6)


@pytest.fixture(scope="module")
def scene():
    return jax.jit(partial(draw_scene, SETTINGS))(jax.random.key(7))


@pytest.fixture(scope="module")
def net(scene):
    return jax.jit(lambda scene: train_scene(SETTINGS, scene).network)(scene)


def test_gradient_against_finite_differences(scene, net):
    step = 1e-6
    shift = step * jnp.eye(30)
    slope = np.asarray(net(scene.x0[None, :] + shift) - net(scene.x0[None, :] - shift)) / (2 * step)
    basis = np.asarray(scene.subspace.basis)
    slope = slope - basis @ (basis.T @ slope)
    measured = off_subspace_gradient(net, scene.x0, scene.subspace.basis)
    # Piecewise linear: the only error is rounding, 1e-16/1e-6.
    assert np.abs(slope - measured).max() < 1e-8


def test_gradient_is_the_sum_over_active_neurons(scene, net):
    on = active(net, scene.x0)
    by_hand = scene.subspace.reject(jnp.where(on, net.u, 0) @ net.w)
    measured = off_subspace_gradient(net, scene.x0, scene.subspace.basis)
    assert np.abs(np.subtract(by_hand, measured)).max() < 1e-14


@pytest.mark.slow
def test_gradient_takes_batches_and_other_networks(scene):
    net = mlp(jax.random.key(1), (30, 9, 1))
    batch = scene.x.reshape(2, 3, 30)
    gradients = off_subspace_gradient(net, batch, scene.subspace.basis)
    assert gradients.shape == (2, 3, 30)
    one = off_subspace_gradient(net, batch[1, 2], scene.subspace.basis)
    assert np.abs(np.subtract(gradients[1, 2], one)).max() < 1e-15


def test_rotation_moves_the_gradient_along(scene, net):
    rotation = jax.random.orthogonal(jax.random.key(2), 30)
    here = off_subspace_gradient(net, scene.x0, scene.subspace.basis)
    there = off_subspace_gradient(
        net._replace(w=net.w @ rotation), scene.x0 @ rotation, rotation.T @ scene.subspace.basis
    )
    assert np.abs(np.subtract(here @ rotation, there)).max() < 1e-13


def test_gradient_scale_with_fixed_output_is_sigma_root_k_over_m(scene, net):
    k = int(active(net, scene.x0).sum())
    expected = 0.1 * np.sqrt(k / 12)
    assert gradient_scale(net, scene.x0, 0.1) == pytest.approx(expected, rel=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_first_crossing_is_the_first_sign_change(seed):
    """Against a scan of 4000 points and root finding; each ray has up to 9 kinks."""
    rng = np.random.default_rng(seed)
    a, b, u = rng.normal(size=(3, 9))
    b[0] = 0.0
    offset = rng.normal() * 0.3

    def f(t):
        return float(np.maximum(a + t * b, 0) @ u + offset)

    grid = np.linspace(0, 40, 4001)
    values = np.maximum(a[None, :] + grid[:, None] * b[None, :], 0) @ u + offset
    change = np.nonzero(np.sign(values) != np.sign(values[0]))[0]
    found = float(first_crossing(jnp.array(a), jnp.array(b), jnp.array(u), offset))
    if change.size:
        exact = brentq(f, grid[change[0] - 1], grid[change[0]], xtol=1e-13)
        assert found == pytest.approx(exact, abs=1e-9)
    else:
        assert found > 40
        if np.isfinite(found):
            assert abs(f(found)) < 1e-9 * max(1.0, found)


@pytest.mark.parametrize(
    ("a", "b", "u", "expected"),
    [
        ([1.0], [0.0], [1.0], np.inf),  # nothing moves
        ([1.0], [-1.0], [1.0], np.inf),  # reaches zero at a kink and stays there
        ([1.0, -1.0], [0.0, 1.0], [1.0, -1.0], 2.0),  # another neuron takes over
        ([2.0, 0.0], [0.0, 1.0], [1.0, -4.0], 0.5),  # a kink at t = 0
    ],
)
def test_first_crossing_at_kinks(a, b, u, expected):
    found = float(first_crossing(jnp.array(a), jnp.array(b), jnp.array(u)))
    if expected == np.inf and a == [1.0] and b == [-1.0]:
        # N = 0 is not the sign of x₀: the sign is lost where the last neuron dies.
        assert found == 1.0
    else:
        assert found == expected


@pytest.mark.slow
def test_flip_distance_is_confirmed_by_the_network(scene, net):
    direction = -jnp.sign(net(scene.x0)) * universal_direction(net, scene.subspace)
    distance = flip_distance(net, scene.x0, direction)
    unit = direction / jnp.linalg.norm(direction)
    before, after = (net(scene.x0 + distance * f * unit) for f in (1 - 1e-9, 1 + 1e-9))
    assert jnp.sign(before) == jnp.sign(net(scene.x0)) != jnp.sign(after)


@pytest.mark.slow
def test_no_flip_below_the_certified_radius(scene, net):
    """5000 directions, adversarial ones among them."""
    radius = certified_radius(net, scene.x0, scene.subspace)
    noise = jax.random.normal(jax.random.key(3), (5000, 30))
    named = jnp.stack(
        [
            off_subspace_gradient(net, scene.x0, scene.subspace.basis),
            universal_direction(net, scene.subspace),
        ]
    )
    directions = jnp.concatenate([scene.subspace.reject(noise), named, -named])
    distances = jax.vmap(lambda direction: flip_distance(net, scene.x0, direction))(directions)
    assert jnp.min(distances) >= radius
    assert jnp.min(distances) < 20 * radius


@pytest.mark.parametrize("shape", [(3, 8), (50, 20), (20, 20)])
def test_operator_norm_is_the_largest_singular_value(shape):
    w = jax.random.normal(jax.random.key(0), shape)
    exact = np.linalg.svd(w, compute_uv=False)[0]
    assert operator_norm(w) == pytest.approx(exact, rel=1e-8)
    assert operator_norm(1e-150 * w) == pytest.approx(1e-150 * exact, rel=1e-8)


def test_operator_norm_with_equal_singular_values():
    assert operator_norm(jnp.eye(50)) == pytest.approx(1.0, rel=1e-8)


def test_universal_direction_is_off_the_subspace(scene, net):
    v = universal_direction(net, scene.subspace)
    assert jnp.linalg.norm(v @ scene.subspace.basis) < 1e-13


def test_missing_direction_removes_exactly_that_direction(scene):
    smaller = missing_direction(scene).subspace
    lost = scene.y @ scene.x
    assert smaller.dim == scene.subspace.dim - 1
    assert np.abs(np.subtract(smaller.basis.T @ smaller.basis, jnp.eye(smaller.dim))).max() < 1e-14
    assert smaller.off_share(lost) == pytest.approx(1.0, abs=1e-12)
    assert jnp.max(scene.subspace.off_share(smaller.basis.T)) < 1e-12


def test_assumptions_notice_what_is_broken(scene):
    def missed(settings=SETTINGS, used=SETTINGS, scene=scene):
        margins = assumptions(settings, scene, train_scene(used, scene))
        return [name for name, margin in margins.items() if margin < 0]

    assert missed() == []
    assert missed(scene=scene._replace(x=scene.x + 1e-6)) == ["training points in P"]
    assert missed(scene=scene._replace(x0=scene.x0 + 1e-6)) == ["x₀ in P"]
    assert missed(replace(SETTINGS, scale=2 * SETTINGS.sigma)) == ["W(0) of variance σ²"]
    assert missed(replace(SETTINGS, weight_decay=1e-9)) == ["no weight decay"]
    idle = replace(SETTINGS, learning_rate=1e-9, steps=10)
    assert missed(used=idle) == ["moved on P by a fiftieth", "margin reached"]
    endless = replace(SETTINGS, margin=inf)
    assert missed(endless, idle) == ["moved on P by a fiftieth", "loss fell by a tenth"]


def test_decay_error_sees_decay_inside_the_momentum():
    w = jax.random.normal(jax.random.key(0), (4, 3))
    momentum, decay, scale = optax.trace(0.9), optax.add_decayed_weights(0.1), optax.scale(-0.5)
    after, inside = optax.chain(momentum, decay, scale), optax.chain(decay, momentum, scale)
    assert decay_error(after, w, 0.95) < 1e-15
    assert decay_error(inside, w, 0.95) == pytest.approx(0.9 * 0.05, rel=1e-12)


def test_parallel_rows_are_parallel_and_as_long_as_before(scene):
    before, after = (s.subspace.reject(s.network.w) for s in (scene, parallel_rows(scene)))
    lengths = [np.linalg.norm(off, axis=-1) for off in (before, after)]
    assert np.allclose(*lengths, rtol=1e-12)
    assert np.linalg.matrix_rank(after, tol=1e-10) == 1
    assert rows_uncorrelated(scene) > 0 > rows_uncorrelated(parallel_rows(scene))


def test_anisotropy_is_seen_along_axes_where_the_norm_is_blind():
    """Variances .5 and 1.5, in halves or by turns: parts see it, and pass the isotropic one."""
    rng, ell, n = np.random.default_rng(0), 20, 140
    plane = Subspace(jnp.eye(24)[:, ell:])
    settings = Settings(d=24, ell=ell, trials=n)
    halves = np.where(np.arange(24) < 10, 0.5, 1.5) ** 0.5
    turns = np.where(np.arange(24) % 2, 1.5, 0.5) ** 0.5
    measure = jax.jit(jax.vmap(lambda g: isotropy.statistics(plane, g, ell)))
    for variance, failing in ((1, set()), (halves, {"first half"}), (turns, {"every other"})):
        g = rng.normal(size=(n, 24)) * variance * (np.arange(24) < ell)
        values = {name: np.asarray(v) for name, v in measure(jnp.asarray(g)).items()}
        found = {
            name
            for name, law in isotropy.laws().items()
            if law.judge(values[name], values[name], settings).status == "falsified"
        }
        assert found == failing


@pytest.mark.slow
def test_search_finds_nearer_flips_and_none_inside_the_radius(scene, net):
    noise = scene.subspace.reject(jax.random.normal(jax.random.key(3), (20, 30)))
    search = partial(nearest_flip, net, scene.x0, scene.subspace, noise)
    first, last = search(rounds=0), search(rounds=8)
    plain = jax.vmap(lambda direction: flip_distance(net, scene.x0, direction))(noise)
    assert float(first) == pytest.approx(float(jnp.min(plain)), rel=1e-12)
    assert certified_radius(net, scene.x0, scene.subspace) <= last < first


def test_only_a_two_layer_network_is_certified(scene):
    deep = mlp(jax.random.key(1), (30, 9, 9, 1))
    with pytest.raises(ValueError, match="TwoLayerReLU"):
        certified_radius(deep, scene.x0, scene.subspace)  # pyright: ignore[reportArgumentType]


SMALL = TwoLayerReLU(
    jnp.array([[1.0, 0.0, 2.0], [0.0, 1.0, -1.0], [1.0, 1.0, 1.0]]), jnp.array([0.5, -0.5, 0.5])
)
POINTS = jnp.array([[2.0, 0.0, 0.0], [1.0, 1.0, 0.0]])
PLANE = jnp.eye(3)[:, :2]


@pytest.mark.parametrize(("kind", "scale"), [("float32", 1e20), ("float32", 1e-24), ("float64", 1)])
def test_a_radius_does_not_depend_on_the_scale_of_the_weights(kind, scale):
    """Nor is it infinite where squares of them leave the range of their numbers."""
    net = TwoLayerReLU((scale * SMALL.w).astype(kind), SMALL.u.astype(kind))
    found = certified_radius(net, POINTS.astype(kind), PLANE.astype(kind))
    np.testing.assert_allclose(found, np.array([2, 1]) / np.sqrt(0.75 * 6), rtol=1e-5)


def test_a_network_with_a_nan_certifies_nothing():
    for one in (SMALL._replace(w=SMALL.w.at[0, 0].set(np.nan)), SMALL._replace(u=SMALL.u * np.nan)):
        assert np.isnan(certified_radius(one, POINTS, PLANE)).all()


@pytest.mark.parametrize("length", [1.0, 1e200, 1e-170])
def test_a_direction_may_have_any_length(length):
    direction = jnp.array([0.0, -1.0, -3.0])
    found = flip_distance(SMALL, POINTS[1], length * direction)
    np.testing.assert_allclose(found, 0.5270462766947299, rtol=1e-12)


COPIES = TwoLayerReLU(jnp.stack([SMALL.w, 2 * SMALL.w]), jnp.stack([SMALL.u, SMALL.u]))
HOLES = POINTS.at[0, 0].set(np.nan)


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda: active(SMALL, HOLES), "points have entries that are not finite"),
        (lambda: gradient_scale(SMALL, HOLES, 0.1), "points have entries"),
        (lambda: gradient_scale(SMALL._replace(u=SMALL.u / 0), POINTS, 0.1), "weights have"),
        (lambda: off_subspace_gradient(SMALL, HOLES, PLANE), "points have entries"),
        (lambda: off_subspace_gradient(COPIES, POINTS, PLANE), "more axes than one.*jax.vmap"),
        (lambda: active(COPIES, POINTS), "more axes than one"),
        (lambda: flip_distance(COPIES, POINTS[0], POINTS[1]), "more axes than one"),
        (lambda: check_network(Linear(POINTS[0])), "is a Linear"),
        (lambda: universal_direction(COPIES, PLANE), "more axes than one"),
        (lambda: span(HOLES, 1), "points have entries"),
    ],
)
def test_what_gates_would_hide_is_refused(call, says):
    with pytest.raises(ValueError, match=says):
        call()


def test_copies_are_mapped_over():
    found = jax.vmap(lambda net: active(net, POINTS))(COPIES)
    assert (found == active(SMALL, POINTS)[None]).all()


@pytest.mark.parametrize(
    ("changes", "word"),
    [
        ({"ell": 30}, "ell is 30"),
        ({"width": 0}, "width is 0"),
        ({"samples": -1}, "samples is -1"),
        ({"scale": -0.1}, "scale is -0.1"),
        ({"learning_rate": 0.0}, "learning_rate"),
        ({"weight_decay": -1.0}, "decay"),
        ({"margin": float("nan")}, "margin"),
    ],
)
def test_settings_say_what_is_wrong(changes, word):
    with pytest.raises(ValueError, match=word):
        Settings(**{"d": 30, "ell": 20} | changes)


@pytest.mark.slow
def test_the_zero_point_and_the_dead_network_stay_finite():
    net = two_layer_relu(jax.random.key(0), 5, 4)
    plane = random_subspace(jax.random.key(1), 5, 2)
    assert np.isfinite(off_subspace_gradient(net, jnp.zeros(5), plane.basis)).all()
    assert Subspace(plane.basis).off_share(jnp.zeros(5)) == 0
    assert operator_norm(jnp.zeros((4, 5))) == 0
    assert flip_distance(net, jnp.ones(5), jnp.zeros(5)) == jnp.inf
    on_plane = net._replace(w=jnp.zeros_like(net.w))
    assert certified_radius(on_plane, jnp.ones(5), plane) == jnp.inf
    zero = jnp.zeros((3, 5))
    assert np.isfinite(train_to_margin(net, zero, jnp.ones(3), steps=5).network.w).all()
    assert gradient_scale(net, jnp.zeros(5), 1.0) == 0
