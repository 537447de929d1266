"""Figure 3 of the paper: the decision surface of a chessboard, and where its weights are frozen.

The 25 points lie on a plane of R³ at height z₀. The published plane, z₀ = ½, misses the origin:
it is no linear subspace, and the weights across it *do* move. On the same board at z₀ = 0 they are
frozen, which is the setting of the theorems; the second row shows that one.
"""

from dataclasses import dataclass
from itertools import product
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Array, Key
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from mpl_toolkits.mplot3d import Axes3D
from mpl_toolkits.mplot3d.art3d import Poly3DCollection

from experiments.experiment import Arrays, Experiment, Progress
from experiments.plots.style import STYLE
from experiments.subspace import planar
from experiments.subspace.planar import METHOD_COLOURS, METHODS, Board
from theory.networks import MLP, mlp

SIDE = 5
ELEVATION, AZIMUTH = 30, 60
"""The published view, in degrees."""
FARTHEST = 20.0
"""The largest distance on the axis; the board is 1 wide."""


@dataclass(frozen=True)
class Settings(planar.Settings):
    """`planar.Settings` with the published parameters of the chessboard."""

    width: int = 400
    learning_rate: float = 0.05
    steps: int = 100_000
    factor: float = 3.0
    weight_decay: float = 0.001
    resolution: int = 64
    height: float = 0.5
    """z₀ of the published board; the other one lies at 0"""
    reach: float = 0.5
    """the surface is drawn for heights within this of z₀"""

    def __post_init__(self):
        super().__post_init__()
        if not 0 < self.reach < np.inf or not np.isfinite(self.height):
            raise ValueError(f"reach is {self.reach} and must be positive, height finite")

    @property
    def heights(self) -> dict[str, float]:
        """z₀ by board."""
        return {"published": self.height, "shifted": 0.0}


def chessboard(height: float) -> Board:
    """The points {0, ¼, ½, ¾, 1}² × {z₀}, the corners and every second one positive."""
    square = jnp.stack(jnp.meshgrid(*2 * [jnp.arange(SIDE) / (SIDE - 1)]), axis=-1).reshape(-1, 2)
    x = jnp.concatenate([square, jnp.full_like(square[:, :1], height)], axis=1)
    y = jnp.where(jnp.arange(SIDE**2) % 2 == 0, 1.0, -1.0).astype(x.dtype)
    return Board(x, y, jnp.array([0.0, 0.0, 1.0]))


def initial(key: Key[Array, ""], width: int) -> MLP:
    """PyTorch's default: w, b ~ U(±1/√3) and u, c ~ U(±1/√width)."""
    return mlp(key, (3, width, 1))


def run(settings: Settings, key: Key[Array, ""], progress: Progress) -> Arrays:
    """All seeds of all methods on both boards, and the weights of the seed that is drawn.

    Names are ``board_quantity``; arrays are of shape (methods, seeds, ...), weights (methods, ...).
    """
    train_seeds = planar.trainer(settings, initial)
    arrays: Arrays = {}
    total = len(settings.heights) * len(METHODS)
    for board, height in settings.heights.items():
        by_method = []
        for name in METHODS:
            done = (len(arrays) > 0) * len(METHODS) + len(by_method)
            progress(done / total, f"{settings.trials} seeds, z₀ = {height:g}, {name}")
            by_method.append(train_seeds(key, chessboard(height), len(by_method)))
        stacked = {name: np.stack([part[name] for part in by_method]) for name in by_method[0]}
        fitted = planar.reached(stacked, settings)
        seeds = [planar.shown_seeds(fitted, method)[0] for method in range(len(METHODS))]
        for name in "wubc":
            stacked[name] = stacked[name][np.arange(len(METHODS)), seeds]
        arrays |= {f"{board}_{name}": array for name, array in stacked.items()}
    progress(1.0, "done")
    return arrays


def of_board(arrays: Arrays, board: str) -> Arrays:
    """The arrays of one board, without its name."""
    start = f"{board}_"
    return {name.removeprefix(start): a for name, a in arrays.items() if name.startswith(start)}


