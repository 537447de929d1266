"""The multipliers in closed form, without gates or a solver (U4), and the one raw step (U5).

At a KKT point that descent reaches, λ_i ∝ |ℓ'(q_i)|, and Euler's identity fixes the factor. Both
hold in the limit: the error falls as 1/margin. So do the differences between the raw step sizes
β_r = λ_r/|ℓ'(q_r)| that unlearn the points r, and what is left is one step size for all points.

Euler's identity is exact up to the part of θ that the solver leaves unexplained,
‖θ‖² = Σ_i λ_i q_i + ε², so a network in which a neuron switches late, and which is far from a KKT
point for a while, is seen here as an error of ε²/‖θ‖² common to all λ_i.
"""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Array
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.experiment import Arrays, Experiment, Progress
from experiments.plots.estimates import mean_interval
from experiments.plots.style import BLACK, BLUE, STYLE, VERMILION, error_bars, logarithmic
from experiments.unlearning.reached import require_margin
from theory.ensemble import ensemble
from theory.unlearning import settings as unlearning
from theory.unlearning.along import SUPPORT
from theory.unlearning.gradient_ascent import closed_form_multipliers, common_step
from theory.unlearning.kkt import kkt
from theory.unlearning.margin import logistic_slope, train_to_large_margin
from theory.unlearning.scene import draw_gaussian

BOUND = 0.002
"""The error at margin 1000 that the summary counts networks by."""


@dataclass(frozen=True)
class Settings(unlearning.Settings):
    """Networks seen at increasing margins of one training run."""

    margins: tuple[float, ...] = (10.0, 20.0, 50.0, 100.0, 200.0, 500.0)
    """margins at which training is interrupted, increasing and below the last one, ``margin``"""
    trials: int = 20
    """networks"""

    def __post_init__(self):
        super().__post_init__()
        if self.trials < 2:
            raise ValueError(f"trials is {self.trials} and an interval needs at least 2")
        stops = self.stops
        if not self.margins or min(stops) <= 0 or list(stops) != sorted(set(stops)):
            raise ValueError(f"margins are {self.margins} and must increase from 0 to the margin")

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

    return jax.lax.map(at, networks) | {"margin": margin, "steps": jnp.cumsum(steps)}


def run(settings: Settings, key, progress: Progress) -> Arrays:
    """All networks; arrays of shape (trials, margins) or (trials, margins, samples)."""
    progress(0.0, f"{settings.trials} networks to margin {settings.margin:g}")
    program = jax.jit(lambda keys: ensemble(lambda key: trial(settings, key), keys))
    arrays = jax.device_get(program(jax.random.split(key, settings.trials)))
    require_margin(arrays["margin"], np.array(settings.stops))
    progress(1.0, "done")
    return arrays


def support(arrays: Arrays) -> np.ndarray:
    """Which points are support vectors, shape (trials, margins, samples)."""
    return arrays["solver"] > SUPPORT * arrays["solver"].max(axis=-1, keepdims=True)


def errors(arrays: Arrays) -> np.ndarray:
    """The largest relative error of the closed form on support vectors, by network and margin."""
    return np.abs(arrays["closed"] / arrays["solver"] - 1).max(
        axis=-1, initial=0, where=support(arrays)
    )


def spreads(arrays: Arrays) -> np.ndarray:
    """max_r β_r/β − min_r β_r/β over support vectors, β the common step, likewise."""
    steps, where = arrays["raw_step"], support(arrays)
    return steps.max(axis=-1, initial=0, where=where) - steps.min(
        axis=-1, initial=np.inf, where=where
    )


def exponents(values: np.ndarray, settings: Settings) -> np.ndarray:
    """The slope of log value against log margin, by network."""
    return np.polyfit(np.log(settings.stops), np.log(values).T, 1)[0]


