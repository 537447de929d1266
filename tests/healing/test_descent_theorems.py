"""H5 to H7: planted mistakes, edges and what the statements rest on."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from theory.healing.alignment import distance
from theory.healing.theorems import loss_falls, loss_floor, rotated_magnitude
from theory.theorem import simulate, verify

FALLS, FLOOR, ROTATED = (module.theorem for module in (loss_falls, loss_floor, rotated_magnitude))


def statuses(theorem, **changes):
    """The status of every part by the trials alone."""
    settings = replace(theorem.presets["smoke"], **changes)
    trials = simulate(theorem, settings)
    return {
        name: claim.judge(trials.measured[name], trials.predicted[name], settings).status
        for name, claim in theorem.parts.items()
    }


def falsified(theorem, **changes):
    """The parts that the trials falsify."""
    found = statuses(theorem, **changes)
    return {name for name, status in found.items() if status == "falsified"}


def missed(theorem, **changes):
    """The assumptions that are missed."""
    verdict = verify(theorem, replace(theorem.presets["smoke"], trials=5, **changes))
    assert verdict.status == "not applicable" and verdict.detected is None
    return {assumption.name for assumption in verdict.assumptions if not assumption.holds}


# H5: the loss falls


@pytest.mark.parametrize("name", ["starfish", "mse"])
def test_the_loss_is_below_its_parabola_across_kinks(name):
    """Along random lines, long against the distance between kinks."""
    keys = jax.random.split(jax.random.key(0), 3)
    x, w, dense = (jax.random.normal(key, (7, 7)) for key in keys)
    targets = loss_falls.states(dense, x)

    def loss(w):
        return distance(loss_falls.states(w, x), targets, name)

    def along(key):
        step = 0.3 * jax.random.normal(key, w.shape)
        crossed = ((x @ w.T > 0) != (x @ (w - step).T > 0)).sum()
        k = loss_falls.constant(name, x, targets, w, step)
        above = loss(w) - jnp.sum(jax.grad(loss)(w) * step) + k / 2 * jnp.sum(step**2)
        return crossed, loss(w - step), above

    lines = jax.random.split(jax.random.key(1), 50)
    crossed, found, above = jax.jit(lambda keys: jax.lax.map(along, keys))(lines)
    assert np.all(np.asarray(found) <= np.asarray(above))
    assert int(crossed.sum()) > 100


def test_with_targets_below_zero_a_kink_is_convex():
    x, w = jnp.ones((1, 1)), jnp.full((1, 1), 0.1)
    for target in (1.0, -1.0):
        targets = jnp.full((1, 1), target)

        def loss(w, targets=targets):
            return distance(loss_falls.states(w, x), targets, "mse")

        g = jax.grad(loss)(w)
        rate = 1 / loss_falls.constant("mse", x, targets, w, g)
        fell = loss(w) - loss(w - rate * g)
        assert bool(fell >= rate * jnp.sum(g**2) / 2) == (target > 0)


def test_a_constant_that_is_far_too_small_is_falsified(monkeypatch):
    monkeypatch.setattr(loss_falls, "largest", lambda gram: jnp.linalg.norm(gram) / 60)
    assert {"D cosine", "D mse"} <= falsified(FALLS)


def test_the_whole_gradient_in_the_place_of_the_masked_one_is_falsified(monkeypatch):
    apply_masks, calls = loss_falls.apply_masks, []

    def once(tree, mask):
        calls.append(tree)
        return apply_masks(tree, mask) if len(calls) == 1 else tree

    monkeypatch.setattr(loss_falls, "apply_masks", once)
    assert {"D cosine", "D mse"} & falsified(FALLS)


@pytest.mark.slow
def test_layers_that_hardly_moved_or_have_no_such_targets_are_not_judged(monkeypatch):
    assert missed(FALLS, step=1e-4) == {"weights moved"}
    trial = FALLS.trial
    below = replace(FALLS, trial=lambda settings, key: trial(settings, key, sign=-1.0))
    assert missed(below) == {"t ≥ 0"}


# H6: the floor of the loss


@pytest.mark.parametrize(
    ("part", "factor", "status"),
    [
        ("floor", 1.0, "verified"),
        ("floor", 1.001, "falsified"),
        ("lower", 1.0, "verified"),
        ("lower", 4.0, "falsified"),
        ("upper", 1.0, "verified"),
        ("upper", 0.5, "falsified"),
    ],
)
def test_the_floor_and_the_rates_are_tight(floor_trials, part, factor, status):
    claim = FLOOR.parts[part]
    predicted = factor * floor_trials.predicted[part]
    judged = claim.judge(floor_trials.measured[part], predicted, FLOOR.presets["smoke"])
    assert judged.status == status


@pytest.fixture(scope="module")
def floor_trials():
    return simulate(FLOOR, FLOOR.presets["smoke"])


def test_the_floor_of_another_mask_is_falsified(monkeypatch):
    floor = loss_floor.floor
    monkeypatch.setattr(loss_floor, "floor", lambda x, z, mask: floor(x, z, mask[::-1]))
    assert "floor" in falsified(FLOOR)


@pytest.mark.slow
def test_layers_without_a_floor_or_without_healing_are_not_judged(monkeypatch):
    assert missed(FLOOR, samples=4) >= {"f* > 0"}
    monkeypatch.setattr(loss_floor, "LEARNING_RATE", 0.0)
    assert missed(FLOOR) == {"weights moved"}


# H7: magnitude on a rotated P


def test_a_mask_that_knows_P_is_falsified(monkeypatch):
    """Scores of what is on P alone."""
    draw, known = rotated_magnitude.rotated_or_axes, []

    def subspace(*args):
        known.append(draw(*args))
        return known[-1]

    monkeypatch.setattr(rotated_magnitude, "rotated_or_axes", subspace)
    monkeypatch.setattr(rotated_magnitude, "magnitude", lambda w: jnp.abs(known[-1].project(w)))
    assert {"signal", "leak"} & falsified(ROTATED, trials=1200)


@pytest.mark.parametrize(
    ("part", "change"),
    [
        ("noise", lambda found: 1.3 * found),
        ("signal", lambda found: found + 0.15),
        ("leak", lambda found: 1.3 * found),
    ],
    ids=["σ", "share of w", "dimensions"],
)
def test_other_laws_are_falsified(rotated_trials, part, change):
    claim, settings = ROTATED.parts[part], ROTATED.presets["course"]
    measured = rotated_trials.measured[part]
    for numbers, status in ((measured, "verified"), (change(measured), "falsified")):
        assert claim.judge(numbers, numbers, settings).status == status


@pytest.fixture(scope="module")
def rotated_trials():
    return simulate(ROTATED, ROTATED.presets["course"])


def test_networks_that_were_not_trained_are_not_judged():
    assert "margin reached" in missed(ROTATED, steps=1)


def test_what_is_pruned_is_a_share_of_the_weights_and_noise_across_them():
    """NumPy, without training: on average q of what is on P and of what is off it."""
    rng = np.random.default_rng(0)
    d, dim, draws = 8, 3, 20_000
    y = np.concatenate([[3.0, 0, 0], rng.normal(size=d - dim)])
    turns = np.linalg.qr(rng.normal(size=(draws, d, d)))[0]
    turns = turns * np.sign(rng.normal(size=(draws, 1, d)))
    w = turns @ y
    cut = np.abs(w) < np.median(np.abs(w), axis=1, keepdims=True)
    e = np.where(cut, w, 0)
    q = (e**2).sum(axis=1) / (y @ y)
    inside = np.einsum("nji,nj->ni", turns, e)  # Rᵀe
    rest = inside - q[:, None] * y
    unit = rest / (np.sqrt(q - q**2)[:, None] * np.linalg.norm(y))
    np.testing.assert_allclose((unit**2).sum(axis=1), 1)
    np.testing.assert_allclose(unit @ y, 0, atol=1e-12)
    across = np.eye(d) - np.outer(y, y) / (y @ y)
    spread = np.einsum("ni,nj->ij", unit, unit) / draws
    np.testing.assert_allclose(spread, across / (d - 1), atol=4 / np.sqrt(draws) / (d - 1))
    np.testing.assert_allclose(unit.mean(axis=0), 0, atol=4 / np.sqrt(draws * (d - 1)))
    # So of the energy pruned, the part on P is nearly that of any direction.
    share = (inside[:, :dim] ** 2).sum(axis=1) / (inside**2).sum(axis=1)
    signal = 9 / (y @ y)
    expected = q.mean() * signal + (1 - q.mean()) * (dim - signal) / (d - 1)
    assert share.mean() == pytest.approx(expected, abs=0.01)
