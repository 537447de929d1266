"""The commands that make one table of many verdicts or results."""

import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro

from experiments.command.commands import Common, Preset, Shared
from experiments.command.progress import bar
from experiments.command.settings import given, grid
from experiments.errors import UsageError
from experiments.results.catalog import Kind, select

Form = Literal["csv", "parquet"]


@dataclass(frozen=True)
class Sweep:
    """Verify a theorem, or run an experiment, over a grid: sweep NAME --width 50,100 --d 20,40.

    Any setting may have several values, separated by commas. Leaves table.csv (or .parquet) and
    sweep.json in OUT/sweeps/NAME, and of a theorem figure.png. What was done before an
    interruption is not done again. Exit code 0: all was computed, whatever the verdicts; 2: bad
    usage.
    """

    name: tyro.conf.Positional[str]
    """a theorem or an experiment, or the path of a file"""
    kind: Kind | None = None
    """theorem or experiment, where one name is that of both"""
    preset: Preset = "course"
    """settings to start from"""
    seeds: int = 1
    """seeds of every point of the grid, from --seed on"""
    out: Path = Path("results")
    """folder for the results"""
    form: Form = "csv"
    """of the table"""
    common: Shared = Common()

    def __call__(self) -> int:
        raise UsageError("Give a setting with several values, as in --width 50,100,200.")

    def with_settings(self, args: list[str]) -> int:
        """Sweep over these settings."""
        chosen = select(self.kind, (self.name,))
        if len(chosen) > 1:
            names = ", ".join(f"{entry.name} ({entry.kind})" for entry in chosen)
            raise UsageError(f"{self.name!r} means several, {names}: give one name, or --kind.")
        if self.seeds < 1:
            raise UsageError(f"--seeds is {self.seeds} and must be at least 1.")
        entry = chosen[0]
        default = entry.load().presets[self.preset]
        prog = f"relu-theory sweep {entry.name}"
        points = [given(default, one, prog) for one in grid(args)]
        swept = [arg[2:].partition("=")[0].replace("-", "_") for arg in args if arg[:2] == "--"]
        self.common.prepare(self.preset)
        from experiments.results import sweep

        seeds = range(self.common.seed, self.common.seed + self.seeds)
        made = sweep.over(entry, points, swept, self.preset, seeds)
        with bar(f"sweep {entry.name}") as progress:
            folder = sweep.run(made, self.out, progress, self.form)
        for path in sorted(folder.iterdir()):
            print(path, file=sys.stderr)
        return 0


@dataclass(frozen=True)
class Export:
    """Write all stored verdicts, or all stored results, as one table."""

    what: tyro.conf.Positional[Literal["verdicts", "results"]]
    """verdicts of theorems, a row for each part; or numbers of experiments, a row for each"""
    table: Path = Path("table.csv")
    """where to; .csv or .parquet"""
    out: Path = Path("results")
    """folder of stored results"""

    def __call__(self) -> int:
        from experiments.results import sweep

        form = self.table.suffix.removeprefix(".")
        if form not in ("csv", "parquet"):
            raise UsageError(f"--table is {self.table} and must end in .csv or .parquet.")
        read = sweep.stored_verdicts if self.what == "verdicts" else sweep.stored_results
        rows = read(self.out)
        if not rows:
            raise UsageError(f"{self.out} holds no {self.what}: give another folder by --out.")
        sweep.write_table(self.table, rows, form)
        print(f"{self.table}: {len(rows)} rows", file=sys.stderr)
        return 0
