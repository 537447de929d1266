"""The nearest misclassified point, exactly, for a few neurons in a few dimensions.

Where the signs of all neurons are given, a two-layer ReLU network is linear on a polyhedron, and
the nearest point of a class there is a linear program (L∞) or a least-distance one (L2). Patterns
of signs are searched depth first; a neuron whose kink lies farther off than the nearest point so
far has the sign that it has at x.
"""

from typing import NamedTuple

import numpy as np
from jaxtyping import Array, Float
from scipy.optimize import linprog, nnls

from theory.attacks.balls import Norm
from theory.networks import MLP


class Nearest(NamedTuple):
    """The nearest point at which another logit is as large as the label's.

    Attributes:
        distance: to it, infinite where there is none.
        inputs: it; x itself where there is none.
        target: whose logit that is; −1 likewise.
    """

    distance: float
    inputs: Float[np.ndarray, " d"]
    target: int


def nearest(
    net: MLP,
    x: Float[Array, " d"],
    y: int,
    norm: Norm = "linf",
    box: tuple[float, float] | None = (0.0, 1.0),
    target: int | None = None,
) -> Nearest:
    """The nearest adversarial example of one input, to the solver's rounding; not compiled.

    Args:
        net: linear logits, or one hidden layer, of ten neurons or so.
        x: in the box.
        y: its label.
        norm: of the perturbation.
        box: lowest and highest value; None for none.
        target: the class to reach; any but the label when None.

    Raises:
        ValueError: the network has more than one hidden layer.

    Example:
        >>> import jax.numpy as jnp
        >>> net = MLP((jnp.array([[1.0, 0.0], [0.0, 1.0]]),), (jnp.zeros(2),))
        >>> found = nearest(net, jnp.array([0.75, 0.25]), 0)
        >>> round(found.distance, 6), found.target
        (0.25, 1)
    """
    *hidden, last = [np.asarray(weight, float) for weight in net.weights]
    *kinks, bias = [np.asarray(b, float) for b in net.biases]
    if len(hidden) > 1:
        raise ValueError(f"the network has {len(hidden)} hidden layers: only 0 or 1 is exact")
    point = np.asarray(x, float)
    d = point.size
    w, b = (hidden[0], kinks[0]) if hidden else (np.zeros((0, d)), np.zeros(0))
    before = w @ point + b
    dual = np.linalg.norm(w, ord=1 if norm == "linf" else 2, axis=1)
    away = np.abs(before) / np.where(dual > 0, dual, 1)
    away[dual == 0] = np.inf
    order = np.argsort(away)
    sides = () if box is None else ((np.eye(d), box[1]), (-np.eye(d), -box[0]))
    in_box = [(side, end - side @ point) for side, end in sides]
    best = Nearest(np.inf, point, -1)

    def leaf(signs, aim):
        """The nearest point of a class's half-space where the neurons have these signs."""
        on = (signs > 0).astype(float)
        if hidden:
            slope = (last[aim] - last[y]) @ (on[:, None] * w)
            value = (last[aim] - last[y]) @ (on * before) + bias[aim] - bias[y]
        else:
            slope = last[aim] - last[y]
            value = slope @ point + bias[aim] - bias[y]
        kept = [(-signs[:, None] * w, signs * before), (-slope[None], np.array([value])), *in_box]
        rows, most = (np.concatenate([pair[i] for pair in kept]) for i in (0, 1))
        return _shortest(rows, most, norm)

    def descend(signs, depth):
        nonlocal best
        if depth < len(order) and away[order[depth]] < best.distance:
            i = order[depth]
            for sign in (signs[i], -signs[i]):  # the side of x first: nearer, and bounds the rest
                turned = signs.copy()
                turned[i] = sign
                fixed = order[: depth + 1]
                reached = _shortest(
                    -turned[fixed, None] * w[fixed], turned[fixed] * before[fixed], norm
                )
                if reached is not None and _length(reached, norm) < best.distance:
                    descend(turned, depth + 1)
            return
        for aim in range(len(last)) if target is None else (target,):
            step = None if aim == y else leaf(signs, aim)
            if step is not None and _length(step, norm) < best.distance:
                best = Nearest(_length(step, norm), point + step, aim)

    descend(np.where(before >= 0, 1.0, -1.0), 0)
    return best


def _length(step: Float[np.ndarray, " d"], norm: Norm) -> float:
    return float(np.abs(step).max() if norm == "linf" else np.linalg.norm(step))


def _shortest(rows: np.ndarray, most: np.ndarray, norm: Norm) -> np.ndarray | None:
    """The least step z with ``rows @ z <= most``; None if there is none."""
    d = rows.shape[1]
    if norm == "linf":
        ends = np.eye(d)
        bounded = np.block(
            [[rows, np.zeros((len(rows), 1))], [ends, -np.ones((d, 1))], [-ends, -np.ones((d, 1))]]
        )
        found = linprog(
            np.eye(d + 1)[d], bounded, np.concatenate([most, np.zeros(2 * d)]), bounds=(None, None)
        )
        return found.x[:d] if found.status == 0 else None
    # Least-distance programming by non-negative least squares (Lawson and Hanson 1974, chapter 23).
    system = np.vstack([-rows.T, -most[None]])
    aim = np.eye(d + 1)[d]
    rest = system @ nnls(system, aim)[0] - aim
    return None if np.linalg.norm(rest) < 1e-9 else -rest[:d] / rest[d]
