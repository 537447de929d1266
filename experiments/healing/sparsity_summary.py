"""The numbers of `sparsity`, what follows in words, and its page of tables."""

from typing import Any

import jax.numpy as jnp
import numpy as np

from experiments.experiment import Arrays
from experiments.healing.arms import NAMES, RIVALS
from experiments.healing.comparison import ACCURACY, MEASURES, at_an_edge, in_numbers, summarise
from experiments.healing.pruning import CONTROLS, Settings, percent
from experiments.healing.tables import Table, tables_page
from experiments.plots.comparison import in_words, standings
from experiments.plots.estimates import Interval, jointly, mean_interval, share_interval
from theory.healing.metrics import gap_closed

STARFISH = NAMES.index("STARFISH")

PAIRS = tuple((name, rival) for name, rivals in RIVALS.items() for rival in rivals)

TOGETHER = jointly(len(PAIRS))
"""Coverage of each difference to a rival."""

HEALED = 0.95
"""Share of the dense accuracy from which a network counts as healed."""


def _accuracy(arrays: Arrays, at: int) -> np.ndarray:
    """Of every method, (methods, trials): networks are the sample, draws averaged."""
    return arrays["measures"][:, at, ..., ACCURACY].mean(axis=2)


def _recovered(arrays: Arrays, at: int) -> np.ndarray:
    """Share of the dense accuracy that STARFISH recovers, (trials,)."""
    return _accuracy(arrays, at)[STARFISH] / arrays["dense"][:, ACCURACY]


def _family(arrays: Arrays, at: int) -> dict[tuple[str, str], Interval]:
    """Points of accuracy by which the family is ahead of its rivals, paired by network."""
    values = dict(zip(NAMES, 100 * _accuracy(arrays, at), strict=True))
    return {(a, b): mean_interval(values[a] - values[b], TOGETHER) for a, b in PAIRS}


def _gap_closed(arrays: Arrays, i: int, at: int) -> list[float] | None:
    pruned, retrained = (arrays[name][at, :, ACCURACY] for name in ("pruned", "retrained"))
    share = gap_closed(*map(jnp.asarray, (_accuracy(arrays, at)[i], pruned, retrained)))
    return mean_interval(share).rounded() if np.isfinite(share).all() else None


def _found(arrays: Arrays, at: int) -> dict[str, Any]:
    """Numbers of all methods at one sparsity."""
    found = summarise(arrays["measures"][:, at], arrays["dense"][:, ACCURACY], NAMES)
    for i, name in enumerate(NAMES):
        rate = float(arrays["rate"][i, at])
        found["methods"][name] |= {
            "gap_closed": _gap_closed(arrays, i, at),
            "rate": None if np.isnan(rate) else rate,
            "seconds": float(arrays["seconds"][i, at]),
        }
    return found


def _references(arrays: Arrays, at: int) -> dict[str, Any]:
    """What healing is measured against, and controls, in the measures that each has."""
    dense = arrays["dense"][:, ACCURACY]
    measured = {
        "dense": arrays["dense"],
        "pruned": arrays["pruned"][at],
        "retrained": arrays["retrained"][at],
    } | {
        f"control: {name}": values.mean(axis=-1)[:, None]
        for name, values in zip(CONTROLS, arrays["controls"][:, at], strict=True)
    }
    return {
        name: {"recovered": mean_interval(values[:, ACCURACY] / dense).rounded()}
        | in_numbers(values)
        for name, values in measured.items()
    }


def _controls(arrays: Arrays, at: int) -> dict[str, Any]:
    """Points of accuracy, paired by network: what breaking costs, and what is healed anyway."""
    healed, pruned = _accuracy(arrays, at)[STARFISH], arrays["pruned"][at, :, ACCURACY]
    return {
        name: {
            "STARFISH ahead": mean_interval(100 * (healed - values)).rounded(),
            "ahead of pruned": mean_interval(100 * (values - pruned)).rounded(),
        }
        for name, values in zip(CONTROLS, arrays["controls"][:, at].mean(axis=-1), strict=True)
    }


def _equal_time(arrays: Arrays) -> dict[str, Any]:
    """Every method in the time of the fastest that descends."""
    values = arrays["equal_time"].mean(axis=-1)
    best = dict(zip(NAMES, standings(values), strict=True))
    return {
        "among_best": [name for name in NAMES if best[name].among_best],
        "methods": {
            name: {
                "accuracy": share_interval(values[i]).rounded(),
                "ahead_of_STARFISH": mean_interval(values[i] - values[STARFISH]).rounded(),
                "steps": int(arrays["steps_equal_time"][i]) or None,
                "seconds": float(arrays["seconds_equal_time"][i]),
                "compile_seconds": float(arrays["compile_seconds"][i]),
            }
            for i, name in enumerate(NAMES)
        },
    }


