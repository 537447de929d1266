"""What theorems and experiments there are, read from the source without importing it.

`list`, `--help` and error messages need names and sources only, and importing JAX takes longer
than all of them. Every theorem is the ``theorem = Theorem(name=...)`` of one file in
``theory/<system>/theorems``, every experiment the ``experiment = Experiment(...)`` of one file in
``experiments/<system>``, and every room says its paper in its ``__init__``; all of it is literal,
so the syntax tree has it. A test compares the catalog with the imported objects.
"""

import ast
import difflib
import fnmatch
import importlib
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, NamedTuple

from experiments.errors import UsageError

Kind = Literal["theorem", "experiment"]

TITLE = {"theorem": "statement", "experiment": "title"}
"""The field that says in one line what an entry is."""


class Entry(NamedTuple):
    """One theorem or experiment, ``system.name``, and the module that holds it."""

    name: str
    kind: Kind
    title: str
    source: dict[str, str]
    """paper, label, provenance and arXiv number"""
    module: str
    path: Path

    @property
    def system(self) -> str:
        """The part of the name before the dot."""
        return self.name.partition(".")[0]

    def load(self) -> Any:
        """Import the module and give its `Theorem` or `Experiment`."""
        return getattr(importlib.import_module(self.module), self.kind)


def package_folder(package: str) -> Path:
    """The folder of a top-level package, without importing it.

    Example:
        >>> package_folder("experiments").name
        'experiments'
    """
    spec = find_spec(package)
    assert spec is not None and spec.submodule_search_locations is not None
    return Path(spec.submodule_search_locations[0])


@cache
def entries() -> tuple[Entry, ...]:
    """Every theorem and experiment, theorems first, in the order of their labels.

    Example:
        >>> "subspace.large-gradient" in [entry.name for entry in entries()]
        True
    """
    theorems = _read("theory", "*/theorems/*.py", "theorem")
    experiments = _read("experiments", "*/*.py", "experiment")
    return (
        *sorted(theorems, key=lambda entry: (entry.system, entry.source["label"], entry.name)),
        *sorted(experiments),
    )


def _read(package: str, pattern: str, kind: Kind) -> Iterator[Entry]:
    folder = package_folder(package)
    for path in folder.glob(pattern):
        call = _call(path, kind)
        if call is None:
            continue
        given = {keyword.arg: keyword.value for keyword in call.keywords}
        name, title, label, provenance = (
            ast.literal_eval(given[field]) for field in ("name", TITLE[kind], "label", "provenance")
        )
        paper = _arguments(given["paper"]) if "paper" in given else room(name).paper
        yield Entry(
            name=name,
            kind=kind,
            title=title,
            source={"paper": paper["key"], "arxiv": paper["arxiv"]}
            | {"label": label, "provenance": provenance},
            module=".".join([package, *path.relative_to(folder).with_suffix("").parts]),
            path=path,
        )


def _arguments(call: ast.expr) -> dict[str, str]:
    """The literal keyword arguments of a call."""
    assert isinstance(call, ast.Call)
    return {str(keyword.arg): ast.literal_eval(keyword.value) for keyword in call.keywords}


class Room(NamedTuple):
    """What a system says of itself in the ``__init__`` of its room in `theory`."""

    title: str
    """the first line of its docstring; the system's name where there is no such room"""
    paper: dict[str, str]
    """key, arxiv and title"""


@cache
def room(name: str) -> Room:
    """The room of a system, or of one of its entries.

    Example:
        >>> room("subspace.large-gradient").paper["arxiv"]
        '2303.00783'
    """
    system = name.partition(".")[0]
    path = package_folder("theory") / system / "__init__.py"
    if not path.is_file():
        return Room(system, {})
    tree = ast.parse(path.read_text(encoding="utf-8"))
    title = (ast.get_docstring(tree) or "").partition("\n")[0].rstrip(".")
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id="PAPER")], value=value):
                return Room(title, _arguments(value))
    raise AssertionError(f"{path} has no PAPER")


def _call(path: Path, kind: Kind) -> ast.Call | None:
    """The ``Theorem(...)`` or ``Experiment(...)`` of a file."""
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        match node:
            case ast.Assign(targets=[ast.Name(id=target)], value=ast.Call() as call):
                if target == kind:
                    return call
    return None


def call_of(entry: Entry) -> ast.Call:
    """The syntax tree of the call that makes an entry."""
    call = _call(entry.path, entry.kind)
    assert call is not None, entry
    return call


def select(kind: Kind | None, names: tuple[str, ...]) -> list[Entry]:
    """The entries of a kind, or both, that exact names, systems or globs mean; all if none.

    Raises:
        UsageError: where a name means nothing, with the nearest names.

    Example:
        >>> [entry.name for entry in select("theorem", ("subspace.large*",))]
        ['subspace.large-gradient']
    """
    known = [entry for entry in entries() if kind in (None, entry.kind)]
    chosen = set()
    for name in names or ("*",):
        matching = [e.name for e in known if e.system == name or fnmatch.fnmatchcase(e.name, name)]
        if not matching:
            raise UsageError(_unknown(kind, name, [entry.name for entry in known]))
        chosen.update(matching)
    return [entry for entry in known if entry.name in chosen]


def _unknown(kind: Kind | None, name: str, known: list[str]) -> str:
    other = [entry for entry in entries() if entry.name == name]
    if other:
        what = {"theorem": "a theorem; verify", "experiment": "an experiment; run"}[other[0].kind]
        return f"{name!r} is no {kind} but {what} it with `relu-theory {what.split()[-1]} {name}`."
    near = difflib.get_close_matches(name, known + sorted({n.partition(".")[0] for n in known}))
    short = {n.partition(".")[2]: n for n in known}
    near += [short[n] for n in difflib.get_close_matches(name, short) if short[n] not in near]
    hint = f"did you mean {' or '.join(near)}?" if near else "`relu-theory list` shows all names."
    return f"No {kind or 'theorem or experiment'} is called {name!r}; {hint}"
