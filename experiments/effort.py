"""How hard XLA tries on a CPU, where compiling is most of a short run."""

import csv
import os
from functools import cache
from importlib.metadata import entry_points, version
from importlib.util import find_spec
from pathlib import Path

BY_PRESET = {"smoke": 0, "course": 1, "paper": 1}
"""XLA's optimisation level by preset.

At level 1 compiling takes .4 to .6 of the time that it takes at the default, 3 (of one program in
five more than all of it), and programs run .8 to 1.3 times as long; at level 0 it takes .15 to .6,
and they run two to six times as long, which is right where that takes milliseconds. Measured by
``relu-theory bench compile``; the numbers are in ``figures/bench/compile.json``. Programs for which
another level is better get that: `of_program`.
"""

MEASURED = Path(__file__).with_suffix(".csv")
"""Seconds that theorems take by preset and level; `experiments.bench.levels` writes it."""

COLUMNS = ("preset", "theorem", "level", "compiling", "running")

WORTH = 0.9
"""Another level is worth asking for where it takes at most this share of the time."""

DEFAULT = 3
"""XLA's own level."""

ON_CPU = ("smoke", "course")
"""Presets whose programs, many and small, run on the CPU beside an accelerator too.

Seen on 16 cores beside an H200, of `verify --preset course` with nothing kept: on the CPU all
programs but one had ended after 100 s; on the card a third had after 133 s, compiling most of it.
"""


def accelerators() -> bool:
    """Whether JAX has a backend beside the CPU's, and may use it; without importing it."""
    if os.environ.get("JAX_PLATFORMS") == "cpu":
        return False
    return bool(entry_points(group="jax_plugins") or find_spec("libtpu"))


def prefer_cpu(preset: str, devices: int | None) -> None:
    """Leave an accelerator alone for a preset of `ON_CPU`, unless devices were asked for.

    Args:
        preset: to be run.
        devices: that the user asked for, if any; ``JAX_PLATFORMS`` asks for some, too.
    """
    asked = devices is not None or "JAX_PLATFORMS" in os.environ
    if preset in ON_CPU and not asked and accelerators():
        os.environ["JAX_PLATFORMS"] = "cpu"


_asked: list[int] = []
"""The level that `compile_quickly` asked for."""


def compile_quickly(level: int) -> None:
    """Ask XLA for this optimisation level, unless the user chose, or there is an accelerator.

    XLA reads it once, before its first program. What it does anyway it is not asked for, so that
    processes that this one starts can ask for something else.
    """
    chosen = os.environ.get("XLA_FLAGS", "")
    if level == DEFAULT or "xla_backend_optimization_level" in chosen or accelerators():
        return
    flags = " ".join(f"--{name}={str(value).lower()}" for name, value in options(level).items())
    os.environ["XLA_FLAGS"] = f"{chosen} {flags}".strip()
    _asked[:] = [level]


@cache
def measured() -> dict[tuple[str, str], dict[int, float]]:
    """What `MEASURED` holds: by preset and theorem the seconds of compiling and running by level.

    Example:
        >>> sorted(measured()["smoke", "dimples.random-subspace"])
        [0, 1, 3]
    """
    found: dict[tuple[str, str], dict[int, float]] = {}
    if MEASURED.exists():
        with MEASURED.open(encoding="utf-8", newline="") as file:
            for row in csv.DictReader(file):
                by_level = found.setdefault((row["preset"], row["theorem"]), {})
                by_level[int(row["level"])] = float(row["compiling"]) + float(row["running"])
    return found


def best(seconds: dict[int, float], level: int) -> int:
    """The level that takes the least, where that is worth leaving ``level`` for.

    Example:
        >>> best({0: 10.0, 1: 3.0}, 0), best({0: 3.0, 1: 2.9}, 0)
        (1, 0)
    """
    least = min(seconds, key=lambda one: seconds[one])
    return least if seconds[least] <= WORTH * seconds[level] else level


def expected(theorem: str, preset: str | None) -> float | None:
    """Seconds of one core that a theorem and its control take, if measured."""
    return min(measured().get((preset or "", theorem), {}).values(), default=None)


def of_program(theorem: str, preset: str | None) -> dict[str, bool | int]:
    """Compiler options for the programs of a theorem, where its preset's level is not the best.

    Empty where the user chose a level, there is an accelerator, or nothing was measured.

    Args:
        theorem: its name.
        preset: whose settings they are compiled for, if of any.
    """
    seconds = measured().get((preset or "", theorem))
    if not _asked or seconds is None:
        return {}
    level = best(seconds, BY_PRESET[preset or ""])
    return {} if level == _asked[0] else options(level)


def options(level: int) -> dict[str, bool | int]:
    """The compiler's options at an optimisation level, its default 3.

    Example:
        >>> options(1)["xla_backend_optimization_level"]
        1
    """
    asked: dict[str, bool | int] = {"xla_backend_optimization_level": level}
    # jaxlib 0.11.1 has no choice of emitters any more, and aborts a process that asks for it.
    if [int(part) for part in version("jaxlib").split(".")[:2]] < [0, 11]:
        asked["xla_cpu_use_fusion_emitters"] = level == DEFAULT
        # To split a program among threads costs a tenth of compiling it, and gains nothing where
        # that takes a second. Split into 32 is what XLA does by itself.
        asked["xla_cpu_parallel_codegen_split_count"] = 32 if level == DEFAULT else 1
    return asked


def full_effort() -> dict[str, bool | int]:
    """Compiler options of one program that is worth compiling well, whatever the others get.

    ``jax.jit(function, compiler_options=full_effort())``: loops over many numbers become vector
    instructions, which they do not where programs are compiled quickly; a sum over neurons at the
    points of a grid runs several times as fast.

    Example:
        >>> full_effort()["xla_backend_optimization_level"]
        3
    """
    import jax

    return options(3) if jax.default_backend() == "cpu" else {}
