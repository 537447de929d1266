"""Training in a subspace's coordinates is training in full dimension."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from xarray import Dataset

from experiments.subspace import distance_factor
from theory.geometry import random_subspace
from theory.subspace.divided import homogeneous, in_plane
from theory.training import train

D, K, N = 12, 4, 9


def test_training_in_coordinates_is_that_in_full_dimension():
    """Three layers with momentum, to rounding; and the first layer is frozen off the subspace."""
    keys = jax.random.split(jax.random.key(0), 4)
    basis = random_subspace(keys[0], D, K).basis
    z = jax.random.normal(keys[1], (N, K))
    y = jax.random.rademacher(keys[2], (N,), z.dtype)
    start = homogeneous(keys[3], (D, 8, 8, 1), 3.0)
    optimizer = optax.sgd(0.1, momentum=0.9)
    full = train(start, z @ basis.T, y, optimizer=optimizer, steps=60).network
    split = in_plane(start, basis)
    inside = train(split.network, z, y, optimizer=optimizer, steps=60).network
    for one, other in zip(split._replace(network=inside).whole.weights, full.weights, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-12)
    across = jnp.eye(D) - basis @ basis.T
    np.testing.assert_allclose(full.weights[0] @ across, start.weights[0] @ across, atol=1e-12)
    assert np.abs(full.weights[0] - start.weights[0]).max() > 0.01


def test_the_factor_divides_the_first_layer_alone():
    whole, small = (homogeneous(jax.random.key(0), (3, 5, 5, 1), f) for f in (1.0, 4.0))
    np.testing.assert_allclose(4 * small.weights[0], whole.weights[0])
    for one, other in zip(small.weights[1:], whole.weights[1:], strict=True):
        np.testing.assert_array_equal(one, other)
    z = np.asarray(whole.logits(jnp.ones((2, 3))))
    np.testing.assert_allclose(z[:, 0] - z[:, 1], whole(jnp.ones((2, 3))))


def test_what_is_measured_of_distances():
    """One network of two points: a linear model's distances, and a point that has none."""
    values = np.array([[[3.0, np.inf], [5.0, 2.0], [3.75, 2.0]]])[None, None]
    dims = ("scene", "factor", "trial", "side", "point")
    data = Dataset({"distance": (dims, values)}, {"side": ["std", "on", "off"]})
    far = distance_factor.far(data)
    assert far.values.ravel().tolist() == [3.0, 5.0, 3.75]
    assert float(distance_factor.identity(far).item()) == pytest.approx(1.0)


def test_the_published_data_are_shown_where_the_scene_is_theirs():
    settings = distance_factor.Settings()
    shown = distance_factor.published(settings)
    assert [*shown] == ["sphere"]
    assert float(shown["sphere"].sel(factor=7.0, side="off")) == 17.45
    mnist = distance_factor.published(replace(settings, dataset="mnist"))
    assert float(mnist["images, affine"].sel(factor=1.0, side="std")) == 1.080
    assert not distance_factor.published(replace(settings, k=31, dataset="mnist"))
