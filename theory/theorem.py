"""A theorem is data plus one pure function; `verify` puts it on trial."""

import inspect
import time
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from typing import Any, Literal, NamedTuple

import jax
import numpy as np
from jaxtyping import Array, Bool, Float, Key

from theory.claims import AtLeast, AtMost, Claim, Counted, Identity, Judgement, Seen, Status
from theory.ensemble import ensemble
from theory.settings import Settings
from theory.statistics import ALPHA, sample_size

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


WHOLE = "statement"
"""The name of the only part of a statement that has no others."""


Number = float | Float[Array, ""]
"""A number of a trial, which its control may change without another program."""

Choice = bool | Bool[Array, ""]
"""A yes or no of a trial, likewise: what it chooses between is computed either way."""


class Trial(NamedTuple):
    """One independent trial.

    Attributes:
        measured: what came out, a scalar (a vector over sizes for a `Scaling`); a dict of such by
            part where the theorem has several.
        predicted: what the theorem compares it with, in the same form.
        assumptions: the margin by which each assumption holds, a scalar, negative where it is
            violated; or whether it holds.
        given: whether the event on which the statement is conditioned occurred. Trials without
            it are no trials of the statement: they are counted as skipped.
    """

    measured: Any
    predicted: Any
    assumptions: dict[str, Any]
    given: Bool[Array, ""] | bool = True


TrialFunction = Callable[[Any, Key[Array, ""]], Trial]


class Search(NamedTuple):
    """The scenes over which a claim must hold always.

    Attributes:
        settings: of the scenes, small enough to be searched.
        start: ``(settings, key) -> scene``, one random scene: a pytree of floating arrays, all of
            whose values near it are scenes too.
        trial: ``(settings, scene) -> Trial``: what the theorem says of one scene, with the
            margins of its assumptions.
        check: ``(settings, scene) -> Trial`` of NumPy numbers, computed again in NumPy.
    """

    settings: Any
    start: Callable[[Any, Key[Array, ""]], Any]
    trial: Callable[[Any, Any], Trial]
    check: Callable[[Any, Any], Trial]


@dataclass(frozen=True)
class Control:
    """A negative control: the same claim with one assumption broken, which must be falsified.

    It counts only where exactly one measured assumption is missed in its trials, and where the
    theorem's own trials do not falsify the claim already.

    Attributes:
        name: what is broken.
        trial: the broken trial; the theorem's own when None.
        settings: the changes to the theorem's settings.
        numbers: the changes to the numbers and choices that the trial takes after settings and key.
            Both arms then are one program, traced and compiled once.
    """

    name: str
    trial: TrialFunction | None = None
    settings: Mapping[str, Any] = field(default_factory=dict)
    numbers: Mapping[str, float | bool] = field(default_factory=dict)

    def __post_init__(self):
        if self.numbers and (self.trial is not None or self.settings):
            raise ValueError(f"{self.name!r} changes numbers of the trial, and something else too")


def _presets() -> dict[Preset, Settings]:
    """Trials enough for a δ of .05, .01 and .005 where a tenth of it is the true rate."""
    deltas: dict[Preset, float] = {"smoke": 0.05, "course": 0.01, "paper": 0.005}
    return {
        name: Settings(trials=sample_size(delta, delta / 10).trials)
        for name, delta in deltas.items()
    }


