"""Which states to align, and what aligning does to the states of every layer.

Similarities are those of test images, in the pruned or healed network against the dense one.
"""

from dataclasses import dataclass
from typing import get_args

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from xarray import DataArray, Dataset

from experiments.experiment import Experiment, Progress, Summary, part
from experiments.healing.comparison import compare, evaluate
from experiments.healing.curves import REFERENCES, error, errors_along
from experiments.healing.dense import PAPER, SMOKE, CalibratedSettings, prepare
from experiments.healing.standing import by_network, summarise
from experiments.plots.comparison import in_words
from experiments.plots.curves import curves
from experiments.plots.dots import dots
from experiments.plots.estimates import jointly, mean, numbers, share
from experiments.plots.style import BLACK, BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILION, legend
from theory.healing.states import (
    ALONE,
    BEFORE,
    SIMILARITIES,
    STARFISH,
    Name,
    compared,
    similarities,
)
from theory.healing.structures import magnitude_masks, percent
from theory.settings import Filled, ProperShare


@dataclass(frozen=True)
class Settings(CalibratedSettings):
    """Networks pruned by magnitude within every hidden layer."""

    sparsity: ProperShare = 0.95
    """share of the weights of every hidden layer that is pruned"""
    methods: Filled[Name] = get_args(Name)
    """what is aligned"""


def run(settings: Settings, key, progress: Progress) -> Dataset:
    """Align one choice of states after another.

    ``score`` over arm, trial, draw and measure; ``similarity`` of hidden states and logits over
    arm, trial, draw, index and state; ``rate`` over arm, the step size chosen; without arm and
    draw ``dense``, ``pruned`` and ``pruned_similarity``.
    """
    made = prepare(settings, jax.random.split(key, 3), progress)
    images, x = made.images, jnp.asarray(made.images.x_test)
    cell = made.pruned(magnitude_masks(made.dense, settings.sparsity))
    states = [*(f"h{i + 1}" for i in range(settings.depth)), "logits"]
    labels = {"index": list(SIMILARITIES), "state": states}

    def measure(nets):
        found = np.asarray(similarities(nets, cell.dense, x))
        found = found.reshape(settings.trials, settings.draws, *found.shape[1:])
        similarity = DataArray(found, labels, dims=("trial", "draw", "index", "state"))
        return {"score": evaluate(nets, images, settings.draws), "similarity": similarity}

    arms, cells = compared(settings.methods, settings.depth), {settings.sparsity: cell}
    data = compare(settings, measure, arms, cells, "sparsity", part(progress, 0.1, 0.9))
    progress(1.0, "done")
    names = {"score": "pruned", "similarity": "pruned_similarity"}
    pruned = Dataset(measure(cell.start)).isel(draw=0).rename(names)
    kept = data[["score", "similarity", "rate"]].squeeze("sparsity", drop=True)
    return kept.assign(pruned).assign(dense=evaluate(made.dense, images))


def _with_pruned(healed: DataArray, pruned: DataArray) -> DataArray:
    return xr.concat([pruned.expand_dims(arm=["pruned"]), healed.mean("draw")], "arm")


DRAWN = {
    "pruned": {"color": BLACK, "marker": "x", "ls": ":"},
    STARFISH: {"color": VERMILION, "marker": "o"},
    BEFORE: {"color": BLUE, "marker": "s"},
    "after ReLU, and logits": {"color": ORANGE, "marker": "D"},
    "layer 1 alone": {"color": GREEN, "marker": "^", "ls": "--"},
    "after ReLU, MSE": {"color": PURPLE, "marker": "P"},
    "distillation": {"color": SKY, "marker": "v"},
}


def draw(data: Dataset, settings: Settings) -> Figure:
    """CKA and cosine of every state, and the error of every choice."""
    figure, panels = plt.subplots(1, 3, figsize=(7.2, 4.0))
    similarity = _with_pruned(data.similarity, data.pruned_similarity)
    similarity = similarity.assign_coords(at=("state", np.arange(settings.depth + 1)))
    found = mean(similarity.sel(arm=[name for name in DRAWN if name in similarity.arm]))
    names = [*(f"$h_{{{i + 1}}}$" for i in range(settings.depth)), "logits"]
    for index, ax in zip(SIMILARITIES, panels, strict=False):
        ax.axhline(1, **REFERENCES["dense"], label="dense")
        look = {"ms": 3, "lw": 1, "capsize": 1.5, "given": DRAWN, "dodge": 0.05}
        curves(ax, found.sel(index=index), x="at", series="arm", **look)
        ax.set_xticks(similarity["at"], names)
        ax.set(xlabel="state", ylabel=f"{index} with the dense state")
    errors = _with_pruned(data.score, data.pruned).sel(measure="accuracy")
    panels[2].axvline(1 - float(data.dense.sel(measure="accuracy").mean()), **REFERENCES["dense"])
    dots(panels[2], error(errors), y="arm", color=VERMILION)
    panels[2].yaxis.tick_right()
    panels[2].set_title(f"{percent(settings.sparsity)} pruned")
    errors_along(panels[2])
    legend(figure, [({}, panels[0])], "lower")
    return figure


def summary(data: Dataset, settings: Settings) -> Summary:
    """Accuracies and similarities of every choice."""
    accuracy, dense = 100 * by_network(data.score), data.dense.sel(measure="accuracy")
    alone = [name for name in accuracy.arm.values if name.endswith("alone")]
    levels = {BEFORE: jointly(1)} | dict.fromkeys(alone, jointly(len(alone) or 1))
    changes = []
    for name in accuracy.arm.values if STARFISH in accuracy.arm else ():
        if name in levels:
            change = accuracy.sel(arm=name) - accuracy.sel(arm=STARFISH)
            words = in_words(mean(change, level=levels[name]), level=levels[name])
            changes.append(f"{name} {words}")
    similarity = _with_pruned(data.similarity, data.pruned_similarity).mean("trial")
    tables = {
        "dense": numbers(share(dense)),
        "pruned": numbers(share(data.pruned.sel(measure="accuracy"))),
        "similarity": numbers(similarity.transpose("index", "arm", "state")),
    }
    sentence = f"Points of accuracy gained over all states after ReLU: {'; '.join(changes)}."
    return Summary((sentence,) if changes else (), tables | summarise(data.score, dense))


experiment = Experiment(
    name="healing.states",
    title="Which states to align, and what aligning does to every layer",
    label="states aligned",
    provenance="derived",
    presets={
        "smoke": Settings(**SMOKE, sparsity=0.75, methods=(STARFISH, ALONE)),
        "course": Settings(),
        "paper": Settings(**PAPER),
    },
    run=run,
    draw=draw,
    summary=summary,
)
