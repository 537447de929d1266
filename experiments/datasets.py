"""Real images and texts: found in a folder, in the cache, or on the network; checked; in memory.

A set is looked for in the folder of --data (or of $RELU_THEORY_DATA), then in the user's cache,
then downloaded into the cache. A damaged file in the cache is downloaded again; one in the user's
own folder is an error and stays as it is.
"""

import difflib
import gzip
import hashlib
import json
import os
from collections.abc import Callable, Iterable
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from experiments.downloads import SOURCES, Source, fetch
from experiments.errors import UsageError

T = TypeVar("T")

# The shape of one image. Digits come with scikit-learn, the rest have a source.
IMAGE_SHAPES = {
    "digits": (8, 8),
    "mnist": (28, 28),
    "fashion_mnist": (28, 28),
    "cifar10": (32, 32, 3),
}
TEXTS = ("imdb", "rt_polarity")
ARRAYS = ("x_train", "y_train", "x_test", "y_test")


class Images(NamedTuple):
    """Labelled images.

    Attributes:
        name: of the set; for a file of the user's own, its name without folder and ending.
        x_train: float64 pixels in [0, 1], shape (n, *shape).
        y_train: int64 classes from 0 up, shape (n,).
        x_test: the same for the test set, shape (m, *shape).
        y_test: shape (m,).
    """

    name: str
    x_train: NDArray[np.float64]
    y_train: NDArray[np.int64]
    x_test: NDArray[np.float64]
    y_test: NDArray[np.int64]


class Texts(NamedTuple):
    """Labelled texts, 1 = positive.

    Attributes:
        name: of the set.
        train_texts: n texts.
        y_train: int64 zeros and ones, shape (n,).
        test_texts: m texts.
        y_test: shape (m,).
    """

    name: str
    train_texts: list[str]
    y_train: NDArray[np.int64]
    test_texts: list[str]
    y_test: NDArray[np.int64]


def load_images(name: str, data: Path | None = None) -> Images:
    """Load a set of images, in the order of its file (so shuffle before taking the first few).

    Args:
        name: "digits" (1437 + 360 images of 8×8, a stratified split), "mnist", "fashion_mnist",
            "cifar10", or the path of an .npz file in Keras's layout: `x_train`, `y_train`,
            `x_test`, `y_test`, pixels uint8 or float in [0, 1], classes integer.
        data: the folder to look in first; by default $RELU_THEORY_DATA, where that is set.

    Returns:
        The images as float64 in [0, 1], the classes as int64.

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
    _check_folder(data, "--data")
    if name.endswith(".npz"):
        return _read_images(Path(name), Path(name).stem, shape=None)
    if name not in IMAGE_SHAPES:
        raise _unknown(name, "images", (*IMAGE_SHAPES, "a path ending in .npz"))
    if name == "digits":
        return _digits()
    return _load(
        SOURCES[name],
        lambda folder: _read_images(folder / f"{name}.npz", name, IMAGE_SHAPES[name]),
        data,
    )


def load_texts(name: str, data: Path | None = None) -> Texts:
    """Load a set of texts, in the order of its file (so shuffle before taking the first few).

    Args:
        name: "imdb" (film reviews), or "rt_polarity" (sentences from film reviews; it has no
            official test set, so a fixed fifth of either label is held out).
        data: the folder to look in first; by default $RELU_THEORY_DATA, where that is set.

    Returns:
        The texts as published, and their labels, 1 = positive.

    Raises:
        UsageError: no such set or folder; a file is damaged; or nothing is there and nothing can
            be downloaded.
    """
    _check_folder(data, "--data")
    if name not in TEXTS:
        raise _unknown(name, "texts", TEXTS)
    read = _read_imdb if name == "imdb" else _read_rt_polarity
    return _load(SOURCES[name], read, data)


def fingerprint(name: str, data: Path | None = None) -> str:
    """What identifies the content of a set: the SHA-256 of its files, wherever they were found.

    Args:
        name: as in `load_images` or `load_texts`.
        data: the folder to look in first; by default $RELU_THEORY_DATA, where that is set.

    Raises:
        UsageError: no such set, folder or file, or nothing can be downloaded.

    Example:
        >>> fingerprint("digits").startswith("scikit-learn")
        True
    """
    _check_folder(data, "--data")
    if name == "digits":
        return f"scikit-learn {version('scikit-learn')}"
    if name.endswith(".npz"):
        return _digest(Path(name).parent, (Path(name).name,))
    if name not in SOURCES:
        raise _unknown(name, "images or texts", (*IMAGE_SHAPES, *TEXTS, "a path ending in .npz"))
    return _load(SOURCES[name], lambda folder: _digest(folder, SOURCES[name].files), data)


def _digest(folder: Path, files: Iterable[str]) -> str:
    digest = hashlib.sha256()
    for file in files:
        if not os.path.isfile(folder / file):
            raise UsageError(f"There is no file {folder / file}: correct the path.")
        digest.update((folder / file).read_bytes())
    return digest.hexdigest()


def _unknown(name: str, kind: str, known: Iterable[str]) -> UsageError:
    near = difflib.get_close_matches(name.lower(), known)
    meant = f"did you mean {' or '.join(near)}?" if near else f"choose from {', '.join(known)}."
    return UsageError(f"No set of {kind} is called {name!r}: {meant}")


def _check_folder(folder: Path | None, given_by: str) -> None:
    if folder is not None and not os.path.isdir(folder):
        raise UsageError(
            f"{given_by} names {folder}, which is not a folder: correct it, or leave it out to use "
            "the cache."
        )


def _load(source: Source, read: Callable[[Path], T], data: Path | None) -> T:
    """Read from the user's folder, else from the cache, else download into the cache."""
    variable = os.environ.get("RELU_THEORY_DATA")
    if data is None and variable:
        data = Path(variable)
        _check_folder(data, "RELU_THEORY_DATA")
    # One of two files is enough to read here, and to hear that the other is missing: half from
    # here and half from the cache might be two different sets.
    if data is not None and any(os.path.exists(data / file) for file in source.files):
        return read(data)
    import pooch  # a fifth of a second

    cache = Path(pooch.os_cache("relu-theory"))
    try:
        return read(cache)
    except UsageError:  # not there, or damaged
        fetch(source, cache)
    return read(cache)


