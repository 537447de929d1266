"""What forgetting one point costs on fresh points of a mixture x = ±μ + N(0, I/d) (U8).

Accuracy against the size of the ascent step, β* the theorem's; ‖μ‖ = c·d^{−1/4}, where a network
of few points is neither perfect nor blind. For a linear predictor w the accuracy is exactly
1 − Q(√d⟨w, μ⟩/‖w‖) = Φ(√d⟨w, μ⟩/‖w‖), because y⟨w, x⟩ ~ N(⟨w, μ⟩, ‖w‖²/d).
"""

from dataclasses import dataclass
from functools import partial

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Array
from matplotlib.figure import Figure
from scipy import stats
from xarray import DataArray, Dataset

from experiments.experiment import Experiment, Progress, Summary
from experiments.plots.curves import curves
from experiments.plots.estimates import LEVEL, Interval, finite, mean
from experiments.plots.style import BLUE, CHANCE, GREEN, VERMILION, legend
from experiments.unlearning import trials
from theory.networks import Linear, two_layer_relu
from theory.sampling import gaussian_mixture, mixture_points
from theory.settings import Count, Increasing, NonNegative, Positive, Sample
from theory.unlearning.gradient_ascent import gradient_ascent
from theory.unlearning.retrain import retrain
from theory.unlearning.scene import Scene, train_scene
from theory.unlearning.theorems.mixture_error import signal

MODELS = ("linear", "relu")

CURVE = 65
"""Step sizes at which the exact accuracy is drawn."""


@dataclass(frozen=True)
class Settings(trials.Settings):
    """One point of a mixture is forgotten, by steps of several sizes."""

    d: Count = 2000
    samples: Sample = 20
    """training points m"""
    separation: Positive = 0.5
    """c in ‖μ‖ = c·d^{−1/4}"""
    fractions: Increasing[NonNegative] = (0.0, 1.0, 2.0, 3.0, 4.0, 6.0, 8.0)
    """step sizes β/β*, from 0 and with 1 among them"""
    test_points: Count = 2000
    """fresh points for every network"""

    def __post_init__(self):
        super().__post_init__()
        if self.fractions[0] != 0 or 1.0 not in self.fractions:
            raise ValueError(f"fractions are {self.fractions} and must increase from 0, through 1")

    @property
    def drawn(self) -> np.ndarray:
        """Step sizes at which the exact accuracy is drawn."""
        return np.linspace(0, self.fractions[-1], CURVE)


def trial(settings: Settings, key) -> dict[str, Array]:
    """One data set: what both models classify right at every step size and retrained."""
    key_data, key_fresh, key_net = jax.random.split(key, 3)
    d = settings.d
    data = gaussian_mixture(key_data, settings.samples, d, settings.separation * d**-0.25)
    x, y = data.x, data.y
    fresh = mixture_points(key_fresh, data.mean, settings.test_points)

    def correct(net):
        return jnp.sum(fresh.y * net(fresh.x) > 0)

    def exact(net):
        return signal(net.w, data.mean)

    def along(trained, measure, fractions):
        step = partial(gradient_ascent, trained.network, x, y, 0, explained=trained.explained)
        return jax.lax.map(lambda t: measure(step(fraction=t)), jnp.array(fractions))

    network = two_layer_relu(key_net, d, settings.width, settings.sigma)
    starts = Linear(jnp.zeros(d, x.dtype)), network
    models = [train_scene(settings, Scene(x, y, start)) for start in starts]
    again = [retrain(start, x, y, 0, settings.margin) for start in starts]
    margins = [[one.margin for one in each] for each in (models, again)]
    linear, steps = models[0], settings.fractions
    return {
        "reached": jnp.array([jnp.minimum(*two) for two in zip(*margins, strict=True)]),
        "correct": jnp.stack([along(model, correct, steps) for model in models]),
        "retrained": jnp.stack([correct(one.network) for one in again]),
        "signal": along(linear, exact, steps),
        "signal_drawn": along(linear, exact, settings.drawn),
        "signal_retrained": exact(again[0].network),
    }


def run(settings: Settings, key, progress: Progress) -> Dataset:
    """Points classified right over trial, model and fraction; signals of the linear predictor."""
    steps = {"fraction": settings.fractions}
    others = {"signal": steps, "signal_drawn": {"drawn": settings.drawn}}
    labels = {"model": MODELS} | steps
    return trials.measure(settings, trial, key, progress, labels, others)


