"""Verdicts of a theorem over a grid: how tight each part is, and where assumptions fail."""

import math
from collections.abc import Mapping
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pandas as pd
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.plots.style import (
    BLACK,
    CHANCE,
    COLOURS,
    GREEN,
    MARKS,
    ORANGE,
    PURPLE,
    SKY,
    THEORY,
    VERMILION,
    legend,
)

Table = Any
"""A table of pandas, or a column: its types say less than they are worth here."""

STATUS = {
    "verified": GREEN,
    "consistent": PURPLE,
    "falsified": VERMILION,
    "inconclusive": ORANGE,
    "not applicable": SKY,
}

MARGIN = "margin: "


def draw(frame: Table, swept: list[str]) -> Figure:
    """Measured/predicted of each part against the first setting that varies, coloured by status,
    and the margins of the assumptions; a mark for each combination of the others.

    Args:
        frame: rows as of `experiments.results.sweep`.
        swept: the settings of the grid.
    """
    varied = [name for name in swept if frame[name].nunique() > 1] or swept[:1]
    first, others = varied[0], varied[1:]
    at, ticks = _places(frame[first])
    missed = frame.verdict == "not applicable"
    status = frame.status.mask(missed, "not applicable")
    frame = frame.assign(at=at, series=_series(frame, others), status=status)
    margins = [name for name in frame if name.startswith(MARGIN)]
    parts = list(dict.fromkeys(frame.part))
    panels = [*parts, *(["margins"] if margins else [])]
    columns = min(3, len(panels))
    rows = math.ceil(len(panels) / columns)
    size = (1 + 2.9 * columns, 0.9 + 2.5 * rows)
    figure, axes = plt.subplots(rows, columns, figsize=size, squeeze=False)
    for ax in axes.flat[len(panels) :]:
        ax.set_axis_off()
    marks = dict(zip(dict.fromkeys(frame.series), MARKS * len(frame), strict=False))
    for ax, part in zip(axes.flat, parts, strict=False):
        _ratios(ax, frame[frame.part == part], marks)
        ax.set_title(part)
        ax.set_ylabel("measured / predicted")
    if margins:
        _margins(axes.flat[len(parts)], frame[frame.part == parts[0]], margins)
    for ax in axes.flat[: len(panels)]:
        ax.set_xlabel(first)
        if ticks is None and at.min() > 0 and at.max() > 8 * at.min():
            ax.set_xscale("log")
        if ticks is not None:
            ax.set_xticks(range(len(ticks)), ticks)
    legend(figure, [({}, ax) for ax in axes.flat], ncols=3)
    return figure


def _places(values: Table) -> tuple[Table, list[str] | None]:
    """Numbers as they are; anything else side by side, with its words."""
    numbers: Table = pd.to_numeric(values, errors="coerce")
    if bool(numbers.notna().all()):
        return numbers, None
    words = list(dict.fromkeys(map(str, values)))
    return values.map(lambda value: words.index(str(value))), words


def _series(frame: Table, others: list[str]) -> list[str]:
    """What a row is called in the legend: its other settings."""
    return [", ".join(f"{name} = {row[name]}" for name in others) for _, row in frame.iterrows()]


def _ratios(ax: Axes, rows: Table, marks: Mapping[str, str]) -> None:
    """Median and range of measured/predicted."""
    ratio = "measured/predicted, "
    low, middle, high = (rows[ratio + name].astype(float) for name in ("min", "median", "max"))
    for status, colour in STATUS.items():
        for series, mark in marks.items():
            here = (rows.status == status) & (rows.series == series) & middle.notna()
            if not here.any():
                continue
            bars = np.stack([middle[here] - low[here], high[here] - middle[here]])
            look: dict[str, Any] = {"color": colour, "marker": mark, "ls": "none", "capsize": 2}
            ax.errorbar(rows["at"][here], middle[here], np.maximum(bars, 0), **look)
            ax.plot([], [], "o", color=colour, label=status)
            if series:
                ax.plot([], [], mark, color=BLACK, mfc="none", label=series)
    ax.axhline(1, **THEORY)
    smallest = low[low > 0]
    if len(smallest) and high.max() > 20 * smallest.min():
        ax.set_yscale("log")


def _margins(ax: Axes, rows: Table, margins: list[str]) -> None:
    """The smallest margin of each assumption: below 0 it fails."""
    for name, colour, mark in zip(margins, COLOURS * len(margins), MARKS * len(margins),
                                  strict=False):  # fmt: skip
        least = rows.groupby("at")[name].min()
        ax.plot(least.index, least, marker=mark, color=colour, label=name.removeprefix(MARGIN))
    ax.axhline(0, **CHANCE)
    ax.set_yscale("symlog", linthresh=0.1)
    ax.set(title="assumptions: met above 0", ylabel="smallest margin")
