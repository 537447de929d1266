"""What can be wrong with arrays that a user gives, and whether there are values to look at."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jax.core import Tracer


def traced(tree: Any) -> bool:
    """Whether a leaf is traced: inside a compiled program there are no values to look at.

    Example:
        >>> traced(jnp.ones(2)), bool(jax.jit(lambda x: traced(x))(jnp.ones(2)))
        (False, True)
    """
    return any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(tree))


def is_array(leaf: Any) -> bool:
    """Whether a leaf is an array, a number, or traced.

    Example:
        >>> is_array(1.0), is_array("1"), bool(jax.jit(lambda x: is_array(x))(1.0))
        (True, False, True)
    """
    # What is traced counts as a jax.Array, but not where that is one class of a union.
    return isinstance(leaf, jax.Array) or isinstance(leaf, jax.typing.ArrayLike)


def floating(leaf: Any) -> bool:
    """Whether an array can be trained: integers and booleans cannot.

    Example:
        >>> floating(jnp.ones(2)), floating(jnp.ones(2, int))
        (True, False)
    """
    return jnp.issubdtype(jnp.asarray(leaf).dtype, jnp.inexact)


def finite(tree: Any) -> bool:
    """Whether no leaf has a NaN or an infinity.

    Example:
        >>> finite([jnp.ones(2), 3]), finite([jnp.array([1.0, jnp.nan])])
        (True, False)
    """
    # By NumPy: in a program that is being traced JAX has no answer, even to what is a constant.
    return all(
        not floating(leaf) or bool(np.isfinite(np.asarray(leaf)).all())
        for leaf in jax.tree.leaves(tree)
    )


def as_floats(name: str, value: Any) -> jax.Array:
    """Real numbers as an array: of a list, of integers, of an array of any framework.

    Args:
        name: what it is, for the message.
        value: of any shape.

    Raises:
        ValueError: these are no numbers, or complex ones.

    Example:
        >>> as_floats("w", [[1, 2]]).shape
        (1, 2)
        >>> as_floats("w", [1j])
        Traceback (most recent call last):
        ValueError: w is complex: give real numbers, its .real where the imaginary parts are 0.
    """
    if not isinstance(value, jax.Array):
        try:
            value = np.asarray(value)
        except Exception as error:  # ragged lists, and whatever another framework's array raises
            reason = " ".join(str(error).split())
            raise ValueError(f"{name} cannot be read as an array: {reason}") from error
    kind = value.dtype
    if jnp.issubdtype(kind, jnp.complexfloating):
        raise ValueError(
            f"{name} is complex: give real numbers, its .real where the imaginary parts are 0."
        )
    real = any(jnp.issubdtype(kind, known) for known in (jnp.floating, jnp.integer, jnp.bool))
    if not real or jnp.issubdtype(kind, np.timedelta64):  # which is an integer to NumPy
        raise ValueError(f"{name} has the type {kind}: give an array of numbers.")
    kept = jnp.issubdtype(kind, jnp.floating) and kind.itemsize <= 8
    return jnp.asarray(value, None if kept else float)


def check_finite(what: str, tree: Any) -> None:
    """Refuse a NaN or an infinity, where there are values to look at.

    Args:
        what: they are, for the message.
        tree: a pytree of arrays.

    Raises:
        ValueError: otherwise.

    Example:
        >>> check_finite("weights", jnp.array([1.0, jnp.nan]))
        Traceback (most recent call last):
        ValueError: weights have entries that are not finite
    """
    if not traced(tree) and not finite(tree):
        raise ValueError(f"{what} have entries that are not finite")


def check_counts(least: int = 1, **counts: Any) -> None:
    """Refuse what is not a whole number, or below the least.

    Raises:
        ValueError: otherwise, by name.

    Example:
        >>> check_counts(steps=3, batch=0)
        Traceback (most recent call last):
        ValueError: batch is 0 and must be an integer of at least 1
    """
    for name, value in counts.items():
        whole = isinstance(value, int | np.integer) and not isinstance(value, bool)
        if not whole or value < least:
            raise ValueError(f"{name} is {value} and must be an integer of at least {least}")


def check_number(name: str, value: Any, *, positive: bool = False) -> None:
    """Refuse what is not one finite number of at least 0.

    Args:
        name: what it is, for the message.
        value: of all inputs; one for each is none.
        positive: whether 0 is refused too.

    Raises:
        ValueError: otherwise.

    Example:
        >>> check_number("eps", 0.1)
        >>> check_number("eps", jnp.ones(3))
        Traceback (most recent call last):
        ValueError: eps has shape (3,) and must be one number, the same for all inputs
    """
    if not is_array(value):
        raise ValueError(f"{name} is {value!r} and must be a number")
    if np.shape(value) != ():
        raise ValueError(
            f"{name} has shape {np.shape(value)} and must be one number, the same for all inputs"
        )
    if traced(value):
        return
    known = np.asarray(value)
    if not (known > 0 if positive else known >= 0) or not known < np.inf:
        least = "positive" if positive else "at least 0"
        raise ValueError(f"{name} is {value} and must be {least} and finite")


def check_classes(name: str, y: Any, n: int, classes: int) -> jax.Array:
    """Classes of n rows as integers of one axis.

    Shapes and types are looked at always, values where there are any.

    Args:
        name: what they are, for the message.
        y: integers in [0, classes), of shape (n,) or (n, 1).
        n: rows.
        classes: how many there are.

    Raises:
        ValueError: otherwise.

    Example:
        >>> check_classes("labels", jnp.array([0, 2]), 2, 2)
        Traceback (most recent call last):
        ValueError: labels must be classes from 0 to 1, as there are logits
    """
    y = jnp.asarray(y)
    if y.ndim == 2 and y.shape[1] == classes and classes > 1:
        raise ValueError(f"{name} have shape {y.shape}, one-hot: give classes, use argmax(axis=1)")
    if y.shape not in ((n,), (n, 1)):
        raise ValueError(f"{name} have shape {y.shape} and must have ({n},), a class for each")
    if not jnp.issubdtype(y.dtype, jnp.integer):
        raise ValueError(f"{name} have type {y.dtype} and must be integers")
    if not traced(y):
        seen = np.asarray(y)
        if ((seen < 0) | (seen >= classes)).any():
            raise ValueError(f"{name} must be classes from 0 to {classes - 1}, as there are logits")
    return y.reshape(n).astype(int)


def check_dimension(d: int, x: jax.Array) -> None:
    """Refuse points that are not of the d dimensions that a network takes.

    Raises:
        ValueError: otherwise.

    Example:
        >>> check_dimension(3, jnp.ones((5, 2)))
        Traceback (most recent call last):
        ValueError: The network takes points of 3 numbers, and points of shape (5, 2) are given.
    """
    if x.ndim < 1 or x.shape[-1] != d:
        raise ValueError(
            f"The network takes points of {d} numbers, and points of shape {x.shape} are given."
        )


def check_rows(what: str, row: str, tree: Any) -> int:
    """How many rows arrays have in common, at least 1; a row that one lacks would be its last.

    Args:
        what, row: they are, for the message.
        tree: a pytree of arrays, traced or not.

    Raises:
        ValueError: there is no such number.

    Example:
        >>> check_rows("data", "row", (jnp.ones((3, 2)), jnp.ones(3)))
        3
    """
    shapes = [jnp.shape(leaf) for leaf in jax.tree.leaves(tree)]
    sizes = {shape[:1] for shape in shapes}
    if len(sizes) != 1 or sizes in ({()}, {(0,)}):
        raise ValueError(
            f"{what} must be arrays with one first axis of at least 1 {row}, but have shapes "
            f"{shapes}"
        )
    return shapes[0][0]


def check_inputs(inputs: Any) -> None:
    """Refuse inputs that are not at least one row of finite numbers.

    Args:
        inputs: what should be an array with a first axis of n rows, or a pytree of such.

    Raises:
        ValueError: otherwise.

    Example:
        >>> check_inputs(jnp.ones((0, 3)))
        Traceback (most recent call last):
        ...
        ValueError: inputs must be arrays with one first axis of at least 1 input, but ...
    """
    check_rows("inputs", "input", inputs)
    if not finite(inputs):
        raise ValueError("inputs have entries that are not finite")


def check_points(x: Any, y: Any) -> tuple[jax.Array, jax.Array]:
    """Training data as arrays: points (n, d) and labels ±1 (n,), all finite.

    Shapes are looked at always, values where there are any: in a compiled program there are none.

    Args:
        x: what `as_floats` takes.
        y: the same; (n, 1) as well.

    Raises:
        ValueError: otherwise.

    Example:
        >>> check_points([[1, 2]], [[1]])[1].tolist()
        [1.0]
        >>> check_points(jnp.eye(2), jnp.array([0.0, 1.0]))
        Traceback (most recent call last):
        ValueError: Label 0 is 0 and must be -1 or +1.
    """
    x, y = as_floats("x", x), _labels(y)
    if x.ndim == 2 and y.shape == (len(x), 1):
        y = y[:, 0]
    if x.ndim != 2 or y.shape != x.shape[:1]:
        raise ValueError(
            f"Points have shape {jnp.shape(x)} and labels {jnp.shape(y)}: they must be (n, d) and "
            "(n,), a label for each point."
        )
    if len(x) == 0:
        raise ValueError("There are no training points; give at least one.")
    y = y.astype(x.dtype)
    if traced((x, y)):
        return x, y
    if not finite((x, y)):
        raise ValueError("Points and labels must be finite; at least one is not.")
    wrong = np.flatnonzero(np.abs(np.asarray(y)) != 1)
    if wrong.size:
        raise ValueError(f"Label {wrong[0]} is {float(y[wrong[0]]):g} and must be -1 or +1.")
    return x, y


def _labels(y: Any) -> jax.Array:
    found = as_floats("y", y)
    named = str(getattr(y, "dtype", ""))  # of another framework as well
    if named.endswith("bool") or any(type(label) is bool for label in jax.tree.leaves(y)):
        raise ValueError("Labels are true and false and must be -1 or +1: give 2 * y - 1.")
    return found
