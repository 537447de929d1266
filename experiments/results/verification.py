"""`verify`: the verdicts on trials, as JSON."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

from experiments.experiment import Progress
from experiments.results import store, trials, worst
from experiments.results.catalog import Entry
from experiments.results.standing import folder
from theory import display
from theory.claims import AtLeast
from theory.theorem import (
    Arm,
    Part,
    Preset,
    Theorem,
    Trials,
    Verdict,
    expected,
    judge,
)


def verify_all(
    chosen: list[Entry],
    preset: Preset,
    seed: int,
    out: Path,
    progress: Progress,
    show: Callable[[dict[str, Any]], None] = lambda verdict: None,
) -> list[dict[str, Any]]:
    """Put theorems on trial, as many programs at once as there are cores.

    Every arm's trials are stored as soon as they are done, and every verdict is written to
    ``out/verdicts/PRESET-SEED/NAME.json``.

    Args:
        chosen: the theorems.
        preset: of their settings.
        seed: every trial's key derives from it.
        out: folder of results.
        progress: told of every program that is done, from any thread.
        show: called with each verdict, in the order of the theorems, as soon as it and those
            before it are there.

    Returns:
        The verdicts as JSON objects.
    """
    store.open_folder(out)
    programs = [trials.programs(entry, preset, seed, out) for entry in chosen]
    verdicts, arms = [], trials.run_all(sum(programs, []), out, progress)
    for entry, theirs in zip(chosen, programs, strict=True):
        found = dict(next(arms) for program in theirs for _ in program.paths)
        verdicts.append(_judged(entry, entry.load(), found, preset, seed, out))
        show(verdicts[-1])
    return verdicts


def _judged(
    entry: Entry, theorem: Theorem, arms: dict[Arm, Trials], preset: Preset, seed: int, out: Path
) -> dict[str, Any]:
    """The verdict as a JSON object, written to its file too."""
    settings = theorem.presets[preset]
    verdict = judge(theorem, settings, arms["theorem"], arms["control"])
    found = {part: worst.known(entry, theorem, seed, out, part) for part in theorem.parts}
    searched = {part: case for part, case in found.items() if case is not None}
    shown = verdict_json(entry, theorem, verdict, settings, preset, seed, searched)
    path = folder(preset, seed, out) / f"{entry.name}.json"
    store.write_atomically(path, store.to_json(shown))
    return shown


def verdict_json(
    entry: Entry,
    theorem: Theorem,
    verdict: Verdict,
    settings: Any,
    preset: Preset,
    seed: int,
    searched: dict[str, dict[str, Any]],
) -> dict[str, Any]:
    """A verdict by the contract of `verify --json`.

    A counter-example that a search found before falsifies, whatever random trials say.
    """
    parts = [_part_json(theorem, part, searched.get(part.name)) for part in verdict.parts]
    refuted = any(found["violated"] for found in searched.values())
    deltas = [part["delta"] for part in parts if part["delta"] is not None]
    bounds = [part["violation_bound"] for part in parts if part["violation_bound"] is not None]
    kinds = dict.fromkeys(type(claim).__name__ for claim in theorem.parts.values())
    shown = {
        "theorem": theorem.name,
        "system": entry.system,
        "statement": theorem.statement,
        "source": entry.source,
        "claim": {"kind": ", ".join(kinds), "delta": max(deltas, default=None)},
        "status": "falsified" if refuted else verdict.status,
        "expected": expected(theorem, settings, preset, verdict.precision),
        "parts": parts,
        "trials": verdict.trials,
        "skipped": verdict.skipped,
        "violations": verdict.violations,
        "violation_bound": max(bounds, default=None),
        "alpha": verdict.alpha,
        "tightness": max(verdict.parts, key=_nearness).tightness if parts else None,
        "assumptions": verdict.assumptions,
        "control": {
            "name": verdict.control,
            "breaks": verdict.broken,
            "detected": verdict.detected,
        },
        "settings": settings,
        "preset": preset,
        "seed": seed,
        "seconds": verdict.seconds,
        "precision": verdict.precision,
        "environment": store.environment(),
    }
    return store.jsonable(shown)


def _nearness(part: Part) -> float:
    """How near a part comes to failing: of several, the nearest gives a verdict's tightness."""
    if part.tightness is None:
        return -math.inf
    least = max(part.tightness.min, 1e-300)
    return 1 / least if isinstance(part.claim, AtLeast) else part.tightness.max


def _part_json(theorem: Theorem, part: Part, found: dict[str, Any] | None) -> dict[str, Any]:
    shown = display.part_facts(part) | {"statement": part.claim.says or theorem.statement}
    if found is None:
        return shown
    keys = ("ratio", "violated", "seconds", "generations")
    says = worst.words(found | {"random_max": worst.largest(shown)})
    case = {key: found[key] for key in keys} | {"says": says}
    return shown | {"worst": case} | ({"status": "falsified"} if found["violated"] else {})
