"""Figure 3 of the paper: the decision surface of a chessboard, and where its weights are frozen.

The 25 points lie on a plane of R³ at height z₀. The published plane, z₀ = ½, misses the origin:
it is no linear subspace, and the weights across it *do* move. On the same board at z₀ = 0 they are
frozen, which is the setting of the theorems; the second row shows that one.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from xarray import Dataset

from experiments.cells import over
from experiments.effort import full_effort
from experiments.experiment import Experiment, Progress, Summary
from experiments.plots.style import grid, stacked
from experiments.plots.surface import surface
from experiments.subspace import planar
from experiments.subspace.planar import FARTHEST
from theory.boards import SIDE, chessboard
from theory.kernels import relu_sum
from theory.settings import Positive, Real
from theory.subspace.planar import METHODS, initial_on_a_board, trainer


@dataclass(frozen=True)
class Settings(planar.Settings):
    """`planar.Settings` with the published parameters of the chessboard."""

    width: int = 400
    learning_rate: float = 0.05
    steps: int = 100_000
    factor: float = 3.0
    weight_decay: float = 0.001
    resolution: int = 64
    height: Real = 0.5
    """z₀ of the published board; the other one lies at 0"""
    reach: Positive = 0.5
    """the surface is drawn for heights within this of z₀"""

    @property
    def heights(self) -> dict[str, float]:
        """z₀ by board."""
        return {"published": self.height, "shifted": 0.0}


def run(settings: Settings, key: Key[Array, ""], progress: Progress) -> Dataset:
    """What `planar.Fit` has over board, training and trial; the weights of the trial ``shown``."""
    train = trainer(settings, initial_on_a_board)

    def cell(board: str, method: str):
        return planar.measured(train(key, chessboard(settings.heights[board]), method))

    labels = {"trial": range(settings.trials), "point": range(SIDE**2)}
    data = over(cell, progress, labels, board=list(settings.heights), training=METHODS)
    fitted = planar.reached(data, settings)
    shown = [[planar.shown_trials(own, name)[0] for name in METHODS] for own in fitted]
    data["shown"] = ("board", "training"), np.array(shown)
    return data.assign({name: data[name].sel(trial=data.shown) for name in "wubc"})


def draw(data: Dataset, settings: Settings) -> Figure:
    """One seed's surface per method on either board, and the flip distances of all seeds."""
    figure, parts = stacked((7.2, 7.6), 1, 1, 1)
    panels = grid(data, columns="board", size=(0, 0), within=parts[2], sharey=True)[1]
    for part, (at, ax) in zip(parts, panels, strict=False):
        own, height = data.sel(at), settings.heights[at["board"]]
        frozen = "frozen" if height == 0 else "not frozen"
        part.suptitle(f"{at['board']} board, $z_0={height:g}$: $W_\\perp$ {frozen}")
        boxes = {"subplot_kw": {"projection": "3d"}, "within": part, "size": (0, 0)}
        for training, box in grid(data, columns="training", **boxes)[1]:
            low, high = height - settings.reach, height + settings.reach
            side = np.linspace(0, 1, settings.resolution, dtype=np.float32)
            axes = side, side, np.linspace(low, high, settings.resolution, dtype=np.float32)
            surface(box, _on_grid(own.sel(training), axes), axes, chessboard(height))
        _distances(ax, own, settings)
        ax.set_title(f"{at['board']} board")
        ax.set_xlabel("largest drift of $W_\\perp$, over its size before")
    panels[0][1].set_ylabel("vertical distance\nto a flip, median\nover the 25 points")
    parts[2].legend(handles=planar.handles(), loc="outside lower center", ncols=3)
    return figure


def _on_grid(one: Dataset, axes: tuple[np.ndarray, ...]) -> np.ndarray:
    """N on the grid. A bias is the weight of one more coordinate, which is 1 everywhere."""
    (w, u), (b, c) = planar.network(one)
    points = np.stack(np.broadcast_arrays(*np.ix_(*axes), np.float32(1)), axis=-1)
    fused = jax.jit(relu_sum, compiler_options=full_effort())
    values = fused(jnp.asarray(points.reshape(-1, 4)), jnp.column_stack([w, b]), u[0])
    return np.asarray(values + c).reshape(points.shape[:-1])


def _distances(ax: Axes, own: Dataset, settings: Settings) -> None:
    short = ("vanilla", f"init. ÷ {settings.factor:g}", f"L2, $\\lambda={settings.weight_decay:g}$")
    ticks = []
    for place, (method, row) in enumerate(planar.flip_table(own, settings).items()):
        fits = f"{row['seeds_at_margin']} of {row['seeds']} fit"
        ticks.append(f"{short[place]}\n{fits}\ndrift {row['drift_max']:.1g}".replace("-", "−"))
        fitting = planar.fitting(own.sel(training=method), settings).median("point")
        if fitting.sizes["trial"]:
            planar.scatter_flips(ax, np.array([float(place)]), fitting.expand_dims("point", -1))
    ax.set(yscale="log", ylim=(5e-3, FARTHEST), xlim=(-0.5, 2.6))
    ax.set_xticks(range(len(ticks)), ticks)


def summary(data: Dataset, settings: Settings) -> Summary:
    """`planar.flip_table` of either board."""
    boards = settings.heights
    return Summary(tables={b: planar.flip_table(data.sel(board=b), settings) for b in boards})


experiment = Experiment(
    name="subspace.chessboard",
    title="Decision surface of a chessboard, published and on a linear subspace",
    label="Figure 3",
    provenance="paper",
    presets={
        "smoke": Settings(trials=2, steps=18_000, resolution=24),
        "course": Settings(trials=12),
        "paper": Settings(trials=48),
    },
    run=run,
    draw=draw,
    summary=summary,
)
