"""What every arm of a comparison is given, and the same training in NumPy.

Nothing here imports JAX, so that a process of PyTorch's does not pay for it.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np
from jaxtyping import Float


class Shape(NamedTuple):
    """Points, input dimension and neurons."""

    n: int
    d: int
    m: int


class Problem(NamedTuple):
    """Networks with data and a rate of their own; arrays of any library, or their gradients.

    Attributes:
        w, u: hidden and output weights; the output weights stay.
        x, y: points and labels ±1.
        rate: of gradient descent on the mean logistic loss.
    """

    w: Any  # (networks, m, d)
    u: Any  # (networks, m)
    x: Any  # (networks, n, d)
    y: Any  # (networks, n)
    rate: Any  # (networks,)


def problem(shape: Shape, networks: int, dtype: str, seed: int = 0) -> Problem:
    """Gaussian points with random labels, networks drawn as the theory draws them, stable rates.

    Example:
        >>> [part.shape for part in problem(Shape(3, 5, 4), 2, "float32")]
        [(2, 4, 5), (2, 4), (2, 3, 5), (2, 3), (2,)]
    """
    n, d, m = shape
    rng = np.random.default_rng(seed)
    w = rng.standard_normal((networks, m, d)) * d**-0.5
    u = rng.choice([-1.0, 1.0], (networks, m)) * m**-0.5
    x = rng.standard_normal((networks, n, d))
    y = rng.choice([-1.0, 1.0], (networks, n))
    rate = 4 / np.max(np.sum(x * x, axis=2), axis=1)  # ‖u‖ = 1; as `theory.train_to_margin`
    return Problem(*(part.astype(dtype) for part in (w, u, x, y, rate)))


def descend(given: Problem, steps: int) -> Float[np.ndarray, "networks m d"]:
    """The hidden weights after training, by a loop in NumPy over networks and steps.

    Example:
        >>> descend(problem(Shape(3, 5, 4), 2, "float64"), 9).shape
        (2, 4, 5)
    """
    trained = []
    for w, u, x, y, rate in zip(*given, strict=True):
        for _ in range(steps):
            z = w @ x.T
            slope = -y / (1 + np.exp(y * (u @ np.maximum(z, 0)))) / len(y)
            w = w - rate * ((u[:, None] * (z > 0) * slope) @ x)
        trained.append(w)
    return np.array(trained)


class Ready(NamedTuple):
    """What is ready to run: a call that returns when all is done, and the seconds of compiling."""

    run: Callable[[], Any]
    compile: float = 0.0


Arm = Callable[[Problem, int], Ready]
"""``(problem, steps)`` -> what gives the trained hidden weights (networks, m, d)."""


def as_numpy(array: Any) -> np.ndarray:
    """An array of any library, wherever it is."""
    return np.asarray(array.cpu() if hasattr(array, "cpu") else array)
