"""What of the source a result depends on, from the syntax tree, without running anything.

A result depends on the definitions that its computation reaches: functions, classes and constants
of the two packages, followed from name to name and from file to file. What only draws, judges or
describes is not reached, wherever it stands, so a change to a legend makes nothing stale and a
change to a helper of a helper does. Comments, docstrings and annotations do not count.

What Python does behind the syntax tree's back (`getattr` with a computed name, a patched module)
would be missed; a test runs every entry and compares.
"""

import ast
import hashlib
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from typing import NamedTuple

from experiments.results import own
from experiments.results.catalog import Entry, call_of, package_folder

PACKAGES = ("theory", "experiments")

Definition = tuple[str, str]
"""Module and top-level name; the name is "" for what a module does when it is imported."""


class Module(NamedTuple):
    """The top level of one file."""

    definitions: dict[str, list[ast.stmt]]
    """the statements that bind each name; under "" those that bind none"""
    imports: dict[str, tuple[str, str | None]]
    """what each imported name stands for; the second part is None for a module"""


@cache
def source_file(module: str) -> Path | None:
    """The file of a module of the two packages, or of the user's; None for any other.

    Example:
        >>> source_file("theory.geometry").name, source_file("numpy"), source_file("theory.absent")
        ('geometry.py', None, None)
    """
    package, *rest = module.split(".")
    if package not in PACKAGES:
        return own.source(module)
    path = package_folder(package).joinpath(*rest)
    for file in (path / "__init__.py", path.with_suffix(".py")):
        if file.is_file():
            return file
    return None


@cache
def _parse(module: str) -> Module | None:
    path = source_file(module)
    if path is None:
        return None
    found = Module({}, {})
    for statement in ast.parse(path.read_text(encoding="utf-8")).body:
        found.imports.update(_imported(statement))
        if not isinstance(statement, ast.Import | ast.ImportFrom):
            for name in _bound(statement) or [""]:
                found.definitions.setdefault(name, []).append(statement)
    return found


def _bound(statement: ast.stmt) -> list[str]:
    """The names that a top-level statement gives a meaning to."""
    match statement:
        case ast.FunctionDef(name=name) | ast.ClassDef(name=name):
            return [name]
        case ast.Assign(targets=targets):
            stored = [node for target in targets for node in ast.walk(target)]
            # `table["x"] = ...` changes what exists: an effect of the import.
            if all(isinstance(node, ast.Name | ast.Tuple | ast.expr_context) for node in stored):
                return [node.id for node in stored if isinstance(node, ast.Name)]
        case ast.AnnAssign(target=ast.Name(id=name)):
            return [name]
    return []


def _imported(tree: ast.AST) -> dict[str, tuple[str, str | None]]:
    """What the import statements of a tree bind, those of our packages only."""
    found: dict[str, tuple[str, str | None]] = {}
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                for alias in names:
                    name = alias.name if alias.asname else alias.name.partition(".")[0]
                    found[alias.asname or name] = name, None
            case ast.ImportFrom(module=str(module), names=names):
                found |= {alias.asname or alias.name: (module, alias.name) for alias in names}
    return {
        name: at
        for name, at in found.items()
        if at[0].partition(".")[0] in PACKAGES or own.source(at[0])
    }


def _resolve(module: str, name: str | None) -> Definition | str | None:
    """What ``module.name`` is: a definition, a module (its name alone), or nothing of ours."""
    parsed = _parse(module)
    if parsed is None or name is None:
        return None if parsed is None else module
    if name in parsed.definitions:
        return module, name
    if name in parsed.imports and parsed.imports[name] != (module, name):
        return _resolve(*parsed.imports[name])
    inner = f"{module}.{name}"
    return inner if source_file(inner) else None


class _References(ast.NodeVisitor):
    """Collects the definitions that a statement of a module refers to."""

    def __init__(self, module: str, tree: ast.AST):
        self.module = module
        self.local = _imported(tree)
        self.found: set[Definition] = set()
        self.visit(tree)

    def target(self, node: ast.expr) -> Definition | str | None:
        match node:
            case ast.Name(id=name) if name in self.local:
                return _resolve(*self.local[name])
            case ast.Name(id=name):
                return _resolve(self.module, name)
            case ast.Attribute(value=value, attr=attribute):
                of = self.target(value)
                return _resolve(of, attribute) if isinstance(of, str) else None
        return None

    def visit_Name(self, node: ast.Name) -> None:
        if isinstance(node.ctx, ast.Load):
            self.add(node)

    def visit_Attribute(self, node: ast.Attribute) -> None:
        if not self.add(node):
            self.visit(node.value)

    def add(self, node: ast.expr) -> bool:
        target = self.target(node)
        if isinstance(target, str):  # a module handed on as a value: anything in it may be used
            parsed = _parse(target)
            self.found |= {(target, name) for name in parsed.definitions} if parsed else set()
        elif target is not None:
            self.found.add(target)
        return target is not None


