"""The command line: one dataclass per command, parsed by tyro.

Nothing here imports JAX or matplotlib until a command needs them, so that ``--help`` and
``list`` answer at once.
"""

import io
import json
import os
import sys
import warnings
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from rich.console import Console
from rich.table import Table

from experiments.errors import UsageError
from experiments.results.catalog import entries, select

Preset = Literal["smoke", "course", "paper"]
Names = tyro.conf.Positional[tuple[str, ...]]


@dataclass(frozen=True)
class Common:
    """What every command that computes takes."""

    seed: int = 0
    """every random key derives from it"""
    precision: Literal["float32", "float64"] = "float64"
    """floating point of all computation"""
    devices: int | None = None
    """devices to use; all accelerators, or one CPU, if not given"""
    data: Path | None = None
    """folder with the data sets, otherwise $RELU_THEORY_DATA, the user's cache, a download"""

    def prepare(self) -> None:
        """Check the options and configure JAX."""
        from experiments.command.runtime import configure

        if not 0 <= self.seed < 2**32:
            raise UsageError(f"--seed is {self.seed} and must be from 0 to 2^32 - 1.")
        if self.data is not None:
            if not self.data.is_dir():
                raise UsageError(f"--data {self.data} is no folder; give one with the data files.")
            os.environ["RELU_THEORY_DATA"] = str(self.data)
        configure(self.precision, self.devices)


Shared = Annotated[Common, tyro.conf.OmitArgPrefixes]


@dataclass(frozen=True)
class List:
    """Show every theorem and experiment: name, kind, paper, label."""

    json: bool = False
    """machine-readable"""

    def __call__(self) -> int:
        rows = [
            {
                "name": entry.name,
                "system": entry.system,
                "kind": entry.kind,
                "title": entry.title,
            }
            | entry.source
            for entry in entries()
        ]
        if self.json:
            print(json.dumps(rows, indent=2, ensure_ascii=False))
            return 0
        table = Table("name", "kind", "source", "what")
        for row in rows:
            source = f"{row['paper']}, {row['label']} ({row['provenance']})"
            table.add_row(row["name"], row["kind"], source, row["title"])
        _console().print(table)
        return 0


@dataclass(frozen=True)
class Verify:
    """Put theorems on trial and print a table of verdicts.

    Exit code 0: nothing falsified and every control detected; 1: otherwise; 2: bad usage.
    """

    names: Names = ()
    """theorems, systems or globs; all if none"""
    preset: Preset = "course"
    """smoke: seconds; course: minutes on a laptop; paper: as many trials as its δ needs"""
    out: Path = Path("results")
    """folder for trials and verdicts; what is there already is not computed again"""
    json: bool = False
    """print verdicts as JSON on stdout, and nothing else there"""
    common: Shared = Common()

    def __call__(self) -> int:
        chosen = select("theorem", self.names)
        self.common.prepare()
        from experiments.command.progress import bar
        from experiments.results import store, verification

        with bar("verify") as progress:
            verdicts = verification.verify_all(
                chosen, self.preset, self.common.seed, self.out, progress
            )
        if self.json:
            summary = verification.summary_json(verdicts)
            print(store.to_json({"verdicts": verdicts, "summary": summary}), end="")
        else:
            _console().print(verification.table(verdicts))
        return 0 if verification.succeeded(verdicts) else 1


@dataclass(frozen=True)
class Run:
    """Run one experiment; every field of its settings is an option too.

    Leaves result.json, data.nc and figure.png in OUT/NAME, and page.html where the experiment has
    a page. The data of every run are kept in OUT/runs.
    """

    name: tyro.conf.Positional[str]
    """the experiment; `relu-theory run NAME --help` shows its own options"""
    preset: Preset = "course"
    """settings to start from"""
    out: Path = Path("results")
    """folder for the results"""
    format: tuple[Literal["svg", "pdf"], ...] = ()
    """draw the figure in these formats too"""
    common: Shared = Common()

    def with_settings(self, settings: Any) -> int:
        """Run with these settings."""
        (entry,) = select("experiment", (self.name,))
        self.common.prepare()
        from experiments.command.progress import bar
        from experiments.results import gallery, store

        with bar(self.name) as progress:
            asked = gallery.Run(settings, self.preset, self.common.seed)
            result = gallery.run(entry, asked, self.out, progress, self.format)
        print(store.to_json(result["summary"]), end="")
        for made in (gallery.FIGURE, *([gallery.PAGE] if entry.load().page else [])):
            print(self.out / entry.name / made, file=sys.stderr)
        return 0


