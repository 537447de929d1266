"""Which of our definitions Python enters while something runs."""

import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from experiments.results.closure import PACKAGES, Definition

ROOT = Path(__file__).parent.parent

LISTENING = {"experiments.command.logs", "experiments.results.executables"}
"""JAX tells them of every program that is compiled, whoever asked for it; that changes no result.
They listen until the process ends, so another test may have set them on."""


@contextmanager
def entered() -> Iterator[set[Definition]]:
    """Collects the top-level definitions of our packages whose code is called."""
    found: set[Definition] = set()
    # By identity: the hash of a code object is that of its constants and names, every time.
    seen, before = {}, sys.getprofile()

    def note(frame, event, _):
        code = frame.f_code
        if event == "call" and id(code) not in seen:
            seen[id(code)] = code
            path = Path(code.co_filename)
            if path.is_relative_to(ROOT) and path.relative_to(ROOT).parts[0] in PACKAGES:
                module = ".".join(path.relative_to(ROOT).with_suffix("").parts)
                if module in LISTENING:
                    return
                name = code.co_qualname.partition(".")[0]
                # The body of a module is entered when it is first imported.
                found.add((module, "" if name.startswith("<") else name))

    sys.setprofile(note)
    try:
        yield found
    finally:
        sys.setprofile(before)
