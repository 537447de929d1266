"""Real images, checked and in memory; and how any set, of texts too, is found and identified.

A set is looked for in the folder of --data (or of $RELU_THEORY_DATA), then in the user's cache,
then downloaded into the cache. A damaged file in the cache is downloaded again; one in the user's
own folder is an error and stays as it is.
"""

import difflib
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from experiments.downloads import SOURCES, Source, fetch
from experiments.errors import UsageError
from experiments.scripts import COUNT, SEED, make_scripts
from experiments.text_folder import OWN_TEXTS, is_folder, read_folder

T = TypeVar("T")

# The shape of one image. Digits come with scikit-learn, the rest have a source.
IMAGE_SHAPES = {
    "digits": (8, 8),
    "mnist": (28, 28),
    "fashion_mnist": (28, 28),
    "cifar10": (32, 32, 3),
}
OWN_IMAGES = "a path ending in .npz"
# What `experiments.texts.load_texts` reads.
TEXTS = ("imdb", "rt_polarity", "scripts")
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
    check_folder(data, "--data")
    if name.endswith(".npz"):
        return _read_images(Path(name), Path(name).stem, shape=None)
    if name not in IMAGE_SHAPES:
        raise unknown(name, "images", (*IMAGE_SHAPES, OWN_IMAGES))
    if name == "digits":
        return _digits()
    return find(
        SOURCES[name],
        lambda folder: _read_images(folder / f"{name}.npz", name, IMAGE_SHAPES[name]),
        data,
    )


def fingerprint(name: str, data: Path | None = None) -> str:
    """What identifies the content of a set: the SHA-256 of its files, wherever they were found.

    Args:
        name: as in `load_images` or `experiments.texts.load_texts`, or "planted", which is drawn
            anew from each key.
        data: the folder to look in first; by default $RELU_THEORY_DATA, where that is set.

    Returns:
        For a folder of texts, the SHA-256 of names and contents; for "scripts", that of the
        scripts drawn; for "digits", the version they came with; for "planted", its name.

    Raises:
        UsageError: no such set, folder or file, or nothing can be downloaded.

    Example:
        >>> fingerprint("digits").startswith("scikit-learn")
        True
    """
    check_folder(data, "--data")
    if name == "digits":
        return f"scikit-learn {version('scikit-learn')}"
    if name == "planted":
        return name
    if name == "scripts":
        scripts, labels = make_scripts(COUNT, SEED)
        return _digest([*map(str.encode, scripts), labels.tobytes()])
    if name.endswith(".npz"):
        return _digest(_contents(Path(name).parent, (Path(name).name,)))
    if name in SOURCES:
        files = SOURCES[name].files
        return find(SOURCES[name], lambda folder: _digest(_contents(folder, files)), data)
    if is_folder(name):
        # Hashed one by one, so that no text can pass for the name of the next.
        return _digest(
            hashlib.sha256(part).digest()
            for label, file, content in read_folder(Path(name))
            for part in (f"{label}/{file}".encode("utf-8", "surrogateescape"), content)
        )
    known = (*IMAGE_SHAPES, OWN_IMAGES, *TEXTS, OWN_TEXTS, "planted")
    raise unknown(name, "images or texts", known)


def _contents(folder: Path, files: Iterable[str]) -> Iterator[bytes]:
    for file in files:
        if not os.path.isfile(folder / file):
            raise UsageError(f"There is no file {folder / file}: correct the path.")
        yield (folder / file).read_bytes()


def _digest(parts: Iterable[bytes]) -> str:
    digest = hashlib.sha256()
    for part in parts:
        digest.update(part)
    return digest.hexdigest()


def unknown(name: str, kind: str, known: Iterable[str]) -> UsageError:
    """The error for a name that means no set of this kind.

    Example:
        >>> print(unknown("mnits", "images", ("digits", "mnist")))
        No set of images is called 'mnits': did you mean mnist?
    """
    near = difflib.get_close_matches(name.lower(), known)
    meant = f"did you mean {' or '.join(near)}?" if near else f"choose from {', '.join(known)}."
    return UsageError(f"No set of {kind} is called {name!r}: {meant}")


def check_folder(folder: Path | None, given_by: str) -> None:
    """Refuse a folder of data that does not exist.

    Raises:
        UsageError: it does not; None is no folder and passes.

    Example:
        >>> check_folder(None, "--data")
    """
    if folder is not None and not os.path.isdir(folder):
        raise UsageError(
            f"{given_by} names {folder}, which is not a folder: correct it, or leave it out to use "
            "the cache."
        )


def find(source: Source, read: Callable[[Path], T], data: Path | None) -> T:
    """Read from the user's folder, else from the cache, else download into the cache.

    Args:
        source: the set.
        read: reads it from a folder; raises `UsageError` where it is not there, or damaged.
        data: the user's folder; by default $RELU_THEORY_DATA, where that is set.

    Returns:
        What `read` returns.

    Raises:
        UsageError: the set is damaged in the user's folder, or nowhere and cannot be downloaded.
    """
    variable = os.environ.get("RELU_THEORY_DATA")
    if data is None and variable:
        data = Path(variable)
        check_folder(data, "RELU_THEORY_DATA")
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


def split(y: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Indices of a stratified four fifths and one fifth, the same on every call.

    Args:
        y: classes, shape (n,), at least five of each.

    Returns:
        Indices to train and to test, ascending.

    Example:
        >>> train, test = split(np.array([0, 1] * 5))
        >>> len(train), len(test)
        (8, 2)
    """
    from sklearn.model_selection import train_test_split  # a second to import

    train, test = train_test_split(np.arange(len(y)), test_size=0.2, random_state=0, stratify=y)
    return np.sort(train), np.sort(test)


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
