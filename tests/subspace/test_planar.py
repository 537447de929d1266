"""Figures 2 and 3: frozen weights, and flips confirmed by evaluating the network."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import pytest
from xarray import DataArray

from experiments.subspace import chessboard, diagonal
from experiments.subspace.planar import flip_table, network, reached, shown_trials
from theory import boards
from theory.networks import MLP
from theory.subspace import planar
from theory.subspace.planar import METHODS, certified_radii, fit, flip_distances
from theory.surface import zero_set


def ran(module, **changes) -> tuple:
    """Data and settings of a smoke preset."""
    settings = replace(module.experiment.presets["smoke"], **changes)
    return module.run(settings, jax.random.key(0), lambda fraction, what: None), settings


@pytest.fixture(scope="module")
def line():
    return ran(diagonal)


@pytest.mark.slow
def test_no_seed_at_the_margin_is_reported(line):
    data, settings = line
    unmet = replace(settings, margin=1e6)
    rows = flip_table(data, unmet)
    assert all(row["seeds_at_margin"] == 0 and "flip_median" not in row for row in rows.values())
    plt.close(diagonal.draw(data, unmet))


@pytest.mark.slow
def test_weights_across_the_diagonal_are_frozen(line):
    # A few thousand steps of rounding, relative to the weights at initialisation.
    assert line[0].drift.max() < 1e-12


@pytest.mark.slow
def test_weights_are_frozen_only_on_the_board_through_the_origin():
    data, _ = ran(chessboard, steps=3000)
    assert data.drift.sel(board="shifted").max() < 1e-12
    assert data.drift.sel(board="published").min() > 0.01


def test_remedies_flip_farther_and_never_inside_the_certified_radius(line):
    rows = flip_table(*line)
    assert rows["vanilla"]["seeds_at_margin"] == 6
    assert rows["smaller initialisation"]["seeds_at_margin"] >= 3
    assert rows["smaller initialisation"]["flip_over_vanilla"] > 1.5
    assert rows["L2 regularisation"]["flip_over_vanilla"] > 1
    assert all(rows[name]["flips_below_radius"] == 0 for name in METHODS)


@pytest.fixture(scope="module")
def trained():
    """The published chessboard, and one network after some training on it."""
    settings = chessboard.Settings(width=50, steps=500)
    board = boards.chessboard(0.5)
    start = planar.initial_on_a_board(jax.random.key(2), settings.width)
    end = jax.jit(lambda net: fit(settings, net, board, 1.0, 0.0))(start)
    return board, end._replace(flip=np.asarray(end.flip))


def sign(net, points):
    return np.sign(net(jnp.asarray(points)))


def test_a_flip_is_where_the_sign_changes(trained):
    board, end = trained
    found = np.isfinite(end.flip)
    assert found.sum() >= 10
    x, t, normal = np.asarray(board.x)[found], end.flip[found][:, None], np.asarray(board.normal)

    def signs(distance):
        return [sign(end.network, x + way * distance * normal) for way in (1, -1)]

    before, after = signs(t * (1 - 1e-7)), signs(t * (1 + 1e-7))
    own = sign(end.network, x)
    assert all((side == own).all() for side in before)
    assert ((after[0] != own) | (after[1] != own)).all()


def test_no_flip_is_nearer_than_a_dense_search_finds(trained):
    board, end = trained
    distances = np.linspace(-5, 5, 4001)
    line = np.asarray(board.x)[:, None] + distances[:, None] * np.asarray(board.normal)
    lost = sign(end.network, line) != sign(end.network, board.x)[:, None]
    nearest = np.where(lost, np.abs(distances), np.inf).min(axis=1)
    inside = nearest < 5
    assert inside.sum() >= 10
    # The search's step is the error it makes, and only upwards.
    assert (nearest[inside] >= end.flip[inside] - 1e-12).all()
    assert (nearest[inside] <= end.flip[inside] + 2.5e-3).all()
    assert (end.flip[~inside] > 4.99).all()
    assert (end.radius <= end.flip).all()


def test_radius_and_distance_of_a_linear_network():
    # N(x) = σ(x₂ + 3) − 1 changes its sign two below the first point, one below the second.
    net = MLP((jnp.array([[0.0, 1.0]]), jnp.ones((1, 1))), (jnp.array([3.0]), -jnp.ones(1)))
    x, normal = jnp.array([[5.0, 0.0], [7.0, -1.0]]), jnp.array([0.0, 1.0])
    assert jax.jit(flip_distances)(net, x, normal).tolist() == [2, 1]
    assert certified_radii(net, x, normal).tolist() == [2, 1]


def test_surface_of_a_sphere():
    side = np.linspace(-1, 1, 41)
    x, y, z = np.meshgrid(side, side, side, indexing="ij")
    quads = zero_set(np.sqrt(x**2 + y**2 + z**2) - 0.7, (side, side, side))
    radii = np.linalg.norm(quads, axis=-1)
    assert np.abs(radii - 0.7).max() < 2e-3
    diagonals = np.cross(quads[:, 2] - quads[:, 0], quads[:, 3] - quads[:, 1])
    area = np.linalg.norm(diagonals, axis=1).sum() / 2
    assert abs(area / (4 * np.pi * 0.7**2) - 1) < 0.01


def test_stored_weights_are_the_networks_that_were_measured(line):
    data, settings = line
    one, board = data.sel(training="vanilla", trial=1), boards.line()
    outputs = network(one)(board.x.astype(jnp.float32))
    # Stored in single precision.
    assert abs(float(jnp.min(board.y * outputs.astype(float))) - one.margin) < 1e-5
    assert reached(data, settings).sel(training="vanilla").all()


def test_boards_and_seeds():
    board = boards.chessboard(0.5)
    corners = np.isin(np.asarray(board.x[:, :2]), (0, 1)).all(axis=1)
    assert (np.asarray(board.y)[corners] == 1).all() and board.y.sum() == 1
    assert boards.line().y.tolist() == [-1, 1, -1, 1, -1, 1, -1]
    fits = [[True, False], [False, False], [True, False]]
    fitted = DataArray(fits, coords={"training": list(METHODS), "trial": range(2)})
    assert [shown_trials(fitted, method).tolist() for method in METHODS] == [[0], [0], [0]]


def test_decay_that_diverges_is_refused():
    with pytest.raises(ValueError, match="weight_decay must be below 1"):
        diagonal.Settings(weight_decay=50.0)
