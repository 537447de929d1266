"""What a theorem can claim, and how trials decide it.

A claim is judged by a pure function of the trials' numbers, so a verdict is computed again from
stored trials at any time.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal, NamedTuple

import numpy as np

from theory.statistics import ALPHA, dkw_radius, fit_scaling, test_law, violation_bounds

Status = Literal["verified", "falsified", "consistent", "inconclusive", "not applicable"]


class Judgement(NamedTuple):
    """What the trials say of a claim.

    Attributes:
        status: the verdict, before assumptions are looked at.
        delta: the failure probability claimed; None for laws and scalings.
        violations: trials that violate the claim; None for laws and scalings.
        violation_bound: upper confidence bound on the violation rate; None likewise.
        detail: the further numbers of a law or a scaling, by name.
    """

    status: Status
    delta: float | None
    violations: int | None
    violation_bound: float | None
    detail: dict[str, float]


def never(settings: Any) -> float:
    """The failure probability of a deterministic claim: 0."""
    return 0.0


def _finite(predicted: np.ndarray) -> np.ndarray:
    """Predictions with NaN for infinity: a prediction without a value is met by nothing."""
    return np.where(np.isfinite(predicted), predicted, np.nan)


def _count(violated: np.ndarray, delta: float, alpha: float) -> Judgement:
    violations = int(violated.sum())
    lower, upper = violation_bounds(violations, len(violated), alpha)
    if delta == 0:
        status = "falsified" if violations else "verified"
    elif delta >= 1:
        status = "inconclusive"  # nothing is claimed, so nothing can be verified
    else:
        status = "verified" if upper <= delta else "falsified" if lower > delta else "inconclusive"
    return Judgement(status, delta, violations, upper, {})


@dataclass(frozen=True)
class AtLeast:
    """measured ≥ predicted, except with probability ``failure(settings)``.

    Attributes:
        failure: the failure probability δ as a function of the settings; 0 if deterministic.
        ulps: rounding allowed, in machine epsilons of ``predicted``.
    """

    failure: Callable[[Any], float] = never
    ulps: float = 64

    def judge(self, measured, predicted, settings, alpha: float = ALPHA) -> Judgement:
        """Judge trials: ``measured`` and ``predicted`` of shape (n,); NaN is a violation."""
        predicted = _finite(predicted)
        slack = self.ulps * np.finfo(predicted.dtype).eps * np.abs(predicted)
        return _count(~(measured >= predicted - slack), float(self.failure(settings)), alpha)


@dataclass(frozen=True)
class AtMost:
    """measured ≤ predicted, except with probability ``failure(settings)``.

    Attributes:
        failure: the failure probability δ as a function of the settings; 0 if deterministic.
        ulps: rounding allowed, in machine epsilons of ``predicted``.
    """

    failure: Callable[[Any], float] = never
    ulps: float = 64

    def judge(self, measured, predicted, settings, alpha: float = ALPHA) -> Judgement:
        """Judge trials: ``measured`` and ``predicted`` of shape (n,); NaN is a violation."""
        predicted = _finite(predicted)
        slack = self.ulps * np.finfo(predicted.dtype).eps * np.abs(predicted)
        return _count(~(measured <= predicted + slack), float(self.failure(settings)), alpha)


@dataclass(frozen=True)
class Identity:
    """Two quantities are equal up to rounding.

    A trial's ``predicted`` is the scale of the numbers compared, its ``measured`` the size of
    their difference; the claim is measured ≤ ulps·ε·predicted with ε the machine epsilon.

    Attributes:
        ulps: rounding allowed, in machine epsilons of the scale.
    """

    ulps: float = 64

    def judge(self, measured, predicted, settings, alpha: float = ALPHA) -> Judgement:
        """Judge trials: ``measured`` and ``predicted`` of shape (n,); NaN is a violation."""
        bound = self.ulps * np.finfo(predicted.dtype).eps * _finite(predicted)
        return _count(~(measured <= bound), 0.0, alpha)


@dataclass(frozen=True)
class Law:
    """measured follows the distribution with this distribution function.

    "Verified" means: not rejected, and the empirical law within the DKW radius of the claimed
    one. With so few trials that the radius exceeds ``resolution`` it is inconclusive instead.

    Attributes:
        cdf: ``cdf(values, settings)`` of the claimed law.
        resolution: the largest DKW radius with which the law counts as verified.
    """

    cdf: Callable[[np.ndarray, Any], np.ndarray]
    resolution: float = 0.17

    def judge(self, measured, predicted, settings, alpha: float = ALPHA) -> Judgement:
        """Judge trials: ``measured`` of shape (n,); a value that is not finite falsifies."""
        if not np.isfinite(measured).all():
            return Judgement("falsified", None, None, None, {})
        test = test_law(measured, lambda values: self.cdf(values, settings), alpha)
        if test.p_value < alpha:
            status = "falsified"
        elif max(test.distance, dkw_radius(len(measured), alpha)) <= self.resolution:
            status = "verified"
        else:
            status = "inconclusive"
        return Judgement(status, None, None, None, test._asdict())


@dataclass(frozen=True)
class Scaling:
    """The average of measured grows as a power of the size, over ≥ 5 sizes and a held-out one.

    The average is the power mean with power ``power``: for measured ∝ 1/√χ²_ℓ the power −2 has
    no finite-size bias, where the plain mean has. "Consistent" needs the exponent's whole
    interval within ``tolerance`` of the claimed one, and the held-out size, predicted from the
    others, no further off than an exponent wrong by ``tolerance`` would put it.

    Attributes:
        exponent: the exponent claimed.
        tolerance: how far from it still counts as agreeing on the range tried.
        power: power of the mean over trials.
    """

    exponent: float
    tolerance: float = 0.02
    power: float = -2.0

    def judge(self, measured, predicted, settings, alpha: float = ALPHA) -> Judgement:
        """Judge trials: ``measured`` of shape (n, sizes), at ``settings.sizes``, largest last."""
        sizes = np.asarray(settings.sizes, float)
        with np.errstate(divide="ignore"):
            moments = measured**self.power  # a zero has no power mean of negative power
        if not np.isfinite(moments).all():
            return Judgement("falsified", None, None, None, {})
        if not (moments.std(axis=0) > 0).all():  # no spread, no standard error
            return Judgement("inconclusive", None, None, None, {})
        mean = moments.mean(axis=0)
        errors = moments.std(axis=0, ddof=1) / np.sqrt(len(measured)) / mean / abs(self.power)
        fit = fit_scaling(sizes, np.log(mean) / self.power, errors, alpha)
        reach = self.tolerance * (np.log(sizes[-1]) - np.log(sizes[:-1]).mean())
        intervals = [
            (fit.low - self.exponent, fit.high - self.exponent, self.tolerance),
            (fit.held_out_low, fit.held_out_high, reach),
        ]
        if any(low > bound or high < -bound for low, high, bound in intervals):
            status = "falsified"
        elif all(-bound <= low and high <= bound for low, high, bound in intervals):
            status = "consistent"
        else:
            status = "inconclusive"
        return Judgement(status, None, None, None, fit._asdict())


Claim = AtLeast | AtMost | Identity | Law | Scaling
