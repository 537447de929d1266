"""Which states to align, and what aligning does to the states of every layer.

Similarities are those of test images, in the pruned or healed network against the dense one.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Array
from matplotlib.figure import Figure

from experiments.experiment import Arrays, Experiment, Progress
from experiments.healing.arms import Aligned, Arm, Distilled, hidden, hidden_and_logits
from experiments.healing.comparison import ACCURACY, MEASURES, compare, evaluate, members, summarise
from experiments.healing.curves import dots, errors_across
from experiments.healing.dense import CalibratedSettings, dense_mlps, draw_calibration, load
from experiments.healing.pruning import check_sparsity, magnitude_masks, percent
from experiments.plots.comparison import in_words
from experiments.plots.estimates import jointly, mean_interval, share_interval
from experiments.plots.style import BLACK, BLUE, GREEN, ORANGE, PURPLE, SKY, STYLE, VERMILION
from theory.ensemble import ensemble
from theory.healing.metrics import cosine, linear_cka
from theory.networks import MLP


def preactivations(net: MLP, x: Array) -> tuple[Array, ...]:
    """Hidden states before their ReLU."""
    return net.preactivations(x)[:-1]


def _only(layer: int, net: MLP, x: Array) -> tuple[Array, ...]:
    return (hidden(net, x)[layer],)


def compared(depth: int) -> tuple[Arm, ...]:
    """What is aligned: after or before the ReLU, all layers or one, directions or values."""
    single = tuple(
        Arm(f"layer {layer + 1} alone", Aligned(partial(_only, layer))) for layer in range(depth)
    )
    return (
        Arm("after ReLU (STARFISH)", Aligned()),
        Arm("before ReLU", Aligned(preactivations)),
        Arm("after ReLU, and logits", Aligned(hidden_and_logits)),
        Arm("all before ReLU, and logits", Aligned(MLP.preactivations)),
        *single,
        Arm("after ReLU, MSE", Aligned(method="mse")),
        Arm("before ReLU, MSE", Aligned(preactivations, "mse")),
        Arm("distillation", Distilled()),
    )


DRAWN = {
    "pruned": (BLACK, "x:"),
    "after ReLU (STARFISH)": (VERMILION, "o-"),
    "before ReLU": (BLUE, "s-"),
    "after ReLU, and logits": (ORANGE, "D-"),
    "layer 1 alone": (GREEN, "^--"),
    "after ReLU, MSE": (PURPLE, "P-"),
    "distillation": (SKY, "v-"),
}


@dataclass(frozen=True)
class Settings(CalibratedSettings):
    """Networks pruned by magnitude within every hidden layer."""

    sparsity: float = 0.95
    """share of the weights of every hidden layer that is pruned"""

    def __post_init__(self):
        super().__post_init__()
        check_sparsity(self.sparsity)


@jax.jit
def _similarities(nets: MLP, dense: MLP, x):
    def member(pair):
        one, other = (hidden_and_logits(net, x) for net in pair)
        pairs = list(zip(one, other, strict=True))
        return jnp.stack([f(a, b) for f in (linear_cka, cosine) for a, b in pairs])

    return ensemble(member, (nets, dense))


def run(settings: Settings, key, progress: Progress) -> Arrays:
    """Align one choice of states after another.

    Returns:
        ``measures`` (choices, trials, draws, 3), `comparison.MEASURES`; ``similarities`` (choices,
        trials, draws, 2, layers), linear CKA and cosine of hidden states and logits; ``dense``
        (trials, 3); ``pruned`` and ``pruned_similarities`` (trials, …).
    """
    keys = jax.random.split(key, 3)
    images = load(settings, keys[0])
    x = jnp.asarray(images.x_test)
    calibration = draw_calibration(settings, images, settings.sizes.share, keys[2])
    progress(0, "training dense networks")
    dense = dense_mlps(settings, images, keys[1])
    masks = magnitude_masks(dense, settings.sparsity)
    cell = members(dense, masks, calibration)

    def measure(nets, cell):
        return np.hstack([evaluate(nets, images), _similarities(nets, cell.dense, x)])

    scores = compare(
        settings,
        measure,
        compared(settings.depth),
        [cell],
        [f"{percent(settings.sparsity)} pruned"],
        lambda done, what: progress(0.1 + 0.9 * done, what),
    )
    found = scores.measures[:, 0]
    pruned = measure(cell.start, cell)[:: settings.draws]
    layers = (2, settings.depth + 1)
    progress(1.0, "done")
    return {
        "measures": found[..., : len(MEASURES)],
        "similarities": found[..., len(MEASURES) :].reshape(*found.shape[:-1], *layers),
        "rate": scores.rate[:, 0],
        "dense": evaluate(dense, images),
        "pruned": pruned[:, : len(MEASURES)],
        "pruned_similarities": pruned[:, len(MEASURES) :].reshape(-1, *layers),
    }


def draw(arrays: Arrays, settings: Settings) -> Figure:
    """CKA and cosine of every layer, and the accuracy of every choice."""
    names = [arm.name for arm in compared(settings.depth)]
    layers = [*(f"$h_{i + 1}$" for i in range(settings.depth)), "logits"]
    with plt.style.context(STYLE):
        figure, panels = plt.subplots(1, 3, figsize=(7.2, 4.0), width_ratios=(1, 1, 1))
        for measure, label in enumerate(("linear CKA", "cosine")):
            ax = panels[measure]
            ax.axhline(1, color=BLACK, lw=0.8, label="dense")
            for i, (name, (colour, style)) in enumerate(DRAWN.items()):
                if name == "pruned":
                    values = arrays["pruned_similarities"]
                else:
                    values = arrays["similarities"][names.index(name)].mean(axis=1)
                interval = mean_interval(values[:, measure])
                at = np.arange(len(layers)) + 0.05 * (i - len(DRAWN) / 2)
                ax.errorbar(
                    at, interval.centre, interval.bars, fmt=style, ms=3, lw=1, capsize=1.5,
                    color=colour, label=name,
                )  # fmt: skip
            ax.set_xticks(range(len(layers)), layers)
            ax.set(title=label, xlabel="state")
        panels[0].set_ylabel("similarity to the dense state")
        rows = ("pruned", *names)
        y = np.arange(len(rows))[::-1]
        accuracy = arrays["measures"][..., ACCURACY].mean(axis=-1)
        accuracy = np.concatenate([arrays["pruned"][None, :, ACCURACY], accuracy])
        ax = panels[2]
        ax.axvline(1 - arrays["dense"][:, ACCURACY].mean(), color=BLACK, lw=0.8)
        dots(ax, y, accuracy, "", VERMILION)
        ax.yaxis.tick_right()
        ax.set_yticks(y, rows)
        errors_across(ax, f"{percent(settings.sparsity)} pruned")
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def summary(arrays: Arrays, settings: Settings) -> dict[str, Any]:
    """Accuracies and similarities of every choice."""
    names = [arm.name for arm in compared(settings.depth)]
    dense = arrays["dense"][:, ACCURACY]
    accuracy = 100 * arrays["measures"][..., ACCURACY].mean(axis=-1)
    gap = mean_interval(accuracy[names.index("before ReLU")] - accuracy[0])
    level = jointly(settings.depth)
    alone = [
        f"{name} by {in_words(mean_interval(values - accuracy[0], level), level=level)}"
        for name, values in zip(names, accuracy, strict=True)
        if name.endswith("alone")
    ]
    out: dict[str, Any] = {
        "sentences": [
            f"States before the ReLU instead of after it change the accuracy by {in_words(gap)} "
            f"points; {'; '.join(alone)}."
        ],
        "dense": share_interval(dense).rounded(),
        "pruned": share_interval(arrays["pruned"][:, ACCURACY]).rounded(),
    } | summarise(arrays["measures"], dense, names)
    for i, label in enumerate(("cka_by_layer", "cosine_by_layer")):
        means = {"pruned": arrays["pruned_similarities"][:, i].mean(axis=0)} | {
            name: values[:, :, i].mean(axis=(0, 1))
            for name, values in zip(names, arrays["similarities"], strict=True)
        }
        out[label] = {name: [round(float(x), 4) for x in row] for name, row in means.items()}
    return out


experiment = Experiment(
    name="healing.states",
    title="Which states to align, and what aligning does to every layer",
    label="states aligned",
    provenance="derived",
    presets={
        "smoke": Settings(
            width=16, depth=2, epochs=3, trials=2, draws=1, steps=4, rates=(1e-2,), sparsity=0.75
        ),
        "course": Settings(),
        "paper": Settings(trials=20, steps=1600),
    },
    run=run,
    draw=draw,
    summary=summary,
)
