"""The comparisons, each run in a process of its own, and what is kept of them."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from rich.table import Table

from experiments.bench import figures, torch_arms
from experiments.bench.comparisons import COMPARISONS
from experiments.errors import UsageError
from experiments.results import store

HISTORY = "history.jsonl"
"""One line for each comparison whenever it was made; lines are added, and none is changed."""


def run(names: tuple[str, ...], out: Path) -> dict[str, dict[str, Any]]:
    """Make the comparisons, all if none is named.

    Each leaves its JSON, its figure where it has one, and a line in the history, in a folder.

    Raises:
        UsageError: there is no comparison of a name, or the folder cannot be written to.
        SystemExit: as of `measure`.
    """
    for name in names:
        if name not in COMPARISONS:
            raise UsageError(f"No comparison is called {name!r}; there are {[*COMPARISONS]}.")
    store.open_folder(out)
    names = names or tuple(COMPARISONS)
    if any(COMPARISONS[name].torch for name in names) and not torch_arms.installed():
        print(f"relu-theory: {torch_arms.ABSENT}", file=sys.stderr)
    results = {}
    for name in names:
        result = results[name] = measure(name)
        store.write_atomically(out / f"{name}.json", store.to_json(result))
        store.append_line(out / HISTORY, json.dumps(entry(result), ensure_ascii=False))
        figures.save(result, out)
    return results


def measure(name: str) -> dict[str, Any]:
    """The result of a comparison, made in a process of its own, which pins its threads.

    Raises:
        SystemExit: with the code of that process, which has said what is wrong.
    """
    command = [sys.executable, "-m", "experiments.bench", name]
    done = subprocess.run(command, stdout=subprocess.PIPE)
    if done.returncode:
        raise SystemExit(done.returncode)
    return json.loads(done.stdout)


def entry(result: dict[str, Any]) -> dict[str, Any]:
    """What the history keeps of a comparison: medians and ratios, where and when.

    Example:
        >>> run = {"one": {"median": 2.0, "noisy": False}, "other": {"median": 6.0, "noisy": False}}
        >>> speed_up = {"other": {"median": 3.0, "low": 2.0, "high": 4.0}}
        >>> made = {"rows": [{"what": "a", "ours": "one", "run": run, "speed_up": speed_up}]}
        >>> made |= {"comparison": "toy", "machine": {"date": "2026-01-01"}, "environment": {}}
        >>> entry(made | {"load": {}})["rows"]
        [{'what': 'a', 'run': {'one': 2.0, 'other': 6.0}, 'speed_up': {'other': 3.0}}]
    """
    rows = [
        {
            "what": row["what"],
            "run": {way: run["median"] for way, run in row["run"].items()},
            "speed_up": {way: ratio["median"] for way, ratio in row["speed_up"].items()},
        }
        for row in result["rows"]
    ]
    kept = ("comparison", "machine", "environment", "load")
    return {key: result[key] for key in kept} | {"rows": rows}


def table(results: dict[str, dict[str, Any]]) -> Table:
    """The comparisons for reading: seconds, and how many times those of the first way they are."""
    shown = Table("comparison", "way", "compiling, s", "running, s", "times as long", "of GEMM")
    for row in (row for result in results.values() for row in result["rows"]):
        what = row["what"]
        for way in [row["ours"], *row["speed_up"]]:
            run = row["run"][way]
            ratio = row["speed_up"].get(way)
            shown.add_row(
                what,
                way,
                f"{row['compile'][way]:.2g}" if way in row["compile"] else "",
                _interval(run) + " noisy" * run["noisy"],
                "1" if ratio is None else _interval(ratio),
                f"{run['gemm_fraction']:.2f}" if "gemm_fraction" in run else "",
            )
            what = ""
        shown.add_section()
    return shown


def _interval(of: dict[str, Any]) -> str:
    return f"{of['median']:.3g} [{of['low']:.3g}, {of['high']:.3g}]"
