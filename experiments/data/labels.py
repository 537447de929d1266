"""The classes of images of the user's own as integers from 0 up, or why they are none."""

import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from experiments.data.archive import bad

KEYS = ("y_train", "y_test")


def read_classes(file: Path, key: str, y: NDArray, count: int) -> NDArray[np.int64]:
    """Labels of one axis, as integers, whichever these are.

    Integers are taken, floats that are whole, and booleans as 0 and 1.

    Raises:
        UsageError: there is not one label for each image, or one is no integer.
    """
    if y.ndim == 2 and len(y) == count and y.shape[1] > 1 and y.dtype.kind in "biuf":
        if np.isin(y, (0, 1)).all() and (y.sum(axis=1) == 1).all():
            raise bad(file, f"has one-hot rows in {key}", "give classes, y.argmax(axis=1).")
    # Keras stores CIFAR's classes as a column.
    if y.shape not in ((count,), (count, 1)):
        raise bad(file, f"has {key} of shape {y.shape} for {count} images")
    y = y.reshape(count)
    if y.dtype.kind in "US":
        raise bad(
            file,
            f"has strings in {key}, the first of them {str(y[0])[:40]!r}",
            "give their numbers among the sorted names, np.searchsorted(np.unique(names), y).",
        )
    if y.dtype.kind not in "biuf":
        raise bad(file, f"has {key} of type {y.dtype}")
    # Whatever is beyond is no class; NaN compares false.
    wrong = y[~((y >= -(2.0**31)) & (y <= 2.0**31) & (y == np.trunc(y)))]
    if wrong.size:
        raise bad(file, f"has {wrong[0]} in {key}, which is no class")
    return y.astype(np.int64)


def number_classes(
    file: Path, y_train: NDArray[np.int64], y_test: NDArray[np.int64]
) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """The classes numbered from 0 without a gap; a warning says how, where they were not.

    Raises:
        UsageError: classes are negative, but for those of ±1; there is only one; or one is in the
            test images alone.

    Example:
        >>> y = np.array([0, 1])
        >>> number_classes(Path("mine.npz"), y, y[:1])
        (array([0, 1]), array([0]))
    """
    classes = np.unique(y_train)
    strangers = np.setdiff1d(y_test, classes)
    for key, found in zip(KEYS, (classes, strangers), strict=True):
        if found.size and found.min() < 0 and found.tolist() != [-1, 1]:
            raise bad(
                file, f"has {found.min()} in {key}, which often means that a label is unknown"
            )
    if strangers.size:
        raise bad(
            file,
            f"has class {strangers[0]} in y_test and none of it in y_train",
            "leave these images out, or give some to train on.",
        )
    if len(classes) < 2:
        raise bad(file, f"has only images of class {classes[0]}", "give two classes at least.")
    if np.array_equal(classes, np.arange(len(classes))):
        return y_train, y_test
    shown = ", ".join(map(str, classes[:10])) + (", …" if len(classes) > 10 else "")
    warnings.warn(
        f"{file} has the classes {shown}: in this order they are called 0 to {len(classes) - 1}.",
        stacklevel=4,
    )
    return np.searchsorted(classes, y_train), np.searchsorted(classes, y_test)
