"""The flip of any function, where it is known."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from theory import two_layer_relu
from theory.geometry import Subspace, random_subspace
from theory.subspace import flips_by_search, off_subspace_gradient
from theory.subspace.divided import homogeneous
from theory.subspace.flip import flips_along_gradient

D, N = 12, 30
PLANE = random_subspace(jax.random.key(0), D, 4)
X = PLANE.project(jax.random.normal(jax.random.key(1), (N, D)))
A = jax.random.normal(jax.random.key(2), (D,))


@pytest.mark.parametrize("offset", [0.0, 1e-9, 3.0, -20.0])
def test_a_linear_function_flips_at_its_value_over_its_slope(offset):
    found = flips_by_search(lambda x: x @ A + offset, X, PLANE)
    exact = jnp.abs(X @ A + offset) / jnp.linalg.norm(PLANE.reject(A))
    # Of values as near as 1e-3 to 0 the sum has 12 digits.
    np.testing.assert_allclose(found, exact, rtol=1e-11)


def test_a_step_has_the_length_that_flips():
    """A ball's surface is met at its radius, from any point inside of it and along any ray."""
    found = flips_by_search(lambda x: 4 - jnp.sum(x**2, axis=1), jnp.zeros((1, D)) + 0.1, PLANE)
    off = PLANE.reject(jnp.full(D, 0.1))
    along, size = jnp.sum(off * 0.1) / jnp.linalg.norm(off), D * 0.01
    np.testing.assert_allclose(found, -along + jnp.sqrt(along**2 + 4 - size), rtol=1e-12)


def test_it_agrees_with_the_exact_flip_of_two_layers():
    net = two_layer_relu(jax.random.key(3), d=D, width=40)
    exact = flips_along_gradient(net, X, PLANE.basis).distance
    found = flips_by_search(net, X, PLANE)
    # A network may change its sign and change it back within one doubling: then the next is found.
    same = jnp.isclose(found, exact, rtol=1e-9) | (jnp.isinf(exact) & jnp.isinf(found))
    assert same.mean() > 0.9 and (found >= exact * (1 - 1e-9)).all()
    assert jnp.isfinite(exact).sum() > N // 2


def test_what_never_flips_is_infinitely_far():
    for function in (
        lambda x: 1 + jnp.sum(x**2, axis=1),  # no sign to lose
        lambda x: 0 * x[:, 0],
        lambda x: x[:, 0] * jnp.nan,
        lambda x: jnp.where(jnp.arange(len(x)) >= 0, jnp.exp(x @ A), 0),  # 0 in the limit alone
    ):
        assert jnp.isinf(flips_by_search(function, X, PLANE, limit=50.0)).all()
    first = Subspace(jnp.eye(D)[:, :1])
    assert jnp.isinf(flips_by_search(lambda x: x[:, 0], X, first)).all()  # no gradient off P


@pytest.mark.parametrize("unit", [1e-200, 1e200, 1e300])
def test_the_unit_of_the_function_does_not_count(unit):
    found = flips_by_search(lambda x: unit * (x @ A), X, PLANE)
    np.testing.assert_allclose(found, flips_by_search(lambda x: x @ A, X, PLANE), rtol=1e-9)


def test_a_step_that_rounds_to_nothing_ends():
    found = flips_by_search(lambda x: 1e300 * (x @ A) + 1e-300, 0 * X[:1], PLANE)
    assert 0 <= found[0] < 1e-300


def test_no_step_is_longer_than_the_limit():
    distance = jnp.abs(X @ A) / jnp.linalg.norm(PLANE.reject(A))
    limit = float(jnp.median(distance))
    found = flips_by_search(lambda x: x @ A, X, PLANE, limit=limit)
    assert jnp.array_equal(jnp.isfinite(found), distance <= limit)


@pytest.mark.parametrize("batches_alone", ["its own", "vmap", "two axes"])
def test_the_gradient_of_what_takes_batches_alone(batches_alone):
    net = homogeneous(jax.random.key(4), (D, 8, 8, 1))
    by_point = lambda point: net(point[None, :])[0]  # noqa: E731
    function = {
        "its own": net,
        "vmap": jax.vmap(by_point),
        "two axes": lambda x: net(x)[:, None],
    }[batches_alone]
    gradient = jax.vmap(jax.grad(by_point))(X)
    np.testing.assert_allclose(
        off_subspace_gradient(function, X, PLANE), PLANE.reject(gradient), atol=1e-14
    )
    # Without biases a network is linear along rays from 0, and along others it flips or does not.
    found = flips_by_search(function, X, PLANE)
    unit = PLANE.reject(gradient)
    unit = -jnp.sign(net(X))[:, None] * unit / jnp.linalg.norm(unit, axis=1, keepdims=True)
    t = jnp.where(jnp.isfinite(found), found, 1.0)[:, None]
    before, after = (net(X + (1 + by) * t * unit) for by in (-1e-9, 1e-9))
    lost = jnp.isfinite(found)
    assert lost.any() and jnp.array_equal(jnp.sign(before)[lost], jnp.sign(net(X))[lost])
    assert (jnp.sign(after) != jnp.sign(net(X)))[lost].all()


def test_what_is_no_function_of_points_is_refused():
    for function, says in (
        (lambda x: jnp.stack([x[:, 0], x[:, 1]], axis=1), r"shape \(2,\) for one point"),
        (lambda x: jnp.sum(x), "for 30 points"),
    ):
        with pytest.raises(ValueError, match=says):
            flips_by_search(function, X, PLANE)
    with pytest.raises(ValueError, match="limit is 0"):
        flips_by_search(lambda x: x[:, 0], X, PLANE, limit=0.0)
