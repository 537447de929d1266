"""The statistics against closed forms, and the sample sizes against what they promise."""

import math

import numpy as np
import pytest
from scipy import stats

from theory.statistics import (
    ALPHA,
    dkw_radius,
    fit_scaling,
    sample_size,
    smallest_deviation,
    test_law,
    unseen_rate,
    violation_bounds,
)

# pytest would collect the library's function as a test of its own.
check_law = test_law
del test_law


@pytest.mark.parametrize(("violations", "trials"), [(0, 135), (3, 264), (17, 40), (40, 40)])
def test_clopper_pearson_is_the_beta_quantile(violations, trials):
    lower, upper = violation_bounds(violations, trials)
    beta = stats.beta.ppf
    exact_lower = beta(ALPHA, violations, trials - violations + 1) if violations else 0.0
    exact_upper = beta(1 - ALPHA, violations + 1, trials - violations) if trials > violations else 1
    # Both are solutions of the same equation; SciPy finds one by root search to about 1e-12.
    assert lower == pytest.approx(exact_lower, abs=1e-9)
    assert upper == pytest.approx(exact_upper, abs=1e-9)


def test_zero_violations_need_135_and_688_trials():
    assert sample_size(0.05).trials == math.ceil(math.log(ALPHA) / math.log(0.95)) == 135
    assert sample_size(0.01).trials == math.ceil(math.log(ALPHA) / math.log(0.99)) == 688


@pytest.mark.parametrize("ell", [32, 48, 74])
@pytest.mark.parametrize("side", ["lower", "upper"])
def test_a_sample_size_is_enough_and_not_more_than_needed(ell, side):
    delta = math.exp(-ell / 16)
    rate = stats.chi2.cdf(ell / 2, ell) if side == "lower" else stats.chi2.sf(2 * ell, ell)
    plan = sample_size(delta, float(rate))
    assert violation_bounds(plan.violations_allowed, plan.trials)[1] <= delta
    assert violation_bounds(plan.violations_allowed, plan.trials - 1)[1] > delta
    assert stats.binom.cdf(plan.violations_allowed, plan.trials, rate) >= 0.999


def test_sample_size_refuses_a_rate_that_cannot_be_verified():
    with pytest.raises(ValueError, match="rate"):
        sample_size(0.05, rate=0.05)


def test_law_test_detects_what_it_says():
    """A law further off than ``detectable`` is rejected in (almost) every run."""
    rng = np.random.default_rng(0)
    detectable = check_law(rng.uniform(size=135), stats.uniform.cdf).detectable
    shift = detectable + 0.01
    p_values = [
        check_law(shift + (1 - shift) * rng.uniform(size=135), stats.uniform.cdf).p_value
        for _ in range(300)
    ]
    assert max(p_values) < ALPHA
    assert detectable == 2 * dkw_radius(135)


def test_scaling_interval_covers_as_promised():
    """Coverage over 2000 fits with known noise; Bonferroni makes it at least 1 − alpha."""
    rng = np.random.default_rng(1)
    sizes = 2.0 ** np.arange(3, 10)
    errors = np.linspace(0.05, 0.01, 7)
    alpha, missed = 0.05, 0
    for _ in range(2000):
        values = 1.0 - 0.5 * np.log(sizes) + errors * rng.standard_normal(7)
        fit = fit_scaling(sizes, values, errors, alpha)
        missed += not (fit.low <= -0.5 <= fit.high and fit.held_out_low <= 0 <= fit.held_out_high)
    assert stats.binomtest(missed, 2000, alpha, alternative="greater").pvalue > 1e-4
    assert missed > 0


def test_the_interval_at_the_held_out_size_has_its_own_error():
    """With all other errors tiny its half width is z·σ of the held-out size alone."""
    sizes = 2.0 ** np.arange(3, 10)
    errors = np.full(7, 1e-9)
    errors[-1] = 0.1
    fit = fit_scaling(sizes, -0.5 * np.log(sizes), errors, alpha=0.05)
    assert fit.held_out_high - fit.held_out == pytest.approx(0.1 * 2.2414027276, rel=1e-6)


@pytest.mark.parametrize("trials", [1, 20, 688])
def test_a_rate_that_would_have_shown(trials):
    assert (1 - unseen_rate(trials)) ** trials == pytest.approx(0.001)


def test_smallest_deviation():
    assert smallest_deviation(lambda t: 0.1 * t, 0.5) == pytest.approx(5)
    assert smallest_deviation(lambda t: 0.001 * t, 0.5) is None


def test_scaling_needs_six_sizes():
    with pytest.raises(ValueError, match="five sizes"):
        fit_scaling(np.arange(1, 6.0), np.zeros(5), np.ones(5))
