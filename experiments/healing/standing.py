"""How methods stand on the same pruned networks: which of them the seeds cannot tell apart."""

from collections.abc import Mapping
from typing import Any

from xarray import DataArray

from experiments.healing.dense import ImageSettings
from experiments.plots.comparison import Standing, standings
from experiments.plots.estimates import mean, numbers, share


def by_network(score: DataArray) -> DataArray:
    """Accuracies with the draws averaged: networks are the sample."""
    return score.sel(measure="accuracy", drop=True).mean("draw")


def ranked(accuracy: DataArray) -> dict[str, Standing]:
    """How every method stands among all, from accuracies over arm and trial."""
    found = standings(accuracy.transpose("arm", "trial").values)
    return dict(zip(accuracy.arm.values.tolist(), found, strict=True))


def among_best(accuracy: DataArray) -> list[str]:
    """Methods that are not told apart from the best, from accuracies over arm and trial."""
    return [name for name, one in ranked(accuracy).items() if one.among_best]


def at_an_edge(settings: ImageSettings, rate: DataArray) -> list[str]:
    """Methods that chose the smallest or largest step size, and might have chosen one beyond.

    Example:
        >>> rate = DataArray([0.2, 0.3], {"arm": ["a", "b"]}, dims="arm")
        >>> at_an_edge(ImageSettings(rates=(0.1, 0.2, 0.3)), rate)
        ['b']
    """
    return rate.arm[rate.isin((min(settings.rates), max(settings.rates)))].values.tolist()


def in_numbers(score: DataArray) -> dict[str, Any]:
    """Every measure with its interval over the trials, for JSON."""
    return {
        name: numbers((mean if name == "NLL" else share)(score.sel(measure=name)))
        for name in score.measure.values.tolist()
    }


def by_arm(columns: Mapping[str, Mapping[str, Any]]) -> dict[str, dict[str, Any]]:
    """Columns of numbers by method as one table for each method.

    Example:
        >>> by_arm({"accuracy": {"MSE": 0.5}, "seconds": {"MSE": 2}})
        {'MSE': {'accuracy': 0.5, 'seconds': 2}}
    """
    names = next(iter(columns.values()))
    return {name: {what: column[name] for what, column in columns.items()} for name in names}


def summarise(score: DataArray, dense: DataArray, **columns: Any) -> dict[str, Any]:
    """One cell in numbers: networks are the sample, their draws are averaged.

    Args:
        score: of arm, trial, draw and measure.
        dense: accuracies before pruning, over trials.
        columns: more numbers by method.

    Returns:
        ``among_best``, names of the methods not told apart from the best, and ``methods`` with the
        numbers of each by name.
    """
    accuracy = by_network(score)
    standing = ranked(accuracy)
    found = in_numbers(score.mean("draw")) | {
        "recovered": numbers(mean(accuracy / dense)),
        "difference_to_best": {name: one.behind.rounded() for name, one in standing.items()},
        "p_value": {name: float(f"{one.adjusted:.3g}") for name, one in standing.items()},
    }
    return {"among_best": among_best(accuracy), "methods": by_arm(found | columns)}
