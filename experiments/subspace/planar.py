"""What the experiments with few points of a line or a plane share: numbers, and flips drawn."""

from dataclasses import dataclass
from typing import Any

import jax.numpy as jnp
import numpy as np
from matplotlib.axes import Axes
from matplotlib.lines import Line2D
from xarray import DataArray, Dataset

from experiments.cells import Measured, along
from experiments.plots.estimates import LEVEL, Interval, finite, median
from experiments.plots.style import CLASSES, VERMILION
from theory.networks import MLP
from theory.settings import Sample
from theory.subspace import planar
from theory.subspace.planar import Fit

SEEDS = "0.3"
"""The colour of what is measured over seeds."""
FARTHEST = 20.0
"""The largest distance on the axis; the points lie within 2.8 of each other."""
BELOW = 1e-9
"""Relative rounding by which a flip may fall short of its certified radius."""


@dataclass(frozen=True)
class Settings(planar.Settings):
    """As in theory, and drawn."""

    resolution: Sample = 200
    """grid points per side on which the decision is drawn"""


def measured(fits: Fit) -> Measured:
    """The numbers of `Fit` for all trials under their names, and the weights w, u, b and c."""
    found = fits._asdict()
    (w, u), (b, c) = found.pop("network")
    weights = {
        "w": (("trial", "neuron", "input"), w),
        "u": (("trial", "neuron"), u[:, 0]),
        "b": (("trial", "neuron"), b),
        "c": (("trial",), c[:, 0]),
    }
    numbers = along(found, "trial", "point")
    # Weights are kept for drawing only, and a picture does not need double precision.
    return numbers | {name: (dims, x.astype(np.float32)) for name, (dims, x) in weights.items()}


def network(one: Dataset) -> MLP:
    """The stored network of one trial."""
    w, u, b, c = (jnp.asarray(one[name].values) for name in "wubc")
    return MLP((w, u[None]), (b, c[None]))


def reached(data: Dataset, settings: Settings) -> DataArray:
    """Which networks have fitted the data up to the margin.

    Only these have a boundary that belongs to the data; the others are counted and left out.
    """
    return data.margin >= settings.margin


def fitting(own: Dataset, settings: Settings) -> Dataset:
    """Those trials of one method that have `reached` the margin."""
    return own.isel(trial=reached(own, settings).values)


def shown_trials(fitted: DataArray, method: str) -> np.ndarray:
    """The trials to draw: those that fit by every method, or by this one, or else the first."""
    for candidates in (fitted.all("training"), fitted.sel(training=method)):
        if candidates.any():
            return np.flatnonzero(candidates)
    return np.zeros(1, int)


def flip_table(data: Dataset, settings: Settings) -> dict[str, dict[str, Any]]:
    """For each method: seeds that fitted, drift of W_⊥, flip distances and certified radii.

    A seed's flip distance is the median over its points, and ``flip_median`` the median over
    seeds with its 95 % interval; None stands for no flip at any distance.
    """
    tables: dict[str, dict[str, Any]] = {}
    for method in data.training.values.tolist():
        own = data.sel(training=method)
        fits = fitting(own, settings)
        row: dict[str, Any] = {
            "seeds": own.sizes["trial"],
            "seeds_at_margin": fits.sizes["trial"],
            "steps_median": float(own.steps.median()),
            "drift_max": float(own.drift.max()),
        }
        if fits.sizes["trial"]:
            flip, radius = fits.flip, fits.radius
            middle, low, high = finite(np.array(median(flip.median("point"))))
            row |= {
                "flip_median": middle,
                "flip_interval": [low, high],
                "flip_by_point": finite(median(flip).centre),
                "radius_median": float(radius.median()),
                "flips_over_radius_median": finite((flip / radius).median())[0],
                "flips_below_radius": int((flip < radius * (1 - BELOW)).sum()),
                "points": flip.size,
                "points_without_flip": int(np.isinf(flip).sum()),
            }
        tables[method] = row
    vanilla = tables["vanilla"].get("flip_median")
    for row in tables.values():
        own = row.get("flip_median")
        row["flip_over_vanilla"] = own / vanilla if own and vanilla else None
    return tables


def scatter_flips(ax: Axes, positions: np.ndarray, fits: Dataset) -> None:
    """Every seed as a dot, the median with its interval, and the median certified radius below.

    With fewer than six seeds the interval is their range, and short of its level. Flips beyond
    `FARTHEST` are open triangles there.

    Args:
        ax: axes with a logarithmic distance upwards.
        positions: of the points on the horizontal axis, evenly spaced.
        fits: ``flip`` and ``radius`` over trial and point.
    """
    flip = fits.flip.values
    spacing = positions[1] - positions[0] if len(positions) > 1 else 1.0
    side = np.linspace(0.08, 0.3, len(flip))[:, None] * spacing
    places = positions + np.broadcast_to(side, flip.shape)
    inside = flip < FARTHEST
    ax.plot(places[inside], flip[inside], "o", color=SEEDS, ms=2.2, alpha=0.45, mew=0)
    beyond = np.where(inside, np.nan, FARTHEST)
    ax.plot(places, beyond, "^", color=SEEDS, ms=3.5, mfc="none", mew=0.6, clip_on=False)
    shown = Interval(*(np.minimum(part, FARTHEST) for part in median(fits.flip)))
    at = positions - 0.08 * spacing
    ax.errorbar(at, shown.centre, shown.bars, fmt="o", color=SEEDS, ms=4.5, capsize=2.5, lw=1.3)
    ax.plot(at, fits.radius.median("trial"), "_", color=VERMILION, ms=11, mew=1.8)


def handles() -> list[Line2D]:
    """What the marks of the points and of `scatter_flips` are, the latter in neutral colour."""
    looks: dict[str, dict[str, Any]] = {
        "point of class −1": CLASSES[-1] | {"ms": 6},
        "point of class +1": CLASSES[1] | {"ms": 6},
        "certified radius (median)": {"marker": "_", "color": VERMILION, "ms": 11, "mew": 1.8},
        "flip, one seed": {"marker": "o", "ms": 2.2},
        f"median flip, {LEVEL:.0%} interval": {"marker": "o", "ms": 4.5},
        f"no flip within {FARTHEST:g}": {"marker": "^", "ms": 3.5, "mfc": "none", "mew": 0.6},
    }
    shared: dict[str, Any] = {"ls": "", "color": SEEDS}
    return [Line2D([], [], label=label, **(shared | look)) for label, look in looks.items()]
