"""The five points of the paper's animation: does the boundary cling to their line, then dimple?

Five points of alternating classes lie on a line of the plane. The animation shows a boundary that
first falls onto the line, and then bends to the right side of each point. Measured here: how far
above or below the line the boundary is, and how many points are right, epoch by epoch, for initial
weights of several sizes, beside what was measured in the published pictures. Across the line the
slope of a network hardly changes in training; the larger it is, the nearer to the line is the
boundary of an output that is about as large as the labels.
"""

from dataclasses import dataclass
from itertools import cycle
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax
import xarray as xr
from matplotlib.figure import Figure
from xarray import DataArray, Dataset

from experiments.cells import along, every, over
from experiments.experiment import Experiment, Progress, Summary
from experiments.plots.curves import curves
from experiments.plots.estimates import mean, numbers
from experiments.plots.style import BLACK, CHANCE, CLASSES
from experiments.results.report import template
from theory.dimples.rays import nearest_crossing
from theory.networks import MLP, mlp
from theory.settings import Count, Increasing, Positive, Sample
from theory.settings import Settings as Foundation
from theory.training.losses import logistic
from theory.training.mini_batch import watch

AT = (0.05, 0.30, 0.55, 0.80, 1.05)
"""The points, at height ½; the first is of class −1."""

LINE = 0.5

REACH = 1.5
"""How far from the points a boundary is looked for, and what counts where there is none."""

PUBLISHED = {14: 0.241, 19: 0.119, 24: 0.061, 30: 0.031, 49: 0.032, 74: 0.030, 99: 0.032}
"""Mean distance to the line by epoch, measured in the published animation."""

PUBLISHED_RIGHT = 74
"""The first of those epochs at which all five points are on the right side there."""

SHOWN = (0, 11, 24, 49, 74, 99)
"""Epochs of the published pictures."""


@dataclass(frozen=True)
class Settings(Foundation):
    """MLPs of two hidden layers, trained on five points by gradient descent."""

    trials: Sample = 10
    """networks"""
    width: Count = 100
    """neurons of each of two hidden layers"""
    scales: Increasing[Positive] = (1.0, 3.0, 10.0, 30.0)
    """what the initial weights but those of the last layer are multiplied by"""
    learning_rate: Positive = 0.03
    """of gradient descent with momentum .9, divided by the square of the scale"""
    epochs: Count = 100
    """measurements after the start"""
    steps: Count = 10
    """steps of an epoch"""
    positions: Sample = 43
    """places along the line at which the boundary is looked for"""


def enlarged(net: MLP, scale) -> MLP:
    """The weights of all layers but the last multiplied."""
    *hidden, last = net.weights
    return net._replace(weights=(*(scale * w for w in hidden), last))


def loss(net, data):
    """The mean logistic loss on points and their labels ±1."""
    return jnp.mean(logistic(data[1] * net(data[0])))


def run(settings: Settings, key, progress: Progress) -> Dataset:
    """Over scale, trial and epoch ``height`` of the boundary above the line by position, NaN where
    none is in reach, and ``right``, the share of points on the right side."""
    across = jnp.linspace(0, AT[-1], settings.positions)
    x = jnp.stack([across, jnp.full_like(across, LINE)], axis=1)
    up = jnp.broadcast_to(jnp.array([0.0, 1.0]), x.shape)
    points = jnp.stack([jnp.array(AT), jnp.full(len(AT), LINE)], axis=1)
    y = jnp.where(jnp.arange(len(AT)) % 2 == 0, -1.0, 1.0)

    def measure(net):
        height = nearest_crossing(lambda x: net(x), x, up, -REACH, REACH, 300)
        return height, jnp.mean(net(points) * y > 0)

    def one(scale, key):
        start = enlarged(mlp(key, (2, settings.width, settings.width, 1)), scale)
        height, right = watch(
            loss, start, (points, y), measure,
            optimizer=optax.sgd(settings.learning_rate / scale**2, momentum=0.9),
            epochs=settings.epochs, steps=settings.steps, batch=len(AT),
        )[1]  # fmt: skip
        return {"height": height, "right": right}

    program = every(one)
    labels = {"trial": range(settings.trials), "epoch": range(settings.epochs + 1)}
    labels |= {"position": np.asarray(across)}

    def cell(scale):
        return along(program(key, settings.trials, scale), *labels)

    return over(cell, progress, labels, scale=settings.scales)


def distance(data: Dataset, places: str = "position") -> DataArray:
    """Mean distance of the boundary to the points' line or plane, where there is none `REACH`."""
    return np.abs(data.height).fillna(REACH).mean(places)


def phases(far: DataArray, right: DataArray) -> Dataset:
    """Of every network the ``first`` epoch at which all points are ``right``, a share of 1, NaN if
    they never are; the ``least`` distance until then; and that at the ``end``."""
    done = right == 1
    ever, first = done.any("epoch"), done.argmax("epoch")
    least = far.where((far.epoch <= first) | ~ever).min("epoch")
    first = first.astype(float).where(ever)
    return xr.Dataset({"first": first, "least": least, "end": far.isel(epoch=-1)})