@dataclass(frozen=True)
class Theorem:
    """A statement with everything needed to put it on trial.

    Attributes:
        name: ``system.name``.
        statement: the claim in one line of mathematics; the conditions of its parts where it has
            several, which say the rest themselves.
        label: its name in the paper.
        provenance: ``paper`` (seen in the source), ``recalled`` (form right, constants
            unconfirmed) or ``derived`` (proved in the docstring of its module).
        claim: how measured and predicted compare; several, by the names of the parts of the
            statement, where there are several inequalities.
        presets: settings by preset; where a lemma needs none, trials alone: as many as verify a
            δ of .05, .01 and .005 that is ten times the true rate.
        trial: ``(settings, key) -> Trial``, pure and traceable.
        control: the negative control.
        paper: where it is stated; the paper of its room when None.
        expects: statuses by preset, where they are not those of a true claim.
        search: where the claim must hold always, the scenes in which `theory.worst` looks for its
            worst case.
    """

    name: str
    statement: str
    claim: Claim | Mapping[str, Claim]
    trial: TrialFunction
    control: Control
    presets: Mapping[Preset, Any] = field(default_factory=_presets)
    label: str = "own"
    provenance: Provenance = "derived"
    paper: Paper | None = None
    expects: Mapping[Preset, Status] = field(default_factory=dict)
    search: Search | None = None

    @property
    def parts(self) -> Mapping[str, Claim]:
        """The claims by part, one called `WHOLE` where the statement has no parts."""
        return self.claim if isinstance(self.claim, Mapping) else {WHOLE: self.claim}


class Trials(NamedTuple):
    """All trials of one arm as NumPy arrays, first axis the trial, and what they cost.

    Attributes:
        measured, predicted: by part, each of shape (n,), or (n, sizes).
        assumptions: margins by name, each of shape (n,).
        given: shape (n,).
        seconds: wall time of ``trace``, ``compile`` and ``run``.
    """

    measured: dict[str, np.ndarray]
    predicted: dict[str, np.ndarray]
    assumptions: dict[str, np.ndarray]
    given: np.ndarray
    seconds: dict[str, float]


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


class Part(NamedTuple):
    """What the trials say of one part of a statement.

    Attributes:
        name: of the part.
        claim: what it claims.
        judgement: counts, bounds and fits.
        seen: what is false by this much would have shown.
        tightness: measured / predicted; None where no trial has a finite ratio.
        vacuous: the bound holds by a factor of a million or more in the median trial.
    """

    name: str
    claim: Claim
    judgement: Judgement
    seen: Seen
    tightness: Tightness | None
    vacuous: bool


@dataclass(frozen=True)
class Verdict:
    """The outcome of a theorem's trials.

    Attributes:
        theorem: name.
        status: one of the five statuses: that of the worst part, where assumptions are met.
        trials: trials that count.
        skipped: trials in which the conditioning event did not occur.
        violations: trials that violate any part; None for laws and scalings.
        parts: what the trials say of each part; none where no trial counts.
        alpha: level.
        precision: dtype of the numbers compared.
        assumptions: each with its smallest margin.
        control: the control's name.
        broken: the assumptions that the control's trials miss.
        detected: whether the control was falsified, not by a NaN, with one assumption missed. None
            where the theorem's own trials are falsified or not applicable: then it says nothing.
        seconds: time to trace, to compile and to run, both arms.
    """

    theorem: str
    status: Status
    trials: int
    skipped: int
    violations: int | None
    parts: tuple[Part, ...]
    alpha: float
    precision: str
    assumptions: tuple[Assumption, ...]
    control: str
    broken: tuple[str, ...]
    detected: bool | None
    seconds: dict[str, float]

    def _repr_html_(self) -> str:
        from theory.display import card

        return card(self)


def arm_settings(theorem: Theorem, settings: Any, arm: Arm) -> Any:
    """The settings of one arm: the control's are the theorem's with its changes."""
    return replace(settings, **theorem.control.settings) if arm == "control" else settings


def numbers_of(theorem: Theorem, arm: Arm) -> dict[str, float | bool]:
    """The numbers in which a control differs, as one arm has them."""
    changed = theorem.control.numbers
    if arm == "control":
        return dict(changed)
    taken = inspect.signature(theorem.trial).parameters
    if not set(changed) <= set(taken):
        raise ValueError(f"{theorem.name}: the control changes {[*changed]}, which no trial takes.")
    return {name: taken[name].default for name in changed}


