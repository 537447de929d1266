"""Distances to the boundary: closed forms, exact oracles, and never below them."""

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest

from theory.attacks.exact import nearest
from theory.attacks.restricted import SIDES, projected, restricted
from theory.dimples.manifolds import autoencoder
from theory.dimples.rays import around, nearest_crossing
from theory.geometry import principal, random_subspace
from theory.networks import MLP, mlp

KEY = jax.random.key(0)


def two_layer(seed, d=2, width=12):
    """A network of two logits ±f/2 whose boundary is among the points of the unit square."""
    net = mlp(jax.random.key(seed), (d, width, 1))
    x = jax.random.uniform(jax.random.key(seed + 100), (60, d))
    w, a = net.weights
    offset = net.biases[1] - jnp.median(net(x))
    both = MLP(
        (w, jnp.concatenate([a, -a]) / 2), (net.biases[0], jnp.stack([offset[0], -offset[0]]) / 2)
    )
    return both, x


def value(net):
    return lambda x: net.logits(x)[:, 0] - net.logits(x)[:, 1]


def test_crossings_of_a_line_are_those_between_breakpoints():
    """On a line a two-layer network is linear between its kinks: all zeros in closed form."""
    found = 0
    for seed in range(6):
        net, x = two_layer(seed)
        f, direction = value(net), np.array([0.6, 0.8])
        t = nearest_crossing(f, x, jnp.broadcast_to(direction, x.shape), -2.0, 2.0, 4000)
        w, b = np.asarray(net.weights[0]), np.asarray(net.biases[0])
        for i in range(0, 60, 10):
            kinks = -(w @ np.asarray(x[i]) + b) / (w @ direction)
            ends = np.sort(np.r_[-2.0, kinks[np.abs(kinks) < 2], 2.0])
            at = np.asarray(f(x[i][None] + ends[:, None] * direction[None]))
            crossed = np.flatnonzero((at[1:] > 0) != (at[:-1] > 0))
            zeros = ends[crossed] - at[crossed] * np.diff(ends)[crossed] / np.diff(at)[crossed]
            if zeros.size:
                assert float(t[i]) == pytest.approx(zeros[np.abs(zeros).argmin()], abs=1e-6)
                found += 1
            else:
                assert np.isnan(t[i])
    assert found > 20


def test_distances_in_the_plane_are_exact_and_attacks_never_below_them():
    everything = jnp.eye(2)
    for seed in range(3):
        net, x = two_layer(seed, width=6)
        x = x[:8]
        y = net.logits(x).argmax(1)
        f = value(net)
        signed = around(f, x, 4.0, 400, 128)
        np.testing.assert_array_equal(np.sign(signed), np.where(np.asarray(y) == 0, 1, -1))
        attacked = restricted(net.logits, x, y, everything, "std")
        for i in range(len(x)):
            exact = nearest(net, x[i], int(y[i]), "l2", None).distance
            assert abs(float(signed[i])) == pytest.approx(exact, rel=1e-6)
            assert float(attacked.distance[i]) >= exact * (1 - 1e-9)


def test_restricted_attacks_are_exact_for_a_linear_model():
    """f/‖Πg‖, whatever the side; and the point found is on its side of the subspace."""
    g = jax.random.normal(KEY, (9,))
    x = jax.random.normal(jax.random.key(1), (5, 9))
    basis = random_subspace(jax.random.key(2), 9, 3).basis

    def logits(x):
        z = x @ g + 4.0
        return jnp.stack([z, -z], axis=1) / 2

    x = x[x @ g + 4.0 > 0.1]
    y = jnp.zeros(len(x), int)
    on = np.asarray(basis @ (basis.T @ g))
    slopes = {"std": np.asarray(g), "on": on, "off": np.asarray(g) - on}
    for side in SIDES:
        found = restricted(logits, x, y, basis, side)
        right = np.asarray(x @ g + 4.0) / np.linalg.norm(slopes[side])
        np.testing.assert_allclose(found.distance, right, rtol=1e-9)
        step = found.inputs - x
        np.testing.assert_allclose(projected(step, basis, side), step, atol=1e-12)


def test_a_subspace_that_the_gradient_does_not_see_has_no_boundary():
    basis = jnp.eye(4)[:, 2:]
    x = jnp.array([[0.6, 0.2, 0.3, 0.4]])
    found = restricted(lambda x: x[:, :2], x, jnp.array([0]), basis, "on")
    assert not found.found[0] and np.isinf(found.distance[0])
    np.testing.assert_array_equal(found.inputs, x)


def test_tangents_span_the_decoders_jacobian():
    one = autoencoder(KEY, 7, 9, 3)
    x = jax.random.normal(KEY, (2, 7))
    basis = one.tangent(x)
    for i in range(2):
        code = one.encoder.logits(x[i])
        jacobian = jax.jacobian(one.decoder.logits)(code)
        np.testing.assert_allclose(basis[i].T @ basis[i], np.eye(3), atol=1e-12)
        on = basis[i] @ (basis[i].T @ jacobian)
        np.testing.assert_allclose(on, jacobian, atol=1e-12)


def test_principal_components_are_those_of_numpy():
    x = jax.random.normal(KEY, (50, 6)) * jnp.array([[5.0, 4, 3, 1, 1, 1]]) + 2.0
    basis = np.asarray(principal(x, 3))
    vectors = np.linalg.svd(np.asarray(x) - np.asarray(x).mean(axis=0))[2][:3]
    np.testing.assert_allclose(basis @ basis.T, vectors.T @ vectors, atol=1e-10)


@pytest.mark.parametrize(
    ("basis", "says"),
    [
        (np.eye(3)[:, :2], r"basis has shape \(3, 2\) and must have \(4, k\) or \(2, 4, k\)"),
        (np.ones((3, 4, 1)), "must have"),
        (2 * np.eye(4)[:, :1], "basis is not orthonormal: its products are off by 3"),
        (np.full((4, 1), np.nan), "basis is not orthonormal"),
        (np.ones((4, 0)), "basis has no columns"),
    ],
    ids=range(5),
)
def test_bad_bases_are_named(basis, says):
    with pytest.raises(ValueError, match=says):
        restricted(lambda x: x, np.ones((2, 4)), np.zeros(2, int), basis, "on")


def test_a_side_that_is_none_and_inputs_without_a_norm_are_named(monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # which users do not have
    x, y = np.ones((2, 4)), np.zeros(2, int)
    with pytest.raises(ValueError, match="side is 'On' and must be one of"):
        restricted(lambda x: x, x, y, np.eye(4)[:, :1], "On")  # pyright: ignore[reportArgumentType]
    with pytest.raises(ValueError, match="inputs are all 0 or not finite"):
        restricted(lambda x: x, 0 * x, y, np.eye(4)[:, :1], "on")


@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_an_input_that_is_not_finite_leaves_the_others_theirs(wrong):
    net = mlp(KEY, (4, 8, 3))
    x = jax.random.uniform(jax.random.key(1), (5, 4))
    y, basis = net.logits(x).argmax(1), jnp.eye(4)[:, :2]
    whole = restricted(net.logits, x[1:], y[1:], basis, "on").distance
    found = restricted(net.logits, x.at[0, 0].set(wrong), y, basis, "on").distance
    assert np.isfinite(whole).any() and not np.isfinite(found[0])
    np.testing.assert_allclose(found[1:], whole, rtol=1e-12)