class _Bare(ast.NodeTransformer):
    """Leaves what is computed: no docstrings, no annotations, nothing that only shows."""

    def visit_Expr(self, node: ast.Expr) -> ast.Expr | None:
        text = isinstance(node.value, ast.Constant) and isinstance(node.value.value, str)
        return None if text else node

    def visit_arg(self, node: ast.arg) -> ast.arg:
        return ast.arg(node.arg)

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        bare = ast.Constant(None)  # the statement stays, because a field without a value is one
        return ast.AnnAssign(node.target, bare, node.value and self.visit(node.value), node.simple)

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST | None:
        if node.name == "_repr_html_":  # only shows
            return None
        node = self.generic_visit(node)  # pyright: ignore[reportAssignmentType]
        node.returns = None
        return node


@cache
def _bare(definition: Definition) -> tuple[str, frozenset[Definition]]:
    """The source of a definition without what does not count, and what it refers to."""
    module, name = definition
    parsed = _parse(module)
    assert parsed is not None
    texts, found = [], set()
    for statement in parsed.definitions.get(name, []):
        # Parsed once more, because the transformer changes the tree.
        tree = _Bare().visit(ast.parse(ast.unparse(statement)))
        texts.append(ast.unparse(tree))
        found |= _References(module, tree).found
    # Whatever is used of a module, importing it has done the rest.
    return "\n".join(texts), frozenset(found | {(module, "")})


def closure(roots: Iterable[Definition]) -> dict[Definition, str]:
    """All definitions that the given ones reach, themselves included, with their bare source.

    Example:
        >>> reached = closure([("theory.multiplicity", "holm")])
        >>> ("theory.multiplicity", "holm") in reached, ("theory.theorem", "judge") in reached
        (True, False)
    """
    reached: dict[Definition, str] = {}
    waiting = [at for root in roots if isinstance(at := _resolve(*root), tuple)]
    while waiting:
        definition = waiting.pop()
        if definition not in reached:
            reached[definition], further = _bare(definition)
            waiting.extend(further)
    return reached


def digest(reached: dict[Definition, str], texts: Iterable[str] = ()) -> str:
    """A hash of a closure, and of more texts."""
    found = hashlib.sha256()
    for definition, text in sorted(reached.items()):
        found.update("\0".join([*definition, text, ""]).encode())
    for text in texts:
        found.update(f"{text}\0".encode())
    return found.hexdigest()


COMPUTING = ("trial", "run", "presets", "control")
"""The arguments of a `Theorem` or an `Experiment` on which its numbers depend."""

ENGINE = ("theory.theorem", "simulate")
"""What runs a theorem's trials; an experiment's ``run`` is called with a key and nothing else."""


SEARCHING = ("search", "claim")
"""The arguments of a `Theorem` on which a search for its worst case depends."""

HUNT = ("theory.worst", "hunt")
"""What searches."""


def reach(entry: Entry) -> dict[Definition, str]:
    """The definitions that the trials of a theorem, or the run of an experiment, depend on."""
    return closure(_roots(entry, COMPUTING) | ({ENGINE} if entry.kind == "theorem" else set()))


def _roots(entry: Entry, arguments: tuple[str, ...]) -> set[Definition]:
    """What these arguments of the call that makes an entry refer to; all of a user's file."""
    if entry.own:
        parsed = _parse(entry.module)
        return {(entry.module, name) for name in parsed.definitions} if parsed else set()
    used = [keyword.value for keyword in call_of(entry).keywords if keyword.arg in arguments]
    return {name for value in used for name in _References(entry.module, value).found}


def search_digest(entry: Entry) -> str:
    """A hash of all source on which the search for a theorem's worst cases depends."""
    return digest(closure(_roots(entry, SEARCHING) | {HUNT}))


def code_digest(entry: Entry) -> str:
    """A hash of all source on which the trials of a theorem or the run of an experiment depend."""
    # A trial may be an expression; settings, which stand beside it, are in the key anyway.
    calls = (node for node in ast.walk(call_of(entry)) if isinstance(node, ast.Call))
    given = (keyword for call in calls for keyword in call.keywords)
    texts = [ast.unparse(k.value) for k in given if k.arg in ("trial", "run", "numbers")]
    return digest(reach(entry), texts)
