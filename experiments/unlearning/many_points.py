"""Forgetting k points at once: ε, δ and τ of the certificate, and what is left of the margins.

The guarantee U3 holds for sets with D_F = ‖Σ_{r∈F} M_r ∘ u y_r Πx_r‖, Π the projection onto the
span of the points that stay; Σ_{r∈F} D_r bounds D_F, and is looser as the terms point in different
directions. The multipliers behind ε are those of the network before; with the best multipliers of
the certificate itself ε is smaller.
"""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Array, Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.experiment import Arrays, Experiment, Progress
from experiments.plots.estimates import mean_interval
from experiments.plots.style import BLUE, GREEN, PURPLE, SKY, STYLE, VERMILION, error_bars
from experiments.unlearning.reached import require_margin
from theory.ensemble import ensemble
from theory.geometry import Subspace, orthonormalise
from theory.unlearning import settings as unlearning
from theory.unlearning.certificate import certificate
from theory.unlearning.gradient_ascent import gradient_ascent
from theory.unlearning.kkt import KKT, kkt
from theory.unlearning.pattern import neurons
from theory.unlearning.scene import draw_gaussian, train_scene

EXACT = 1e-9
"""Kinks of the certificate are those of θ, exact up to rounding."""


@dataclass(frozen=True)
class Settings(unlearning.Settings):
    """The first k points are forgotten, for several k."""

    d: int = 1000
    """input dimension"""
    samples: int = 20
    """training points m"""
    forgotten: tuple[int, ...] = (1, 2, 4, 7, 10)
    """numbers of points to forget k, increasing and at most half of samples"""
    trials: int = 12
    """networks"""

    def __post_init__(self):
        super().__post_init__()
        if self.trials < 2:
            raise ValueError(f"trials is {self.trials} and an interval needs at least 2")
        if list(self.forgotten) != sorted(set(self.forgotten)) or not self.forgotten:
            raise ValueError(f"forgotten is {self.forgotten} and must increase")
        if 2 * self.forgotten[-1] > self.samples:
            raise ValueError(
                f"forgotten ends at {self.forgotten[-1]} and must end at samples/2 at most"
            )


def sum_of_distances(explained: KKT, x: Float[Array, "n d"], k: int) -> Float[Array, ""]:
    """Σ_r D_r over the first k points, with the same Π as D_F."""
    _, u, _ = neurons(explained.snapped.network)
    seen = Subspace(orthonormalise(x[k:].T)).project(x[:k])
    amplitudes = jnp.linalg.norm(u[:, None] * explained.weights[:, :k], axis=0)
    return jnp.sum(amplitudes * jnp.linalg.norm(seen, axis=1))


def trial(settings: Settings, key) -> dict[str, Array]:
    """One network: ε, δ, τ and their bounds for every k, and the margins after the step."""
    scene = draw_gaussian(settings, key)
    trained = train_scene(settings, scene)
    net, explained, x, y = trained.network, trained.explained, scene.x, scene.y
    results, proofs = [], []
    for k in settings.forgotten:
        proof = certificate(net, x, y, range(k), explained=explained)
        after = gradient_ascent(net, x, y, range(k), explained=explained)
        proofs.append(proof.network)
        margins = y[k:] * proof.network(x[k:]) / explained.scale
        results.append(
            {
                "epsilon": proof.epsilon,
                # From the certificate's own margins, which are θ's up to rounding.
                "delta": jnp.max(explained.multipliers[k:] * (margins - 1)),
                "tau": proof.tau,
                "epsilon_bound": proof.bound.epsilon,
                "delta_bound": proof.bound.delta,
                "tau_bound": proof.bound.tau,
                "looser_bound": explained.stationarity + sum_of_distances(explained, x, k),
                "margins": y * after(x) / explained.scale,
            }
        )
    stack = jax.tree.map(lambda *leaves: jnp.stack(leaves), *results)
    networks = jax.tree.map(lambda *leaves: jnp.stack(leaves), *proofs)

    def own(pair):
        # One program for every k: the last point stands in for those that are gone. A point
        # given again adds nothing to the cone of gradients.
        network, kept = pair
        return kkt(network, x[kept], y[kept], tolerance=EXACT).stationarity

    numbers = np.array(settings.forgotten)
    kept = np.minimum(numbers[:, None] + np.arange(settings.samples), settings.samples - 1)
    best = jax.lax.map(own, (networks, jnp.array(kept)))
    return stack | {"best": best, "before": explained.stationarity, "reached": trained.margin}


def run(settings: Settings, key, progress: Progress) -> Arrays:
    """Arrays of shape (trials, k), (trials,), and the margins (trials, k, points)."""
    progress(0.0, f"{settings.trials} networks, {len(settings.forgotten)} sets each")
    keys = jax.random.split(key, settings.trials)
    program = jax.jit(lambda keys: ensemble(lambda key: trial(settings, key), keys))
    arrays = jax.device_get(program(keys))
    require_margin(arrays["reached"], settings.margin)
    progress(1.0, "done")
    return arrays


