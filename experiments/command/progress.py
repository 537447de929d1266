"""How far work is, on stderr: a bar with the time left, or a few lines where nobody watches."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Lock
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

LINES = 10
"""Lines that one piece of work writes into a log at most."""


class Bar(Protocol):
    """Reports of one piece of work."""

    def __call__(self, fraction: float, what: str) -> None:
        """Say how far it is, a share in [0, 1], and what is being done; from any thread."""

    def pause(self) -> None:
        """Leave the terminal alone until the next report."""


class _Drawn:
    def __init__(self, title: str, progress: Progress):
        self.title, self.progress = title, progress
        self.task = progress.add_task(title, total=1.0)

    def __call__(self, fraction: float, what: str) -> None:
        self.progress.update(self.task, completed=fraction, description=f"{self.title}: {what}")
        self.progress.start()

    def pause(self) -> None:
        self.progress.stop()


class _Logged:
    def __init__(self, title: str, console: Console):
        self.title, self.console = title, console
        self.written, self.began = 0.0, time.monotonic()
        self.lock = Lock()

    def __call__(self, fraction: float, what: str) -> None:
        with self.lock:  # or a later line is written first, and its share is forgotten
            if fraction >= min(self.written + 1 / LINES, 1) and self.written < 1:
                self.written = fraction
                seconds = time.monotonic() - self.began
                self.console.print(f"{self.title}: {fraction:.0%} after {seconds:.0f} s, {what}")

    def pause(self) -> None:
        pass


@contextmanager
def bar(title: str) -> Iterator[Bar]:
    """Reports of one piece of work, for as long as it lasts."""
    console = Console(stderr=True)
    if not console.is_terminal:
        yield _Logged(title, console)
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        TextColumn("{task.percentage:>3.0f}%"),
        TimeElapsedColumn(),
        TextColumn("left"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        yield _Drawn(title, progress)
