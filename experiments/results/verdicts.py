"""What is read off verdicts as JSON objects, without importing JAX."""

from collections import Counter
from typing import Any

COLOURS = {
    "verified": "green",
    "consistent": "green",
    "falsified": "bold red",
    "inconclusive": "yellow",
    "not applicable": "blue",
}


def succeeded(verdicts: list[dict[str, Any]]) -> bool:
    """Every verdict is the expected one, and no control that counts is missed."""
    return all(
        v["status"] == v["expected"] and v["control"]["detected"] is not False for v in verdicts
    )


def summary_json(verdicts: list[dict[str, Any]]) -> dict[str, Any]:
    """The counts under a list of verdicts."""
    statuses, seconds = [v["status"] for v in verdicts], Counter()
    for v in verdicts:
        seconds.update(v["seconds"])
    return {
        "theorems": len(verdicts),
        "parts": sum(len(v["parts"]) for v in verdicts),
        "statuses": {status: statuses.count(status) for status in COLOURS},
        "unexpected": [v["theorem"] for v in verdicts if v["status"] != v["expected"]],
        "controls_detected": sum(v["control"]["detected"] is True for v in verdicts),
        "controls_missed": [v["theorem"] for v in verdicts if v["control"]["detected"] is False],
        "trials": sum(v["trials"] for v in verdicts),
        "error_bound": sum(v["alpha"] for v in verdicts if _bounded(v)),
        "seconds": seconds,
    }


def _bounded(v: dict[str, Any]) -> bool:
    """Whether α bounds a false "verified" too: some part claims a rate between 0 and 1."""
    return any(part["delta"] not in (None, 0) for part in v["parts"])
