"""All methods on the same pruned networks, and which of them the seeds cannot tell apart."""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from jaxtyping import Array, Float, Int
from xarray import DataArray, Dataset

from experiments.experiment import Progress
from experiments.healing.arms import Arm, choose_rate, compiled, timed
from experiments.healing.dense import Calibration, Images, ImageSettings, train
from experiments.plots.comparison import Standing, standings
from experiments.plots.estimates import mean, numbers, share
from theory.ensemble import ensemble
from theory.healing.masks import apply_masks
from theory.healing.objectives import Member
from theory.metrics import accuracy, calibration_error, negative_log_likelihood

MEASURES = {"accuracy": accuracy, "NLL": negative_log_likelihood, "ECE": calibration_error}

CHOSEN_ON = 3
"""Dense networks whose first draws choose the step size of a method."""


@jax.jit
def _evaluate(nets: Any, x: Float[Array, "n ..."], y: Int[Array, " n"]):
    def member(net):
        logits = net.logits(x)
        return jnp.stack([measure(logits, y) for measure in MEASURES.values()])

    return ensemble(member, nets)


def evaluate(nets: Any, images: Images, draws: int | None = None) -> DataArray:
    """`MEASURES` on the test images.

    Args:
        nets: with a leading axis of trials, or of trials · draws.
        images: to test on.
        draws: how many of each trial; None where there is one network for each trial.

    Returns:
        Dimensions ``trial``, ``draw`` unless there are none, and ``measure``.
    """
    found = np.asarray(_evaluate(nets, jnp.asarray(images.x_test), jnp.asarray(images.y_test)))
    labels = {"measure": list(MEASURES)}
    if draws is None:
        return DataArray(found, labels, dims=("trial", "measure"))
    return DataArray(
        found.reshape(-1, draws, len(MEASURES)), labels, dims=("trial", "draw", "measure")
    )


def on_test(settings: ImageSettings, images: Images) -> Callable[[Any], Mapping[str, DataArray]]:
    """`evaluate` as `compare` calls it: variable ``score``."""
    return lambda nets: {"score": evaluate(nets, images, settings.draws)}


def repeated(tree: Any, draws: int) -> Any:
    """Arrays of a leading axis of networks, each once for every draw: (trials · draws, …)."""
    return jax.tree.map(lambda leaf: jnp.repeat(leaf, draws, axis=0), tree)


def members(dense: Any, masks: Any, calibration: Calibration) -> Member:
    """All networks with all draws, in one leading axis of trials · draws.

    Args:
        dense: of a leading axis of trials.
        masks: of a leading axis of trials, or already of trials · draws.
        calibration: draws for every network.
    """
    trials, draws = calibration.y.shape[:2]
    nets = repeated(dense, draws)
    if len(jax.tree.leaves(masks)[0]) == trials:
        masks = repeated(masks, draws)
    x, y = (leaf.reshape(-1, *leaf.shape[2:]) for leaf in calibration)
    return Member(nets, apply_masks(nets, masks), masks, x, y, x)


def references(
    images: Images,
    dense: Any,
    masks: Mapping[Any, Any],
    dim: str,
    epochs: float,
    trainable: Any,
    rate: float,
    key,
    progress: Progress,
) -> Dataset:
    """What healing is measured against: nothing done, and retraining on all images and labels.

    Args:
        images: to train and test on.
        dense: networks with a leading axis.
        masks: by the labels of the cells, with the same leading axis.
        dim: what the labels are of.
        epochs: passes over the training images.
        trainable: which leaves retraining trains.
        rate: step size of Adam at the start.
        key: of the order of images.
        progress: from 0 to 1.

    Returns:
        ``dense`` over trial and measure, ``pruned`` and ``retrained`` over ``dim`` as well.
    """
    found = []
    for i, (label, mask) in enumerate(masks.items()):
        progress(i / len(masks), f"retraining, {dim} {label}")
        start = apply_masks(dense, mask)
        keys = jax.random.split(jax.random.fold_in(key, i), len(jax.tree.leaves(dense)[0]))
        again = train(start, mask, keys, images, epochs, trainable, rate)
        nets = {"pruned": start, "retrained": again}
        found.append(Dataset({name: evaluate(net, images) for name, net in nets.items()}))
    data = xr.concat(found, dim).assign_coords({dim: list(masks)})
    return data.assign(dense=evaluate(dense, images))


