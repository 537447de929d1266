"""Cells of an experiment that is not done: kept as they are measured, so that it can go on."""

import hashlib
import logging
import shutil
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import numpy as np

from experiments.cells import KEPT, Measured
from experiments.results import store

WORTH = 1.0
"""Seconds from which on a cell is kept."""


log = logging.getLogger(__name__)


class Parts:
    """Cells in a folder, by their names and labels.

    Attributes:
        folder: of one run, known by its key.
    """

    def __init__(self, folder: Path):
        self.folder = folder

    def __call__(self, name: str, measure: Callable[[], Measured]) -> Measured:
        """A cell from the folder, or measured and kept there."""
        path = self.folder / f"{hashlib.sha256(name.encode()).hexdigest()[:16]}.npz"
        found = store.load(path)
        if found is not None:
            log.info("%s: kept in %s", name, path)
            arrays, dims = found[0], found[1]["dims"]
            return {
                variable: (tuple(dims[variable]), values) for variable, values in arrays.items()
            }
        # A loop within the cell has the same names and labels in other cells.
        start, outside = time.perf_counter(), KEPT.set(None)
        try:
            measured = measure()
        finally:
            KEPT.reset(outside)
        arrays = {variable: np.asarray(values) for variable, (_, values) in measured.items()}
        seconds = time.perf_counter() - start
        log.info("%s: %.2f s", name, seconds)
        if seconds >= WORTH:
            dims = {variable: list(dims) for variable, (dims, _) in measured.items()}
            store.save(path, arrays, {"cell": name, "dims": dims})
        return measured


@contextmanager
def kept(folder: Path) -> Iterator[None]:
    """Keep cells in a folder until the work is done; then it is gone."""
    token = KEPT.set(Parts(folder))
    try:
        yield
    finally:
        KEPT.reset(token)
    shutil.rmtree(folder, ignore_errors=True)
