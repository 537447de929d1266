"""The set on which a function of three coordinates is zero, drawn as it would look in space."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb
from mpl_toolkits.mplot3d import Axes3D
from mpl_toolkits.mplot3d.art3d import Poly3DCollection

from experiments.plots.style import CLASSES
from theory.boards import Board
from theory.surface import brightness, solid, zero_set

ELEVATION, AZIMUTH = 30, 60
"""The published view, in degrees."""
DEPTH = 0.8
"""Height of a drawn box over its width."""
LIGHT = np.array([0.35, 0.25, 0.9])


def surface(
    ax: Axes, values: np.ndarray, axes: tuple[np.ndarray, np.ndarray, np.ndarray], board: Board
) -> None:
    """The surface and the labelled points, which hide each other as they would in space.

    Args:
        ax: a three-dimensional panel.
        values: of the function on the grid.
        axes: the grid's coordinates; the first two go from 0 to 1.
        board: the points.
    """
    assert isinstance(ax, Axes3D)
    low, high = axes[2][[0, -1]]
    x, y, _ = (np.asarray(part) for part in board)
    scale = np.array([1, 1, (high - low) / DEPTH])
    quads = [zero_set(values, axes)]
    shaded = [_lit(quads[0] / scale, (0.85, 0.85, 0.85), alpha=0.45)]
    for point, sign in zip(x, y, strict=True):
        mark = solid(0.035, cube=bool(sign < 0))
        quads.append(point + scale * mark)
        shaded.append(_lit(mark, to_rgb(CLASSES[int(sign)]["color"])))
    # Thousands of polygons: a picture inside a vector file.
    options = {"facecolors": np.concatenate(shaded), "lw": 0, "rasterized": True}
    ax.add_collection3d(Poly3DCollection(np.concatenate(quads), **options))
    ax.view_init(elev=ELEVATION, azim=AZIMUTH)
    ax.set_box_aspect((1, 1, DEPTH), zoom=1.0)  # pyright: ignore[reportArgumentType]
    ticks = low + (high - low) * np.array([0.25, 0.5, 0.75])
    ax.set(xlim=(0, 1), ylim=(0, 1), zlim=(low, high), xticks=(0, 1), yticks=(0, 1), zticks=ticks)
    ax.tick_params(pad=-3, labelsize=7)
    ax.zaxis.set_tick_params(pad=0)
    for axis, label, pad in zip((ax.xaxis, ax.yaxis, ax.zaxis), "xyz", (-10, -10, -3), strict=True):
        axis.set_label_text(f"${label}$")
        axis.labelpad = pad


def _lit(quads: np.ndarray, colour: tuple[float, float, float], alpha: float = 1) -> np.ndarray:
    """Their colours, lit from one side."""
    lit = 0.55 + 0.45 * brightness(quads, LIGHT)[:, None]
    return np.append(lit * colour, np.full((len(quads), 1), alpha), axis=1)
