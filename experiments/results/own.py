"""Theorems and experiments from files outside of this repository, and what goes wrong in them."""

import importlib
import importlib.util
import sys
import traceback
from pathlib import Path
from types import ModuleType

from experiments.errors import UsageError

FILES: dict[str, Path] = {}
"""Files that the user gave, by the name that their module has here."""


def module_of(path: Path) -> str:
    """The name of a file's module; from now on it can be imported, as can what lies beside it.

    Raises:
        UsageError: there is no such file, or another one of the same name was given.
    """
    path = path.resolve()
    if not path.is_file():
        raise UsageError(f"There is no file {path}: correct the path.")
    name = f"own_{path.stem}"
    if FILES.setdefault(name, path) != path:
        raise UsageError(f"{FILES[name]} and {path} have one name: rename one of them.")
    if str(path.parent) not in sys.path:
        sys.path.append(str(path.parent))  # last: no file of the user hides a library
    return name


def source(module: str) -> Path | None:
    """The file of a module that the user gave, or that lies beside one; None for any other."""
    if module in FILES:
        return FILES[module]
    for file in FILES.values():
        beside = file.parent.joinpath(*module.split(".")).with_suffix(".py")
        if beside.is_file():
            return beside
    return None


def load(module: str) -> ModuleType:
    """Import a file that the user gave, once.

    Raises:
        UsageError: it cannot be; the sentence names the line.
    """
    if module in sys.modules:
        return sys.modules[module]
    spec = importlib.util.spec_from_file_location(module, FILES[module])
    assert spec is not None and spec.loader is not None
    sys.modules[module] = made = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(made)
    except Exception as error:
        del sys.modules[module]
        raise UsageError(complaint(error) or f"{FILES[module]}: {error}") from error
    return made


def complaint(error: BaseException) -> str | None:
    """What went wrong at which line of a file that the user gave; None where none took part.

    Example:
        >>> complaint(ValueError("elsewhere")) is None
        True
    """
    if isinstance(error, SyntaxError) and _given(error.filename or ""):
        return f"{error.filename}, line {error.lineno}: {error.msg}."
    frames = traceback.extract_tb(error.__traceback__)
    lines = [frame for frame in frames if _given(frame.filename)]
    if not lines:
        return None
    what = str(error).strip().partition("\n")[0] or "no message"
    where = f"{lines[-1].filename}, line {lines[-1].lineno}"
    return f"{where} ({lines[-1].line}): {type(error).__name__}: {what}"


def blamed(error: ValueError) -> str | None:
    """What the engine refuses, with the line of the trial that it is about."""
    for module, path in FILES.items():
        trial = getattr(getattr(sys.modules.get(module), "theorem", None), "trial", None)
        if (code := getattr(trial, "__code__", None)) is not None:
            return f"{path}, line {code.co_firstlineno} (def {code.co_name}): {error}"
    return None


def _given(filename: str) -> bool:
    """Whether a file was given, or lies beside one that was and could be imported from it."""
    path = Path(filename)
    return path in FILES.values() or any(
        path.parent == file.parent and path.suffix == ".py" for file in FILES.values()
    )
