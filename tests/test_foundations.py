"""Networks, geometry and ensembles."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from theory import spectrum
from theory.checks import check_points
from theory.ensemble import ensemble, footprint
from theory.geometry import Subspace, numerical_rank, orthonormalise, random_subspace, span
from theory.networks import MLP, Linear, conv_net, mlp, two_layer_relu
from theory.training import train, train_to_margin

EPS = 2.3e-16

largest_eigenvalue = jax.jit(spectrum.largest_eigenvalue)


def test_two_layer_relu_against_a_loop():
    net = two_layer_relu(jax.random.key(0), d=7, width=5)
    x = jax.random.normal(jax.random.key(1), (3, 4, 7))
    for index in np.ndindex(3, 4):
        slow = sum(float(net.u[i]) * max(0.0, float(np.dot(net.w[i], x[index]))) for i in range(5))
        assert net(x)[index] == pytest.approx(slow, abs=1e-14)


def test_initialisation_has_the_stated_moments():
    net = two_layer_relu(jax.random.key(0), d=400, width=500, scale=0.3)
    # 200 000 normal draws: the standard deviation's own error is 0.16 %, here five of them.
    assert float(jnp.std(net.w)) == pytest.approx(0.3, rel=8e-3)
    assert np.allclose(jnp.abs(net.u), 500**-0.5)
    assert 180 < int(jnp.sum(net.u > 0)) < 320


def test_networks_are_homogeneous_of_degree_one():
    net = two_layer_relu(jax.random.key(0), d=7, width=5)
    x = jax.random.normal(jax.random.key(1), (7,))
    assert net._replace(w=3 * net.w)(x) == pytest.approx(float(3 * net(x)), rel=1e-14)
    assert net(2 * x) == pytest.approx(float(2 * net(x)), rel=1e-14)


def test_permuting_neurons_changes_nothing():
    net = two_layer_relu(jax.random.key(0), d=7, width=5)
    order = jnp.array([3, 1, 4, 0, 2])
    x = jax.random.normal(jax.random.key(1), (7,))
    permuted = net._replace(w=net.w[order], u=net.u[order])
    assert permuted(x) == pytest.approx(float(net(x)), abs=1e-15)


def test_mlp_and_linear_shapes():
    net = mlp(jax.random.key(0), (3, 8, 8, 1))
    assert isinstance(net, MLP)
    assert net(jnp.zeros((2, 5, 3))).shape == (2, 5)
    bound = 3**-0.5
    assert np.abs(net.weights[0]).max() <= bound
    assert Linear(jnp.ones(3))(jnp.ones((4, 3))).tolist() == [3.0] * 4


def halved(image, kernel, bias):
    """A ReLU convolution of 3 × 3 at every other pixel, in loops: out[i] sees 2i + {0, 1, 2} of an
    even side and 2i + {−1, 0, 1} of an odd one, with zeros outside."""
    side, _, colours = image.shape
    size, first = -(-side // 2), -(side % 2)
    out = np.tile(bias, (size, size, 1)).astype(float)
    for i, j, a, b, c in np.ndindex(size, size, 3, 3, colours):
        row, column = 2 * i + a + first, 2 * j + b + first
        if 0 <= row < side and 0 <= column < side:
            out[i, j] += image[row, column, c] * kernel[a, b, c]
    return np.maximum(out, 0)


@pytest.mark.parametrize("side", [7, 8])
def test_convolutions_against_loops(side):
    net = conv_net(jax.random.key(0), side, channels=(3, 2, 4), classes=5)
    x = jax.random.normal(jax.random.key(1), (2, side * side * 3))
    for row, found in zip(np.asarray(x), net.logits(x), strict=True):
        h = row.reshape(side, side, 3)
        for kernel, bias in zip(net.kernels, net.biases, strict=True):
            h = halved(h, np.asarray(kernel), np.asarray(bias))
        expected = np.asarray(net.weight) @ h.ravel() + np.asarray(net.bias)
        np.testing.assert_allclose(found, expected, rtol=0, atol=1e-14)
    assert np.abs(net.kernels[1]).max() <= 18**-0.5
    with pytest.raises(ValueError, match="rows of 10 are no square images of 3 colours"):
        net.logits(jnp.zeros((1, 10)))


@pytest.mark.parametrize(("d", "dim"), [(5, 1), (60, 10), (300, 299)])
def test_random_subspace_is_orthonormal_and_splits_space(d, dim):
    subspace = random_subspace(jax.random.key(0), d, dim)
    gram = subspace.basis.T @ subspace.basis
    assert np.abs(np.subtract(gram, jnp.eye(dim))).max() < 50 * EPS
    assert (subspace.dim, subspace.ell) == (dim, d - dim)
    x = jax.random.normal(jax.random.key(1), (4, d))
    on, off = subspace.project(x), subspace.reject(x)
    assert np.abs(np.subtract(on + off, x)).max() < 1e-13
    assert np.abs(off @ subspace.basis).max() < 1e-12
    assert jnp.max(subspace.off_share(on)) < 1e-13


@pytest.mark.parametrize("gap", [0.0, 1e-15, 1e-12, 1e-3, 0.5])
def test_the_largest_eigenvalue_whatever_is_close_to_it(gap):
    """Sums of d² products of matrices of norm one err by d roundings each, less than 10⁻¹³."""
    for seed, d in enumerate((1, 2, 7, 40)):
        basis = np.linalg.qr(np.random.default_rng(seed).normal(size=(d, d)))[0]
        values = np.linspace(0, 2.0, d)
        values[-2:] = [2 * (1 - gap), 2][-d:]
        matrix = jnp.asarray((basis * values) @ basis.T)
        assert float(largest_eigenvalue(matrix)) == pytest.approx(2, rel=1e-13)
    assert float(largest_eigenvalue(jnp.zeros((3, 3)))) == 0


def test_orthonormalise_agrees_with_qr_and_survives_bad_conditioning():
    key = jax.random.key(3)
    columns = jax.random.normal(key, (40, 6))
    # Columns that agree to 1e-6: one pass of Gram-Schmidt would lose ten digits here.
    columns = columns.at[:, 1].set(columns[:, 0] + 1e-6 * columns[:, 1])
    q = orthonormalise(columns)
    reference = np.linalg.qr(columns)[0]
    assert np.abs(np.subtract(q.T @ q, jnp.eye(6))).max() < 1e-14
    assert np.abs(q @ q.T - reference @ reference.T).max() < 1e-8


def test_random_subspaces_have_no_preferred_direction():
    """E[ΠP] = (dim/d)·I: 2000 draws, entries within five standard errors."""
    keys = jax.random.split(jax.random.key(0), 2000)
    projections = jax.vmap(lambda key: random_subspace(key, 4, 2).basis)(keys)
    mean = jnp.mean(projections @ jnp.swapaxes(projections, 1, 2), axis=0)
    assert np.abs(np.subtract(mean, jnp.eye(4) / 2)).max() < 5 * 0.25 / 2000**0.5


def test_span_finds_rank_and_data():
    key_a, key_b = jax.random.split(jax.random.key(2))
    x = jax.random.normal(key_a, (30, 5)) @ jax.random.normal(key_b, (5, 12))
    assert numerical_rank(x) == 5
    assert jnp.max(span(x, 5).off_share(x)) < 1e-13
    assert jnp.max(span(x, 4).off_share(x)) > 1e-2


def test_zero_lies_in_every_subspace():
    assert Subspace(jnp.eye(3)[:, :1]).off_share(jnp.zeros(3)) == 0


@pytest.mark.parametrize("strategy", ["auto", "vmap", "map", "sharded"])
@pytest.mark.parametrize("n", [1, 7, 64])
def test_all_strategies_agree(strategy, n):
    def member(key):
        x = jax.random.normal(key, (20, 20))
        return {"norm": jnp.linalg.norm(x @ x), "first": x[0]}

    keys = jax.random.split(jax.random.key(0), n)
    results = jax.jit(lambda keys: ensemble(member, keys, strategy))(keys)
    reference = [member(key) for key in keys]
    assert results["first"].shape == (n, 20)
    for i, one in enumerate(reference):
        assert np.isclose(results["norm"][i], one["norm"], rtol=1e-12)
        assert np.allclose(results["first"][i], one["first"], rtol=1e-14, atol=0)


def test_unknown_strategy_is_named():
    # A ValueError of ours, or before it the type checker of the tests.
    with pytest.raises((ValueError, TypeError), match="pmap"):
        ensemble(lambda key: key, jax.random.split(jax.random.key(0), 2), "pmap")  # pyright: ignore[reportArgumentType]


def test_footprint_counts_intermediates_and_loop_bodies_once():
    x = jnp.zeros(1000)
    assert footprint(lambda x: x + 1, x) == 8000
    looped = footprint(lambda x: jax.lax.fori_loop(0, 500, lambda _, x: x + 1, x), x)
    assert 8000 <= looped < 40_000


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (jnp.ones(3), jnp.ones(3), "must be .n, d. and .n,."),
        (jnp.ones((3, 2)), jnp.ones(2), "a label for each point"),
        (jnp.ones((0, 2)), jnp.ones(0), "no training points"),
        (jnp.ones((2, 2)), jnp.array([0.0, 1.0]), "Label 0 is 0 and must be -1 or"),
        (jnp.ones((2, 2)), jnp.array([1.0, jnp.nan]), "must be finite"),
        (jnp.array([[1.0, jnp.inf]]), jnp.ones(1), "must be finite"),
    ],
)
def test_wrong_training_data_is_refused_by_all_that_train(x, y, message):
    with pytest.raises(ValueError, match=message):
        check_points(x, y)
    if x.ndim != 2 or len(x) != len(y):
        return  # the types of what follows are checked while tests run
    net = two_layer_relu(jax.random.key(0), 2, 3)
    with pytest.raises(ValueError, match=message):
        train_to_margin(net, x, y)
    with pytest.raises(ValueError, match=message):
        train(net, x, y, optimizer=optax.sgd(0.1), steps=1)


def test_what_is_not_finite_has_no_rank():
    with pytest.raises(ValueError, match="no rank"):
        numerical_rank(jnp.array([[1.0, jnp.nan]]))