def compare(
    settings: ImageSettings,
    measure: Callable[[Any], Mapping[str, DataArray]],
    arms: Sequence[Arm],
    cells: Mapping[Any, Member],
    dim: str,
    progress: Progress,
    programs: dict[Any, Any] | None = None,
) -> Dataset:
    """Heal every cell, a cell being one way to prune, by every method.

    A method that starts from another's healed networks has its step size, and both their seconds.

    Args:
        settings: trials, draws, steps, and step sizes.
        measure: of healed networks with a leading axis of trials · draws, by name.
        arms: the methods.
        cells: pruned networks, each from `members`, by their labels.
        dim: what the labels are of.
        progress: from 0 to 1.
        programs: kept from call to call, what was compiled in one is not compiled in the next.

    Returns:
        What is measured, over ``dim``, ``arm``, and its own dimensions; over ``dim`` and arm
        ``rate``, the step size chosen (NaN for closed forms), and ``seconds`` to heal one network,
        compiling and choosing the rate apart; over arm ``compile_seconds``, for all cells
        together.
    """
    names = [arm.name for arm in arms]
    compiling = dict.fromkeys(names, 0.0)
    programs, found = {} if programs is None else programs, []
    for j, (label, cell) in enumerate(cells.items()):
        firsts = jax.tree.map(lambda leaf: leaf[:: settings.draws][:CHOSEN_ON], cell)
        healed, done = {}, {}
        for i, arm in enumerate(arms):
            progress((j + i / len(arms)) / len(cells), f"{dim} {label}, {arm.name}")
            if arm.after is None:
                start, rate, before = cell, choose_rate(settings, arm, firsts), 0.0
            else:
                start, first = cell._replace(start=healed[arm.after]), done[arm.after]
                rate, before = float(first.rate), float(first.seconds)
            program = arm.name, cell.x.shape, jax.tree.structure(start)
            if program not in programs:
                began = time.perf_counter()
                programs[program] = compiled(settings, arm, start, settings.steps)
                compiling[arm.name] += time.perf_counter() - began
            nets, took = timed(programs[program], start, rate)
            if any(later.after == arm.name for later in arms):
                healed[arm.name] = nets
            done[arm.name] = Dataset({**measure(nets), "rate": rate, "seconds": before + took})
        found.append(xr.concat(done.values(), "arm"))
    data = xr.concat(found, dim).assign_coords({dim: list(cells), "arm": names})
    data["seconds"].attrs["units"] = "s"
    paid = [compiling[arm.name] + compiling.get(arm.after or "", 0.0) for arm in arms]
    return data.assign(compile_seconds=("arm", paid, {"units": "s"}))


def by_network(score: DataArray) -> DataArray:
    """Accuracies with the draws averaged: networks are the sample."""
    return score.sel(measure="accuracy", drop=True).mean("draw")


def ranked(accuracy: DataArray) -> dict[str, Standing]:
    """How every method stands among all, from accuracies over arm and trial."""
    found = standings(accuracy.transpose("arm", "trial").values)
    return dict(zip(accuracy.arm.values.tolist(), found, strict=True))


def among_best(standing: Mapping[str, Standing]) -> list[str]:
    """Methods that are not told apart from the best."""
    return [name for name, one in standing.items() if one.among_best]


def at_an_edge(settings: ImageSettings, rate: DataArray) -> list[str]:
    """Methods that chose the smallest or largest step size, and might have chosen one beyond.

    Example:
        >>> rate = DataArray([0.2, 0.3], {"arm": ["a", "b"]}, dims="arm")
        >>> at_an_edge(ImageSettings(rates=(0.1, 0.2, 0.3)), rate)
        ['b']
    """
    return rate.arm[rate.isin((min(settings.rates), max(settings.rates)))].values.tolist()


def in_numbers(score: DataArray) -> dict[str, list[float]]:
    """Every measure with its interval over the trials, for JSON."""
    return {
        name: numbers((mean if name == "NLL" else share)(score.sel(measure=name)))
        for name in score.measure.values.tolist()
    }


def summarise(score: DataArray, dense: DataArray) -> dict[str, Any]:
    """One cell in numbers: networks are the sample, their draws are averaged.

    Args:
        score: of arm, trial, draw and measure.
        dense: accuracies before pruning, over trials.

    Returns:
        ``among_best``, names of the methods not told apart from the best, and ``methods`` with the
        numbers of each by name.
    """
    accuracy, standing = by_network(score), ranked(by_network(score))
    return {
        "among_best": among_best(standing),
        "methods": {
            name: in_numbers(score.sel(arm=name).mean("draw"))
            | {
                "recovered": numbers(mean(accuracy.sel(arm=name) / dense)),
                "difference_to_best": one.behind.rounded(),
                "p_value": float(f"{one.adjusted:.3g}"),
            }
            for name, one in standing.items()
        },
    }
