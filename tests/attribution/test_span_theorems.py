"""The theorems on gradients off the span of the texts: their scene, edges and power."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy import stats

from theory.attribution.scene import (
    active,
    draw_copies,
    draw_scene,
    off_span_gradients,
    train_copies,
)
from theory.attribution.settings import Settings
from theory.attribution.theorems import mean_gradient, off_span_cosine, training_input_law
from theory.claims import Law
from theory.theorem import simulate, verify

THEOREMS = [module.theorem for module in (off_span_cosine, mean_gradient, training_input_law)]
SMALL = {"tokens": 4, "d": 5, "samples": 6, "width": 12, "trials": 20}


@pytest.fixture(scope="module")
def trained():
    settings = Settings()
    key_scene, key_copies = jax.random.split(jax.random.key(0))
    scene = draw_scene(settings, key_scene)
    starts = draw_copies(settings, jax.random.split(key_copies, 3))
    return scene, starts, jax.jit(lambda start: train_copies(settings, scene, start))(starts)


def test_training_learns_in_the_span_and_only_there(trained):
    scene, starts, end = trained
    assert (end.margin >= 1).all() and (end.steps > 0).all()
    moved = end.network.w - starts.w
    assert jnp.linalg.norm(moved) > 0.1
    assert jnp.linalg.norm(scene.span.reject(moved)) < 1e-12 * jnp.linalg.norm(starts.w)


def test_gradients_are_those_of_the_initialisation_at_the_active_neurons(trained):
    scene, starts, end = trained
    x, basis = np.asarray(scene.x[0]), np.linalg.qr(np.asarray(scene.x).T)[0]
    gradients = off_span_gradients(end.network, scene.x[0], scene.span)
    for m, k in enumerate(active(end.network, scene.x[0])):
        on = np.asarray(end.network.w[m]) @ x > 0
        w, u = np.asarray(starts.w[m])[on], np.asarray(starts.u[m])[on]
        np.testing.assert_allclose(gradients[m], u @ (w - w @ basis @ basis.T), atol=1e-12)
        assert k == on.sum() > 0


def test_words_are_those_of_one_table():
    scene = draw_scene(Settings(vocabulary=3), jax.random.key(1))
    words = np.asarray(scene.x).reshape(-1, 8)
    assert len(np.unique(words, axis=0)) == 3


@pytest.mark.slow
@pytest.mark.parametrize("theorem", THEOREMS, ids=lambda theorem: theorem.name)
def test_dependent_texts_are_not_judged(theorem):
    settings = replace(theorem.presets["smoke"], vocabulary=1, steps=50, **SMALL)
    verdict = verify(theorem, settings)
    assert verdict.status == "not applicable"
    assert "ℓ = D − rank" in [a.name for a in verdict.assumptions if not a.holds]


def test_copies_without_an_active_neuron_are_skipped():
    theorem = off_span_cosine.theorem
    settings = replace(theorem.presets["smoke"], **SMALL | {"width": 1, "steps": 1})
    trials = simulate(theorem, settings)
    assert 0 < trials.given.sum() < settings.trials
    assert all(np.isfinite(numbers).all() for numbers in trials.measured.values())


def statuses(theorem, settings):
    """What the trials say of each part, assumptions left aside."""
    trials = simulate(theorem, settings)
    return {
        part: claim.judge(trials.measured[part], trials.predicted[part], settings).status
        for part, claim in theorem.parts.items()
    }


DECAYED = replace(Settings(**SMALL), weight_decay=0.01, steps=70, margin=float("inf"), trials=118)
"""Half of W_⊥ is left after 70 steps at rate 1."""


@pytest.mark.slow
def test_decay_changes_the_length_but_not_the_direction():
    cosine, length = off_span_cosine.theorem, training_input_law.theorem
    found = statuses(cosine, DECAYED)
    assert found["decay"] == "verified" and "falsified" not in found.values()
    found = statuses(length, DECAYED)
    assert found["norm"] == "falsified" and found["half"] != "falsified"
    assert verify(length, DECAYED).status == "not applicable"


def test_a_decay_of_the_other_sign_is_falsified(monkeypatch):
    right = optax.add_decayed_weights
    monkeypatch.setattr(optax, "add_decayed_weights", lambda decay: right(-decay))
    assert statuses(off_span_cosine.theorem, DECAYED)["decay"] == "falsified"


@pytest.mark.slow
@pytest.mark.parametrize("theorem", THEOREMS, ids=lambda theorem: theorem.name)
def test_untrained_copies_are_not_judged(theorem):
    settings = replace(theorem.presets["smoke"], **SMALL, learning_rate=1e-9, steps=3)
    verdict = verify(theorem, settings)
    assert verdict.status == "not applicable"
    missed = [a.name for a in verdict.assumptions if not a.holds]
    assert missed == ["margin reached", "moved on P"]


@pytest.mark.parametrize("part", ["axis", "half"])
def test_directions_that_are_not_alike_are_falsified(part):
    """Variances of ½ and 3/2 off P, which the norm hardly shows."""
    rng, ell, n = np.random.default_rng(0), 48, 688
    g = rng.normal(size=(n, ell)) * np.where(np.arange(ell) < ell // 2, 0.5, 1.5) ** 0.5
    claim, settings = training_input_law.theorem.claim, Settings()
    assert isinstance(claim, dict) and settings.ell == ell
    squares = g**2
    half = squares[:, : ell // 2].sum(axis=1) / squares.sum(axis=1)
    numbers = {"axis": g[:, 0], "half": half}[part]
    assert claim[part].judge(numbers, numbers, settings).status == "falsified"
    norm = squares.sum(axis=1)
    assert claim["norm"].judge(norm, norm, settings).status != "falsified"


def test_the_cosine_of_uniform_directions_has_the_law_claimed():
    settings = Settings(tokens=2, d=3, samples=4)
    angles = np.random.default_rng(0).uniform(0, 2 * np.pi, 500)
    claim = off_span_cosine.theorem.parts["cos²"]
    assert isinstance(claim, Law) and settings.ell == 2
    test = stats.kstest(np.cos(angles) ** 2, lambda values: claim.cdf(values, settings))
    assert test.pvalue > 0.001


@pytest.mark.parametrize(
    "changes, message",
    [
        ({"samples": 63}, "at most tokens \\* d - 2 = 62"),
        ({"scale": 0.0}, "scale is 0.0"),
        ({"learning_rate": float("inf")}, "learning_rate is inf"),
        ({"margin": 0.0}, "margin is 0.0"),
        ({"weight_decay": -1.0}, "weight_decay is -1.0"),
        ({"vocabulary": 0}, "vocabulary is 0"),
    ],
)
def test_settings_that_mean_nothing_are_refused(changes, message):
    with pytest.raises(ValueError, match=message):
        Settings(**changes)