def program(theorem: Theorem, settings: Any, arm: Arm = "theorem") -> jax.stages.Wrapped:
    """The jitted program (keys, numbers) -> `Trial` of one arm, all trials in it."""
    trial = theorem.trial if arm == "theorem" else theorem.control.trial or theorem.trial
    trial = partial(trial, arm_settings(theorem, settings, arm))
    return jax.jit(lambda keys, numbers: ensemble(lambda key: trial(key, **numbers), keys))


def preset_of(theorem: Theorem, settings: Any) -> str | None:
    """The preset that has these settings, if one has.

    Example:
        >>> from theory.subspace.theorems.gradient_law import theorem
        >>> preset_of(theorem, theorem.presets["course"])
        'course'
    """
    return next((name for name, its in theorem.presets.items() if its == settings), None)


def trial_keys(theorem: Theorem, settings: Any, seed: int, arm: Arm) -> Key[Array, " n"]:
    """One key per trial, different for every theorem, arm and seed."""
    key = jax.random.fold_in(jax.random.key(seed), zlib.crc32(f"{theorem.name} {arm}".encode()))
    return jax.random.split(key, settings.trials)


class Compiled(NamedTuple):
    """A program ready to run, and what that took.

    Attributes:
        call: (keys, numbers) -> `Trial`.
        seconds: wall time of ``trace`` and ``compile``.
    """

    call: jax.stages.Compiled
    seconds: dict[str, float]


PHASES = ("trace", "compile", "run")
"""What the time of an arm goes into."""


def traced(
    theorem: Theorem, settings: Any, arm: Arm = "theorem"
) -> tuple[jax.stages.Lowered, float]:
    """The program of one arm, of both where they differ in numbers only, and the seconds it took.

    Raises:
        ValueError: a trial gives other parts than the theorem claims, or other shapes.
    """
    start = time.perf_counter()
    keys = trial_keys(theorem, settings, 0, arm)
    lowered = program(theorem, settings, arm).lower(keys, numbers_of(theorem, arm))
    _check(theorem, settings, lowered.out_info)
    return lowered, time.perf_counter() - start


def compiled(theorem: Theorem, settings: Any, arm: Arm = "theorem") -> Compiled:
    """Trace and compile the program of one arm: of both where they differ in numbers only.

    Raises:
        ValueError: as of `traced`.
    """
    lowered, tracing = traced(theorem, settings, arm)
    start = time.perf_counter()
    call = lowered.compile()
    return Compiled(call, {"trace": tracing, "compile": time.perf_counter() - start})


def arms_by_program(theorem: Theorem) -> tuple[tuple[Arm, ...], ...]:
    """The arms that share a program."""
    return (("theorem", "control"),) if theorem.control.numbers else (("theorem",), ("control",))


def simulate(
    theorem: Theorem,
    settings: Any,
    seed: int = 0,
    arm: Arm = "theorem",
    ready: Compiled | None = None,
) -> Trials:
    """Run all trials of one arm.

    Args:
        theorem: the theorem.
        settings: its settings, also where the arm is the control.
        seed: every trial's key derives from it.
        arm: which trials.
        ready: the arm's program where it is compiled already.

    Raises:
        ValueError: as of `traced`.
    """
    ready = ready or compiled(theorem, settings, arm)
    keys = trial_keys(theorem, settings, seed, arm)
    start = time.perf_counter()
    trial = jax.device_get(ready.call(keys, numbers_of(theorem, arm)))
    return Trials(
        by_part(trial.measured),
        by_part(trial.predicted),
        {name: as_margin(values) for name, values in trial.assumptions.items()},
        np.broadcast_to(trial.given, keys.shape),
        ready.seconds | {"run": time.perf_counter() - start},
    )


def by_part(numbers: Any) -> dict[str, Any]:
    """Numbers of a `Trial` by part: the only one is called `WHOLE`."""
    return numbers if isinstance(numbers, dict) else {WHOLE: numbers}


