"""`bench ensemble` and `bench compile`: theorems' trials in batches, and compiled with less effort.

They run as the command line runs them, with all the threads there are.
"""

from collections.abc import Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from experiments import effort
from experiments.bench.problems import Ready
from experiments.bench.proof import agree
from experiments.bench.timing import compare, compiled
from experiments.experiment import Progress
from experiments.results.catalog import select
from theory.ensemble import ensemble, footprint
from theory.theorem import Theorem, by_part, numbers_of, program, trial_keys

BATCHED = ("gradient-law", "trained-output", "universal-flip", "flip-scaling")
"""Theorems of different sizes, of `subspace`."""

COMPILED = (
    *("attribution.calibrated-agreement", "healing.exact-zeros", "subspace.any-descent"),
    *("unlearning.two-layer", "unlearning.linear"),
)
"""Theorems of all rooms."""

SHARE = 8
"""One in so many of a theorem's trials is run to compare the compiler's efforts."""


def in_batches(progress: Progress) -> list[dict[str, Any]]:
    """One member after another against batches, on the trials of theorems of different sizes."""
    rows = []
    for done, name in enumerate(BATCHED):
        progress(done / len(BATCHED), name)
        theorem: Theorem = select("theorem", (f"subspace.{name}",))[0].load()
        settings = theorem.presets["course"]
        keys = trial_keys(theorem, settings, 0, "theorem")
        member = partial(theorem.trial, settings)
        ready = {
            strategy: compiled(partial(ensemble, member, strategy=strategy), keys)
            for strategy in ("map", "vmap")
        }
        size = footprint(member, keys[0]) // 1024
        equal = {"largest_difference": agree(compared(ready))}
        rows.append(compare(f"{name}, {len(keys)} members of {size} kB", "vmap", ready, **equal))
    return rows


def by_effort(progress: Progress) -> list[dict[str, Any]]:
    """XLA's default against less effort, on eighths of the trials of theorems of all rooms."""
    rows = []
    for done, name in enumerate(COMPILED):
        progress(done / len(COMPILED), name)
        theorem: Theorem = select("theorem", (name,))[0].load()
        settings = theorem.presets["course"]
        settings = replace(settings, trials=settings.trials // SHARE)
        keys, numbers = trial_keys(theorem, settings, 0, "theorem"), numbers_of(theorem, "theorem")
        ready = {
            f"level {level}": compiled(
                program(theorem, settings), keys, numbers, options=effort.options(level)
            )
            for level in (3, 1, 0)
        }
        equal = {"largest_difference": agree(compared(ready))}
        rows.append(compare(f"{name}, {len(keys)} trials", "level 1", ready, **equal))
    return rows


def compared(ways: Mapping[str, Ready]) -> dict[str, Ready]:
    """What of the trials the ways must agree on: measured beside predicted, part by part.

    One array for both, since the measured part of an identity is nothing but rounding, which is
    compared with what it is predicted to stay below; margins of assumptions may be such too.
    """

    def numbers(ready: Ready) -> list[np.ndarray]:
        trial = ready.run()
        measured, predicted = by_part(trial.measured), by_part(trial.predicted)
        return [np.stack([measured[part], predicted[part]]) for part in measured]

    return {way: Ready(partial(numbers, ready)) for way, ready in ways.items()}