def zero_set(values: np.ndarray, axes: tuple[np.ndarray, ...]) -> np.ndarray:
    """Quadrilaterals of {N = 0} by surface nets: all of it inside the grid, whatever its shape.

    Every cube that the surface crosses holds one vertex, the mean of the zeros on its edges (of N
    interpolated along the edge); every edge that it crosses joins the vertices of the four cubes
    around the edge. Folds are rounded, and sheets merged, below the size of a cube.

    Args:
        values: N on the grid, of shape (len(axes[0]), len(axes[1]), len(axes[2])).
        axes: the grid's coordinates.

    Returns:
        Corners, of shape (quadrilaterals, 4, 3).

    Example:
        >>> x = np.linspace(0, 1, 4)
        >>> quads = zero_set(np.broadcast_to(x - 0.25, (4, 4, 4)), (x, x, x))
        >>> quads.shape, np.unique(quads[..., 2]).tolist()
        ((4, 4, 3), [0.25])
    """
    grid = np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1)
    edges = []
    total, count = np.zeros((*(n - 1 for n in values.shape), 3)), 0
    for axis in range(3):
        first, last = (np.delete(values, at, axis) for at in (-1, 0))
        crossed = (first < 0) != (last < 0)
        share = np.where(crossed, first, 0) / np.where(crossed, first - last, 1)
        start, end = (np.delete(grid, at, axis) for at in (-1, 0))
        zeros = start + share[..., None] * (end - start)
        for around in product((0, 1), repeat=2):
            # A cube's edges along this axis: either end of its extent along the two others.
            window = _window(axis, around)
            total = total + np.where(crossed[window][..., None], zeros[window], 0)
            count = count + crossed[window]
        edges.append(crossed)
    vertices = total / np.maximum(count, 1)[..., None]
    quads = []
    for axis, crossed in enumerate(edges):
        inner = crossed[tuple(slice(None) if other == axis else slice(1, -1) for other in range(3))]
        cubes = (_window(axis, around) for around in ((0, 0), (0, 1), (1, 1), (1, 0)))
        quads.append(np.stack([vertices[cube][inner] for cube in cubes], axis=1))
    return np.concatenate(quads)


def _window(axis: int, offsets: tuple[int, ...]) -> tuple[slice, ...]:
    """All of one axis, and the two others one shorter, from an offset of 0 or 1 on."""
    slices = [slice(o, o - 1 or None) for o in offsets]
    slices.insert(axis, slice(None))
    return tuple(slices)


def draw(arrays: Arrays, settings: Settings) -> Figure:
    """One seed's surface per method on either board, and the flip distances of all seeds.

    The points of the board are drawn over the surface, also those that it hides.
    """
    with plt.style.context(STYLE):
        figure = plt.figure(figsize=(7.2, 8.2))
        rows = figure.add_gridspec(2, 1, height_ratios=(5.6, 2.6))
        top, bottom = figure.add_subfigure(rows[0]), figure.add_subfigure(rows[1])
        for row, (board, height) in enumerate(settings.heights.items()):
            own = of_board(arrays, board)
            for method in range(len(METHODS)):
                ax = top.add_subplot(2, 3, 3 * row + method + 1, projection="3d")
                assert isinstance(ax, Axes3D)
                _surface(ax, own, settings, method, height)
                ax.set_title(_title(method, own, settings, row, height))
        axes = bottom.subplots(1, 2, sharey=True)
        for ax, (board, height) in zip(axes, settings.heights.items(), strict=True):
            _distances(ax, of_board(arrays, board), settings)
            frozen = "$W_\\perp$ frozen" if height == 0 else "$W_\\perp$ not frozen"
            ax.set_title(f"board at $z_0={height:g}$: {frozen}")
        axes[0].set_ylabel("vertical distance to a flip,\nmedian over the 25 points")
        bottom.legend(handles=planar.flip_legend(FARTHEST), loc="outside lower center", ncols=4)
    return figure


def _title(method: int, own: Arrays, settings: Settings, row: int, height: float) -> str:
    strength = (
        "vanilla",
        rf"smaller init. $\div\,{settings.factor:g}$",
        rf"L2, $\lambda={settings.weight_decay:g}$",
    )[method]
    numbers = planar.numbers(own, settings)[METHODS[method]]
    flip = numbers.get("flip_median")
    fits = f"{numbers['seeds_at_margin']} of {numbers['seeds']} seeds fit"
    letter = "abcdef"[row * len(METHODS) + method]
    median = "–" if flip is None else f"{flip:.2f}"
    return f"({letter}) {strength}, $z_0={height:g}$\n{fits}\nmedian flip {median}"


