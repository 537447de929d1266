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
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Array, Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import LogLocator

from experiments.experiment import Arrays, Experiment, Progress
from experiments.plots.estimates import median_interval
from experiments.plots.style import BLUE, GREEN, PURPLE, STYLE, VERMILION, error_bars, logarithmic
from experiments.unlearning.reached import require_margin
from experiments.unlearning.step_size_scene import draw_gaussian
from theory.ensemble import ensemble
from theory.networks import TwoLayerReLU
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

    d: int = 1000
    """input dimension; costs nothing"""
    start: float = 3.0
    """smallest margin from which γ̃ is followed; ℒ < 1 needs more than log(samples)"""
    stops: int = 12
    """margins at which the conditions are looked at, evenly spaced in their logarithms"""
    trials: int = 8
    """networks"""

    def __post_init__(self):
        super().__post_init__()
        if self.trials < 2:
            raise ValueError(f"trials is {self.trials} and an interval needs at least 2")
        if self.stops < 2:
            raise ValueError(f"stops is {self.stops} and must be at least 2")
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
        "margin": margins,
    }


def run(settings: Settings, key, progress: Progress) -> Arrays:
    """All networks; arrays of shape (trials, stops)."""
    progress(0.0, f"{settings.trials} networks to margin {settings.margin:g}")
    program = jax.jit(lambda keys: ensemble(lambda key: trial(settings, key), keys))
    arrays = jax.device_get(program(jax.random.split(key, settings.trials)))
    require_margin(arrays["margin"], np.asarray(settings.margins))
    progress(1.0, "done")
    return arrays


def draw(arrays: Arrays, settings: Settings) -> Figure:
    """Normalised margins, stationarity and slack against the margin."""
    with plt.style.context(STYLE):
        figure, axes = plt.subplots(1, 3, figsize=(7.2, 3.3))
        _normalised_margins(axes[0], arrays, settings)
        _stationarity(axes[1], arrays, settings)
        _slack(axes[2], arrays, settings)
        for ax in axes:
            ax.set_xlabel(r"margin $q_{\min}=\min_i y_i N(x_i)$")
        title = f"medians over {settings.trials} networks, 95 % intervals"
        figure.suptitle(title, fontsize=8.5)
    return figure


def _normalised_margins(ax: Axes, arrays: Arrays, settings: Settings) -> None:
    last = arrays["gamma"][:, -1:]
    for name, label, color, marker in (
        ("gamma", r"$\gamma=q_{\min}/\|\theta\|$", BLUE, "s"),
        ("smoothed", r"$\tilde{\gamma}=\log(1/\mathcal{L})/\|\theta\|$", VERMILION, "o"),
    ):
        interval = median_interval(arrays[name] / last)
        options = {"fmt": marker, "color": color, "ls": "-", "lw": 1}
        error_bars(ax, settings.margins, interval, label=label, **options)
    ax.set_xscale("log")
    ax.set_ylim(top=1.03)
    ax.set_ylabel(r"in units of the last $\gamma$")
    fall = f"{arrays['fall'][:, -1].max():.0e}".replace("-", "\N{MINUS SIGN}")
    ax.set_title(f"largest fall of $\\tilde{{\\gamma}}$\nin any step: {fall}")
    ax.legend(loc="lower right")


def _stationarity(ax: Axes, arrays: Arrays, settings: Settings) -> None:
    margins = settings.margins
    clarke = median_interval(arrays["clarke"])
    guide = clarke.centre[-1] * margins[-1] / margins
    ax.plot(margins, guide, color=BLUE, lw=1, label="∝ 1/margin")
    naive = median_interval(arrays["epsilon"])
    error_bars(ax, margins, naive, fmt="^", color=PURPLE, label="Lyu and Li, autograd's gates")
    error_bars(ax, margins, clarke, color=GREEN, label="Clarke's subdifferential")
    _log(ax)
    ax.set_ylim(top=60 * ax.get_ylim()[1])
    ax.set_ylabel(r"stationarity $\varepsilon$")
    ax.set_title("residual\n(gates at kinks decide)")
    ax.legend(loc="upper right", fontsize=7.5)


def _slack(ax: Axes, arrays: Arrays, settings: Settings) -> None:
    bound = median_interval(arrays["slack_bound"]).centre
    ax.plot(settings.margins, bound, color=BLUE, label="bound (U7)")
    slack = median_interval(arrays["slack"])
    error_bars(ax, settings.margins, slack, label="measured")
    _log(ax)
    ax.set_ylabel(r"slack $\sum_i\lambda_i(q_i/q_{\min}-1)$")
    ax.set_title("slack; bound\n" + r"$(m-1)\,\gamma^{-2}/(e\,q_{\min})$")
    ax.legend(loc="upper right")


def _log(ax: Axes) -> None:
    logarithmic(ax, [10, 100, 1000])
    ax.yaxis.set_major_locator(LogLocator())


def summary(arrays: Arrays, settings: Settings) -> dict[str, Any]:
    """The largest fall of γ̃, the slack against its bound, and ε with both kinds of gates."""
    fall = float(arrays["fall"][:, -1].max())
    clarke = arrays["clarke"]
    slopes = np.polyfit(np.log(settings.margins), np.log(clarke).T, 1)[0]
    return {
        "smoothed_margin_largest_fall": fall,
        "smoothed_margin_tolerance": TOLERANCE,
        "smoothed_margin_consistent": fall <= TOLERANCE,
        "slack_over_bound_max": float((arrays["slack"] / arrays["slack_bound"]).max()),
        "slack_at_last_median": float(np.median(arrays["slack"][:, -1])),
        "epsilon_autograd_at_last": [float(x) for x in np.sort(arrays["epsilon"][:, -1])],
        "epsilon_clarke_at_last": [float(x) for x in np.sort(clarke[:, -1])],
        "epsilon_clarke_exponent_median": float(np.median(slopes)),
        "gamma_at_last_median": float(np.median(arrays["gamma"][:, -1])),
        "steps_median": float(np.median(arrays["steps"][:, -1])),
        "margin_reached": float((arrays["margin"] / settings.margins).min()),
    }


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
