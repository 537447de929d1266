"""Planted errors of the sizes promised, each caught at the stated number of trials."""

from dataclasses import replace

import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from theory.claims import AtLeast, AtMost, Identity, Law
from theory.statistics import sample_size
from theory.subspace.settings import Settings
from theory.subspace.theorems import (
    bounded_gradient,
    gradient_law,
    large_gradient,
    small_initialisation,
    weight_decay,
)
from theory.theorem import WHOLE, simulate

COURSE = gradient_law.theorem.presets["course"]
NORM = gradient_law.theorem.parts["norm"]


@pytest.fixture(scope="module")
def statistics():
    """‖Π∇N‖²m/(kσ²) of the course preset's 688 networks, simulated once."""
    return simulate(gradient_law.theorem, COURSE, seed=11).measured["norm"]


@pytest.mark.slow
@pytest.mark.parametrize("factor", [0.9, 1.1])
def test_a_variance_off_by_a_tenth_is_caught(statistics, factor):
    judgement = NORM.judge(statistics * factor, statistics, COURSE)
    assert judgement.status == "falsified"
    right = NORM.judge(statistics, statistics, COURSE)
    assert right.status == "verified"


@pytest.mark.parametrize("factor", [0.9, 1.1])
def test_a_dimension_off_by_a_tenth_is_caught(statistics, factor):
    claim = Law(lambda values, settings: stats.chi2.cdf(values, settings.ell * factor))
    assert claim.judge(statistics, statistics, COURSE).status == "falsified"


@pytest.mark.slow
@pytest.mark.parametrize("factor", [0.9, 1.1])
def test_power_against_a_tenth_is_at_least_999_in_1000(factor):
    """2000 simulated runs at the course preset's number of trials: at most 8 misses.

    Were the power below .999, more than 8 misses would still be likely only above 4 in 1000.
    """
    rng = np.random.default_rng(0)
    draws = rng.chisquare(COURSE.ell, size=(2000, COURSE.trials)) * factor
    claim = NORM
    missed = sum(claim.judge(row, row, COURSE).status != "falsified" for row in draws)
    assert missed <= 8


@pytest.mark.parametrize(
    ("theorem", "side"),
    [(large_gradient.theorem, "lower"), (bounded_gradient.theorem, "upper")],
    ids=["S3", "S3'"],
)
def test_a_bound_at_105_percent_of_the_quantile_is_caught(theorem, side):
    """The exact δ-quantile of the norm, moved by 5 % to the wrong side, at the paper preset's N."""
    settings = theorem.presets["paper"]
    delta = theorem.claim.failure(settings)
    quantile = np.sqrt(stats.chi2.ppf(delta if side == "lower" else 1 - delta, settings.ell))
    rng = np.random.default_rng(1)
    norms = np.sqrt(rng.chisquare(settings.ell, size=(500, settings.trials)))
    moved = np.full(settings.trials, quantile * (1.05 if side == "lower" else 1 / 1.05))
    claim = {"lower": AtLeast, "upper": AtMost}[side](failure=lambda _: delta)
    statuses = [claim.judge(row, moved, settings).status for row in norms]
    assert "verified" not in statuses
    # Never verified; and falsified outright in all but a few.
    assert statuses.count("falsified") > 400


class OneStepLess(Settings):
    """Settings whose decay factor, to the power T, is the true one to the power T − 1."""

    @property
    def decay_factor(self):
        return super().decay_factor ** (1 - 1 / self.steps)


def test_an_exponent_off_by_one_step_is_caught_by_the_identity():
    theorem = weight_decay.theorem
    settings = theorem.presets["smoke"]
    wrong = OneStepLess(**vars(settings))
    assert isinstance(theorem.claim, Identity)
    for used, status in ((settings, "verified"), (wrong, "falsified")):
        trials = simulate(theorem, used)
        judged = theorem.parts[WHOLE].judge(
            trials.measured[WHOLE], trials.predicted[WHOLE], settings
        )
        assert judged.status == status


def test_a_missing_square_root_is_caught():
    """The bound √(kℓ/2md) with ℓ in place of √ℓ."""
    theorem = large_gradient.theorem
    settings = theorem.presets["smoke"]
    trials = simulate(theorem, settings)
    wrong = trials.predicted[WHOLE] * np.sqrt(settings.ell / 2)
    assert theorem.parts[WHOLE].judge(trials.measured[WHOLE], wrong, settings).status == "falsified"


@pytest.mark.parametrize("preset", ["smoke", "course", "paper"])
@pytest.mark.parametrize(
    "theorem",
    [large_gradient.theorem, bounded_gradient.theorem, small_initialisation.theorem],
    ids=lambda theorem: theorem.name,
)
def test_trials_suffice_for_the_stated_delta(theorem, preset):
    """Each preset verifies a true theorem with probability ≥ .999, by its exact χ² tail."""
    settings = theorem.presets[preset]
    lower = isinstance(theorem.claim, AtLeast)
    tail = stats.chi2.cdf(settings.ell / 2, settings.ell)
    rate = tail if lower else stats.chi2.sf(2 * settings.ell, settings.ell)
    plan = sample_size(theorem.claim.failure(settings), float(rate))
    assert settings.trials >= plan.trials


@pytest.mark.slow
def test_rescaling_the_initialisation_rescales_the_gradient():
    """S6: at fixed k the norm is linear in β; on-P training only changes which neurons fire."""
    theorem = small_initialisation.theorem
    base = theorem.presets["smoke"]
    norms = []
    for factor in (1.0, 10.0):
        trials = simulate(theorem, replace(base, scale=base.sigma * factor, trials=400))
        norms.append(np.mean((trials.measured[WHOLE] / trials.predicted[WHOLE]) ** 2))
    # Both are χ²_ℓ/2ℓ with mean ½; 400 draws have a standard error of 0.6 %.
    assert np.allclose(jnp.asarray(norms), 0.5, rtol=0.05)
