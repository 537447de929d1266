"""The figure of `sparsity`."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.experiment import Arrays
from experiments.healing.arms import NAMES
from experiments.healing.comparison import ACCURACY
from experiments.healing.curves import RETRAINED, SHOWN, curve, errors_across, ranked_dots
from experiments.healing.pruning import CONTROLS, Settings, percent
from experiments.plots.comparison import standings
from experiments.plots.style import BLACK, BLUE, GREEN, PURPLE, STYLE, VERMILION


def draw(arrays: Arrays, settings: Settings) -> Figure:
    """Accuracy against sparsity with controls above, every method below, equal time at the end."""
    with plt.style.context(STYLE):
        figure = plt.figure(figsize=(7.2, 10.2))
        parts: Any = figure.subfigures(2, 1, height_ratios=(4.6, 5.6))
        top, bottom = parts
        left, right = top.subplots(1, 2, sharey=True)
        _curves(left, arrays, settings)
        _controls(right, arrays, settings)
        for ax in (left, right):
            kept = [1 - s for s in settings.sparsities]
            ax.set(xscale="log", xlabel="weights pruned")
            ax.set_xticks(kept, map(percent, settings.sparsities), minor=False)
            ax.set_xticks([], minor=True)
            ax.invert_xaxis()
            # Below the axes: inside there is no corner that no curve crosses.
            ax.legend(loc="upper center", bbox_to_anchor=(0.5, -0.17), ncols=2, fontsize=6.5)
        left.set_ylabel("test accuracy")
        hard = [i for i, s in enumerate(settings.sparsities) if s >= 0.9] or [0]
        panels = np.atleast_1d(bottom.subplots(1, len(hard) + 1, sharey=True))
        for ax, at in zip(panels, hard, strict=False):
            values = arrays["measures"][:, at, ..., ACCURACY].mean(axis=-1)
            _dots(ax, arrays, values, at, f"{percent(settings.sparsities[at])} pruned")
        _equal_time(panels[-1], arrays, settings)
        panels[0].set_yticks(range(len(NAMES)), NAMES[::-1])
        bottom.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def _curves(ax: Axes, arrays: Arrays, settings: Settings) -> None:
    kept = 1 - np.array(settings.sparsities)
    ax.axhline(arrays["dense"][:, ACCURACY].mean(), color=BLACK, lw=0.8, ls="-", label="dense")
    references = ((RETRAINED, "retrained", "--"), ("pruned", "pruned", ":"))
    for label, name, style in references:
        curve(ax, kept, arrays[name][..., ACCURACY].T, label, BLACK, style)
    for name, (colour, style) in SHOWN.items():
        values = arrays["measures"][NAMES.index(name), ..., ACCURACY].mean(axis=-1)
        curve(ax, kept, values.T, name, colour, style)
    ax.set_title(f"healed with {arrays['images']} images")


def _controls(ax: Axes, arrays: Arrays, settings: Settings) -> None:
    kept = 1 - np.array(settings.sparsities)
    starfish = arrays["measures"][NAMES.index("STARFISH"), ..., ACCURACY].mean(axis=-1)
    curve(ax, kept, starfish.T, "STARFISH", VERMILION, "o-")
    marks = ((BLUE, "s--"), (GREEN, "^--"), (PURPLE, "D--"))
    controls = arrays["controls"].mean(axis=3)
    for name, values, (colour, style) in zip(CONTROLS, controls, marks, strict=True):
        curve(ax, kept, values.T, name, colour, style)
    curve(ax, kept, arrays["pruned"][..., ACCURACY].T, "pruned", BLACK, ":")
    ax.set_title("controls of STARFISH")


def _dots(ax: Axes, arrays: Arrays, values: np.ndarray, at: int, title: str) -> None:
    among = np.array([one.among_best for one in standings(values)])
    dense, retrained = arrays["dense"][:, ACCURACY], arrays["retrained"][at, :, ACCURACY]
    ranked_dots(ax, values, among, dense, retrained)
    errors_across(ax, title)


def _equal_time(ax: Axes, arrays: Arrays, settings: Settings) -> None:
    at = settings.sparsities.index(settings.timed)
    values = arrays["equal_time"].mean(axis=-1)
    _dots(ax, arrays, values, at, f"{percent(settings.timed)}, equal time")
    right = ax.twinx()
    right.set_ylim(ax.get_ylim())
    labels = [f"{steps} steps" if steps else "" for steps in arrays["steps_equal_time"]]
    right.set_yticks(range(len(NAMES)), labels[::-1], fontsize=6)
    right.tick_params(length=0)
    right.grid(False)
    right.spines["right"].set_visible(False)
