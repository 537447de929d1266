"""Answers to the exercises of the lesson on energy."""

from typing import Any

import numpy as np
from scipy.special import log_softmax, softmax

ANSWERS: dict[str, tuple[list[Any], list[Any]]] = {
    "energy_gradient": (
        [
            lambda z, g: -softmax(z) @ g,
            lambda z, g: [
                -sum(softmax(z)[k] * row[i] for k, row in enumerate(g)) for i in range(len(g[0]))
            ],
        ],
        [
            lambda z, g: softmax(z) @ g,
            lambda z, g: -np.exp(z) @ g,
            lambda z, g: -g[np.argmax(z)],
            lambda z, g: -z @ g,
            lambda z, g: -g.mean(axis=0),
            lambda z, g: -softmax(z) @ g / np.linalg.norm(softmax(z) @ g),
            lambda z, g: -softmax(z)[:, None] * g,
            lambda z, g: g[0],
        ],
    ),
    "eps_needed": ([0.5 / 1.2, 0.4167, 0.417], [0.25, 0.5, 0.8333, 0.625, -0.4167, 0.1, 3]),
    "gauge": (
        [lambda z, g: g[0], lambda z, g: 2 * g[0], lambda z, g: -5 * g[1]],
        [
            lambda z, g: 0 * g[0],
            lambda z, g: g[1],
            lambda z, g: 0.5 * g[0],
            lambda z, g: np.array([g[0, 1], -g[0, 0], *([0] * (len(g[0]) - 2))]),
            lambda z, g: g,
        ],
    ),
    "share": ([0.5, 1 / 2, 50], [1, 0, 0.25, 0.3]),
    "canonical": (
        [
            lambda z: z - z.mean(axis=1, keepdims=True),
            lambda z: z - z.max(axis=1, keepdims=True),
            lambda z: (z.T - z.mean(axis=1)).T,
            lambda z: softmax(z, axis=1),
        ],
        [
            lambda z: z,
            lambda z: log_softmax(z, axis=1),
            lambda z: z - z.mean(axis=0),
            lambda z: 2 * z,
            lambda z: -z,
            lambda z: z.max(axis=1),
        ],
    ),
}
"""By exercise: right answers, wrong answers."""
