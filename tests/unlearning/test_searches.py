"""What searches for worst cases find where it is known, and false lemmas that they falsify."""

from dataclasses import replace
from functools import wraps
from itertools import islice

import jax
import numpy as np
import pytest
from scipy.special import lambertw

from experiments.results.worst import recheck
from theory.theorem import verify
from theory.unlearning.theorems import linear_exact, slackness_decay, two_layer
from theory.worst import hunt

KEY = jax.random.key(3)


def worst(theorem, part):
    """What few strategies find, by NumPy, and whether it violates the claim."""
    search = hunt(theorem, part, KEY, restarts=4, population=32)
    scene = list(islice(search, 3))[-1].scene
    return recheck(theorem, theorem.search, part, jax.tree.map(np.asarray, scene))


@pytest.mark.slow
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

    @wraps(theorem.trial)
    def trial(*args, **numbers):
        return lower(theorem.trial(*args, **numbers))

    search = theorem.search
    return replace(
        theorem,
        trial=trial,
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
