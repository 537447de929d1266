"""`verify`: trials from the store or run now, verdicts as JSON and as a table."""

import math
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, get_args

import numpy as np
from rich.table import Table

from experiments.experiment import Progress
from experiments.results import store, worst
from experiments.results.catalog import Entry
from experiments.results.closure import code_digest
from theory.claims import AtLeast
from theory.theorem import (
    Arm,
    Part,
    Preset,
    Theorem,
    Trials,
    Verdict,
    arm_settings,
    expected,
    judge,
    simulate,
)

COLOURS = {
    "verified": "green",
    "consistent": "green",
    "falsified": "bold red",
    "inconclusive": "yellow",
    "not applicable": "blue",
}


def verify_all(
    chosen: list[Entry], preset: Preset, seed: int, out: Path, progress: Progress
) -> list[dict[str, Any]]:
    """Put theorems on trial, one after another, and give their verdicts as JSON objects.

    Every arm's trials are stored as soon as they are done, and every verdict is written to
    ``out/verdicts/PRESET-SEED/NAME.json``.
    """
    store.open_folder(out)
    verdicts = []
    for done, entry in enumerate(chosen):
        progress(done / len(chosen), entry.name)
        theorem: Theorem = entry.load()
        settings = theorem.presets[preset]
        run_arm = partial(_trials, code_digest(entry), theorem, settings, seed, out)
        # Compiling is most of the time and takes one core, so both arms compile at once.
        with ThreadPoolExecutor() as pool:
            trials, control = pool.map(run_arm, get_args(Arm))
        verdict = judge(theorem, settings, trials, control)
        found = {part: worst.known(entry, theorem, seed, out, part) for part in theorem.parts}
        searched = {part: case for part, case in found.items() if case is not None}
        verdicts.append(verdict_json(entry, theorem, verdict, settings, preset, seed, searched))
        path = out / "verdicts" / f"{preset}-{seed}" / f"{entry.name}.json"
        store.write_atomically(path, store.to_json(verdicts[-1]))
    return verdicts


def _trials(code: str, theorem: Theorem, settings: Any, seed: int, out: Path, arm: Arm) -> Trials:
    """One arm's trials, from the store if they are there."""
    used = arm_settings(theorem, settings, arm)
    key = store.result_key(theorem.name, code, used, seed, arm=arm)
    path = out / "trials" / theorem.name / f"{arm}-{key}.npz"
    stored = store.load(path)
    if stored is None:
        trials = simulate(theorem, settings, seed, arm)
        description = {
            "theorem": theorem.name,
            "arm": arm,
            "seed": seed,
            "settings": used,
            "environment": store.environment(),
            "compile_seconds": trials.compile_seconds,
            "run_seconds": trials.run_seconds,
        }
        arrays = {
            f"{kind}: {name}": array
            for kind in BY_NAME
            for name, array in getattr(trials, kind).items()
        }
        store.save(path, arrays | {"given": trials.given}, description)
        return trials
    arrays, description = stored

    def named(kind: str) -> dict[str, np.ndarray]:
        start = f"{kind}: "
        return {
            name.removeprefix(start): array
            for name, array in arrays.items()
            if name.startswith(start)
        }

    measured, predicted, assumptions = map(named, BY_NAME)
    seconds = description["compile_seconds"], description["run_seconds"]
    return Trials(measured, predicted, assumptions, arrays["given"], *seconds)


BY_NAME = ("measured", "predicted", "assumptions")
"""What trials hold by the names of parts and assumptions."""


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
    judgement = part.judgement
    shown = {
        "name": part.name,
        "statement": part.claim.says or theorem.statement,
        "kind": type(part.claim).__name__,
        "delta": judgement.delta,
        "status": "falsified" if found and found["violated"] else judgement.status,
        "violations": judgement.violations,
        "violation_bound": judgement.violation_bound,
        "tightness": part.tightness and part.tightness._asdict(),
        "vacuous": part.vacuous,
        "detail": judgement.detail,
        "seen": part.seen,
    }
    if found is None:
        return shown | {"worst": None}
    keys = ("ratio", "violated", "seconds", "generations")
    says = worst.words(found | {"random_max": worst.largest(shown)})
    return shown | {"worst": {key: found[key] for key in keys} | {"says": says}}


def succeeded(verdicts: list[dict[str, Any]]) -> bool:
    """Every verdict is the expected one, and no control that counts is missed."""
    return all(
        v["status"] == v["expected"] and v["control"]["detected"] is not False for v in verdicts
    )


def summary_json(verdicts: list[dict[str, Any]]) -> dict[str, Any]:
    """The counts under a list of verdicts."""
    statuses = [v["status"] for v in verdicts]
    return {
        "theorems": len(verdicts),
        "parts": sum(len(v["parts"]) for v in verdicts),
        "statuses": {status: statuses.count(status) for status in COLOURS},
        "unexpected": [v["theorem"] for v in verdicts if v["status"] != v["expected"]],
        "controls_detected": sum(v["control"]["detected"] is True for v in verdicts),
        "controls_missed": [v["theorem"] for v in verdicts if v["control"]["detected"] is False],
        "trials": sum(v["trials"] for v in verdicts),
        "error_bound": sum(v["alpha"] for v in verdicts if _bounded(v)),
        "seconds": {part: sum(v["seconds"][part] for v in verdicts) for part in ("compile", "run")},
    }


