"""`bench verify`: how long a user waits for verdicts, and what the time goes into."""

import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from statistics import median
from tempfile import TemporaryDirectory
from typing import Any

from experiments import machine
from experiments.bench.timing import Repeat, interleaved, row
from experiments.experiment import Progress
from theory.theorem import PHASES

LAW = ("subspace.gradient-law", "--preset", "course")
"""The theorem that is put on trial by 688 networks."""

ONE_OF_EACH = (
    *("subspace.large-gradient", "unlearning.linear", "attribution.calibrated-agreement"),
    *("healing.exact-zeros", "--preset", "smoke"),
)
"""A theorem of each room."""

COLD, WARM, STORED = "nothing kept", "programs kept", "trials kept"
"""What `verify` finds: neither programs nor trials, programs compiled before, or trials too."""

IMPORT, IMPORTS = "import", "import experiments.results.verification"
"""What a process does before it has looked at its theorems."""


def verify(progress: Progress) -> list[dict[str, Any]]:
    """Processes of `relu-theory verify`, with all cores and with one, on which phases add up."""
    progress(0.0, "688 networks")
    rows = [waits("time to verdict, 688 networks, all cores", LAW)]
    progress(0.5, "a theorem of each room")
    machine.one_core()
    return [*rows, waits("a theorem of each room at smoke, one core", ONE_OF_EACH)]


def waits(what: str, asked: tuple[str, ...]) -> dict[str, Any]:
    """Wall time by what is kept from earlier calls, and the phases that the verdicts report."""
    phases: dict[str, list[dict[str, float]]] = {COLD: [], WARM: [], STORED: []}
    with TemporaryDirectory() as name:
        folder = Path(name)
        programs, trials = folder / "programs", folder / "trials"

        def cold() -> None:
            with TemporaryDirectory(dir=folder) as new:
                phases[COLD].append(_verdicts(asked, Path(new) / "programs", Path(new)))

        def warm() -> None:
            with TemporaryDirectory(dir=folder) as new:
                phases[WARM].append(_verdicts(asked, programs, Path(new)))

        def stored() -> None:
            # The verdicts then tell what their trials once took.
            _verdicts(asked, programs, trials)
            phases[STORED].append(dict.fromkeys(PHASES, 0.0))

        ways: dict[str, Callable[[], Any]] = {COLD: cold, WARM: warm, STORED: stored}
        ways[IMPORT] = partial(subprocess.run, [sys.executable, "-c", IMPORTS])
        found = interleaved(ways, seconds=60)
    return row(what, WARM, found, {}) | {"phases": _phases(found, phases)}


def _verdicts(asked: tuple[str, ...], programs: Path, trials: Path) -> dict[str, float]:
    """Run `verify` and give the seconds of each phase, summed over programs."""
    kept = {
        "JAX_COMPILATION_CACHE_DIR": str(programs),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    command = [sys.executable, "-m", "experiments", "verify", *asked, "--json"]
    done = subprocess.run(
        [*command, "--out", str(trials)],
        env=os.environ | kept,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        check=True,
    )
    return json.loads(done.stdout)["summary"]["seconds"]


def _phases(
    found: dict[str, list[Repeat]], phases: dict[str, list[dict[str, float]]]
) -> dict[str, dict[str, float]]:
    """Median seconds of each phase by way, and what is left of the wall time.

    Phases are sums over programs, several of which run at once where there are several cores; then
    what is left is less than what the rest took, and may be below 0.
    """
    importing = median(repeat.seconds for repeat in found[IMPORT])
    shown = {}
    for way, seconds in phases.items():
        counted = seconds[-len(found[way]) :]  # without the calls that warmed up
        parts = {phase: median(each[phase] for each in counted) for phase in PHASES}
        wall = median(repeat.seconds for repeat in found[way])
        rest = wall - importing - sum(parts.values())
        shown[way] = {IMPORT: importing} | parts | {"rest": rest}
    return shown
