"""How long a function takes, compiling apart from running."""

import time
from collections.abc import Callable
from typing import Any

import jax

REPEATS = 3
"""Runs of which the fastest counts."""


def timed(
    function: Callable[..., Any], *args: Any, options: dict[str, Any] | None = None
) -> tuple[float, float, Any]:
    """Seconds to compile and to run a traceable function, and its value.

    Args:
        function: the function.
        args: what it is called with.
        options: of XLA, for this program.

    Example:
        >>> timed(lambda x: x + 1, jax.numpy.ones(()))[2].item()
        2.0
    """
    began = time.perf_counter()
    compiled = jax.jit(function).lower(*args).compile(options)
    compiling, times, value = time.perf_counter() - began, [], None
    for _ in range(REPEATS):
        began = time.perf_counter()
        value = jax.block_until_ready(compiled(*args))
        times.append(time.perf_counter() - began)
    return compiling, min(times), value
