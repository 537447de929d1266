"""The numbers of `sparsity`, what follows in words, and its page of tables."""

from typing import Any

import jax.numpy as jnp
import numpy as np
from xarray import DataArray, Dataset

from experiments.experiment import Summary
from experiments.healing.arms import RIVALS
from experiments.healing.comparison import (
    among_best,
    at_an_edge,
    by_network,
    in_numbers,
    ranked,
    summarise,
)
from experiments.healing.pruning import percent
from experiments.healing.tables import Table, tables_page
from experiments.plots.comparison import in_words
from experiments.plots.estimates import Interval, jointly, mean, numbers, share
from theory.healing.metrics import gap_closed

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
    return {
        (a, b): mean(
            points.sel(arm=a, drop=True) - points.sel(arm=b, drop=True),
            level=together(data),
        )
        for a, b in pairs(data)
    }


def _found(data: Dataset, settings) -> dict[str, Any]:
    """All numbers of one sparsity."""
    scores = data[["dense", "pruned", "retrained"]]
    accuracy = scores.sel(measure="accuracy", drop=True)
    found = summarise(data.score, accuracy.dense)
    healed = by_network(data.score)
    for name, entry in found["methods"].items():
        one = healed.sel(arm=name)
        ends = one, accuracy.pruned, accuracy.retrained
        closed = one.copy(data=gap_closed(*(jnp.asarray(part.values) for part in ends)))
        rate = float(data.rate.sel(arm=name))
        entry |= {
            "gap_closed": numbers(mean(closed)) if np.isfinite(closed).all() else None,
            "rate": None if np.isnan(rate) else rate,
            "seconds": float(data.seconds.sel(arm=name)),
        }
    controls = data.controls.mean("draw").expand_dims(measure=["accuracy"])
    measured = {str(name): score for name, score in scores.data_vars.items()} | {
        f"control: {name}": controls.sel(control=name) for name in data.control.values.tolist()
    }
    return found | {
        "references": {
            name: {"recovered": numbers(mean(score.sel(measure="accuracy") / accuracy.dense))}
            | in_numbers(score)
            for name, score in measured.items()
        },
        "controls": {
            name: {
                "STARFISH ahead": numbers(mean(100 * (healed.sel(arm="STARFISH") - values))),
                "ahead of pruned": numbers(mean(100 * (values - accuracy.pruned))),
            }
            for name in data.control.values.tolist()
            for values in [controls.sel(control=name, measure="accuracy")]
        },
        "points_ahead_of_rivals": {
            f"{a}, {b}": ahead.rounded() for (a, b), ahead in _family(data).items()
        },
        "rate_at_an_edge": at_an_edge(settings, data.rate),
    }


def _equal_time(data: Dataset) -> dict[str, Any]:
    """Every method in the time of the fastest that descends."""
    accuracy = data.equal_time.mean("draw")
    starfish = accuracy.sel(arm="STARFISH")
    return {
        "among_best": among_best(ranked(accuracy)),
        "methods": {
            name: {
                "accuracy": numbers(share(one.equal_time.mean("draw"))),
                "ahead_of_STARFISH": numbers(mean(one.equal_time.mean("draw") - starfish)),
                "steps": int(one.equal_time_steps) or None,
                "seconds": float(one.equal_time_seconds),
                "compile_seconds": float(one.compile_seconds),
            }
            for name in data.arm.values.tolist()
            for one in [data.sel(arm=name)]
        },
    }


def summary(data: Dataset, settings) -> Summary:
    """All methods at all sparsities, those that are among the best, and what follows in words."""
    sentences, tables = (
        [],
        {"calibration_images": int(data.images), "dense": in_numbers(data.dense)},
    )
    for sparsity in settings.sparsities:
        at = data.sel(sparsity=sparsity)
        tables[percent(sparsity)] = _found(at, settings)
        sentences.append(_sentence(at, percent(sparsity)))
    healed = [s for s in settings.sparsities if recovered(data.sel(sparsity=s)).mean() >= HEALED]
    if healed:
        sentences.append(_confidence(data.sel(sparsity=healed[-1]), percent(healed[-1])))
    tables["equal_time"] = {"sparsity": settings.timed} | _equal_time(data)
    return Summary(tuple(sentences), tables)


def _sentence(data: Dataset, label: str) -> str:
    family, accuracy = _family(data), by_network(data.score)
    level, best = together(data), among_best(ranked(accuracy))
    told = [
        f"{a} against {b} {in_words(ahead, level=level)}"
        for (a, b), ahead in family.items()
        if ahead.low > 0 or ahead.high < 0
    ]
    untold = [f"{a} from {b}" for (a, b), ahead in family.items() if ahead.low <= 0 <= ahead.high]
    # Names have commas.
    parts = [
        f"{label} pruned: STARFISH recovers {in_words(mean(100 * recovered(data)))} % of the dense "
        "accuracy."
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


def _table(caption: str, columns: dict[str, str], found: dict[str, Any]) -> Table:
    rows = found["methods"] | found.get("references", {})
    return Table(
        caption,
        ("method", *columns),
        [
            (name in found["among_best"], (name, *map(entry.get, columns.values())))
            for name, entry in rows.items()
        ],
    )


def page(data: Dataset, settings) -> str:
    """A table for every sparsity, and one for equal time."""
    found = summary(data, settings).tables
    levels = map(percent, settings.sparsities)
    tables = [_table(f"{s} of the weights pruned", COLUMNS, found[s]) for s in levels]
    caption = f"{percent(settings.timed)} pruned, steps for the time of the fastest descent"
    return tables_page(
        "Healing pruned networks",
        f"{settings.trials} dense networks on {settings.dataset}, {settings.draws} draws of "
        f"{int(data.images)} unlabelled images for each, {settings.steps} steps. Means over "
        "networks with Student's 95 % intervals. Marked methods cannot be told from the best: "
        "paired by network, with Holm's correction, p > 5 %; they hold the truly best with 95 % "
        "confidence, yet of many that are equally good more than 5 % may go unmarked.",
        [*tables, _table(caption, EQUAL_TIME, found["equal_time"])],
    )
