"""The figure of `frozen_noise`, drawn from the saved arrays."""

from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D

from experiments.experiment import Arrays
from experiments.healing.frozen_noise_expected import (
    LAYER,
    MASKS,
    ROTATED,
    ROWS,
    WANDA,
    Expected,
    Settings,
    expectations,
    shares,
)
from experiments.plots.estimates import mean_interval
from experiments.plots.style import BLUE, GREEN, PURPLE, STYLE, VERMILION, error_bars

LOOKS = {
    MASKS[0]: (BLUE, "s", 3.0, BLUE),
    MASKS[1]: (GREEN, "o", 5.5, "none"),
    MASKS[2]: (VERMILION, "D", 3.0, VERMILION),
    ROTATED: (PURPLE, "^", 3.5, PURPLE),
}
"""Colour, marker, its size and its face, of every curve."""


def draw(arrays: Arrays, settings: Settings) -> Figure:
    """One row per sparsity: the noise among the pruned, the change of N, the flips on P."""
    rows = len(settings.sparsities)
    with plt.style.context(STYLE):
        figure, axes = plt.subplots(
            rows, 3, figsize=(7.2, 1.0 + 2.3 * rows), squeeze=False, sharex=True, sharey="col"
        )
        for i, sparsity in enumerate(settings.sparsities):
            theory = expectations(arrays, settings, sparsity)
            _noise(axes[i, 0], arrays, settings, i, theory)
            _changes(axes[i, 1], arrays, settings, i, theory)
            _flips(axes[i, 2], arrays, settings, i, theory)
            for ax in axes[i]:
                ax.axvline(sparsity, color="0.6", lw=0.8, ls="-.", zorder=0)
                ax.set_title(f"$s={sparsity:g}$ pruned")
            axes[i, 0].set_ylabel("share of the pruned off $P$")
            axes[i, 1].set_ylabel(r"$\|N_\mathrm{pruned}-N\|\,/\,\|N\|$ on $P$")
            axes[i, 2].set_ylabel("share of decisions on $P$ that\nflip with the noise redrawn")
        for ax in axes[-1]:
            ax.set_xlabel(r"$\ell/d$, share of the axes off $P$")
        figure.legend(*axes[0, 1].get_legend_handles_labels(), loc="outside upper center", ncols=4)
        figure.legend(handles=_lines(), loc="outside lower center", ncols=4)
    return figure


def _lines() -> list[Line2D]:
    """What the lines without markers are."""
    styles = (
        ("-", "0.2", "exact (H4)"),
        ("--", "0.2", "approximation"),
        (":", "0.2", r"$\ell/d$, nothing learned"),
        ("-.", "0.6", r"$\ell/d=s$"),
    )
    return [Line2D([], [], ls=ls, color=colour, lw=1, label=label) for ls, colour, label in styles]


def _curves(ax: Axes, settings: Settings, names: tuple[str, ...], values: np.ndarray) -> None:
    """Measurements (ells, trials, names) with intervals over networks."""
    for j, name in enumerate(names):
        colour, marker, size, face = LOOKS[name]
        error_bars(
            ax, shares(settings), mean_interval(values[..., j].T), fmt=marker, color=colour,
            ms=size, mfc=face, lw=1, label=name,
        )  # fmt: skip


def _line(ax: Axes, settings: Settings, name: str, values: Any, style: str = "--") -> None:
    """What theory says of a curve."""
    ax.plot(shares(settings), values, style, color=LOOKS[name][0], lw=1, zorder=1)


def _noise(ax: Axes, arrays: Arrays, settings: Settings, i: int, theory: list[Expected]) -> None:
    _curves(ax, settings, MASKS, arrays["off"][:, :, i])
    _line(ax, settings, MASKS[LAYER], [one.off for one in theory])
    share = np.linspace(0, 1, 201)
    ax.plot(share, np.minimum(1, share / settings.sparsities[i]), color=VERMILION, lw=1, zorder=1)
    ax.plot(share, share, ":", color="0.2", lw=1, zorder=0)
    ax.set(xlim=(0, 1), ylim=(0, 1.05))
    ax.set_xticks((0, 0.25, 0.5, 0.75, 1), ("0", "¼", "½", "¾", "1"))


def _changes(ax: Axes, arrays: Arrays, settings: Settings, i: int, theory: list[Expected]) -> None:
    _curves(ax, settings, (*MASKS, ROTATED), arrays["change"][:, :, i])
    for name in theory[0].change:
        _line(ax, settings, name, [one.change[name] for one in theory])
    ax.plot([settings.sparsities[i], 1], [0, 0], color=VERMILION, lw=1, zorder=1)


def _flips(ax: Axes, arrays: Arrays, settings: Settings, i: int, theory: list[Expected]) -> None:
    _curves(ax, settings, MASKS, arrays["flips"][:, :, i])
    for j in (LAYER, ROWS):
        _line(ax, settings, MASKS[j], [one.flips[j] for one in theory])
    _line(ax, settings, MASKS[WANDA], np.zeros(len(settings.ells)), "-")