def draw(arrays: Arrays, settings: Settings) -> Figure:
    """Error against margin, multipliers at the last margin, and spread of the raw steps."""
    with plt.style.context(STYLE):
        figure, axes = plt.subplots(1, 3, figsize=(7.2, 3.1))
        _decay(axes[0], errors(arrays), settings)
        axes[0].set_ylabel(r"relative error of $\lambda_i$, largest over $i$")
        axes[0].set_title("closed form against solver")
        _scatter(axes[1], arrays)
        axes[1].set_title(f"at margin {settings.margin:g}")
        _decay(axes[2], spreads(arrays), settings)
        axes[2].set_ylabel(r"$\max_r\beta_r/\beta-\min_r\beta_r/\beta$")
        axes[2].set_title("one raw step for every point")
    return figure


def _decay(ax: Axes, values: np.ndarray, settings: Settings) -> None:
    margins = np.array(settings.stops)
    ax.plot(margins, values.T, color=BLACK, alpha=0.15, lw=0.6)
    interval = mean_interval(values)
    guide = interval.centre[-1] * settings.margin / margins
    ax.plot(margins, guide, color=BLUE, label="∝ 1/margin")
    error_bars(ax, margins, interval, label=f"mean of {len(values)} networks")
    logarithmic(ax, [10, 100, 1000])
    ax.set_ylim(top=4 * ax.get_ylim()[1])
    slope = mean_interval(exponents(values, settings))
    text = f"slope {slope.centre:.3f} [{slope.low:.3f}, {slope.high:.3f}]"
    ax.text(0.03, 0.03, text.replace("-", "\N{MINUS SIGN}"), transform=ax.transAxes, fontsize=7.5)
    ax.set_xlabel(r"margin $\min_i y_i N(x_i)$")
    ax.legend(loc="upper right", fontsize=7.5)


def _scatter(ax: Axes, arrays: Arrays) -> None:
    solver, closed = (arrays[name][:, -1].ravel() for name in ("solver", "closed"))
    line = [0, 1.05 * solver.max()]
    ax.plot(line, line, color=BLUE, lw=1, label="equal")
    ax.plot(solver, closed, ".", color=VERMILION, ms=3, label=f"{len(solver)} multipliers")
    ax.set_xlabel(r"$\lambda_i$ of the solver")
    ax.set_ylabel(r"$\lambda_i$ in closed form")
    ax.legend(loc="upper left")


def summary(arrays: Arrays, settings: Settings) -> dict[str, Any]:
    """Error and spread at the last margin, and the exponents of their decay."""
    error, spread = errors(arrays), spreads(arrays)
    by_exponent = {}
    for name, values in (("error", error), ("spread", spread)):
        slope = mean_interval(exponents(values, settings))
        by_exponent[f"{name}_exponent"] = float(slope.centre)
        by_exponent[f"{name}_exponent_interval"] = [float(slope.low), float(slope.high)]
    return by_exponent | {
        "margins": list(settings.stops),
        "error_mean": [float(x) for x in error.mean(axis=0)],
        "error_max": [float(x) for x in error.max(axis=0)],
        "spread_mean": [float(x) for x in spread.mean(axis=0)],
        "spread_max": [float(x) for x in spread.max(axis=0)],
        "error_max_at_last": float(error[:, -1].max()),
        "spread_max_at_last": float(spread[:, -1].max()),
        "error_median_at_last": float(np.median(error[:, -1])),
        "networks_within_bound": int((error[:, -1] <= BOUND).sum()),
        "networks": len(error),
        "unexplained_max_at_last": float(arrays["unexplained"][:, -1].max()),
        "unexplained_where_error_is_largest": float(
            arrays["unexplained"][error[:, -1].argmax(), -1]
        ),
        "support": f"multiplier above {SUPPORT:g} of the largest",
        "support_vectors_fewest": int(support(arrays)[:, -1].sum(axis=-1).min()),
        "margin_reached": float((arrays["margin"] / np.array(settings.stops)).min()),
    }


experiment = Experiment(
    name="unlearning.multipliers",
    title="The multipliers in closed form, and one raw step size that unlearns any point",
    label="U4, U5",
    provenance="derived",
    presets={
        "smoke": Settings(width=40, samples=5, margin=200.0, margins=(25.0, 50.0, 100.0), trials=4),
        "course": Settings(d=1000),
        "paper": Settings(
            d=1000, margins=(10, 20, 50, 100, 200, 500, 1000, 2000), margin=5000.0, trials=200
        ),
    },
    run=run,
    draw=draw,
    summary=summary,
)
