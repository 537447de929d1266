"""Real and synthetic texts with a label: read, checked, in memory.

Where a set is looked for is told in `registry`.
"""

import gzip
import json
import os
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from experiments.data.encodings import decode
from experiments.data.folder import is_folder, read_folder
from experiments.data.registry import SETS, find, names_of, split, unknown
from experiments.data.scripts import COUNT, SEED, make_scripts
from experiments.data.words import warn_of_runs
from experiments.errors import UsageError


class Texts(NamedTuple):
    """Labelled texts, 1 = positive, of a set or of a folder of the user's own, by its name."""

    name: str
    train_texts: list[str]
    y_train: NDArray[np.int64]
    test_texts: list[str]
    y_test: NDArray[np.int64]


def load_texts(name: str) -> Texts:
    """Load a set of texts, in the order of its file (so shuffle before taking the first few).

    Args:
        name: "imdb" (film reviews), "rt_polarity" (sentences from film reviews), "scripts"
            (synthetic ones, see `experiments.data.scripts`), or the path of a folder with the files
            negative/*.txt and positive/*.txt, one text a file. All but imdb, and a folder of
            train/ and test/ laid out as its archive, have no test set of their own, so a fixed
            fifth of either label is held out.

    Returns:
        The texts as published, and their labels, 1 = positive. How files of the user's own that
        are not UTF-8 are read is said in a warning, see `decode`.

    Raises:
        UsageError: no such set or folder; a file is damaged, or no text; or nothing is there and
            nothing can be downloaded.

    Example:
        >>> scripts = load_texts("scripts")
        >>> len(scripts.train_texts), len(scripts.test_texts), float(scripts.y_test.mean())
        (2000, 500, 0.5)
    """
    known = SETS.get(name)
    if known is not None and known.kind == "texts":
        if known.source is None:
            return _held_out(name, *make_scripts(COUNT, SEED))
        return find(known.source, _read_imdb if name == "imdb" else _read_rt_polarity)
    if is_folder(name):
        return _read_own_texts(Path(name))
    raise unknown(name, "texts", names_of("texts"))


def _held_out(name: str, texts: list[str], y: NDArray[np.int64]) -> Texts:
    """Texts that come without a test set, with a fifth of either label held out."""
    train, test = split(y)
    return Texts(name, [texts[i] for i in train], y[train], [texts[i] for i in test], y[test])


def _read_imdb(folder: Path) -> Texts:
    train = _read_texts(folder / "imdb_train.jsonl.gz")
    return Texts("imdb", *train, *_read_texts(folder / "imdb_test.jsonl.gz"))


def _read_rt_polarity(folder: Path) -> Texts:
    return _held_out("rt_polarity", *_read_texts(folder / "rt_polarity.jsonl.gz"))


def _read_own_texts(folder: Path) -> Texts:
    found = read_folder(folder)
    texts = decode([(each.file, each.content) for each in found])
    warn_of_runs(f"{folder}", texts)
    labels, test = (np.array([each[i] for each in found], np.int64) for i in (1, 2))
    # The path may end in "..", which is no name.
    name = os.path.basename(os.path.abspath(folder))
    if not test.any():
        return _held_out(name, texts, labels)
    train = len(texts) - int(test.sum())
    return Texts(name, texts[:train], labels[:train], texts[train:], labels[train:])


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
