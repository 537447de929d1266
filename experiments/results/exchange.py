"""What the processes of a run tell each other."""

import io
import os
import sys
import zipfile
from collections.abc import Iterable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path

import jax
import numpy as np
from jax.experimental.multihost_utils import process_allgather
from jax.sharding import Mesh

from experiments.results import store


def exchange(folder: Path, paths: Iterable[Path]) -> None:
    """Write the files that any process of the run names into every process's folder.

    Processes need not see the same disk: what they exchange goes through JAX. All must call it.

    Args:
        folder: of this process.
        paths: files in it, which this process has.
    """
    packed = io.BytesIO()
    with zipfile.ZipFile(packed, "w") as archive:
        for path in paths:
            archive.write(path, path.relative_to(folder))
    mine = np.frombuffer(packed.getvalue(), np.uint8)
    with _quiet():
        sizes = process_allgather(np.array([mine.size], np.int32))
        padded = np.zeros(sizes.max(), np.uint8)
        padded[: mine.size] = mine
        everything = process_allgather(padded)
    for process, (row, size) in enumerate(zip(everything, sizes.ravel(), strict=True)):
        if process == jax.process_index():
            continue
        with zipfile.ZipFile(io.BytesIO(row[:size].tobytes())) as archive:
            for name in archive.namelist():
                if not (folder / name).exists():
                    store.write_atomically(folder / name, archive.read(name))


def agreed(holds: bool) -> bool:
    """Whether something holds in every process of the run; all must call it.

    Example:
        >>> agreed(True), agreed(False)
        (True, False)
    """
    if jax.process_count() == 1:
        return holds
    with _quiet():
        return bool(process_allgather(np.array(holds)).all())


def spread() -> AbstractContextManager:
    """In this context JAX computes on the devices of all processes, which must run the same."""
    if jax.process_count() == 1:
        return nullcontext()
    return jax.set_mesh(Mesh(jax.devices(), ("members",)))


@contextmanager
def _quiet() -> Iterator[None]:
    """Send to stderr what the library of collectives prints on stdout, from C++."""
    sys.stdout.flush()
    kept = os.dup(1)
    os.dup2(2, 1)
    try:
        yield
    finally:
        os.dup2(kept, 1)
        os.close(kept)
