"""What the installed command imports first, under a name that no other package has.

`theory` and `experiments` are names that others use too. Where a folder of such a name comes before
ours on the path, one sentence says so instead of an import that fails somewhere inside.
"""

import os
import signal
import sys
from contextlib import suppress
from importlib.util import find_spec
from pathlib import Path

OURS = {"experiments": "command/cli.py", "theory": "theorem.py"}
"""A file of each package."""


def interrupted(*_: object) -> None:
    """Ctrl-C: a sentence, and the end at once, without an exception.

    An import or a callback could lose one, threads that compile or compute do not stop for it, and
    whatever is stored is whole. No more is promised than holds for all: trials are stored by arms,
    and of experiments those cells that took long.
    """
    os.write(2, b"relu-theory: interrupted; what is stored by now is not computed again.\n")
    with suppress(RuntimeError):  # it came while something was written there
        sys.stdout.flush()
    os._exit(130)


def hidden() -> str | None:
    """The sentence that another package hides one of ours; None where none does."""
    for package, file in OURS.items():
        spec = find_spec(package)
        folders = list((spec and spec.submodule_search_locations) or [])
        if not any(Path(folder, file).is_file() for folder in folders):
            where = folders[0] if folders else spec and spec.origin
            return (
                f"Python finds another {package!r} first, {where}: work in another folder, rename "
                "that one, or take it from PYTHONPATH."
            )
    return None


def main() -> None:
    """The entry point."""
    if signal.getsignal(signal.SIGINT) is signal.default_int_handler:  # not where it is ignored
        signal.signal(signal.SIGINT, interrupted)
    if (said := hidden()) is not None:
        print(f"relu-theory: {said}", file=sys.stderr)
        sys.exit(2)
    from experiments.command.cli import main as run

    run()
