"""Answers to every exercise of every lesson: right ones, and wrong ones that get a hint."""

from typing import Any

from lessons.answers_attacks import ANSWERS as ATTACKS
from lessons.answers_attribution import ANSWERS as ATTRIBUTION
from lessons.answers_dimples import ANSWERS as DIMPLES
from lessons.answers_energy import ANSWERS as ENERGY
from lessons.answers_healing import ANSWERS as HEALING
from lessons.answers_subspace import ANSWERS as SUBSPACE
from lessons.answers_unlearning import ANSWERS as UNLEARNING

from theory.statistics import violation_bounds


def judged(violations: int, trials: int, delta: float, alpha: float = 0.001) -> str:
    """As a student writes it."""
    lower, upper = violation_bounds(violations, trials, alpha)
    return "verified" if upper <= delta else "falsified" if delta < lower else "inconclusive"


ANSWERS: dict[str, dict[str, tuple[list[Any], list[Any]]]] = {
    "checking": {
        "trials_needed": ([135, 135.0], [20, 58, 134, 134.67, 2995, 100, 200, "135"]),
        "judge": (
            [judged],
            [
                lambda violations, trials, delta: "verified",
                lambda violations, trials, delta: (
                    "verified" if violations / trials <= delta else "falsified"
                ),
                lambda violations, trials, delta: judged(violations, trials, 0.05),
                lambda violations, trials, delta: judged(violations, trials, delta, delta),
                lambda violations, trials, delta: violations,
                "verified",
            ],
        ),
        "control_variance": ([0.1, 0.4, 0.55], [0, 0.6, 0.7, 0.95, 1, 2]),
        "level_for_many": ([0.05 / 66, 1 - 0.95 ** (1 / 66)], [0.05, 0.01, 1e-6, 0, 1.5]),
    },
    "subspace": SUBSPACE,
    "unlearning": UNLEARNING,
    "attacks": ATTACKS,
    "attribution": ATTRIBUTION,
    "energy": ENERGY,
    "dimples": DIMPLES,
    "healing": HEALING,
}
"""By lesson and exercise: right answers, wrong answers."""
