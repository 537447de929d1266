"""What forgetting one point costs on fresh points of a mixture x = ±μ + N(0, I/d) (U8).

Accuracy against the size of the ascent step, β* the theorem's; ‖μ‖ = c·d^{−1/4}, where a network
of few points is neither perfect nor blind. For a linear predictor w the accuracy is exactly
1 − Q(√d⟨w, μ⟩/‖w‖) = Φ(√d⟨w, μ⟩/‖w‖), because y⟨w, x⟩ ~ N(⟨w, μ⟩, ‖w‖²/d).
"""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Array, Float
from matplotlib.figure import Figure
from scipy import stats

from experiments.experiment import Arrays, Experiment, Progress
from experiments.plots.estimates import LEVEL, Interval, mean_interval
from experiments.plots.style import BLACK, BLUE, GREEN, STYLE, error_bars
from experiments.unlearning.reached import require_margin
from theory.ensemble import ensemble
from theory.networks import Linear, two_layer_relu
from theory.sampling import gaussian_mixture, mixture_points
from theory.unlearning import settings as unlearning
from theory.unlearning.gradient_ascent import gradient_ascent
from theory.unlearning.retrain import retrain
from theory.unlearning.scene import Scene, train_scene

MODELS = {"linear": "linear predictor", "relu": "two-layer ReLU network"}

CURVE = 65
"""Step sizes at which the exact accuracy is drawn."""


@dataclass(frozen=True)
class Settings(unlearning.Settings):
    """One point of a mixture is forgotten, by steps of several sizes."""

    d: int = 2000
    """input dimension"""
    samples: int = 20
    """training points m"""
    separation: float = 0.5
    """c in ‖μ‖ = c·d^{−1/4}"""
    fractions: tuple[float, ...] = (0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0)
    """step sizes β/β*, increasing from 0 and with 1 among them"""
    test_points: int = 2000
    """fresh points for every network"""
    trials: int = 30
    """data sets, each with a linear predictor and a network"""

    def __post_init__(self):
        super().__post_init__()
        if self.trials < 2:
            raise ValueError(f"trials is {self.trials} and an interval needs at least 2")
        if not 0 < self.separation < np.inf:
            raise ValueError(f"separation is {self.separation} and must be positive and finite")
        increasing = list(self.fractions) == sorted(set(self.fractions))
        if not increasing or self.fractions[0] != 0 or 1.0 not in self.fractions:
            raise ValueError(f"fractions are {self.fractions} and must increase from 0, through 1")


def signal(net: Linear, mean: Float[Array, " d"]) -> Float[Array, ""]:
    """√d⟨w, μ⟩/‖w‖, of which Φ is the exact accuracy on the mixture.

    Example:
        >>> float(signal(Linear(jnp.array([2.0, 0, 0, 0])), jnp.array([0.5, 1, 0, 0])))
        1.0
    """
    return len(mean) ** 0.5 * (net.w @ mean) / jnp.linalg.norm(net.w)


def curve_fractions(settings: Settings) -> np.ndarray:
    """Where the exact accuracy is drawn."""
    return np.linspace(0, settings.fractions[-1], CURVE)


def trial(settings: Settings, key) -> dict[str, Array]:
    """One data set: accuracy of both models at every step size and retrained."""
    key_data, key_fresh, key_net = jax.random.split(key, 3)
    m, d = settings.samples, settings.d
    data = gaussian_mixture(key_data, m, d, settings.separation * d**-0.25)
    x, y = data.x, data.y
    fresh = mixture_points(key_fresh, data.mean, settings.test_points)
    fractions = jnp.array(settings.fractions)

    def correct(net):
        return jnp.sum(fresh.y * net(fresh.x) > 0)

    def forget(start, name, measures):
        trained = train_scene(settings, Scene(x, y, start))
        again = retrain(start, x, y, 0, settings.margin)

        def at(measure):
            def stepped(t):
                explained = trained.explained
                return measure(
                    gradient_ascent(trained.network, x, y, 0, fraction=t, explained=explained)
                )

            return stepped

        out = {"reached": jnp.minimum(trained.margin, again.margin)}
        for kind, measure, places in measures:
            out[kind] = jax.lax.map(at(measure), places)
            out[f"{kind}_retrained"] = measure(again.network)
        return {f"{name}_{kind}": value for kind, value in out.items()}

    def exact(net):
        return signal(net, data.mean)

    correct_at = ("correct", correct, fractions)
    network = two_layer_relu(key_net, d, settings.width, settings.sigma)
    signals = ("signal", exact, fractions), ("curve", exact, jnp.array(curve_fractions(settings)))
    return forget(network, "relu", (correct_at,)) | forget(
        Linear(jnp.zeros(d, x.dtype)), "linear", (correct_at, *signals)
    )


