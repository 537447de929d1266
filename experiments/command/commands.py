"""The commands, each a dataclass of its options; slow imports wait until one is called."""

import json
import math
import os
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any, Literal

import tyro
from rich.console import Console
from rich.table import Column, Table

from experiments import effort
from experiments.command import logs, minutes
from experiments.command.progress import bar
from experiments.command.settings import given
from experiments.errors import UsageError
from experiments.results import verdict_table
from experiments.results.catalog import Entry, select
from experiments.results.verdicts import succeeded, summary_json

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
    verbose: bool = False
    """say on stderr what is compiled, what was kept, and how long each program took"""
    log: Path | None = None
    """add the same to a file"""

    def check(self) -> None:
        """Refuse options that cannot be, before anything is done."""
        if not 0 <= self.seed < 2**32:
            raise UsageError(f"--seed is {self.seed} and must be from 0 to 2^32 - 1.")
        if self.data is not None:
            if not self.data.is_dir():
                raise UsageError(f"--data {self.data} is no folder; give one with the data files.")
            os.environ["RELU_THEORY_DATA"] = str(self.data)
        logs.begin(self.verbose, self.log)

    def prepare(self, preset: Preset = "course") -> None:
        """Check the options and configure JAX for work of this preset."""
        from experiments.command.runtime import configure

        self.check()
        configure(self.precision, self.devices, effort.BY_PRESET[preset])
        if self.verbose or self.log is not None:
            logs.follow_jax()


Shared = Annotated[Common, tyro.conf.OmitArgPrefixes]


@dataclass(frozen=True)
class Cluster:
    """Several processes as one run: the same command for each, but for --process."""

    coordinator: str | None = None
    """HOST:PORT of process 0, where several share the work; auto: as SLURM or a cloud TPU says"""
    processes: int | None = None
    """how many there are"""
    process: int | None = None
    """which one this is, from 0; that one prints"""

    def prepare(self) -> None:
        """Find the other processes, if there are any."""
        if self.coordinator is not None:
            from experiments.command.cluster import join

            join(self.coordinator, self.processes, self.process)
        elif (self.processes, self.process) != (None, None):
            raise UsageError("--processes and --process need --coordinator beside them.")


@dataclass(frozen=True)
class List:
    """Show every theorem and experiment: name, kind, paper, label, minutes at the course preset."""

    names: Names = ()
    """systems, globs or paths; all if none"""
    json: bool = False
    """machine-readable"""

    def __call__(self) -> int:
        shown = ("name", "system", "kind", "title")
        taken = minutes.recorded()
        rows = [
            {key: getattr(e, key) for key in shown}
            | e.source
            | {"minutes": taken[e.kind].get(e.name)}
            for e in select(None, self.names)
        ]
        if self.json:
            print(json.dumps(rows, indent=2, ensure_ascii=False))
            return 0
        table = Table(
            Column("name", no_wrap=True),
            *(Column(name, overflow="fold") for name in ("kind", "source", "what")),
            Column("min", justify="right", no_wrap=True),
            caption=f"min: minutes that the course preset takes one core of an {taken['machine']}, "
            "where they were measured.",
        )
        for row in rows:
            source = f"{row['paper']}, {row['label']} ({row['provenance']})"
            took = "" if row["minutes"] is None else f"{max(row['minutes'], 0.1):.1f}"
            table.add_row(row["name"], row["kind"], source, row["title"], took)
        console_of().print(table)
        return 0


