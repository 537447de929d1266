"""The command line: parsed by tyro, and what the user got wrong turned into one sentence.

Nothing here imports JAX or matplotlib until a command needs them, so that ``--help`` and
``list`` answer at once.
"""

import io
import os
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, Any

import tyro

from experiments.command.commands import Bench, Figures, List, Report, Run, Verify, Worst
from experiments.command.tools import Check, Explain, New
from experiments.errors import UsageError
from experiments.results import own
from experiments.results.catalog import select

COMMANDS: dict[str, type] = {
    "list": List,
    "verify": Verify,
    "worst": Worst,
    "run": Run,
    "figures": Figures,
    "report": Report,
    "bench": Bench,
    "new": New,
    "check": Check,
    "explain": Explain,
}


def parse(args: list[str]) -> Callable[[], int]:
    """Turn the arguments into the command to call.

    Raises:
        SystemExit: from tyro, with 0 for ``--help`` and 2 for what it cannot parse.
        UsageError: for an unknown experiment.
    """
    if args[:1] == ["run"] and not {"-h", "--help"}.issuperset(args[1:]):
        options, settings = parse_run(args[1:])
        return lambda: options.with_settings(settings)
    return tyro.extras.subcommand_cli_from_dict(
        COMMANDS,
        prog="relu-theory",
        description="Theorems about two-layer ReLU networks, put on trial.",
        args=args,
        config=(tyro.conf.FlagCreatePairsOff,),
    )


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

    shown = _with_bounds(type(default))
    command.__annotations__["settings"] = tyro.conf.OmitArgPrefixes[shown]
    command.__defaults__ = (shown(**vars(default)),)
    return tyro.cli(command, args=args, prog="relu-theory run")


def _with_bounds(settings: type) -> type:
    """The same settings, whose help says the bound of every field beside its default."""
    from theory.settings import bounds, hints

    annotations = hints(settings).copy()
    for name, bound in bounds(settings).items():
        # tyro fills in the default, which is the preset's.
        hint = tyro.conf.arg(help_behavior_hint=f"({bound}; default: {{}})".format)
        annotations[name] = Annotated[annotations[name], hint]
    members = {"__annotations__": annotations, "__doc__": settings.__doc__}
    return dataclass(frozen=True)(type(settings.__name__, (settings,), members))


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
    except KeyboardInterrupt:
        print("relu-theory: interrupted; the same command goes on from here.", file=sys.stderr)
        sys.stdout.flush()
        # At once: threads that compile or compute do not stop, and whatever is stored is whole.
        os._exit(130)
    sys.exit(code)
