"""Arrays of an npz file of the user's own: what their headers claim is checked before it is read.

A header of a hundred bytes can claim more than any memory holds, and NumPy would ask for it.
"""

import math
import os
import zipfile
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

from experiments import machine
from experiments.errors import UsageError

LAYOUT = (
    "replace it by an npz file of x_train, y_train, x_test, y_test, with pixels uint8 or float in "
    "[0, 1] and integer classes from 0 up."
)


def bad(file: Path, what: str, advice: str = LAYOUT) -> UsageError:
    """The error for a file and what is wrong with it.

    Example:
        >>> print(bad(Path("mine.npz"), "has NaN in x_train", "remove it."))
        mine.npz has NaN in x_train: remove it.
    """
    return UsageError(f"{file} {what}: {advice}")


def read_arrays(file: Path, keys: Sequence[str]) -> dict[str, NDArray]:
    """The arrays of these names, all of them.

    Raises:
        UsageError: there is no such file, it is damaged, lacks one, or claims what cannot be.
    """
    if os.path.isdir(file):
        raise UsageError(f"{file} is a folder: give the file itself.")
    if not os.path.isfile(file):
        raise UsageError(f"There is no file {file}: correct the path.")
    try:
        with zipfile.ZipFile(file) as members:
            infos = {info.filename.removesuffix(".npy"): info for info in members.infolist()}
            missing = [key for key in keys if key not in infos]
            if missing:
                held = ", ".join(infos) or "nothing"
                held = held if len(held) <= 200 else held[:200] + "…"
                raise bad(file, f"has no {' and no '.join(missing)}; it holds {held}")
            sizes = [_claimed(file, members, infos[key], key) for key in keys]
        room = machine.memory_gb()
        needed = 8 * sum(sizes) / 2**30  # in the double precision that all is computed in
        if room is not None and needed > room:
            raise bad(
                file, f"takes {needed:.0f} GiB of {room:.0f} GiB of memory", "give fewer images."
            )
        with np.load(file, allow_pickle=False) as archive:
            return {key: archive[key] for key in keys}
    except UsageError:
        raise
    except Exception as error:
        # Bytes from outside fail in a dozen ways (BadZipFile, zlib.error, EOFError, SyntaxError,
        # ValueError, ...), and all mean the same to the user.
        raise bad(
            file, f"cannot be read as an npz file of plain arrays ({type(error).__name__})"
        ) from error


def _claimed(file: Path, members: zipfile.ZipFile, info: zipfile.ZipInfo, key: str) -> int:
    """How many numbers the header of an array says there are, which must be those there are."""
    with members.open(info) as stream:
        version = npy.read_magic(stream)
        read = npy.read_array_header_1_0 if version == (1, 0) else npy.read_array_header_2_0
        shape, _, dtype = read(stream)
        held = info.file_size - stream.tell()
    if dtype.hasobject:
        raise bad(file, f"has Python objects in {key}, which cannot be read without running code")
    count = math.prod(shape)
    if min(shape, default=0) < 0 or count * dtype.itemsize != held:
        raise bad(file, f"claims {key} of shape {shape}, but holds {held} bytes of it")
    return count
