"""Answers to the exercises of the lesson on attacks."""

from typing import Any

import numpy as np


def distances(a, c, x, y):
    """As a student writes it, a loop with a list."""
    z = a @ x + c
    return [(z[y] - z[j]) / np.sqrt(sum((a[y] - a[j]) ** 2)) for j in range(len(z)) if j != y]


def gaps(a, c, x, y):
    """Numerators alone."""
    z = a @ x + c
    return np.delete(z[y] - z, y)


def slopes(a, y):
    """Gradients of the gaps."""
    return np.delete(a[y] - a, y, axis=0)


def least(ell, delta):
    """Laurent and Massart's lower bound on χ²_ℓ."""
    return ell - 2 * np.sqrt(ell * np.log(1 / delta))


ANSWERS: dict[str, tuple[list[Any], list[Any]]] = {
    "distances": (
        [distances, lambda *given: np.array(distances(*given))],
        [
            gaps,
            lambda a, c, x, y: gaps(a, c, x, y) / np.sum(slopes(a, y) ** 2, axis=1),
            lambda a, c, x, y: gaps(a, c, x, y) / np.linalg.norm(np.delete(a, y, axis=0), axis=1),
            lambda a, c, x, y: np.array(distances(a, 0 * c, x, y)),
            lambda a, c, x, y: -np.array(distances(a, c, x, y)),
            lambda a, c, x, y: gaps(a, c, x, y) / np.sum(np.abs(slopes(a, y)), axis=1),
            lambda a, c, x, y: np.zeros(len(c)),
            lambda a, c, x, y: 1.0,
            lambda a, c, x, y: 1 + gaps(a, c, x, y),
            lambda a, c, x, y: np.array(distances(a, c, x, 0)),
            gaps(np.eye(2), np.zeros(2), np.ones(2), 0),
        ],
    ),
    "step": (
        [
            lambda g, a: -g * np.sign(a) / np.abs(a).sum(),
            lambda g, a: [(-g if v >= 0 else g) / sum(abs(a)) for v in a],
        ],
        [
            lambda g, a: -g * a / (a @ a),
            lambda g, a: g * np.sign(a) / np.abs(a).sum(),
            lambda g, a: -g * np.sign(a) / np.abs(a).max(),
            lambda g, a: -g * np.sign(a) / np.linalg.norm(a),
            lambda g, a: g / np.abs(a).sum(),
        ],
    ),
    "half": ([28, 28.2, 26, 30], [0.28, 43, 43.1, 65, 70, 10, 90]),
    "bound": (
        [
            lambda beta, ell, d, delta: beta * np.sqrt(least(ell, delta) / d),
            lambda beta, ell, d, delta: (
                beta * (ell / d * (1 - 2 * (np.log(1 / delta) / ell) ** 0.5)) ** 0.5
            ),
        ],
        [
            lambda beta, ell, d, delta: beta * np.sqrt(1 - 2 * np.sqrt(np.log(1 / delta) / d)),
            lambda beta, ell, d, delta: beta**2 * least(ell, delta) / d,
            lambda beta, ell, d, delta: beta * np.sqrt(least(ell, delta) / ell),
            lambda beta, ell, d, delta: beta * np.sqrt(ell / d),
            lambda beta, ell, d, delta: np.sqrt(least(ell, delta) / d),
            lambda beta, ell, d, delta: np.nan,
            lambda beta, ell, d, delta: 1.0,
            lambda beta, ell, d, delta: 0.0,
        ],
    ),
}
"""By exercise: right answers, wrong answers."""
