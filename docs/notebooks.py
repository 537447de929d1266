"""Notebooks of a lesson: one source in jupytext's percent format, cells told apart by their tags.

``solution`` cells and ``instructor`` cells are left out of the student's notebook; the solutions
have no ``instructor`` cells; the instructor's notebook is whole.
"""

from collections.abc import Iterator
from pathlib import Path
from typing import Literal

import jupytext
import nbformat
from nbclient import NotebookClient

LESSONS = Path(__file__).parent / "lessons"

Reader = Literal["student", "solutions", "instructor"]

LEFT_OUT: dict[Reader, set[str]] = {
    "student": {"solution", "instructor"},
    "solutions": {"instructor"},
    "instructor": set(),
}

NAMES = (
    "checking", "subspace", "unlearning", "attribution", "healing", "attacks", "energy", "dimples",
)  # fmt: skip
"""The lessons in the order in which they are taught."""


def lessons() -> Iterator[Path]:
    """The sources of all lessons, in their order."""
    return (path for name in NAMES if (path := LESSONS / f"{name}.py").exists())


def notebook(lesson: Path, reader: Reader) -> nbformat.NotebookNode:
    """A lesson's notebook for one of its readers, without outputs."""
    found = jupytext.read(lesson)
    found.cells = [cell for cell in found.cells if not LEFT_OUT[reader] & tags(cell)]
    for number, cell in enumerate(found.cells):
        cell.id = f"{lesson.stem}-{number}"  # random otherwise: no two builds would be equal
    return found


def tags(cell: nbformat.NotebookNode) -> set[str]:
    """The tags of a cell."""
    return {*cell.metadata.get("tags", ())}


def title(lesson: Path) -> str:
    """The heading of a lesson."""
    first = jupytext.read(lesson).cells[0].source
    return first.partition("\n")[0].removeprefix("# ")


def execute(found: nbformat.NotebookNode, smoke: bool = False) -> nbformat.NotebookNode:
    """Run a notebook to its end, in a kernel of its own.

    Args:
        found: is changed, and returned.
        smoke: the cell tagged ``parameters`` is what its metadata ``smoke`` say, for a quick run.

    Raises:
        CellExecutionError: a cell failed.
    """
    for cell in found.cells:
        if smoke and "parameters" in tags(cell):
            cell.source = cell.metadata["smoke"]
    quiet = ["--log-level=ERROR"]
    client = NotebookClient(found, timeout=600, kernel_name="python3", extra_arguments=quiet)
    return client.execute()


def printed(found: nbformat.NotebookNode, tag: str) -> list[str]:
    """What the cells with a tag printed."""
    return [
        "".join(output.text for output in cell.outputs if output.output_type == "stream")
        for cell in found.cells
        if tag in tags(cell)
    ]
