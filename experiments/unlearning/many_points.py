"""Forgetting k points at once: ε, δ and τ of the certificate, and what is left of the margins.

The guarantee U3 holds for sets with D_F = ‖Σ_{r∈F} M_r ∘ u y_r Πx_r‖, Π the projection onto the
span of the points that stay; Σ_{r∈F} D_r bounds D_F, and is looser as the terms point in different
directions. The multipliers behind ε are those of the network before; with the best multipliers of
the certificate itself ε is smaller.
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
from experiments.plots.estimates import finite, mean
from experiments.plots.style import BLUE, GREEN, PURPLE, SKY, VERMILION, legend
from experiments.unlearning import trials
from experiments.unlearning.guarantee import draw_quantity, worst_ratios
from theory.settings import Rising, Sample
from theory.unlearning.certificate import QUANTITIES, certificate, judged, sum_of_distances
from theory.unlearning.gradient_ascent import gradient_ascent
from theory.unlearning.kkt import kkt
from theory.unlearning.scene import draw_gaussian, train_scene

EXACT = 1e-9
"""Kinks of the certificate are those of θ, exact up to rounding."""


@dataclass(frozen=True)
class Settings(trials.Settings):
    """The first k points are forgotten, for several k."""

    samples: Sample = 20
    """training points m"""
    forgotten: Rising = (1, 2, 4, 7, 10)
    """numbers of points to forget k, at most half of samples"""

    def __post_init__(self):
        super().__post_init__()
        if 2 * self.forgotten[-1] > self.samples:
            raise ValueError(f"forgotten is {self.forgotten} and must end at samples/2 at most")


def trial(settings: Settings, key) -> dict[str, Array]:
    """One network: ε, δ, τ and their bounds for every k, and the margins after the step."""
    scene = draw_gaussian(settings, key)
    trained = train_scene(settings, scene)
    net, explained, x, y = trained.network, trained.explained, scene.x, scene.y
    results, proofs = [], []
    for k in settings.forgotten:
        proof = certificate(net, x, y, range(k), explained=explained)
        after = gradient_ascent(net, x, y, range(k), explained=explained)
        proofs.append(proof.network)
        results.append(judged(proof, explained, x, y, k))
        results[-1] |= {
            "looser": explained.stationarity + sum_of_distances(explained, x, k),
            "margins": y * after(x) / explained.scale,
        }
    stack = jax.tree.map(lambda *leaves: jnp.stack(leaves), *results)
    networks = jax.tree.map(lambda *leaves: jnp.stack(leaves), *proofs)

    def own(pair):
        # One program for every k: the last point stands in for those that are gone. A point
        # given again adds nothing to the cone of gradients.
        network, kept = pair
        return kkt(network, x[kept], y[kept], tolerance=EXACT).stationarity

    numbers = np.array(settings.forgotten)
    kept = np.minimum(numbers[:, None] + np.arange(settings.samples), settings.samples - 1)
    best = jax.lax.map(own, (networks, jnp.array(kept)))
    return stack | {"best": best, "before": explained.stationarity, "reached": trained.margin}


def run(settings: Settings, key, progress: Progress) -> Dataset:
    """``certificate`` and ``bound`` over trial, k and quantity, ``margins`` also over points."""
    labels = {"k": settings.forgotten, "quantity": QUANTITIES}
    others = {"margins": {"k": settings.forgotten, "point": range(settings.samples)}}
    return trials.measure(settings, trial, key, progress, labels, others)


def split_margins(data: Dataset) -> dict[str, DataArray]:
    """Of the network after the step: retained minimum and mean, forgotten mean, accuracy."""
    gone = data.point < data.k
    kept = data.margins.where(~gone)
    return {
        "smallest": kept.min("point"),
        "retained": kept.mean("point"),
        "forgotten": data.margins.where(gone).mean("point"),
        "accuracy": (kept > 0).sum("point") / kept.count("point"),
    }


def draw(data: Dataset, settings: Settings) -> Figure:
    """ε, δ, τ with their bounds, and the margins after the step, against k."""
    figure, axes = plt.subplots(2, 2, figsize=(7.2, 5.4), sharex=True)
    panels = dict(zip(QUANTITIES, axes.flat, strict=False))
    for quantity, ax in panels.items():
        draw_quantity(ax, data, quantity, "k", mean)
    label = r"bound summed over points, $\sum_{r\in F} D_r$ for $D_F$"
    looser = data.looser.mean("trial")
    panels["epsilon"].plot(data.k, looser, "--", color=PURPLE, label=label)
    options = {"color": GREEN, "marker": "s", "ls": "none"}
    label = "certificate, its best multipliers"
    curves(panels["epsilon"], mean(data.best), x="k", label=label, **options)
    panels["epsilon"].set_ylim(bottom=0)
    panels["delta"].set_ylim(0, 1.5 * data.bound.sel(quantity="delta").mean())
    panels["tau"].set_yscale("log")
    _margins(axes[1, 1], data)
    plt.setp(axes, xticks=settings.forgotten)
    plt.setp(axes[1], xlabel=f"points forgotten at once $k$, of $m$ = {settings.samples}")
    legend(figure, [({}, ax) for ax in panels.values()], ncols=2)
    return figure


def _margins(ax: Axes, data: Dataset) -> None:
    margins = split_margins(data)
    ax.axhline(1, color=BLUE, lw=0.8)
    for name, label, color, marker in (
        ("retained", "retained, mean", SKY, "s"),
        ("smallest", "retained, smallest", BLUE, "v"),
        ("forgotten", "forgotten, mean", VERMILION, "D"),
    ):
        options = {"color": color, "marker": marker, "ls": "none", "label": label}
        curves(ax, mean(margins[name]), x="k", **options)
    ax.set_ylabel("margin after the step /\nsmallest before")
    ax.legend(loc="center left")


def summary(data: Dataset, settings: Settings) -> Summary:
    """Worst ratios to the bounds, and means by k."""
    margins = split_margins(data)
    proof, bound = (part.to_dataset("quantity") for part in (data.certificate, data.bound))
    means = {name: proof[name] for name in QUANTITIES}
    means |= {f"{name}_bound": bound[name] for name in ("epsilon", "tau")}
    means |= {"best": data.best, "looser_bound": data.looser}
    tables = {
        "k": list(settings.forgotten),
        "worst_ratio": worst_ratios(data),
        "best_over_epsilon_max": float((data.best / proof.epsilon).max()),
        "looser_over_bound_max": float((data.looser / bound.epsilon).max()),
        "tau_bound_vacuous": int((bound.tau >= 2).sum()),
        "epsilon_before_max": float(data.before.max()),
        "margin_reached_min": float(data.reached.min()),
        "retained_accuracy_min": float(margins["accuracy"].min()),
        "retained_margin_min": finite(margins["smallest"].min("trial")),
        "forgotten_margin_mean": finite(margins["forgotten"].mean("trial")),
    }
    return Summary(tables=tables | {f"{n}_mean": finite(v.mean("trial")) for n, v in means.items()})


experiment = Experiment(
    name="unlearning.many-points",
    title="Forgetting up to half of the points in one step",
    label="U3 for sets",
    provenance="derived",
    presets={
        "smoke": Settings(**trials.SMALL | {"samples": 6}, d=300, forgotten=(1, 3)),
        "course": Settings(),
        "paper": Settings(d=10_000, trials=100, forgotten=(1, 2, 3, 4, 6, 8, 10)),
    },
    run=run,
    draw=draw,
    summary=summary,
)
