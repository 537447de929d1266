"""Estimates as dots on rows: one row for each label, one mark for each series."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from experiments.plots.estimates import Interval, label_text
from experiments.plots.style import parts

SPREAD = 0.3
"""How far apart the first and the last series of a row lie; rows are 1 apart."""


def dots(
    ax: Axes,
    interval: Interval,
    *,
    y: str,
    series: str | None = None,
    given: Mapping[Any, Mapping[str, Any]] | None = None,
    label: str | None = None,
    **options: Any,
) -> None:
    """Draw an estimate with its interval on one row for each label along a dimension.

    Args:
        ax, interval: panel to draw in, and what of, over the dimensions ``y`` and ``series``.
        y: dimension whose labels are the rows, the first at the top.
        series: dimension whose labels share a row, each in a colour and mark of its own.
        given: options of matplotlib by label of the series, besides the defaults of `looks`.
        label: in the legend, where there is no series.
        options: of `Axes.errorbar`, for all.
    """
    names = interval.centre[y].values.tolist()
    rows = np.arange(len(names))[::-1]
    found = parts(interval, series, given, label)
    for i, (one, marks) in enumerate(found):
        shift = SPREAD * (0.5 - i / (len(found) - 1)) if len(found) > 1 else 0.0
        marks = {"ls": "none", "capsize": 1.5, "ms": 3.5} | marks | options
        ax.errorbar(np.asarray(one.centre), rows + shift, xerr=one.bars, **marks)
    ax.set_yticks(rows, [label_text(name) for name in names])
    ax.set_ylim(-0.6, len(names) - 0.4)
