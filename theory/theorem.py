"""A theorem is data plus one pure function; `verify` puts it on trial."""

import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Key

from theory.claims import AtLeast, AtMost, Claim, Identity, Judgement, Status
from theory.ensemble import ensemble
from theory.statistics import ALPHA

Provenance = Literal["paper", "recalled", "derived"]
Preset = Literal["smoke", "course", "paper"]
Arm = Literal["theorem", "control"]


class Paper(NamedTuple):
    """A paper that states theorems.

    Attributes:
        key: citation key, as in CITATION.cff and the README.
        arxiv: its arXiv number.
        title: as published.
    """

    key: str
    arxiv: str
    title: str


class Trial(NamedTuple):
    """One independent trial.

    Attributes:
        measured: what came out, a scalar, or a vector over sizes for a `Scaling`.
        predicted: what the theorem compares it with, in the same shape.
        assumptions: the margin by which each assumption holds; negative where it is violated.
        given: whether the event on which the statement is conditioned occurred. Trials without
            it are no trials of the statement: they are counted as skipped.
    """

    measured: Float[Array, "*sizes"]
    predicted: Float[Array, "*sizes"]
    assumptions: dict[str, Float[Array, ""]]
    given: Bool[Array, ""] | bool = True


TrialFunction = Callable[[Any, Key[Array, ""]], Trial]


@dataclass(frozen=True)
class Control:
    """A negative control: the same claim with one assumption broken, which must be falsified.

    Attributes:
        name: what is broken.
        trial: the broken trial; the theorem's own when None.
        settings: the changes to the theorem's settings.
    """

    name: str
    trial: TrialFunction | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Theorem:
    """A statement with everything needed to put it on trial.

    Attributes:
        name: ``system.name``.
        statement: the claim in one line of mathematics.
        label: its name in the paper.
        provenance: ``paper`` (seen in the source), ``recalled`` (form right, constants
            unconfirmed) or ``derived`` (proved in the docstring of its module).
        claim: how measured and predicted compare.
        presets: settings by preset.
        trial: ``(settings, key) -> Trial``, pure and traceable.
        control: the negative control.
        paper: where it is stated; the paper of its room when None.
    """

    name: str
    statement: str
    label: str
    provenance: Provenance
    claim: Claim
    presets: Mapping[Preset, Any]
    trial: TrialFunction
    control: Control
    paper: Paper | None = None


class Trials(NamedTuple):
    """All trials of one arm as NumPy arrays, first axis the trial, and what they cost.

    Attributes:
        measured, predicted: shape (n,), or (n, sizes).
        assumptions: margins by name, each of shape (n,).
        given: shape (n,).
        compile_seconds, run_seconds: wall time.
    """

    measured: np.ndarray
    predicted: np.ndarray
    assumptions: dict[str, np.ndarray]
    given: np.ndarray
    compile_seconds: float
    run_seconds: float


class Assumption(NamedTuple):
    """A measured assumption: the smallest margin over the trials, and whether it is met."""

    name: str
    holds: bool
    margin: float


class Tightness(NamedTuple):
    """measured / predicted over the trials (for an identity: over its tolerance)."""

    min: float
    median: float
    max: float


@dataclass(frozen=True)
class Verdict:
    """The outcome of a theorem's trials.

    Attributes:
        theorem: name.
        status: one of the five statuses.
        trials: trials that count.
        skipped: trials in which the conditioning event did not occur.
        judgement: counts, bounds and fits behind the status.
        alpha: level.
        tightness: measured / predicted; None where no trial has a finite ratio.
        vacuous: the bound holds by a factor of a million or more in the median trial.
        assumptions: each with its smallest margin.
        control: the control's name.
        detected: whether the control was falsified, and not by a NaN.
        seconds: compile and run time, both arms.
    """

    theorem: str
    status: Status
    trials: int
    skipped: int
    judgement: Judgement
    alpha: float
    tightness: Tightness | None
    vacuous: bool
    assumptions: tuple[Assumption, ...]
    control: str
    detected: bool
    seconds: dict[str, float]


def arm_settings(theorem: Theorem, settings: Any, arm: Arm) -> Any:
    """The settings of one arm: the control's are the theorem's with its changes."""
    return replace(settings, **theorem.control.settings) if arm == "control" else settings


def program(theorem: Theorem, settings: Any, arm: Arm = "theorem") -> jax.stages.Wrapped:
    """The jitted program keys -> `Trial` of one arm, all trials in it."""
    trial = theorem.trial if arm == "theorem" else theorem.control.trial or theorem.trial
    trial = partial(trial, arm_settings(theorem, settings, arm))
    return jax.jit(lambda keys: ensemble(trial, keys))


