"""The figure of the baselines, drawn from the saved arrays, and the intervals in it."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.experiment import Arrays
from experiments.plots.estimates import Interval, mean_interval, median_interval
from experiments.plots.style import BLACK, BLUE, GREEN, PURPLE, STYLE, VERMILION
from experiments.unlearning.images import Settings
from theory.unlearning.baselines import BASELINES
from theory.unlearning.membership import auc_terms

METHODS = ("original", "retrained", "gradient ascent", "certificate", *BASELINES)
"""Rows of the arrays, of the table and of the figure."""

ORIGINAL, RETRAINED, ASCENT, CERTIFICATE = range(4)

MEDIANS = (
    *("distance", "cosine", "certificate_distance", "certificate_cosine", "epsilon"),
    "forget_margin",
)
GAPS = ("forget_gap", "retain_gap", "test_gap")
"""Columns of the table: medians over the networks, and mean gaps in accuracy to retraining."""


def counted(arrays: Arrays, method: int) -> np.ndarray:
    """The members in which a method classifies every retained image."""
    return np.isfinite(arrays["distance"][:, method])


def column(arrays: Arrays, name: str, method: int) -> Interval:
    """One of `MEDIANS` or `GAPS` for one method, with its interval."""
    if name in GAPS:
        accuracy = arrays[name.replace("gap", "accuracy")]
        return mean_interval(accuracy[:, method] - accuracy[:, RETRAINED])
    if name == "forget_margin":
        # A smallest retained margin of zero would make it infinite, of which sign nobody knows.
        margins = arrays["forget_margins"][counted(arrays, method), method]
        return median_interval(margins.mean(axis=1)) if len(margins) else _none(())
    values = arrays[name][:, method]
    return median_interval(np.where(np.isnan(values), np.inf, values))


def membership(arrays: Arrays, method: int) -> Interval:
    """Area under the curve of membership inference at every forgotten image."""
    return _area(*_margins(arrays, method))


def spread(arrays: Arrays, method: int) -> Interval:
    """The same for an attacker who looks how far margins are from the median retrained one.

    It sees margins that scatter more than those of retraining around the same middle.
    """
    unlearned, retrained = _margins(arrays, method)
    middle = np.median(arrays["forget_margins"][:, RETRAINED], axis=0)
    return _area(np.abs(unlearned - middle), np.abs(retrained - middle))


def _margins(arrays: Arrays, method: int) -> tuple[np.ndarray, np.ndarray]:
    """Margins (members, images) of the unlearned and the retrained networks."""
    margins = arrays["forget_margins"][counted(arrays, method)]
    return margins[:, method], margins[:, RETRAINED]


def _area(unlearned: np.ndarray, retrained: np.ndarray) -> Interval:
    if len(unlearned) < 2:
        return _none(unlearned.shape[1:])
    return mean_interval(auc_terms(unlearned, retrained))


def _none(shape: tuple[int, ...]) -> Interval:
    return Interval(*(np.full(shape, np.nan) for _ in range(3)))


def draw(arrays: Arrays, settings: Settings) -> Figure:
    """One row per method, one panel per question."""
    with plt.style.context(STYLE):
        figure, axes = plt.subplots(2, 3, figsize=(7.2, 6.0), sharey=True)
        (distance, angle, epsilon), (margin, area, seconds) = axes
        _dots(distance, [column(arrays, "distance", i) for i in range(len(METHODS))])
        distance.set_xlabel("distance to the retrained\nnetwork, in units of its norm")
        cosines = [column(arrays, "certificate_cosine", i) for i in range(len(METHODS))]
        _dots(angle, [Interval(1 - c.centre, 1 - c.high, 1 - c.low) for c in cosines])
        bounds = np.median(arrays["bound"], axis=0)
        if bounds[2] < 1:
            _bound(angle, bounds[2], ASCENT)
        angle.set_xlabel("angle to the certificate\n" r"$\tau = 1 - \cos(\theta', \tilde\theta)$")
        _dots(epsilon, [column(arrays, "epsilon", i) for i in range(len(METHODS))])
        _bound(epsilon, bounds[0], CERTIFICATE)
        epsilon.set_xlabel("stationarity $\\varepsilon$\nof the retained problem")
        _dots(margin, [column(arrays, "forget_margin", i) for i in range(len(METHODS))])
        margin.set_xlabel("margin of the forgotten,\nsmallest retained one = 1")
        _areas(area, arrays, settings)
        area.set_xlabel("membership inference, area\nunder the curve")
        seconds.set_xscale("log")
        for i, value in enumerate(arrays["seconds"]):
            seconds.plot(value, i, "o", color=_colour(i))
        seconds.set_xlabel("seconds per network")
        for ax in axes[:, 0]:
            ax.set(yticks=range(len(METHODS)), yticklabels=METHODS, ylim=(len(METHODS) - 0.5, -0.5))
        handles = {
            label: handle
            for ax in axes.flat
            for handle, label in zip(*ax.get_legend_handles_labels(), strict=True)
        }
        figure.legend(handles.values(), handles.keys(), loc="outside upper center", ncols=3)
    return figure


def _colour(method: int) -> str:
    return {ORIGINAL: BLACK, RETRAINED: BLACK, ASCENT: VERMILION, CERTIFICATE: GREEN}.get(
        method, BLUE
    )


def _dots(ax: Axes, intervals: list[Interval]) -> None:
    """Medians with their intervals, and lines at the networks before and without unlearning.

    An interval without end runs to the edge; a median that is infinite is not there.
    """
    _reference(ax, intervals[RETRAINED].centre, intervals[ORIGINAL].centre)
    edge = 1.1 * max(float(end) for interval in intervals for end in interval if np.isfinite(end))
    for i, (centre, low, high) in enumerate(intervals):
        if np.isfinite(centre):
            bars = [[centre - low], [np.minimum(high, edge) - centre]]
            ax.errorbar(centre, i, xerr=bars, fmt="o", color=_colour(i), capsize=2)


def _reference(ax: Axes, retrained, original=None) -> None:
    ax.axvline(float(retrained), color="0.4", ls="--", lw=1, label="retrained")
    if original is not None:
        ax.axvline(float(original), color="0.4", ls=":", lw=1, label="original")


def _bound(ax: Axes, value: float, method: int) -> None:
    ax.plot(value, method, "|", color=PURPLE, ms=11, mew=2, label="bound of the certificate")


def _areas(ax: Axes, arrays: Arrays, settings: Settings) -> None:
    """One dot per forgotten image, side by side, and one for all their deviations."""
    _reference(ax, 0.5)
    offsets = np.linspace(-0.25, 0.25, settings.forget) if settings.forget > 1 else np.zeros(1)
    for i in range(len(METHODS)):
        if i == RETRAINED:
            continue
        area = membership(arrays, i)
        low, high = np.maximum(area.low, 0), np.minimum(area.high, 1)
        bars = np.stack([area.centre - low, high - area.centre])
        ax.errorbar(area.centre, i + offsets, xerr=bars, fmt="o", ms=3, color=_colour(i))
        ax.plot(spread(arrays, i).centre.mean(), i, "D", ms=3.5, color=_colour(i), mfc="white")
    ax.plot([], [], "o", ms=3, color=BLUE, label="area for one image")
    ax.plot([], [], "D", ms=3.5, color=BLUE, mfc="white", label="area for deviations, mean")
    ax.set_xlim(-0.05, 1.05)
