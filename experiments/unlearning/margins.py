"""Margins before and after forgetting: the target is the retrained margin, not zero.

Every point's margin y·N(x) in four networks, in units of the smallest retained margin of each: the
trained one, the one after the ascent step, the certificate, and one trained again without the
point. The certificate keeps retained margins exactly. A forgotten point of nearly orthogonal data
is left with a margin near zero; in a mixture the other points of its class still speak for it.

Theory is `theory.unlearning.first_order`.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Array
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from xarray import DataArray, Dataset

from experiments.experiment import Experiment, Progress, Summary
from experiments.plots.curves import curves
from experiments.plots.estimates import mean, numbers
from experiments.plots.style import BLACK, BLUE, SKY, VERMILION, legend
from experiments.unlearning import trials
from theory.geometry import Subspace, orthonormalise
from theory.settings import Positive
from theory.unlearning.certificate import certificate
from theory.unlearning.first_order import first_order
from theory.unlearning.gradient_ascent import gradient_ascent
from theory.unlearning.retrain import retrain
from theory.unlearning.scene import draw_mixture, train_scene

DATA = ("gaussian", "mixture")
NETWORKS = ("trained", "after", "certificate", "retrained")
CHANGED = ("after", "certificate")
"""Networks whose margins the formula gives."""


@dataclass(frozen=True)
class Settings(trials.Settings):
    """One point is forgotten, of Gaussian data and of a mixture of two Gaussians."""

    mean_norm: Positive = 0.4
    """norm of the mixture's mean μ; points have norm near √(1 + ‖μ‖²)"""


def trial(settings: Settings, key) -> dict[str, Array]:
    """One key: margins of all points in the four networks and by the formula, on both data."""

    def on(norm):
        scene = draw_mixture(settings, norm, key)
        trained = train_scene(settings, scene)
        net, explained, x, y = trained.network, trained.explained, scene.x, scene.y
        after = gradient_ascent(net, x, y, 0, explained=explained)
        proof = certificate(net, x, y, 0, explained=explained)
        again = retrain(scene.start, x, y, 0, settings.margin)
        unseen = Subspace(orthonormalise(x[1:].T)).reject(x[0])
        return {
            "margins": jnp.stack(
                [y * each(x) for each in (net, after, proof.network, again.network)]
            ),
            "formula": explained.scale
            * jnp.stack([first_order(explained, x, y, part) for part in (x[0], unseen)]),
            "reached": jnp.stack([trained.margin, again.margin]),
        }

    return jax.lax.map(on, jnp.array([0.0, settings.mean_norm]))


def run(settings: Settings, key, progress: Progress) -> Dataset:
    """``margins`` over trial, data, network and point, of which point 0 is forgotten."""
    points = {"point": range(settings.samples)}
    others = {
        "formula": {"data": DATA, "changed": CHANGED} | points,
        "reached": {"data": DATA, "training": ("first", "again")},
    }
    labels = {"data": DATA, "network": NETWORKS} | points
    return trials.measure(settings, trial, key, progress, labels, others)


def in_units(margins: DataArray) -> DataArray:
    """Margins in units of the smallest retained one of each network."""
    return margins / margins.sel(point=slice(1, None)).min("point")


def draw(data: Dataset, settings: Settings) -> Figure:
    """Margins in the four networks on both data, and the forgotten point's by the formula."""
    margins, formula = in_units(data.margins), in_units(data.formula)
    figure, axes = plt.subplots(1, 3, figsize=(7.2, 3.4), width_ratios=(4, 4, 3))
    axes[1].sharey(axes[0])
    titles = "Gaussian, nearly orthogonal", f"mixture, $\\|\\mu\\|$ = {settings.mean_norm:g}"
    for ax, kind, title in zip(axes, DATA, titles, strict=False):
        _margins(ax, margins.sel(data=kind), formula.sel(data=kind, point=0))
        ax.set_title(title)
    axes[0].set_ylabel(r"margin $y_iN(x_i)$ / smallest retained")
    _formula(axes[2], margins.sel(network="after", point=0), formula.sel(changed="after", point=0))
    legend(figure, [({}, ax) for ax in axes], ncols=3)
    return figure


