"""What the installed command imports first, under a name that no other package has.

`theory` and `experiments` are names that others use too. Where a folder of such a name comes before
ours on the path, one sentence says so instead of an import that fails somewhere inside.
"""

import sys
from importlib.util import find_spec
from pathlib import Path

OURS = {"experiments": "command/cli.py", "theory": "theorem.py"}
"""A file of each package."""


def main() -> None:
    """The entry point."""
    for package, file in OURS.items():
        spec = find_spec(package)
        folders = list((spec and spec.submodule_search_locations) or [])
        if not any(Path(folder, file).is_file() for folder in folders):
            where = folders[0] if folders else spec and spec.origin
            print(
                f"relu-theory: Python finds another {package!r} first, {where}: run the command in "
                "another folder, rename that one, or take it from PYTHONPATH.",
                file=sys.stderr,
            )
            sys.exit(2)
    from experiments.command.cli import main as run

    run()
