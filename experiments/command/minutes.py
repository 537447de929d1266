"""How long theorems and experiments take at the course preset, as it was measured.

``python -m experiments.command.minutes RESULTS [EXPERIMENT…]`` writes what `relu-theory list`
shows: of theorems what `relu-theory verify` has left in RESULTS, of these experiments what they
take now, with nothing kept. What is not measured anew stays.
"""

import json
import os
import subprocess
import sys
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from experiments import machine

FILE = Path(__file__).with_suffix(".json")


def recorded() -> dict[str, Any]:
    """Minutes of one core by name, of the kinds theorem and experiment, and the machine.

    Example:
        >>> recorded()["theorem"]["subspace.gradient-law"] > 0
        True
    """
    return json.loads(FILE.read_text(encoding="utf-8"))


def of_theorems(results: Path) -> dict[str, float]:
    """Tracing, compiling and running, of theorem and control."""
    paths = sorted((results / "verdicts" / "course-0").glob("*.json"))
    verdicts = [json.loads(path.read_text(encoding="utf-8")) for path in paths]
    return {v["theorem"]: sum(v["seconds"].values()) / 60 for v in verdicts}


def of_experiment(name: str) -> float:
    """All that its process does; of its cores' time, which other work does not lengthen."""
    with TemporaryDirectory() as empty:
        before = os.times()
        subprocess.run(
            [sys.executable, "-m", "experiments", "run", name, "--out", empty],
            env=os.environ | {"XDG_CACHE_HOME": empty},
            stdout=subprocess.DEVNULL,
            check=True,
        )
        after = os.times()
    used = after.children_user + after.children_system
    return (used - before.children_user - before.children_system) / 60


def main(results: str, *experiments: str) -> None:
    """Measure, and write the file after every measurement."""
    from experiments.results.store import to_json, write_atomically

    found = recorded()
    found["machine"] = machine.processor()
    found["theorem"] |= of_theorems(Path(results))
    for name in (None, *experiments):
        if name is not None:
            found["experiment"][name] = of_experiment(name)
        for kind in ("theorem", "experiment"):
            found[kind] = {name: round(found[kind][name], 2) for name in sorted(found[kind])}
        write_atomically(FILE, to_json(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
