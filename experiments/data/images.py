"""Real images, checked and in memory. Where a set is looked for is told in `registry`."""

from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from experiments.data.archive import bad, read_arrays
from experiments.data.labels import number_classes, read_classes
from experiments.data.pixels import check_black, read_pixels
from experiments.data.registry import SETS, find, is_npz, names_of, split, unknown

ARRAYS = ("x_train", "y_train", "x_test", "y_test")


class Images(NamedTuple):
    """Pixels in [0, 1], (images, *shape), and classes from 0 up, of a set or a file by its name."""

    name: str
    x_train: NDArray[np.float64]
    y_train: NDArray[np.int64]
    x_test: NDArray[np.float64]
    y_test: NDArray[np.int64]


def load_images(name: str) -> Images:
    """Load a set of images, in the order of its file (so shuffle before taking the first few).

    Args:
        name: "digits" (1437 + 360 images of 8×8, a stratified split), "mnist", "fashion_mnist",
            "cifar10", or the path of an .npz file in Keras's layout: `x_train`, `y_train`,
            `x_test`, `y_test`, pixels uint8 or float in [0, 1], classes integer. What else is
            understood, and is said in a warning, is told in `pixels` and `labels`.

    Raises:
        UsageError: no such set, folder or file; a file is damaged, or what it holds can be
            understood in several ways; or nothing is there and nothing can be downloaded.

    Example:
        >>> digits = load_images("digits")
        >>> digits.x_train.shape, digits.x_test.shape
        ((1437, 8, 8), (360, 8, 8))
        >>> float(digits.x_train.min()), float(digits.x_train.max())
        (0.0, 1.0)
    """
    if is_npz(name):
        return _read_images(Path(name), Path(name).stem, shape=None)
    known = SETS.get(name)
    if known is None or known.kind != "images":
        raise unknown(name, "images", names_of("images"))
    if known.source is None:
        return _digits()
    return find(
        known.source, lambda folder: _read_images(folder / f"{name}.npz", name, known.shape)
    )


def _digits() -> Images:
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    x, y = np.asarray(x).reshape(-1, 8, 8) / 16.0, np.asarray(y, np.int64)
    train, test = split(y)
    return Images("digits", x[train], y[train], x[test], y[test])


def _read_images(file: Path, name: str, shape: tuple[int, ...] | None) -> Images:
    """Read an npz; `shape` is what one image must have, None where any will do."""
    arrays = read_arrays(file, ARRAYS)
    x_train, x_test = (read_pixels(file, key, arrays[key]) for key in ("x_train", "x_test"))
    if x_train.shape[1:] != x_test.shape[1:]:
        raise bad(file, f"has images of {x_train.shape[1:]} to train, {x_test.shape[1:]} to test")
    if shape is not None and x_train.shape[1:] != shape:
        raise bad(file, f"has images of {x_train.shape[1:]}, where {name} has {shape}")
    y_train = read_classes(file, "y_train", arrays["y_train"], len(x_train))
    y_test = read_classes(file, "y_test", arrays["y_test"], len(x_test))
    if shape is None:
        check_black(file, x_train, y_train, x_test)
        y_train, y_test = number_classes(file, y_train, y_test)
    elif min(y_train.min(), y_test.min()) < 0:
        raise bad(file, f"has {min(y_train.min(), y_test.min())} among its classes")
    return Images(name, x_train, y_train, x_test, y_test)
