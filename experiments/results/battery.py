"""The tests that every theorem passes: those of the house, and a user's by `relu-theory check`."""

from collections.abc import Callable
from typing import NamedTuple, get_args

import jax
import jax.export
import numpy as np

from experiments.results import executables
from experiments.results.catalog import Entry
from theory.claims import AtLeast, AtMost
from theory.statistics import sample_size
from theory.theorem import (
    Arm,
    Preset,
    Theorem,
    arms_by_program,
    expected,
    numbers_of,
    program,
    simulate,
    traced,
    trial_keys,
    verify,
)


class Check(NamedTuple):
    """What is asked of a theorem.

    Attributes:
        says: what is true where it holds.
        problem: ``(entry, theorem) ->`` a sentence about what is wrong; None where nothing is.
    """

    says: str
    problem: Callable[[Entry, Theorem], str | None]


def undocumented(entry: Entry, theorem: Theorem) -> str | None:
    """Whether the file says and proves nothing."""
    return (
        None if len(entry.document) > 80 else "its docstring is to hold the result and the proof."
    )


def untraceable(entry: Entry, theorem: Theorem) -> str | None:
    """Whether some arm has no program at some preset, or one that gives other shapes."""
    for preset in get_args(Preset):
        for arms in arms_by_program(theorem):
            traced(theorem, theorem.presets[preset], arms[0])
    return None


def unmeasured(entry: Entry, theorem: Theorem) -> str | None:
    """Whether trials measure no assumption: then no control can break one."""
    settings = theorem.presets["smoke"]
    trial = jax.eval_shape(lambda key: theorem.trial(settings, key), jax.random.key(0))
    return None if trial.assumptions else "its trials measure no assumption."


def too_few(entry: Entry, theorem: Theorem) -> str | None:
    """Whether a true claim is not verified at course or paper for want of trials."""
    for preset in ("course", "paper"):
        settings = theorem.presets[preset]
        status = expected(theorem, settings, preset, "float64")
        if status == "inconclusive" and preset not in theorem.expects:
            least = min(
                float(claim.failure(settings))
                for claim in theorem.parts.values()
                if isinstance(claim, AtLeast | AtMost) and claim.failure(settings) > 0
            )
            needed = sample_size(least).trials
            return f"{preset} has {settings.trials} trials; δ = {least:.3g} takes {needed}."
    return None


def not_portable(entry: Entry, theorem: Theorem) -> str | None:
    """Whether it does not lower for CPU, GPU and TPU, or calls LAPACK there."""
    settings = theorem.presets["smoke"]
    for arm in get_args(Arm):
        keys = trial_keys(theorem, settings, 0, arm)
        export = jax.export.export(program(theorem, settings, arm), platforms=PLATFORMS)
        exported = export(keys, numbers_of(theorem, arm))
        # Calls of LAPACK wait for each other where several programs or devices make them at once.
        if executables.LAPACK in exported.mlir_module():
            return f"the {arm}'s trials call LAPACK, one program at a time and on a CPU only."
    return None


PLATFORMS = ["cpu", "cuda", "tpu"]


def not_repeatable(entry: Entry, theorem: Theorem) -> str | None:
    """Whether the same keys give other numbers."""
    settings = theorem.presets["smoke"]
    one, again = (simulate(theorem, settings, 0) for _ in range(2))
    for name, values in one.measured.items():
        if not np.array_equal(values, again.measured[name], equal_nan=True):
            return f"the same keys gave other numbers for {name!r}."
    return None


def unexpected(entry: Entry, theorem: Theorem) -> str | None:
    """Whether some of three seeds at smoke gives an unexpected verdict, or misses the control."""
    settings = theorem.presets["smoke"]
    for seed in range(3):
        verdict = verify(theorem, settings, seed)
        right = expected(theorem, settings, "smoke", verdict.precision)
        if verdict.status != right:
            return f"at smoke with seed {seed} it is {verdict.status}, and {right} is expected."
        if verdict.detected is False:
            broken = "; ".join(verdict.broken) or "no measured assumption"
            return (
                f"with seed {seed} the control {verdict.control!r} was not detected: it breaks "
                f"{broken}, and counts where it breaks exactly one and the claim is then false."
            )
    return None


QUICK = (
    Check("its file says the result and proves it", undocumented),
    Check("both arms are one program each, of the right shapes, at every preset", untraceable),
    Check("its assumptions are measured", unmeasured),
    Check("course and paper have the trials that its δ takes", too_few),
)

SLOW = (
    Check("it runs on CPU, GPU and TPU", not_portable),
    Check("the same seed gives the same numbers", not_repeatable),
    Check("three seeds give the expected verdict, and the control is detected", unexpected),
)
