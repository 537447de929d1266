"""Square needs no gradient; `auto` takes what each attack before left over."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from theory.attacks import apgd, auto, malt, square
from theory.attacks.draws import averaged, misclassified_share
from theory.attacks.square import HALVED, Grid, schedule
from theory.networks import mlp

KEY = jax.random.key(0)


@pytest.fixture(scope="module")
def scene():
    """Pictures of two channels, and a network by rows."""
    net = mlp(jax.random.key(1), (6 * 6 * 2, 32, 5))
    x = jax.random.uniform(jax.random.key(2), (20, 6, 6, 2))

    def logits(x):
        return net.logits(x.reshape(len(x), -1))

    return logits, x, logits(x).argmax(1)


@pytest.mark.parametrize(("norm", "eps"), [("linf", 0.06), ("l2", 0.6)])
def test_examples_are_in_ball_and_box_and_fool(scene, norm, eps):
    logits, x, y = scene
    found = square(logits, KEY, x, y, eps=eps, norm=norm, queries=300)
    assert 3 < int(found.success.sum()) < 20 and found.inputs.shape == x.shape
    moved = np.asarray(found.inputs - x).reshape(20, -1)
    far = np.linalg.norm(moved, ord=np.inf if norm == "linf" else 2, axis=1)
    assert far.max() <= eps * (1 + 1e-9) and np.array_equal(far > 0, found.success)
    assert float(found.inputs.min()) >= 0 and float(found.inputs.max()) <= 1
    assert np.array_equal(logits(found.inputs).argmax(1) != y, found.success)
    assert set(found.forwards[~found.success].tolist()) == {301} and not found.gradients.any()


def test_it_searches_better_than_its_start(scene):
    logits, x, y = scene
    few, many = (square(logits, KEY, x, y, eps=0.05, queries=n).success.sum() for n in (1, 400))
    assert many > few + 2


def test_no_room_no_change(scene):
    logits, x, y = scene
    for norm in ("linf", "l2"):
        found = square(logits, KEY, x, y, eps=0.0, norm=norm, queries=20)
        assert np.array_equal(found.inputs, x) and not found.success.any()


def test_windows_shrink_as_in_the_paper():
    assert HALVED == (10, 50, 200, 500, 1000, 2000, 4000, 6000, 8000)
    sides = schedule(10_000, Grid(32, 32, 3), 1)[:, 0]
    at = [0, 11, 51, 201, 501, 1001, 2001, 4001, 6001, 8001]
    # √(.8·1024/2^h), rounded.
    assert sides[jnp.array(at)].tolist() == [29, 20, 14, 10, 7, 5, 4, 3, 2, 1]
    assert int(sides[10]) == 29 and int(sides[50]) == 20


def rounded(f):
    """Logits that have no gradient, and the values of others."""
    return lambda x: jax.lax.stop_gradient(f(x)) + 0 * f(x)


def test_masked_gradients_fall_to_square(scene):
    logits, x, y = scene
    options = {"eps": 0.1, "steps": 20}
    masked = rounded(logits)
    assert not apgd(masked, KEY, x, y, loss="ce", **options).zero_share < 1
    found = auto(masked, KEY, x, y, queries=400, **options)
    starts = malt(masked, KEY, x, y, order="logits", **options)
    # Without gradients only the random starts of APGD succeed.
    assert int(starts.success.sum()) < int(found.success.sum())
    by_square = found.success & (found.runs == found.targets + 2)
    assert by_square.any() and np.all(found.target[by_square] == -1)


def test_auto_takes_the_attacks_in_order(scene):
    logits, x, y = scene
    found = auto(logits, KEY, x, y, eps=0.05, steps=20, queries=50)
    ce = found.success & (found.runs == 1)
    assert ce.any() and found.targets == 4 and found.loss == "dlr"
    assert np.all(found.target[ce] == -1) and np.all(found.gradients[ce] <= 21)
    lost = ~found.success
    assert set(found.gradients[lost].tolist()) == {5 * 21}
    assert set(found.forwards[lost].tolist()) == {1 + 5 * 21 + 50}


def test_what_has_no_grid_is_refused():
    x = jnp.zeros((2, 2, 2, 2, 2))
    with pytest.raises(ValueError, match=r"give \(n, d\), \(n, H, W\) or \(n, H, W, C\)"):
        square(lambda x: x.reshape(2, -1), KEY, x, jnp.zeros(2, int))


def test_networks_that_draw_are_attacked_by_their_mean_and_judged_on_other_draws(scene):
    logits, x, y = scene

    def noisy(key, x):
        return logits(x + 0.02 * jax.random.normal(key, x.shape))

    seen, unseen = jax.random.split(jax.random.key(7), (2, 10))
    mean = averaged(noisy, seen)
    right = mean(x).argmax(axis=1)
    found = malt(mean, KEY, x, right, eps=0.1, steps=10)
    assert 3 < int(found.success.sum())
    before, after = (misclassified_share(noisy, unseen, at, right) for at in (x, found.inputs))
    assert float(after[found.success].mean()) > float(before.mean()) + 0.3
    assert np.array_equal(after[~found.success], before[~found.success])
