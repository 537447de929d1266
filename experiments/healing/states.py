"""Which states to align, and what aligning does to the states of every layer.

Similarities are those of test images, in the pruned or healed network against the dense one.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any, Literal, get_args

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from jaxtyping import Array
from matplotlib.figure import Figure
from xarray import DataArray, Dataset

from experiments.experiment import Experiment, Progress, Summary
from experiments.healing.arms import Arm
from experiments.healing.comparison import by_network, compare, evaluate, members, summarise
from experiments.healing.curves import REFERENCES, error, errors_along
from experiments.healing.dense import CalibratedSettings, dense_mlps, draw_calibration, load
from experiments.healing.pruning import magnitude_masks, percent
from experiments.plots.comparison import in_words
from experiments.plots.curves import curves
from experiments.plots.dots import dots
from experiments.plots.estimates import jointly, mean, numbers, share
from experiments.plots.style import BLACK, BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILION, legend
from theory.ensemble import ensemble
from theory.healing.metrics import cosine, linear_cka
from theory.healing.objectives import Aligned, Distilled, hidden, hidden_and_logits
from theory.networks import MLP
from theory.settings import Filled, ProperShare

STARFISH, BEFORE, ALONE = "after ReLU (STARFISH)", "before ReLU", "every layer alone"
SIMILARITIES = {"linear CKA": linear_cka, "cosine": cosine}


def preactivations(net: MLP, x: Array) -> tuple[Array, ...]:
    """Hidden states before their ReLU."""
    return net.preactivations(x)[:-1]


def _only(layer: int, net: MLP, x: Array) -> tuple[Array, ...]:
    return (hidden(net, x)[layer],)


METHODS = {
    STARFISH: Aligned(),
    BEFORE: Aligned(preactivations),
    "after ReLU, and logits": Aligned(hidden_and_logits),
    "all before ReLU, and logits": Aligned(MLP.preactivations),
    ALONE: None,
    "after ReLU, MSE": Aligned(method="mse"),
    "before ReLU, MSE": Aligned(preactivations, "mse"),
    "distillation": Distilled(),
}
"""What is aligned: after or before the ReLU, all layers or one, directions or values."""

Method = Literal[
    "after ReLU (STARFISH)", "before ReLU", "after ReLU, and logits", "all before ReLU, and logits",
    "every layer alone", "after ReLU, MSE", "before ReLU, MSE", "distillation",
]  # fmt: skip


@dataclass(frozen=True)
class Settings(CalibratedSettings):
    """Networks pruned by magnitude within every hidden layer."""

    sparsity: ProperShare = 0.95
    """share of the weights of every hidden layer that is pruned"""
    methods: Filled[Method] = get_args(Method)
    """what is aligned"""


def compared(settings: Settings) -> list[Arm]:
    """The methods chosen, with one for each layer where layers are aligned alone."""
    arms = []
    for name, objective in METHODS.items():
        if name in settings.methods:
            layers = range(settings.depth if name == ALONE else 0)
            arms += [Arm(f"layer {i + 1} alone", Aligned(partial(_only, i))) for i in layers]
            arms += [] if objective is None else [Arm(name, objective)]
    return arms


@jax.jit
def _similarities(nets: MLP, dense: MLP, x):
    def member(pair):
        one, other = (hidden_and_logits(net, x) for net in pair)
        pairs = list(zip(one, other, strict=True))
        return jnp.stack([f(a, b) for f in SIMILARITIES.values() for a, b in pairs])

    return ensemble(member, (nets, dense))


def run(settings: Settings, key, progress: Progress) -> Dataset:
    """Align one choice of states after another.

    ``score`` over method, trial, draw and measure; ``similarity`` of hidden states and logits over
    method, trial, draw, index and state; ``rate`` over method, the step size chosen; without
    method and draw ``dense``, ``pruned`` and ``pruned_similarity``.
    """
    keys = jax.random.split(key, 3)
    images = load(settings, keys[0])
    x = jnp.asarray(images.x_test)
    calibration = draw_calibration(settings, images, settings.sizes.share, keys[2])
    progress(0, "training dense networks")
    dense = dense_mlps(settings, images, keys[1])
    cell = members(dense, magnitude_masks(dense, settings.sparsity), calibration)
    states = [*(f"h{i + 1}" for i in range(settings.depth)), "logits"]
    labels = {"index": list(SIMILARITIES), "state": states}

    def measure(nets):
        found = np.asarray(_similarities(nets, cell.dense, x))
        found = found.reshape(settings.trials, settings.draws, len(SIMILARITIES), len(states))
        similarity = DataArray(found, labels, dims=("trial", "draw", "index", "state"))
        return {"score": evaluate(nets, images, settings.draws), "similarity": similarity}

    data = compare(
        settings,
        measure,
        compared(settings),
        {settings.sparsity: cell},
        "sparsity",
        lambda done, what: progress(0.1 + 0.9 * done, what),
    )
    progress(1.0, "done")
    pruned = Dataset(measure(cell.start)).isel(draw=0)
    return data[["score", "similarity", "rate"]].squeeze("sparsity", drop=True).assign(
        dense=evaluate(dense, images),
        pruned=pruned.score,
        pruned_similarity=pruned.similarity,
    )


def _with_pruned(healed: DataArray, pruned: DataArray) -> DataArray:
    return xr.concat([pruned.expand_dims(method=["pruned"]), healed.mean("draw")], "method")


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
    found = mean(similarity.sel(method=[name for name in DRAWN if name in similarity.method]))
    for index, ax in zip(SIMILARITIES, panels, strict=False):
        ax.axhline(1, **REFERENCES["dense"], label="dense")
        one, look = found.sel(index=index), {"ms": 3, "lw": 1, "capsize": 1.5}
        curves(ax, one, x="at", series="method", given=DRAWN, dodge=0.05, **look)
        names = [f"${name[0]}_{{{name[1:]}}}$" for name in data.state.values[:-1]]
        ax.set_xticks(similarity["at"], [*names, "logits"])
        ax.set(title=index, xlabel="state", ylabel="similarity to the dense state")
    panels[1].set_ylabel("")
    errors = _with_pruned(data.score, data.pruned).sel(measure="accuracy")
    panels[2].axvline(1 - float(data.dense.sel(measure="accuracy").mean()), **REFERENCES["dense"])
    dots(panels[2], error(errors), y="method", color=VERMILION)
    panels[2].yaxis.tick_right()
    panels[2].set_title(f"{percent(settings.sparsity)} pruned")
    errors_along(panels[2])
    legend(figure, [({}, panels[0])], "lower")
    return figure


def summary(data: Dataset, settings: Settings) -> Summary:
    """Accuracies and similarities of every choice."""
    accuracy, dense = 100 * by_network(data.score), data.dense.sel(measure="accuracy")
    changes = []
    if STARFISH in settings.methods:
        change = accuracy - accuracy.sel(method=STARFISH)
        alone = [name for name in accuracy.method.values if name.endswith("alone")]
        for names, count in (([BEFORE] * (BEFORE in settings.methods), 1), (alone, len(alone))):
            level = jointly(count) if count else 0
            changes += [
                f"by {in_words(mean(change.sel(method=name), level=level), level=level)} with "
                + name
                for name in names
            ]
    similarity = _with_pruned(data.similarity, data.pruned_similarity).mean("trial")
    tables = {
        "dense": numbers(share(dense)),
        "pruned": numbers(share(data.pruned.sel(measure="accuracy"))),
        "similarity": numbers(similarity.transpose("index", "method", "state")),
    }
    sentence = f"Instead of all states after the ReLU, accuracy changes {'; '.join(changes)}."
    return Summary((sentence,) if changes else (), tables | summarise(data.score, dense))


experiment = Experiment(
    name="healing.states",
    title="Which states to align, and what aligning does to every layer",
    label="states aligned",
    provenance="derived",
    presets={
        "smoke": Settings(
            width=16,
            depth=2,
            epochs=3,
            trials=2,
            draws=1,
            steps=4,
            rates=(1e-2,),
            sparsity=0.75,
            methods=(STARFISH, BEFORE, ALONE),
        ),  # fmt: skip
        "course": Settings(),
        "paper": Settings(trials=20, steps=1600),
    },
    run=run,
    draw=draw,
    summary=summary,
)
