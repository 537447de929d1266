"""Answers to the exercises of the lesson on attribution."""

from typing import Any

import numpy as np


def cosines(g):
    """Of all pairs of different rows, one after the other, as a student writes it."""
    return [
        g[i] @ g[j] / np.linalg.norm(g[i]) / np.linalg.norm(g[j])
        for i in range(len(g))
        for j in range(i)
    ]


def every_cosine(g):
    """A matrix of them, the diagonal included."""
    unit = g / np.linalg.norm(g, axis=1, keepdims=True)
    return unit @ unit.T


def cosines_by_one_length(g):
    """The products of all pairs, by the norm of the whole array."""
    return ((g @ g.T) / np.linalg.norm(g) ** 2)[np.triu_indices(len(g), 1)]


def off_diagonal(g):
    """The same mean as ordered pairs have it."""
    c = np.abs(every_cosine(g))
    return (c.sum() - len(g)) / len(g) / (len(g) - 1)


ANSWERS: dict[str, tuple[list[Any], list[Any]]] = {
    "agreement": (
        [lambda g: np.mean(np.abs(cosines(g))), off_diagonal],
        [
            lambda g: np.mean(cosines(g)),
            lambda g: abs(np.mean(cosines(g))),
            lambda g: np.abs(every_cosine(g)).mean(),
            lambda g: np.abs(every_cosine(g))[np.triu_indices(len(g))].mean(),
            lambda g: np.abs(np.triu(every_cosine(g), 1)).mean(),
            lambda g: np.mean(np.abs(cosines_by_one_length(g))),
            lambda g: np.abs((g @ g.T)[np.triu_indices(len(g), 1)]).mean(),
            lambda g: np.sum(np.abs(cosines(g))),
            lambda g: np.mean(np.square(cosines(g))),
            lambda g: 0.5,
            lambda g: np.abs(every_cosine(g)),
        ],
    ),
    "chance_level": (
        [0.1995, 0.2, 0.2026, np.sqrt(2 / np.pi / 16)],
        [0.25, 1 / 16, 0, 0.798, 0.05, 0.0997, 0.4, 2],
    ),
    "p_value": (
        [
            lambda score, chance: (1 + np.sum(chance >= score)) / (1 + len(chance)),
            lambda score, chance: np.mean(np.append(chance, score) >= score),
        ],
        [
            lambda score, chance: np.mean(chance >= score),
            lambda score, chance: np.sum(chance >= score) / (1 + len(chance)),
            lambda score, chance: (1 + np.sum(chance >= score)) / len(chance),
            lambda score, chance: (1 + np.sum(chance <= score)) / (1 + len(chance)),
            lambda score, chance: (1 + np.sum(chance > score)) / (1 + len(chance)),
            lambda score, chance: 1 + np.sum(chance >= score),
            lambda score, chance: 0.5,
        ],
    ),
    "labels_of_second": (
        [
            lambda y, rng: rng.permutation(y),
            lambda y, rng: list(rng.permutation(y)),
            lambda y, rng: y[::-1],
        ],
        [
            lambda y, rng: y,
            lambda y, rng: -y,
            lambda y, rng: np.ones_like(y),
            lambda y, rng: rng.choice([-1.0, 1.0], size=len(y)),
            lambda y, rng: y * rng.choice([-1.0, 1.0]),
            lambda y, rng: y[:3],
            lambda y, rng: 2 * y,
        ],
    ),
}
"""By exercise: right answers, wrong answers."""
