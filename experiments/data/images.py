"""Real images, checked and in memory. Where a set is looked for is told in `registry`."""

import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from experiments.data.registry import SETS, find, names_of, split, unknown
from experiments.errors import UsageError

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
            `x_test`, `y_test`, pixels uint8 or float in [0, 1], classes integer.

    Raises:
        UsageError: no such set, folder or file; a file is damaged; or nothing is there and
            nothing can be downloaded.

    Example:
        >>> digits = load_images("digits")
        >>> digits.x_train.shape, digits.x_test.shape
        ((1437, 8, 8), (360, 8, 8))
        >>> float(digits.x_train.min()), float(digits.x_train.max())
        (0.0, 1.0)
    """
    if name.endswith(".npz"):
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
    if not os.path.isfile(file):
        raise UsageError(f"There is no file {file}: correct the path.")
    try:
        with open(file, "rb") as stream, np.load(stream, allow_pickle=False) as archive:
            arrays = {key: archive[key] for key in ARRAYS if key in archive}
    except Exception as error:
        # Bytes from outside fail in a dozen ways (BadZipFile, zlib.error, EOFError, MemoryError
        # for an absurd header, ValueError for a pickle, ...), and all mean the same to the user.
        raise _bad(
            file, f"cannot be read as an npz file of plain arrays ({type(error).__name__})"
        ) from error
    missing = [key for key in ARRAYS if key not in arrays]
    if missing:
        raise _bad(file, f"has no {' and no '.join(missing)}")
    x_train, x_test = (_pixels(file, key, arrays[key]) for key in ("x_train", "x_test"))
    if x_train.shape[1:] != x_test.shape[1:]:
        raise _bad(file, f"has images of {x_train.shape[1:]} to train, {x_test.shape[1:]} to test")
    if shape is not None and x_train.shape[1:] != shape:
        raise _bad(file, f"has images of {x_train.shape[1:]}, where {name} has {shape}")
    y_train = _classes(file, "y_train", arrays["y_train"], len(x_train))
    y_test = _classes(file, "y_test", arrays["y_test"], len(x_test))
    return Images(name, x_train, y_train, x_test, y_test)


def _bad(file: Path, what: str) -> UsageError:
    return UsageError(
        f"{file} {what}: replace it by an npz file of x_train, y_train, x_test, y_test, "
        "with pixels uint8 or float in [0, 1] and integer classes from 0 up."
    )


def _pixels(file: Path, key: str, x: object) -> NDArray[np.float64]:
    if not isinstance(x, np.ndarray):  # numpy hands over a member that is no array as bytes
        raise _bad(file, f"has a {key} that is no array")
    if not 2 <= x.ndim <= 4 or x.size == 0:
        raise _bad(file, f"has {key} of shape {x.shape}, not (images, pixels...)")
    if x.dtype == np.uint8:
        return x / 255.0
    if x.dtype.kind != "f":
        raise _bad(file, f"has {key} of type {x.dtype}")
    if not np.isfinite(x).all():
        raise _bad(file, f"has NaN or infinity in {key}")
    if x.min() < 0 or x.max() > 1:
        raise _bad(file, f"has {key} between {x.min():g} and {x.max():g}")
    return x.astype(np.float64)


def _classes(file: Path, key: str, y: object, count: int) -> NDArray[np.int64]:
    if not isinstance(y, np.ndarray):
        raise _bad(file, f"has a {key} that is no array")
    # Keras stores CIFAR's classes as a column.
    if y.shape not in ((count,), (count, 1)):
        raise _bad(file, f"has {key} of shape {y.shape} for {count} images")
    if y.dtype.kind not in "iu":
        raise _bad(file, f"has {key} of type {y.dtype}")
    y = y.reshape(count).astype(np.int64)
    if y.min() < 0:
        raise _bad(file, f"has {y.min()} in {key}")
    return y
