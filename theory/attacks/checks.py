"""What can be wrong with inputs, labels and options of an attack, in one sentence each."""

import warnings
from collections.abc import Callable
from typing import Any, get_args

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Integer

from theory.attacks.balls import Norm
from theory.attacks.losses import Loss
from theory.attacks.targets import Order
from theory.checks import check_classes, check_counts, check_number, is_array, traced


def prepared(
    logits: Callable[[Any], Any], x: Any, y: Any, box: tuple[float, float] | None
) -> tuple[Float[Array, "n ..."], Integer[Array, " n"], int]:
    """Inputs, labels as integers of one axis, and the number of classes.

    Raises:
        ValueError: as `prepared_inputs` does, or for labels that are not one class for each.

    Example:
        >>> prepared(lambda x: x, jnp.eye(2), jnp.array([0, 2]), (0.0, 1.0))
        Traceback (most recent call last):
        ValueError: labels must be classes from 0 to 1, as there are logits
    """
    x, classes = prepared_inputs(logits, x, box)
    return x, check_classes("labels", y, len(x), classes), classes


def prepared_inputs(
    logits: Callable[[Any], Any], x: Any, box: tuple[float, float] | None
) -> tuple[Float[Array, "n ..."], int]:
    """Inputs as an array, and the number of classes.

    Raises:
        ValueError: inputs that are none, not floating-point or outside the box; no box; logits that
            are not one row of at least 2 floating-point numbers for each.

    Example:
        >>> prepared_inputs(lambda x: x, 2 * jnp.eye(2), (0.0, 1.0))
        Traceback (most recent call last):
        ValueError: inputs go from 0 to 2, outside the box from 0 to 1: scale them, or give the box
    """
    x = jnp.asarray(x)
    if x.ndim < 2 or x.size == 0:
        raise ValueError(f"inputs have shape {x.shape}: give (n, ...) with at least 1 input")
    if not jnp.issubdtype(x.dtype, jnp.floating):
        raise ValueError(f"inputs have type {x.dtype} and must be floating-point, such as x / 255.")
    check_box(box)
    if box is not None and not traced((x, box)):
        seen = np.asarray(x)  # by NumPy, as in `theory.checks.finite`
        low, high = np.asarray(box, x.dtype)
        # Not by the smallest and largest, which are NaN if an entry is.
        if ((seen < low) | (seen > high)).any():
            raise ValueError(
                f"inputs go from {float(np.nanmin(seen)):g} to {float(np.nanmax(seen)):g}, outside "
                f"the box from {float(low):g} to {float(high):g}: scale them, or give the box"
            )
    found = jax.eval_shape(logits, x)
    if len(found.shape) != 2 or found.shape[0] != len(x) or found.shape[1] < 2:
        raise ValueError(
            f"logits have shape {found.shape} for {len(x)} inputs: they must be "
            f"({len(x)}, classes), of at least 2 classes"
        )
    if not jnp.issubdtype(found.dtype, jnp.floating):
        raise ValueError(f"logits have type {found.dtype} and must be floating-point")
    return x, found.shape[1]


def check_targets(targets: Any, y: Integer[Array, " n"], classes: int) -> Integer[Array, " n"]:
    """Classes to aim at, none of them the label.

    Raises:
        ValueError: otherwise.

    Example:
        >>> check_targets(jnp.array([1]), jnp.array([1]), 3)
        Traceback (most recent call last):
        ValueError: target 0 is 1, the label itself
    """
    targets = check_classes("targets", targets, len(y), classes)
    if not traced((targets, y)) and bool(jnp.any(targets == y)):
        first = int(np.flatnonzero(np.asarray(targets == y))[0])
        raise ValueError(f"target {first} is {int(targets[first])}, the label itself")
    return targets


def check_box(box: Any) -> None:
    """Refuse what is neither a lowest and a highest value nor None.

    Raises:
        ValueError: otherwise.

    Example:
        >>> check_box((0.0, 1.0))
        >>> check_box(1.0)
        Traceback (most recent call last):
        ValueError: box is 1.0: give two numbers, its lowest and its highest value, or None
    """
    if box is None:
        return
    ends = list(box) if isinstance(box, tuple | list) or np.shape(box) else []
    if len(ends) != 2 or not all(is_array(end) and np.shape(end) == () for end in ends):
        raise ValueError(
            f"box is {box!r}: give two numbers, its lowest and its highest value, or None"
        )
    if traced(box):
        return
    low, high = np.asarray(box)
    if not low < high:
        raise ValueError(f"box is {box}: its lowest value must be below its highest")


def check_attack(*, eps: Any, **options: Any) -> None:
    """Refuse options that cannot be: counts below 1, unknown names, ε that is no radius.

    Args:
        eps: of the ball.
        options: norm, loss and order by name; all others are counts.

    Raises:
        ValueError: otherwise.

    Example:
        >>> check_attack(eps=0.1, steps=0)
        Traceback (most recent call last):
        ValueError: steps is 0 and must be an integer of at least 1
    """
    check_number("eps", eps)
    names = {"norm": get_args(Norm), "loss": get_args(Loss), "order": get_args(Order)}
    for name, value in options.items():
        if name in names:
            if value not in names[name]:
                raise ValueError(f"{name} is {value!r} and must be one of {names[name]}")
        else:
            check_counts(**{name: value})


def numbers(x: Float[Array, "n ..."], eps: Any, box: tuple[float, float] | None) -> dict[str, Any]:
    """Radius and box as arrays of the inputs' type, so that other numbers need no new program.

    Example:
        >>> numbers(jnp.ones((1, 2)), 0.5, None)["box"] is None
        True
    """
    ends = None if box is None else tuple(jnp.asarray(end, x.dtype) for end in box)
    return {"eps": jnp.asarray(eps, x.dtype), "box": ends}


def warn_of_probabilities(z: Float[Array, "n classes"]) -> None:
    """Warn where logits look like probabilities, whose gradients vanish where they are confident.

    Example:
        >>> warn_of_probabilities(jnp.eye(2) - 1)
    """
    if traced(z):
        return
    z = z[~jnp.any(jnp.isnan(z), axis=1)]
    if len(z) and bool(jnp.all(z >= 0) & jnp.all(jnp.abs(jnp.sum(z, axis=1) - 1) < 1e-3)):
        warnings.warn(
            "every row of logits is positive and sums to 1, as softmax makes it: its gradients "
            "vanish where it is confident; give what goes into the softmax",
            stacklevel=3,
        )
