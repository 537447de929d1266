"""Error control: exact binomial bounds, law tests, scaling fits, sample sizes."""

import math
from collections.abc import Callable
from typing import NamedTuple

import numpy as np
from scipy import optimize, special, stats

ALPHA = 0.001
"""The level of every verdict: each one errs with at most this probability."""


def violation_bounds(violations: int, trials: int, alpha: float = ALPHA) -> tuple[float, float]:
    """One-sided Clopper-Pearson bounds on a violation rate, each at level ``alpha``.

    Args:
        violations: trials in which the claim failed.
        trials: independent trials, at least 1.
        alpha: probability with which either bound may be on the wrong side.

    Returns:
        (lower, upper).

    Example:
        >>> lower, upper = violation_bounds(0, 135)
        >>> lower, upper < 0.05
        (0.0, True)
    """

    kept = trials - violations
    lower = special.betaincinv(violations, kept + 1, alpha) if violations else 0.0
    upper = special.betaincinv(violations + 1, kept, 1 - alpha) if kept else 1.0
    return float(lower), float(upper)


def unseen_rate(trials: int, alpha: float = ALPHA) -> float:
    """The violation rate of which these trials would have shown one with probability 1 − α.

    Example:
        >>> round(unseen_rate(135), 4), round(unseen_rate(688), 4)
        (0.0499, 0.01)
    """
    return 1 - alpha ** (1 / trials)


class SampleSize(NamedTuple):
    """A plan fixed before the run: how many trials, and how many of them may violate."""

    trials: int
    violations_allowed: int


def sample_size(
    delta: float, rate: float = 0.0, alpha: float = ALPHA, power: float = 0.999
) -> SampleSize:
    """The fewest trials with which a claim of failure probability δ can be verified.

    Verified means that the upper bound of `violation_bounds` is at most δ. A violation rate
    below δ that is not zero must be allowed for: with ``rate`` the claim's true one, the verdict
    is "verified" with probability at least ``power``.

    Args:
        delta: the failure probability claimed, in (0, 1).
        rate: the true violation rate expected, below ``delta``.
        alpha: level of the verdict.
        power: the probability of "verified" wanted at ``rate``.

    Example:
        >>> sample_size(0.05), sample_size(0.01)
        (SampleSize(trials=135, violations_allowed=0), SampleSize(trials=688, violations_allowed=0))
    """
    if not 0 <= rate < delta < 1:
        raise ValueError(f"need 0 <= rate < delta < 1, got rate {rate} and delta {delta}")
    allowed = 0
    while True:
        # P(Bin(n, δ) ≤ c) ≤ α is the Clopper-Pearson condition; n is its smallest solution.
        low, high = allowed, 1 + allowed
        while stats.binom.cdf(allowed, high, delta) > alpha:
            low, high = high, 2 * high
        while high - low > 1:
            middle = (low + high) // 2
            enough = stats.binom.cdf(allowed, middle, delta) <= alpha
            low, high = (low, middle) if enough else (middle, high)
        if stats.binom.cdf(allowed, high, rate) >= power:
            return SampleSize(high, allowed)
        allowed += 1


def dkw_radius(trials: int, alpha: float = ALPHA) -> float:
    """The Dvoretzky-Kiefer-Wolfowitz-Massart radius √(ln(2/α)/2n) of an empirical law.

    Example:
        >>> round(dkw_radius(135), 3), round(dkw_radius(688), 3)
        (0.168, 0.074)
    """
    return math.sqrt(math.log(2 / alpha) / (2 * trials))


class LawTest(NamedTuple):
    """A Kolmogorov-Smirnov test of samples against a law.

    Attributes:
        distance: sup-distance between the empirical and the claimed distribution function.
        p_value: exact p-value of that distance under the law.
        radius: the true law is within ``distance + radius`` of the claimed one, at level alpha.
        detectable: any law at least this far off is rejected with probability 1 − alpha.
    """

    distance: float
    p_value: float
    radius: float
    detectable: float


def test_law(samples: np.ndarray, cdf: Callable, alpha: float = ALPHA) -> LawTest:
    """Test independent samples, shape (n,), against a distribution function.

    Example:
        >>> samples = stats.norm.ppf((np.arange(200) + 0.5) / 200)
        >>> round(test_law(samples, stats.norm.cdf).distance, 4)
        0.0025
    """
    result = stats.kstest(samples, cdf)
    radius = dkw_radius(len(samples), alpha)
    return LawTest(float(result.statistic), float(result.pvalue), radius, 2 * radius)


def smallest_deviation(
    distance: Callable[[float], float], enough: float, most: float = 100.0
) -> float | None:
    """The smallest t > 0 at which a growing distance is large enough.

    Args:
        distance: of t.
        enough: the distance asked for.
        most: the largest t looked at.

    Returns:
        t; None where ``most`` is not far enough.

    Example:
        >>> round(smallest_deviation(lambda t: t**2, 0.25), 6)
        0.5
    """
    if distance(most) < enough:
        return None
    return optimize.root_scalar(lambda t: distance(t) - enough, bracket=(0.0, most)).root


class ScalingFit(NamedTuple):
    """A power law fitted over sizes, and how far a larger size lies from it.

    Attributes:
        exponent: the slope of log value against log size.
        low, high: its two-sided interval at level alpha/2.
        held_out: log(measured / predicted) at the held-out size.
        held_out_low, held_out_high: its two-sided interval at level alpha/2.
    """

    exponent: float
    low: float
    high: float
    held_out: float
    held_out_low: float
    held_out_high: float


def fit_scaling(
    sizes: np.ndarray, log_values: np.ndarray, errors: np.ndarray, alpha: float = ALPHA
) -> ScalingFit:
    """Fit log value = a + b·log size to all sizes but the last, and predict the last.

    Args:
        sizes: at least six sizes, shape (s,), the largest last; the last one is held out.
        log_values: log of the value at each size, shape (s,).
        errors: standard errors of ``log_values``, shape (s,).
        alpha: the two intervals together miss with at most this probability (Bonferroni).

    Example:
        >>> sizes = 2.0 ** np.arange(1, 8)
        >>> fit = fit_scaling(sizes, -0.5 * np.log(sizes), np.full(7, 0.01))
        >>> round(fit.exponent, 6), abs(fit.held_out) < 1e-6
        (-0.5, True)
    """
    if len(sizes) < 6:
        raise ValueError(f"a scaling needs five sizes and a held-out one, got {len(sizes)} in all")
    x = np.log(sizes)
    (a, b), covariance = optimize.curve_fit(
        lambda x, a, b: a + b * x,
        x[:-1],
        log_values[:-1],
        p0=(0.0, 0.0),
        sigma=errors[:-1],
        absolute_sigma=True,
    )
    z = stats.norm.isf(alpha / 4)
    spread = z * math.sqrt(covariance[1, 1])
    gradient = np.array([1.0, x[-1]])
    miss = log_values[-1] - (a + b * x[-1])
    miss_spread = z * math.sqrt(gradient @ covariance @ gradient + errors[-1] ** 2)
    fit = (b, b - spread, b + spread, miss, miss - miss_spread, miss + miss_spread)
    return ScalingFit(*map(float, fit))