def times(found: Dataset) -> dict[str, Any]:
    """`phases` by the size of the initial weights, for the summary."""
    return {
        "all right by epoch": numbers(found["first"].median("trial")),
        "least distance until then": numbers(mean(found.least)),
        "distance at the end": numbers(mean(found.end)),
    }


def draw(data: Dataset, settings: Settings) -> Figure:
    """Distance and signs against the epoch; one network's boundary from the largest weights."""
    figure, (far, share, picture) = plt.subplots(1, 3, figsize=(7.4, 3.2))
    for ax, values in ((far, distance(data)), (share, data.right)):
        curves(ax, mean(values), x="epoch", series="scale", band=True, marker=None)
        ax.set_xlabel("epoch")
    far.plot(*zip(*PUBLISHED.items(), strict=True), "s", color=BLACK, ms=4,
             label="published animation")  # fmt: skip
    far.set(yscale="log", ylabel="mean distance of the boundary to the line")
    share.axvline(PUBLISHED_RIGHT, **CHANCE)
    share.text(PUBLISHED_RIGHT - 2, 0.45, "all right in the\npublished animation", fontsize=7,
               ha="right")  # fmt: skip
    share.set(ylabel="share of points right", ylim=(0.35, 1.03))
    shown = [epoch for epoch in SHOWN if epoch <= settings.epochs]
    for i, epoch in enumerate(shown):
        height = data.height.isel(scale=-1, trial=0).sel(epoch=epoch)
        colour = plt.get_cmap("viridis")(0.9 * i / max(1, len(shown) - 1))
        picture.plot(data.position, LINE + height, ".-", ms=2, color=colour, label=f"{epoch}")
    for sign, look in CLASSES.items():
        at = AT[::2] if sign < 0 else AT[1::2]
        picture.plot(at, [LINE] * len(at), ls="", ms=6, **look)
    picture.axhline(LINE, **CHANCE)
    picture.set(xlabel="first coordinate", ylabel="second coordinate", ylim=(0, 1))
    picture.set_title(f"initial weights × {settings.scales[-1]:g}")
    picture.legend(title="epoch", fontsize=6, ncols=2, loc="lower right")
    handles = far.get_legend_handles_labels()
    figure.legend(*handles, title="initial weights ×", loc="outside upper center", ncols=6)
    return figure


def page(data: Dataset, settings: Settings) -> str:
    """An animation of the first network for each size of the initial weights, without scripts."""
    highest, width, middle = 0.5, 240, 75

    def frame(height: DataArray) -> str:
        shown = np.clip(height.fillna(highest).values, -highest, highest)
        across = 10 + (width - 20) * data.position.values / AT[-1]
        up = middle - 140 * shown
        return " ".join(f"{x:.1f},{y:.1f}" for x, y in zip(across, up, strict=True))

    found = phases(distance(data), data.right).isel(trial=0)
    panels = [
        {
            "scale": f"{scale:g}",
            "frames": [frame(one) for one in data.height.sel(scale=scale).isel(trial=0)],
            "right": round(len(AT) * float(data.right.sel(scale=scale).isel(trial=0, epoch=-1))),
            "least": float(found.least.sel(scale=scale)),
            "end": float(found.end.sel(scale=scale)),
        }
        for scale in settings.scales
    ]
    marks = [
        {
            "x": round(10 + (width - 20) * at / AT[-1], 1),
            "square": look["marker"] == "s",
            "colour": look["color"],
        }
        for at, look in zip(AT, cycle(CLASSES.values()), strict=False)
    ]
    return template(Path(__file__).with_suffix(".html")).render(
        title=experiment.title, panels=panels, marks=marks, middle=middle,
        epochs=settings.epochs, seconds=settings.epochs / 8,
    )  # fmt: skip


def summary(data: Dataset, settings: Settings) -> Summary:
    """How near the boundary comes to the line before all points are right, by initial weights."""
    found = phases(distance(data), data.right)
    published = {str(epoch): far for epoch, far in PUBLISHED.items()}
    said = "; ".join(
        f"× {scale:g}: {mean(found.least.sel(scale=scale)).text(3)}" for scale in settings.scales
    )
    near = found.scale[found.least.median("trial") < 2 * PUBLISHED[30]].values
    clings = ", ".join(f"{scale:g}" for scale in near)
    where = f"× {clings}" if clings else "none of these sizes"
    return Summary(
        (
            "The least mean distance of the boundary to the line until all points are right, by "
            f"the size of the initial weights: {said}; in the published animation {PUBLISHED[30]}. "
            f"It is within twice that in most networks at {where}.",
        ),
        {"published distance": published} | times(found),
    )


experiment = Experiment(
    name="dimples.line",
    title="Five points on a line: clinging and dimpling, epoch by epoch",
    label="the two-dimensional animation",
    provenance="paper",
    presets={
        "smoke": Settings(trials=3, width=16, epochs=12, steps=5, positions=11, scales=(1.0, 10.0)),
        "course": Settings(),
        "paper": Settings(trials=100, width=400),
    },
    run=run,
    draw=draw,
    summary=summary,
    page=page,
)
