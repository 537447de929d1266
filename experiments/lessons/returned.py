"""What a student answered, as a number or as an array."""

from typing import Any

import numpy as np

from experiments.lessons.exercise import Unsolved


def number(answer: Any) -> float:
    """An answer as a number.

    Raises:
        Unsolved: it is none.

    Example:
        >>> number(np.float32(0.25))
        0.25
        >>> number([0.25])
        Traceback (most recent call last):
        experiments.lessons.exercise.Unsolved: Give one number, as it is: no list, no text.
    """
    try:
        return float(answer)
    except (TypeError, ValueError):
        raise Unsolved("Give one number, as it is: no list, no text.") from None


def returned(answer: Any, shape: tuple[int, ...]) -> np.ndarray | str:
    """An answer as an array of a shape, or the hint that it is none.

    Raises:
        Unsolved: nothing was returned.

    Example:
        >>> returned([1, 2], (2,))
        array([1., 2.])
        >>> returned(3, (2,))
        'It returned an array of shape (); it should have shape (2,).'
    """
    if answer is None or answer is ...:
        raise Unsolved("Let the function return its result.")
    if np.iscomplexobj(answer):
        return "It returned complex numbers; they should be real."
    found = np.asarray(answer, float)
    if found.shape != shape:
        return f"It returned an array of shape {found.shape}; it should have shape {shape}."
    return found
