"""The commands for one's own theorems and experiments: begin one, check it, explain any."""

import re
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import tyro
from rich.console import Console
from rich.padding import Padding

from experiments.command.commands import Common, Names, Shared, console_of
from experiments.errors import UsageError
from experiments.results.catalog import entries, select

EXAMPLES = Path(__file__).parent / "examples"

NAME = re.compile(r"[a-z][a-z0-9-]*(\.[a-z][a-z0-9-]*)?")


@dataclass(frozen=True)
class New:
    """Write a short file that runs as it is, to make a theorem or an experiment of one's own of."""

    kind: tyro.conf.Positional[Literal["theorem", "experiment"]]
    """what it holds"""
    name: tyro.conf.Positional[str]
    """its name, group.name or a name alone; the file is called after it"""

    def __call__(self) -> int:
        if not NAME.fullmatch(self.name):
            raise UsageError(
                f"{self.name!r} is no name: use small letters, digits and hyphens, and a dot "
                "between group and name, as in mine.bound."
            )
        name = self.name if "." in self.name else f"own.{self.name}"
        if name in {entry.name for entry in entries()}:
            raise UsageError(f"{name} is there already: choose a new name.")
        path = Path(name.partition(".")[2].replace("-", "_") + ".py")
        text = (EXAMPLES / f"{self.kind}.txt").read_text(encoding="utf-8").replace("NAME", name)
        try:
            with path.open("x", encoding="utf-8") as file:
                file.write(text)
        except FileExistsError:
            raise UsageError(f"{path} is there already: choose another name.") from None
        except OSError as error:
            raise UsageError(f"{path} cannot be written ({error.strerror}).") from None
        verb = "verify" if self.kind == "theorem" else "run"
        print(f"{path}: relu-theory {verb} {path}", file=sys.stderr)
        return 0


@dataclass(frozen=True)
class Check:
    """Put theorems through the tests that those of this suite pass.

    Exit code 0: all hold; 1: some do not; 2: bad usage.
    """

    names: Names
    """paths of files, or theorems, systems and globs"""
    quick: bool = False
    """only what needs no trials"""
    common: Shared = Common()

    def __call__(self) -> int:
        if not self.names:
            raise UsageError("Say what to check: a path, or the name of a theorem.")
        chosen = select("theorem", self.names)
        self.common.prepare("smoke")
        from experiments.results import battery, own

        console, failed = console_of(), 0
        checks = battery.QUICK if self.quick else (*battery.QUICK, *battery.SLOW)
        for entry in chosen:
            console.print(f"[bold]{entry.name}")
            theorem = entry.load()
            for check in checks:
                try:
                    problem = check.problem(entry, theorem)
                except Exception as error:  # whatever one's own code raises
                    problem = own.complaint(error) or str(error)
                failed += problem is not None
                mark = "[green]✓" if problem is None else "[red]✗"
                console.print(f"  {mark}[/] {check.says}")
                if problem is not None:
                    _indented(console, problem, 4)
        return 1 if failed else 0


@dataclass(frozen=True)
class Explain:
    """Say what a theorem states, proves and assumes, and how it is put on trial."""

    name: tyro.conf.Positional[str]
    """a theorem, or the path of a file"""
    common: Shared = Common()

    def __call__(self) -> int:
        chosen = select("theorem", (self.name,))
        self.common.prepare("smoke")
        from experiments.results.explanation import explain

        console = console_of()
        for entry in chosen:
            console.print(f"[bold]{entry.name}")
            for heading, text in explain(entry):
                console.print()
                console.print(f"[bold]{heading}")
                _indented(console, text, 2)
        return 0


def _indented(console: Console, text: str, by: int) -> None:
    """Text as it is: brackets in it are no styles, and numbers have no colours."""
    console.print(Padding(text, (0, 0, 0, by)), markup=False, highlight=False)