def as_margin(values: Any) -> Any:
    """An assumption's margin as it is; a yes or no as one: 0, which just holds, or −1.

    Example:
        >>> as_margin(np.array([True, False])).tolist(), as_margin(np.array(0.5)).item()
        ([0.0, -1.0], 0.5)
    """
    return values - 1.0 if values.dtype == bool else values


def _check(theorem: Theorem, settings: Any, trial: Any) -> None:
    """Refuse trials that could not be judged, before they are run."""
    for what, numbers in (
        ("measured", by_part(trial.measured)),
        ("predicted", by_part(trial.predicted)),
    ):
        if set(numbers) != set(theorem.parts):
            raise ValueError(
                f"{theorem.name} claims {', '.join(theorem.parts)}, and a trial's {what} has "
                f"{', '.join(numbers)}: give one number for each part."
            )
        for name, claim in theorem.parts.items():
            shape = numbers[name].shape[1:]
            wanted = (len(settings.sizes),) if claim.over_sizes else ()
            if shape != wanted:
                raise ValueError(
                    f"{theorem.name}, {name}: a trial's {what} has shape {shape} and must have "
                    f"{wanted}, one number for each {'size' if wanted else 'trial'}."
                )
    for name, margin in trial.assumptions.items():
        if margin.shape[1:]:
            raise ValueError(
                f"{theorem.name}: the margin of {name!r} has shape {margin.shape[1:]} and must "
                "be one number for each trial, the smallest."
            )


def check_level(alpha: float) -> None:
    """Refuse a level that is not between 0 and 1.

    Raises:
        ValueError: otherwise.

    Example:
        >>> check_level(5.0)
        Traceback (most recent call last):
        ValueError: alpha is 5.0 and must be between 0 and 1
    """
    if not 0 < alpha < 1:
        raise ValueError(f"alpha is {alpha} and must be between 0 and 1")


def judge(
    theorem: Theorem, settings: Any, trials: Trials, control: Trials, alpha: float = ALPHA
) -> Verdict:
    """The verdict on stored trials.

    Raises:
        ValueError: alpha is no level.
    """
    check_level(alpha)
    parts, broken_parts = (_judge_arm(theorem, settings, arm, alpha) for arm in (trials, control))
    assumptions = _worst(theorem, settings, trials)
    status = _together(parts)
    if not all(assumption.holds for assumption in assumptions):
        status = "not applicable"
    missed = tuple(a.name for a in _worst(theorem, settings, control) if not a.holds)
    detected = _together(broken_parts) == "falsified" and not _has_nan(control) and len(missed) == 1
    violated = [
        part.claim.violated(trials.measured[part.name], trials.predicted[part.name])[trials.given]
        for part in parts
        if isinstance(part.claim, Counted)
    ]
    return Verdict(
        theorem=theorem.name,
        status=status,
        trials=int(trials.given.sum()),
        skipped=int((~trials.given).sum()),
        violations=int(np.any(violated, axis=0).sum()) if violated else None,
        parts=parts,
        alpha=alpha,
        precision=_precision(trials),
        assumptions=assumptions,
        control=theorem.control.name,
        broken=missed,
        detected=None if status in ("falsified", "not applicable") else detected,
        seconds={phase: trials.seconds[phase] + control.seconds[phase] for phase in PHASES},
    )


def expected(
    theorem: Theorem, settings: Any, preset: Preset, precision: str, alpha=ALPHA
) -> Status:
    """The status that a verdict should have: as declared, or that of a claim that is true.

    Args:
        theorem: the theorem.
        settings: their trials decide what a true claim attains.
        preset: the preset in which a status may be declared.
        precision: of the trials; a claim that rounding decides is not applicable in single.
        alpha: level of the verdict.

    Example:
        >>> from theory.subspace.theorems import large_gradient
        >>> theorem = large_gradient.theorem
        >>> expected(theorem, theorem.presets["course"], "course", "float64")
        'verified'
    """
    if precision != "float64" and _exact(theorem, settings):
        return "not applicable"
    if preset in theorem.expects:
        return theorem.expects[preset]
    attained = {c.attained(settings, settings.trials, alpha) for c in theorem.parts.values()}
    return next(status for status in ORDER if status in attained)


