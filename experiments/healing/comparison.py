"""All methods on the same pruned networks, and which of them the seeds cannot tell apart."""

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from numpy.typing import NDArray

from experiments.experiment import Arrays, Progress
from experiments.healing.arms import Arm, Member, choose_rate, compiled, timed
from experiments.healing.dense import Calibration, Images, ImageSettings, train
from experiments.plots.comparison import standings
from experiments.plots.estimates import mean_interval, share_interval
from theory.ensemble import ensemble
from theory.healing.masks import apply_masks
from theory.metrics import accuracy, calibration_error, negative_log_likelihood

MEASURES = ("accuracy", "NLL", "ECE")
ACCURACY = 0

CHOSEN_ON = 3
"""Dense networks whose first draws choose the step size of a method."""


@jax.jit
def _evaluate(nets: Any, x: Float[Array, "n ..."], y: Int[Array, " n"]):
    def member(net):
        logits = net.logits(x)
        return jnp.stack(
            [f(logits, y) for f in (accuracy, negative_log_likelihood, calibration_error)]
        )

    return ensemble(member, nets)


def evaluate(nets: Any, images: Images) -> NDArray[np.float32]:
    """`MEASURES` of networks with a leading axis on the test images, (members, 3)."""
    return np.asarray(_evaluate(nets, jnp.asarray(images.x_test), jnp.asarray(images.y_test)))


def on_test(images: Images) -> Callable[[Any, Member], NDArray]:
    """`evaluate` as `compare` calls it."""
    return lambda nets, cell: evaluate(nets, images)


def _flat(tree: Any) -> Any:
    return jax.tree.map(lambda leaf: leaf.reshape(-1, *leaf.shape[2:]), tree)


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
    x, y = _flat(calibration)
    return Member(nets, apply_masks(nets, masks), masks, x, y, x)


def references(
    images: Images,
    dense: Any,
    masks: Sequence[Any],
    epochs: float,
    trainable: Any,
    rate: float,
    key,
    progress: Progress,
) -> Arrays:
    """What healing is measured against: nothing done, and retraining on all images and labels.

    Args:
        images: to train and test on.
        dense: networks with a leading axis.
        masks: of every cell, with the same leading axis.
        epochs: passes over the training images.
        trainable: which leaves retraining trains.
        rate: step size of Adam at the start.
        key: of the order of images.
        progress: from 0 to 1.

    Returns:
        ``pruned`` and ``retrained``, `MEASURES` of shape (cells, trials, 3).
    """
    pruned, retrained = [], []
    for i, mask in enumerate(masks):
        progress(i / len(masks), f"retraining, {i + 1} of {len(masks)}")
        start = apply_masks(dense, mask)
        keys = jax.random.split(jax.random.fold_in(key, i), len(jax.tree.leaves(dense)[0]))
        pruned.append(evaluate(start, images))
        again = train(start, mask, keys, images, epochs, trainable, rate)
        retrained.append(evaluate(again, images))
    return {"pruned": np.stack(pruned), "retrained": np.stack(retrained)}


@dataclass(frozen=True)
class Scores:
    """What every method made of every cell, a cell being one way to prune.

    Attributes:
        measures: (methods, cells, trials, draws, measures), the first three `MEASURES`.
        rate: step size chosen, (methods, cells); NaN for closed forms.
        seconds: to heal one network, compiling and choosing the rate apart, (methods, cells).
        compile_seconds: to compile what heals, for all cells together, (methods,).
    """

    measures: NDArray[np.float64]
    rate: NDArray[np.float64]
    seconds: NDArray[np.float64]
    compile_seconds: NDArray[np.float64]


