"""How the conditions of Lyu and Li come true along training (U7).

On the exponential loss, with θ at smallest margin one, their multipliers λ_i ∝ e^{−q_i} leave a
residual ε = √2 γ⁻¹ √(1 − cos(θ, −∇ℒ)) and a slack Σ_i λ_i (q_i/q_min − 1) of at most
(m − 1)γ⁻²/(e q_min), where γ = q_min/‖θ‖. The smoothed margin γ̃ = log(1/ℒ)/‖θ‖ never decreases
under gradient flow; under descent that is checked here in every single step. With the gates of
automatic differentiation ε need not vanish, because they are 0 or 1 where the condition asks for
something in between; with Clarke's subdifferential, and the best multipliers, it does.

The bound of the slack follows from a·e^{−a} ≤ 1/e at a = q_i − q_min for all points but the one
of the smallest margin, and from ‖∇ℒ‖·‖θ‖ ≥ −⟨∇ℒ, θ⟩ = Σ_i e^{−q_i} q_i ≥ q_min e^{−q_min}.
"""

from dataclasses import dataclass
from math import log

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Array, Float
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator
from xarray import Dataset

from experiments.experiment import Experiment, Progress, Summary
from experiments.plots.curves import curves
from experiments.plots.estimates import finite, median
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
from experiments.unlearning.step_size_scene import draw_gaussian
from experiments.unlearning.trials import measure
from theory.networks import TwoLayerReLU
from theory.settings import Count, Positive, Sample
from theory.unlearning import settings as unlearning
from theory.unlearning.kkt import kkt
from theory.unlearning.margin import exponential_slope, train_to_large_margin
from theory.unlearning.pattern import autograd_pattern, combine
from theory.unlearning.scene import Scene

TOLERANCE = 1e-4
"""The relative decrease of γ̃ that descent may show where the flow shows none."""

KINK, LARGEST_KINK = 0.3, 0.05
"""Kinks are below KINK/margin of the largest pre-activation: steps do not grow, weights do."""


@dataclass(frozen=True)
class Settings(unlearning.Settings):
    """Networks watched while they train."""

    d: Count = 1000
    """input dimension; costs nothing"""
    start: Positive = 3.0
    """smallest margin from which γ̃ is followed; ℒ < 1 needs more than log(samples)"""
    stops: Sample = 12
    """margins at which the conditions are looked at, evenly spaced in their logarithms"""
    trials: Sample = 8
    """networks"""

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


def smoothed_margin(net: TwoLayerReLU, scene: Scene) -> Float[Array, ""]:
    """γ̃ = log(1/ℒ)/‖θ‖ for ℒ = Σ_i e^{−q_i}, at any margin."""
    q = scene.y * net(scene.x)
    return -jax.nn.logsumexp(-q) / jnp.linalg.norm(net.w)


def lyu_li(net: TwoLayerReLU, scene: Scene) -> dict[str, Array]:
    """ε and the slack with the multipliers of the gradient, and the bound of the slack."""
    q = scene.y * net(scene.x)
    smallest, norm = jnp.min(q), jnp.linalg.norm(net.w)
    gates = autograd_pattern(net, scene.x).gates
    weights = jnp.exp(smallest - q)  # |ℓ'(q_i)| in units of the largest
    descent = combine(net.u, gates * weights[None, :], scene.x, scene.y)
    strength = jnp.linalg.norm(descent)
    multipliers = norm / smallest * weights / strength
    difference = net.w / norm - descent / strength  # of norm √(2 − 2 cos)
    return {
        "epsilon": norm / smallest * jnp.linalg.norm(difference),
        "slack": jnp.sum(multipliers * (q / smallest - 1)),
        "slack_bound": (len(q) - 1) * (norm / smallest) ** 2 / (jnp.e * smallest),
        "gamma": smallest / norm,
    }


