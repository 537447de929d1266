"""Settings from the command line: every field is an option, and its help says its bounds."""

import tomllib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path
from typing import Annotated, Any

import tyro

from experiments.errors import UsageError


def with_bounds(settings: type) -> type:
    """The same settings, whose help says the bound of every field beside its default."""
    from theory.settings import bounds, hints

    annotations = hints(settings).copy()
    for name, bound in bounds(settings).items():
        # tyro fills in the default, which is the preset's.
        hint = tyro.conf.arg(help_behavior_hint=f"({bound}; default: {{}})".format)
        annotations[name] = Annotated[annotations[name], hint]
    members = {"__annotations__": annotations, "__doc__": settings.__doc__}
    return dataclass(frozen=True)(type(settings.__name__, (settings,), members))


def given(default: Any, args: list[str], prog: str) -> Any:
    """Settings with some fields changed.

    Raises:
        SystemExit: from tyro, with 2, for a field that there is not or a value that it cannot have.
    """
    shown = with_bounds(type(default))
    start = shown(**vars(default))
    found = tyro.cli(tyro.conf.OmitArgPrefixes[shown], args=args, default=start, prog=prog)
    return type(default)(**vars(found))


def configured(args: list[str]) -> list[str]:
    """The arguments with ``--config FILE`` replaced by the options that the file has and that are
    not given beside it.

    Raises:
        UsageError: there is no such file, or it holds something other than options.
    """
    if "--config" not in args:
        return args
    at = args.index("--config")
    if at + 1 == len(args):
        raise UsageError("--config needs a file: --config FILE.toml.")
    path = args[at + 1]
    try:
        given = tomllib.loads(Path(path).read_text(encoding="utf-8"))
    except (OSError, ValueError) as error:
        raise UsageError(f"--config {path} cannot be read ({error}).") from None
    options, said = [], {arg.partition("=")[0] for arg in args}
    for name, value in given.items():
        values = value if isinstance(value, list) else [value]
        # Of several values one that looks like an option would be read as one.
        if not all(
            isinstance(one, str | int | float) and not str(one).startswith("--") for one in values
        ):
            raise UsageError(
                f"--config {path}: {name} must be a number, a text, or a list of them."
            )
        flag = f"--{name.replace('_', '-')}"
        if value is not False and flag not in said:  # the command line decides
            options += [flag] if value is True else [flag, *map(str, values)]
    return [*args[:at], *options, *args[at + 2 :]]


def grid(args: list[str]) -> Iterator[list[str]]:
    """The arguments of every combination of values that commas separate.

    Example:
        >>> points = list(grid(["--d", "5,6", "--sizes", "1 2,3 4"]))
        >>> len(points), points[1]
        (4, ['--d', '5', '--sizes', '3', '4'])

    Raises:
        UsageError: a field has no value, or stands twice.
    """
    values: dict[str, list[str]] = {}
    name = None
    for arg in args:
        if arg.startswith("--"):
            name, _, value = arg[2:].partition("=")
            if name in values:
                raise UsageError(f"--{name} stands twice: give all its values at once.")
            values[name] = [value] if value else []
        elif name is not None:
            values[name].append(arg)
    for name, said in values.items():
        values[name] = [one.strip() for one in " ".join(said).split(",") if one.strip()]
        if not values[name]:
            raise UsageError(f"--{name} has no value: give some, --{name} a,b.")
    for point in product(*values.values()):
        said = zip(values, point, strict=True)
        yield [part for name, one in said for part in (f"--{name}", *one.split())]
