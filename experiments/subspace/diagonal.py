"""Figure 2 of the paper: decision regions for seven points of a line in the plane.

The labels alternate along the diagonal, which passes through the origin: a linear subspace of
the plane, so that the weights across it never move. With the weights of the usual initialisation
the boundary follows them and squeezes between the points; with a smaller initialisation or with
weight decay there is less of them, and the boundary crosses the line more squarely.
"""

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Array, Key
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.experiment import Arrays, Experiment, Progress
from experiments.plots.style import BLUE, STYLE, VERMILION
from experiments.subspace.planar import (
    METHOD_COLOURS,
    METHODS,
    Board,
    Settings,
    flip_legend,
    network,
    numbers,
    reached,
    scatter_flips,
    shown_seeds,
    trainer,
)
from theory.networks import MLP, mlp

SAMPLES = 7
INTERIOR = slice(1, SAMPLES - 1)
"""The points with a neighbour on either side: beyond the ends the boundary need not come back."""
REGIONS = ("#F4CDB5", "#B9D7EC")
"""Tints of the two classes' colours."""
OVERLAID = 8
"""Seeds whose boundaries are drawn over each other."""
FARTHEST = 20.0
"""The largest distance on the axis; the square's diagonal is 2.8 long."""


def line() -> Board:
    """Seven points (t, t), t = i/3 − 1, with alternating labels, the first one negative."""
    t = jnp.arange(SAMPLES) / 3 - 1
    y = jnp.where(jnp.arange(SAMPLES) % 2 == 0, -1.0, 1.0).astype(t.dtype)
    return Board(jnp.stack([t, t], axis=1), y, jnp.array([1.0, -1.0]) / jnp.sqrt(2.0))


def initial(key: Key[Array, ""], width: int) -> MLP:
    """PyTorch's default biases, w_i ~ N(0, I/2) and u_i ~ N(0, 1/width)."""
    key_default, key_w, key_u = jax.random.split(key, 3)
    w = jax.random.normal(key_w, (width, 2)) / 2**0.5
    u = jax.random.normal(key_u, (1, width)) / width**0.5
    return MLP((w, u), mlp(key_default, (2, width, 1)).biases)


def run(settings: Settings, key: Key[Array, ""], progress: Progress) -> Arrays:
    """All seeds of all methods; arrays of shape (methods, seeds, ...).

    Flip distances and radii are those of the interior points.
    """
    train_seeds = trainer(settings, initial)
    by_method = []
    for method, name in enumerate(METHODS):
        progress(method / len(METHODS), f"{settings.trials} seeds, {name}")
        by_method.append(train_seeds(key, line(), method))
    arrays = {name: np.stack([part[name] for part in by_method]) for name in by_method[0]}
    progress(1.0, "done")
    return arrays | {name: arrays[name][..., INTERIOR] for name in ("flip", "radius")}


def draw(arrays: Arrays, settings: Settings) -> Figure:
    """One column per method: one seed's regions, several seeds' boundaries, all flip distances."""
    with plt.style.context(STYLE):
        figure, axes = plt.subplots(
            3, 3, figsize=(7.2, 8.0), sharey="row", height_ratios=(3, 3, 2.6)
        )
        fitted = reached(arrays, settings)
        for method, name in enumerate(METHODS):
            shown = shown_seeds(fitted, method)[:OVERLAID]
            outputs = [_on_grid(arrays, settings, method, seed) for seed in shown]
            _regions(axes[0, method], outputs[0])
            _boundaries(axes[1, method], outputs)
            _distances(axes[2, method], arrays, settings, method)
            fit = f"{fitted[method].sum()} of {settings.trials} seeds fit"
            axes[0, method].set_title(
                f"({'abc'[method]}) {_title(name, settings)}\n{fit} (margin {settings.margin:g})"
            )
            fits = "" if fitted[method, shown[0]] else ", does not fit"
            _note(axes[0, method], f"seed {shown[0]}{fits}")
            _note(axes[1, method], f"{len(shown)} seed" + "s" * (len(shown) > 1))
            axes[1, method].set_xlabel("$x_1$")
            axes[2, method].set_xlabel("point $t$ of the line, $x=(t,t)$")
        axes[0, 0].set_ylabel("$x_2$")
        axes[1, 0].set_ylabel("$x_2$")
        axes[2, 0].set_ylabel("distance across the line")
        figure.legend(handles=flip_legend(FARTHEST), loc="outside lower center", ncols=4)
    return figure