def compare(
    settings: ImageSettings,
    measure: Callable[[Any, Member], NDArray],
    arms: Sequence[Arm],
    cells: Sequence[Member],
    names: Sequence[str],
    progress: Progress,
) -> Scores:
    """Heal every cell by every method.

    A method that starts from another's healed networks has its step size, and both their seconds.

    Args:
        settings: trials, draws, steps, and step sizes.
        measure: ``measure(nets, cell)`` of healed networks, (members, measures).
        arms: the methods.
        cells: pruned networks, each from `members`.
        names: of the cells, for the progress.
        progress: from 0 to 1.
    """
    shape = (len(cells), len(arms))
    rates, seconds, compiling = np.zeros(shape), np.zeros(shape), np.zeros(len(arms))
    order = {arm.name: i for i, arm in enumerate(arms)}
    programs, measured = {}, []
    for j, cell in enumerate(cells):
        firsts = jax.tree.map(lambda leaf: leaf[:: settings.draws][:CHOSEN_ON], cell)
        healed = {}
        for i, arm in enumerate(arms):
            progress((j + i / len(arms)) / len(cells), f"{names[j]}, {arm.name}")
            if arm.after is None:
                start, rates[j, i], before = cell, choose_rate(settings, arm, firsts), 0.0
            else:
                other = order[arm.after]
                start = cell._replace(start=healed[arm.after])
                rates[j, i], before = rates[j, other], seconds[j, other]
            program = arm.name, cell.x.shape
            if program not in programs:
                began = time.perf_counter()
                programs[program] = compiled(settings, arm, start, settings.steps)
                compiling[i] += time.perf_counter() - began
            nets, took = timed(programs[program], start, rates[j, i])
            seconds[j, i] = before + took
            if any(later.after == arm.name for later in arms):
                healed[arm.name] = nets
            measured.append(measure(nets, cell))
    measures = np.stack(measured).reshape(*shape, settings.trials, settings.draws, -1)
    compiling += [compiling[order[arm.after]] if arm.after else 0 for arm in arms]
    return Scores(np.swapaxes(measures, 0, 1), rates.T, seconds.T, compiling)


def at_an_edge(
    settings: ImageSettings, names: Sequence[str], rates: Float[np.ndarray, " methods"]
) -> list[str]:
    """Methods that chose the smallest or largest step size, and might have chosen one beyond.

    Example:
        >>> at_an_edge(ImageSettings(rates=(0.1, 0.2, 0.3)), ("a", "b"), np.array([0.2, 0.3]))
        ['b']
    """
    edges = min(settings.rates), max(settings.rates)
    return [name for name, rate in zip(names, rates, strict=True) if rate in edges]


def in_numbers(measures: Float[np.ndarray, "trials measures"]) -> dict[str, list[float]]:
    """The first of `MEASURES`, as many as there are, with their intervals, for JSON."""
    kinds = {"accuracy": share_interval, "NLL": mean_interval, "ECE": share_interval}
    return {
        label: kinds[label](column).rounded()
        for label, column in zip(MEASURES, measures.T, strict=False)
    }


def summarise(
    measures: Float[np.ndarray, "methods trials draws measures"],
    dense: Float[np.ndarray, " trials"],
    names: Sequence[str],
) -> dict[str, Any]:
    """One cell in numbers: networks are the sample, their draws are averaged.

    Args:
        measures: `MEASURES` of every method.
        dense: accuracies before pruning.
        names: of the methods.

    Returns:
        ``among_best``, names of the methods not told apart from the best, and ``methods`` with the
        numbers of each by name.
    """
    means = measures.mean(axis=2)
    accuracies = means[..., ACCURACY]
    ranked = standings(accuracies)
    return {
        "among_best": [name for name, one in zip(names, ranked, strict=True) if one.among_best],
        "methods": {
            name: in_numbers(means[i])
            | {
                "recovered": mean_interval(accuracies[i] / dense).rounded(),
                "difference_to_best": ranked[i].behind.rounded(),
                "p_value": float(f"{ranked[i].adjusted:.3g}"),
            }
            for i, name in enumerate(names)
        },
    }
