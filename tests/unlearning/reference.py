"""The KKT residual by slow, independent means: NumPy, SciPy's NNLS, and the rays of the cone.

The cone of Clarke gradients has, for every point, one extreme ray for each choice of open kinks.
All of them are too many, so rays are added where they pull on the residual until none does, which
is exact: the answer is the least squares distance to the whole cone.
"""

from typing import NamedTuple

import numpy as np
from scipy.optimize import nnls


class Reference(NamedTuple):
    """Multipliers, weights M and stationarity."""

    multipliers: np.ndarray
    weights: np.ndarray
    stationarity: float


def pattern(w, x, tolerance):
    """Gates off kinks, and kinks, by loops."""
    z = np.array([[row @ point for point in x] for row in w])
    kinks = np.abs(z) <= tolerance * np.abs(z).max()
    return ((z > 0) & ~kinks).astype(float), kinks


def snap(w, x, kinks):
    """Least-norm move of every row onto its kinks, by least squares."""
    moved = w.copy()
    for j, row in enumerate(kinks):
        if row.any():
            coefficients, *_ = np.linalg.lstsq(x[row].T, w[j], rcond=None)
            moved[j] = w[j] - x[row].T @ coefficients
    return moved


def project(w, u, x, y, gates, kinks) -> Reference:
    """The point of the cone nearest to w."""

    def ray(i, gate):
        return np.outer(u * gate, y[i] * x[i]).ravel()

    rays = [(i, gates[:, i] + opened * kinks[:, i]) for i in range(len(x)) for opened in (0, 1)]
    target, scale = w.ravel(), np.linalg.norm(w)
    while True:
        columns = np.array([ray(*r) for r in rays]).T
        coefficients, _ = nnls(columns, target, maxiter=100 * columns.shape[1])
        residual = target - columns @ coefficients
        rows = residual.reshape(w.shape)
        added = False
        for i in range(len(x)):
            pull = u * y[i] * (rows @ x[i])
            gate = gates[:, i] + kinks[:, i] * (pull > 0)
            new = ray(i, gate)
            known = any(i == k and np.array_equal(gate, other) for k, other in rays)
            if not known and new @ residual > 1e-12 * scale * np.linalg.norm(new):
                rays.append((i, gate))
                added = True
        if not added:
            break
    multipliers, weights = np.zeros(len(x)), np.zeros_like(gates)
    for c, (i, gate) in zip(coefficients, rays, strict=True):
        multipliers[i] += c
        weights[:, i] += c * gate
    return Reference(multipliers, weights, float(np.linalg.norm(residual)))