def _margins(ax: Axes, margins: DataArray, formula: DataArray) -> None:
    at = np.arange(len(NETWORKS))
    gone, kept = margins.sel(point=0), margins.sel(point=slice(1, None))
    kept = kept.transpose("trial", "point", "network").values.reshape(-1, len(at))
    spread = np.random.default_rng(0).permutation(np.linspace(-0.28, 0.28, len(kept)))
    (line, *_) = ax.plot(at + spread[:, None], kept, ".", ms=2, color=SKY)
    line.set_label("retained points")
    shift = np.linspace(-0.15, 0.15, len(gone))[:, None]
    ax.plot(at + shift, gone, ".", ms=3, color=VERMILION, alpha=0.5)
    ax.axhline(1, color=BLUE, lw=0.8)
    places = dict(zip(NETWORKS, at, strict=True))
    options = {"color": VERMILION, "ls": "none", "ms": 5, "zorder": 4}
    found = mean(gone.assign_coords(network=at))
    curves(ax, found, x="network", label="forgotten point, mean", **options)
    label = "forgotten, first order in the step"
    options = {"color": BLACK, "ms": 22, "mew": 1.5, "zorder": 5, "label": label}
    ax.plot([places[name] for name in CHANGED], formula.mean("trial"), "_", **options)
    ax.set_xticks(at, ("trained", "\nafter step", "certificate", "\nretrained"))
    ax.grid(axis="x", visible=False)


def _formula(ax: Axes, measured: DataArray, formula: DataArray) -> None:
    values = np.concatenate([measured, formula])
    ends = [values.min() - 0.05, values.max() + 0.05]
    ax.plot(ends, ends, color=BLUE, lw=1, label="equal")
    for kind, color, marker in (("gaussian", BLACK, "s"), ("mixture", VERMILION, "o")):
        points = formula.sel(data=kind), measured.sel(data=kind)
        ax.plot(*points, marker, color=color, mfc="none", label=f"one network, {kind}")
    ax.set(xlabel="first order in the step", ylabel="measured margin")
    ax.set_title("forgotten, after step")


def summary(data: Dataset, settings: Settings) -> Summary:
    """By data: the forgotten margin in each network and by the formula, the retained ones kept."""
    margins, formula = in_units(data.margins), in_units(data.formula)
    gone, by_formula = margins.sel(point=0, drop=True), formula.sel(point=0, drop=True)
    after, retrained = (gone.sel(network=name, drop=True) for name in ("after", "retrained"))
    measured = gone.sel(network=list(CHANGED)).rename(network="changed")
    kept = margins.sel(point=slice(1, None))
    change = abs(kept / kept.sel(network="trained", drop=True) - 1).max(("trial", "point"))
    found = {
        "forgotten_mean": gone.mean("trial"),
        "after_least": after.min("trial"),
        "after_most": after.max("trial"),
        "formula_mean": by_formula.mean("trial"),
        "formula_error_max": abs(measured - by_formula).max("trial"),
        "after_minus_retrained_mean": (after - retrained).mean("trial"),
        "certificate_retained_change_max": change.sel(network="certificate", drop=True),
        "step_retained_change_max": change.sel(network="after", drop=True),
    }
    least = {"margin_reached_min": float(data.reached.min())}
    return Summary(tables=least | numbers(Dataset(found), None))


experiment = Experiment(
    name="unlearning.margins",
    title="The margin to be reached by forgetting is that of retraining, not zero",
    label="U3 (margins)",
    provenance="derived",
    presets={
        "smoke": Settings(**trials.SMALL, d=300),
        "course": Settings(trials=20),
        "paper": Settings(d=10_000, trials=100),
    },
    run=run,
    draw=draw,
    summary=summary,
)
