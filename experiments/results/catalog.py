"""What theorems and experiments there are, read from the source without importing it.

`list`, `--help` and error messages need names and sources only, and importing JAX takes longer
than all of them. Every theorem is the ``theorem = Theorem(name=...)`` of one file in
``theory/<system>/theorems``, every experiment the ``experiment = Experiment(...)`` of one file in
``experiments/<system>``, and every room says its paper in its ``__init__``; all of it is literal,
so the syntax tree has it. A test compares the catalog with the imported objects. A file that says
it in another way is imported, and one that cannot be is named in a warning and left out.

Other packages add entries by the entry point ``relu_theory``, whose values are modules; a path in
place of a name is a file that holds one.
"""

import ast
import difflib
import fnmatch
import importlib
import importlib.metadata
import warnings
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from functools import cache
from importlib.util import find_spec
from pathlib import Path
from typing import Any, Literal, NamedTuple, get_args

from experiments.errors import UsageError
from experiments.results import own

Kind = Literal["theorem", "experiment"]

KINDS: tuple[Kind, ...] = get_args(Kind)

SYSTEMS = (
    "subspace", "unlearning", "attribution", "healing", "attacks", "energy", "dimples",
)  # fmt: skip
"""The systems in the order in which they are told: each needs nothing of those after it."""

DEFAULTS = {"label": "own", "provenance": "derived"}
"""What an entry need not say."""

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
    changed: Mapping[str, Any] = {}
    """settings by preset, in place of the entry's own"""

    @property
    def system(self) -> str:
        """The part of the name before the dot."""
        return self.name.partition(".")[0]

    def load(self) -> Any:
        """Import the module and give its `Theorem` or `Experiment`."""
        found = _load(self.module, self.kind)
        if not self.changed:
            return found
        return replace(found, presets={**found.presets, **self.changed})

    @property
    def document(self) -> str:
        """The docstring of its file, of a theorem the result and its proof."""
        return ast.get_docstring(ast.parse(self.path.read_text(encoding="utf-8"))) or ""

    @property
    def said(self) -> str:
        """What a command calls it: its name, or the path of a file."""
        return str(self.path) if self.own else self.name

    @property
    def own(self) -> bool:
        """Whether it is in a file that the user gave."""
        return self.module in own.FILES


def _load(module: str, kind: Kind) -> Any:
    """What a module holds, the user's or any other."""
    return getattr(
        own.load(module) if module in own.FILES else importlib.import_module(module), kind
    )


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
    """Every theorem and experiment, theorems first, by system and label.

    Example:
        >>> "subspace.large-gradient" in [entry.name for entry in entries()]
        True
    """
    theorems = _read("theory", "*/theorems/*.py", "theorem")
    experiments = _read("experiments", "*/*.py", "experiment")
    both = [*theorems, *experiments, *_installed()]
    return (
        *sorted(
            (entry for entry in both if entry.kind == "theorem"),
            key=lambda entry: (_place(entry), entry.source["label"], entry.name),
        ),
        *sorted(
            (entry for entry in both if entry.kind == "experiment"),
            key=lambda entry: (_place(entry), entry.name),
        ),
    )


def _place(entry: Entry) -> tuple[int, str]:
    """Where an entry's system comes: in the order of `SYSTEMS`, those of others after them."""
    found = entry.system in SYSTEMS
    return SYSTEMS.index(entry.system) if found else len(SYSTEMS), entry.system


def _read(package: str, pattern: str, kind: Kind) -> Iterator[Entry]:
    folder = package_folder(package)
    for path in folder.glob(pattern):
        module = ".".join([package, *path.relative_to(folder).with_suffix("").parts])
        yield from _readable(path, module, (kind,))


def _installed() -> Iterator[Entry]:
    """What other packages add."""
    for point in importlib.metadata.entry_points(group="relu_theory"):
        spec = find_spec(point.module)
        if spec is None or spec.origin is None:
            warnings.warn(f"{point.module}, an entry point, cannot be found.", stacklevel=2)
        else:
            yield from _readable(Path(spec.origin), point.module, KINDS)


def _readable(path: Path, module: str, kinds: Iterable[Kind]) -> Iterator[Entry]:
    """The entries of a file; a warning where it is broken."""
    try:
        yield from _entries(path, module, kinds)
    except Exception as error:  # of any kind: one file does not stop the others
        what = " ".join(str(error).split())
        warnings.warn(f"{path} is left out: {type(error).__name__}: {what}", stacklevel=2)


