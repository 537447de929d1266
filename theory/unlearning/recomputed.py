"""What is made of a planted scene, computed again in NumPy from the formulas alone.

A bound that is attained is attained up to rounding, which a search drives upwards, so points, and
what is computed from them, are of NumPy's longest floats: where those are longer than float64, what
is violated here is not violated by rounding. SciPy's multipliers alone are of float64.
"""

from typing import Any, NamedTuple

import numpy as np
from scipy import optimize

INSIDE = 1 - 1e-9
"""Norms and inner products go up to this share of ψ and φ."""

RESIDUAL = 0.3
"""A residual of hidden weights, over its coordinates."""

ROUNDING = 1e3 * 2.0**-52
"""What the assumptions of Theorem 4.1 may be off."""


class Conditions(NamedTuple):
    """The KKT conditions in units in which the smallest margin is one.

    Attributes:
        w: hidden weights, shape (width, d).
        lam: multipliers, shape (samples,).
        weights: multipliers times gates, shape (width, samples).
        q: margins, shape (samples,).
        epsilon, delta: stationarity and slackness.
    """

    w: np.ndarray
    lam: np.ndarray
    weights: np.ndarray
    q: np.ndarray
    epsilon: np.floating
    delta: np.floating


class Network(NamedTuple):
    """A network and its data.

    Attributes:
        w, u: hidden weights of shape (width, d), output weights of shape (width,).
        x, y: points of shape (samples, d), labels of shape (samples,).
        lam: multipliers of the network as it is, shape (samples,).
    """

    w: np.ndarray
    u: np.ndarray
    x: np.ndarray
    y: np.ndarray
    lam: np.ndarray


class Forgotten(NamedTuple):
    """Numbers of a planted network, and of what is made of it.

    Attributes:
        before: the conditions before the step.
        epsilon, delta, tau: of the certificate.
        psi, phi: largest |‖x_i‖² − 1| and |⟨x_i, x_j⟩|.
        left: the margin that the first forgotten point is left with.
        happened: margins of what the step must have done.
    """

    before: Conditions
    epsilon: np.floating
    delta: np.floating
    tau: np.floating
    psi: np.floating
    phi: np.floating
    left: np.floating
    happened: dict[str, Any]


def norm(array: np.ndarray) -> np.floating:
    """The root of the sum of all squares.

    Example:
        >>> norm(np.array([[3.0], [4.0]])).item()
        5.0
    """
    return np.sqrt((array**2).sum())


def angle(a: np.ndarray, b: np.ndarray) -> np.floating:
    """1 − cos of the angle between two arrays of one shape, as half a squared distance.

    Example:
        >>> angle(np.array([2.0, 0.0]), np.array([0.0, 3.0])).item()
        1.0
    """
    return ((a / norm(a) - b / norm(b)) ** 2).sum() / 2


def points(norms: np.ndarray, products: np.ndarray, psi: float, phi: float) -> np.ndarray:
    """Points of shape (samples, samples + 1), from coordinates of shapes (samples,) and (pairs,).

    Example:
        >>> x = points(np.array([0.0, 99.0]), np.array([-99.0]), 0.21, 0.1)
        >>> (x @ x.T).round(6).astype(float).tolist()
        [[1.0, -0.1], [-0.1, 1.21]]
    """
    m = len(norms)
    gram = np.diag(1 + INSIDE * psi * np.tanh(np.asarray(norms, np.longdouble)))
    pair = iter(INSIDE * phi * np.tanh(np.asarray(products, np.longdouble)))
    for i in range(m):
        for k in range(i + 1, m):
            gram[i, k] = gram[k, i] = next(pair)
    x = np.zeros((m, m + 1), np.longdouble)  # Cholesky's factor, row by row
    for i in range(m):
        for k in range(i):
            x[i, k] = (gram[i, k] - x[i] @ x[k]) / x[k, k]
        x[i, i] = np.sqrt(gram[i, i] - x[i] @ x[i])
    return x


