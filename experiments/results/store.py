"""Results on disk: one file per result, written atomically, found again by its key.

A file holds the numbers and the JSON that describes them, so there is no moment at which the two
disagree: NetCDF for the labelled data of an experiment, which users open, NPZ for the arrays of
trials and of trained copies. Names contain the key, or the key is compared on reading: whatever
was computed with other settings, seed, code or versions is not found.
"""

import contextlib
import hashlib
import io
import json
import math
import os
import platform
import tempfile
import tokenize
import warnings
import zipfile
import zlib
from dataclasses import asdict, is_dataclass
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from experiments.errors import UsageError

if TYPE_CHECKING:
    import xarray

DAMAGE = (
    *(OSError, ValueError, KeyError, EOFError, RuntimeError, TypeError),
    *(SyntaxError, tokenize.TokenError, zipfile.BadZipFile, zlib.error),
)
"""All that reading a damaged archive was seen to raise, by flipping bytes at random."""

DESCRIPTION = "description"
"""The name of the array, or of the attribute, that holds the JSON."""

LARGE = 16_384
"""Bytes from which packing saves more than the index that it needs."""

MARK = b"\nsha256 "
"""What stands between the content of a NetCDF file and its checksum."""


def jsonable(value: Any) -> Any:
    """The value in types that JSON has: no NaN and no infinity (null instead), no arrays.

    Example:
        >>> jsonable({"a": np.float64("nan"), "b": (1, np.int64(2))})
        {'a': None, 'b': [1, 2]}
    """
    if isinstance(value, dict):
        return {str(key): jsonable(item) for key, item in value.items()}
    if isinstance(value, tuple) and hasattr(value, "_asdict"):
        return jsonable(value._asdict())  # pyright: ignore[reportAttributeAccessIssue]
    if isinstance(value, np.ndarray | np.generic):
        return jsonable(value.tolist())
    if isinstance(value, list | tuple):
        return [jsonable(item) for item in value]
    if isinstance(value, float):
        return value if math.isfinite(value) else None
    if isinstance(value, Path):
        return str(value)
    if is_dataclass(value) and not isinstance(value, type):
        return jsonable(asdict(value))
    return value


def to_json(value: Any) -> str:
    """Readable JSON with a final newline."""
    return json.dumps(jsonable(value), indent=2, ensure_ascii=False, allow_nan=False) + "\n"


def environment() -> dict[str, Any]:
    """The versions and the device behind a result."""
    import jax

    device = jax.local_devices()[0]  # what other processes have changes no number
    return {
        "python": platform.python_version(),
        "jax": jax.__version__,
        "device": f"{jax.local_device_count()} × {device.platform}"
        + (f" ({device.device_kind})" if device.device_kind != device.platform else ""),
        "x64": jax.numpy.zeros(()).dtype == "float64",
        "matmul_precision": jax.config.jax_default_matmul_precision,  # pyright: ignore
    }


def result_key(name: str, code: str, settings: Any, seed: int, **more: Any) -> str:
    """The key of a result: name, code, settings, seed, versions and device."""
    content = {
        "name": name,
        "settings": settings,
        "seed": seed,
        "code": code,
        "environment": environment(),
        "versions": _versions(),
        **more,
    }
    return hashlib.sha256(to_json(content).encode()).hexdigest()[:20]


@cache
def _versions() -> dict[str, str]:
    """Of the libraries that compute."""
    return {name: version(name) for name in ("jaxlib", "numpy", "optax", "scipy")}


def open_folder(path: Path) -> Path:
    """Create an output folder and prove that it can be written to, before any work is done.

    Raises:
        UsageError: if it cannot be.
    """
    with _clear_errors(path):
        path.mkdir(parents=True, exist_ok=True)
        with tempfile.NamedTemporaryFile(dir=path) as probe:
            probe.write(b"x" * 4096)
    return path


@contextlib.contextmanager
def _clear_errors(path: Path):
    try:
        yield
    except OSError as error:
        reason = (error.strerror or str(error)).lower()
        raise UsageError(
            f"Cannot write to {path} ({reason}); give another folder with --out."
        ) from error


