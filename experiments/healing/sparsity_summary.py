"""The numbers of `sparsity`, what follows in words, and its page of tables."""

from pathlib import Path
from typing import Any

import jax.numpy as jnp
import numpy as np
import xarray as xr
from xarray import DataArray, Dataset

from experiments.experiment import Summary
from experiments.healing.standing import (
    among_best,
    at_an_edge,
    by_arm,
    by_network,
    in_numbers,
    summarise,
)
from experiments.plots.comparison import in_words
from experiments.plots.estimates import Interval, ahead, jointly, mean, numbers, share
from experiments.results.report import template
from theory.healing.methods import RIVALS
from theory.healing.metrics import gap_closed
from theory.healing.structures import percent

HEALED = 0.95
"""Share of the dense accuracy from which a network counts as healed."""


def pairs(data: Dataset) -> list[tuple[str, str]]:
    """Methods of the family, each with each of its rivals, as far as they were run."""
    there = set(data.arm.values)
    found = [(name, rival) for name, rivals in RIVALS.items() for rival in rivals]
    return [pair for pair in found if there.issuperset(pair)]


def together(data: Dataset) -> float:
    """Coverage of each difference to a rival."""
    return jointly(max(1, len(pairs(data))))


def recovered(data: Dataset) -> DataArray:
    """Share of the dense accuracy that STARFISH recovers, by network."""
    starfish = by_network(data.score.sel(arm="STARFISH", drop=True))
    return starfish / data.dense.sel(measure="accuracy", drop=True)


def _family(data: Dataset) -> dict[tuple[str, str], Interval]:
    """Points of accuracy by which the family is ahead of its rivals, paired by network."""
    points = 100 * by_network(data.score)
    score = {name: points.sel(arm=name, drop=True) for name in data.arm.values.tolist()}
    compared = pairs(data)
    return {(a, b): ahead(score[a], score[b], comparisons=len(compared)) for a, b in compared}


def _known(values: dict[str, Any]) -> dict[str, Any]:
    """None for what is not finite."""
    return {name: value if np.isfinite(value).all() else None for name, value in values.items()}


def _found(data: Dataset, settings) -> dict[str, Any]:
    """All numbers of one sparsity."""
    dense, pruned, retrained = (
        data[name].sel(measure="accuracy", drop=True) for name in ("dense", "pruned", "retrained")
    )
    healed, controls = by_network(data.score), data.controls.mean("draw")
    ends = (jnp.asarray(part.values) for part in xr.broadcast(healed, pruned, retrained))
    measured = {name: data[name] for name in ("dense", "pruned", "retrained")} | {
        f"control: {name}": controls.sel(control=name).expand_dims(measure=["accuracy"])
        for name in data.control.values.tolist()
    }
    return summarise(
        data.score,
        dense,
        gap_closed=_known(numbers(mean(healed.copy(data=gap_closed(*ends))))),
        rate=_known(numbers(data.rate, None)),
        seconds=numbers(data.seconds, None),
    ) | {
        "references": {
            name: {"recovered": numbers(mean(score.sel(measure="accuracy") / dense))}
            | in_numbers(score)
            for name, score in measured.items()
        },
        "controls": by_arm(
            {
                "STARFISH ahead": numbers(mean(100 * (healed.sel(arm="STARFISH") - controls))),
                "ahead of pruned": numbers(mean(100 * (controls - pruned))),
            }
        ),
        "points_ahead_of_rivals": {
            ", ".join(pair): found.rounded() for pair, found in _family(data).items()
        },
        "rate_at_an_edge": at_an_edge(settings, data.rate),
    }


def _equal_time(data: Dataset) -> dict[str, Any]:
    """Every method in the time of the fastest that descends."""
    accuracy, steps = data.equal_time.mean("draw"), numbers(data.equal_time_steps)
    columns = {
        "accuracy": numbers(share(accuracy)),
        "ahead_of_STARFISH": numbers(mean(accuracy - accuracy.sel(arm="STARFISH", drop=True))),
        "steps": {name: count or None for name, count in steps.items()},
        "seconds": numbers(data.equal_time_seconds, None),
        "compile_seconds": numbers(data.compile_seconds, None),
    }
    return {"among_best": among_best(accuracy), "methods": by_arm(columns)}


