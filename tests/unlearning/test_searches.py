"""Scenes in which worst cases are searched for: trials of them by NumPy, and what is found."""

from dataclasses import replace
from itertools import islice

import jax
import numpy as np
import pytest
from scipy.special import lambertw

from experiments.results.worst import recheck
from theory.theorem import as_margin, by_part, verify
from theory.unlearning.theorems import (
    forgotten_margin,
    linear,
    linear_exact,
    linear_set,
    projected_certificate,
    slackness_decay,
    two_layer,
    two_layer_derived,
    v_curve,
)
from theory.worst import hunt

SEARCHED = [
    linear,
    linear_exact,
    linear_set,
    forgotten_margin,
    two_layer,
    two_layer_derived,
    projected_certificate,
    v_curve,
    slackness_decay,
]
KEY = jax.random.key(3)
SCENES = 8


def agree(found, expected):
    """Numbers by name; 1e-12 is rounding of what is 0, and 1e-8 the solver of the multipliers.

    A network that is zero at a point has no slack, whoever computes it.
    """
    assert found.keys() == expected.keys()
    for name, value in found.items():
        right = pytest.approx(float(expected[name]), rel=1e-8, abs=1e-12, nan_ok=True)
        assert value == right, name


@pytest.mark.parametrize("module", SEARCHED, ids=lambda module: module.theorem.name)
def test_a_planted_trial_is_what_numpy_computes(module):
    search = module.theorem.search

    def one(key):
        scene = search.start(search.settings, key)
        return scene, search.trial(search.settings, scene)

    run = jax.jit(lambda keys: jax.lax.map(one, keys))
    scenes, trials = jax.device_get(run(jax.random.split(KEY, SCENES)))
    met = []
    for i in range(SCENES):
        scene, trial = jax.tree.map(lambda leaf, i=i: leaf[i], (scenes, trials))
        with np.errstate(all="ignore"):
            again = search.check(search.settings, scene)
        margins = {name: as_margin(value) for name, value in trial.assumptions.items()}
        met.append(trial.given and all(margin >= 0 for margin in margins.values()))
        if met[-1]:
            assert again.given
            agree(by_part(trial.measured), by_part(again.measured))
            agree(by_part(trial.predicted), by_part(again.predicted))
            agree(margins, again.assumptions)
    assert sum(met) > SCENES / 2


def worst(theorem, part):
    """What few strategies find, by NumPy, and whether it violates the claim."""
    search = hunt(theorem, part, KEY, restarts=4, population=32)
    scene = list(islice(search, 3))[-1].scene
    return recheck(theorem, theorem.search, part, jax.tree.map(np.asarray, scene))


def test_a_derived_bound_is_attained_and_not_violated_by_rounding():
    ratio, violated = worst(linear_exact.theorem, "ε")
    assert ratio == pytest.approx(1, abs=0.01) and not violated


@pytest.mark.slow
def test_lyu_and_lis_constant_is_three_quarters_attained():
    """For two points t apart the ratio is at most te^{1−t}/(1 + e^{−t}), whose maximum is eW(1/e),
    and comes near it where the margins are large."""
    largest = np.e * lambertw(1 / np.e).real
    ratio, _ = worst(slackness_decay.theorem, "statement")
    assert ratio is not None and 0.98 * largest < ratio < largest


def lowered(theorem, part, factor):
    """The theorem with one bound multiplied by a factor."""

    def lower(trial):
        return trial._replace(predicted=trial.predicted | {part: factor * trial.predicted[part]})

    search = theorem.search
    return replace(
        theorem,
        trial=lambda settings, key: lower(theorem.trial(settings, key)),
        search=search._replace(
            trial=lambda settings, scene: lower(search.trial(settings, scene)),
            check=lambda settings, scene: lower(search.check(settings, scene)),
        ),
    )


@pytest.mark.parametrize(
    ("module", "part", "factor"),
    [
        (linear_exact, "λ_max", 0.9),
        pytest.param(two_layer, "ε", 0.5, marks=pytest.mark.slow),
    ],
)
def test_a_false_lemma_that_random_trials_verify_is_falsified(module, part, factor):
    """A bound on multipliers a tenth too low; Theorem 4.1's ε with half of its constants."""
    false = lowered(module.theorem, part, factor)
    assert verify(false, false.presets["smoke"]).status == "verified"
    ratio, violated = worst(false, part)
    assert violated and ratio is not None and ratio > 1.05
