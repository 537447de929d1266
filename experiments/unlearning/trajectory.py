"""How the conditions of Lyu and Li come true along training (U7).

The conditions are those of `theory.unlearning.lyu_li`. With the gates of automatic
differentiation ε need not vanish, because they are 0 or 1 where the condition asks for something in
between; with Clarke's subdifferential, and the best multipliers, it does. The smoothed margin γ̃,
which never decreases under gradient flow, is checked in every single step of descent.
"""

from dataclasses import dataclass
from math import log

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Array
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator
from xarray import Dataset

from experiments.experiment import Experiment, Progress, Summary
from experiments.plots.curves import curves
from experiments.plots.estimates import exponents, finite, median
from experiments.plots.style import (
    BLUE,
    GREEN,
    ORANGE,
    PURPLE,
    THEORY,
    VERMILION,
    legend,
    logarithmic,
)
from experiments.unlearning import trials
from theory.settings import Positive, Sample
from theory.unlearning.kkt import kkt
from theory.unlearning.lyu_li import follow, lyu_li, smoothed_margin
from theory.unlearning.scene import draw_gaussian_in_span

TOLERANCE = 1e-4
"""The relative decrease of γ̃ that descent may show where the flow shows none."""

KINK, LARGEST_KINK = 0.3, 0.05
"""Kinks are below KINK/margin of the largest pre-activation: steps do not grow, weights do."""


@dataclass(frozen=True)
class Settings(trials.Settings):
    """Networks watched while they train."""

    start: Positive = 3.0
    """smallest margin from which γ̃ is followed; ℒ < 1 needs more than log(samples)"""
    stops: Sample = 12
    """margins at which the conditions are looked at, evenly spaced in their logarithms"""

    def __post_init__(self):
        super().__post_init__()
        if not log(self.samples) < self.start < self.margin:
            raise ValueError(
                f"start is {self.start} and must lie between log(samples) = "
                f"{log(self.samples):.2f} and margin = {self.margin:g}"
            )
        if self.d <= self.samples:
            raise ValueError(f"d is {self.d} and must exceed samples = {self.samples}")

    @property
    def margins(self) -> np.ndarray:
        """The margins looked at."""
        return np.geomspace(self.start, self.margin, self.stops)


def trial(settings: Settings, key) -> dict[str, Array]:
    """One network: γ̃ followed step by step, the conditions at every stop; arrays (stops,)."""
    scene = draw_gaussian_in_span(settings, settings.d, key)
    networks, followed = follow(scene, jnp.asarray(settings.margins), settings.steps)

    def at(net, margin):
        tolerance = jnp.minimum(LARGEST_KINK, KINK / margin)
        clarke = kkt(net, scene.x, scene.y, tolerance=tolerance)
        return lyu_li(net, scene) | {
            "smoothed": smoothed_margin(net, scene),
            "clarke": clarke.stationarity,
            "clarke_slack": clarke.multipliers @ (clarke.margins - 1),
        }

    return jax.lax.map(lambda stop: at(*stop), (networks, followed["reached"])) | followed


def run(settings: Settings, key, progress: Progress) -> Dataset:
    """Margins, ε, slack and how far γ̃ fell so far, over trial and margin."""
    labels = {"margin": settings.margins}
    return trials.measure(settings, trial, key, progress, labels, margin=settings.margins)


def draw(data: Dataset, settings: Settings) -> Figure:
    """Normalised margins, stationarity and slack against the margin, medians over networks."""
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(7.2, 3.4))
    margins, gamma = data.margin, data.gamma.isel(margin=-1, drop=True)
    guide = data.clarke.median("trial")[-1] * margins[-1] / margins
    middle.plot(margins, guide, **THEORY, label="∝ 1/margin")
    label = r"bound $(m-1)\,\gamma^{-2}/(e\,q_{\min})$"
    right.plot(margins, data.slack_bound.median("trial"), **THEORY, ls="--", label=label)
    smoothed = r"$\tilde{\gamma}=\log(1/\mathcal{L})/\|\theta\|$"
    marks = {
        r"$\gamma=q_{\min}/\|\theta\|$": (left, data.gamma / gamma, BLUE, "s"),
        smoothed: (left, data.smoothed / gamma, VERMILION, "o"),
        "gates of autograd": (middle, data.epsilon, PURPLE, "^"),
        "Clarke's subdifferential": (middle, data.clarke, GREEN, "D"),
        r"slack $\sum_i\lambda_i(q_i/q_{\min}-1)$": (right, data.slack, ORANGE, "v"),
    }
    for label, (ax, values, color, marker) in marks.items():
        options = {"label": label, "color": color, "marker": marker, "lw": 1}
        curves(ax, median(values), x="margin", ls="-" if ax is left else "none", **options)
    left.set(title="margins / norm", ylabel=r"in units of the last $\gamma$")
    middle.set(title="residual", ylabel=r"stationarity $\varepsilon$")
    right.set(title="slackness", ylabel=r"slack")
    for ax in (left, middle, right):
        logarithmic(ax, [10, 100, 1000])
        ax.yaxis.set_major_locator(LogLocator())
        ax.set_xlabel(r"smallest margin $q_{\min}$")
    left.set(yscale="linear", ylim=(None, 1.03))
    legend(figure, [({}, ax) for ax in (left, middle, right)], ncols=4)
    return figure


def summary(data: Dataset, settings: Settings) -> Summary:
    """The largest fall of γ̃, the slack against its bound, and ε with both kinds of gates."""
    last = data.isel(margin=-1)
    fall = float(last.fall.max())
    sentence = f"No smoothed margin fell by more than {fall:.1e} of its peak in any step."
    tables = {
        "smoothed_margin_largest_fall": fall,
        "smoothed_margin_tolerance": TOLERANCE,
        "smoothed_margin_consistent": fall <= TOLERANCE,
        "slack_over_bound_max": float((data.slack / data.slack_bound).max()),
        "slack_at_last_median": float(last.slack.median()),
        "epsilon_autograd_at_last": finite(np.sort(last.epsilon)),
        "epsilon_clarke_at_last": finite(np.sort(last.clarke)),
        "epsilon_clarke_exponent_median": float(exponents(data.clarke, "margin").median()),
        "gamma_at_last_median": float(last.gamma.median()),
        "steps_median": float(last.steps.median()),
        "margin_reached": float((data.reached / data.margin).min()),
    }
    return Summary((sentence.replace("e-", "e−"),), tables)


experiment = Experiment(
    name="unlearning.trajectory",
    title="The KKT conditions of Lyu and Li come true along training, up to the gates at kinks",
    label="U7",
    provenance="derived",
    presets={
        "smoke": Settings(**trials.SMALL | {"trials": 4}, stops=5),
        "course": Settings(trials=24),
        "paper": Settings(margin=10_000.0, stops=24, trials=200),
    },
    run=run,
    draw=draw,
    summary=summary,
)