def summary(arrays: Arrays, settings: Settings) -> dict[str, Any]:
    """All methods at all sparsities, those that are among the best, and what follows in words."""
    out: dict[str, Any] = {
        "sentences": [],
        "calibration_images": int(arrays["images"]),
        "dense": in_numbers(arrays["dense"]),
    }
    for at, sparsity in enumerate(settings.sparsities):
        found, label = _found(arrays, at), percent(sparsity)
        out[label] = found | {
            "references": _references(arrays, at),
            "controls": _controls(arrays, at),
            "points_ahead_of_rivals": {
                f"{a}, {b}": ahead.rounded() for (a, b), ahead in _family(arrays, at).items()
            },
            "rate_at_an_edge": at_an_edge(settings, NAMES, arrays["rate"][:, at]),
        }
        out["sentences"].append(_sentence(arrays, label, at, found["among_best"]))
    healed = [
        at for at in range(len(settings.sparsities)) if _recovered(arrays, at).mean() >= HEALED
    ]
    if healed:
        at = max(healed, key=lambda at: settings.sparsities[at])
        out["sentences"].append(_confidence(arrays, percent(settings.sparsities[at]), at))
    out["equal_time"] = {"sparsity": settings.timed} | _equal_time(arrays)
    return out


def _sentence(arrays: Arrays, label: str, at: int, best: list[str]) -> str:
    family = _family(arrays, at)
    told = [
        f"{a} against {b} {in_words(ahead, level=TOGETHER)}"
        for (a, b), ahead in family.items()
        if ahead.low > 0 or ahead.high < 0
    ]
    untold = [f"{a} from {b}" for (a, b), ahead in family.items() if ahead.low <= 0 <= ahead.high]
    recovered = in_words(mean_interval(100 * _recovered(arrays, at)))
    # Names have commas.
    parts = [f"{label} pruned: STARFISH recovers {recovered} % of the dense accuracy."]
    if told:
        parts.append(f"In points of accuracy, {'; '.join(told)}.")
    if untold:
        parts.append(f"Not told apart: {'; '.join(untold)}.")
    return " ".join([*parts, f"Among the best: {'; '.join(best)}."])


def _confidence(arrays: Arrays, label: str, at: int) -> str:
    """Directions say nothing of the scale of the logits, on which probabilities depend."""
    means = arrays["measures"][:, at].mean(axis=2)
    shown = {
        "STARFISH": means[STARFISH],
        "the dense network": arrays["dense"],
        "distillation": means[NAMES.index("distillation")],
    }
    parts = [
        f"{name} has "
        + ", ".join(f"{label} {x:.3f}" for label, x in zip(MEASURES, values.mean(0), strict=True))
        for name, values in shown.items()
    ]
    return (
        f"{label} pruned, the most at which STARFISH recovers {percent(HEALED)} of the dense "
        f"accuracy: {'; '.join(parts)}."
    )


def page(arrays: Arrays, settings: Settings) -> str:
    """A table for every sparsity, and one for equal time."""
    tables = []
    for at, sparsity in enumerate(settings.sparsities):
        found = _found(arrays, at)
        rows = [
            (name in found["among_best"], (name, *map(numbers.get, COLUMNS.values())))
            for name, numbers in (found["methods"] | _references(arrays, at)).items()
        ]
        caption = f"{percent(sparsity)} of the weights pruned"
        tables.append(Table(caption, ("method", *COLUMNS), rows))
    equal = _equal_time(arrays)
    rows = [
        (name in equal["among_best"], (name, *map(numbers.get, EQUAL_TIME.values())))
        for name, numbers in equal["methods"].items()
    ]
    caption = f"{percent(settings.timed)} pruned, steps for the time of the fastest descent"
    tables.append(Table(caption, ("method", *EQUAL_TIME), rows))
    return tables_page(
        "Healing pruned networks",
        f"{settings.trials} dense networks on {settings.dataset}, {settings.draws} draws of "
        f"{arrays['images']} unlabelled images for each, {settings.steps} steps. Means over "
        "networks with Student's 95 % intervals. Marked methods cannot be told from the best: "
        "paired by network, with Holm's correction, p > 5 %; they hold the truly best with 95 % "
        "confidence, yet of many that are equally good more than 5 % may go unmarked.",
        tables,
    )


COLUMNS = {
    "accuracy": "accuracy",
    "share of dense": "recovered",
    "gap closed": "gap_closed",
    "difference to best": "difference_to_best",
    "p": "p_value",
    "NLL": "NLL",
    "ECE": "ECE",
    "step size": "rate",
    "seconds": "seconds",
}
"""Columns of the page, from the entries of the summary."""

EQUAL_TIME = {
    "accuracy": "accuracy",
    "ahead of STARFISH": "ahead_of_STARFISH",
    "steps": "steps",
    "seconds": "seconds",
    "seconds to compile": "compile_seconds",
}
"""Columns of the table of equal time."""