@dataclass(frozen=True)
class Figures:
    """Redraw figures from stored data; run what has none."""

    names: Names = ()
    """experiments, systems or globs; all if none"""
    preset: Preset | None = None
    """run again unless the stored data are of this preset; course where nothing is stored"""
    out: Path = Path("results")
    """folder that holds one folder per experiment"""
    format: tuple[Literal["svg", "pdf"], ...] = ()
    """draw the figures in these formats too"""
    common: Shared = Common()

    def __call__(self) -> int:
        chosen = select("experiment", self.names)
        self.common.prepare()
        from experiments.command.progress import bar
        from experiments.results import gallery

        for entry in chosen:
            with bar(entry.name) as progress:
                done = gallery.redraw(
                    entry, self.preset, self.common.seed, self.out, progress, self.format
                )
            print(f"{done} {self.out / entry.name / 'figure.png'}", file=sys.stderr)
        return 0


@dataclass(frozen=True)
class Report:
    """Write one self-contained HTML page of all verdicts and figures, computing what is missing."""

    names: Names = ()
    """systems or globs; all if none"""
    preset: Preset = "course"
    """preset of the verdicts and figures"""
    out: Path = Path("report.html")
    """the page"""
    results: Path = Path("results")
    """folder of stored results"""
    common: Shared = Common()

    def __call__(self) -> int:
        chosen = select(None, self.names)
        theorems = [entry for entry in chosen if entry.kind == "theorem"]
        self.common.prepare()
        from experiments.command.progress import bar
        from experiments.results import gallery, report, store, verification

        store.open_folder(self.out.parent)
        seed = self.common.seed
        with bar("verify") as progress:
            verdicts = verification.verify_all(theorems, self.preset, seed, self.results, progress)
        results = []
        for entry in chosen:
            if entry.kind == "theorem":
                continue
            with bar(entry.name) as progress:
                asked = gallery.Run(entry.load().presets[self.preset], self.preset, seed)
                results.append(gallery.run(entry, asked, self.results, progress))
        page = report.render(verdicts, results, self.results)
        store.write_atomically(self.out, page)
        print(self.out, file=sys.stderr)
        return 0 if verification.succeeded(verdicts) else 1


@dataclass(frozen=True)
class Bench:
    """Measure the performance comparisons; each is a ratio of times within one run."""

    names: Names = ()
    """comparisons; all if none"""
    out: Path = Path("results/bench")
    """folder for one JSON file per comparison"""
    json: bool = False
    """print JSON on stdout, and nothing else there"""
    common: Shared = Common()

    def __call__(self) -> int:
        self.common.prepare()
        import jax

        from experiments.command.bench import COMPARISONS
        from experiments.command.progress import bar
        from experiments.results import store

        for name in self.names:
            if name not in COMPARISONS:
                raise UsageError(f"No comparison is called {name!r}; there are {[*COMPARISONS]}.")
        store.open_folder(self.out)
        jax.config.update("jax_enable_compilation_cache", False)  # compiling is measured too
        results = {}
        for name in self.names or COMPARISONS:
            with bar(f"bench {name}") as progress:
                rows = COMPARISONS[name](progress)
            results[name] = {"rows": rows, "environment": store.environment()}
            store.write_atomically(self.out / f"{name}.json", store.to_json(results[name]))
        if self.json:
            print(store.to_json(results), end="")
            return 0
        table = Table("comparison", "speed-up", "with compiling", "seconds running")
        for result in results.values():
            for row in result["rows"]:
                times = ", ".join(f"{name} {value:.3g}" for name, value in row["run"].items())
                ratios = (f"{row[key]:.2f} ×" for key in ("speed_up", "speed_up_with_compiling"))
                table.add_row(row["what"], *ratios, times)
        _console().print(table)
        return 0


def _console() -> Console:
    """Stdout at the terminal's width; wide enough for a table where there is no terminal."""
    console = Console()
    return console if console.is_terminal else Console(width=160)


COMMANDS: dict[str, type] = {
    "list": List,
    "verify": Verify,
    "run": Run,
    "figures": Figures,
    "report": Report,
    "bench": Bench,
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
    """The options of `run` and the settings, which depend on its first argument and its preset.

    The first pass finds those two; the second knows the experiment's settings.

    Args:
        args: what follows ``relu-theory run``.
    """
    without_help = [arg for arg in args if arg not in ("-h", "--help")]
    first, _ = tyro.cli(Run, args=without_help, prog="relu-theory run", return_unknown_args=True)
    chosen = select("experiment", (first.name,))
    if len(chosen) > 1:
        names = ", ".join(entry.name for entry in chosen)
        raise UsageError(f"{first.name!r} means several experiments; run one of {names}.")
    default = chosen[0].load().presets[first.preset]

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
    except KeyboardInterrupt:
        print("relu-theory: interrupted; the same command goes on from here.", file=sys.stderr)
        code = 130
    sys.exit(code)
