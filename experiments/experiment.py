"""An experiment is three things: settings, a run to arrays, and a drawing of the arrays."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from theory.theorem import Preset, Source

if TYPE_CHECKING:
    from matplotlib.figure import Figure

Progress = Callable[[float, str], None]
"""``progress(fraction done in [0, 1], what is being done)``."""

Arrays = dict[str, np.ndarray]


@dataclass(frozen=True)
class Experiment:
    """A figure, or a family of them, with everything needed to regenerate it.

    Attributes:
        name: ``system.name``.
        title: one line saying what is shown.
        source: the paper's figure or statement that it belongs to.
        presets: settings by preset; each a frozen dataclass deriving from `theory.Settings`.
        run: ``(settings, key, progress) -> arrays``; deterministic in settings and key.
        draw: ``(arrays, settings) -> Figure``; runs nothing and reads nothing else.
        summary: ``(arrays, settings) -> {name: number or list}``, the numbers printed and stored
            in ``result.json`` beside the figure.
        page: ``(arrays, settings) -> HTML``, a self-contained page without scripts beside the
            figure; None where there is none.
    """

    name: str
    title: str
    source: Source
    presets: Mapping[Preset, Any]
    run: Callable[[Any, Any, Progress], Arrays]
    draw: "Callable[[Arrays, Any], Figure]"
    summary: Callable[[Arrays, Any], dict[str, Any]]
    page: Callable[[Arrays, Any], str] | None = None
