"""How methods of healing look in all figures."""

import numpy as np
from matplotlib.axes import Axes
from numpy.typing import ArrayLike

from experiments.panels import BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILION, share_interval

SHOWN = {
    "STARFISH": (VERMILION, "o"),
    "STARFISH + logits": (ORANGE, "s"),
    "STARFISH, head refitted": (PURPLE, "D"),
    "distillation": (BLUE, "^"),
    "labels": (SKY, "v"),
    "ridge, layer by layer": (GREEN, "P"),
}
"""Colours and marks of the methods that are drawn as curves."""


def curve(ax: Axes, x: ArrayLike, values: np.ndarray, label: str, colour: str, style: str) -> None:
    """Mean accuracies with their intervals over networks, (trials, points)."""
    interval = share_interval(values)
    ax.errorbar(
        x, interval.centre, interval.bars, fmt=style, ms=3, capsize=2, color=colour, label=label
    )