@dataclass(frozen=True)
class Verify:
    """Put theorems on trial and print a table of verdicts.

    A single theorem's settings are options too: verify NAME --trials 1000.

    Exit code 0: every verdict is the expected one and no control is missed; 1: otherwise; 2: bad
    usage.
    """

    names: Names = ()
    """theorems, systems or globs; all if none"""
    preset: Preset = "course"
    """smoke: seconds; course: minutes on a laptop; both on the CPU, unless --devices is given;
    paper: as many trials as its δ needs"""
    out: Path = Path("results")
    """folder for trials and verdicts; what is there already is not computed again"""
    json: bool = False
    """print verdicts as JSON on stdout, and nothing else there"""
    common: Shared = Common()
    cluster: Annotated[Cluster, tyro.conf.OmitArgPrefixes] = Cluster()

    def __call__(self) -> int:
        return self._verdicts(select("theorem", self.names))

    def with_settings(self, args: list[str]) -> int:
        """Verify one theorem with some of its settings changed."""
        chosen = select("theorem", self.names)
        if len(chosen) > 1:
            raise UsageError(
                f"{args[0]} is no option of verify, and as a setting it needs one theorem, not "
                f"{len(chosen)}."
            )
        default = chosen[0].load().presets[self.preset]
        settings = given(default, args, f"relu-theory verify {chosen[0].name}")
        return self._verdicts([chosen[0]._replace(changed={self.preset: settings})])

    def _verdicts(self, chosen: list[Entry]) -> int:
        from experiments.results import standing

        self.common.check()
        effort.prefer_cpu(self.preset, self.common.devices)
        asked = chosen, self.preset, self.common.seed, self.out
        options = {"precision": self.common.precision, "devices": self.common.devices}
        # What is in no package, or not as it is there, has no digest that is known before it runs.
        alone = self.cluster == Cluster() and not any(one.own or one.changed for one in chosen)
        verdicts = standing.standing(*asked, **options) if alone else None
        if verdicts is None:
            verdicts = self._judge(chosen)
            if alone:
                standing.keep(*asked, **options)
        elif self.json:
            _print_json(verdicts)
        else:
            console = console_of()
            verdict_table.print_head(console)
            for verdict in verdicts:
                verdict_table.print_verdict(console, verdict)
            verdict_table.print_foot(console, verdicts)
        return 0 if succeeded(verdicts) else 1

    def _judge(self, chosen: list[Entry]) -> list[dict[str, Any]]:
        """Run what is not stored, judge all, and print the verdicts, a table's rows as they come.

        Of several processes the first prints.
        """
        self.cluster.prepare()
        self.common.prepare(self.preset)
        import jax

        from experiments.results import verification

        asked = chosen, self.preset, self.common.seed, self.out
        first, console = jax.process_index() == 0, console_of()
        with bar("verify") as progress:
            if self.json or not first:
                verdicts = verification.verify_all(*asked, progress)
            else:

                def show(verdict: dict[str, Any]) -> None:
                    progress.pause()
                    verdict_table.print_verdict(console, verdict)

                verdict_table.print_head(console)
                verdicts = verification.verify_all(*asked, progress, show)
                progress.pause()
                verdict_table.print_foot(console, verdicts)
        if self.json and first:
            _print_json(verdicts)
        return verdicts


def _print_json(verdicts: list[dict[str, Any]]) -> None:
    from experiments.results.store import to_json

    print(to_json({"verdicts": verdicts, "summary": summary_json(verdicts)}), end="")


