"""Which of its targets each order succeeds with, and where the class that fell stood among logits.

The paper's Figure 4 counts successes by the rank of the target: MALT's first target falls where
the naive order needs a later one, or has none. Figures 1, 5 and 6 are of targets far down the
logits.
"""

from dataclasses import dataclass

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from xarray import DataArray, Dataset

from experiments.attacks import orders
from experiments.attacks.orders import COLOURS, ORDERS, PAPER, SMOKE, run, share_of_right
from experiments.experiment import Experiment, Summary
from experiments.plots.curves import curves
from experiments.plots.estimates import mean, numbers
from experiments.plots.style import CHANCE, legend
from theory.attacks.targets import Order
from theory.settings import Filled

BINS = {"1": (1, 1), "2": (2, 2), "3": (3, 3), "> 3": (4, np.inf)}
"""Ranks as the paper counts them."""


@dataclass(frozen=True)
class Settings(orders.Settings):
    """MALT against the naive order."""

    orders: Filled[Order] = ("malt", "logits")


def binned(data: Dataset, ranks: DataArray) -> DataArray:
    """The share of right points that fell at each rank, from 1 on."""
    bins = {"bin": list(BINS)}
    low, high = (DataArray([ends[i] for ends in BINS.values()], bins) for i in (0, 1))
    return share_of_right(data.success & (ranks >= low) & (ranks <= high), data)


def draw(data: Dataset, settings: Settings) -> Figure:
    """By rank of the target in its order above, by rank of its logit below; a column a scene."""
    figure, axes = plt.subplots(2, 2, figsize=(7.2, 5.0), sharex=True, sharey="col")
    marks = {name: {"label": ORDERS[name], "color": COLOURS[name]} for name in settings.orders}
    at = np.arange(len(BINS))
    for row, name in zip(axes, ("runs", "rank"), strict=True):
        for ax, scene in zip(row, data.scene.values, strict=True):
            one = data.sel(scene=scene)
            found = mean(binned(one, one[name]).assign_coords(bin=at))
            curves(ax, found, x="bin", series="order", given=marks, dodge=0.36, ls="none")
            ever = float(share_of_right(one.success.any("order"), one).mean())
            ax.axhline(ever, **CHANCE, label="all that fall, by either")
            ax.set_xticks(at, list(BINS))
            ax.set_ylim(bottom=-0.01)
    for ax, scene in zip(axes[0], data.scene.values, strict=True):
        ax.set_title(scene)
        ax.set_xlabel("rank of the target in its order")
    for ax in axes[1]:
        ax.set_xlabel("rank of the target's logit, the label's apart")
    for ax in axes.flat:
        ax.set_ylabel("share of right points")
    legend(figure, [({}, ax) for ax in axes.ravel()], ncols=3)
    return figure


def summary(data: Dataset, settings: Settings) -> Summary:
    """The shares by rank, and how often the class that fell was not that of the largest logit."""
    tables, sentences = {}, []
    for scene in data.scene.values.tolist():
        one = data.sel(scene=scene)
        found = {name: numbers(mean(binned(one, one[name]))) for name in ("runs", "rank")}
        tables[scene] = {"by order": found["runs"], "by logit": found["rank"]}
        for order in settings.orders:
            hit = one.sel(order=order)
            fell = int(hit.success.sum())
            first = int((hit.success & (hit.runs == 1)).sum())
            low = int((hit.success & (hit["rank"] > 1)).sum())
            sentences.append(
                f"{scene[0].upper()}{scene[1:]}, {ORDERS[order]}: {first} of {fell} successes are "
                f"with the first target, {low} with a class that had not the largest logit."
            )
    return Summary(tuple(sentences), tables)


experiment = Experiment(
    name="attacks.rank",
    title="Ranks of the targets that fall",
    label="Figure 4",
    provenance="paper",
    presets={
        "smoke": Settings(**SMOKE),
        "course": Settings(),
        "paper": Settings(**PAPER),
    },
    run=run,
    draw=draw,
    summary=summary,
)  # fmt: skip