def _title(name: str, settings: Settings) -> str:
    strength = {
        "smaller initialisation": rf" $\div\,{settings.factor:g}$",
        "L2 regularisation": rf", $\lambda={settings.weight_decay:g}$",
    }
    return name + strength.get(name, "")


def _grid(settings: Settings) -> np.ndarray:
    return np.linspace(-1, 1, settings.resolution, dtype=np.float32)


def _on_grid(arrays: Arrays, settings: Settings, method: int, seed: int) -> np.ndarray:
    """N on the grid, first axis x₂."""
    grid = _grid(settings)
    points = np.stack(np.meshgrid(grid, grid), axis=-1).reshape(-1, 2)
    values = network(arrays, method, seed)(jnp.asarray(points))
    return np.asarray(values).reshape(len(grid), len(grid))


def _regions(ax: Axes, output: np.ndarray) -> None:
    grid = np.linspace(-1, 1, len(output))
    ax.contourf(grid, grid, output, levels=[-np.inf, 0, np.inf], colors=REGIONS)
    ax.contour(grid, grid, output, levels=[0], colors="0.25", linewidths=1)
    _points(ax)


def _boundaries(ax: Axes, outputs: list[np.ndarray]) -> None:
    grid = np.linspace(-1, 1, len(outputs[0]))
    for output in outputs:
        ax.contour(grid, grid, output, levels=[0], colors="0.2", linewidths=0.7, alpha=0.75)
    _points(ax)


def _points(ax: Axes) -> None:
    x, y, _ = (np.asarray(part) for part in line())
    for sign, colour, marker in ((-1, VERMILION, "s"), (1, BLUE, "o")):
        ax.plot(
            *x[y == sign].T, marker, color=colour, ms=6, mec="white", mew=0.8,
            clip_on=False, zorder=3,
        )  # fmt: skip
    ax.set(aspect="equal", xlim=(-1, 1), ylim=(-1, 1), xticks=(-1, 0, 1), yticks=(-1, 0, 1))
    ax.grid(False)


def _note(ax: Axes, text: str) -> None:
    box = {"facecolor": "white", "edgecolor": "none", "pad": 1.5, "alpha": 0.85}
    ax.text(
        0.97, 0.03, text, transform=ax.transAxes, ha="right", va="bottom", fontsize=8, bbox=box,
    )  # fmt: skip


def _distances(ax: Axes, arrays: Arrays, settings: Settings, method: int) -> None:
    chosen = reached(arrays, settings)[method]
    t = np.asarray(line().x)[INTERIOR, 0]
    ax.set(yscale="log", ylim=(5e-4, FARTHEST), xlim=(-0.85, 0.85))
    ax.set_xticks(t, ("−2/3", "−1/3", "0", "1/3", "2/3"))
    if not chosen.any():
        ax.text(0.5, 0.5, "no seed fits", transform=ax.transAxes, ha="center")
        return
    flip, radius = (arrays[which][method][chosen] for which in ("flip", "radius"))
    scatter_flips(ax, t, flip, radius, METHOD_COLOURS[method], FARTHEST)
    row = numbers(arrays, settings)[METHODS[method]]
    median = "none" if row["flip_median"] is None else f"{row['flip_median']:.2f}"
    lines = (
        f"median flip {median}",
        f"no flip: {row['points_without_flip']} of {row['points']}",
        f"drift of $W_\\perp$ ≤ {row['drift_max']:.0e}",
    )
    ax.text(0.03, 0.03, "\n".join(lines), transform=ax.transAxes, va="bottom", fontsize=8)


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
    summary=numbers,
)
