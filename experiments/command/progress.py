"""Progress bars on stderr, with the time left."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

if TYPE_CHECKING:
    from experiments.experiment import Progress as Report

STDERR = Console(stderr=True)


@contextmanager
def bar(title: str) -> "Iterator[Report]":
    """A bar for one piece of work, as a function of (fraction done, what is being done)."""
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=STDERR, transient=True) as progress:
        task = progress.add_task(title, total=1.0)

        def report(fraction: float, what: str) -> None:
            progress.update(task, completed=fraction, description=f"{title}: {what}")

        yield report
