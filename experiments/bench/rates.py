"""What the machine can do: the rates of a large matrix product and of copying, to compare with."""

import importlib
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np

from experiments.bench import torch_arms
from experiments.bench.problems import Ready, Shape
from experiments.bench.timing import compare, compiled

SIDE = {"cpu": 1024}
"""Rows of the square matrices, by backend; 8192 on an accelerator."""

COPIED = {"cpu": 2**26}
"""Bytes copied, by backend: more than a cache holds; 2^30 on an accelerator."""


class Rates(NamedTuple):
    """The best of all libraries.

    Attributes:
        gemm: floating-point operations a second of a large product in float32.
        copy: bytes a second, read or written, of copying a large array.
        rows: how they were measured, for JSON.
    """

    gemm: float
    copy: float
    rows: list[dict[str, Any]]


def rates() -> Rates:
    """Measure them in float32, each library in turn."""
    backend = jax.default_backend()
    side, size = SIDE.get(backend, 8192), COPIED.get(backend, 2**30)
    rng = np.random.default_rng(0)
    a, b = rng.standard_normal((2, side, side), "float32")
    source = rng.standard_normal(size // 4, "float32")
    products = {"JAX": compiled(jnp.matmul, *map(jax.device_put, (a, b)))}
    # Negated, because XLA has no need to copy what does not change.
    copies = {"JAX": compiled(jnp.negative, jax.device_put(source))}
    if backend == "cpu":
        out, target = np.empty_like(a), np.empty_like(source)
        products["NumPy"] = Ready(lambda: np.matmul(a, b, out=out))
        copies["NumPy"] = Ready(lambda: np.copyto(target, source))
    if torch_arms.installed():
        products["PyTorch"], copies["PyTorch"] = _by_torch(a, b, source)
    rows = [
        compare(f"product of {side} × {side} matrices, float32", "JAX", products, seconds=5),
        compare(f"copy of {size >> 20} MB, float32", "JAX", copies, seconds=5),
    ]
    gemm, copy = (
        work / min(way["median"] for way in row["run"].values())
        for work, row in zip((2 * side**3, 2 * size), rows, strict=True)
    )
    return Rates(gemm, copy, [rows[0] | {"gemm_rate": gemm}, rows[1] | {"copy_rate": copy}])


def _by_torch(*arrays: np.ndarray) -> tuple[Ready, Ready]:
    torch, device = importlib.import_module("torch"), torch_arms.device()
    a, b, source = (torch.as_tensor(array, device=device) for array in arrays)
    out, target = torch.empty_like(a), torch.empty_like(source)

    def finish(_: Any) -> None:
        if device == "cuda":
            torch.cuda.synchronize()

    return (
        Ready(lambda: finish(torch.matmul(a, b, out=out))),
        Ready(lambda: finish(target.copy_(source))),
    )


def in_span_work(shape: Shape, networks: int, steps: int) -> tuple[int, int]:
    """Operations of the products and bytes moved at least, training by the Gram matrix in float32.

    Before and after: G = XXᵀ, W(0)Xᵀ and W = W(0) + C·X. Each step: C·G; Z(0) is read, C read and
    written, and Z stays where it is made.

    Example:
        >>> in_span_work(Shape(2, 3, 5), networks=1, steps=10)
        (544, 1428)
    """
    n, d, m = shape
    operations = 2 * n * n * d + 4 * n * d * m + steps * 2 * n * n * m
    numbers = 3 * m * d + 2 * n * d + steps * 3 * n * m
    return networks * operations, networks * 4 * numbers


def in_full_work(shape: Shape, networks: int, steps: int) -> tuple[int, int]:
    """The same in full dimension: W·Xᵀ and A·X in each step; X and W are read twice, W written.

    Example:
        >>> in_full_work(Shape(2, 3, 5), networks=1, steps=10)
        (1200, 2280)
    """
    n, d, m = shape
    return networks * steps * 4 * n * d * m, networks * 4 * steps * (2 * n * d + 3 * m * d)


def fractions(work: tuple[int, int], seconds: float, found: Rates) -> dict[str, float]:
    """The shares of the measured rates that work done in a time reaches.

    Example:
        >>> fractions((10, 10), 2.0, Rates(10.0, 20.0, []))
        {'gemm_fraction': 0.5, 'copy_fraction': 0.25}
    """
    operations, moved = work
    return {
        "gemm_fraction": operations / seconds / found.gemm,
        "copy_fraction": moved / seconds / found.copy,
    }
