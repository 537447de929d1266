"""Grids of settings, verified or run point by point, and tables of what came out.

A table is tidy: a row is one part of a verdict, or one number of a result. Trials and data are
kept under their keys like those of any other run, so that a sweep goes on where it was stopped.
"""

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Literal, NamedTuple

import pandas as pd

from experiments.errors import UsageError
from experiments.experiment import Progress
from experiments.results import gallery, store, trials
from experiments.results.catalog import Entry
from experiments.results.verification import verdict_json
from theory.theorem import Preset, judge

Row = dict[str, Any]


class Planned(NamedTuple):
    """One point of a grid.

    Attributes:
        entry: a theorem with the point's settings as its preset, an experiment as it is.
        labels: the point; several values of one setting as they are said, with spaces.
        settings, seed: of the point.
    """

    entry: Entry
    labels: dict[str, Any]
    settings: Any
    preset: Preset
    seed: int


def over(
    entry: Entry, points: Sequence[Any], swept: Sequence[str], preset: Preset, seeds: Sequence[int]
) -> list[Planned]:
    """Every point, settings of which some are swept, with every seed."""

    def label(value: Any) -> Any:
        return " ".join(map(str, value)) if isinstance(value, tuple) else value

    return [
        Planned(
            entry._replace(changed={preset: settings}) if entry.kind == "theorem" else entry,
            {name: label(getattr(settings, name)) for name in swept},
            *(settings, preset, seed),
        )
        for settings in points
        for seed in seeds
    ]


def run(planned: list[Planned], out: Path, progress: Progress, form: str) -> Path:
    """Compute what is missing and write the table; for a theorem a figure too.

    Gives the folder of both.
    """
    entry = planned[0].entry
    folder = store.open_folder(out / "sweeps" / entry.name)
    compute = verified if entry.kind == "theorem" else measured
    rows = list(compute(planned, out, progress))
    write_table(folder / f"table.{form}", rows, form)
    said = {
        "entry": entry.name,
        "preset": planned[0].preset,
        "seeds": sorted({one.seed for one in planned}),
        "grid": [one.labels for one in planned if one.seed == planned[0].seed],
        "environment": store.environment(),
    }
    store.write_atomically(folder / "sweep.json", store.to_json(said))
    if entry.kind == "theorem":
        from experiments.plots.sweep import draw

        swept = list(planned[0].labels)
        gallery.save_picture(folder / gallery.FIGURE, lambda: draw(pd.DataFrame(rows), swept))
    return folder


def verified(planned: list[Planned], out: Path, progress: Progress) -> Iterator[Row]:
    """Rows of a theorem's verdicts."""
    store.open_folder(out)
    programs = [trials.programs(one.entry, one.preset, one.seed, out) for one in planned]
    arms = trials.run_all(sum(programs, []), out, progress)
    for one, theirs in zip(planned, programs, strict=True):
        found = dict(next(arms) for program in theirs for _ in program.paths)
        theorem = one.entry.load()
        verdict = judge(theorem, one.settings, found["theorem"], found["control"])
        shown = verdict_json(one.entry, theorem, verdict, one.settings, one.preset, one.seed, {})
        yield from (one.labels | row for row in rows_of_verdict(shown))


def rows_of_verdict(shown: dict[str, Any]) -> Iterator[Row]:
    """A row for each part of a verdict as `verify --json` has it."""
    margins = {f"margin: {a['name']}": a["margin"] for a in shown["assumptions"]}
    for part in shown["parts"]:
        ratios = part["tightness"] or dict.fromkeys(("min", "median", "max"))
        yield {
            "theorem": shown["theorem"],
            "preset": shown["preset"],
            "seed": shown["seed"],
            "part": part["name"],
            "verdict": shown["status"],
            "status": part["status"],
            "trials": shown["trials"],
            "violations": part["violations"],
            "violation_bound": part["violation_bound"],
            "delta": part["delta"],
            **{f"measured/predicted, {name}": ratio for name, ratio in ratios.items()},
            "control detected": shown["control"]["detected"],
            **margins,
        }


def measured(planned: list[Planned], out: Path, progress: Progress) -> Iterator[Row]:
    """Rows of an experiment's numbers."""
    for done, one in enumerate(planned):

        def within(share: float, what: str, done=done) -> None:
            progress((done + share) / len(planned), what)

        asked = gallery.Run(one.settings, one.preset, one.seed)
        result = gallery.run(one.entry, asked, out, within)
        yield from (one.labels | row for row in rows_of_result(result))


def rows_of_result(result: dict[str, Any]) -> Iterator[Row]:
    """A row for each number of a result's tables, by the names on the way to it."""
    known = {"experiment": result["experiment"], "seed": result["seed"]}
    for path, value in _leaves(result["summary"]["tables"]):
        if isinstance(value, list) and len(value) == 3:
            centre, low, high = value
            yield known | {"quantity": path, "value": centre, "low": low, "high": high}
        elif isinstance(value, int | float) and not isinstance(value, bool):
            yield known | {"quantity": path, "value": value, "low": None, "high": None}


def _leaves(tables: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Numbers and lists of them, and where they are."""
    if isinstance(tables, dict):
        for name, value in tables.items():
            yield from _leaves(value, f"{path} / {name}" if path else str(name))
    elif isinstance(tables, list) and any(isinstance(one, dict | list) for one in tables):
        for i, value in enumerate(tables):
            yield from _leaves(value, f"{path} / {i}")
    else:
        yield path, tables


def stored_verdicts(out: Path) -> list[Row]:
    """Rows of all verdicts in a folder of results."""
    paths = sorted((out / "verdicts").glob("*/*.json"))
    return [row for path in paths for row in rows_of_verdict(_read(path))]


def stored_results(out: Path) -> list[Row]:
    """Rows of all results in a folder of results."""
    paths = sorted(out.glob(f"*/{gallery.RESULT}"))
    return [row for path in paths for row in rows_of_result(_read(path))]


def _read(path: Path) -> dict[str, Any]:
    try:
        return json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        raise UsageError(f"{path} cannot be read: remove it, and compute it again.") from None


def write_table(path: Path, rows: list[Row], form: Literal["csv", "parquet"] | str) -> None:
    """Write rows, all or nothing.

    Raises:
        UsageError: the path cannot be written to, or nothing is installed that writes its form.
    """
    frame = pd.DataFrame(rows)
    if form == "csv":
        store.write_atomically(path, frame.to_csv(index=False))
        return
    try:
        content = frame.to_parquet(index=False)
    except ImportError:
        raise UsageError("Parquet needs pyarrow: `pip install pyarrow`, or take csv.") from None
    assert content is not None
    store.write_atomically(path, content)
