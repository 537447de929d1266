"""What can be wrong with a network, its data and the points to forget, in one sentence each."""

from typing import Any

import jax
import numpy as np
from jaxtyping import Array, Float

from theory.checks import as_floats, check_dimension, check_points, finite, traced
from theory.networks import Linear, TwoLayerReLU


def check_problem(
    net: Linear | TwoLayerReLU, x: Any, y: Any
) -> tuple[Float[Array, "n d"], Float[Array, " n"]]:
    """Points and labels as arrays: ±1, everything finite, and every training margin positive.

    Values are looked at where there are any: inside a compiled program there are none, and a
    margin that is not positive comes out as NaN.

    Raises:
        ValueError: otherwise.

    Example:
        >>> import jax.numpy as jnp
        >>> check_problem(Linear(jnp.ones(2)), jnp.eye(2), jnp.array([1.0, -1.0]))
        Traceback (most recent call last):
        ...
        ValueError: Point 1 has margin y·N(x) = -1 and must be classified correctly, with a ...
    """
    if not isinstance(net, Linear | TwoLayerReLU):
        raise ValueError(
            f"The network is a {type(net).__name__} and must be a Linear or a TwoLayerReLU: "
            "the KKT conditions are those of a network that is homogeneous in its weights."
        )
    x, y = check_points(x, y)
    check_dimension(net.w.shape[-1], x)
    if traced((net, x, y)):
        return x, y
    if not finite(net):
        raise ValueError("Weights must be finite; at least one is not.")
    with jax.ensure_compile_time_eval():  # what is known is known in a program being traced, too
        margins = np.asarray(y * net(x))
    worst = int(margins.argmin())
    if margins[worst] <= 0:
        raise ValueError(
            f"Point {worst} has margin y·N(x) = {margins[worst]:g} and must be classified "
            "correctly, with a positive margin: train longer."
        )
    return x, y


def check_forget(forget: Any, n: int) -> tuple[int, ...]:
    """The indices to forget as a tuple: in range, all different, and not all points.

    Args:
        forget: an index, several, or a mask of n booleans, true at the points to forget.
        n: points there are.

    Raises:
        ValueError: otherwise.

    Example:
        >>> check_forget(3, 10), check_forget([0, 2], 10), check_forget([True, False, True], 3)
        ((3,), (0, 2), (0, 2))
    """
    as_floats("forget", forget)
    found = np.asarray(forget)
    if found.ndim > 1:
        raise ValueError(f"forget has shape {found.shape}: give indices (k,), or a mask ({n},).")
    if found.dtype == bool:
        if found.shape != (n,):
            raise ValueError(
                f"forget is a mask of shape {found.shape}, and there are {n} points: give ({n},)."
            )
        found = np.flatnonzero(found)
    numbers = np.atleast_1d(found)
    # NaN compares false.
    if not ((np.abs(numbers) < 2.0**53) & (numbers == np.trunc(numbers))).all():
        raise ValueError(f"forget is {numbers.tolist()}, which are no indices: give integers.")
    indices = tuple(map(int, numbers))
    for index in indices:
        if not 0 <= index < n:
            raise ValueError(
                f"Point {index} is not there to be forgotten: indices are 0 to {n - 1}."
            )
        if indices.count(index) > 1:
            raise ValueError(f"Point {index} is to be forgotten twice; name each point once.")
    if not indices:
        raise ValueError("No point is to be forgotten; name at least one index.")
    if len(indices) == n:
        raise ValueError(
            f"All {n} points are to be forgotten, which leaves no retained problem; keep one."
        )
    return indices


def retained(forget: tuple[int, ...], n: int) -> np.ndarray:
    """The indices that are kept.

    Example:
        >>> retained((0, 2), 4).tolist()
        [1, 3]
    """
    return np.setdiff1d(np.arange(n), forget)