@dataclass(frozen=True)
class Worst:
    """Search for the worst case of every bound that is claimed for all data and weights.

    Random trials say how often a bound holds; here an evolution strategy tries to break it. Exit
    code 0: no counter-example was found; 1: one was; 2: bad usage.
    """

    names: Names = ()
    """theorems, systems or globs; all that can be searched if none"""
    seconds: float = 60.0
    """for each part of a statement, those of earlier searches in the same folder included"""
    preset: Preset = "course"
    """the random trials to compare with"""
    out: Path = Path("results")
    """folder for searches and trials; what is there already is not computed again"""
    json: bool = False
    """print what was found as JSON on stdout, and nothing else there"""
    common: Shared = Common()

    def __call__(self) -> int:
        chosen = select("theorem", self.names)
        if not 0 < self.seconds < math.inf:
            raise UsageError(f"--seconds is {self.seconds:g} and must be above 0, and finite.")
        if self.common.precision != "float64":
            raise UsageError("A worst case is searched where rounding decides: needs float64.")
        self.common.prepare()
        from experiments.results import store, verification, worst

        chosen = worst.searchable(chosen, self.names)
        seed = self.common.seed
        with bar("verify") as progress:
            verdicts = verification.verify_all(chosen, self.preset, seed, self.out, progress)
        with bar("worst") as progress:
            largest = worst.largest_of(verdicts)
            found = worst.worst_all(chosen, self.seconds, seed, self.out, largest, progress)
        if self.json:
            print(store.to_json({"worst": found}), end="")
        else:
            console_of().print(worst.table(found))
        return 1 if any(case["violated"] for case in found) else 0


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
    cluster: Annotated[Cluster, tyro.conf.OmitArgPrefixes] = Cluster()

    def with_settings(self, settings: Any) -> int:
        """Run with these settings."""
        (entry,) = select("experiment", (self.name,))
        self.cluster.prepare()
        self.common.prepare()
        import jax

        from experiments.results import gallery, store

        with bar(self.name) as progress:
            asked = gallery.Run(settings, self.preset, self.common.seed)
            result = gallery.run(entry, asked, self.out, progress, self.format)
        if jax.process_index():
            return 0
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
    style: Literal["print", "talk"] = "print"
    """talk: besides, for a projector, as talk.png"""
    common: Shared = Common()

    def __call__(self) -> int:
        chosen = select("experiment", self.names)
        self.common.prepare()
        from experiments.results import gallery

        how = self.preset, self.common.seed, self.out
        for entry in chosen:
            with bar(entry.name) as progress:
                done = gallery.redraw(entry, *how, progress, self.format, self.style)
            stem, _ = gallery.STYLES[self.style]
            print(f"{done} {self.out / entry.name / stem}.png", file=sys.stderr)
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
        self.common.prepare(self.preset)
        from experiments.results import gallery, report, store, verification

        store.open_folder(self.out.parent)
        seed = self.common.seed
        theorems = [entry for entry in chosen if entry.kind == "theorem"]
        with bar("verify") as progress:
            verdicts = verification.verify_all(theorems, self.preset, seed, self.results, progress)
        results = []
        for entry in chosen[len(theorems) :]:  # theorems come first
            with bar(entry.name) as progress:
                asked = gallery.Run(entry.load().presets[self.preset], self.preset, seed)
                results.append(gallery.run(entry, asked, self.results, progress))
        page = report.render(verdicts, results, self.results)
        store.write_atomically(self.out, page)
        print(self.out, file=sys.stderr)
        return 0 if succeeded(verdicts) else 1


@dataclass(frozen=True)
class Page:
    """Write the interactive page: networks drawn and trained in the browser, in one HTML file."""

    out: Path = Path("relu-theory.html")
    """the page"""

    def __call__(self) -> int:
        from experiments.page import page
        from experiments.results import store

        store.write_atomically(self.out, page())
        print(self.out, file=sys.stderr)
        return 0


@dataclass(frozen=True)
class Bench:
    """Measure the performance comparisons, each in a process of its own.

    All ways of a comparison are shown to compute the same before any is timed. Exit code 0: all
    were measured; 1: two ways differ; 2: bad usage.
    """

    names: Names = ()
    """comparisons; all if none"""
    out: Path = Path("results/bench")
    """folder for a JSON file per comparison, figures, and a history to which lines are added"""
    json: bool = False
    """print JSON on stdout, and nothing else there"""

    def __call__(self) -> int:
        from experiments.bench import suite
        from experiments.results import store

        results = suite.run(self.names, self.out)
        if self.json:
            print(store.to_json(results), end="")
        else:
            console_of().print(suite.table(results))
        return 0


def console_of() -> Console:
    """Stdout at the terminal's width; wide enough for a table where there is no terminal."""
    console = Console()
    return console if console.is_terminal else Console(width=160)
