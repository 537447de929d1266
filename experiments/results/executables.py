"""Compiled programs of theorems, kept from one call to the next: a known one is not even traced.

JAX finds what it compiled by what it has traced, and at smoke tracing takes half as long as running
does. Here a program is found by its theorem, its settings and the code that they reach.
"""

import logging
import math
import os
import pickle
import time
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from functools import cache
from pathlib import Path
from threading import Lock, local
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jax.experimental import serialize_executable

from experiments import effort, machine
from experiments.errors import UsageError
from experiments.results import store
from theory.ensemble import memory_budget
from theory.theorem import Arm, Compiled, Theorem, arm_settings, preset_of, traced

log = logging.getLogger(__name__)


class Executable(NamedTuple):
    """A program that is ready to run, and whether it calls LAPACK."""

    compiled: Compiled
    calls_lapack: bool


def ready(theorem: Theorem, settings: Any, arm: Arm, code: str) -> Executable:
    """The program of an arm, as it was kept, or else compiled and kept.

    Args:
        theorem: the theorem.
        settings: its settings.
        arm: of the theorem.
        code: the digest of the source that its trials reach.

    Raises:
        ValueError: as of `theory.theorem.traced`.
    """
    options = effort.of_program(theorem.name, preset_of(theorem, settings))
    path = _path(theorem, settings, arm, code, options)
    began = time.perf_counter()
    if path is not None and (kept := _load(path)) is not None:
        log.info("%s, %s: its program is kept in %s", theorem.name, arm, path)
        call, calls_lapack = kept
        seconds = {"trace": 0.0, "compile": time.perf_counter() - began}
        return Executable(Compiled(call, seconds), calls_lapack)
    with TRACING:
        lowered, tracing = traced(theorem, settings, arm)
    began, hits = time.perf_counter(), _found_by_jax()
    call = lowered.compile(compiler_options=options)  # pyright: ignore[reportArgumentType]
    calls_lapack = LAPACK in str(call.as_text())
    if path is not None and _found_by_jax() == hits:
        _keep(path, call, calls_lapack)
    seconds = {"trace": tracing, "compile": time.perf_counter() - began}
    return Executable(Compiled(call, seconds), calls_lapack)


@contextmanager
def kept_once() -> Iterator[None]:
    """Let JAX keep no program where `ready` does: to write all twice took a tenth of compiling."""
    if _folder() is None:
        yield
        return
    least = jax.config.jax_persistent_cache_min_compile_time_secs  # pyright: ignore
    jax.config.update("jax_persistent_cache_min_compile_time_secs", math.inf)
    try:
        yield
    finally:
        jax.config.update("jax_persistent_cache_min_compile_time_secs", least)


LAPACK = "lapack"
"""What names its functions in the text of a program."""

TRACING = Lock()
"""Held while a program is traced. Only one thread can work then, for Python's own lock, and where
several take turns none has a program for the compiler until all do: 15 theorems at smoke took 31 s
on 16 cores, and 23 s with this."""

HITS = local()
"""How many programs JAX found in its cache, in each thread. On a CPU such a program cannot be kept
anew: it can be written and read, and then has lost functions that it calls."""


def _found_by_jax() -> int:
    return getattr(HITS, "count", 0)


def _listen(event: str, **_: Any) -> None:
    if event == "/jax/compilation_cache/cache_hits":
        HITS.count = _found_by_jax() + 1


jax.monitoring.register_event_listener(_listen)


def _path(
    theorem: Theorem, settings: Any, arm: Arm, code: str, options: dict[str, bool | int]
) -> Path | None:
    """None where there is no `_folder`."""
    if (folder := _folder()) is None:
        return None
    used = arm_settings(theorem, settings, arm)
    compiled_for = {
        "arm": arm,
        "flags": os.environ.get("XLA_FLAGS", ""),
        "options": options,
        "processor": machine.processor(),  # a home folder may be that of many machines
        "memory": memory_budget(jax.local_devices()[0].memory_stats()),  # sets the size of batches
    }
    key = store.result_key(theorem.name, code, used, seed=0, **compiled_for)
    return folder / f"{theorem.name}-{arm}-{key}"


def _folder() -> Path | None:
    """Beside what JAX keeps; None where it keeps nothing here, or several processes are one run."""
    folder, enabled = jax.config.jax_compilation_cache_dir, jax.config.jax_enable_compilation_cache  # pyright: ignore
    local = folder and "://" not in folder  # JAX can keep its own in a bucket, too
    if not (local and enabled) or jax.process_count() > 1:
        return None
    return Path(folder) / "relu-theory"


def _load(path: Path) -> tuple[jax.stages.Compiled, bool] | None:
    try:
        calls_lapack, parts = pickle.loads(zlib.decompress(path.read_bytes()))
        if calls_lapack:
            _find_lapack()
        return serialize_executable.deserialize_and_load(*parts), calls_lapack
    except Exception:  # of any kind, for a file that is absent, cut short, or of another machine
        return None


@cache
def _find_lapack() -> None:
    """Have JAX look LAPACK up, as it does where it traces a call; without, a kept one would end the
    process."""
    jax.jit(jnp.linalg.eigvalsh).lower(jax.ShapeDtypeStruct((1, 1), jnp.float32))


def _keep(path: Path, call: jax.stages.Compiled, calls_lapack: bool) -> None:
    try:
        parts = calls_lapack, serialize_executable.serialize(call)
    except (ValueError, NotImplementedError):  # constants are held beside the program
        return
    try:
        store.write_atomically(path, zlib.compress(pickle.dumps(parts), level=1))
    except UsageError:
        pass  # JAX has said that its folder cannot be written to
