"""Figure 2 of the paper: decision regions for seven points of a line in the plane.

The labels alternate along the diagonal, which passes through the origin: a linear subspace of
the plane, so that the weights across it never move. With the weights of the usual initialisation
the boundary follows them and squeezes between the points; with a smaller initialisation or with
weight decay there is less of them, and the boundary crosses the line more squarely.
"""

from collections.abc import Sequence

import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Array, Key
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.patches import Patch
from xarray import Dataset

from experiments.cells import over
from experiments.experiment import Experiment, Progress, Summary
from experiments.plots.style import CLASSES
from experiments.subspace import planar
from experiments.subspace.planar import FARTHEST, Settings
from theory.boards import line
from theory.subspace.planar import METHODS, initial_on_a_line, trainer

INTERIOR = slice(1, -1)
"""The points with a neighbour on either side: beyond the ends the boundary need not come back."""
REGIONS = {"−": "#F4CDB5", "+": "#B9D7EC"}
"""Tints of the two classes' colours."""
OVERLAID = 8
"""Seeds whose boundaries are drawn over each other."""


def run(settings: Settings, key: Key[Array, ""], progress: Progress) -> Dataset:
    """What `planar.Fit` has over training and trial; ``flip`` and ``radius`` of interior points."""
    train = trainer(settings, initial_on_a_line)
    labels = {"trial": range(settings.trials), "point": np.asarray(line().x[:, 0])}

    def cell(method: str):
        return planar.measured(train(key, line(), method))

    return over(cell, progress, labels, training=METHODS).isel(point=INTERIOR)


def draw(data: Dataset, settings: Settings) -> Figure:
    """One column per method: one seed's regions, several seeds' boundaries, all flip distances."""
    figure, axes = plt.subplots(3, 3, figsize=(7.2, 8.0), sharey="row", height_ratios=(3, 3, 2.6))
    titles = ("vanilla", rf"smaller initialisation $\div\,{settings.factor:g}$")
    titles += (rf"L2 regularisation, $\lambda={settings.weight_decay:g}$",)
    fitted = planar.reached(data, settings)
    for column, method, title in zip(axes.T, METHODS, titles, strict=True):
        regions, boundaries, distances = column
        own, fits = data.sel(training=method), fitted.sel(training=method)
        shown = planar.shown_trials(fitted, method)[:OVERLAID]
        outputs = [_on_grid(own.sel(trial=trial), settings) for trial in shown]
        note = f"seed {shown[0]}" + ", does not fit" * (not fits[shown[0]])
        _decision(regions, outputs[:1], note)
        _decision(boundaries, outputs, f"{len(shown)} seed" + "s" * (len(shown) > 1))
        _distances(distances, data, settings, method)
        seeds = f"{int(fits.sum())} of {settings.trials} seeds"
        regions.set_title(f"{title}\n{seeds} fit (margin {settings.margin:g})")
    plt.setp(axes[:2], xlabel="$x_1$")
    plt.setp(axes[2], xlabel="point $t$ of the line, $x=(t,t)$")
    plt.setp(axes[:2, 0], ylabel="$x_2$")
    axes[2, 0].set_ylabel("distance across the line")
    tints = [Patch(color=tint, label=f"decision {sign}1") for sign, tint in REGIONS.items()]
    figure.legend(handles=[*planar.handles(), *tints], loc="outside lower center", ncols=4)
    return figure


def _on_grid(one: Dataset, settings: Settings) -> np.ndarray:
    """N on the grid, first axis x₂."""
    grid = np.linspace(-1, 1, settings.resolution, dtype=np.float32)
    points = np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 2)
    return np.asarray(planar.network(one)(jnp.asarray(points))).reshape(len(grid), len(grid))


def _decision(ax: Axes, outputs: Sequence[np.ndarray], note: str) -> None:
    """The regions of one network, or the boundaries of several, with the points."""
    grid = np.linspace(-1, 1, len(outputs[0]))
    if len(outputs) == 1:
        ax.contourf(grid, grid, outputs[0], levels=[-np.inf, 0, np.inf], colors=[*REGIONS.values()])
    for output in outputs:
        ax.contour(grid, grid, output, levels=[0], colors="0.2", linewidths=0.8, alpha=0.8)
    x, y, _ = (np.asarray(part) for part in line())
    options = {"ls": "", "ms": 6, "mec": "white", "mew": 0.8, "clip_on": False, "zorder": 3}
    for sign, look in CLASSES.items():
        ax.plot(*x[y == sign].T, **(look | options))
    ax.set(aspect="equal", xlim=(-1, 1), ylim=(-1, 1), xticks=(-1, 0, 1), yticks=(-1, 0, 1))
    ax.grid(False)
    box = {"facecolor": "white", "edgecolor": "none", "pad": 1.5, "alpha": 0.85}
    where = {"transform": ax.transAxes, "ha": "right", "va": "bottom"}
    ax.text(0.97, 0.03, note, fontsize=8, bbox=box, **where)


def _distances(ax: Axes, data: Dataset, settings: Settings, method: str) -> None:
    own, row = data.sel(training=method), planar.flip_table(data, settings)[method]
    fits = planar.fitting(own, settings)
    ax.set(yscale="log", ylim=(5e-4, FARTHEST), xlim=(-0.85, 0.85))
    ax.set_xticks(data.point, ("−2/3", "−1/3", "0", "1/3", "2/3"))
    if not fits.sizes["trial"]:
        ax.text(0.5, 0.5, "no seed fits", transform=ax.transAxes, ha="center")
        return
    planar.scatter_flips(ax, data.point.values, fits)
    median = "none" if row["flip_median"] is None else f"{row['flip_median']:.2f}"
    lines = (
        f"median flip {median}",
        f"no flip: {row['points_without_flip']} of {row['points']}",
        f"drift of $W_\\perp$ ≤ {row['drift_max']:.0e}".replace("-", "−"),
    )
    ax.text(0.03, 0.03, "\n".join(lines), transform=ax.transAxes, va="bottom", fontsize=8)


def summary(data: Dataset, settings: Settings) -> Summary:
    """`planar.flip_table`."""
    return Summary(tables=planar.flip_table(data, settings))


experiment = Experiment(
    name="subspace.diagonal",
    title="Decision regions for seven points of a line: vanilla, smaller initialisation, L2",
    label="Figure 2",
    provenance="paper",
    presets={
        "smoke": Settings(trials=6, steps=25_000, factor=3.0, resolution=60),
        "course": Settings(trials=48),
        "paper": Settings(trials=192),
    },
    run=run,
    draw=draw,
    summary=summary,
)
