"""Answers to every exercise of every lesson: right ones, and wrong ones that get a hint."""

from typing import Any

from lessons import (
    answers_attacks,
    answers_attribution,
    answers_dimples,
    answers_energy,
    answers_healing,
    answers_subspace,
    answers_unlearning,
)

from theory.statistics import violation_bounds


def judged(violations: int, trials: int, delta: float) -> str:
    """As a student writes it."""
    lower, upper = violation_bounds(violations, trials)
    return "verified" if upper <= delta else "falsified" if delta < lower else "inconclusive"


ANSWERS: dict[str, dict[str, tuple[list[Any], list[Any]]]] = {
    "checking": {
        "trials_needed": ([135, 135.0], [20, 58, 134, 100, 200, "135"]),
        "judge": (
            [judged],
            [
                lambda violations, trials, delta: "verified",
                lambda violations, trials, delta: (
                    "verified" if violations / trials <= delta else "falsified"
                ),
                lambda violations, trials, delta: judged(violations, trials, 0.05),
                lambda violations, trials, delta: violations,
                "verified",
            ],
        ),
        "control_variance": ([0.1, 0.4, 0.55], [0, 0.7, 0.95, 1, 2]),
        "level_for_many": ([0.05 / 66, 1 - 0.95 ** (1 / 66)], [0.05, 0.01, 1e-6, 0, 1.5]),
    },
    "subspace": answers_subspace.ANSWERS,
    "unlearning": answers_unlearning.ANSWERS,
    "attacks": answers_attacks.ANSWERS,
    "attribution": answers_attribution.ANSWERS,
    "energy": answers_energy.ANSWERS,
    "dimples": answers_dimples.ANSWERS,
    "healing": answers_healing.ANSWERS,
}
"""By lesson and exercise: right answers, wrong answers."""
