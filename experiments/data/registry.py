"""Which sets of images and texts there are, and how one is found and identified.

A set is looked for in the folder of $RELU_THEORY_DATA, which --data sets, then in the user's cache,
then downloaded into the cache. A damaged file in the cache is downloaded again; one in the user's
own folder is an error and stays as it is.
"""

import difflib
import hashlib
import os
from collections.abc import Callable, Iterable, Iterator
from importlib.metadata import version
from pathlib import Path
from typing import Literal, NamedTuple, TypeVar

import numpy as np
from numpy.typing import NDArray

from experiments.data import downloads
from experiments.data.downloads import Source, fetch
from experiments.data.folder import OWN_TEXTS, is_folder, read_folder
from experiments.data.scripts import COUNT, SEED, make_scripts
from experiments.errors import UsageError

T = TypeVar("T")


class Set(NamedTuple):
    """A set that has a name."""

    kind: Literal["images", "texts"]
    source: Source | None = None
    """None where it comes with scikit-learn or is made on the spot"""
    shape: tuple[int, ...] | None = None
    """of one image"""


SETS = {
    "digits": Set("images", shape=(8, 8)),
    "mnist": Set("images", downloads.MNIST, (28, 28)),
    "fashion_mnist": Set("images", downloads.FASHION_MNIST, (28, 28)),
    "cifar10": Set("images", downloads.CIFAR10, (32, 32, 3)),
    "imdb": Set("texts", downloads.IMDB),
    "rt_polarity": Set("texts", downloads.RT_POLARITY),
    "scripts": Set("texts"),
}
OWN_IMAGES = "a path ending in .npz"


def names_of(kind: str) -> tuple[str, ...]:
    """The sets of a kind, and what a path of the user's own must be.

    Example:
        >>> names_of("texts")[:3]
        ('imdb', 'rt_polarity', 'scripts')
    """
    own = {"images": OWN_IMAGES, "texts": OWN_TEXTS}[kind]
    return (*(name for name, found in SETS.items() if found.kind == kind), own)


def is_npz(name: str) -> bool:
    """Whether the name of a set means a file of the user's own images.

    Example:
        >>> is_npz("mine.NPZ"), is_npz("mnist")
        (True, False)
    """
    return name.lower().endswith(".npz")


def fingerprint(name: str) -> str:
    """What identifies the content of a set: the SHA-256 of its files, wherever they were found.

    For a folder of texts, it is that of names and contents; for "scripts", that of the scripts
    drawn; for "digits", the version they came with; for "planted", drawn anew from each key, its
    name.

    Raises:
        UsageError: no such set, folder or file, or nothing can be downloaded.

    Example:
        >>> fingerprint("digits").startswith("scikit-learn")
        True
    """
    if name == "digits":
        return f"scikit-learn {version('scikit-learn')}"
    if name == "planted":
        return name
    if name == "scripts":
        scripts, labels = make_scripts(COUNT, SEED)
        return _digest([*map(str.encode, scripts), labels.tobytes()])
    if is_npz(name):
        return _digest(_contents(Path(name).parent, (Path(name).name,)))
    source = SETS[name].source if name in SETS else None
    if source is not None:
        return find(source, lambda folder: _digest(_contents(folder, source.files)))
    if is_folder(name):
        # Hashed one by one, so that no text can pass for the name of the next.
        return _digest(
            hashlib.sha256(part).digest()
            for file, label, test, content in read_folder(Path(name))
            for part in (
                f"{'test/' * test}{label}/{file.name}".encode("utf-8", "surrogateescape"),
                content,
            )
        )
    known = (*names_of("images"), *names_of("texts"), "planted")
    raise unknown(name, "images or texts", known)


def _contents(folder: Path, files: Iterable[str]) -> Iterator[bytes]:
    for file in files:
        if os.path.isdir(folder / file):
            raise UsageError(f"{folder / file} is a folder: give the file itself.")
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


def find(source: Source, read: Callable[[Path], T]) -> T:
    """Read from the user's folder, else from the cache, else download into the cache.

    ``read`` reads from a folder, and raises `UsageError` where the set is not there, or damaged.

    Raises:
        UsageError: the set is damaged in the user's folder, or nowhere and cannot be downloaded;
            or there is no such folder.
    """
    given = os.environ.get("RELU_THEORY_DATA")
    if given and not os.path.isdir(given):
        raise UsageError(
            f"RELU_THEORY_DATA names {given}, which is not a folder: correct it, or leave it out "
            "to use the cache."
        )
    # One of two files is enough to read here, and to hear that the other is missing: half from
    # here and half from the cache might be two different sets.
    if given and any((Path(given) / file).exists() for file in source.files):
        return read(Path(given))
    import pooch  # a fifth of a second

    cache = Path(pooch.os_cache("relu-theory"))
    try:
        return read(cache)
    except UsageError:  # not there, or damaged
        fetch(source, cache)
    return read(cache)


def split(y: NDArray[np.int64]) -> tuple[NDArray[np.int64], NDArray[np.int64]]:
    """Ascending indices of a stratified four fifths and one fifth, the same on every call.

    There are to be at least five of each class.

    Example:
        >>> train, test = split(np.array([0, 1] * 5))
        >>> len(train), len(test)
        (8, 2)
    """
    from sklearn.model_selection import train_test_split  # a second to import

    train, test = train_test_split(np.arange(len(y)), test_size=0.2, random_state=0, stratify=y)
    return np.sort(train), np.sort(test)
