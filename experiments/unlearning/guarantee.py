"""The certificate's ε, δ and τ beside what the guarantee says of them, measured and drawn."""

from collections.abc import Callable
from typing import Any

from matplotlib.axes import Axes
from xarray import Dataset

from experiments.plots.curves import curves
from experiments.plots.estimates import Interval
from experiments.plots.style import BLUE, VERMILION
from theory.unlearning.certificate import QUANTITIES

SYMBOLS = {name: f"$\\{'var' * (name == 'epsilon')}{name}$" for name in QUANTITIES}


def worst_ratios(data: Dataset) -> dict[str, float]:
    """The largest measured/bound over all networks, by quantity."""
    ratios = (data.certificate / data.bound).transpose("quantity", ...)
    return {name: float(of.values.max()) for name, of in zip(QUANTITIES, ratios, strict=True)}


def draw_quantity(
    ax: Axes, data: Dataset, quantity: str, x: str, estimate: Callable[..., Interval], **of: Any
) -> None:
    """One quantity with its bound against the labels along a dimension."""
    at = data.sel(quantity=quantity)
    ax.plot(at[x], estimate(at.bound).centre, color=BLUE, label="bound of the certificate")
    curves(ax, estimate(at.certificate), x=x, color=VERMILION, ls="none", label="certificate", **of)
    ax.set_ylabel(SYMBOLS[quantity])
