"""What all figures share: colours, error bars, axes."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import matplotlib
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FormatStrFormatter, LogLocator, NullLocator
from numpy.typing import ArrayLike

from experiments.plots.estimates import Interval

STYLE = Path(__file__).with_suffix(".mplstyle")
"""The matplotlib style of every figure."""

# By value: a "C0" of matplotlib is looked up only when the figure is saved, in whatever style
# then holds.
COLOURS = matplotlib.rc_params_from_file(STYLE, use_default_template=False)[
    "axes.prop_cycle"
].by_key()["color"]
BLUE, VERMILION, GREEN, PURPLE, ORANGE, SKY, BLACK = COLOURS


def error_bars(ax: Axes, x: ArrayLike, interval: Interval, **options: Any) -> None:
    """Measurements with their intervals, marked and coloured by matplotlib's ``options``."""
    marks = {"fmt": "o", "color": VERMILION, "capsize": 2} | options
    ax.errorbar(x, interval.centre, interval.bars, **marks)


def logarithmic(ax: Axes, ticks: Sequence[float]) -> None:
    """Both axes logarithmic with plain numbers, the horizontal one at these ticks only."""
    ax.set(xscale="log", yscale="log")
    ax.xaxis.set_major_locator(FixedLocator(ticks))
    ax.yaxis.set_major_locator(LogLocator(subs=(1, 2, 3, 5)))
    for axis in (ax.xaxis, ax.yaxis):
        axis.set_major_formatter(FormatStrFormatter("%g"))
        axis.set_minor_locator(NullLocator())
