"""`verify`: trials from the store or run now, verdicts as JSON and as a table."""

from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, get_args

from rich.table import Table

from experiments.experiment import Progress
from experiments.results import store
from experiments.results.catalog import Entry
from experiments.results.closure import code_digest
from theory.theorem import Arm, Preset, Theorem, Trials, Verdict, arm_settings, judge, simulate

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
        verdicts.append(verdict_json(entry, theorem, verdict, settings, preset, seed))
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
        arrays = {"measured": trials.measured, "predicted": trials.predicted, "given": trials.given}
        margins = {f"margin {name}": value for name, value in trials.assumptions.items()}
        description = {
            "theorem": theorem.name,
            "arm": arm,
            "seed": seed,
            "settings": used,
            "environment": store.environment(),
            "compile_seconds": trials.compile_seconds,
            "run_seconds": trials.run_seconds,
        }
        store.save(path, arrays | margins, description)
        return trials
    arrays, description = stored
    seconds = description["compile_seconds"], description["run_seconds"]
    measured, predicted, given = (arrays.pop(name) for name in ("measured", "predicted", "given"))
    margins = {name.removeprefix("margin "): array for name, array in arrays.items()}
    return Trials(measured, predicted, margins, given, *seconds)


def verdict_json(
    entry: Entry, theorem: Theorem, verdict: Verdict, settings: Any, preset: Preset, seed: int
) -> dict[str, Any]:
    """A verdict by the contract of `verify --json`."""
    judgement = verdict.judgement
    shown = {
        "theorem": theorem.name,
        "system": entry.system,
        "statement": theorem.statement,
        "source": entry.source,
        "claim": {"kind": type(theorem.claim).__name__, "delta": judgement.delta},
        "status": verdict.status,
        "trials": verdict.trials,
        "skipped": verdict.skipped,
        "violations": judgement.violations,
        "violation_bound": judgement.violation_bound,
        "detail": judgement.detail,
        "alpha": verdict.alpha,
        "tightness": verdict.tightness,
        "vacuous": verdict.vacuous,
        "assumptions": verdict.assumptions,
        "control": {"name": verdict.control, "detected": verdict.detected},
        "settings": settings,
        "preset": preset,
        "seed": seed,
        "seconds": verdict.seconds,
        "environment": store.environment(),
    }
    return store.jsonable(shown)


def succeeded(verdicts: list[dict[str, Any]]) -> bool:
    """Nothing falsified and every control detected."""
    return all(v["status"] != "falsified" and v["control"]["detected"] for v in verdicts)


def summary_json(verdicts: list[dict[str, Any]]) -> dict[str, Any]:
    """The counts under a list of verdicts."""
    statuses = [v["status"] for v in verdicts]
    return {
        "theorems": len(verdicts),
        "statuses": {status: statuses.count(status) for status in COLOURS},
        "controls_detected": sum(v["control"]["detected"] for v in verdicts),
        "trials": sum(v["trials"] for v in verdicts),
        "error_bound": sum(v["alpha"] for v in verdicts),
        "seconds": {part: sum(v["seconds"][part] for v in verdicts) for part in ("compile", "run")},
    }


def table(verdicts: list[dict[str, Any]]) -> Table:
    """The table of verdicts that `verify` prints."""
    columns = Table(title="Verdicts", caption=caption(verdicts), caption_justify="left")
    heads = "theorem", "source", "verdict", "trials", "evidence", "measured/predicted", "control"
    for name in heads:
        columns.add_column(name, overflow="fold")
    for v in verdicts:
        columns.add_row(
            v["theorem"],
            f"{v['source']['label']}, {v['source']['provenance']}",
            f"[{COLOURS[v['status']]}]{v['status']}",
            str(v["trials"]) + (f" (−{v['skipped']})" if v["skipped"] else ""),
            evidence(v),
            tightness(v),
            "detected" if v["control"]["detected"] else "[bold red]missed",
        )
    return columns


def evidence(v: dict[str, Any]) -> str:
    """What the status of a verdict rests on, in a few words."""
    missed = [a for a in v["assumptions"] if not a["holds"]]
    if missed:
        return "; ".join(f"{a['name']} missed by {-a['margin']:.2g}" for a in missed)
    detail = v["detail"]
    if v["claim"]["kind"] == "Law" and detail:
        return f"distance {detail['distance']:.3f}, p = {detail['p_value']:.2g}"
    if v["claim"]["kind"] == "Scaling" and detail:
        return f"exponent {detail['low']:.3f} … {detail['high']:.3f}".replace("-", "−")
    if v["violations"] is None:
        return "its condition occurred in no trial" if not v["trials"] else "numbers are not finite"
    found = f"{v['violations']} violation" + ("" if v["violations"] == 1 else "s")
    if v["claim"]["delta"] == 0:
        return f"{found}, none allowed"
    return f"{found}, rate ≤ {v['violation_bound']:.4f}, δ = {v['claim']['delta']:.4f}"


def tightness(v: dict[str, Any]) -> str:
    """Median and range of measured/predicted."""
    t = v["tightness"]
    if t is None:
        return "–"
    words = f"{t['median']:.3g} ({t['min']:.3g} … {t['max']:.3g})"
    return words + (" vacuous" if v["vacuous"] else "")


def caption(verdicts: list[dict[str, Any]]) -> str:
    """The table's last lines: what the run errs with, and what it cost."""
    total = summary_json(verdicts)
    level = verdicts[0]["alpha"] if verdicts else 0
    return (
        f"Each verdict at α = {level:g}: this run of {total['theorems']} theorems errs with "
        f"probability at most {total['error_bound']:.3g}. "
        f"{total['trials']} trials, {total['seconds']['compile']:.0f} s compiling, "
        f"{total['seconds']['run']:.0f} s running."
    )
