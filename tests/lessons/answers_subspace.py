"""Answers to the exercises of the lesson on subspaces."""

from typing import Any

import numpy as np


def gradient(w, u, x, y, gated=True, labelled=True, weighted=True):
    """∂L/∂w, or what a mistake makes of it."""
    z = w @ x.T
    slope = -1 / (1 + np.exp(y * (u @ np.maximum(z, 0)))) * (y if labelled else 1)
    rows = (np.where(z > 0, 1, 0 if gated else 1) * slope) @ x
    return u[:, None] * rows if weighted else rows


def mistaken(w, u, x, y, relu=False, exponent=1):
    """σ in place of σ', or e^{−q} in place of e^{q}."""
    z = w @ x.T
    slope = -y / (1 + np.exp(exponent * y * (u @ np.maximum(z, 0))))
    return u[:, None] * (((np.maximum(z, 0) if relu else z > 0) * slope) @ x)


def by_loops(w, u, x, y):
    """∂L/∂w as one writes it who does not like matrix products."""
    total = np.zeros_like(w)
    for point, label in zip(x, y, strict=True):
        output = sum(u_i * max(row @ point, 0) for u_i, row in zip(u, w, strict=True))
        for i, row in enumerate(w):
            if row @ point > 0:
                total[i] -= label * u[i] * point / (1 + np.exp(label * output))
    return total


def rejected(v, basis):
    """The part of v orthogonal to P."""
    return v - basis @ (basis.T @ v)


ANSWERS: dict[str, tuple[list[Any], list[Any]]] = {
    "hidden_gradient": (
        [gradient, by_loops, lambda w, u, x, y: gradient(w, u, x, y).tolist()],
        [
            lambda *given: -gradient(*given),
            lambda w, u, x, y: gradient(w, u, x, y) / len(y),
            lambda *given: gradient(*given, gated=False),
            lambda *given: gradient(*given, labelled=False),
            lambda *given: -gradient(*given, labelled=False),
            lambda *given: mistaken(*given, relu=True),
            lambda *given: mistaken(*given, exponent=-1),
            lambda *given: gradient(*given, weighted=False),
            lambda *given: gradient(*given).T,
            lambda w, u, x, y: w,
        ],
    ),
    "what_moves": (
        [
            ["Adam", "clipping by value", "weight decay"],
            {"weight decay", "adam", "Clipping by value"},
        ],
        [
            [],
            "Adam",
            ["Adam", "clipping by value"],
            ["Adam", "weight decay"],
            ["Adam", "clipping by value", "weight decay", "momentum"],
            ["clipping by norm", "clipping by value"],
            ["Adams"],
        ],
    ),
    "typical_length": (
        [
            lambda k, m, ell, sigma: sigma * (k * ell / m) ** 0.5,
            lambda k, m, ell, sigma: np.sqrt(sum([sigma**2 / m * ell] * k)),
        ],
        [
            lambda k, m, ell, sigma: sigma**2 * k * ell / m,
            lambda k, m, ell, sigma: sigma * k * (ell / m) ** 0.5,
            lambda k, m, ell, sigma: sigma * (k / m) ** 0.5,
            lambda k, m, ell, sigma: sigma * (k * ell) ** 0.5,
            lambda k, m, ell, sigma: sigma * ell**0.5,
            lambda k, m, ell, sigma: sigma * k / m * ell**0.5,
            lambda k, m, ell, sigma: sigma * (k * ell / m / 2) ** 0.5,
        ],
    ),
    "one_for_all": (
        [
            lambda w, u, basis: rejected(np.sign(u) @ w, basis),
            lambda w, u, basis: 7 * u @ rejected(w.T, basis).T,
            lambda w, u, basis: rejected(w[u > 0].sum(0) - w[u < 0].sum(0), basis).tolist(),
        ],
        [
            lambda w, u, basis: np.sign(u) @ w,
            lambda w, u, basis: rejected(-u @ w, basis),
            lambda w, u, basis: rejected(w.sum(axis=0), basis),
            lambda w, u, basis: rejected(w, basis.T),
            lambda w, u, basis: np.zeros(len(basis)),
            lambda w, u, basis: w,
        ],
    ),
    "decay_to_a_tenth": (
        [(1 - 0.1 ** (1 / 300)) * 58 / 4, np.log(10) * 58 / 1200, 0.111],
        [0, (1 - 0.1 ** (1 / 300)), 0.9 * 58 / 4, 0.9 * 58 / 1200, 0.05, 30],
    ),
}
"""By exercise: right answers, wrong answers."""
