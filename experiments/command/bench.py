"""`bench`: the performance comparisons, each a ratio of times measured in one run."""

from collections.abc import Callable
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import optax
from rich.table import Table

from experiments import effort
from experiments.command import bench_kernels as kernels
from experiments.command.progress import bar
from experiments.errors import UsageError
from experiments.experiment import Progress
from experiments.results import store
from experiments.results.catalog import select
from experiments.timing import timed
from theory.ensemble import ensemble, footprint
from theory.networks import two_layer_relu
from theory.theorem import Theorem, numbers_of, program, trial_keys
from theory.training import hidden_layer_only, train, train_in_span

Row = dict[str, Any]


def bench_ensemble(progress: Progress) -> list[Row]:
    """One member after another against batches, on the trials of theorems of different sizes."""
    rows = []
    chosen = ("gradient-law", "trained-output", "universal-flip", "flip-scaling")
    for done, name in enumerate(chosen):
        progress(done / len(chosen), f"ensemble, {name}")
        theorem: Theorem = select("theorem", (f"subspace.{name}",))[0].load()
        settings = theorem.presets["course"]
        keys = trial_keys(theorem, settings, 0, "theorem")
        member = partial(theorem.trial, settings)
        times = {
            strategy: timed(partial(ensemble, member, strategy=strategy), keys)[:2]
            for strategy in ("map", "vmap")
        }
        size = footprint(member, keys[0]) // 1024
        rows.append(_row(f"{name}, {len(keys)} members of {size} kB: vmap against map", times))
    return rows


def _row(what: str, times: dict[str, tuple[float, float]]) -> Row:
    """Times by way, and how much faster the second way is than the first."""
    first, second = times.values()
    return {
        "what": what,
        "compile": {way: compiling for way, (compiling, _) in times.items()},
        "run": {way: running for way, (_, running) in times.items()},
        "speed_up": first[1] / second[1],
        "speed_up_with_compiling": sum(first) / sum(second),
    }


def bench_span(progress: Progress) -> list[Row]:
    """Training in the span of the data against training in full dimension, 200 steps."""
    rows = []
    dimensions = (100, 1000, 10_000)
    for done, d in enumerate(dimensions):
        progress(done / len(dimensions), f"span, d = {d}")
        key_net, key_x, key_y = jax.random.split(jax.random.key(1), 3)
        net = two_layer_relu(key_net, d, 100)
        x = jax.random.normal(key_x, (20, d))
        y = jax.random.rademacher(key_y, (20,), dtype=x.dtype)
        optimizer = optax.sgd(4 / d)

        def full(net, x, y, optimizer=optimizer):
            return train(net, x, y, optimizer=hidden_layer_only(optimizer), steps=200).network.w

        def reduced(net, x, y, optimizer=optimizer):
            return train_in_span(net, x, y, optimizer=optimizer, steps=200).network.w

        ways = {"full": full, "span": reduced}
        times = {way: timed(function, net, x, y)[:2] for way, function in ways.items()}
        difference = jnp.max(jnp.abs(jax.jit(full)(net, x, y) - jax.jit(reduced)(net, x, y)))
        row = _row(f"training in the span against full dimension, d = {d}", times)
        rows.append(row | {"largest_difference": float(difference)})
    return rows


def bench_compile(progress: Progress) -> list[Row]:
    """XLA's default against less effort, on eighths of the trials of theorems of all rooms."""
    rows = []
    chosen = (
        *("attribution.calibrated-agreement", "healing.exact-zeros", "subspace.any-descent"),
        *("unlearning.two-layer", "unlearning.linear"),
    )
    for done, name in enumerate(chosen):
        progress(done / len(chosen), f"compile, {name}")
        theorem: Theorem = select("theorem", (name,))[0].load()
        settings = theorem.presets["course"]
        settings = replace(settings, trials=settings.trials // 8)
        keys, numbers = trial_keys(theorem, settings, 0, "theorem"), numbers_of(theorem, "theorem")
        run = program(theorem, settings)
        first = timed(run, keys, numbers, options=effort.options(3))[:2]
        for level in (1, 0):
            less = timed(run, keys, numbers, options=effort.options(level))[:2]
            times = {"default": first, "less": less}
            rows.append(_row(f"{name}, {len(keys)} trials: level {level} against 3", times))
    return rows


def bench_kernels(progress: Progress) -> list[Row]:
    """A network's values at the points of a grid: a scan over neurons against matmuls."""
    rows = []
    for done, name in enumerate(kernels.SIZES):
        progress(done / len(kernels.SIZES), f"kernels, {name}")
        what, times, measured = kernels.compare(name)
        rows.append(_row(what, times) | measured)
    return rows


COMPARISONS: dict[str, Callable[[Progress], list[Row]]] = {
    "compile": bench_compile,
    "ensemble": bench_ensemble,
    "span": bench_span,
    "kernels": bench_kernels,
}


def run(names: tuple[str, ...], out: Path) -> dict[str, dict[str, Any]]:
    """Make the comparisons, all if none is named, and leave one JSON file for each in a folder.

    Raises:
        UsageError: there is no comparison of a name, or the folder cannot be written to.
    """
    for name in names:
        if name not in COMPARISONS:
            raise UsageError(f"No comparison is called {name!r}; there are {[*COMPARISONS]}.")
    store.open_folder(out)
    jax.config.update("jax_enable_compilation_cache", False)  # compiling is measured too
    results = {}
    for name in names or COMPARISONS:
        with bar(f"bench {name}") as progress:
            rows = COMPARISONS[name](progress)
        results[name] = {"rows": rows, "environment": store.environment()}
        store.write_atomically(out / f"{name}.json", store.to_json(results[name]))
    return results


def table(results: dict[str, dict[str, Any]]) -> Table:
    """The comparisons for reading."""
    shown = Table("comparison", "speed-up", "with compiling", "seconds compiling", "running")
    for row in (row for result in results.values() for row in result["rows"]):
        ratios = (f"{row[key]:.2f} ×" for key in ("speed_up", "speed_up_with_compiling"))
        times = (
            ", ".join(f"{way} {seconds:.3g}" for way, seconds in row[phase].items())
            for phase in ("compile", "run")
        )
        shown.add_row(row["what"], *ratios, *times)
    return shown