def summary(data: Dataset, settings) -> Summary:
    """All methods at all sparsities, those that are among the best, and what follows in words."""
    tables: dict[str, Any] = {"calibration_images": int(data.images)}
    tables["dense"] = in_numbers(data.dense)
    sentences, healed = [], ""
    for sparsity in settings.sparsities:
        at, label = data.sel(sparsity=sparsity), percent(sparsity)
        tables[label] = _found(at, settings)
        sentences.append(_sentence(at, label))
        if recovered(at).mean() >= HEALED:
            healed = _confidence(at, label)
    tables["equal_time"] = {"sparsity": settings.timed} | _equal_time(data)
    return Summary(tuple(filter(None, [*sentences, healed])), tables)


def _sentence(data: Dataset, label: str) -> str:
    family, accuracy = _family(data), by_network(data.score)
    level, best = together(data), among_best(accuracy)
    told = [
        f"{a} against {b} {in_words(ahead, level=level)}"
        for (a, b), ahead in family.items()
        if ahead.low > 0 or ahead.high < 0
    ]
    untold = [f"{a} from {b}" for (a, b), ahead in family.items() if ahead.low <= 0 <= ahead.high]
    # Names have commas.
    dense = 100 * float(data.dense.sel(measure="accuracy").mean())
    parts = [
        f"{label} pruned: STARFISH recovers {in_words(mean(100 * recovered(data)))} % of the dense "
        f"accuracy, {dense:.1f} %."
    ]
    if "STARFISH" not in best:
        first = accuracy.mean("trial").idxmax("arm").item()
        ahead = mean(100 * (accuracy.sel(arm=first) - accuracy.sel(arm="STARFISH")))
        parts.append(f"It is behind the best, {first}, by {in_words(ahead)} points of accuracy.")
    if told:
        parts.append(f"In points of accuracy, {'; '.join(told)}.")
    if untold:
        parts.append(f"Not told apart: {'; '.join(untold)}.")
    return " ".join([*parts, f"Among the best: {'; '.join(best)}."])


def _confidence(data: Dataset, label: str) -> str:
    """Directions say nothing of the scale of the logits, on which probabilities depend."""
    score = data.score.mean("draw")
    shown = {"STARFISH": score.sel(arm="STARFISH"), "the dense network": data.dense}
    if "distillation" in data.arm:
        shown["distillation"] = score.sel(arm="distillation")
    parts = [
        f"{name} has "
        + ", ".join(f"{m} {x:.3f}" for m, x in numbers(values.mean("trial"), None).items())
        for name, values in shown.items()
    ]
    return (
        f"{label} pruned, the most at which STARFISH recovers {percent(HEALED)} of the dense "
        f"accuracy: {'; '.join(parts)}."
    )


COLUMNS = (
    *("accuracy", "recovered", "gap_closed", "difference_to_best", "p_value"),
    *("NLL", "ECE", "rate", "seconds"),
)
EQUAL_TIME = ("accuracy", "ahead_of_STARFISH", "steps", "seconds", "compile_seconds")
HEADINGS = {
    "recovered": "share of dense",
    "p_value": "p",
    "rate": "step size",
    "compile_seconds": "seconds to compile",
}
"""Of the page's columns, where their names in the summary are not good enough."""


def _table(caption: str, columns: tuple[str, ...], found: dict[str, Any]) -> dict[str, Any]:
    """A table of ``tables.html``: of each row whether it is marked, and its cells."""
    rows = [
        (name in found["among_best"], [name, *map(entry.get, columns)])
        for name, entry in (found["methods"] | found.get("references", {})).items()
    ]
    headings = [HEADINGS.get(name, name.replace("_", " ")) for name in ("method", *columns)]
    return {"caption": caption, "columns": headings, "rows": rows}


def page(data: Dataset, settings) -> str:
    """A table for every sparsity, and one for equal time."""
    found = summary(data, settings).tables
    levels = map(percent, settings.sparsities)
    tables = [_table(f"{s} of the weights pruned", COLUMNS, found[s]) for s in levels]
    caption = f"{percent(settings.timed)} pruned, steps for the time of the fastest descent"
    return template(Path(__file__).with_name("tables.html")).render(
        title="Healing pruned networks",
        note=f"{settings.trials} dense networks on {settings.dataset}, {settings.draws} draws of "
        f"{int(data.images)} unlabelled images for each, {settings.steps} steps. Means over "
        "networks with Student's 95 % intervals. Marked methods cannot be told from the best: "
        "paired by network, with Holm's correction, p > 5 %; they hold the truly best with 95 % "
        "confidence, yet of many that are equally good more than 5 % may go unmarked.",
        tables=[*tables, _table(caption, EQUAL_TIME, found["equal_time"])],
    )
