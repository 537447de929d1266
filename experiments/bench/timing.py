"""How long ways of doing the same take: in turn, with the load they met, as median and interval."""

import math
import resource
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import jax
import numpy as np
from numpy.typing import ArrayLike

from experiments import machine
from experiments.bench.problems import Ready
from theory import intervals

ROUNDS = 7
"""Repeats of each way; the range of six already holds the median with probability .97."""

FEWEST = 3
"""Repeats of each way, however long they take."""

SHORTEST = 0.1
"""Seconds of a repeat; what takes less is called several times in one."""

WAITED = 0.02
"""A repeat that was without its core for a larger share of its time is dropped."""

Ways = Mapping[str, Callable[[], Any]]
"""Functions that return when all is done, by name."""


class Repeat(NamedTuple):
    """One repeat: seconds of a call, and the share of them in which its one core did other things.

    The share is None where the process has several cores, or an accelerator for which it waits.
    """

    seconds: float
    waited: float | None

    @property
    def noisy(self) -> bool:
        """Whether something else had the core for a while."""
        return self.waited is not None and self.waited > WAITED


def interleaved(ways: Ways, seconds: float = 10.0) -> dict[str, list[Repeat]]:
    """Repeats of each way, the ways taking turns: what else the machine does falls on all of them.

    Every way is called before, to warm up. Each round begins with another way. There are `ROUNDS`
    rounds, and more where repeats were noisy, as far as the time goes, and at least `FEWEST`.

    Args:
        ways: what to measure.
        seconds: after which no round begins.

    Example:
        >>> found = interleaved({"sum": lambda: sum(range(9)), "max": lambda: max(range(9))}, 0)
        >>> {way: len(repeats) for way, repeats in found.items()}
        {'sum': 3, 'max': 3}
    """
    calls = {}
    for name, way in ways.items():
        first = _repeat(way, 1).seconds
        if first < SHORTEST:
            first = _repeat(way, math.ceil(SHORTEST / 10 / first)).seconds
        calls[name] = math.ceil(SHORTEST / first)
    names = [*ways]
    found: dict[str, list[Repeat]] = {name: [] for name in names}
    end = time.monotonic() + seconds
    for turn in range(3 * ROUNDS):
        enough = all(sum(not one.noisy for one in found[name]) >= ROUNDS for name in names)
        if turn >= FEWEST and (enough or time.monotonic() > end):
            break
        for name in names[turn % len(names) :] + names[: turn % len(names)]:
            found[name].append(_repeat(ways[name], calls[name]))
    return found


def _repeat(way: Callable[[], Any], calls: int) -> Repeat:
    used, began = _used(), time.perf_counter()
    for _ in range(calls):
        way()
    passed = time.perf_counter() - began
    # On one core a process that waits for nothing else is running, or something else is.
    pinned = machine.cores() == 1 and jax.default_backend() == "cpu"
    waited = max(0.0, 1 - (_used() - used) / passed) if pinned else None
    return Repeat(passed / calls, waited)


def _used() -> float:
    """Seconds of the processor that this process, and those it started that have ended, used."""
    whole = (resource.getrusage(who) for who in (resource.RUSAGE_SELF, resource.RUSAGE_CHILDREN))
    return sum(used.ru_utime + used.ru_stime for used in whole)


def estimate(values: ArrayLike) -> dict[str, float]:
    """The median with an interval that holds it whatever the law of the values, for JSON.

    ``coverage`` is the least probability with which the interval, of order statistics, holds the
    median of that law: .95 from six values on, 1 − 2^{1−k} of fewer, which is their range.

    Example:
        >>> estimate([1.0, 2.0, 4.0])
        {'median': 2.0, 'low': 1.0, 'high': 4.0, 'coverage': 0.75}
    """
    values = np.asarray(values, float)
    median, low, high = (float(end) for end in intervals.median(values))
    coverage = min(intervals.LEVEL, 1 - 2.0 ** (1 - len(values)))
    return {"median": median, "low": low, "high": high, "coverage": coverage}


