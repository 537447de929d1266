"""Images of the user's own as floats in [0, 1], colours last, or why they are none.

What can mean only one thing is put right, with a warning where it is more than a change of type;
what could mean two things is refused.
"""

import warnings
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from experiments.data.archive import bad

COLOURS = (1, 3, 4)
"""Grey, RGB, RGB with an alpha channel."""

ROUNDING = 1e-5
"""How far beyond [0, 1] single precision takes what should be 1."""


def read_pixels(file: Path, key: str, x: NDArray) -> NDArray[np.float64]:
    """Images (n, pixels), (n, height, width) or (n, height, width, 3), in [0, 1].

    Colours that come first go last, and an alpha channel that hides nothing is left out.

    Raises:
        UsageError: this is no array of images, or pixels are not bytes or floats in [0, 1].
    """
    if not 2 <= x.ndim <= 4 or x.size == 0:
        raise bad(file, f"has {key} of shape {x.shape}, not (images, pixels...)")
    x = _scaled(file, key, x)
    # One step of a byte: 0 and 1 given as bytes, or what was divided by 255 twice.
    if x.max() < 1.001 / 255:
        raise bad(
            file,
            f"has no pixel above {x.max():.2g} in {key}, almost black",
            "give bytes from 0 to 255, or floats from 0 to 1.",
        )
    return _colours_last(file, key, x) if x.ndim == 4 else x


def _scaled(file: Path, key: str, x: NDArray) -> NDArray[np.float64]:
    if x.dtype == np.uint8:
        return x / 255.0
    if x.dtype.kind in "iu":
        raise bad(file, f"has {key} of type {x.dtype}", "if 255 is white, give x.astype('uint8').")
    if x.dtype.kind not in "bf":
        raise bad(file, f"has {key} of type {x.dtype}")
    if not np.isfinite(x).all():
        raise bad(file, f"has NaN or infinity in {key}")
    x = x.astype(np.float64)
    low, high = x.min(), x.max()
    if low < -ROUNDING or high > 1 + ROUNDING:
        advice = "scale it to [0, 1], as it was before it was standardised."
        if low >= 0 and high <= 255:
            advice = "divide it by 255."
        elif low >= -1 and high <= 1:
            advice = "if it goes from -1 to 1, give (x + 1) / 2."
        raise bad(file, f"has {key} between {low:g} and {high:g}", advice)
    return x.clip(0, 1)


def _colours_last(file: Path, key: str, x: NDArray[np.float64]) -> NDArray[np.float64]:
    """Images (n, height, width) or (n, height, width, 3) of four axes."""
    _, first, width, last = x.shape
    if last not in COLOURS:
        if first not in COLOURS or min(width, last) <= max(COLOURS):
            raise bad(
                file,
                f"has {key} of shape {x.shape}, which has not 1 or 3 colours at the end",
                "give (images, height, width, 3), or vectors of shape (images, d).",
            )
        warnings.warn(f"{file} has {key} of shape {x.shape}: its colours go last.", stacklevel=5)
        x = np.moveaxis(x, 1, -1)
    if x.shape[-1] == 4:
        if (x[..., 3] < 1).any():
            raise bad(
                file,
                f"has an alpha channel in {key}",
                "blend it with a background and leave it out.",
            )
        warnings.warn(
            f"{file} has {key} with an opaque alpha channel: it is left out.", stacklevel=5
        )
        x = x[..., :3]
    return x[..., 0] if x.shape[-1] == 1 else x


def check_black(
    file: Path, x_train: NDArray[np.float64], y_train: NDArray[np.int64], x_test: NDArray
) -> None:
    """Refuse training images that are all 0, where a network without biases is 0; warn of others.

    Raises:
        UsageError: there is one.

    Example:
        >>> check_black(Path("mine.npz"), np.eye(2), np.arange(2), np.eye(2))
    """
    black, other = (np.asarray(~x.reshape(len(x), -1).any(axis=1)) for x in (x_train, x_test))
    advice = "leave these out, as a network without biases outputs 0 there whatever it learns."
    for label in np.unique(y_train[black]):
        if black[y_train == label].all():
            raise bad(file, f"has only black images, all 0, of class {label} in x_train", advice)
    if black.any():
        first = np.flatnonzero(black)[0]
        raise bad(
            file, f"has {black.sum()} black images, all 0, in x_train, first number {first}", advice
        )
    if other.any():
        first = np.flatnonzero(other)[0]
        warnings.warn(
            f"{file} has {other.sum()} black images, all 0, in x_test, first number {first}: a "
            "network without biases outputs 0 there.",
            stacklevel=4,
        )
