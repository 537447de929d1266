"""The command line: parsed by tyro, and what the user got wrong turned into one sentence.

Nothing here imports JAX or matplotlib until a command needs them, so that ``--help`` and
``list`` answer at once.
"""

import io
import os
import signal
import sys
import warnings
from collections.abc import Callable
from dataclasses import fields
from importlib.metadata import version
from typing import Any

import tyro

from experiments import machine
from experiments.command.cache import Cache
from experiments.command.commands import (
    Bench,
    Cluster,
    Common,
    Figures,
    List,
    Page,
    Report,
    Run,
    Verify,
    Worst,
)
from experiments.command.settings import configured, with_bounds
from experiments.command.tables import Export, Sweep
from experiments.command.tools import Check, Explain, New
from experiments.errors import UsageError
from experiments.results import own
from experiments.results.catalog import select

COMMANDS: dict[str, type] = {
    "list": List,
    "verify": Verify,
    "sweep": Sweep,
    "export": Export,
    "worst": Worst,
    "run": Run,
    "figures": Figures,
    "report": Report,
    "page": Page,
    "bench": Bench,
    "new": New,
    "check": Check,
    "explain": Explain,
    "cache": Cache,
}


def parse(args: list[str]) -> Callable[[], int]:
    """Turn the arguments into the command to call.

    Raises:
        SystemExit: from tyro, with 0 for ``--help`` and 2 for what it cannot parse.
        UsageError: for an unknown entry, or settings that it does not have.
    """
    if args[:1] == ["--version"]:
        # A checkout moves on from the version that it was installed as; its commit says how far.
        at = machine.commit()
        source = f" at commit {at}" if at else ""
        print(f"relu-theory {version('relu-theory')}{source}, jax {version('jax')}")
        return lambda: 0
    args = configured(args)
    wants_help = bool({"-h", "--help"} & set(args))
    if args[:1] == ["run"] and (not wants_help or len(args) > 2):
        options, settings = parse_run(args[1:])
        return lambda: options.with_settings(settings)
    if args[:1] in (["verify"], ["sweep"]) and not wants_help:
        options, more = _split(COMMANDS[args[0]], args[1:])
        command = _parsed([args[0], *options])
        return lambda: command.with_settings(more) if more else command()
    return _parsed(args)


def _parsed(args: list[str]) -> Any:
    return tyro.extras.subcommand_cli_from_dict(
        COMMANDS,
        prog="relu-theory",
        description="Theorems about two-layer ReLU networks, put on trial.",
        args=args,
        config=(tyro.conf.FlagCreatePairsOff,),
    )


def _split(command: type, args: list[str]) -> tuple[list[str], list[str]]:
    """The arguments of a command, and those that it does not know: settings, with their values.

    Example:
        >>> _split(Verify, ["a.b", "--d", "5", "--seed", "1", "--trials=9"])
        (['a.b', '--seed', '1'], ['--d', '5', '--trials=9'])
    """
    known = {f"--{field.name}" for one in (command, Common, Cluster) for field in fields(one)}
    mine, more = [], []
    into = mine
    for arg in args:
        if arg.startswith("--"):
            into = mine if arg.partition("=")[0] in known else more
        into.append(arg)
    return mine, more


def parse_run(args: list[str]) -> tuple[Run, Any]:
    """The options of ``relu-theory run`` and the settings, from what follows it.

    The first pass finds experiment and preset; the second knows the experiment's settings.
    """
    without_help = [arg for arg in args if arg not in ("-h", "--help")]
    first, _ = tyro.cli(Run, args=without_help, prog="relu-theory run", return_unknown_args=True)
    entry, *more = select("experiment", (first.name,))
    if more:
        names = ", ".join(each.name for each in (entry, *more))
        raise UsageError(f"{first.name!r} means several experiments; run one of {names}.")
    default = entry.load().presets[first.preset]

    def command(
        options: tyro.conf.OmitArgPrefixes[Run], settings: tyro.conf.OmitArgPrefixes[Any]
    ) -> tuple[Run, Any]:
        return options, type(default)(**vars(settings))

    shown = with_bounds(type(default))
    command.__annotations__["settings"] = tyro.conf.OmitArgPrefixes[shown]
    command.__defaults__ = (shown(**vars(default)),)
    return tyro.cli(command, args=args, prog="relu-theory run")


def main(args: list[str] | None = None) -> None:
    """The entry point: parse, run, and turn what the user got wrong into one sentence."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(encoding="utf-8")  # statements are not ASCII, whatever the locale
    warnings.showwarning = lambda message, *_, **__: print(f"warning: {message}", file=sys.stderr)
    try:
        code = parse(sys.argv[1:] if args is None else args)()
    except UsageError as error:
        print(f"relu-theory: {error}", file=sys.stderr)
        code = 2
    except BrokenPipeError:
        # Whoever read the output has had enough; nothing more can be said there, flushed or not.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        code = 141
    except Exception as error:
        said = own.complaint(error)
        if said is None and isinstance(error, ValueError):
            said = own.blamed(error)
        if said is None:
            raise
        print(f"relu-theory: {said}", file=sys.stderr)
        code = 2
    if args is None:
        signal.signal(signal.SIGINT, signal.SIG_IGN)  # all is done: nothing is left to interrupt
    sys.exit(code)
