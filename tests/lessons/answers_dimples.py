"""Answers to the exercises of the lesson on dimples."""

from typing import Any

import numpy as np


def norms(g, basis):
    """Of the gradient, of its part on the subspace and of that off it."""
    on = np.linalg.norm(basis.T @ g)
    whole = np.linalg.norm(g)
    return np.array([whole, on, (whole**2 - on**2) ** 0.5])


ANSWERS: dict[str, tuple[list[Any], list[Any]]] = {
    "distances": (
        [
            lambda f, g, basis: f / norms(g, basis),
            lambda f, g, basis: tuple(f / length for length in norms(g, basis)),
        ],
        [
            lambda f, g, basis: norms(g, basis),
            lambda f, g, basis: 1 / norms(g, basis),
            lambda f, g, basis: f * norms(g, basis),
            lambda f, g, basis: (f / norms(g, basis))[[0, 2, 1]],
            lambda f, g, basis: f / norms(g, basis) ** 2,
            lambda f, g, basis: f / np.linalg.norm(g) * np.ones(3),
            lambda f, g, basis: f / np.linalg.norm(g),
        ],
    ),
    "null_ratio": ([7, 7.0, (784 / 16) ** 0.5, 6.9], [49, 1 / 7, 1, 1.01, 5, 28, 28 / 16]),
    "control_cosine": ([0.3, 0.5, 0.9], [0.1, 0.05, 0, -0.5, 1, 1.5]),
    "reports": (
        [["less", "same", "more"], ("Less", "same", "MORE")],
        [["more"] * 3, ["less"] * 3, ["less", "more", "more"], ["same", "same", "more"], "less"],
    ),
    "share_off_null": ([0.75**0.5, 0.87, 0.866], [0.75, 0.25, 0.5, 0.7, 1, 86.6]),
}
"""By exercise: right answers, wrong answers."""