def trial_keys(theorem: Theorem, settings: Any, seed: int, arm: Arm) -> Key[Array, " n"]:
    """One key per trial, different for every theorem, arm and seed."""
    key = jax.random.fold_in(jax.random.key(seed), zlib.crc32(f"{theorem.name} {arm}".encode()))
    return jax.random.split(key, settings.trials)


def simulate(theorem: Theorem, settings: Any, seed: int = 0, arm: Arm = "theorem") -> Trials:
    """Run all trials of one arm."""
    keys = trial_keys(theorem, settings, seed, arm)
    start = time.perf_counter()
    compiled = program(theorem, settings, arm).lower(keys).compile()
    ready = time.perf_counter()
    trial = jax.device_get(compiled(keys))
    end = time.perf_counter()
    given = np.broadcast_to(trial.given, keys.shape)
    return Trials(
        trial.measured, trial.predicted, trial.assumptions, given, ready - start, end - ready
    )


def judge(
    theorem: Theorem, settings: Any, trials: Trials, control: Trials, alpha: float = ALPHA
) -> Verdict:
    """The verdict on stored trials."""
    judgement = _judge_arm(theorem, settings, trials, alpha)
    broken = _judge_arm(theorem, settings, control, alpha)
    assumptions = tuple(
        Assumption(name, bool(worst >= 0), float(worst))
        for name, margins in trials.assumptions.items()
        if (worst := _worst(margins[trials.given])) is not None
    )
    status = judgement.status
    if not all(assumption.holds for assumption in assumptions):
        status = "not applicable"
    ratio = _ratios(theorem, trials)
    tightness = (
        Tightness(*map(float, (ratio.min(), np.median(ratio), ratio.max()))) if ratio.size else None
    )
    vacuous = tightness is not None and (
        (isinstance(theorem.claim, AtMost) and tightness.median < 1e-6)
        or (isinstance(theorem.claim, AtLeast) and tightness.median > 1e6)
    )
    return Verdict(
        theorem=theorem.name,
        status=status,
        trials=int(trials.given.sum()),
        skipped=int((~trials.given).sum()),
        judgement=judgement,
        alpha=alpha,
        tightness=tightness,
        vacuous=vacuous,
        assumptions=assumptions,
        control=theorem.control.name,
        detected=broken.status == "falsified" and not _has_nan(control),
        seconds={
            "compile": trials.compile_seconds + control.compile_seconds,
            "run": trials.run_seconds + control.run_seconds,
        },
    )


def _judge_arm(theorem: Theorem, settings: Any, trials: Trials, alpha: float) -> Judgement:
    if not trials.given.any():
        return Judgement("not applicable", None, None, None, {})
    measured, predicted = trials.measured[trials.given], trials.predicted[trials.given]
    return theorem.claim.judge(measured, predicted, settings, alpha)


def _has_nan(trials: Trials) -> bool:
    """Whether a trial that counts came out as NaN: then it detects nothing, it only broke."""
    numbers = trials.measured[trials.given], trials.predicted[trials.given]
    return any(np.isnan(array).any() for array in numbers)


def _worst(margins: np.ndarray) -> float | None:
    """The smallest margin, a NaN counting as −1; None where there is no trial."""
    return np.nan_to_num(margins, nan=-1.0).min() if margins.size else None


def _ratios(theorem: Theorem, trials: Trials) -> np.ndarray:
    """measured / predicted of every trial that counts and has a finite ratio."""
    measured, predicted = trials.measured[trials.given], trials.predicted[trials.given]
    if isinstance(theorem.claim, Identity):
        predicted = theorem.claim.ulps * np.finfo(predicted.dtype).eps * predicted
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = measured / predicted
    return ratio[np.isfinite(ratio)]


def verify(theorem: Theorem, settings: Any, seed: int = 0, alpha: float = ALPHA) -> Verdict:
    """Put a theorem on trial: run it and its control, and judge.

    Args:
        theorem: the theorem.
        settings: usually one of ``theorem.presets``.
        seed: every trial's key derives from it.
        alpha: level of the verdict.

    Example:
        >>> from theory.subspace.theorems import large_gradient
        >>> theorem = large_gradient.theorem
        >>> verify(theorem, theorem.presets["smoke"]).detected
        True
    """
    trials, control = (simulate(theorem, settings, seed, arm) for arm in ("theorem", "control"))
    return judge(theorem, settings, trials, control, alpha)