def _surface(ax: Axes3D, own: Arrays, settings: Settings, method: int, height: float) -> None:
    low, high = height - settings.reach, height + settings.reach
    side = np.linspace(0, 1, settings.resolution, dtype=np.float32)
    z = np.linspace(low, high, settings.resolution, dtype=np.float32)
    points = np.stack(np.meshgrid(side, side, z, indexing="ij"), axis=-1)
    # Slice by slice: a network of width m holds m numbers per point.
    values = np.asarray(jax.lax.map(planar.network(own, method), jnp.asarray(points)))
    quads = zero_set(values, (side, side, z))
    ax.set(xlim=(0, 1), ylim=(0, 1), zlim=(low, high))
    if len(quads):
        ax.add_collection3d(_shaded(quads, low, high))
    x, y, _ = (np.asarray(part) for part in chessboard(height))
    for sign, colour in ((1, "white"), (-1, "black")):
        (points,) = ax.plot(
            *x[y == sign].T, "o", color=colour, mec="black", mew=0.7, ms=3.2, zorder=10,
            clip_on=False,
        )  # fmt: skip
        # The layout would take their coordinates in space for places on the page.
        points.set_in_layout(False)
    ax.computed_zorder = False
    ax.view_init(elev=ELEVATION, azim=AZIMUTH)
    ax.set_box_aspect((1, 1, 0.8), zoom=0.88)  # pyright: ignore[reportArgumentType]
    ticks = height + settings.reach * np.array([-0.5, 0.0, 0.5])
    ax.set(xticks=(0, 1), yticks=(0, 1), zticks=ticks)
    ax.tick_params(pad=-3, labelsize=7)
    ax.zaxis.set_tick_params(pad=0)
    for axis, label in ((ax.xaxis, "$x$"), (ax.yaxis, "$y$"), (ax.zaxis, "$z$")):
        axis.set_label_text(label)
        axis.labelpad = -10
    ax.zaxis.labelpad = -3


def _shaded(quads: np.ndarray, low: float, high: float) -> Poly3DCollection:
    """Coloured by height and lit from one side; the surface has no inside, so both faces shine."""
    heights = (quads[..., 2].mean(axis=1) - low) / (high - low)
    normal = np.cross(quads[:, 2] - quads[:, 0], quads[:, 3] - quads[:, 1])
    length = np.linalg.norm(normal, axis=1)
    light = np.array([0.35, 0.25, 0.9])
    lit = np.abs(normal @ light) / np.where(length > 0, length, 1)
    colours = colormaps["viridis"](heights)
    colours[:, :3] *= (0.5 + 0.5 * np.minimum(lit, 1))[:, None]
    # Thousands of polygons: a picture inside the vector file.
    return Poly3DCollection(
        quads, facecolors=colours, edgecolors=colours, linewidths=0.2, rasterized=True
    )


def _distances(ax: Axes, own: Arrays, settings: Settings) -> None:
    ax.set(yscale="log", ylim=(5e-3, FARTHEST), xlim=(-0.5, 2.6))
    rows = planar.numbers(own, settings).values()
    names = ("vanilla", "smaller init.", "L2")
    ax.set_xticks(
        range(len(names)),
        [
            f"{n}\n$W_\\perp$ drift ≤ {row['drift_max']:.1g}"
            for n, row in zip(names, rows, strict=True)
        ],
    )
    for method, chosen in enumerate(planar.reached(own, settings)):
        if chosen.any():
            flip, radius = (
                np.median(own[which][method][chosen], axis=1)[:, None]
                for which in ("flip", "radius")
            )
            place = np.array([float(method)])
            planar.scatter_flips(ax, place, flip, radius, METHOD_COLOURS[method], FARTHEST)


def summary(arrays: Arrays, settings: Settings) -> dict[str, Any]:
    """`planar.numbers` of either board."""
    return {board: planar.numbers(of_board(arrays, board), settings) for board in settings.heights}


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
