"""The chessboard of a plane in space: does the boundary first cling to the plane, then dimple?

The published pictures show a surface that lies on the plane of 25 points after a few epochs, and
has bent to the right side of each after hundreds. Snapshots of one network here, and over all of
them how far the boundary is above or below the board, and how many points are right, for initial
weights of two sizes.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
import optax
from matplotlib.figure import Figure
from xarray import Dataset

from experiments.cells import along, every, over
from experiments.dimples.line import REACH, distance, enlarged, loss, phases, times
from experiments.experiment import Experiment, Progress, Summary
from experiments.plots.curves import curves
from experiments.plots.estimates import mean
from experiments.plots.style import CHANCE, legend, stacked
from experiments.plots.surface import surface
from theory.boards import chessboard
from theory.dimples.rays import nearest_crossing
from theory.networks import MLP, mlp
from theory.settings import Count, Increasing, Positive, Rising, Sample
from theory.settings import Settings as Foundation
from theory.training.mini_batch import watch

HEIGHT = 0.5
"""Of the board."""


@dataclass(frozen=True)
class Settings(Foundation):
    """Two-layer networks with biases, trained on the 25 points by Adam."""

    trials: Sample = 10
    """networks"""
    width: Count = 400
    """neurons"""
    scales: Increasing[Positive] = (1.0, 10.0)
    """what the initial weights but those of the last layer are multiplied by"""
    learning_rate: Positive = 0.01
    """of Adam"""
    epochs: Count = 70
    """measurements after the start"""
    steps: Count = 10
    """steps of an epoch"""
    shown: Rising = (2, 4, 10, 70)
    """epochs of the pictures"""
    places: Sample = 13
    """places along a side of the board above which the boundary is looked for"""
    resolution: Sample = 40
    """grid points per side on which the surface is drawn"""

    def __post_init__(self):
        super().__post_init__()
        if self.shown[-1] > self.epochs:
            raise ValueError(f"shown goes to {self.shown[-1]} and training to {self.epochs} epochs")

    @property
    def axes(self) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """The grid of the pictures."""
        side = np.linspace(0, 1, self.resolution)
        return side, side, HEIGHT - 0.5 + side


def run(settings: Settings, key, progress: Progress) -> Dataset:
    """Over scale, trial, epoch and place ``height`` of the boundary above the board, NaN where none
    is in reach; without place ``right``, the share of points on the right side. Over scale and
    snapshot ``value`` of the first network on the grid."""
    x, y, normal = chessboard(HEIGHT)
    side = jnp.linspace(0, 1, settings.places)
    above = jnp.stack([*map(jnp.ravel, jnp.meshgrid(side, side))], axis=1)
    above = jnp.concatenate([above, jnp.full_like(above[:, :1], HEIGHT)], axis=1)
    up = jnp.broadcast_to(normal, above.shape)

    def measure(net: MLP):
        height = nearest_crossing(lambda x: net(x), above, up, -REACH, REACH, 300)
        return {"height": height, "right": jnp.mean(net(x) * y > 0), "net": net}

    def one(scale, key):
        start = enlarged(mlp(key, (3, settings.width, 1)), scale)
        return watch(
            loss, start, (x, y), measure, optimizer=optax.adam(settings.learning_rate),
            epochs=settings.epochs, steps=settings.steps, batch=len(x),
        )[1]  # fmt: skip

    program = every(one)
    grid = jnp.stack(jnp.meshgrid(*settings.axes, indexing="ij"), axis=-1)
    labels = {"trial": range(settings.trials), "epoch": range(settings.epochs + 1)}
    labels |= {"place": range(len(above)), "snapshot": settings.shown}

    def cell(scale):
        found = program(key, settings.trials, scale)
        seen = jax.tree.map(lambda leaf: leaf[0, list(settings.shown)], found.pop("net"))
        values = np.asarray(jax.lax.map(lambda net: net(grid), seen), np.float32)
        return along(found, *labels) | {"value": (("snapshot", "x", "y", "z"), values)}

    return over(cell, progress, labels, scale=settings.scales)


def draw(data: Dataset, settings: Settings) -> Figure:
    """A row of surfaces for each size of the initial weights; below distances and signs."""
    figure, parts = stacked((7.4, 7.0), *[1] * (len(settings.scales) + 1))
    for part, scale in zip(parts, settings.scales, strict=False):
        part.suptitle(f"initial weights × {scale:g}", fontsize=9)
        boxes = part.subplots(1, len(settings.shown), subplot_kw={"projection": "3d"})
        for ax, snapshot in zip(np.ravel(boxes), settings.shown, strict=True):
            values = data.value.sel(scale=scale, snapshot=snapshot).values
            surface(ax, values, settings.axes, chessboard(HEIGHT))
            ax.set_title(f"step {settings.steps * snapshot}", fontsize=8, pad=-4)
    far, right = parts[-1].subplots(1, 2)
    at = data.assign_coords(step=settings.steps * data.epoch).swap_dims(epoch="step")
    looks = {scale: {"label": f"initial weights × {scale:g}"} for scale in settings.scales}
    for ax, values in ((far, distance(at, "place")), (right, at.right)):
        curves(ax, mean(values), x="step", series="scale", given=looks, band=True, marker=None)
    far.set(ylabel="mean distance to the board", yscale="log")
    right.set(ylabel="share of points right", ylim=(0.35, 1.03))
    for ax in (far, right):
        ax.set_xlabel("training step")
        for snapshot in settings.shown:
            ax.axvline(settings.steps * snapshot, **CHANCE)
    legend(parts[-1], [({}, far)])
    return figure


def summary(data: Dataset, settings: Settings) -> Summary:
    """How near the boundary comes to the board before all points are right, by initial weights."""
    found = phases(distance(data, "place"), data.right)
    said = "; ".join(
        f"× {scale:g}: {mean(found.least.sel(scale=scale)).text()} before and "
        f"{mean(found.end.sel(scale=scale)).text()} at the end"
        for scale in settings.scales
    )
    return Summary(
        (f"The least mean distance to the board until all points are right is {said}.",),
        times(found),
    )


experiment = Experiment(
    name="dimples.surface",
    title="The boundary above a chessboard, from the start to the end of training",
    label="the three-dimensional pictures",
    provenance="paper",
    presets={
        "smoke": Settings(trials=2, width=20, epochs=4, shown=(1, 4), places=5, resolution=12),
        "course": Settings(),
        "paper": Settings(trials=100, epochs=200, shown=(2, 4, 10, 200), resolution=64),
    },
    run=run,
    draw=draw,
    summary=summary,
)
