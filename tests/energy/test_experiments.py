"""What the figures of this room measure, on data where the answer is known."""

import jax
import numpy as np
import pytest
from xarray import Dataset

from experiments.energy import gauge, robustness, zero_shot
from theory.energy.lost import restoration_of_pairs
from theory.networks import mlp


def data():
    """Two networks with four images each, alone and behind ET3, under two rungs."""
    transfer = [[[1, 1, 0, 0], [1, 0, 0, 0]], [[1, 1, 1, 0], [1, 1, 0, 0]]]
    unrolled = [[[1, 1, 0, 0], [1, 0, 0, 0]], [[0, 1, 1, 0], [1, 0, 0, 0]]]
    kept = np.moveaxis(np.array([transfer, unrolled], bool), 0, 1)
    dims = ("defence", "rung", "trial", "point")
    labels = {"defence": ["alone", "0.8"], "rung": ["transfer", "unrolled"]}
    found = Dataset({"kept": (dims, kept)}, labels)
    return found.assign(published=found.kept.sel(rung="transfer"))


def test_gains_are_of_the_same_attacks_on_both():
    found = robustness.gains(data(), "0.8")
    transfer, worst = (found.sel(asked=name) for name in ("transfer", "worst"))
    assert transfer.values.tolist() == [[0, 0, 1, 0], [0, 1, 0, 0]]
    assert worst.values.tolist() == [[-1, 0, 1, 0], [0, 0, 0, 0]]
    assert robustness.compared(worst) == {"won": 1, "lost": 1, "p": 1.0}
    assert robustness.compared(transfer)["p"] == pytest.approx(0.5)
    assert robustness.compared(worst[1]) == {"won": 0, "lost": 0, "p": 1.0}


def test_an_image_stands_in_the_worst_case_if_it_stands_under_every_rung():
    least = robustness.worst(data()).sel(defence="0.8")
    assert least.values.tolist() == [[0, 1, 1, 0], [1, 0, 0, 0]]


def test_a_shifted_head_is_the_same_classifier():
    net = mlp(jax.random.key(0), (5, 7, 3))
    x = jax.random.normal(jax.random.key(1), (9, 5))
    other = gauge.drawn(net, jax.random.key(2), 4.0)
    change = np.asarray(other.logits(x) - net.logits(x))
    np.testing.assert_allclose(change, np.broadcast_to(change[:, :1], change.shape), atol=1e-12)
    assert np.abs(change).max() > 0.1
    moved = np.asarray(other.weights[-1] - net.weights[-1])[0]
    rows = np.linalg.norm(np.asarray(net.weights[-1]), axis=1)
    assert np.linalg.norm(moved) == pytest.approx(4 * np.sqrt(np.mean(rows**2)))


def test_linear_points_are_restored_where_it_is_proved():
    found = jax.device_get(restoration_of_pairs(jax.random.split(jax.random.key(0), 200), 3.0, 6))
    assert np.all(found["error"] < 1e-9)
    proved = found["ratio"] > 1.5  # C = k/(k − 1) at k = 3
    np.testing.assert_array_equal(proved, found["proved"] == 1)
    assert 20 < proved.sum() < 180
    bound = 3 * (1 - 1 / found["ratio"][proved]) - 1
    assert np.all(found["after"][proved] >= bound - 1e-9)
    assert not np.all(found["after"][~proved] > 0)


def test_captions_name_the_class_and_what_is_said_of_it():
    classes, how = np.array([2, 0]), np.array([[1, 0], [0, 1]])
    said = np.array([[True, True], [False, True]])
    words = zero_shot.prompts_of(classes, how, 3, said)
    assert words.tolist() == [[0, 0, 1, 0, 1, 1, 0], [1, 0, 0, 0, 0, 0, 1]]


def test_ways_tell_bold_from_thin_and_which_way_it_leans():
    thin, bold = np.zeros((2, 8, 8))
    thin[range(8), range(8)] = 0.5
    bold[range(8), range(7, -1, -1)] = 1.0
    assert zero_shot.ways(np.stack([thin, bold])).tolist() == [[0, 1], [1, 0]]
    colours = np.stack([thin, bold])[..., None] * np.ones(3)
    assert zero_shot.ways(colours).tolist() == [[0, 1], [1, 0]]
