"""An experiment is three things: settings, a run to labelled data, and what is shown of them."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from theory.theorem import Paper, Preset, Provenance

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from xarray import Dataset

Progress = Callable[[float, str], None]
"""``progress(fraction done in [0, 1], what is being done)``."""


def part(progress: Progress, start: float, length: float) -> Progress:
    """The progress of a part of the whole, from 0 to 1.

    Example:
        >>> part(lambda done, what: print(done, what), start=0.5, length=0.25)(1.0, "training")
        0.75 training
    """
    return lambda done, what: progress(start + length * done, what)


@dataclass(frozen=True)
class Summary:
    """What an experiment found, in words and in numbers.

    Attributes:
        sentences: whole sentences, generated from the data.
        tables: numbers, lists of them, or further tables, by name; NaN and infinity become null.

    Example:
        >>> Summary(tables={"accuracy": {"sum": [0.9, 0.8, 1.0]}}).sentences
        ()
    """

    sentences: tuple[str, ...] = ()
    tables: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Experiment:
    """A figure, or a family of them, with everything needed to regenerate it.

    Attributes:
        name: ``system.name``.
        title: one line saying what is shown.
        label: the paper's figure or statement that it belongs to.
        provenance: as of a `Theorem`.
        presets: settings by preset; each a frozen dataclass deriving from `theory.Settings`.
        run: ``(settings, key, progress) -> Dataset``, the data with names on every dimension and
            labels along it; deterministic in settings and key.
        draw: ``(data, settings) -> Figure``; runs nothing and reads nothing else.
        summary: ``(data, settings) -> Summary``, what is printed and stored in ``result.json``
            beside the figure.
        page: ``(data, settings) -> HTML``, a self-contained page without scripts beside the
            figure; None where there is none.
        paper: where it belongs to; the paper of its room when None.
    """

    name: str
    title: str
    presets: Mapping[Preset, Any]
    run: "Callable[[Any, Any, Progress], Dataset]"
    draw: "Callable[[Dataset, Any], Figure]"
    summary: "Callable[[Dataset, Any], Summary]"
    label: str = "own"
    provenance: Provenance = "derived"
    page: "Callable[[Dataset, Any], str] | None" = None
    paper: Paper | None = None