def accuracy(signal: DataArray) -> DataArray:
    """Φ of a signal."""
    return signal.copy(data=stats.norm.cdf(signal))


def binomial_interval(correct: DataArray, settings: Settings) -> Interval:
    """Accuracy pooled over data sets, with the exact interval of the binomial law.

    Accuracies differ between data sets, which makes the count less variable than binomial.
    """
    total, counts = settings.trials * settings.test_points, correct.sum("trial")
    ends = [stats.binomtest(int(k), total).proportion_ci(LEVEL) for k in counts.values]
    low, high = (counts.copy(data=list(side)) for side in zip(*ends, strict=True))
    return Interval(counts / total, low, high)


def z_scores(data: Dataset, settings: Settings) -> DataArray:
    """Correct minus expected over its standard deviation, linear, by step size."""
    p, n = accuracy(data.signal), settings.test_points
    excess = (data.correct.sel(model="linear", drop=True) - n * p).sum("trial")
    return excess / np.sqrt((n * p * (1 - p)).sum("trial"))


def draw(data: Dataset, settings: Settings) -> Figure:
    """Accuracy against the step size, the linear predictor left, the network right."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(7.2, 3.4), sharey=True)
    label = r"exact, $\Phi(\sqrt{d}\langle w,\mu\rangle/\|w\|)$"
    left.plot(data.drawn, accuracy(data.signal_drawn).mean("trial"), color=BLUE, label=label)
    again = float(accuracy(data.signal_retrained).mean())
    left.axhline(again, color=GREEN, lw=1, ls="--", label="retrained (mean)")
    options = {"x": "fraction", "color": VERMILION, "label": "measured (95 % interval)"}
    linear = binomial_interval(data.correct.sel(model="linear"), settings)
    curves(left, linear, ls="none", **options)
    again = mean(data.retrained.sel(model="relu") / settings.test_points)
    right.axhspan(float(again.low), float(again.high), color=GREEN, alpha=0.2, lw=0)
    right.axhline(float(again.centre), color=GREEN, lw=1, ls="--")
    curves(right, mean(data.correct.sel(model="relu") / settings.test_points), **options)
    for ax, title in ((left, "linear predictor"), (right, "two-layer ReLU network")):
        ax.axvline(1, **CHANCE, label="the theorem's step")
        ax.set(title=title, xlabel=r"step size in units of the theorem's, $\beta/\beta^*$")
    left.set_ylabel("accuracy on fresh points")
    legend(figure, [({}, left), ({}, right)], ncols=4)
    return figure


def summary(data: Dataset, settings: Settings) -> Summary:
    """Accuracies by step size; for the linear predictor against the exact ones."""
    tables: dict = {"fractions": list(settings.fractions)}
    for name in MODELS:
        of = data.sel(model=name)
        correct, again = of.correct / settings.test_points, of.retrained / settings.test_points
        gap = mean(correct.sel(fraction=1.0) - again)
        tables[name] = {
            "accuracy": finite(correct.mean("trial")),
            "retrained": float(again.mean()),
            "unlearned_minus_retrained": [float(x) for x in gap],
            "margin_reached_min": float(of.reached.min()),
        }
    exact = accuracy(data.signal).mean("trial")
    interval = binomial_interval(data.correct.sel(model="linear"), settings)
    tables["linear"] |= {
        "exact": finite(exact),
        "exact_retrained": float(accuracy(data.signal_retrained).mean()),
        "z": finite(z_scores(data, settings)),
        "exact_inside_interval": int(((interval.low <= exact) & (exact <= interval.high)).sum()),
    }
    return Summary(tables=tables)


experiment = Experiment(
    name="unlearning.generalisation",
    title="What forgetting one point costs on fresh points of a mixture",
    label="U8 (Theorem 5.1)",
    provenance="recalled",
    presets={
        "smoke": Settings(
            **trials.SMALL | {"samples": 6, "trials": 4, "test_points": 500, "d": 300},
            fractions=(0.0, 1.0, 4.0),
        ),
        "course": Settings(trials=30),
        "paper": Settings(trials=400, test_points=4000),
    },
    run=run,
    draw=draw,
    summary=summary,
)