ORDER: tuple[Status, ...] = (
    "not applicable", "falsified", "inconclusive", "consistent", "verified",
)  # fmt: skip
"""Statuses, the one that decides for all parts first."""


def _together(parts: tuple[Part, ...]) -> Status:
    """The status of a statement from those of its parts."""
    statuses = {part.judgement.status for part in parts} or {"not applicable"}
    return next(status for status in ORDER if status in statuses)


def _judge_arm(theorem: Theorem, settings: Any, trials: Trials, alpha: float) -> tuple[Part, ...]:
    if not trials.given.any():
        return ()
    found = []
    for name, claim in theorem.parts.items():
        measured, predicted = (
            trials.measured[name][trials.given],
            trials.predicted[name][trials.given],
        )
        judgement = claim.judge(measured, predicted, settings, alpha, len(theorem.parts))
        seen = claim.seen(measured, settings, alpha, len(theorem.parts))
        tightness = _tightness(claim, measured, predicted)
        vacuous = tightness is not None and (
            (isinstance(claim, AtMost) and tightness.median < 1e-6)
            or (isinstance(claim, AtLeast) and tightness.median > 1e6)
        )
        found.append(Part(name, claim, judgement, seen, tightness, vacuous))
    return tuple(found)


def _exact(theorem: Theorem, settings: Any) -> bool:
    """Whether rounding decides a part: it claims what no probability excuses."""
    return any(
        isinstance(claim, Counted) and claim.failure(settings) == 0
        for claim in theorem.parts.values()
    )


def _precision(trials: Trials) -> str:
    return str(next(iter(trials.measured.values())).dtype)


DOUBLE = "double precision, where rounding decides"


def _worst(theorem: Theorem, settings: Any, trials: Trials) -> tuple[Assumption, ...]:
    """Every assumption with its smallest margin, a NaN counting as −1; none without trials."""
    if not trials.given.any():
        return ()
    worst = {
        name: float(np.nan_to_num(margins[trials.given], nan=-1.0).min())
        for name, margins in trials.assumptions.items()
    }
    bits = np.finfo(_precision(trials)).nmant - np.finfo(np.float64).nmant
    if bits and _exact(theorem, settings):
        worst[DOUBLE] = float(bits)
    return tuple(Assumption(name, margin >= 0, margin) for name, margin in worst.items())


def _has_nan(trials: Trials) -> bool:
    """Whether a trial that counts came out as NaN: then it detects nothing, it only broke."""
    numbers = *trials.measured.values(), *trials.predicted.values()
    return any(np.isnan(array[trials.given]).any() for array in numbers)


def _tightness(claim: Claim, measured: np.ndarray, predicted: np.ndarray) -> Tightness | None:
    """measured / predicted of every trial that has a finite ratio."""
    if isinstance(claim, Identity):
        predicted = claim.ulps * np.finfo(predicted.dtype).eps * predicted
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = measured / predicted
    ratio = ratio[np.isfinite(ratio)]
    if not ratio.size:
        return None
    return Tightness(*map(float, (ratio.min(), np.median(ratio), ratio.max())))


def verify(theorem: Theorem, settings: Any, seed: int = 0, alpha: float = ALPHA) -> Verdict:
    """Put a theorem on trial: run it and its control, and judge.

    Args:
        theorem: the theorem.
        settings: usually one of ``theorem.presets``.
        seed: every trial's key derives from it.
        alpha: level of the verdict.

    Raises:
        ValueError: alpha is no level, and as of the trials.

    Example:
        >>> from theory.subspace.theorems import large_gradient
        >>> theorem = large_gradient.theorem
        >>> verify(theorem, theorem.presets["smoke"]).detected
        True
    """
    check_level(alpha)
    trials, control = (simulate(theorem, settings, seed, arm) for arm in ("theorem", "control"))
    return judge(theorem, settings, trials, control, alpha)
