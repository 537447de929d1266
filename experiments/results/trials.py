"""The trials of theorems: from the store, or run by every core and every process there is."""

import logging
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import nullcontext
from itertools import count
from pathlib import Path
from threading import Lock
from typing import Any, NamedTuple

import jax
import numpy as np

from experiments import effort, machine
from experiments.experiment import Progress
from experiments.results import executables, store
from experiments.results.catalog import Entry
from experiments.results.closure import code_digest
from experiments.results.exchange import exchange
from theory.theorem import (
    Arm,
    Preset,
    Theorem,
    Trials,
    arm_settings,
    arms_by_program,
    preset_of,
    simulate,
    trial_keys,
)

log = logging.getLogger(__name__)


class Program(NamedTuple):
    """One program, where the trials of the arms that it runs are kept, and its code's digest."""

    theorem: Theorem
    settings: Any
    seed: int
    paths: dict[Arm, Path]
    code: str


def programs(entry: Entry, preset: Preset, seed: int, out: Path) -> list[Program]:
    """The programs of a theorem."""
    theorem, code = entry.load(), code_digest(entry)
    settings = theorem.presets[preset]

    def path(arm: Arm) -> Path:
        used = arm_settings(theorem, settings, arm)
        key = store.result_key(theorem.name, code, used, seed, arm=arm)
        return out / "trials" / theorem.name / f"{arm}-{key}.npz"

    return [
        Program(theorem, settings, seed, {arm: path(arm) for arm in arms}, code)
        for arms in arms_by_program(theorem)
    ]


def run_all(chosen: list[Program], out: Path, progress: Progress) -> Iterator[tuple[Arm, Trials]]:
    """Arms and their trials, in the order of the programs and as soon as they are there.

    Where several processes are one run, each runs its share and gives the others what it stored.
    """
    if jax.process_count() > 1:
        share = chosen[jax.process_index() :: jax.process_count()]
        for _ in _run(share, progress):
            pass
        exchange(out, [path for program in share for path in program.paths.values()])
    for arms in _run(chosen, progress):
        yield from arms.items()


def _run(chosen: list[Program], progress: Progress) -> Iterator[dict[Arm, Trials]]:
    """Run as many programs at once as there are cores."""
    done = count(1)

    def run(program: Program, stored: dict[Arm, Trials]) -> dict[Arm, Trials]:
        arms = _arms(program, stored)
        progress(next(done) / len(chosen), program.theorem.name)
        return arms

    # All is read before anything runs: NumPy reads headers as syntax trees, which CPython 3.11
    # cannot make in two threads at once.
    found = [_stored(program) for program in chosen]
    # The few small programs that draw keys are JAX's to keep, so they are compiled before.
    for program, stored in zip(chosen, found, strict=True):
        if len(stored) < len(program.paths):
            trial_keys(program.theorem, program.settings, program.seed, "theorem")
    with executables.kept_once():
        # A program is compiled by one core and mostly run by one; JAX lets others work meanwhile.
        pool = ThreadPoolExecutor(machine.cores())
        try:
            running = {at: pool.submit(run, chosen[at], found[at]) for at in _in_order(chosen)}
            for at in range(len(chosen)):
                yield running.pop(at).result()
        finally:
            pool.shutdown(wait=False, cancel_futures=True)


LONG = 0.1
"""A program is long that takes more than this share of what each core has to do."""


def _in_order(chosen: list[Program]) -> list[int]:
    """The long programs first, so that none is left to one core at the end; else as they come.

    A program of one's own, which nobody has timed, may be long.
    """
    seconds = [
        effort.expected(program.theorem.name, preset_of(program.theorem, program.settings))
        for program in chosen
    ]
    each = sum(filter(None, seconds)) / machine.cores()
    long = [one is None or one > LONG * each for one in seconds]
    return sorted(range(len(chosen)), key=lambda at: not long[at])


def _stored(program: Program) -> dict[Arm, Trials]:
    """The trials of those arms that were run before."""
    found = {}
    for arm, path in program.paths.items():
        if (kept := store.load(path)) is not None:
            found[arm] = _from_arrays(*kept)
    return found


LAPACK = Lock()
"""Held by a program that calls LAPACK while it runs: on two cores, two that call `eigvalsh` at once
were seen to wait for each other for ever, since each keeps a thread of XLA's pool and waits for
another. No theorem of the suite does so; one's own may."""


def _arms(program: Program, stored: dict[Arm, Trials]) -> dict[Arm, Trials]:
    """The trials of a program's arms; what is not stored is run, and stored."""
    theorem, settings, seed, paths, _ = program
    ready, turn, found = None, nullcontext(), dict(stored)
    for arm, path in paths.items():
        if arm in found:
            log.info("%s, %s: its trials are kept in %s", theorem.name, arm, path)
            continue
        if ready is None:
            ready, calls_lapack = executables.ready(theorem, settings, arm, program.code)
            turn = LAPACK if calls_lapack else turn
        with turn:
            found[arm] = simulate(theorem, settings, seed, arm, ready)
        seconds = ", ".join(f"{phase} {taken:.2f} s" for phase, taken in found[arm].seconds.items())
        log.info("%s, %s: %s", theorem.name, arm, seconds)
        ready = ready._replace(seconds=dict.fromkeys(ready.seconds, 0.0))  # paid once
        description = {
            "theorem": theorem.name,
            "arm": arm,
            "seed": seed,
            "settings": arm_settings(theorem, settings, arm),
            "environment": store.environment(),
            "seconds": found[arm].seconds,
        }
        arrays = {
            f"{kind}: {name}": array
            for kind in BY_NAME
            for name, array in getattr(found[arm], kind).items()
        }
        store.save(path, arrays | {"given": found[arm].given}, description)
    return found


def _from_arrays(arrays: dict[str, np.ndarray], description: dict[str, Any]) -> Trials:
    """Trials as they were before they were stored."""

    def named(kind: str) -> dict[str, np.ndarray]:
        start = f"{kind}: "
        return {
            name.removeprefix(start): array
            for name, array in arrays.items()
            if name.startswith(start)
        }

    measured, predicted, assumptions = map(named, BY_NAME)
    return Trials(measured, predicted, assumptions, arrays["given"], description["seconds"])


BY_NAME = ("measured", "predicted", "assumptions")
"""What trials hold by the names of parts and assumptions."""
