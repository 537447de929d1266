"""The law of the off-subspace gradient, S2, before, during and after training.

Training moves the gradient inside P away from its law at initialisation; off P the law never
changes. The networks are the theorem's own; the same ones are seen at three times.
"""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Array, Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import stats

from experiments.errors import UsageError
from experiments.experiment import Arrays, Experiment, Progress
from experiments.plots.style import BLACK, BLUE, PURPLE, SKY, STYLE, VERMILION
from theory.ensemble import ensemble
from theory.statistics import ALPHA, dkw_radius, test_law
from theory.subspace.gradient import active, gradient_scale
from theory.subspace.scene import draw_scene, train_scene
from theory.subspace.settings import Settings
from theory.subspace.theorems.gradient_law import theorem

TIMES = ("at initialisation", "half the margin", "at the margin")
VARIANCE_ERROR = 1.1
"""The wrong σ² that the figure draws beside the right one, to show what the test would see."""


def trial(settings: Settings, key) -> dict[str, Float[Array, " times"]]:
    """One network at three times: its squared gradient at x₀, in units of kσ²/m, off P and on P."""
    scene = draw_scene(settings, key)
    half = train_scene(replace(settings, margin=settings.margin / 2), scene)
    end = train_scene(settings, scene)

    def measure(net):
        given = active(net, scene.x0).any()
        gradient = jax.grad(lambda point: net(point))(scene.x0)
        scaled = gradient / jnp.where(given, gradient_scale(net, scene.x0, settings.sigma), 1)
        off, on = scene.subspace.reject(scaled), scene.subspace.project(scaled)
        return {"off": off @ off, "on": on @ on, "given": given}

    networks = (scene.network, half.network, end.network)
    steps = jnp.stack([jnp.zeros_like(end.steps), half.steps, end.steps])
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *networks)
    return jax.lax.map(measure, stacked) | {"steps": steps}


def run(settings: Settings, key, progress: Progress) -> Arrays:
    """All networks; arrays of shape (trials, 3)."""
    progress(0.0, f"{settings.trials} networks")
    keys = jax.random.split(key, settings.trials)
    program = jax.jit(lambda keys: ensemble(lambda key: trial(settings, key), keys))
    arrays = jax.device_get(program(keys))
    if not arrays["given"].any(axis=0).all():
        raise UsageError("No network has an active neuron at its point: raise width or trials.")
    progress(1.0, "done")
    return arrays


def samples(arrays: Arrays, which: str, time: int) -> np.ndarray:
    """The squared gradients at one time, of the networks with an active neuron."""
    return arrays[which][arrays["given"][:, time], time]


def draw(arrays: Arrays, settings: Settings) -> Figure:
    """Densities above, differences of distribution functions below, one column per time."""
    with plt.style.context(STYLE):
        figure, axes = plt.subplots(
            2, len(TIMES), figsize=(7.2, 4.6), sharex=True, sharey="row", height_ratios=(3, 2)
        )
        limit = max(samples(arrays, "off", 0).max(), np.quantile(samples(arrays, "on", -1), 0.99))
        grid = np.linspace(0, limit, 400)
        for time, name in enumerate(TIMES):
            off, on = (samples(arrays, which, time) for which in ("off", "on"))
            _densities(axes[0, time], off, on, grid, settings)
            steps = np.median(arrays["steps"][:, time])
            axes[0, time].set_title(f"{name}\n(median {steps:.0f} steps)")
            _differences(axes[1, time], off, grid, settings)
        axes[0, 0].set_ylabel("density")
        axes[1, 0].set_ylabel("empirical − claimed\ndistribution function")
        axes[0, 0].set_xlim(0, limit)
        axes[1, 1].set_xlabel("squared gradient at $x_0$ in units of $k\\sigma^2/m$")
        figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=4)
        figure.legend(*axes[1, 0].get_legend_handles_labels(), loc="outside lower center", ncols=3)
    return figure


def _densities(ax: Axes, off, on, grid, settings: Settings) -> None:
    bins = np.linspace(grid[0], grid[-1], 41).tolist()
    ell, dim = settings.ell, settings.dim
    ax.hist(off, bins, density=True, color=SKY, alpha=0.7, label="off $P$, measured")
    ax.plot(grid, stats.chi2.pdf(grid, ell), color=BLUE, label=f"$\\chi^2_{{{ell}}}$, claimed")
    ax.hist(on, bins, density=True, histtype="step", color=VERMILION, label="on $P$, measured")
    test = test_law(off, lambda values: stats.chi2.cdf(values, ell))
    text = f"off $P$: largest deviation {test.distance:.3f}\n$p$ = {test.p_value:.2f}"
    ax.text(0.98, 0.97, text, transform=ax.transAxes, ha="right", va="top", fontsize=8)
    # With one degree of freedom the density has no bound at 0.
    ax.plot(
        grid[1:],
        stats.chi2.pdf(grid[1:], dim),
        "--",
        color="0.35",
        label=f"$\\chi^2_{{{dim}}}$, on $P$ if nothing were learnt",
    )


def _differences(ax: Axes, off, grid, settings: Settings) -> None:
    def claimed(values):
        return stats.chi2.cdf(values, settings.ell)

    below = np.searchsorted(np.sort(off), grid, side="right") / len(off)
    radius = dkw_radius(len(off))
    ax.axhspan(
        -radius, radius, color="0.9", lw=0, label=f"{1 - ALPHA:.1%} band (DKW): ±{radius:.3f}"
    )
    ax.axhline(0, color=BLUE)
    ax.step(grid, below - claimed(grid), where="post", color=BLACK, lw=1, label="off $P$, measured")
    ax.plot(
        grid,
        claimed(grid / VARIANCE_ERROR) - claimed(grid),
        ":",
        color=PURPLE,
        label=f"if $\\sigma^2$ were {VARIANCE_ERROR - 1:.0%} larger",
    )


def summary(arrays: Arrays, settings: Settings) -> dict[str, Any]:
    """The law test at each time, its power, and how far the gradient on P has moved."""
    out: dict[str, Any] = {"radius": dkw_radius(settings.trials), "alpha": ALPHA}
    for time, name in enumerate(("init", "half", "end")):
        off, on = (samples(arrays, which, time) for which in ("off", "on"))
        judgement = theorem.claim.judge(off, off, settings)
        wrong = theorem.claim.judge(off / VARIANCE_ERROR, off, settings)
        moved = test_law(on, lambda values: stats.chi2.cdf(values, settings.dim))
        out[name] = {
            "status": judgement.status,
            "networks": len(off),
            "excluded": settings.trials - len(off),
            "steps_median": float(np.median(arrays["steps"][:, time])),
            "mean_over_ell": float(off.mean() / settings.ell),
            "distance": judgement.detail["distance"],
            "p_value": judgement.detail["p_value"],
            "p_value_if_variance_10_percent_off": wrong.detail["p_value"],
            "distance_on_subspace": moved.distance,
        }
    return out


experiment = Experiment(
    name="subspace.gradient-law",
    title="The squared gradient off P is χ²_ℓ before, during and after training",
    label="S2",
    provenance="derived",
    presets={
        "smoke": Settings(trials=300),
        "course": Settings(trials=688),
        "paper": Settings(ell=74, d=84, trials=5000),
    },
    run=run,
    draw=draw,
    summary=summary,
)
