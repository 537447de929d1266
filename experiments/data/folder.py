"""A folder of texts of the user's own: negative/*.txt and positive/*.txt, one text a file."""

import os
from pathlib import Path
from typing import NamedTuple

from experiments.errors import UsageError

OWN_TEXTS = "the path of a folder of negative/*.txt and positive/*.txt"

LAYOUT = "lay it out as negative/*.txt and positive/*.txt, at least five files in either."

LABELS = (("negative", "neg"), ("positive", "pos"))
"""What the folder of either label may be called."""


class OwnText(NamedTuple):
    """A file, its label, whether it is of a test set of its own, and its bytes."""

    file: Path
    label: int
    test: bool
    content: bytes


def is_folder(name: str) -> bool:
    """Whether the name of a set means a folder of the user's own: a path, or a folder here.

    Example:
        >>> is_folder("imdb"), is_folder("reviews/of-mine"), is_folder(".")
        (False, True, True)
    """
    return any(mark in name for mark in (os.sep, os.altsep) if mark) or os.path.isdir(name)


def read_folder(folder: Path) -> list[OwnText]:
    """Read negative/*.txt and positive/*.txt, or neg and pos, and nothing that lies deeper.

    A folder laid out as aclImdb has both in train/, and in test/ where there is a test set.

    Returns:
        Every file: training before test, negative before positive, sorted by file name.

    Raises:
        UsageError: no such folder or sub-folder; fewer than five files in one; or one cannot be
            read.
    """
    if not os.path.isdir(folder):
        raise UsageError(f"There is no folder {folder}: correct the path.")
    here = any(os.path.isdir(folder / name) for names in LABELS for name in names)
    if here or not os.path.isdir(folder / "train"):
        return _read_labels(folder, test=False)
    found = _read_labels(folder / "train", test=False)
    if os.path.isdir(folder / "test"):
        found += _read_labels(folder / "test", test=True)
    return found


def _read_labels(folder: Path, test: bool) -> list[OwnText]:
    found = []
    for label, names in enumerate(LABELS):
        parts = [folder / name for name in names if os.path.isdir(folder / name)]
        if not parts:
            raise UsageError(f"{folder} has no folder {names[0]}: {LAYOUT}")
        if len(parts) > 1:
            raise UsageError(f"{folder} has both {names[0]} and {names[1]}: keep one of them.")
        found += [OwnText(file, label, test, content) for file, content in _read_files(parts[0])]
    return found


def _read_files(folder: Path) -> list[tuple[Path, bytes]]:
    file, found = folder, []
    try:
        names = [name for name in sorted(os.listdir(folder)) if name.lower().endswith(".txt")]
        # macOS writes a file ._name of attributes beside each on other disks.
        files = [folder / name for name in names if not name.startswith("._")]
        files = [file for file in files if not os.path.isdir(file)]
        # With fewer a stratified fifth is empty.
        if len(files) < 5:
            raise UsageError(f"{folder} has {len(files) or 'no'} files *.txt: {LAYOUT}")
        for file in files:
            if os.path.exists(file) and not os.path.isfile(file):
                raise UsageError(f"{file} is no ordinary file: remove it.")  # a pipe would hang
            found.append((file, file.read_bytes()))
    except OSError as error:
        raise UsageError(
            f"{file} cannot be read ({error.strerror or error}): correct or remove it."
        ) from error
    return found
