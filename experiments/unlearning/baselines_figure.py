"""What is said of every way to forget, with intervals over networks, and the figure of it."""

from collections.abc import Callable

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from xarray import DataArray, Dataset

from experiments.plots.dots import dots
from experiments.plots.estimates import Interval, mean, median, share
from experiments.plots.style import BLUE, GREEN, PURPLE, VERMILION, legend
from experiments.unlearning.images import Settings
from theory.unlearning.membership import auc_terms

MEDIANS = ("distance", "cosine", "certificate_distance", "certificate_cosine", "epsilon")
GAPS = ("forget", "retain", "test")
"""Images whose accuracy is compared with that of the network retrained from the same start."""


def counted(data: Dataset) -> DataArray:
    """Where a method classifies every retained image."""
    return np.isfinite(data.distance)


def columns(data: Dataset) -> dict[str, Interval]:
    """Medians over the networks, and mean gaps in accuracy to retraining, by method."""
    found = {name: median(data[name].fillna(np.inf)) for name in MEDIANS}
    # A smallest retained margin of zero would make it infinite, of which sign nobody knows.
    found["forget_margin"] = _of_counted(data, lambda margins, _: median(margins.mean("image")))
    for name in GAPS:
        accuracy = data[f"{name}_accuracy"]
        found[f"{name}_gap"] = mean(accuracy - accuracy.sel({"method": "retrained"}, drop=True))
    return found


def membership(data: Dataset, deviations: bool = False) -> Interval:
    """Area under the curve of membership inference at every forgotten image, by method.

    Args:
        data: margins of all networks.
        deviations: for an attacker who looks how far margins are from the median retrained one,
            who sees margins that scatter more than those of retraining around the same middle.
    """
    middle = data.forget_margins.sel({"method": "retrained"}, drop=True).median("trial")

    def area(unlearned: DataArray, retrained: DataArray) -> Interval:
        pair = unlearned, retrained
        if deviations:
            pair = (abs(margins - middle) for margins in pair)
        return share(unlearned.copy(data=auc_terms(*(margins.values for margins in pair))))

    return _of_counted(data, area)


def _of_counted(data: Dataset, find: Callable[[DataArray, DataArray], Interval]) -> Interval:
    """Of margins, unlearned and retrained, in the members where a method is counted; else NaN."""
    found = []
    for method in data.method.values:
        pair = [data.forget_margins.sel({"method": name}) for name in (method, "retrained")]
        kept = counted(data).sel({"method": method}).values
        if kept.sum() > 1:
            found.append(find(*(margins[kept] for margins in pair)))
        else:
            found.append(Interval(*(part * np.nan for part in find(*pair))))
    return Interval(*(xr.concat(part, "method") for part in zip(*found, strict=True)))


def draw(data: Dataset, settings: Settings) -> Figure:
    """One row per method, one panel per question."""
    figure, axes = plt.subplots(2, 3, figsize=(7.2, 6.4), sharey=True)
    found, bounds = columns(data), data.bound.median("trial")
    tau = Interval(*(1 - found["certificate_cosine"][i] for i in (0, 2, 1)))
    for ax, interval, label in (
        (axes[0, 0], found["distance"], "distance to the retrained\nnetwork / its norm"),
        (axes[0, 1], tau, "angle to the certificate\n" r"$\tau = 1 - \cos(\theta', \tilde\theta)$"),
        (axes[0, 2], found["epsilon"], "stationarity $\\varepsilon$\nof the retained problem"),
        (axes[1, 0], found["forget_margin"], "margin of the forgotten /\nsmallest retained"),
    ):
        _medians(ax, interval)
        ax.set_xlabel(label)
    for ax, quantity, method in (
        (axes[0, 1], "tau", "gradient ascent"),
        (axes[0, 2], "epsilon", "certificate"),
    ):
        bound = float(bounds.sel(quantity=quantity))
        if method in settings.methods and (quantity != "tau" or bound < 1):
            row = data.sizes["method"] - 1 - list(data.method.values).index(method)
            options = {"color": PURPLE, "ms": 11, "mew": 2, "label": "bound of the certificate"}
            ax.plot(bound, row, "|", **options)
    _areas(axes[1, 1], data)
    seconds = Interval(*3 * [data.seconds])
    dots(axes[1, 2], seconds, y="method", color=BLUE)
    axes[1, 2].set(xscale="log", xlabel="seconds per network\n(one timed)")
    legend(figure, [({}, ax) for ax in axes.flat], ncols=3)
    return figure


def _medians(ax: Axes, interval: Interval) -> None:
    """Medians, and lines at the networks before and without unlearning.

    An interval without end runs to the edge; a median that is infinite is not there.
    """
    for method, ls in (("retrained", "--"), ("original", ":")):
        at = float(interval.centre.sel({"method": method}))
        ax.axvline(at, color="0.4", ls=ls, lw=1, label=method)
    centre, low, high = (part.where(np.isfinite(part)) for part in interval)
    edge = 1.1 * float(np.nanmax([centre, low, high]))
    shown = Interval(centre, low, interval.high.fillna(np.nan).clip(max=edge))
    dots(ax, shown, y="method", color=BLUE, label="median of networks")


def _areas(ax: Axes, data: Dataset) -> None:
    """One mark per forgotten image, side by side, and one for all their deviations."""
    ax.axvline(0.5, color="0.4", ls="--", lw=1)
    given = dict(zip(data.image.values, ({"color": VERMILION}, {"color": GREEN}), strict=False))
    dots(ax, membership(data), y="method", series="image", given=given)
    middle = membership(data, deviations=True).centre.mean("image")
    options = {"color": BLUE, "marker": "D", "mfc": "white", "label": "deviations, all images"}
    dots(ax, Interval(middle, middle, middle), y="method", **options)
    ax.set(xlim=(-0.05, 1.05), xlabel="membership inference,\narea under the curve")
