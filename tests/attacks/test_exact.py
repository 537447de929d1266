"""The exact oracle against a grid, attacks and other distances against the oracle."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from theory.attacks import apgd, malt
from theory.attacks.boundary import crossing
from theory.attacks.exact import nearest
from theory.networks import mlp

KEY = jax.random.key(0)


@pytest.fixture(scope="module")
def scene():
    """Two-layer networks of 8 neurons in the plane, which a grid can search."""
    net = mlp(jax.random.key(3), (2, 8, 4))
    first, last = net.biases
    many = jax.random.uniform(jax.random.key(5), (1000, 2))
    # Logits of mean 0, so that all classes are somewhere.
    net = net._replace(biases=(first, last - net.logits(many).mean(axis=0)))
    x = jax.random.uniform(jax.random.key(4), (6, 2))
    return net, x, net.logits(x).argmax(1)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_no_point_of_a_grid_is_nearer_and_its_own_is_at_the_boundary(scene, norm):
    net, x, y = scene
    ticks = np.linspace(0, 1, 401)
    grid = jnp.asarray(np.stack(np.meshgrid(ticks, ticks), axis=-1).reshape(-1, 2))
    classes = np.asarray(net.logits(grid).argmax(1))
    for point, label in zip(x, y, strict=True):
        found = nearest(net, point, int(label), norm)
        order = np.inf if norm == "linf" else 2
        far = np.linalg.norm(np.asarray(grid - point[None]), ord=order, axis=1)
        by_grid = far[classes != int(label)].min(initial=np.inf)
        if np.isinf(found.distance):
            assert np.isinf(by_grid)
            continue
        assert found.distance <= by_grid + 1e-9
        assert by_grid <= found.distance + 2 / 400
        z = np.asarray(net.logits(jnp.asarray(found.inputs)[None]))[0]
        assert z[found.target] == pytest.approx(z[int(label)], abs=1e-7)
        assert np.linalg.norm(found.inputs - np.asarray(point), ord=order) == pytest.approx(
            found.distance, abs=1e-7
        )


@pytest.mark.slow
@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_attacks_succeed_nowhere_inside_the_exact_distance_and_mostly_outside(scene, norm):
    net, x, y = scene
    found, options = [], {"norm": norm, "steps": 50}
    for point, label in zip(x, y, strict=True):
        radius = nearest(net, point, int(label), norm).distance
        given = (net.logits, KEY, point[None], label[None])
        if np.isfinite(radius):
            found.append(malt(*given, eps=1.05 * radius, **options).success.all())
            assert not malt(*given, eps=0.999 * radius, **options).success.any()
            assert not apgd(*given, eps=0.999 * radius, loss="ce", **options).success.any()
    assert len(found) >= 3 and np.mean(found) >= 0.5


def test_deeper_networks_are_refused():
    with pytest.raises(ValueError, match="2 hidden layers: only 0 or 1 is exact"):
        nearest(mlp(KEY, (2, 3, 3, 2)), jnp.zeros(2), 0)


def test_crossings_are_on_the_boundary_and_lines_without_one_are_left(scene):
    net, x, y = scene
    found = malt(net.logits, KEY, x, y, eps=0.6, steps=30)
    at = crossing(net.logits, x, y, found.inputs)
    assert np.array_equal(at.share < 1, found.success)
    z = np.sort(np.asarray(net.logits(at.inputs)), axis=1)
    np.testing.assert_allclose((z[:, -1] - z[:, -2])[found.success], 0, atol=1e-9)
    assert np.array_equal(net.logits(at.inputs).argmax(1) != y, found.success)
    assert np.array_equal(at.inputs[~found.success], x[~found.success])
