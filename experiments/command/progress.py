"""How far work is, on stderr: a bar with the time left, or lines now and then off a terminal."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from threading import Event, Lock, Thread
from typing import Protocol

from rich.console import Console
from rich.progress import BarColumn, Progress, TextColumn, TimeElapsedColumn, TimeRemainingColumn

LINES = 10
"""Lines that one piece of work writes into a log at most, as long as none takes `SILENCE`."""

SILENCE = 30.0
"""Seconds after which a log gets another line, though work has not come so far."""


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
        self.written, self.reached, self.what = 0.0, 0.0, "begun"
        self.began = self.last = time.monotonic()
        self.lock = Lock()

    def __call__(self, fraction: float, what: str) -> None:
        with self.lock:  # or a later line is written first, and its share is forgotten
            self.reached, self.what = max(fraction, self.reached), what
            if fraction >= min(self.written + 1 / LINES, 1) and self.written < 1:
                self.written = fraction
                self.write()

    def write(self) -> None:
        self.last = time.monotonic()
        seconds = self.last - self.began
        said = f"{self.title}: {self.reached:.0%} after {seconds:.0f} s, {self.what}"
        self.console.print(said, soft_wrap=True)

    def watch(self, done: Event) -> None:
        """Break every silence until the work is done."""
        while not done.wait(max(self.last + SILENCE - time.monotonic(), 0.01)):
            with self.lock:
                if time.monotonic() - self.last >= SILENCE:
                    self.write()

    def pause(self) -> None:
        pass


@contextmanager
def bar(title: str) -> Iterator[Bar]:
    """Reports of one piece of work, for as long as it lasts."""
    console = Console(stderr=True)
    if not console.is_terminal:
        logged, done = _Logged(title, console), Event()
        watcher = Thread(target=logged.watch, args=(done,), daemon=True)
        watcher.start()
        try:
            yield logged
        finally:
            done.set()
            watcher.join()
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
