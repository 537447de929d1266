"""What all figures share: colours, panels, legends, error bars, axes."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import matplotlib
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import FigureBase, SubFigure
from matplotlib.ticker import FixedLocator, FormatStrFormatter, LogLocator, NullLocator
from numpy.typing import ArrayLike
from xarray import Dataset

from experiments.plots.estimates import Interval, label_text

STYLE = Path(__file__).with_suffix(".mplstyle")
"""The matplotlib style of every figure; the gallery sets it, a drawing does not."""

TALK = STYLE.with_name("talk.mplstyle")
"""What is different on a projector."""

# By value: a "C0" of matplotlib is looked up only when the figure is saved, in whatever style
# then holds.
COLOURS = matplotlib.rc_params_from_file(STYLE, use_default_template=False)[
    "axes.prop_cycle"
].by_key()["color"]
BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK = COLOURS

MARKS = ("o", "s", "D", "^", "v", "P", "X")
"""Markers in the order of `COLOURS`: what a printer without colours tells apart."""

CLASSES: dict[int, dict[str, Any]] = {
    -1: {"color": VERMILION, "marker": "s"},
    1: {"color": BLUE, "marker": "o"},
}
"""How the points of either class are drawn."""

THEORY = {"color": BLACK, "lw": 1.0}
"""How a prediction is drawn."""

CHANCE = {"color": BLACK, "lw": 0.8, "ls": ":"}
"""How a level of reference is drawn."""

Cell = tuple[dict[str, Any], Axes]


def grid(
    data: Dataset,
    columns: str | None = None,
    rows: str | None = None,
    *,
    size: tuple[float, float],
    within: FigureBase | None = None,
    **options: Any,
) -> tuple[Any, list[Cell]]:
    """One panel for each label along one or two dimensions, titled with it.

    Args:
        data: with these dimensions.
        columns, rows: dimensions whose labels go from left to right, from top to bottom.
        size: of the figure, in inches.
        within: a figure or part of one to put the panels in, instead of a new figure.
        options: of `plt.subplots`.

    Returns:
        The figure, and for each panel its labels, as `DataArray.sel` wants them, and its axes.
    """
    along, down = ([None] if dim is None else data[dim].values.tolist() for dim in (columns, rows))
    figure = plt.figure(figsize=size) if within is None else within
    axes = figure.subplots(len(down), len(along), squeeze=False, **options)
    cells: list[Cell] = []
    for i, row in enumerate(down):
        for j, column in enumerate(along):
            at = {} if columns is None else {columns: column}
            at |= {} if rows is None else {rows: row}
            title = " · ".join(label_text(label) for label in (row, column) if label is not None)
            axes[i, j].set_title(title)
            cells.append((at, axes[i, j]))
    return figure, cells


def stacked(size: tuple[float, float], *heights: float) -> tuple[Any, list[SubFigure]]:
    """A figure of this size in inches and its parts, one below the other, by their heights."""
    figure = plt.figure(figsize=size)
    places = figure.add_gridspec(len(heights), 1, height_ratios=heights)
    return figure, [figure.add_subfigure(place) for place in places]


def legend(
    figure: FigureBase,
    cells: Sequence[Cell],
    where: Literal["upper", "lower"] = "upper",
    ncols: int = 4,
) -> None:
    """One legend for all panels, outside them: every entry that any of them has, once."""
    found: dict[str, Any] = {}
    for _, ax in cells:
        for handle, label in zip(*ax.get_legend_handles_labels(), strict=True):
            found.setdefault(label, handle)
    loc: Any = f"outside {where} center"
    figure.legend(found.values(), found.keys(), loc=loc, ncols=ncols)


def parts(
    interval: Interval,
    series: str | None,
    given: Mapping[Any, Mapping[str, Any]] | None = None,
    label: str | None = None,
) -> list[tuple[Interval, dict[str, Any]]]:
    """Each series of an estimate with its label, colour and mark; all of it where there is none."""
    if series is None:
        return [(interval, {"label": label} | looks([None], given)[None])]
    names = interval.centre[series].values.tolist()
    chosen = looks(names, given)
    return [
        (interval.sel(**{series: name}), {"label": label_text(name)} | chosen[name])
        for name in names
    ]


def looks(labels: Sequence[Any], given: Mapping[Any, Mapping[str, Any]] | None = None) -> dict:
    """A colour and a mark for each label, in order, unless given."""
    return {
        label: {"color": COLOURS[i % len(COLOURS)], "marker": MARKS[i % len(MARKS)]}
        | dict((given or {}).get(label, {}))
        for i, label in enumerate(labels)
    }


def show_pixels(ax: Axes, pixels: np.ndarray) -> None:
    """Pixels in [0, 1] without ticks; what goes beyond is cut."""
    ax.imshow(np.clip(pixels, 0, 1), cmap="gray", vmin=0, vmax=1)
    ax.set(xticks=(), yticks=())


def error_bars(ax: Axes, x: ArrayLike, interval: Interval, **options: Any) -> None:
    """Measurements with their intervals, marked and coloured by matplotlib's ``options``."""
    marks = {"fmt": "o", "color": VERMILION, "capsize": 2} | options
    ax.errorbar(x, np.asarray(interval.centre), interval.bars, **marks)


def logarithmic(ax: Axes, ticks: Sequence[float]) -> None:
    """Both axes logarithmic with plain numbers, the horizontal one at these ticks only."""
    ax.set(xscale="log", yscale="log")
    ax.xaxis.set_major_locator(FixedLocator(ticks))
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5)))
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(FormatStrFormatter("%g"))
        axis.set_minor_locator(NullLocator())
