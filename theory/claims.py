"""What a theorem can claim, and how trials decide it.

A claim is judged by a pure function of the trials' numbers, so a verdict is computed again from
stored trials at any time.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal, NamedTuple

import numpy as np

from theory.statistics import (
    ALPHA,
    dkw_radius,
    fit_scaling,
    smallest_deviation,
    test_law,
    unseen_rate,
    violation_bounds,
)

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
    delta: float | None = None
    violations: int | None = None
    violation_bound: float | None = None
    detail: Mapping[str, float] = {}


Seen = dict[str, float | None]
"""What is false by this much would have been seen with probability 1 − α: the ``violation rate`` of
a deterministic claim; of a law the ``distance`` of another one, and the relative change of each of
its parameters, None where no change would. Empty for the others, whose "verified" has an error
probability of its own."""


def never(settings: Any) -> float:
    """The failure probability of a deterministic claim: 0."""
    return 0.0


def _finite(numbers: np.ndarray) -> np.ndarray:
    """Numbers with NaN for infinity, which compares with nothing: it has no value to meet."""
    return np.where(np.isfinite(numbers), numbers, np.nan)


@dataclass(frozen=True)
class Counted:
    """A claim of each trial by itself, except with probability ``failure(settings)``.

    Attributes:
        failure: the failure probability δ as a function of the settings; 0 if deterministic.
        ulps: rounding allowed, in machine epsilons of ``predicted``.
        says: the claim in mathematics, where it is one of several parts of a statement.
    """

    failure: Callable[[Any], float] = never
    ulps: float = 64
    says: str = ""
    over_sizes: ClassVar[bool] = False

    def holds(self, measured: np.ndarray, predicted: np.ndarray, slack: np.ndarray) -> np.ndarray:
        """Whether finite numbers keep the claim, with ``slack`` for rounding."""
        raise NotImplementedError

    def violated(self, measured: np.ndarray, predicted: np.ndarray) -> np.ndarray:
        """Which trials violate the claim, shape (n,); a number that is not finite does."""
        measured, predicted = _finite(measured), _finite(predicted)
        slack = self.ulps * np.finfo(predicted.dtype).eps * np.abs(predicted)
        return ~self.holds(measured, predicted, slack)

    def judge(
        self, measured, predicted, settings, alpha: float = ALPHA, parts: int = 1
    ) -> Judgement:
        """Judge trials: ``measured`` and ``predicted`` of shape (n,).

        Args:
            measured, predicted: of the trials that count.
            settings: of the trials.
            alpha: level.
            parts: of the statement. All must hold, so each may be verified at α; but any of them
                falsifies, at α in all.
        """
        delta, trials = float(self.failure(settings)), len(measured)
        violations = int(self.violated(measured, predicted).sum())
        lower, _ = violation_bounds(violations, trials, alpha / parts)
        _, upper = violation_bounds(violations, trials, alpha)
        if delta == 0:
            status = "falsified" if violations else "verified"
        elif delta >= 1:
            status = "inconclusive"  # nothing is claimed, so nothing can be verified
        else:
            status = (
                "verified" if upper <= delta else "falsified" if lower > delta else "inconclusive"
            )
        return Judgement(status, delta, violations, upper)

    def seen(self, measured, settings, alpha: float = ALPHA, parts: int = 1) -> Seen:
        """What these trials would have shown."""
        if self.failure(settings) > 0:
            return {}
        return {"violation rate": unseen_rate(len(measured), alpha)}

    def attained(self, settings, trials: int, alpha: float = ALPHA) -> Status:
        """The verdict on a true claim that no trial violates."""
        delta = float(self.failure(settings))
        decided = delta < 1 and (delta == 0 or violation_bounds(0, trials, alpha)[1] <= delta)
        return "verified" if decided else "inconclusive"


class AtLeast(Counted):
    """measured ≥ predicted, see `Counted`."""

    def holds(self, measured, predicted, slack):
        return measured >= predicted - slack


class AtMost(Counted):
    """measured ≤ predicted, see `Counted`."""

    def holds(self, measured, predicted, slack):
        return measured <= predicted + slack


class Identity(Counted):
    """Two quantities are equal up to rounding, see `Counted`.

    A trial's ``predicted`` is the scale of the numbers compared, its ``measured`` the size of
    their difference; the claim is measured ≤ ulps·ε·predicted with ε the machine epsilon.
    """

    def holds(self, measured, predicted, slack):
        return measured <= slack


Cdf = Callable[[np.ndarray, Any], np.ndarray]
"""``cdf(values, settings)``, a distribution function."""


@dataclass(frozen=True)
class Law:
    """measured follows the distribution with this distribution function.

    "Verified" means: not rejected, and the empirical law within the DKW radius of the claimed
    one. With so few trials that the radius exceeds ``resolution`` it is inconclusive instead.

    Attributes:
        cdf: of the claimed law.
        resolution: the largest DKW radius with which the law counts as verified.
        says: the law, where it is one of several parts of a statement.
        families: families of laws around the claimed one, ``(values, settings, t) ->`` distribution
            function, by the name of the parameter that is multiplied by 1 + t. The verdict says
            for each how small a change would have been seen.
    """

    cdf: Cdf
    resolution: float = 0.17
    says: str = ""
    families: Mapping[str, Callable[[np.ndarray, Any, float], np.ndarray]] = field(
        default_factory=dict
    )
    over_sizes: ClassVar[bool] = False

    def judge(self, measured, predicted, settings, alpha: float = ALPHA, parts: int = 1):
        """Judge trials: ``measured`` of shape (n,); a value that is not finite falsifies."""
        if not np.isfinite(measured).all():
            return Judgement("falsified")
        test = test_law(measured, lambda values: self.cdf(values, settings), alpha / parts)
        if test.p_value < alpha / parts:
            status = "falsified"
        elif max(test.distance, dkw_radius(len(measured), alpha)) <= self.resolution:
            status = "verified"
        else:
            status = "inconclusive"
        return Judgement(status, detail=test._asdict())

    def seen(self, measured, settings, alpha: float = ALPHA, parts: int = 1) -> Seen:
        """What these trials would have shown: they are rejected at twice the DKW radius."""
        if not np.isfinite(measured).all():
            return {}
        distance = 2 * dkw_radius(len(measured), alpha / parts)
        low, high = measured.min(), measured.max()
        values = np.linspace(2 * low - high, 2 * high - low, 4001)
        claimed = self.cdf(values, settings)
        return {"distance": distance} | {
            name: smallest_deviation(
                lambda t, of=of: np.abs(of(values, settings, t) - claimed).max(), distance
            )
            for name, of in self.families.items()
        }

    def attained(self, settings, trials: int, alpha: float = ALPHA) -> Status:
        """The verdict on a law that is true."""
        return "verified" if dkw_radius(trials, alpha) <= self.resolution else "inconclusive"


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
        says: the power law, where it is one of several parts of a statement.
    """

    exponent: float
    tolerance: float = 0.02
    power: float = -2.0
    says: str = ""
    over_sizes: ClassVar[bool] = True

    def judge(self, measured, predicted, settings, alpha: float = ALPHA, parts: int = 1):
        """Judge trials: ``measured`` of shape (n, sizes), at ``settings.sizes``, largest last."""
        sizes = np.asarray(settings.sizes, float)
        with np.errstate(divide="ignore"):
            moments = measured**self.power  # a zero has no power mean of negative power
        if not np.isfinite(moments).all():
            return Judgement("falsified")
        if not (moments.std(axis=0) > 0).all():  # no spread, no standard error
            return Judgement("inconclusive")
        mean = moments.mean(axis=0)
        errors = moments.std(axis=0, ddof=1) / np.sqrt(len(measured)) / mean / abs(self.power)
        fit = fit_scaling(sizes, np.log(mean) / self.power, errors, alpha / parts)
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
        return Judgement(status, detail=fit._asdict())

    def seen(self, measured, settings, alpha: float = ALPHA, parts: int = 1) -> Seen:
        """Nothing: "consistent" promises an error probability of its own."""
        return {}

    def attained(self, settings, trials: int, alpha: float = ALPHA) -> Status:
        """The verdict on a power law that is true."""
        return "consistent"


Claim = AtLeast | AtMost | Identity | Law | Scaling