def _entries(path: Path, module: str, kinds: Iterable[Kind]) -> Iterator[Entry]:
    """The theorem and the experiment of a file, whichever it has."""
    for kind in kinds:
        call = _call(path, kind)
        if call is None:
            continue
        given = {keyword.arg: keyword.value for keyword in call.keywords}
        fields = ("name", TITLE[kind], *DEFAULTS)
        try:
            said = {
                field: ast.literal_eval(given[field]) if field in given else DEFAULTS[field]
                for field in fields
            }
            paper = _arguments(given["paper"]) if "paper" in given else None
        except (AssertionError, KeyError, ValueError):  # said in another way than literally
            found = _load(module, kind)
            said = {field: getattr(found, field) for field in fields}
            paper = found.paper._asdict() if found.paper else None
        name, title, label, provenance = said.values()
        paper = paper or room(name).paper or {"key": path.name, "arxiv": ""}
        yield Entry(
            name=name,
            kind=kind,
            title=title,
            source={"paper": paper["key"], "arxiv": paper["arxiv"]}
            | {"label": label, "provenance": provenance},
            module=module,
            path=path,
        )


def _arguments(call: ast.expr) -> dict[str, str]:
    """The literal arguments of a call that makes a `Paper`."""
    assert isinstance(call, ast.Call)
    by_position = zip(("key", "arxiv", "title"), call.args, strict=False)
    named = ((str(keyword.arg), keyword.value) for keyword in call.keywords)
    return {name: ast.literal_eval(value) for name, value in (*by_position, *named)}


GIVEN: dict[Path, tuple[Entry, ...]] = {}
"""What the files hold that the user gave."""


def known() -> tuple[Entry, ...]:
    """All entries, those of files that the user gave among them."""
    return (*entries(), *(entry for found in GIVEN.values() for entry in found))


def entries_of_file(path: Path) -> list[Entry]:
    """The theorem and the experiment of a file that the user gave.

    Raises:
        UsageError: there is no such file, it cannot be read, or it has neither.
    """
    module = own.module_of(path)
    try:
        found = list(_entries(own.FILES[module], module, KINDS))
    except SyntaxError as error:
        raise UsageError(own.complaint(error) or str(error)) from error
    if not found:
        raise UsageError(
            f"{path} has neither `theorem = Theorem(...)` nor `experiment = Experiment(...)`; "
            "`relu-theory new theorem NAME` writes an example."
        )
    GIVEN[own.FILES[module]] = tuple(found)
    return found


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
    for node in ast.parse(path.read_text(encoding="utf-8"), str(path)).body:
        match node:
            case (
                ast.Assign(targets=[ast.Name(id=target)], value=ast.Call() as call)
                | ast.AnnAssign(target=ast.Name(id=target), value=ast.Call() as call)
            ):
                if target == kind:
                    return call
    return None


def call_of(entry: Entry) -> ast.Call:
    """The syntax tree of the call that makes an entry."""
    call = _call(entry.path, entry.kind)
    assert call is not None, entry
    return call


def select(kind: Kind | None, names: tuple[str, ...]) -> list[Entry]:
    """The entries of a kind, or both, that names, systems, globs or paths mean; all if none.

    Raises:
        UsageError: where a name means nothing, with the nearest names.

    Example:
        >>> [entry.name for entry in select("theorem", ("subspace.large*",))]
        ['subspace.large-gradient']
    """
    known = [entry for entry in entries() if kind in (None, entry.kind)]
    chosen, given = set(), []
    for name in names or ("*",):
        if name.endswith(".py"):
            given += [one for one in _of_kind(kind, Path(name)) if one not in given]
            continue
        matching = [e.name for e in known if e.system == name or fnmatch.fnmatchcase(e.name, name)]
        if not matching:
            raise UsageError(_unknown(kind, name, [entry.name for entry in known]))
        chosen.update(matching)
    clash = [entry.name for entry in given if entry.name in {other.name for other in known}]
    if clash:
        raise UsageError(f"{clash[0]} is the name of another {kind or 'entry'}: choose a new one.")
    return [*(entry for entry in known if entry.name in chosen), *given]


def _of_kind(kind: Kind | None, path: Path) -> list[Entry]:
    found = [entry for entry in entries_of_file(path) if kind in (None, entry.kind)]
    if not found:
        other = "run" if kind == "theorem" else "verify"
        raise UsageError(f"{path} has no {kind}; `relu-theory {other} {path}` takes what it has.")
    return found


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
