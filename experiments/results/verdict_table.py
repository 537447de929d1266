"""The table of verdicts, printed row by row as they come, and the words that say them."""

from typing import Any

from rich import box
from rich.console import Console
from rich.table import Table

from experiments.results.verdicts import COLOURS, summary_json

COLUMNS = {
    "theorem": 34,
    "source": 19,
    "verdict": 14,
    "trials": 11,
    "evidence": 34,
    "measured/predicted": 34,
    "control": 12,
}
"""The columns and their shares of the width: rows that are printed one by one must agree."""

NARROW = 120
"""Below this many characters a name stands above its row, so that it is whole."""


def print_head(console: Console) -> None:
    """The names of the columns."""
    rows = _rows(console, box.SIMPLE)
    rows.add_row(*(f"[bold]{name}" for name in _columns(console)))
    console.print(rows)


def print_verdict(console: Console, v: dict[str, Any]) -> None:
    """The row of one verdict, and a row more for each part of a statement that has several."""
    rows = _rows(console, None)
    names = "theorem" in _columns(console)
    if not names:
        console.print(v["theorem"], style="bold", soft_wrap=True, highlight=False)
    single = v["parts"][0] if len(v["parts"]) == 1 else None
    rows.add_row(
        *([v["theorem"]] if names else []),
        f"{v['source']['label']}, {v['source']['provenance']}",
        f"[{COLOURS[v['status']]}]{verdict_in_words(v)}",
        str(v["trials"]) + (f" (−{v['skipped']})" if v["skipped"] else ""),
        evidence(v),
        tightness(single) if single else "",
        control_in_words(v),
    )
    for part in v["parts"] if single is None else []:
        status = part["status"]
        rows.add_row(
            f"  {part['name']}", *([""] if names else []), f"[{COLOURS[status]}]{status}", "",
            part_evidence(part), tightness(part), "",
        )  # fmt: skip
    console.print(rows)


def print_foot(console: Console, verdicts: list[dict[str, Any]]) -> None:
    """What is bounded, what is not, and what the run cost."""
    console.print()
    console.print(caption(verdicts), style="italic")


def _columns(console: Console) -> dict[str, int]:
    """The columns that there is room for."""
    narrow = console.width < NARROW
    return {name: share for name, share in COLUMNS.items() if not (narrow and name == "theorem")}


def _rows(console: Console, lines: box.Box | None) -> Table:
    """Rows of the table, as wide as the console."""
    rows = Table(box=lines, show_header=False, expand=True, padding=(0, 1))
    for name, share in _columns(console).items():
        rows.add_column(name, ratio=share, overflow="fold")
    return rows


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
    searched = f", worst {ratio_in_words(part['worst']['ratio'])}" if part["worst"] else ""
    return words + searched + (" vacuous" if part["vacuous"] else "")


def ratio_in_words(ratio: float | None) -> str:
    """A ratio, with enough digits to tell it from 1."""
    return "–" if ratio is None else f"{ratio:.6g}"


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
        f"that there is none. Of all programs: {total['seconds']['trace']:.0f} s tracing, "
        f"{total['seconds']['compile']:.0f} s compiling, {total['seconds']['run']:.0f} s running."
    )
