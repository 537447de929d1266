"""Which states to align, and what aligning does to the states of every layer.

Similarities are those of test images, in the pruned or healed network against the dense one.
"""

from dataclasses import dataclass
from functools import partial
from typing import Literal, get_args

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
    single = {f"layer {i + 1} alone": Aligned(partial(_only, i)) for i in range(settings.depth)}
    return [
        Arm(*made)
        for name, objective in METHODS.items()
        if name in settings.methods
        for made in (single if objective is None else {name: objective}).items()
    ]


@jax.jit
def _similarities(nets: MLP, dense: MLP, x):
    def member(pair):
        one, other = (hidden_and_logits(net, x) for net in pair)
        pairs = list(zip(one, other, strict=True))
        return jnp.stack([f(a, b) for f in SIMILARITIES.values() for a, b in pairs])

    return ensemble(member, (nets, dense))


def run(settings: Settings, key, progress: Progress) -> Dataset:
    """Align one choice of states after another.

    ``score`` over arm, trial, draw and measure; ``similarity`` of hidden states and logits over
    arm, trial, draw, index and state; ``rate`` over arm, the step size chosen; without arm and
    draw ``dense``, ``pruned`` and ``pruned_similarity``.
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
        settings, measure, compared(settings), {settings.sparsity: cell}, "sparsity",
        lambda done, what: progress(0.1 + 0.9 * done, what),
    )  # fmt: skip
    progress(1.0, "done")
    pruned = Dataset(measure(cell.start)).isel(draw=0)
    kept = data[["score", "similarity", "rate"]].squeeze("sparsity", drop=True)
    return kept.assign(
        dense=evaluate(dense, images), pruned=pruned.score, pruned_similarity=pruned.similarity
    )


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


SMOKE = Settings(
    width=16, depth=2, epochs=3, trials=2, draws=1, steps=4, rates=(1e-2,), sparsity=0.75,
    methods=(STARFISH, ALONE),
)  # fmt: skip

experiment = Experiment(
    name="healing.states",
    title="Which states to align, and what aligning does to every layer",
    label="states aligned",
    provenance="derived",
    presets={
        "smoke": SMOKE,
        "course": Settings(),
        "paper": Settings(trials=20, steps=1600),
    },
    run=run,
    draw=draw,
    summary=summary,
)