def kept(repeats: Sequence[Repeat]) -> list[bool]:
    """Which repeats count: those that are not noisy; all, where fewer than `FEWEST` are not.

    Example:
        >>> kept([Repeat(1.0, 0.0), Repeat(2.0, 0.5), Repeat(1.0, 0.01), Repeat(1.0, None)])
        [True, False, True, True]
    """
    quiet = [not repeat.noisy for repeat in repeats]
    return quiet if sum(quiet) >= FEWEST else [True] * len(repeats)


def measured(repeats: Sequence[Repeat]) -> dict[str, Any]:
    """What is said of the repeats of one way.

    Example:
        >>> found = measured([Repeat(1.0, 0.0)] * 3 + [Repeat(2.0, 0.5)])
        >>> found["median"], found["repeats"], found["dropped"], found["noisy"]
        (1.0, 3, 1, False)
    """
    counted = [r.seconds for r, keep in zip(repeats, kept(repeats), strict=True) if keep]
    known = [repeat.waited for repeat in repeats if repeat.waited is not None]
    return estimate(counted) | {
        "repeats": len(counted),
        "dropped": len(repeats) - len(counted),
        # All were: then all count, and this says so.
        "noisy": len(counted) == len(repeats) and sum(r.noisy for r in repeats) > 0,
        "waited": max(known, default=None),
        "seconds": counted,
    }


def ratio(above: Sequence[Repeat], below: Sequence[Repeat]) -> dict[str, float]:
    """How many times as long one way takes as another, paired by rounds in which both count.

    Example:
        >>> slow, quick = [Repeat(4.0, 0.0)] * 3, [Repeat(2.0, 0.0)] * 3
        >>> ratio(slow, quick)["median"]
        2.0
    """
    rounds = [
        (one.seconds / other.seconds, both and neither)
        for one, other, both, neither in zip(above, below, kept(above), kept(below), strict=True)
    ]
    counted = [value for value, counts in rounds if counts]
    return estimate(counted if len(counted) >= FEWEST else [value for value, _ in rounds])


def row(
    what: str,
    ours: str,
    found: Mapping[str, Sequence[Repeat]],
    compiling: Mapping[str, float],
    **more: Any,
) -> dict[str, Any]:
    """One row of a comparison, for JSON.

    Args:
        what: is compared.
        ours: the way of which the others' times are multiples.
        found: repeats by way.
        compiling: seconds to trace and compile by way; none where nothing is compiled.
        more: what else was measured.
    """
    run = {way: measured(repeats) for way, repeats in found.items()}
    whole = {way: compiling.get(way, 0.0) + run[way]["median"] for way in found}
    others = [way for way in found if way != ours]
    return {
        "what": what,
        "ours": ours,
        "compile": dict(compiling),
        "run": run,
        "speed_up": {way: ratio(found[way], found[ours]) for way in others},
        "speed_up_with_compiling": {way: whole[way] / whole[ours] for way in others},
    } | more


def compiled(
    function: Callable[..., Any], *args: Any, options: dict[str, Any] | None = None
) -> Ready:
    """Trace and compile a function of these arguments.

    Args:
        function: traceable.
        args: what it is called with.
        options: of XLA, for this program.

    Example:
        >>> compiled(lambda x: x + 1, jax.numpy.ones(())).run().item()
        2.0
    """
    began = time.perf_counter()
    program = jax.jit(function).lower(*args).compile(options)
    compiling = time.perf_counter() - began
    return Ready(lambda: jax.block_until_ready(program(*args)), compiling)


def compare(
    what: str, ours: str, ways: Mapping[str, Ready], seconds: float = 10.0, **more: Any
) -> dict[str, Any]:
    """The row of ways that are ready, timed in turn."""
    found = interleaved({way: ready.run for way, ready in ways.items()}, seconds)
    compiling = {way: ready.compile for way, ready in ways.items() if ready.compile}
    return row(what, ours, found, compiling, **more)