def write_atomically(path: Path, content: str | bytes) -> None:
    """Write a file so that a reader sees the old content or the new, never a part.

    Its folder is created where there is none.

    Raises:
        UsageError: if the disk refuses, or something other than a file is there.
    """
    if path.exists() and not path.is_file():
        raise UsageError(f"{path} is no ordinary file and is not replaced; give another --out.")
    with _clear_errors(path.parent):
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "wb") as file:
                file.write(content.encode() if isinstance(content, str) else content)
                file.flush()
                os.fsync(file.fileno())
            os.chmod(name, 0o644)
            os.replace(name, path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise


def append_line(path: Path, line: str) -> None:
    """Add a line to a file, which is created where there is none; what is there stays.

    One call of the system writes it, so that lines of several processes do not mix. A last line
    without an end, of a process that was killed, gets one.

    Raises:
        UsageError: if the disk refuses, or something other than a file is there.
    """
    with _clear_errors(path):
        with open(path, "ab+", buffering=0) as file:
            file.seek(0, os.SEEK_END)
            if file.tell():
                file.seek(-1, os.SEEK_END)
                line = line if file.read() == b"\n" else f"\n{line}"
            file.write(f"{line}\n".encode())


def save(path: Path, arrays: dict[str, np.ndarray], description: dict[str, Any]) -> None:
    """Write arrays and their description into one NPZ, atomically."""
    text = np.array(to_json(description | {"arrays": sorted(arrays)}))
    # Built in memory first, so that an error of the disk is not one of the zip format.
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **arrays, **{DESCRIPTION: text})
    write_atomically(path, buffer.getvalue())


def load(path: Path) -> tuple[dict[str, np.ndarray], dict[str, Any]] | None:
    """Read what `save` wrote; None if there is nothing, and with a warning if it is damaged."""
    if not path.exists():
        return None
    try:
        with np.load(path, allow_pickle=False) as file:
            arrays = {name: file[name] for name in file.files}
        description = json.loads(str(arrays.pop(DESCRIPTION)))
        if description.pop("arrays") != sorted(arrays):
            raise ValueError("arrays are missing")
    except DAMAGE as error:
        _warn_of_damage(path, error)
        return None
    return arrays, description


def save_data(path: Path, data: "xarray.Dataset", description: dict[str, Any]) -> None:
    """Write labelled data and their description into one NetCDF file, atomically.

    `xarray.open_dataset` reads it as it is: the description is the attribute of that name, and
    what follows the last byte of NetCDF is the SHA-256 of all before it.
    """
    for name in data.coords:
        if data[name].dtype == object:
            raise TypeError(f"the labels of {name} are of several types")
    labelled = data.assign_attrs({DESCRIPTION: to_json(description)})
    packed = {
        name: {"zlib": True, "complevel": 9, "shuffle": True, "chunksizes": data[name].shape}
        for name in data.data_vars
        if data[name].nbytes > LARGE and data[name].dtype.kind in "fiub"
    }
    content = bytes(labelled.to_netcdf(engine="h5netcdf", encoding=packed))
    content += MARK + hashlib.sha256(content).hexdigest().encode()
    write_atomically(path, content)


def load_data(path: Path) -> "tuple[xarray.Dataset, dict[str, Any]] | None":
    """Read what `save_data` wrote; None if there is nothing, and with a warning if it is damaged.

    Nothing reaches the NetCDF library whose checksum does not fit: it is written in C.
    """
    if not path.exists():
        return None
    import xarray

    try:
        content, mark, checksum = path.read_bytes().rpartition(MARK)
        if not mark or hashlib.sha256(content).hexdigest().encode() != checksum:
            raise ValueError("its checksum does not fit")
        # Without how it was packed, so that saved again it is packed like any other.
        data = xarray.load_dataset(io.BytesIO(content), engine="h5netcdf").drop_encoding()
        description = json.loads(data.attrs.pop(DESCRIPTION))
    except DAMAGE as error:
        _warn_of_damage(path, error)
        return None
    return data, description


def _warn_of_damage(path: Path, error: Exception) -> None:
    warnings.warn(f"{path} is damaged ({error}) and is computed again.", stacklevel=3)