def split_margins(arrays: Arrays, settings: Settings) -> dict[str, np.ndarray]:
    """Of the network after the step, shape (trials, k): retained minimum, means, accuracy."""
    columns = []
    for i, k in enumerate(settings.forgotten):
        gone, kept = arrays["margins"][:, i, :k], arrays["margins"][:, i, k:]
        columns.append((kept.min(1), kept.mean(1), gone.mean(1), (kept > 0).mean(1)))
    names = ("smallest", "retained", "forgotten", "accuracy")
    return {name: np.stack(c, 1) for name, c in zip(names, zip(*columns, strict=True), strict=True)}


def draw(arrays: Arrays, settings: Settings) -> Figure:
    """ε, δ, τ with their bounds, and the margins after the step, against k."""
    with plt.style.context(STYLE):
        figure, axes = plt.subplots(2, 2, figsize=(7.2, 5.2), sharex=True)
        _epsilon(axes[0, 0], arrays, settings)
        for ax, name, symbol in ((axes[0, 1], "delta", "delta"), (axes[1, 0], "tau", "tau")):
            _bounded(ax, arrays, settings, name)
            ax.set_ylabel(f"$\\{symbol}$")
            ax.legend()
        axes[0, 1].set_ylim(0, 1.5 * arrays["delta_bound"].mean())
        axes[1, 0].set_yscale("log")
        _margins(axes[1, 1], arrays, settings)
        axes[0, 0].set_xticks(settings.forgotten)
        for ax in axes[1]:
            ax.set_xlabel(f"points forgotten at once $k$, of $m$ = {settings.samples}")
    return figure


def _bounded(ax: Axes, arrays: Arrays, settings: Settings, name: str) -> None:
    k, bound = settings.forgotten, arrays[f"{name}_bound"]
    # δ₁ is one number for all k, the others come as one for each.
    ax.plot(k, bound.mean(axis=0), color=BLUE, label="bound of U3, with $D_F$")
    error_bars(ax, k, mean_interval(arrays[name]), label="certificate")


def _epsilon(ax: Axes, arrays: Arrays, settings: Settings) -> None:
    k = settings.forgotten
    loose = arrays["looser_bound"].mean(axis=0)
    ax.plot(k, loose, "--", color=PURPLE, label=r"with $\sum_{r\in F} D_r$ instead of $D_F$")
    _bounded(ax, arrays, settings, "epsilon")
    best = mean_interval(arrays["best"])
    error_bars(ax, k, best, color=GREEN, fmt="s", label="certificate, its best multipliers")
    ax.set_ylabel(r"$\varepsilon$")
    ax.set_ylim(0, 1.6 * loose.max())
    ax.legend(loc="upper left")


def _margins(ax: Axes, arrays: Arrays, settings: Settings) -> None:
    margins = split_margins(arrays, settings)
    ax.axhline(1, color=BLUE, lw=0.8)
    for name, label, color, marker in (
        ("retained", "retained, mean", SKY, "s"),
        ("smallest", "retained, smallest", BLUE, "v"),
        ("forgotten", "forgotten, mean", VERMILION, "o"),
    ):
        interval = mean_interval(margins[name])
        error_bars(ax, settings.forgotten, interval, color=color, fmt=marker, label=label)
    ax.set_ylabel("margin after the step /\nsmallest before")
    ax.legend(loc="center left")


def summary(arrays: Arrays, settings: Settings) -> dict[str, Any]:
    """Worst ratios to the bounds, and means by k."""
    margins = split_margins(arrays, settings)
    names = ("epsilon", "best", "epsilon_bound", "looser_bound", "delta", "tau", "tau_bound")
    return {
        "k": list(settings.forgotten),
        "worst_ratio": {
            name: float((arrays[name] / arrays[f"{name}_bound"]).max())
            for name in ("epsilon", "delta", "tau")
        },
        "best_over_epsilon_max": float((arrays["best"] / arrays["epsilon"]).max()),
        "looser_over_bound_max": float((arrays["looser_bound"] / arrays["epsilon_bound"]).max()),
        "tau_bound_vacuous": int((arrays["tau_bound"] >= 2).sum()),
        "epsilon_before_max": float(arrays["before"].max()),
        "margin_reached_min": float(arrays["reached"].min()),
        "retained_accuracy_min": float(margins["accuracy"].min()),
        "retained_margin_min": [float(x) for x in margins["smallest"].min(axis=0)],
        "forgotten_margin_mean": [float(x) for x in margins["forgotten"].mean(axis=0)],
    } | {f"{name}_mean": [float(x) for x in arrays[name].mean(axis=0)] for name in names}


experiment = Experiment(
    name="unlearning.many-points",
    title="Forgetting up to half of the points in one step",
    label="U3 for sets",
    provenance="derived",
    presets={
        "smoke": Settings(d=300, width=40, samples=6, margin=100.0, trials=3, forgotten=(1, 3)),
        "course": Settings(),
        "paper": Settings(d=10_000, trials=100, forgotten=(1, 2, 3, 4, 6, 8, 10)),
    },
    run=run,
    draw=draw,
    summary=summary,
)
