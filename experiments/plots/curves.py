"""Estimates as curves against a number: one curve for each series."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from experiments.plots.estimates import Interval
from experiments.plots.style import parts


def curves(
    ax: Axes,
    interval: Interval,
    *,
    x: str,
    series: str | None = None,
    given: Mapping[Any, Mapping[str, Any]] | None = None,
    label: str | None = None,
    dodge: float = 0.0,
    band: bool = False,
    **options: Any,
) -> None:
    """Draw an estimate with its interval against the numbers along a dimension.

    Args:
        ax, interval: panel to draw in, and what of, over the dimensions ``x`` and ``series``.
        x: dimension whose labels are numbers, or a coordinate along it.
        series: dimension of which each label is a curve of its own colour and mark.
        given: options of matplotlib by label of the series, besides the defaults of `looks`.
        label: in the legend, where there is no series.
        dodge: horizontal distance between neighbouring series, so that none hides another.
        band: shade the interval instead of drawing bars: where there are many points.
        options: of `Axes.errorbar`, or of `Axes.plot` with a band, for all.
    """
    at = np.asarray(interval.centre[x], float)
    default: dict[str, Any] = {"marker": None} if band else {"capsize": 2}
    found = parts(interval, series, given, label)
    for i, (one, marks) in enumerate(found):
        where = at + dodge * (i - (len(found) - 1) / 2)
        marks = default | marks | options
        if band:
            (line,) = ax.plot(where, np.asarray(one.centre), **marks)
            ax.fill_between(where, one.low, one.high, color=line.get_color(), alpha=0.2, lw=0)
        else:
            ax.errorbar(where, np.asarray(one.centre), one.bars, **marks)