def _bounded(v: dict[str, Any]) -> bool:
    """Whether α bounds a false "verified" too: some part claims a rate between 0 and 1."""
    return any(part["delta"] not in (None, 0) for part in v["parts"])


def table(verdicts: list[dict[str, Any]]) -> Table:
    """The table of verdicts that `verify` prints, a row more for each part of a statement."""
    columns = Table(title="Verdicts", caption=caption(verdicts), caption_justify="left")
    heads = "theorem", "source", "verdict", "trials", "evidence", "measured/predicted", "control"
    for name in heads:
        columns.add_column(name, overflow="fold")
    for v in verdicts:
        single = v["parts"][0] if len(v["parts"]) == 1 else None
        columns.add_row(
            v["theorem"],
            f"{v['source']['label']}, {v['source']['provenance']}",
            f"[{COLOURS[v['status']]}]{verdict_in_words(v)}",
            str(v["trials"]) + (f" (−{v['skipped']})" if v["skipped"] else ""),
            evidence(v),
            tightness(single) if single else "",
            control_in_words(v),
        )
        for part in v["parts"] if single is None else []:
            status = part["status"]
            columns.add_row(
                f"  {part['name']}", "", f"[{COLOURS[status]}]{status}", "",
                part_evidence(part), tightness(part), "",
            )  # fmt: skip
    return columns


def verdict_in_words(v: dict[str, Any]) -> str:
    """The status, and whether another one was expected."""
    if v["status"] != v["expected"]:
        return f"{v['status']}, expected {v['expected']}"
    return v["status"] + (", as expected" if v["status"] in ("falsified", "not applicable") else "")


def control_in_words(v: dict[str, Any]) -> str:
    """Whether the control was detected, and if not why."""
    match v["control"]["detected"]:
        case True:
            return "detected"
        case None:
            return "–"
    broken = v["control"]["breaks"]
    if len(broken) == 1:
        return "[bold red]missed"
    return f"[bold red]missed: breaks {'; '.join(broken) or 'no assumption'}"


def evidence(v: dict[str, Any]) -> str:
    """What the status of a verdict rests on, in a few words."""
    missed = [a for a in v["assumptions"] if not a["holds"]]
    if missed:
        return "; ".join(f"{a['name']} missed by {-a['margin']:.2g}" for a in missed)
    if not v["trials"]:
        return "its condition occurred in no trial"
    if len(v["parts"]) == 1:
        return part_evidence(v["parts"][0])
    return f"{len(v['parts'])} parts"


def part_evidence(part: dict[str, Any]) -> str:
    """What the status of a part rests on, in a few words."""
    detail = part["detail"]
    if part["kind"] == "Law" and detail:
        return f"distance {detail['distance']:.3f}, p = {detail['p_value']:.2g}"
    if part["kind"] == "Scaling" and detail:
        return f"exponent {detail['low']:.3f} … {detail['high']:.3f}".replace("-", "−")
    if part["violations"] is None:
        return "numbers are not finite"
    found = f"{part['violations']} violation" + ("" if part["violations"] == 1 else "s")
    if part["delta"] == 0:
        return f"{found}, none allowed"
    return f"{found}, rate ≤ {part['violation_bound']:.4f}, δ = {part['delta']:.4f}"


def tightness(part: dict[str, Any]) -> str:
    """Median and range of measured/predicted."""
    t = part["tightness"]
    if t is None:
        return "–"
    words = f"{t['median']:.3g} ({t['min']:.3g} … {t['max']:.3g})"
    searched = f", worst {worst.ratio_in_words(part['worst']['ratio'])}" if part["worst"] else ""
    return words + searched + (" vacuous" if part["vacuous"] else "")


def caption(verdicts: list[dict[str, Any]]) -> str:
    """The table's last lines: what is bounded, what is not, and what the run cost."""
    total = summary_json(verdicts)
    alpha = verdicts[0]["alpha"] if verdicts else 0
    precision = " and ".join(dict.fromkeys(v["precision"] for v in verdicts)) or "no numbers"
    return (
        f"{total['theorems']} theorems in {total['parts']} parts, {total['trials']} trials in "
        f"{precision}. A true statement is falsified with probability at most α = {alpha:g}, by "
        "more than rounding never where none may fail. Where a failure rate δ > 0 is claimed, a "
        f"larger one is verified with probability at most α: {total['error_bound']:.2g} in all. "
        "Verified without such a rate (none allowed, laws) means that a violation rate or a "
        "deviation as large as the report says would have been seen with probability 1 − α, not "
        f"that there is none. {total['seconds']['compile']:.0f} s compiling, "
        f"{total['seconds']['run']:.0f} s running."
    )
