"""Verdicts of an earlier call that still stand, found without importing JAX.

What has been judged already is shown at once: importing JAX and the theorems, and judging all of
them again, takes several seconds. A verdict stands as long as nothing has changed that could change
it: the source of both packages, versions, the options, the environment that JAX reads, and the
files of its trials and searches, by their names, sizes and times.
"""

import hashlib
import json
import os
import platform
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any

from experiments.results import store
from experiments.results.catalog import Entry, package_folder

ENVIRONMENT = ("JAX_", "XLA_", "CUDA_", "TPU_")
"""What variables begin with that choose the device or what is computed there."""


def folder(preset: str, seed: int, out: Path) -> Path:
    """Where the verdicts of a preset and a seed are written."""
    return out / "verdicts" / f"{preset}-{seed}"


def standing(
    chosen: list[Entry], preset: str, seed: int, out: Path, **options: Any
) -> list[dict[str, Any]] | None:
    """The verdicts of all theorems; None if one is missing or might have changed.

    Args:
        chosen: the theorems.
        preset: of their settings.
        seed: of their trials.
        out: folder of results.
        options: all else that was asked for and could change a number.
    """
    _code()  # now: what is asked for sets variables later
    kept = _kept(folder(preset, seed, out))
    found = []
    for entry in chosen:
        try:
            text = (folder(preset, seed, out) / f"{entry.name}.json").read_bytes()
        except OSError:
            return None
        if kept.get(entry.name) != _stamp(entry, text, out, options):
            return None
        found.append(json.loads(text))
    return found


def keep(chosen: list[Entry], preset: str, seed: int, out: Path, **options: Any) -> None:
    """Remember that the verdicts just written stand."""
    where = folder(preset, seed, out)
    kept = _kept(where)
    for entry in chosen:
        text = (where / f"{entry.name}.json").read_bytes()
        kept[entry.name] = _stamp(entry, text, out, options)
    store.write_atomically(where / STAMPS, store.to_json(kept))


STAMPS = ".stamps"
"""The stamps of verdicts by the names of their theorems; without it all are judged again."""


def _kept(where: Path) -> dict[str, str]:
    try:
        kept = json.loads((where / STAMPS).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return kept if isinstance(kept, dict) else {}


def _stamp(entry: Entry, text: bytes, out: Path, options: dict[str, Any]) -> str:
    """A hash of a verdict and of all that it came from."""
    files = [
        (str(path.relative_to(out)), status.st_size, status.st_mtime_ns)
        for kind in ("trials", "worst")
        for path in sorted((out / kind / entry.name).glob("*"))
        for status in [path.stat()]
    ]
    content = [_code(), files, sorted(options.items())]
    return hashlib.sha256(text + json.dumps(content).encode()).hexdigest()


@cache
def _code() -> list[Any]:
    """What every verdict depends on: sources, versions, and variables that JAX reads."""
    sources = hashlib.sha256()
    for package in ("theory", "experiments"):
        for path in sorted(package_folder(package).rglob("*.py")):
            sources.update(str(path).encode() + path.read_bytes())
    libraries = ("jax", "jaxlib", "numpy", "optax", "scipy")
    variables = {name: text for name, text in os.environ.items() if name.startswith(ENVIRONMENT)}
    return [
        sources.hexdigest(),
        platform.python_version(),
        *(version(name) for name in libraries),
        sorted(variables.items()),
    ]
