"""All methods on the same pruned networks, and what they are measured against.

All that train take the same steps with a step size from the same grid, chosen by each method's own
loss on a fifth of the images of the first draws.
"""

import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from xarray import DataArray, Dataset

from experiments.errors import UsageError
from experiments.experiment import Progress
from experiments.healing.dense import ImageSettings
from theory.healing.members import Images
from theory.healing.methods import Arm
from theory.healing.metrics import MEASURES, measured
from theory.healing.objectives import Member
from theory.healing.programs import Program, best_rate, compiled
from theory.healing.training import retrained

CHOSEN_ON = 3
"""Dense networks whose first draws choose the step size of a method."""


def evaluate(nets: Any, images: Images, draws: int | None = None) -> DataArray:
    """`MEASURES` on the test images, over ``trial``, ``draw`` and ``measure``.

    Args:
        nets: with a leading axis of trials · draws.
        images: to test on.
        draws: of each trial; None where there is one network for each, and no ``draw``.
    """
    found = np.asarray(measured(nets, jnp.asarray(images.x_test), jnp.asarray(images.y_test)))
    dims = ("trial", "measure") if draws is None else ("trial", "draw", "measure")
    shape = (-1, *(() if draws is None else (draws,)), len(MEASURES))
    return DataArray(found.reshape(shape), {"measure": list(MEASURES)}, dims)


def on_test(settings: ImageSettings, images: Images) -> Callable[[Any], Mapping[str, DataArray]]:
    """`evaluate` as `compare` calls it: variable ``score``."""
    return lambda nets: {"score": evaluate(nets, images, settings.draws)}


def first_draws(settings: ImageSettings, cell: Any) -> Any:
    """Members, or some of their arrays, one of each dense network."""
    return jax.tree.map(lambda leaf: leaf[:: settings.draws], cell)


def references(
    settings: Any,
    images: Images,
    cells: Mapping[float, Member],
    trainable: Callable[[Any], Any],
    rate: float,
    key,
    progress: Progress,
) -> Dataset:
    """What healing is measured against: nothing done, and retraining on all images and labels.

    ``dense`` over trial and measure, ``pruned`` and ``retrained`` over ``sparsity`` as well.

    Args:
        settings: ``epochs``, and what share of them is ``retraining``.
        images: to train and test on.
        cells: pruned networks by sparsity.
        trainable: which leaves of a network retraining trains.
        rate: step size of Adam at the start.
        key: of the order of images.
        progress: from 0 to 1.
    """
    found, dense = [], None
    epochs = settings.retraining * settings.sizes.epochs
    for i, (label, cell) in enumerate(cells.items()):
        progress(i / len(cells), f"retraining, sparsity {label}")
        dense, start, masks = first_draws(settings, (cell.dense, cell.start, cell.masks))
        order, trained = jax.random.fold_in(key, i), trainable(start)
        again = retrained(start, masks, order, *images.training, epochs, trained, rate)
        nets = {"pruned": start, "retrained": again}
        found.append(Dataset({name: evaluate(net, images) for name, net in nets.items()}))
    data = xr.concat(found, "sparsity").assign_coords(sparsity=list(cells))
    return data.assign(dense=evaluate(dense, images))


def choose_rate(settings: ImageSettings, arm: Arm, firsts: Member) -> float:
    """The step size chosen on the first draws, see `best_rate`.

    Raises:
        UsageError: no step size leaves the loss finite.
    """
    try:
        return best_rate(arm, firsts, settings.rates, settings.steps, settings.batch)
    except ValueError as error:
        raise UsageError(f"{error}: lower --rates.") from error


def timed(program: Program, members: Member, rate: float) -> tuple[Any, float]:
    """Healed networks, and the seconds for one of them."""
    start = time.perf_counter()
    nets = jax.block_until_ready(program(members, jnp.float32(rate)))
    return nets, (time.perf_counter() - start) / len(members.x)


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
        settings: draws, steps, and step sizes.
        measure: of healed networks with a leading axis of trials · draws, by name.
        arms: the methods.
        cells: pruned networks by their labels.
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
        firsts = jax.tree.map(lambda leaf: leaf[:CHOSEN_ON], first_draws(settings, cell))
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
                programs[program] = compiled(arm, start, settings.steps, settings.batch)
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
