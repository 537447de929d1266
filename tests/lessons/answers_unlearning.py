"""Answers to the exercises of the lesson on unlearning."""

from typing import Any

import numpy as np


def errors(w, lam, x, y):
    """(ε, δ)."""
    q = y * (x @ w)
    return np.linalg.norm(w - (lam * y) @ x), np.max(lam * (q - 1))


def by_loops(w, lam, x, y):
    """(ε, δ) as one writes it who does not like matrix products."""
    left = w.copy()
    for weight, point, label in zip(lam, x, y, strict=True):
        left -= weight * label * point
    slack = [
        weight * (label * point @ w - 1) for weight, point, label in zip(lam, x, y, strict=True)
    ]
    return [sum(left**2) ** 0.5, max(slack)]


def epsilon(*given):
    """ε alone."""
    return errors(*given)[0]


ANSWERS: dict[str, tuple[list[Any], list[Any]]] = {
    "multipliers": (
        [[0.25, 1, 0], (1 / 4, 1.0, 0.0), np.array([0.25, 1, 0])],
        [
            [0.25, -1, 0],
            [0.5, 1, 0],
            [0.25, 1, 0.1],
            [0.25, 0, 0],
            [1, 2, 0],
            [0.25, 1],
            [-1, 1, 0.5],
        ],
    ),
    "kkt_errors": (
        [errors, by_loops, lambda *given: np.array(errors(*given))],
        [
            lambda *given: errors(*given)[::-1],
            lambda *given: (epsilon(*given) ** 2, errors(*given)[1]),
            lambda w, lam, x, y: (epsilon(w, lam, x, y), (y * (x @ w) - 1).max()),
            lambda w, lam, x, y: (epsilon(w, lam, x, y), (lam * (y * (x @ w) - 1)).sum()),
            lambda w, lam, x, y: (epsilon(w, lam, x, y), (lam * (y * (x @ w) - 1)).mean()),
            lambda w, lam, x, y: (epsilon(w, lam, x, y), (lam * (1 - y * (x @ w))).max()),
            lambda w, lam, x, y: (epsilon(w, lam, x, y), (lam * y * (x @ w)).max()),
            lambda w, lam, x, y: (epsilon(w, lam, x, y), (lam * (x @ w - 1)).max()),
            lambda w, lam, x, y: (np.linalg.norm(w - lam @ x), 0.0),
            epsilon,
        ],
    ),
    "step_size": (
        [
            lambda lam_r, q_r: lam_r * (1 + np.exp(q_r)),
            lambda lam_r, q_r: lam_r / (1 / (1 + np.exp(q_r))),
        ],
        [
            lambda lam_r, q_r: -lam_r * (1 + np.exp(q_r)),
            lambda lam_r, q_r: lam_r,
            lambda lam_r, q_r: lam_r / (1 + np.exp(q_r)),
            lambda lam_r, q_r: 1 + np.exp(q_r),
            lambda lam_r, q_r: lam_r * np.exp(q_r),
            lambda lam_r, q_r: lam_r * (1 + np.exp(-q_r)),
            lambda lam_r, q_r: lam_r * q_r,
        ],
    ),
    "control_fraction": ([0.85, 0.9, 1.1, 1.2], [1, 0.99, 1.02, 2, -1]),
    "dimension_needed": (
        [4e10, (4 * 10 * 50 / 0.01) ** 2, 40_000_000_000, 1e11],
        [0, 2e5, 4000**2, 1e8, 1e15],
    ),
}
"""By exercise: right answers, wrong answers."""
