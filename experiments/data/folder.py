"""A folder of texts of the user's own: negative/*.txt and positive/*.txt, one text a file."""

import os
from pathlib import Path

from experiments.errors import UsageError

OWN_TEXTS = "the path of a folder of negative/*.txt and positive/*.txt"


def is_folder(name: str) -> bool:
    """Whether the name of a set means a folder of the user's own: a path, or a folder here.

    Example:
        >>> is_folder("imdb"), is_folder("reviews/of-mine"), is_folder(".")
        (False, True, True)
    """
    return any(mark in name for mark in (os.sep, os.altsep) if mark) or os.path.isdir(name)


def read_folder(folder: Path) -> list[tuple[int, str, bytes]]:
    """Read negative/*.txt and positive/*.txt, and nothing that lies deeper.

    Returns:
        Label, file name and content of every file: the negative ones first, each label sorted by
        file name.

    Raises:
        UsageError: no such folder or sub-folder; fewer than five files in one; or one cannot be
            read.
    """
    layout = "lay it out as negative/*.txt and positive/*.txt, at least five files in either."
    if not os.path.isdir(folder):
        raise UsageError(f"There is no folder {folder}: correct the path.")
    found = []
    for label, part in enumerate(("negative", "positive")):
        within = folder / part
        if not os.path.isdir(within):
            raise UsageError(f"{folder} has no folder {part}: {layout}")
        file = within
        try:
            names = [name for name in sorted(os.listdir(within)) if name.endswith(".txt")]
            files = [within / name for name in names if not os.path.isdir(within / name)]
            # With fewer a stratified fifth is empty.
            if len(files) < 5:
                raise UsageError(f"{within} has {len(files) or 'no'} files *.txt: {layout}")
            for file in files:
                if os.path.exists(file) and not os.path.isfile(file):
                    raise UsageError(f"{file} is no ordinary file: remove it.")  # a pipe would hang
                found.append((label, file.name, file.read_bytes()))
        except OSError as error:
            raise UsageError(
                f"{file} cannot be read ({error.strerror or error}): correct or remove it."
            ) from error
    return found
