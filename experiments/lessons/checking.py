"""Exercises of the lesson “What does it mean to check a theorem?”.

The claim in all of them: x ~ N(0, I_ℓ) has ‖x‖² ≥ ℓ/2 with probability ≥ 1 − δ, δ = e^{−ℓ/16},
ℓ = 48; the level is α = .001.
"""

from collections.abc import Callable
from math import exp

import numpy as np
from scipy import stats

from experiments.lessons.exercise import Unsolved, exercise
from theory.statistics import violation_bounds

ELL = 48
DELTA = exp(-ELL / 16)
TRIALS = 135


@exercise(
    "A claim that fails in 5 % of trials or more would show no failure in 135 with probability at "
    "most .95¹³⁵ < .001. The suite says the same: theory.statistics.sample_size(.05)."
)
def trials_needed(answer: int) -> str | None:
    """The least n with (1 − .05)^n ≤ .001."""
    if answer == 135:
        return None
    if 134 <= answer < 135:
        return f"Almost: .95¹³⁴ is {0.95**134:.5f}, still above .001. Which way is n rounded?"
    if answer in (58, 59):
        return "This is for α = .05. How small does (1 − .05)ⁿ have to be here?"
    if answer in (2994, 2995):
        return "δ and α have changed places: it is δ that is the rate of failures."
    if answer == 20:
        return (
            f"With 20 trials one failure is expected, but none is seen with probability .95²⁰ = "
            f"{0.95**20:.2f}. Ask that this probability be at most .001."
        )
    if answer < 135:
        return f"Too few: without a failure in {answer} trials, .95ⁿ is {0.95**answer:.2g} > .001."
    return f"Enough, but not the fewest: .95ⁿ is {0.95**answer:.2g} already. Find the smallest n."


def status(violations: int, trials: int, delta: float) -> str:
    """What so many violations say of the claim that the rate is at most δ."""
    lower, upper = violation_bounds(violations, trials)
    return "verified" if upper <= delta else "falsified" if lower > delta else "inconclusive"


CASES: dict[tuple[int, int, float], tuple[str, str]] = {
    (0, 135, 0.05): ("verified", "no failure in 135: the upper bound is .0499, at most δ"),
    (0, 10, 0.05): ("inconclusive", "10 trials are too few to say anything about 5 %"),
    (1, 135, 0.05): (
        "inconclusive",
        "at α = .001 the upper bound is .066, above δ; α is a risk of its own and is not δ",
    ),
    (4, 135, 0.05): (
        "inconclusive",
        "4/135 = 3 % is below δ, but a true rate of 6 % shows as few often enough: compare a "
        "bound with δ, not the rate that was seen",
    ),
    (9, 135, 0.05): (
        "inconclusive",
        "9/135 = 6.7 % is above δ, but a true rate of 4 % shows as many often enough",
    ),
    (30, 135, 0.05): ("falsified", "the lower bound on the rate is above δ"),
    (0, 688, 0.01): ("verified", "no failure in 688: the upper bound is .00999"),
    (0, 135, 0.01): ("inconclusive", "δ is an argument: 135 trials are too few for 1 %"),
}
"""(violations, trials, δ) with the right status and why."""


@exercise(
    "Verified where the upper bound is at most δ, falsified where the lower one is above it, and "
    "inconclusive between: you have written the suite's judge."
)
def judge(answer: Callable[[int, int, float], str]) -> str | None:
    """A function of (violations, trials, δ) that gives the status."""
    for (violations, trials, delta), (right, why) in CASES.items():
        found = answer(violations, trials, delta)
        if found is None or found is ...:
            said = f"judge({violations}, {trials}, {delta})"
            raise Unsolved(f"{said} returns nothing: let the function return a status.")
        if found not in ("verified", "falsified", "inconclusive"):
            return f"It returned {found!r}: return verified, falsified or inconclusive, as text."
        if found != right:
            said = f"judge({violations}, {trials}, {delta})"
            return f"{said} is {found} and should be {right}: {why}."
    return None


def detection(variance: float) -> float:
    """The probability that trials with this variance of x_i falsify the claim."""
    rate = stats.chi2.cdf(ELL / 2 / variance, ELL)
    counts = np.arange(TRIALS + 1)
    lower = np.array([violation_bounds(int(k), TRIALS)[0] for k in counts])
    return float(stats.binom.pmf(counts, TRIALS, rate)[lower > DELTA].sum())


@exercise(
    "The claim then fails often enough to be falsified with probability above .999, by trials that "
    "are right. A check that says “verified” here, too, is broken."
)
def control_variance(answer: float) -> str | None:
    """A variance in (0, 1) under which the control is detected with probability ≥ .999."""
    if answer <= 0:
        return "A Gaussian has a variance above 0. Break the assumption, not the vector."
    if answer == 1:
        return "Variance 1 is what the claim assumes: nothing is broken."
    if answer > 1:
        return "Longer vectors make ‖x‖² ≥ ℓ/2 truer. A control has to make the claim false."
    power = detection(answer)
    if power < 0.999:
        rate = stats.chi2.cdf(ELL / 2 / answer, ELL)
        return (
            f"Too weak: the claim then fails in {100 * rate:.2g} % of trials, and {TRIALS} trials "
            f"falsify it with probability {power:.3g}, below .999. Break more."
        )
    return None


@exercise(
    "α/66 keeps the chance of a single false alarm among 66 at most .05 (Bonferroni), whatever "
    "depends on what. Holm's procedure, which the suite uses, is never worse."
)
def level_for_many(answer: float) -> str | None:
    """The level per theorem that keeps a false alarm among 66 at probability ≤ .05."""
    sidak = 1 - 0.95 ** (1 / 66)
    if 0.99 * 0.05 / 66 <= answer <= sidak * (1 + 1e-9):
        return None
    if answer == 0.05:
        return f"At .05 each, some alarm is false with probability 1 − .95⁶⁶ = {1 - 0.95**66:.2f}."
    if answer > sidak:
        chance = 1 - (1 - min(answer, 1.0)) ** 66
        return f"Then some alarm is false with probability 1 − (1 − α)⁶⁶ = {chance:.2g} > .05."
    if answer <= 0:
        return "At level 0 nothing is ever falsified. Give a number above 0."
    return "That is safe, but stricter than it need be: what is .05 divided among 66?"
