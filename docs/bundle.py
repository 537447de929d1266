"""The lessons as pages, as notebooks to take, and in one archive that needs no network.

Lessons are run here, two at a time; a page that is built again from the same sources is not.
"""

import copy
import hashlib
import zipfile
from concurrent.futures import ThreadPoolExecutor
from functools import cache
from pathlib import Path

import nbformat
import notebooks

from experiments.results.catalog import package_folder

CACHE = Path(__file__).parent / "build" / "lessons"

HOW = """Lessons of relu-theory
======================

With Python 3.11 or newer, in this folder:

    python -m venv .venv
    .venv/bin/pip install relu_theory-*.whl jupyterlab
    .venv/bin/jupyter lab

The first line of each notebook says whether all is well. Where there is no network, install the
wheel into an environment that has jax, optax, numpy, scipy and matplotlib already, with
`pip install --no-deps relu_theory-*.whl`; no lesson asks for anything from anywhere.
"""


def write(pages: Path, static: Path) -> None:
    """Write each lesson's pages, its notebooks, and the archive of all."""
    pages.mkdir(parents=True)
    static.mkdir(parents=True)
    sources = list(notebooks.lessons())
    with ThreadPoolExecutor(2) as pool:
        for lesson, done in zip(sources, pool.map(executed, sources), strict=True):
            whole = copy.deepcopy(done)
            first = whole.cells[0]
            first.source = first.source.replace("\n", " (notes for who teaches it)\n", 1)
            nbformat.write(whole, pages / f"{lesson.stem}-instructor.ipynb")
            whole = copy.deepcopy(done)
            whole.cells = [c for c in whole.cells if "instructor" not in notebooks.tags(c)]
            whole.cells.insert(1, _takeaway(lesson))
            nbformat.write(whole, pages / f"{lesson.stem}.ipynb")
            for reader in ("student", "solutions"):
                name = static / f"{lesson.stem}-{reader}.ipynb"
                nbformat.write(notebooks.notebook(lesson, reader), name)
    with zipfile.ZipFile(static / "lessons.zip", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("README.txt", HOW)
        for path in [*sorted(static.glob("*-student.ipynb")), *_wheels()]:
            archive.write(path, path.name)


def executed(lesson: Path) -> nbformat.NotebookNode:
    """The instructor's notebook with its outputs; kept until the lesson or the code changes."""
    key = hashlib.sha256(_code_digest() + lesson.read_bytes())
    kept = CACHE / f"{lesson.stem}-{key.hexdigest()[:16]}.ipynb"
    if not kept.exists():
        done = notebooks.execute(notebooks.notebook(lesson, "instructor"))
        kept.parent.mkdir(parents=True, exist_ok=True)
        nbformat.write(done, kept)
    return nbformat.read(kept, as_version=4)


@cache
def _code_digest() -> bytes:
    """What all lessons run."""
    found = hashlib.sha256()
    for package in ("theory", "experiments"):
        for path in sorted(package_folder(package).rglob("*.py")):
            found.update(path.read_bytes())
    return found.digest()


def _takeaway(lesson: Path) -> nbformat.NotebookNode:
    """A cell below the title: what there is of the lesson to take away."""
    files = f"../../_static/lessons/{lesson.stem}"
    return nbformat.v4.new_markdown_cell(
        "This page is the lesson with its solutions. To take away: "
        f'<a href="{files}-student.ipynb">the notebook without them</a>, '
        f'<a href="{files}-solutions.ipynb">with them</a>, '
        f'<a href="../../_static/lessons/lessons.zip">all lessons in one archive</a>, which needs '
        f"no network. For who teaches it: [the notes]({lesson.stem}-instructor.ipynb).",
        id=f"{lesson.stem}-takeaway",
    )


def _wheels() -> list[Path]:
    """The wheel of this project, where ``make docs`` has built it."""
    return sorted((Path(__file__).parent / "build" / "wheel").glob("*.whl"))
