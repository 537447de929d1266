"""The multipliers in closed form, without gates or a solver (U4), and the one raw step (U5).

At a KKT point that descent reaches, λ_i ∝ |ℓ'(q_i)|, and Euler's identity fixes the factor. Both
hold in the limit: the error falls as 1/margin. So do the differences between the raw step sizes
β_r = λ_r/|ℓ'(q_r)| that unlearn the points r, and what is left is one step size for all points.

Euler's identity is exact up to the part of θ that the solver leaves unexplained,
‖θ‖² = Σ_i λ_i q_i + ε², so a network in which a neuron switches late, and which is far from a KKT
point for a while, is seen here as an error of ε²/‖θ‖² common to all λ_i.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
from jaxtyping import Array
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from xarray import DataArray, Dataset

from experiments.experiment import Experiment, Progress, Summary
from experiments.plots.curves import curves
from experiments.plots.estimates import exponents, finite, mean
from experiments.plots.style import BLACK, BLUE, VERMILION, legend, logarithmic
from experiments.unlearning import trials
from theory.settings import Increasing, Positive
from theory.unlearning.gradient_ascent import closed_form_multipliers, common_step
from theory.unlearning.kkt import kkt
from theory.unlearning.margin import logistic_slope, train_to_large_margin
from theory.unlearning.multipliers import SUPPORT
from theory.unlearning.scene import draw_gaussian

BOUND = 0.002
"""The error at margin 1000 that the summary counts networks by."""


@dataclass(frozen=True)
class Settings(trials.Settings):
    """Networks seen at increasing margins of one training run."""

    margins: Increasing[Positive] = (10.0, 20.0, 50.0, 100.0, 200.0, 500.0)
    """margins at which training is interrupted, below the last one, ``margin``"""

    def __post_init__(self):
        super().__post_init__()
        if self.margins[-1] >= self.margin:
            raise ValueError(f"margins are {self.margins} and must stay below margin")

    @property
    def stops(self) -> tuple[float, ...]:
        """All margins, the last one included."""
        return (*self.margins, self.margin)


def trial(settings: Settings, key) -> dict[str, Array]:
    """One network at every margin: multipliers twice, and log β_r relative to the common step."""
    scene = draw_gaussian(settings, key)
    x, y = scene.x, scene.y

    def onward(net, margin):
        trained = train_to_large_margin(net, x, y, margin, steps=settings.steps)
        return trained.network, (trained.network, trained.margin, trained.steps)

    stops = jnp.asarray(settings.stops)
    _, (networks, margin, steps) = jax.lax.scan(onward, scene.start, stops)

    def at(net):
        explained = kkt(net, x, y)
        log_beta = jnp.log(explained.scale * explained.multipliers) - logistic_slope(y * net(x))
        unexplained = explained.scale * explained.stationarity
        return {
            "solver": explained.multipliers,
            "closed": closed_form_multipliers(net, x, y),
            "raw_step": jnp.exp(log_beta - common_step(net, x, y)),
            "unexplained": unexplained**2 / jnp.sum(net.w**2),
        }

    return jax.lax.map(at, networks) | {"reached": margin, "steps": jnp.cumsum(steps)}


def run(settings: Settings, key, progress: Progress) -> Dataset:
    """Both multipliers λ and ``raw_step`` β_r/β over trial, margin and point."""
    labels = {"margin": settings.stops, "point": range(settings.samples)}
    return trials.measure(settings, trial, key, progress, labels, margin=settings.stops)


def support(data: Dataset) -> DataArray:
    """Which points are support vectors."""
    return data.solver > SUPPORT * data.solver.max("point")


def errors(data: Dataset) -> DataArray:
    """The largest relative error of the closed form on support vectors."""
    return abs(data.closed / data.solver - 1).where(support(data), 0).max("point")


def spreads(data: Dataset) -> DataArray:
    """max_r β_r/β − min_r β_r/β over support vectors, β the common step."""
    steps = data.raw_step.where(support(data))
    return steps.max("point") - steps.min("point")


def draw(data: Dataset, settings: Settings) -> Figure:
    """Error against margin, multipliers at the last margin, and spread of the raw steps."""
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(7.2, 3.2))
    _decay(left, errors(data))
    left.set(title="closed form and solver", ylabel=r"error of $\lambda_i$, largest over $i$")
    last = data.isel(margin=-1)
    ends = [0, 1.05 * float(last.solver.max())]
    middle.plot(ends, ends, color=BLUE, ls="--", label="equal")
    points = (values.values.ravel() for values in (last.solver, last.closed))
    middle.plot(*points, "x", color=VERMILION, ms=3, label="one multiplier")
    middle.set(xlabel=r"$\lambda_i$ of the solver", ylabel=r"$\lambda_i$ in closed form")
    middle.set_title(f"multipliers at margin {settings.margin:g}")
    _decay(right, spreads(data))
    right.set(title="one step for all", ylabel=r"largest $-$ smallest raw step $\beta_r/\beta$")
    legend(figure, [({}, ax) for ax in (left, middle, right)], ncols=5)
    return figure


def _decay(ax: Axes, values: DataArray) -> None:
    margins, found = values.margin, mean(values)
    lines = ax.plot(margins, values.T, color=BLACK, alpha=0.2, lw=0.6)
    lines[0].set_label("one network")
    guide = found.centre[-1] * margins[-1] / margins
    ax.plot(margins, guide, color=BLUE, label="∝ 1/margin")
    label = f"mean of {len(lines)} networks"
    curves(ax, found, x="margin", color=VERMILION, ls="none", label=label)
    logarithmic(ax, [10, 100, 1000])
    ax.set_xlabel(r"margin $\min_i y_i N(x_i)$")


def summary(data: Dataset, settings: Settings) -> Summary:
    """Error and spread at every margin, and the exponents of their decay."""
    error, spread = errors(data), spreads(data)
    last, unexplained = error.isel(margin=-1), data.unexplained.isel(margin=-1)
    sentences, tables = [], {}
    for name, values in (("error", error), ("spread", spread)):
        slope = mean(exponents(values, "margin"))
        sentences.append(f"The {name} falls like the margin to the power {slope.text(3)}.")
        tables |= {
            f"{name}_exponent": float(slope.centre),
            f"{name}_exponent_interval": finite(slope[1:]),
            f"{name}_mean": finite(values.mean("trial")),
            f"{name}_max": finite(values.max("trial")),
            f"{name}_max_at_last": float(values.isel(margin=-1).max()),
        }
    tables |= {
        "margins": list(settings.stops),
        "error_median_at_last": float(last.median()),
        "networks_within_bound": int((last <= BOUND).sum()),
        "networks": settings.trials,
        "unexplained_max_at_last": float(unexplained.max()),
        "unexplained_where_error_is_largest": float(unexplained[last.argmax("trial")]),
        "support": f"multiplier above {SUPPORT:g} of the largest",
        "support_vectors_fewest": int(support(data).isel(margin=-1).sum("point").min()),
        "margin_reached": float((data.reached / data.margin).min()),
    }
    return Summary(tuple(sentences), tables)


experiment = Experiment(
    name="unlearning.multipliers",
    title="The multipliers in closed form, and one raw step size that unlearns any point",
    label="U4, U5",
    provenance="derived",
    presets={
        "smoke": Settings(
            **trials.SMALL | {"margin": 200.0, "trials": 4}, d=300, margins=(25.0, 50.0, 100.0)
        ),
        "course": Settings(trials=20),
        "paper": Settings(
            margins=(10, 20, 50, 100, 200, 500, 1000, 2000), margin=5000.0, trials=200
        ),
    },
    run=run,
    draw=draw,
    summary=summary,
)
