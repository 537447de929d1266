"""The command that lists what is kept on disk, and removes what is old or too much."""

import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from rich.table import Table

from experiments.command.commands import console_of
from experiments.errors import UsageError

DAY, GIGABYTE = 86_400, 1e9


class File(NamedTuple):
    """One file that can be made again."""

    path: Path
    size: int
    used: float


@dataclass(frozen=True)
class Cache:
    """List what is kept on disk and can be made again: compiled programs, trials, data of runs.

    With --older or --most it is removed; figures, verdicts and data sets are not.
    """

    out: Path = Path("results")
    """folder of results"""
    older: float | None = None
    """remove what was not written for so many days"""
    most: float | None = None
    """remove the oldest until so many gigabytes are left"""

    def __call__(self) -> int:
        for name, value in (("older", self.older), ("most", self.most)):
            if value is not None and not value >= 0:
                raise UsageError(f"--{name} is {value:g} and must be at least 0.")
        kinds = {kind: files_of(folder) for kind, folder in self.folders().items()}
        table = Table("what", "files", "megabytes", "oldest", "newest")
        for kind, files in kinds.items():
            ages = sorted((time.time() - file.used) / DAY for file in files)
            days = [f"{ages[i]:.1f} days" for i in (-1, 0)] if ages else ["", ""]
            size = sum(file.size for file in files) / 1e6
            table.add_row(kind, str(len(files)), f"{size:.1f}", *days)
        console_of().print(table)
        going = self.going([file for files in kinds.values() for file in files])
        for file in going:
            file.path.unlink(missing_ok=True)
        if self.older is not None or self.most is not None:
            size = sum(file.size for file in going) / 1e6
            print(f"removed {len(going)} files, {size:.1f} megabytes", file=sys.stderr)
        return 0

    def folders(self) -> dict[str, Path]:
        """Where it is kept, by what it is."""
        import pooch

        return {
            "compiled programs": Path(pooch.os_cache("relu-theory")) / "xla",
            "trials of theorems": self.out / "trials",
            "searches": self.out / "worst",
            "data of runs": self.out / "runs",
        }

    def going(self, files: list[File]) -> list[File]:
        """What is too old, or with the newer files too much."""
        going, left, now = [], 0.0, time.time()
        for file in sorted(files, key=lambda file: -file.used):
            left += file.size / GIGABYTE
            old = self.older is not None and now - file.used > self.older * DAY
            if old or (self.most is not None and left > self.most):
                going.append(file)
        return going


def files_of(folder: Path) -> list[File]:
    """All files below a folder; those that vanish meanwhile are none."""
    found = []
    for path in folder.rglob("*"):
        try:
            status = path.stat()
        except OSError:
            continue
        if path.is_file():
            found.append(File(path, status.st_size, status.st_mtime))
    return found
