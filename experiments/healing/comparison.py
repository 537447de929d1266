"""All methods on the same pruned networks, and which of them the seeds cannot tell apart."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int
from numpy.typing import NDArray
from scipy import stats

from experiments.experiment import Arrays, Progress
from experiments.healing.arms import Arm, Member, choose_rate, compiled, timed
from experiments.healing.dense import Calibration, Images, ImageSettings, train
from experiments.panels import Interval, mean_interval
from theory.ensemble import ensemble
from theory.healing.masks import apply_masks
from theory.healing.metrics import accuracy, calibration_error, negative_log_likelihood
from theory.statistics import holm

MEASURES = ("accuracy", "NLL", "ECE")
ACCURACY = 0

CHOSEN_ON = 2
"""Dense networks whose first draws choose the step size of a method."""

LEVEL = 0.05
"""Methods whose adjusted p-value against the best is above this are as good as the best."""


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
    """

    measures: NDArray[np.float64]
    rate: NDArray[np.float64]
    seconds: NDArray[np.float64]


def compare(
    settings: ImageSettings,
    measure: Callable[[Any, Member], NDArray],
    arms: Sequence[Arm],
    cells: Sequence[Member],
    names: Sequence[str],
    progress: Progress,
) -> Scores:
    """Heal every cell by every method.

    Args:
        settings: trials, draws, steps, and step sizes.
        measure: ``measure(nets, cell)`` of healed networks, (members, measures).
        arms: the methods.
        cells: pruned networks, each from `members`.
        names: of the cells, for the progress.
        progress: from 0 to 1.
    """
    shape = (len(arms), len(cells))
    rates, seconds, measured = np.zeros(shape), np.zeros(shape), []
    for i, arm in enumerate(arms):
        program, images = None, None
        for j, cell in enumerate(cells):
            progress((i + j / len(cells)) / len(arms), f"{arm.name}, {names[j]}")
            firsts = jax.tree.map(lambda leaf: leaf[:: settings.draws][:CHOSEN_ON], cell)
            rates[i, j] = choose_rate(settings, arm, firsts)
            if program is None or cell.x.shape != images:
                program, images = compiled(settings, arm, cell, settings.steps), cell.x.shape
            nets, seconds[i, j] = timed(program, cell, rates[i, j])
            measured.append(measure(nets, cell))
    measures = np.stack(measured).reshape(*shape, settings.trials, settings.draws, -1)
    return Scores(measures, rates, seconds)


class Standing(NamedTuple):
    """How one method stands among all on one cell.

    Attributes:
        behind: the mean difference to the best method, paired by network, with its interval.
        adjusted: p-value of no difference, Student's paired test, after Holm over the methods.
        among_best: not told apart from the best.
    """

    behind: Interval
    adjusted: float
    among_best: bool


def standings(values: Float[np.ndarray, "methods trials"]) -> list[Standing]:
    """Compare every method with the one of the largest mean, on the same networks.

    Example:
        >>> values = np.array([[0.9, 0.8, 0.9], [0.8, 0.9, 0.9], [0.1, 0.2, 0.1]])
        >>> [one.among_best for one in standings(values)]
        [True, True, False]
    """
    best = int(np.argmax(values.mean(axis=1)))
    differences = values - values[best]
    varies = differences.std(axis=1) > 0
    # The same difference on every network is no doubt at all, and none is no difference.
    p = np.where((differences == 0).all(axis=1), 1.0, 0.0)
    _, p[varies] = stats.ttest_1samp(differences[varies], 0, axis=1)
    others = np.arange(len(values)) != best
    adjusted = np.ones(len(values))
    adjusted[others] = np.asarray(holm(jnp.asarray(p[others])))
    return [
        Standing(mean_interval(gap), float(q), bool(q > LEVEL))
        for gap, q in zip(differences, adjusted, strict=True)
    ]


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
            name: {
                label: mean_interval(means[i, :, j]).rounded() for j, label in enumerate(MEASURES)
            }
            | {
                "recovered": mean_interval(accuracies[i] / dense).rounded(),
                "difference_to_best": ranked[i].behind.rounded(),
                "p_value": float(f"{ranked[i].adjusted:.3g}"),
            }
            for i, name in enumerate(names)
        },
    }


def in_words(interval: Interval, digits: int = 1) -> str:
    """An interval for a sentence.

    Example:
        >>> in_words(Interval(np.array(-1.0), np.array(-2.0), np.array(0.5)))
        '−1.0 (95 % interval −2.0 to 0.5)'
    """
    centre, low, high = (f"{float(x):.{digits}f}".replace("-", "−") for x in interval)
    return f"{centre} (95 % interval {low} to {high})"