def _split(y: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices of a stratified four fifths and one fifth, the same on every call."""
    from sklearn.model_selection import train_test_split  # a second to import

    train, test = train_test_split(np.arange(len(y)), test_size=0.2, random_state=0, stratify=y)
    return np.sort(train), np.sort(test)


def _digits() -> Images:
    from sklearn.datasets import load_digits

    x, y = load_digits(return_X_y=True)
    x, y = x.reshape(-1, 8, 8) / 16.0, y.astype(np.int64)
    train, test = _split(y)
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


def _read_imdb(folder: Path) -> Texts:
    train = _read_texts(folder / "imdb_train.jsonl.gz")
    return Texts("imdb", *train, *_read_texts(folder / "imdb_test.jsonl.gz"))


def _read_rt_polarity(folder: Path) -> Texts:
    texts, y = _read_texts(folder / "rt_polarity.jsonl.gz")
    train, test = _split(y)
    train_texts, test_texts = ([texts[i] for i in part] for part in (train, test))
    return Texts("rt_polarity", train_texts, y[train], test_texts, y[test])


def _read_texts(file: Path) -> tuple[list[str], NDArray[np.int64]]:
    """Read gzipped lines of {"text", "label"}."""
    layout = 'replace it by gzipped lines {"text": "...", "label": 0 or 1}.'
    if not os.path.isfile(file):
        raise UsageError(f"There is no file {file}: put it there.")
    try:
        with gzip.open(file, "rt", encoding="utf-8") as stream:
            lines = list(stream)
    except Exception as error:  # as for npz: BadGzipFile, EOFError, zlib.error, UnicodeDecodeError
        raise UsageError(
            f"{file} cannot be read as gzipped UTF-8 text ({type(error).__name__}): {layout}"
        ) from error
    texts, labels = [], []
    for number, line in enumerate(lines, 1):
        try:
            row = json.loads(line)
        except (ValueError, RecursionError):
            row = None
        match row:
            # Equality alone would let true and 1.0 pass for 1.
            case {"text": str(text), "label": 0 | 1 as label} if type(label) is int:
                texts.append(text)
                labels.append(label)
            case _:
                raise UsageError(f"{file} has no text and label on line {number}: {layout}")
    # With fewer a stratified fifth is empty, and one label alone teaches nothing.
    if min(labels.count(0), labels.count(1)) < 5:
        raise UsageError(f"{file} has fewer than five texts of a label: {layout}")
    return texts, np.array(labels, np.int64)