def trial(settings: Settings, key) -> dict[str, Array]:
    """One network: γ̃ followed step by step, the conditions at every stop; arrays (stops,)."""
    scene = draw_gaussian(settings, settings.d, key)
    x, y = scene.x, scene.y

    def train(net, margin, steps):
        return train_to_large_margin(net, x, y, margin, slope=exponential_slope, steps=steps)

    def onward(carry, margin):
        """Step by step to the next stop, with the largest fall of γ̃ below its peak so far."""

        def step(carry):
            net, peak, fall, count, _ = carry
            trained = train(net, jnp.inf, 1)
            now = smoothed_margin(trained.network, scene)
            fall = jnp.maximum(fall, 1 - now / peak)
            return trained.network, jnp.maximum(peak, now), fall, count + 1, trained.margin

        def unfinished(carry):
            *_, count, reached = carry
            return (reached < margin) & (count < settings.steps)

        carry = jax.lax.while_loop(unfinished, step, carry)
        return carry, carry

    first = train(scene.start, settings.start, settings.steps)
    peak = smoothed_margin(first.network, scene)
    carry = first.network, peak, jnp.zeros_like(peak), first.steps, first.margin
    _, (networks, peaks, falls, steps, margins) = jax.lax.scan(
        onward, carry, jnp.asarray(settings.margins)
    )

    def at(net, margin):
        clarke = kkt(net, x, y, tolerance=jnp.minimum(LARGEST_KINK, KINK / margin))
        return lyu_li(net, scene) | {
            "smoothed": smoothed_margin(net, scene),
            "clarke": clarke.stationarity,
            "clarke_slack": clarke.multipliers @ (clarke.margins - 1),
        }

    return jax.lax.map(lambda stop: at(*stop), (networks, margins)) | {
        "fall": falls,
        "peak": peaks,
        "steps": steps,
        "reached": margins,
    }


def run(settings: Settings, key, progress: Progress) -> Dataset:
    """Margins, ε, slack and how far γ̃ fell so far, over trial and margin."""
    labels = {"margin": settings.margins}
    return measure(settings, trial, key, progress, labels, margin=settings.margins)


def draw(data: Dataset, settings: Settings) -> Figure:
    """Normalised margins, stationarity and slack against the margin, medians over networks."""
    figure, (left, middle, right) = plt.subplots(1, 3, figsize=(7.2, 3.4))
    margins, gamma = data.margin, data.gamma.isel(margin=-1, drop=True)
    clarke = median(data.clarke)
    guide = clarke.centre[-1] * margins[-1] / margins
    middle.plot(margins, guide, **THEORY, label="∝ 1/margin")
    bound = data.slack_bound.median("trial")
    label = r"bound $(m-1)\,\gamma^{-2}/(e\,q_{\min})$"
    right.plot(margins, bound, **THEORY, ls="--", label=label)
    for ax, found, label, color, marker in (
        (left, median(data.gamma / gamma), r"$\gamma=q_{\min}/\|\theta\|$", BLUE, "s"),
        (
            *(left, median(data.smoothed / gamma)),
            *(r"$\tilde{\gamma}=\log(1/\mathcal{L})/\|\theta\|$", VERMILION, "o"),
        ),
        (middle, median(data.epsilon), "gates of autograd", PURPLE, "^"),
        (middle, clarke, "Clarke's subdifferential", GREEN, "D"),
        (right, median(data.slack), r"slack $\sum_i\lambda_i(q_i/q_{\min}-1)$", ORANGE, "v"),
    ):
        ls = "-" if ax is left else "none"
        curves(ax, found, x="margin", label=label, color=color, marker=marker, ls=ls, lw=1)
    for ax, title, ylabel in (
        (left, "margins / norm", r"in units of the last $\gamma$"),
        (middle, "residual", r"stationarity $\varepsilon$"),
        (right, "slackness", r"slack"),
    ):
        logarithmic(ax, [10, 100, 1000])
        ax.yaxis.set_major_locator(LogLocator())
        ax.set(title=title, ylabel=ylabel, xlabel=r"smallest margin $q_{\min}$")
    left.set(yscale="linear", ylim=(None, 1.03))
    legend(figure, [({}, ax) for ax in (left, middle, right)], ncols=4)
    return figure


def summary(data: Dataset, settings: Settings) -> Summary:
    """The largest fall of γ̃, the slack against its bound, and ε with both kinds of gates."""
    last = data.isel(margin=-1)
    fall = float(last.fall.max())
    logarithms = np.log(data.clarke.transpose("margin", "trial"))
    slopes = np.polyfit(np.log(data.margin), logarithms, 1)[0]
    sentence = f"No smoothed margin fell by more than {fall:.1e} of its peak in any step."
    tables = {
        "smoothed_margin_largest_fall": fall,
        "smoothed_margin_tolerance": TOLERANCE,
        "smoothed_margin_consistent": fall <= TOLERANCE,
        "slack_over_bound_max": float((data.slack / data.slack_bound).max()),
        "slack_at_last_median": float(last.slack.median()),
        "epsilon_autograd_at_last": finite(np.sort(last.epsilon)),
        "epsilon_clarke_at_last": finite(np.sort(last.clarke)),
        "epsilon_clarke_exponent_median": float(np.median(slopes)),
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
        "smoke": Settings(width=40, samples=5, margin=100.0, stops=5, trials=4),
        "course": Settings(trials=24),
        "paper": Settings(margin=10_000.0, stops=24, trials=200),
    },
    run=run,
    draw=draw,
    summary=summary,
)
