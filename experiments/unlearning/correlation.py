"""How well a point is forgotten, against the correlation of the data: ε, δ and τ.

On the left the Gram matrix is prescribed, inner products up to φ; on the right a mixture of two
Gaussians has means ±μ. The certificate of U3 assumes nothing of the data: its bounds, computed
before it is looked at, are drawn beside it everywhere. Theorem 4.1 (U2) is drawn as far as it
applies, which is φ ≤ ε_d/(4mn) with ε_d ≤ .01, at the smallest ε_d that admits φ.
"""

from dataclasses import dataclass
from enum import IntEnum
from functools import partial

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from jaxtyping import Array, Float
from matplotlib.figure import Figure
from xarray import DataArray, Dataset

from experiments.experiment import Experiment, Progress, Summary, part
from experiments.plots.estimates import finite, median, numbers
from experiments.plots.style import BLACK, GREEN, legend
from experiments.unlearning import trials
from experiments.unlearning.guarantee import draw_quantity, worst_ratios
from theory.keys import named
from theory.settings import Count, Increasing, Positive
from theory.unlearning.certificate import QUANTITIES, certificate, judged
from theory.unlearning.kkt import by_two_gates
from theory.unlearning.near_orthogonal import NORM_SLACK, correlation_allowed
from theory.unlearning.pattern import snap
from theory.unlearning.scene import Scene, descend, draw_gram, draw_mixture
from theory.unlearning.theorems.two_layer import promised


class Data(IntEnum):
    """What the correlations are of; numbers the keys."""

    GRAM = 0
    MIXTURE = 1


@dataclass(frozen=True)
class Settings(trials.Settings):
    """One point is forgotten, at several correlations of the data."""

    d: Count = 1000
    """input dimension of the mixture; points with a prescribed Gram matrix have m coordinates"""
    scale: Positive | None = 1e-9
    """standard deviation of the hidden weights at initialisation; at 1e-3 late neurons spoil ε₁"""
    correlations: Increasing[Positive] = (1e-7, 1e-6, 4e-6, 1e-5, 1e-4, 1e-3, 1e-2, 3e-2, 8e-2)
    """largest inner products φ of the prescribed Gram matrix"""
    mean_norms: Increasing[Positive] = (0.02, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0)
    """norms of the mixture's mean"""

    def __post_init__(self):
        super().__post_init__()
        if self.correlations[-1] >= (1 - NORM_SLACK) / self.samples:
            raise ValueError(
                f"the largest of correlations is {self.correlations[-1]} and must be below "
                f"{1 - NORM_SLACK:g}/samples, where the Gram matrix is positive definite"
            )

    @property
    def admitted(self) -> float:
        """The largest correlation that Theorem 4.1 admits, ε_d/(4mn) at ε_d = .01."""
        return correlation_allowed(self.samples, self.width)


def forget(settings: Settings, scene: Scene) -> dict[str, Float[Array, ""]]:
    """ε, δ, τ of the certificate, its bounds, and the KKT errors before by autograd's gates."""
    x, y = scene.x, scene.y
    trained = descend(settings, scene)
    net = trained.network
    # Judged on its kinks itself, so no distance to them enters the bound of τ.
    explained, naive = by_two_gates(net, x, y)
    proof = certificate(explained.snapped.network, x, y, 0, explained=explained)
    gram = x @ x.T
    return judged(proof, explained, x, y) | {
        "distance": proof.bound.distance,
        "epsilon_before": explained.stationarity,
        "epsilon_gates": naive.stationarity,
        "delta_gates": naive.slackness,
        "inner": jnp.max(jnp.abs(gram - jnp.diag(jnp.diag(gram)))),
        "snapped": snap(net, x).distance / explained.scale,
        "reached": trained.margin,
    }


def run(settings: Settings, key, progress: Progress) -> Dataset:
    """``certificate`` and ``bound`` over trial, value and quantity; ``kind`` says of what data."""
    parts: list[Dataset] = []
    for kind, draw_scene, values in (
        (Data.GRAM, partial(draw_gram, slack=NORM_SLACK), settings.correlations),
        (Data.MIXTURE, draw_mixture, settings.mean_norms),
    ):

        def trial(settings, key, draw_scene=draw_scene, values=values):
            at = jnp.array(values)
            return jax.lax.map(lambda v: forget(settings, draw_scene(settings, v, key=key)), at)

        half = part(progress, kind / len(Data), 1 / len(Data))
        labels = {"value": values, "quantity": QUANTITIES}
        found = trials.measure(settings, trial, named(key, kind), half, labels)
        parts.append(found.assign_coords(kind=("value", [kind.name.lower()] * len(values))))
    return xr.concat(parts, "value")


