"""How methods of healing look in all figures: as curves, and as dots that say how they stand."""

from collections.abc import Sequence
from typing import Literal

from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, FormatStrFormatter, NullLocator
from xarray import DataArray

from experiments.plots.dots import dots
from experiments.plots.estimates import Interval, share
from experiments.plots.style import BLACK, BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILION
from theory.healing.members import CONTROLS

METHODS = {
    "STARFISH": {"color": VERMILION, "marker": "o"},
    "STARFISH + logits": {"color": ORANGE, "marker": "s"},
    "STARFISH, head refitted": {"color": PURPLE, "marker": "D"},
    "distillation": {"color": BLUE, "marker": "^"},
    "distillation, head refitted": {"color": BLUE, "marker": "^", "ls": "--", "mfc": "white"},
    "labels": {"color": SKY, "marker": "v"},
    "ridge, layer by layer": {"color": GREEN, "marker": "P"},
}
"""Colours and marks of the methods that are drawn as curves."""

RETRAINED = "retrained on all images"
REFERENCES = {
    "dense": {"color": BLACK, "lw": 0.8, "marker": ""},
    RETRAINED: {"color": BLACK, "lw": 0.8, "marker": "", "ls": "--"},
    "pruned": {"color": BLACK, "lw": 0.8, "marker": "", "ls": ":"},
}
"""Styles of what healing is measured against."""

CONTROLLED = {"STARFISH": METHODS["STARFISH"]} | {
    name: {"color": colour, "marker": mark, "ls": "--", "mfc": "white"}
    for name, colour, mark in zip(CONTROLS.values(), (BLUE, GREEN, PURPLE), "s^D", strict=True)
}
"""Colours and marks of STARFISH and its controls."""

ERRORS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1)
"""Ticks of errors; smaller ones are drawn at the first."""


def error(accuracy: DataArray) -> Interval:
    """Mean errors 1 − accuracy with their intervals over trials, none below the first tick."""
    return Interval(*(part.clip(min=ERRORS[0]) for part in share(1 - accuracy)))


def ranked_dots(
    ax: Axes, accuracy: DataArray, best: Sequence[str], dense: DataArray, retrained: DataArray
) -> None:
    """Errors of methods from the top down, those in ``best`` filled, beside the references."""
    for name, level in (("dense", dense), (RETRAINED, retrained)):
        ax.axvline(1 - float(level.mean()), **REFERENCES[name], label=name)
    among = accuracy.arm.isin(best)
    for label, part, look in (
        ("among the best", among, {"color": VERMILION, "marker": "o"}),
        ("behind the best", ~among, {"color": BLUE, "marker": "s", "mfc": "white"}),
    ):
        # Rows of the others stay, without a mark.
        dots(ax, error(accuracy.where(part)), y="arm", label=label, ms=2.5, lw=0.9, **look)


def errors_along(ax: Axes, axis: Literal["x", "y"] = "x") -> None:
    """A logarithmic axis of errors: near 1 accuracies differ too little to be seen."""
    scaled = ax.xaxis if axis == "x" else ax.yaxis
    ax.set(**{f"{axis}scale": "log", f"{axis}label": "test error"})
    scaled.set_major_locator(FixedLocator(ERRORS))
    scaled.set_major_formatter(FormatStrFormatter("%g"))
    scaled.set_minor_locator(NullLocator())
    ax.tick_params(axis=axis, labelsize=7)
