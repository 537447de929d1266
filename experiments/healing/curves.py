"""How methods of healing look in all figures."""

import numpy as np
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FormatStrFormatter, NullLocator
from numpy.typing import ArrayLike

from experiments.plots.estimates import share_interval
from experiments.plots.style import BLACK, BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILION

SHOWN = {
    "STARFISH": (VERMILION, "o-"),
    "STARFISH + logits": (ORANGE, "s-"),
    "STARFISH, head refitted": (PURPLE, "D-"),
    "distillation": (BLUE, "^-"),
    "distillation, head refitted": (BLUE, "^--"),
    "labels": (SKY, "v-"),
    "ridge, layer by layer": (GREEN, "P-"),
}
"""Colours and styles of the methods that are drawn as curves."""


def curve(ax: Axes, x: ArrayLike, values: np.ndarray, label: str, colour: str, style: str) -> None:
    """Mean accuracies with their intervals over networks, (trials, points); dashed is hollow."""
    interval = share_interval(values)
    ax.errorbar(
        x, interval.centre, interval.bars, fmt=style, ms=3, capsize=2, color=colour, label=label,
        mfc="white" if style.endswith("--") else colour,
    )  # fmt: skip


ERRORS = (0.01, 0.03, 0.1, 0.3, 1)
"""Ticks of errors; smaller ones are drawn at the first."""


def dots(
    ax: Axes, y: ArrayLike, values: np.ndarray, label: str, colour: str, mark: str = "o", **options
) -> None:
    """Mean errors 1 − accuracy of rows at ``y``, from accuracies (rows, trials), with intervals."""
    error = share_interval(1 - values.T)
    centre, low, high = (np.maximum(x, ERRORS[0]) for x in error)
    ax.errorbar(
        centre, y, xerr=[centre - low, high - centre], fmt=mark, ms=3, capsize=1.5, lw=0.9,
        color=colour, label=label, **options,
    )  # fmt: skip


RETRAINED = "retrained on all images"


def ranked_dots(
    ax: Axes, values: np.ndarray, among: np.ndarray, dense: np.ndarray, retrained: np.ndarray
) -> None:
    """Errors of methods from the top down, the best filled, beside the references.

    Args:
        ax: where to draw.
        values: accuracies, (methods, trials).
        among: which methods are among the best.
        dense, retrained: accuracies, (trials,).
    """
    y = np.arange(len(values))[::-1]
    ax.axvline(1 - dense.mean(), color=BLACK, lw=0.8, label="dense")
    ax.axvline(1 - retrained.mean(), color=BLACK, lw=0.8, ls="--", label=RETRAINED)
    dots(ax, y[among], values[among], "among the best", VERMILION)
    dots(ax, y[~among], values[~among], "behind the best", BLUE, mfc="white")


def errors_across(ax: Axes, title: str) -> None:
    """An axis of errors from tick to tick, logarithmic: near 1 accuracies differ too little.

    For axes that already hold everything, shared ones included.
    """
    ax.set(xscale="log", title=title, xlabel="test error")
    low, high = ax.get_xlim()
    ax.set_xlim(
        max([e for e in ERRORS if e <= low], default=ERRORS[0]),
        min([e for e in ERRORS if e >= high], default=ERRORS[-1]),
    )
    ax.xaxis.set_major_locator(FixedLocator(ERRORS))
    ax.xaxis.set_major_formatter(FormatStrFormatter("%g"))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.tick_params(axis="x", labelsize=7)
