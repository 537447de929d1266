"""Attacks that know the defence: each finds what the one before it cannot, and says the truth."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from theory.attacks import malt
from theory.attacks.losses import misclassified
from theory.energy.adaptive import RUNGS, climb, kept, ladder, published
from theory.energy.conditions import Local, condition, gain, local, log_ratio, weights
from theory.energy.et3 import Defended
from theory.networks import mlp

KEY = jax.random.key(0)
EPS = 0.1
FEW: dict[str, Any] = {"steps": 10, "restarts": 1, "queries": 60, "targets": 2}


@pytest.fixture(scope="module")
def scene():
    """Points that a network behind ET3 has right."""
    net = mlp(KEY, (6, 24, 4))
    net = net._replace(weights=(net.weights[0], 6 * net.weights[1]))
    x = jax.random.uniform(jax.random.key(1), (40, 6))
    # Logits of mean 0, so that no class is everywhere the first.
    net = net._replace(biases=(net.biases[0], net.biases[1] - net.logits(x).mean(axis=0)))
    by = Defended(net.logits, 0.2, 0.1)
    return net, by, x, by(x).argmax(1)


@pytest.fixture(scope="module")
def found(scene):
    _, by, x, y = scene
    return ladder(by, jax.random.key(2), x, y, eps=EPS, **FEW)


def test_every_success_is_one_of_the_defended_classifier(scene, found):
    _, by, x, y = scene
    assert tuple(found) == RUNGS
    for rung, one in found.items():
        off = np.abs(one.inputs - x)
        assert off.max() <= EPS * (1 + 1e-12), rung
        assert one.inputs.min() >= 0 and one.inputs.max() <= 1
        np.testing.assert_array_equal(misclassified(by(one.inputs), y), one.success, rung)
        np.testing.assert_array_equal(one.inputs[~one.success], x[~one.success])
        assert one.success.any() and not one.misclassified.any(), rung
    everywhere = np.all([~one.success for one in found.values()], axis=0)
    np.testing.assert_array_equal(kept(found.values()), everywhere)


def test_who_knows_the_defence_finds_what_transfers_do_not(found):
    fell = {rung: int(one.success.sum()) for rung, one in found.items()}
    assert fell["unrolled"] > fell["transfer"]
    assert fell["unrolled"] >= fell["square"]
    assert fell["breaking"] > 0.7 * fell["unrolled"]  # from a random start alone hardly any falls


def test_images_that_the_classifier_alone_has_wrong_are_not_attacked_by_transfer(scene, found):
    net, _, x, y = scene
    wrong = np.asarray(net.logits(x).argmax(1) != y)
    transfer = found["transfer"]
    assert wrong.any() and not transfer.success[wrong].any()
    assert np.all(np.asarray(transfer.gradients)[wrong] == 0)
    assert found["unrolled"].success[wrong].any()


def test_the_classifier_alone_falls_to_every_rung_alike(scene):
    """Without a defence its gradient is not masked by the program that could have defended it."""
    net, by, x, _ = scene
    y = net.logits(x).argmax(1)
    alone = by.alone()
    fell = {
        rung: int(climb(rung, alone, KEY, x, y, EPS, **FEW).success.sum())
        for rung in ("transfer", "identity", "unrolled")
    }
    assert len(set(fell.values())) == 1 and fell["transfer"] > 10


def test_a_larger_set_of_labels_may_guide(scene):
    net, by, x, _ = scene
    guided = replace(by, guide=lambda x: net.logits(x)[:, :2])
    assert not np.allclose(guided.transform(x), by.transform(x))
    same = replace(by, guide=net.logits)
    np.testing.assert_array_equal(same.transform(x), by.transform(x))


def test_bad_counts_are_named(scene):
    _, by, x, y = scene
    with pytest.raises(ValueError, match="restarts is 0 and must be an integer"):
        climb("breaking", by, KEY, x, y, restarts=0)


def test_conditions_are_those_of_numpy(scene):
    net, _, x, y = scene
    at = local(net.logits, x)
    of, radius = weights(at, y), jnp.full(len(x), 0.7)
    left, grown = condition(of, radius), gain(of, radius)
    ratio = log_ratio(net.logits, x, y)
    for i in range(5):
        z, t = np.asarray(at.z[i]), int(y[i])
        g = np.asarray(jax.jacobian(lambda x: net.logits(x[None])[0])(x[i]))
        np.testing.assert_allclose(at.g[i], g, atol=1e-12)
        e = np.exp(z) / np.exp(z).sum()
        own = e[t] * np.linalg.norm(g[t])
        for j in {*range(4)} - {t}:
            kappa = max(e[j], e[t]) * np.linalg.norm(g[j]) / own
            rest = sum(e[k] * g[k] for k in range(4) if k not in (j, t))
            v = np.linalg.norm(rest) / own
            behind = max(0, z[j] - z[t]) / (0.7 * np.linalg.norm(g[t]))
            assert float(left[i, j]) == pytest.approx(kappa + np.hypot(v, behind))
            root = np.sqrt(max(0, 1 - kappa) ** 2 - v**2) if kappa + v <= 1 else 0
            assert float(grown[i, j]) == pytest.approx(0.7 * np.linalg.norm(g[t]) * root)
        other = np.argsort(-np.where(np.arange(4) == t, -np.inf, z))[0]
        u = e[other] * np.linalg.norm(g[other]) / own
        assert float(ratio[i]) == pytest.approx(np.log(u))


def test_dead_classes_do_not_break_the_conditions():
    at = Local(jnp.array([[0.0, 1.0, -99.0]]), jnp.array([[[1.0, 0], [0.1, 0], [0, 0]]]))
    left = condition(weights(at, jnp.array([0])), jnp.array([9.0]))
    assert np.isfinite(left).all() and left[0, 2] < left[0, 1] < 1
    flat = log_ratio(lambda x: 0 * x, jnp.ones((1, 2)), jnp.array([0]))
    assert float(flat[0]) == 0


def test_the_published_protocol_is_the_worse_of_two_attacks():
    """What a transferred attack alone fells is not kept, nor what the identity gradient does."""
    net = mlp(jax.random.key(0), (6, 24, 4))
    net = net._replace(weights=(net.weights[0], 3 * net.weights[1]))
    x = jax.random.uniform(jax.random.key(1), (600, 6), minval=0.2, maxval=0.8)
    net = net._replace(biases=(net.biases[0], net.biases[1] - net.logits(x).mean(axis=0)))
    by = Defended(net.logits, 1.2, 0.6)
    y = by(x).argmax(axis=1)
    options: dict[str, Any] = {"eps": 0.2, "steps": 8, "targets": 3, "order": "logits"}
    key = jax.random.key(2)
    transferred = by(malt(net.logits, key, x, y, **options).inputs).argmax(axis=1) == y
    identity = ~malt(replace(by, backward="identity"), key, x, y, **options).success
    both = np.asarray(transferred) & np.asarray(identity)
    assert np.any(transferred & ~both) and np.any(identity & ~both) and np.any(both)
    options.pop("order")
    np.testing.assert_array_equal(published(by, key, x, y, **options), both)