def run(settings: Settings, key, progress: Progress) -> Arrays:
    """Arrays of shape (trials, fractions), those of retraining (trials,)."""
    progress(0.0, f"{settings.trials} data sets, two models on each")
    keys = jax.random.split(key, settings.trials)
    program = jax.jit(lambda keys: ensemble(lambda key: trial(settings, key), keys))
    arrays = jax.device_get(program(keys))
    for name in ("linear", "relu"):
        require_margin(arrays[f"{name}_reached"], settings.margin)
    progress(1.0, "done")
    return arrays


def binomial_interval(correct: np.ndarray, settings: Settings) -> Interval:
    """Accuracy pooled over data sets, with the exact interval of the binomial law.

    Accuracies differ between data sets, which makes the count less variable than binomial.
    """
    total = settings.trials * settings.test_points
    counts = np.atleast_1d(correct.sum(axis=0))
    ends = [stats.binomtest(int(k), total).proportion_ci(LEVEL) for k in counts]
    return Interval(
        counts / total, np.array([end.low for end in ends]), np.array([end.high for end in ends])
    )


def z_scores(arrays: Arrays, settings: Settings) -> np.ndarray:
    """Correct minus expected over its standard deviation, linear, by step size."""
    p, n = stats.norm.cdf(arrays["linear_signal"]), settings.test_points
    excess = (arrays["linear_correct"] - n * p).sum(axis=0)
    return excess / np.sqrt((n * p * (1 - p)).sum(axis=0))


def draw(arrays: Arrays, settings: Settings) -> Figure:
    """Accuracy against the step size, the linear predictor left, the network right."""
    t, n = settings.fractions, settings.test_points
    with plt.style.context(STYLE):
        figure, axes = plt.subplots(1, 2, figsize=(7.2, 3.4), sharey=True)
        curve = stats.norm.cdf(arrays["linear_curve"]).mean(axis=0)
        label = r"exact, $1-Q(\sqrt{d}\langle w,\mu\rangle/\|w\|)$"
        axes[0].plot(curve_fractions(settings), curve, color=BLUE, label=label)
        again = stats.norm.cdf(arrays["linear_signal_retrained"]).mean()
        axes[0].axhline(again, color=GREEN, lw=1, ls="--", label="retrained, exact")
        pooled = binomial_interval(arrays["linear_correct"], settings)
        error_bars(axes[0], t, pooled, label="measured (binomial interval)")
        again = mean_interval(arrays["relu_correct_retrained"] / n)
        axes[1].axhspan(float(again.low), float(again.high), color=GREEN, alpha=0.2, lw=0)
        axes[1].axhline(float(again.centre), color=GREEN, lw=1, ls="--", label="retrained")
        measured = mean_interval(arrays["relu_correct"] / n)
        error_bars(axes[1], t, measured, fmt="o-", label="measured (mean over networks)")
        for ax, name in zip(axes, MODELS.values(), strict=True):
            ax.axvline(1, 0.25, color=BLACK, lw=0.8, ls=":")
            ax.set_title(name)
            ax.set_xlabel(r"step size in units of the theorem's, $\beta/\beta^*$")
            ax.legend(loc="lower left")
        axes[0].set_ylabel("accuracy on fresh points")
    return figure


def summary(arrays: Arrays, settings: Settings) -> dict[str, Any]:
    """Accuracies by step size; for the linear predictor against the exact ones."""
    out: dict[str, Any] = {"fractions": list(settings.fractions)}
    one = settings.fractions.index(1.0)
    for name in MODELS:
        correct = arrays[f"{name}_correct"] / settings.test_points
        again = arrays[f"{name}_correct_retrained"] / settings.test_points
        gap = mean_interval(correct[:, one] - again)
        out[name] = {
            "accuracy": [float(x) for x in correct.mean(axis=0)],
            "retrained": float(again.mean()),
            "unlearned_minus_retrained": [float(x) for x in gap],
            "margin_reached_min": float(arrays[f"{name}_reached"].min()),
        }
    exact = stats.norm.cdf(arrays["linear_signal"]).mean(axis=0)
    interval = binomial_interval(arrays["linear_correct"], settings)
    out["linear"] |= {
        "exact": [float(x) for x in exact],
        "exact_retrained": float(stats.norm.cdf(arrays["linear_signal_retrained"]).mean()),
        "z": [float(x) for x in z_scores(arrays, settings)],
        "exact_inside_interval": int(((interval.low <= exact) & (exact <= interval.high)).sum()),
    }
    return out


experiment = Experiment(
    name="unlearning.generalisation",
    title="What forgetting one point costs on fresh points of a mixture",
    label="U8 (Theorem 5.1)",
    provenance="recalled",
    presets={
        "smoke": Settings(
            d=300,
            width=40,
            samples=6,
            margin=100.0,
            trials=4,
            test_points=500,
            fractions=(0.0, 1.0, 4.0),
        ),
        "course": Settings(),
        "paper": Settings(trials=400, test_points=4000),
    },
    run=run,
    draw=draw,
    summary=summary,
)
