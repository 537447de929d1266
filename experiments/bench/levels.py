"""At which of XLA's levels the programs of each theorem are compiled and run the soonest on a CPU.

``python -m experiments.bench.levels [THEOREM…]`` measures these theorems, or all, at the presets
that people wait for, and writes what `experiments.effort` chooses by. What is not measured anew
stays. It takes half an hour.
"""

import csv
import io
import sys
import time
from collections.abc import Mapping
from typing import Any

import jax

from experiments import effort
from experiments.command.runtime import configure
from experiments.results.catalog import select
from experiments.results.store import write_atomically
from theory.theorem import Compiled, Theorem, arms_by_program, simulate, traced

LEVELS = (0, 1, 3)
"""Level 2 was never the best."""


def measure(theorem: Theorem, preset: str) -> dict[int, tuple[float, float]]:
    """Seconds of compiling and of running theorem and control, by level.

    They are the time of cores, not of a clock: other programs run meanwhile, here and in `verify`.
    From the preset's own level on it goes on while the sum falls: upwards where running takes
    longer than compiling, else downwards.
    """
    settings, first = theorem.presets[preset], effort.BY_PRESET[preset]  # pyright: ignore
    ready = [(arms, traced(theorem, settings, arms[0])[0]) for arms in arms_by_program(theorem)]

    def seconds(level: int) -> tuple[float, float]:
        began = time.process_time()
        options: Any = effort.options(level)
        calls = [lowered.compile(compiler_options=options) for _, lowered in ready]
        then = time.process_time()
        for (arms, _), call in zip(ready, calls, strict=True):
            for arm in arms:
                simulate(theorem, settings, 0, arm, Compiled(call, {}))
        return round(then - began, 2), round(time.process_time() - then, 2)

    found = {first: seconds(first)}
    compiling, running = found[first]
    at = LEVELS.index(first)
    for level in LEVELS[at + 1 :] if running > compiling else LEVELS[:at][::-1]:
        least = min(map(sum, found.values()))
        found[level] = seconds(level)
        if sum(found[level]) >= least:
            break
    return found


def record(preset: str, theorem: str, found: Mapping[int, tuple[float, float]]) -> None:
    """Put what was measured into the file, in place of what it had of the same."""
    rows = []
    if effort.MEASURED.exists():
        with effort.MEASURED.open(encoding="utf-8", newline="") as file:
            rows = [row for row in csv.reader(file)][1:]
    rows = [row for row in rows if row[:2] != [preset, theorem]]
    rows += [[preset, theorem, str(level), *map(str, pair)] for level, pair in found.items()]
    text = io.StringIO()
    csv.writer(text, lineterminator="\n").writerows([effort.COLUMNS, *sorted(rows)])
    write_atomically(effort.MEASURED, text.getvalue())


def main(*names: str) -> None:
    """Measure, and write the file after every theorem."""
    configure("float64", None, effort.DEFAULT)
    jax.config.update("jax_enable_compilation_cache", False)
    for entry in select("theorem", names):
        print(entry.name, flush=True)
        for preset in effort.ON_CPU:
            record(preset, entry.name, measure(entry.load(), preset))


if __name__ == "__main__":
    main(*sys.argv[1:])
