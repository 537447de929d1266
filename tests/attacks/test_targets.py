"""Distances against linear programs, the orders of targets, and MALT on the samples left."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from attacks.reference import compiled
from scipy.optimize import linprog

from theory.attacks import apgd, malt
from theory.attacks.distances import to_plane, to_plane_in_box, toward_plane
from theory.attacks.survivors import keys_of, stand
from theory.attacks.targets import aimed
from theory.networks import mlp

KEY = jax.random.key(0)
NORMS = ("linf", "l2", "l1")


def shortest(g, a, norm, x=None):
    """The least norm of δ with ⟨a, δ⟩ ≤ −g, and x + δ in [0, 1] if x is given: by HiGHS."""
    d = len(a)
    if norm == "linf":  # (δ, t): |δ_i| ≤ t
        cost, size = np.eye(d + 1)[d], np.vstack
        ends = size([np.c_[np.eye(d), -np.ones(d)], np.c_[-np.eye(d), -np.ones(d)]])
        rows, most = np.vstack([ends, np.append(a, 0)]), np.append(np.zeros(2 * d), -g)
        free = [(None, None)] * d if x is None else [(-v, 1 - v) for v in x]
        found = linprog(cost, rows, most, bounds=[*free, (0, None)])
    else:  # l1: δ = p − n
        found = linprog(np.ones(2 * d), np.append(a, -a)[None], [-g])
    return found.fun if found.status == 0 else np.inf


@pytest.mark.parametrize("norm", ["linf", "l1"])
def test_distances_are_those_of_linear_programs(norm):
    rng = np.random.default_rng(0)
    g, a = rng.exponential(size=20), rng.normal(size=(20, 12))
    right = [shortest(*pair, norm) for pair in zip(g, a, strict=True)]
    np.testing.assert_allclose(to_plane(jnp.asarray(g), jnp.asarray(a), norm), right, rtol=1e-12)


def test_in_a_box_they_are_too():
    rng = np.random.default_rng(1)
    x, a = rng.uniform(size=(60, 12)), rng.normal(size=(60, 12))
    x[:5] = np.round(x[:5])  # corners
    a[5:10, ::2] = 0
    g = 8 * rng.uniform(size=60) ** 2 - 0.1
    right = [shortest(g, a, "linf", x) if g > 0 else 0 for g, a, x in zip(g, a, x, strict=True)]
    assert 5 < np.isinf(right).sum() < 50 and (np.asarray(right) == 0).any()
    found = to_plane_in_box(jnp.asarray(g), jnp.asarray(a), jnp.asarray(x), (0.0, 1.0))
    np.testing.assert_allclose(found, right, rtol=1e-9, atol=1e-12)
    assert np.all(found >= to_plane(jnp.asarray(g), jnp.asarray(a), "linf") * (1 - 1e-12))


@pytest.mark.parametrize("norm", NORMS)
def test_the_step_to_the_plane_ends_on_it(norm):
    a = jax.random.normal(KEY, (5, 7))
    u = np.asarray(toward_plane(a, norm))
    s = np.asarray(to_plane(jnp.ones(5), a, norm))
    order = {"linf": np.inf, "l2": 2, "l1": 1}[norm]
    np.testing.assert_allclose(np.linalg.norm(u, ord=order, axis=1), 1, rtol=1e-12)
    np.testing.assert_allclose(1 + s * np.sum(a * u, axis=1), 0, atol=1e-12)


def test_a_plane_that_is_not_there_is_infinitely_far_and_one_passed_at_no_distance():
    nothing = jnp.zeros((2, 3))
    assert to_plane(jnp.array([1.0, -1.0]), nothing, "linf").tolist() == [np.inf, 0]
    x = jnp.full((2, 3), 0.5)
    box = to_plane_in_box(jnp.array([1.0, -1.0]), nothing, x, (0.0, 1.0))
    assert box.tolist() == [np.inf, 0]


# Logits that fall at different rates: of class 1 the logit is nearest, of class 2 the plane, and
# class 3 has no gradient at all.
SLOPES = jnp.diag(jnp.array([1.0, 1.0, 8.0, 0.0]))
OFFSETS = jnp.array([2.0, 1.2, -4.0, 1.1])


def uneven(x):
    return x @ SLOPES + jnp.broadcast_to(OFFSETS, x.shape)


@pytest.mark.parametrize(
    ("order", "first"),
    [("logits", [1, 3, 2]), ("malt", [2, 1, 3]), ("gradient", [2, 1, 3]), ("box", [2, 1, 3])],
)
def test_orders(order, first):
    x = jnp.array([[0.5, 0.5, 0.5, 0.5]])
    standing, z = stand(uneven, x, jnp.array([0]), batch=1)
    options = {"norm": "linf", "box": (0.0, 1.0), "candidates": 3, "targets": 3, "batch": 1}
    charged, found = aimed(
        uneven, standing, x, jnp.array([0]), z, keys_of(KEY, 1), order=order, **options
    )
    assert found[0].tolist() == first
    passes = 0 if order == "logits" else 3
    assert (int(charged.gradients[0]), int(charged.forwards[0])) == (passes, 1 + (passes > 0))


def test_random_orders_are_permutations_of_the_candidates_and_differ():
    x, y = jnp.full((50, 4), 0.5), jnp.zeros(50, int)
    standing, z = stand(uneven, x, y, batch=50)
    options = {"norm": "linf", "box": None, "candidates": 3, "targets": 3, "batch": 50}
    found = aimed(uneven, standing, x, y, z, keys_of(KEY, 50), order="random", **options)[1]
    assert {tuple(sorted(row)) for row in found.tolist()} == {(1, 2, 3)}
    assert len({tuple(row) for row in found.tolist()}) == 6


def test_the_first_target_of_malt_succeeds_where_the_naive_one_cannot():
    x, y = jnp.full((12, 4), 0.5), jnp.zeros(12, int)
    options: dict[str, Any] = {"eps": 0.3, "targets": 1, "steps": 20, "loss": "margin"}
    assert malt(uneven, KEY, x, y, **options).success.all()
    naive = malt(uneven, KEY, x, y, order="logits", **options).success
    # But for starts that happen to be in class 2.
    assert naive.sum() <= 6
    all_of_them = malt(uneven, KEY, x, y, **{**options, "targets": 3}, order="logits")
    late = all_of_them.runs == 3
    assert all_of_them.success.all() and late.sum() >= 6
    assert set(all_of_them.target[late].tolist()) == {2}


@pytest.fixture(scope="module")
def scene():
    net = mlp(jax.random.key(1), (6, 32, 5))
    x = jax.random.uniform(jax.random.key(2), (40, 6))
    return net, x, net.logits(x).argmax(1)


def test_targets_are_clipped_to_the_other_classes_and_said(scene):
    net, x, y = scene
    found = malt(net.logits, KEY, x, y, eps=0.1, targets=9, steps=5)
    assert (found.candidates, found.targets) == (4, 4)
    lost = ~found.success
    # Scores of 4 classes, and 6 points of each of 4 runs.
    assert set(found.gradients[lost].tolist()) == {4 + 4 * 6}
    assert set(found.forwards[lost].tolist()) == {1 + 1 + 4 * 6}
    assert np.all(found.gradients[found.success] <= 4 + 6 * found.runs[found.success])


def test_malt_is_apgd_on_one_target_after_the_other(scene):
    """Success needs no more than one of the runs to succeed, and counts no others."""
    net, x, y = scene
    found = malt(net.logits, KEY, x, y, eps=0.12, steps=20)
    assert 3 < int(found.success.sum()) < 37
    z = net.logits(found.inputs)
    assert np.array_equal(z.argmax(1) != y, found.success)
    one = apgd(
        net.logits, KEY, x, y, eps=0.12, steps=20,
        targets=jnp.where(found.success, found.target, (y + 1) % 5),
    )  # fmt: skip
    # Of those that fell to their first target another start nearly always succeeds as well.
    first = found.success & (found.runs == 1)
    assert one.success[first].mean() > 0.9


def test_all_calls_of_one_shape_are_one_program(scene):
    from theory.attacks.malt import _malt

    net, x, y = scene
    malt(net.logits, KEY, x, y, eps=0.1, steps=5)
    before = compiled(_malt)
    malt(mlp(KEY, (6, 32, 5)).logits, KEY, x, y, eps=0.2, steps=5, box=(-1.0, 2.0))
    assert compiled(_malt) == before


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"order": "box", "box": None}, "the order 'box' needs a box"),
        ({"order": "box", "norm": "l2"}, "the order 'box' needs a box"),
        ({"targets": 0}, "targets is 0 and must be an integer of at least 1"),
    ],
)
def test_options_that_cannot_be_are_refused(scene, options, said):
    net, x, y = scene
    with pytest.raises(ValueError, match=said):
        malt(net.logits, KEY, x, y, **options)
