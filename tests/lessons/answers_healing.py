"""Answers to the exercises of the lesson on healing."""

from typing import Any

import jax.numpy as jnp
import numpy as np


def by_columns(x, z, mask, lam):
    """Ridge regression on the columns that are left."""
    kept = np.flatnonzero(mask)
    w = np.zeros(x.shape[1])
    w[kept] = np.linalg.solve(x[:, kept].T @ x[:, kept] + lam * np.eye(len(kept)), x[:, kept].T @ z)
    return w


def by_system(x, z, mask, lam):
    """The same as one system for all weights."""
    m = np.diag(mask)
    return np.linalg.solve(m @ x.T @ x @ m + lam * np.eye(len(m)), m @ x.T @ z)


def by_inputs(x, z, mask, lam):
    """The same as a system of a row for each input."""
    kept = x * mask
    return kept.T @ np.linalg.solve(kept @ kept.T + lam * np.eye(len(x)), z)


def singular(x, z, mask, lam):
    """With nothing on the diagonal for pruned weights."""
    m = np.diag(mask)
    return np.linalg.solve(m @ (x.T @ x + lam * np.eye(len(m))) @ m, m @ x.T @ z)


def as_numbers(x, z, mask, lam):
    """With the mask as an index, which it is not."""
    kept, w = x[:, mask], np.zeros(x.shape[1])
    w[mask] = np.linalg.solve(kept.T @ kept + lam * np.eye(len(mask)), kept.T @ z)
    return w


def of_all(x, z, mask, lam):
    """Without the mask."""
    return by_columns(x, z, np.ones_like(mask), lam)


def direction(h):
    """Smooth at 0."""
    return h / jnp.sqrt(jnp.sum(h**2, axis=1, keepdims=True) + 1e-8)


def with_numpy(h, target):
    """Right in its value, with no gradient."""
    parts = [h / np.sqrt(np.sum(h**2, axis=1, keepdims=True) + 1e-8) for h in (h, target)]
    return np.mean(np.sum((parts[0] - parts[1]) ** 2, axis=1)) / 2


def expanded(h, target):
    """The square, multiplied out."""
    h, target = direction(h), direction(target)
    return jnp.mean(jnp.sum(h * h + target * target - 2 * h * target, axis=1)) / 2


def naive(h, target):
    """1 − cos, NaN at rows of zeros."""
    lengths = jnp.linalg.norm(h, axis=1) * jnp.linalg.norm(target, axis=1)
    return jnp.mean(1 - jnp.sum(h * target, axis=1) / lengths)


def selected(h, target):
    """1 − cos where there are directions: right in its value, NaN in its gradient."""
    lengths = jnp.linalg.norm(h, axis=1) * jnp.linalg.norm(target, axis=1)
    units = (h / lengths[:, None] * target).sum(axis=1)
    same = jnp.all(h == target, axis=1)
    return jnp.mean(jnp.where(same, 0, jnp.where(lengths > 0, 1 - units, 0.5)))


ANSWERS: dict[str, tuple[list[Any], list[Any]]] = {
    "best": ([1.8, 1 + 0.8, jnp.array(1.8)], [1, 2, np.sqrt(3.6), 0.8, 0.9, 3, 1.4]),
    "masked_ridge": (
        [by_columns, by_system, by_inputs, lambda *given: list(by_columns(*given))],
        [
            of_all,
            singular,
            as_numbers,
            lambda x, z, mask, lam: mask * of_all(x, z, mask, lam),
            lambda x, z, mask, lam: by_columns(x, z, mask, 1e-12),
            lambda x, z, mask, lam: by_columns(x, z, mask, lam)[mask == 1],
            lambda x, z, mask, lam: by_columns(x, z, mask, 2 * lam),
            lambda x, z, mask, lam: np.ones(len(mask)),
        ],
    ),
    "distance": (
        [
            lambda h, target: ((direction(h) - direction(target)) ** 2).sum(axis=1).mean() / 2,
            expanded,
        ],
        [
            naive,
            with_numpy,
            lambda h, target: float(expanded(h, target)),
            lambda h, target: jnp.mean((direction(h) - direction(target)) ** 2) / 2,
            lambda h, target: 1 - jnp.mean(jnp.sum(direction(h) * direction(target), axis=1)),
            lambda h, target: jnp.mean(jnp.sum((direction(h) - direction(target)) ** 2, axis=1)),
            lambda h, target: jnp.sum((direction(h) - direction(target)) ** 2) / 2,
            selected,
            lambda h, target: jnp.mean((h - target) ** 2),
            lambda h, target: jnp.sum((direction(h) - direction(target)) ** 2, axis=1) / 2,
        ],
    ),
    "rows_of_control": (
        [
            lambda n: np.roll(np.arange(n), 1),
            lambda n: (np.arange(n) + 2) % n,
            lambda n: [*range(1, n), 0],
            lambda n: np.arange(n) - 1,
        ],
        [
            np.arange,
            lambda n: np.zeros(n, int),
            lambda n: np.random.default_rng(0).integers(0, n, n),
            lambda n: np.arange(n)[::-1],
            lambda n: np.arange(1, n + 1),
            lambda n: 1,
        ],
    ),
}
"""By exercise: right answers, wrong answers."""
