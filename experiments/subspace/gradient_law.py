"""The law of the off-subspace gradient, S2, before, during and after training.

Training moves the gradient inside P away from its law at initialisation; off P the law never
changes. The networks are the theorem's own; the same ones are seen at three times.
"""

from functools import partial

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import stats
from xarray import Dataset

from experiments.cells import every, labelled
from experiments.errors import UsageError
from experiments.experiment import Experiment, Progress, Summary
from experiments.plots.style import BLACK, BLUE, PURPLE, SKY, VERMILION, legend
from theory.statistics import ALPHA, dkw_radius, test_law
from theory.subspace.scene import squared_through_training
from theory.subspace.settings import Settings
from theory.subspace.theorems.gradient_law import theorem

TIMES = ("at initialisation", "half the margin", "at the margin")
PARTS = ("off", "on")
"""The gradient's parts off P and on P."""
VARIANCE_ERROR = 1.1
"""The wrong σ² that the figure draws beside the right one, to show what the test would see."""


def run(settings: Settings, key, progress: Progress) -> Dataset:
    """Over trial and time: ``squared`` gradient of either part, training ``steps``, and ``given``.

    Without an active neuron at x₀ nothing is claimed, and ``given`` is false.
    """
    progress(0.0, f"{settings.trials} networks")
    found = every(partial(squared_through_training, settings))(key, settings.trials)
    if not found["given"].any(axis=0).all():
        raise UsageError("No network has an active neuron at its point: raise width or trials.")
    progress(1.0, "done")
    return labelled(found, {"time": TIMES, "part": PARTS})


def samples(data: Dataset, part: str, time: str) -> np.ndarray:
    """The squared gradients at one time, of the networks with an active neuron."""
    one = data.sel(time=time, part=part)
    return one.squared.values[one.given.values]


def draw(data: Dataset, settings: Settings) -> Figure:
    """Densities above, differences of distribution functions below, one column per time."""
    figure, axes = plt.subplots(
        2, len(TIMES), figsize=(7.2, 4.6), sharex=True, sharey="row", height_ratios=(3, 2)
    )
    highest = np.quantile(samples(data, "on", TIMES[-1]), 0.99)
    limit = max(samples(data, "off", TIMES[0]).max(), highest)
    grid = np.linspace(0, limit, 400)
    for (above, below), time in zip(axes.T, TIMES, strict=True):
        off, on = (samples(data, part, time) for part in PARTS)
        _densities(above, off, on, grid, settings)
        _differences(below, off, grid, settings)
        above.set_title(f"{time}\n(median {data.steps.sel(time=time).median():.0f} steps)")
        below.set_xlabel("squared gradient at $x_0$\nin units of $k\\sigma^2/m$")
    axes[0, 0].set(ylabel="density", xlim=(0, limit))
    axes[1, 0].set_ylabel("empirical − claimed\ndistribution function")
    for row, where in zip(axes, ("upper", "lower"), strict=True):
        legend(figure, [({}, row[0])], where)
    return figure


def _densities(ax: Axes, off, on, grid, settings: Settings) -> None:
    bins = np.linspace(grid[0], grid[-1], 41).tolist()
    ell, dim = settings.ell, settings.dim
    ax.hist(off, bins, density=True, color=SKY, alpha=0.7, label="off $P$, measured")
    ax.plot(grid, stats.chi2.pdf(grid, ell), color=BLUE, label=f"$\\chi^2_{{{ell}}}$, claimed")
    ax.hist(on, bins, density=True, histtype="step", color=VERMILION, label="on $P$, measured")
    test = test_law(off, stats.chi2(ell).cdf)
    text = f"off $P$: largest deviation {test.distance:.3f}\n$p$ = {test.p_value:.2f}"
    ax.text(0.98, 0.97, text, transform=ax.transAxes, ha="right", va="top", fontsize=8)
    # With one degree of freedom the density has no bound at 0.
    unlearnt = f"$\\chi^2_{{{dim}}}$, on $P$ if nothing were learnt"
    ax.plot(grid[1:], stats.chi2.pdf(grid[1:], dim), "--", color="0.35", label=unlearnt)


def _differences(ax: Axes, off, grid, settings: Settings) -> None:
    law = stats.chi2(settings.ell).cdf
    claimed = law(grid)
    below = np.searchsorted(np.sort(off), grid, side="right") / len(off)
    radius = dkw_radius(len(off))
    band = f"{1 - ALPHA:.1%} band (DKW): ±{radius:.3f}"
    ax.axhspan(-radius, radius, color="0.9", lw=0, label=band)
    ax.axhline(0, color=BLUE)
    ax.step(grid, below - claimed, where="post", color=BLACK, lw=1, label="off $P$, measured")
    wrong = law(grid / VARIANCE_ERROR) - claimed
    label = f"if $\\sigma^2$ were {VARIANCE_ERROR - 1:.0%} larger"
    ax.plot(grid, wrong, ":", color=PURPLE, label=label)


def summary(data: Dataset, settings: Settings) -> Summary:
    """The law test at each time, its power, and how far the gradient on P has moved."""
    tables: dict = {"radius": dkw_radius(settings.trials), "alpha": ALPHA}
    for time in TIMES:
        off, on = (samples(data, part, time) for part in PARTS)
        judgement = theorem.parts["norm"].judge(off, off, settings)
        wrong = theorem.parts["norm"].judge(off / VARIANCE_ERROR, off, settings)
        moved = test_law(on, stats.chi2(settings.dim).cdf)
        tables[time] = {
            "status": judgement.status,
            "networks": len(off),
            "excluded": settings.trials - len(off),
            "steps_median": float(data.steps.sel(time=time).median()),
            "mean_over_ell": float(off.mean() / settings.ell),
            "distance": judgement.detail["distance"],
            "p_value": judgement.detail["p_value"],
            "p_value_if_variance_10_percent_off": wrong.detail["p_value"],
            "distance_on_subspace": moved.distance,
        }
    return Summary(tables=tables)


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
