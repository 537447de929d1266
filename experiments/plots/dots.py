"""Estimates as dots on rows: one row for each label, one mark for each series."""

from collections.abc import Mapping
from typing import Any

import numpy as np
from matplotlib.axes import Axes

from experiments.plots.estimates import Interval, label_text
from experiments.plots.style import looks

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
        ax: panel to draw in.
        interval: labelled, of the dimensions ``y`` and ``series``.
        y: dimension whose labels are the rows, the first at the top.
        series: dimension whose labels share a row, each in a colour and mark of its own.
        given: options of matplotlib by label of the series, besides the defaults of `looks`.
        label: in the legend, where there is no series.
        options: of `Axes.errorbar`, for all.
    """
    names = interval.centre[y].values.tolist()
    rows = np.arange(len(names))[::-1]
    parts = [None] if series is None else interval.centre[series].values.tolist()
    chosen = looks(parts, given)
    for i, part in enumerate(parts):
        one = interval if series is None else interval.sel(**{series: part})
        text = label if series is None else label_text(part)
        shift = SPREAD * (0.5 - i / (len(parts) - 1)) if len(parts) > 1 else 0.0
        marks = {"ls": "none", "capsize": 1.5, "ms": 3.5, "label": text} | chosen[part] | options
        ax.errorbar(np.asarray(one.centre), rows + shift, xerr=one.bars, **marks)
    ax.set_yticks(rows, [label_text(name) for name in names])
    ax.set_ylim(-0.6, len(names) - 0.4)