def of_kind(data: Dataset, kind: Data) -> Dataset:
    """The part of one kind of data."""
    return data.isel(value=data.kind.values == kind.name.lower())


def theorem_bounds(settings: Settings, gram: Dataset) -> DataArray:
    """ε, δ, τ of Theorem 4.1 at the correlations that it admits, infinite where it fails."""
    inside = gram.sel(value=slice(0, settings.admitted))
    epsilon_d = 4 * settings.samples * settings.width * inside.value
    bounds = promised(settings.samples, inside.epsilon_gates, inside.delta_gates, epsilon_d)
    applies = (inside.epsilon_gates <= 1) & (inside.delta_gates <= 0.5)
    found = xr.concat(xr.broadcast(*bounds), "quantity").assign_coords(quantity=list(QUANTITIES))
    return found.where(applies, np.inf)


def draw(data: Dataset, settings: Settings) -> Figure:
    """One row each for ε, δ, τ; the prescribed Gram matrix on the left, the mixture right."""
    figure, axes = plt.subplots(3, 2, figsize=(7.2, 6.6), sharex="col", sharey="row")
    gram = of_kind(data, Data.GRAM)
    bounds = theorem_bounds(settings, gram).median("trial")
    for quantity, (left, right) in zip(QUANTITIES, axes, strict=True):
        for kind, ax in zip(Data, (left, right), strict=True):
            draw_quantity(ax, of_kind(data, kind), quantity, "value", median)
            ax.set(xscale="log", yscale="log")
        options = {"color": GREEN, "ms": 3, "label": "bound of Theorem 4.1"}
        left.plot(bounds.value, bounds.sel(quantity=quantity), "s--", **options)
        label = "largest product that Theorem 4.1 admits"
        left.axvline(settings.admitted, color=BLACK, lw=0.8, ls=":", label=label)
        right.set_ylabel("")
    right = axes[0, 1]
    right.text(0.5, 0.4, "Theorem 4.1 applies nowhere here", transform=right.transAxes, ha="center")
    axes[0, 0].set_title("prescribed Gram matrix")
    axes[0, 1].set_title(f"mixture, $d$ = {settings.d}")
    axes[2, 0].set_xlabel(r"largest inner product $\varphi$")
    axes[2, 1].set_xlabel(r"norm of the mean $\|\mu\|$")
    legend(figure, [({}, axes[0, 0])], ncols=2)
    return figure


def summary(data: Dataset, settings: Settings) -> Summary:
    """Worst ratios to the certificate's bounds, where Theorem 4.1 applies, and medians."""
    tables: dict = {"correlation_admitted_by_theorem": settings.admitted}
    for kind in Data:
        of = of_kind(data, kind)
        tables[kind.name.lower()] = {
            "values": finite(of.value),
            "worst_ratio": worst_ratios(of),
            "tau_bound_vacuous": int((of.bound.sel(quantity="tau") >= 2).sum()),
            "epsilon_before_max": float(of.epsilon_before.max()),
            "inner_over_admitted_min": float(of.inner.min() / settings.admitted),
            "snapped_max": float(of.snapped.max()),
            "margin_reached_min": float(of.reached.min()),
        } | {
            f"{quantity}{name}": finite(values.sel(quantity=quantity).median("trial"))
            for quantity in QUANTITIES
            for name, values in (("", of.certificate), ("_bound", of.bound))
        }
    gram = of_kind(data, Data.GRAM)
    bounds = theorem_bounds(settings, gram)
    applies = np.isfinite(bounds.sel(quantity="epsilon", drop=True))
    theorem = {
        "networks_within_phi": applies.size,
        "networks_where_it_applies": int(applies.sum()),
        "epsilon_gates_max": float(gram.epsilon_gates.max()),
        "delta_gates_max": float(gram.delta_gates.max()),
    }
    if applies.any():
        over = (bounds / gram.bound).where(applies).median(("trial", "value"))
        theorem["over_bound_of_certificate_median"] = numbers(over, None)
    return Summary(tables=tables | {"theorem": theorem})


experiment = Experiment(
    name="unlearning.correlation",
    title="Forgetting against the correlation of the data, within Theorem 4.1 and beyond it",
    label="U2 and U3",
    provenance="derived",
    presets={
        "smoke": Settings(
            **trials.SMALL | {"d": 100, "mean_norms": (0.05, 0.3, 1.0)},
            correlations=(1e-6, 1e-5, 1e-3, 5e-2),
        ),
        "course": Settings(),
        "paper": Settings(d=10_000, trials=100),
    },
    run=run,
    draw=draw,
    summary=summary,
)
