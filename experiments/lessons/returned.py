"""What a student's function returned, as an array."""

from typing import Any

import numpy as np

from experiments.lessons.exercise import Unsolved


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
    found = np.asarray(answer, float)
    if found.shape != shape:
        return f"It returned an array of shape {found.shape}; it should have shape {shape}."
    return found
