"""`bench kernels`: a network's values on a grid, by a scan over neurons and by matmuls."""

import subprocess
import sys
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from experiments.bench.proof import agree
from experiments.bench.timing import compare, compiled
from experiments.effort import full_effort
from experiments.experiment import Progress
from theory.kernels.gated import by_matmuls, by_neurons

WAYS = {"matmuls": by_matmuls, "neurons": by_neurons}

SIZES = {
    "a drawn surface": (64, 400, "float32"),
    "float64": (100, 1000, "float64"),
    "a fine grid": (200, 4000, "float32"),
}
"""Grid points per side of a cube, neurons and precision."""


def problem(side: int, width: int, dtype: str) -> tuple[Float[Array, "..."], ...]:
    """Points of a grid on [−1, 1]³, hidden weights and output weights.

    Example:
        >>> [part.shape for part in problem(4, 10, "float32")]
        [(64, 3), (10, 3), (10,)]
    """
    axis = np.linspace(-1, 1, side, dtype=dtype)
    points = np.stack(np.meshgrid(axis, axis, axis, indexing="ij"), axis=-1).reshape(-1, 3)
    rng = np.random.default_rng(0)
    weights = rng.standard_normal((width, 3)), rng.standard_normal(width) / width**0.5
    return jnp.asarray(points), *(jnp.asarray(part.astype(dtype)) for part in weights)


def difference(side: int, width: int) -> float:
    """The largest difference between the ways in float64, over the largest value.

    Raises:
        Unequal: it is too large.

    Example:
        >>> difference(4, 10) < 1e-14
        True
    """
    with jax.enable_x64(True):
        given = problem(side, width, "float64")
        return agree({name: compiled(way, *given) for name, way in WAYS.items()})


def peak(way: str, side: int, width: int, dtype: str) -> int:
    """Bytes that the process grew by at most while a program ran, on Linux; its output included.

    The high-water mark is the process's: run in one of its own, as `memory` does.
    """
    with jax.enable_x64(dtype == "float64"):
        given = problem(side, width, dtype)
        program = jax.jit(WAYS[way], compiler_options=full_effort()).lower(*given).compile()
        Path("/proc/self/clear_refs").write_text("5")  # the mark falls to what is used now
        before = _high_water()
        jax.block_until_ready(program(*given))
    return _high_water() - before


def _high_water() -> int:
    lines = Path("/proc/self/status").read_text().splitlines()
    return 1024 * next(int(line.split()[1]) for line in lines if line.startswith("VmHWM"))


def memory(*arguments: Any) -> int:
    """`peak` in a process of its own."""
    code = f"from experiments.bench.kernels import peak; print(peak(*{arguments!r}))"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    return int(done.stdout)


def kernels(progress: Progress) -> list[dict[str, Any]]:
    """A network's values at the points of a grid: a scan over neurons against matmuls."""
    rows = []
    for done, (name, (side, width, dtype)) in enumerate(SIZES.items()):
        progress(done / len(SIZES), name)
        measured: dict[str, Any] = {"largest_difference": difference(min(side, 50), width)}
        with jax.enable_x64(dtype == "float64"):
            given = problem(side, width, dtype)
            ready = {
                way: compiled(function, *given, options=full_effort())
                for way, function in WAYS.items()
            }
            what = f"{name}, {side}³ points, {width} neurons, {dtype}"
            row = compare(what, "neurons", ready)
        if sys.platform == "linux" and jax.default_backend() == "cpu":
            measured["peak_bytes"] = {way: memory(way, side, width, dtype) for way in WAYS}
        rows.append(row | measured)
    return rows