def terms(u: np.ndarray, weights: np.ndarray, x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """Rows Σ_i u_j M_ji y_i x_i, shape (width, d).

    Example:
        >>> terms(np.ones(1), np.array([[2.0, 3.0]]), np.eye(2), np.array([1.0, -1.0])).tolist()
        [[2.0, -3.0]]
    """
    total = np.zeros((len(u), x.shape[1]), x.dtype)
    for j in range(len(u)):
        for i in range(len(x)):
            total[j] += u[j] * weights[j, i] * y[i] * x[i]
    return total


def network(x: np.ndarray, u: np.ndarray, hidden: Any) -> Network:
    """The network of a `theory.unlearning.planted.Hidden`, x of shape (samples, d) and zero last.

    Example:
        >>> from theory.unlearning.planted import Hidden
        >>> hidden = Hidden(np.ones(1), np.ones(1), np.ones((1, 1)), np.zeros((1, 2)))
        >>> network(np.eye(1, 2), np.full(1, 2.0), hidden).w.tolist()
        [[2.0, 0.0]]
    """
    labels, lam, gates, residual = (np.asarray(part) for part in hidden)
    x, u = np.asarray(x), np.asarray(u)
    y, lam = np.where(labels > 0, 1.0, -1.0), np.abs(lam)
    w = terms(u, np.where(gates > 0, lam, 0.0), x, y)
    for j in range(len(u)):
        for i in range(len(x)):
            along = residual[j, i] if gates[j, i] > 0 else -np.abs(residual[j, i])
            w[j] += RESIDUAL * along * x[i]
    w[:, -1] += RESIDUAL * residual[:, -1]
    return Network(w, u, x, y, lam)


def project(point: np.ndarray, onto: np.ndarray) -> np.ndarray:
    """The part of a point of shape (d,) in the span of others, shape (n, d), by Gram-Schmidt.

    Example:
        >>> onto = np.array([[2.0, 0.0, 0.0], [1.0, 1.0, 0.0]])
        >>> project(np.array([1.0, 2.0, 3.0]), onto).tolist()
        [1.0, 2.0, 0.0]
    """
    frame, seen = [], np.zeros_like(point)
    for other in onto:
        for _ in range(2):  # twice is enough
            for direction in frame:
                other = other - (other @ direction) * direction
        frame.append(other / norm(other))
        seen = seen + (point @ frame[-1]) * frame[-1]
    return seen


def nearest(
    target: np.ndarray, u: np.ndarray, gates: np.ndarray, x: np.ndarray, y: np.ndarray
) -> tuple[np.ndarray, np.floating]:
    """Multipliers λ ≥ 0 whose `terms` with these gates are nearest to weights, and how near.

    Args:
        target: weights of shape (width, d).
        u, x, y: of the network.
        gates: of shape (width, samples).

    Example:
        >>> target, ones = np.array([[2.0, -3.0]]), np.ones((1, 2))
        >>> lam, distance = nearest(target, np.ones(1), ones, np.eye(2), np.ones(2))
        >>> lam.tolist(), distance.item()
        ([2.0, 0.0], 3.0)
    """
    each = [np.outer(u * gates[:, i] * y[i], x[i]).ravel() for i in range(len(x))]
    lam, distance = optimize.nnls(
        np.stack(each, axis=1).astype(float), target.ravel().astype(float)
    )
    return lam, np.float64(distance)


def free(scene: Any) -> Network:
    """The network of a `theory.unlearning.planted.FreeScene`.

    Example:
        >>> from theory.unlearning.planted import FreeScene, Hidden
        >>> hidden = Hidden(np.ones(1), np.ones(1), np.ones((1, 1)), np.zeros((1, 2)))
        >>> net = free(FreeScene(np.full((1, 1), 3.0), np.full(1, 5.0), hidden))
        >>> net.w.astype(float).tolist()
        [[1.0, 0.0]]
    """
    x, u = (np.asarray(part, np.longdouble) for part in (scene.x, scene.u))
    return network(np.pad(x / norm(x), ((0, 0), (0, 1))), u / norm(u), scene.hidden)


def conditions(net: Network, linear: bool = False) -> Conditions:
    """The KKT conditions with the network's multipliers and the gates of its pre-activations.

    Example:
        >>> net = Network(np.diag([4.0, 1.0]), np.ones(2), np.eye(2), np.ones(2), np.full(2, 2.0))
        >>> conditions(net).delta.item(), conditions(net).lam.tolist()
        (6.0, [2.0, 2.0])
    """
    z = net.w @ net.x.T
    gates = np.ones_like(z) if linear else (z > 0) * 1.0
    q = net.y * (net.u @ (gates * z))
    scale = q.min()
    w, lam, q = net.w / scale, net.lam / scale, q / scale
    weights = gates * lam
    epsilon = norm(w - terms(net.u, weights, net.x, net.y))
    return Conditions(w, lam, weights, q, epsilon, (lam * (q - 1)).max())


def step_taken(before: np.ndarray, after: np.ndarray, step: np.ndarray) -> dict[str, Any]:
    """Margins of what a step of the weights' shape must have done.

    Example:
        >>> w = np.array([3.0, 4.0])
        >>> step_taken(w, 0.5 * w, 0.5 * w)["step moved w"].round(2).item()
        0.49
    """
    gone = before - after
    return {
        "step moved w": norm(gone) / norm(before) - 0.01,
        "β = β*": 1e-6 - norm(gone - step) / norm(step),
    }


def _size(x: np.ndarray) -> tuple[np.floating, np.floating]:
    gram = x @ x.T
    return np.abs(np.diag(gram) - 1).max(), np.abs(gram - np.diag(np.diag(gram))).max()


def forget_linear(settings: Any, scene: Any, forgotten: int = 1) -> Forgotten:
    """A `theory.unlearning.planted.LinearScene` that forgets its first points.

    Example:
        >>> from theory.unlearning.linear import Settings
        >>> from theory.unlearning.planted import LinearScene
        >>> two = np.zeros(2)
        >>> scene = LinearScene(two, np.zeros(1), np.array([0.0, 99.0]), two, np.zeros(()))
        >>> found = forget_linear(Settings(samples=2), scene)
        >>> [float(value) for value in (found.before.delta, found.delta, found.left)]
        [8.0, 0.0, -1.0]
    """
    x = points(scene.norms, scene.products, settings.psi, settings.phi)
    lam = 4 / (1 + np.exp(-np.asarray(scene.multipliers, np.longdouble)))
    slack = 4 * np.tanh(np.asarray(scene.margins, np.longdouble)) ** 2
    q = 1 + slack - slack.min()
    w = np.zeros_like(x[0])
    for i in range(len(x)):  # x is triangular
        w[i] = (q[i] - x[i] @ w) / x[i, i]
    w[-1] = 0.1 + np.abs(np.longdouble(scene.off))
    one = np.ones(1)
    before = conditions(Network(w[None], one, x, np.ones(len(x)), lam), linear=True)
    step = np.sum([before.lam[i] * x[i] for i in range(forgotten)], axis=0)
    moved = before.w - step
    kept = Network(moved, one, x[forgotten:], np.ones(len(x) - forgotten), before.lam[forgotten:])
    after = conditions(kept, linear=True)
    happened = {"λ ≥ 0": lam.min()} | step_taken(before.w, moved, step)
    return Forgotten(
        before,
        after.epsilon,
        after.delta,
        angle(moved, after.w),
        *_size(x),
        (moved @ x[0])[0],
        happened,
    )


def forget_near_orthogonal(settings: Any, scene: Any) -> Forgotten:
    """A `theory.unlearning.planted.NearOrthogonalScene` that forgets its first point, with the
    certificate of Theorem 4.1.

    Example:
        >>> from theory.unlearning.planted import Hidden, NearOrthogonalScene
        >>> from theory.unlearning.settings import Settings
        >>> hidden = Hidden(np.ones(2), np.ones(2), np.ones((1, 2)), np.zeros((1, 3)))
        >>> scene = NearOrthogonalScene(np.zeros(2), np.zeros(1), np.ones(1), hidden)
        >>> found = forget_near_orthogonal(Settings(samples=2, width=1), scene)
        >>> bool(found.tau < 1e-9), bool(found.before.epsilon < 1e-9)
        (True, True)
    """
    m, n, epsilon_d = settings.samples, settings.width, 0.01
    x = points(scene.norms, scene.products, 0.1, epsilon_d / (4 * m * n))
    net = network(x, np.where(np.asarray(scene.signs) > 0, 1.0, -1.0) / np.sqrt(n), scene.hidden)
    before, u, y = conditions(net), net.u, net.y
    step = terms(u, before.weights[:, :1], x[:1], y[:1])
    after = before.w - step
    proof = after.copy()
    for j in range(n):
        for k in range(1, m):
            sign = 1.0 if before.w[j] @ x[k] > 0 else -1.0
            size = np.abs(u[j]) * before.weights[j, 0] * epsilon_d / (2 * m * n)
            proof[j] += size * sign * x[k]
    found = conditions(Network(proof, u, x[1:], y[1:], before.lam[1:]))
    # The certificate is κθ̃ with multipliers κλ, κ one over the smallest retained margin.
    return Forgotten(
        before,
        found.epsilon,
        found.delta,
        angle(after, proof),
        *_size(x),
        y[0] * (u @ np.maximum(after @ x[0], 0)),
        step_taken(before.w, after, step),
    )


def admitted(settings: Any, found: Forgotten) -> dict[str, Any]:
    """Margins of the assumptions of Theorem 4.1.

    Example:
        >>> from theory.unlearning.planted import Hidden, NearOrthogonalScene
        >>> from theory.unlearning.settings import Settings
        >>> hidden = Hidden(np.ones(2), np.ones(2), np.ones((1, 2)), np.zeros((1, 3)))
        >>> scene = NearOrthogonalScene(np.zeros(2), np.zeros(1), np.ones(1), hidden)
        >>> settings = Settings(samples=2, width=1)
        >>> admitted(settings, forget_near_orthogonal(settings, scene))["δ₁ ≤ .5"] > 0.49
        np.True_
    """
    allowed = 0.01 / (4 * settings.samples * settings.width)
    return {
        "ψ ≤ .1": 0.1 - found.psi + ROUNDING,
        "φ ≤ ε_d/(4mn), relative": 1 - found.phi / allowed + ROUNDING / allowed,
        "ε₁ ≤ 1": 1 - found.before.epsilon,
        "δ₁ ≤ .5": 0.5 - found.before.delta,
    } | found.happened
