"""How well a point is forgotten, against the correlation of the data: ε, δ and τ.

On the left the Gram matrix is prescribed, inner products up to φ; on the right a mixture of two
Gaussians has means ±μ. The certificate of U3 assumes nothing of the data: its bounds, computed
before it is looked at, are drawn beside it everywhere. Theorem 4.1 (U2) is drawn as far as it
applies, which is φ ≤ ε_d/(4mn) with ε_d ≤ .01, at the smallest ε_d that admits φ.
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
from experiments.plots.estimates import median_interval
from experiments.plots.style import BLACK, BLUE, GREEN, STYLE, error_bars
from experiments.unlearning.margins import draw_mixture
from experiments.unlearning.reached import require_margin
from theory.ensemble import ensemble
from theory.networks import two_layer_relu
from theory.sampling import nearly_orthogonal_gram, points_with_gram
from theory.unlearning import settings as unlearning
from theory.unlearning.certificate import certificate
from theory.unlearning.kkt import kkt
from theory.unlearning.near_orthogonal import NORM_SLACK, correlation_allowed
from theory.unlearning.pattern import Snapped, autograd_pattern, snap
from theory.unlearning.scene import Scene, descend
from theory.unlearning.theorems.two_layer import promised

QUANTITIES = {"epsilon": r"\varepsilon", "delta": r"\delta", "tau": r"\tau"}


@dataclass(frozen=True)
class Settings(unlearning.Settings):
    """One point is forgotten, at several correlations of the data."""

    d: int = 1000
    """input dimension of the mixture; points with a prescribed Gram matrix have m coordinates"""
    scale: float | None = 1e-9
    """standard deviation of the hidden weights at initialisation; at 1e-3 late neurons spoil ε₁"""
    correlations: tuple[float, ...] = (1e-7, 1e-6, 4e-6, 1e-5, 1e-4, 1e-3, 1e-2, 3e-2, 8e-2)
    """largest inner products φ of the prescribed Gram matrix, increasing"""
    mean_norms: tuple[float, ...] = (0.02, 0.05, 0.1, 0.2, 0.4, 0.7, 1.0)
    """norms of the mixture's mean, increasing"""
    trials: int = 12
    """networks at each correlation"""

    def __post_init__(self):
        super().__post_init__()
        if self.trials < 2:
            raise ValueError(f"trials is {self.trials} and an interval needs at least 2")
        for name in ("correlations", "mean_norms"):
            values = getattr(self, name)
            if list(values) != sorted(set(values)) or not values or values[0] <= 0:
                raise ValueError(f"{name} are {values} and must be positive and increase")
        if self.correlations[-1] >= (1 - NORM_SLACK) / self.samples:
            raise ValueError(
                f"the largest of correlations is {self.correlations[-1]} and must be below "
                f"{1 - NORM_SLACK:g}/samples, where the Gram matrix is positive definite"
            )

    @property
    def admitted(self) -> float:
        """The largest correlation that Theorem 4.1 admits, ε_d/(4mn) at ε_d = .01."""
        return correlation_allowed(self.samples, self.width)


def draw_gram(settings: Settings, correlation: float | Float[Array, ""], key) -> Scene:
    """Points with a prescribed Gram matrix, and a network."""
    key_gram, key_y, key_net = jax.random.split(key, 3)
    m = settings.samples
    x = points_with_gram(nearly_orthogonal_gram(key_gram, m, NORM_SLACK, correlation))
    y = jax.random.rademacher(key_y, (m,), dtype=x.dtype)
    return Scene(x, y, two_layer_relu(key_net, m, settings.width, settings.sigma))


def forget(settings: Settings, scene: Scene) -> dict[str, Float[Array, ""]]:
    """ε, δ, τ of the certificate, its bounds, and the KKT errors before by autograd's gates."""
    x, y = scene.x, scene.y
    trained = descend(settings, scene)
    net = trained.network
    snapped = snap(net, x)
    naive = Snapped(net, autograd_pattern(net, x), jnp.zeros_like(snapped.distance))

    def judge(snapped: Snapped):
        return kkt(snapped.network, x, y, pattern=snapped.pattern)

    both = jax.tree.map(lambda *leaves: jnp.stack(leaves), snapped, naive)
    judged = jax.lax.map(judge, both)
    # Of the network on its kinks itself, so no distance to them enters the bound of τ.
    explained = jax.tree.map(lambda leaf: leaf[0], judged)
    proof = certificate(snapped.network, x, y, 0, explained=explained)
    gram = x @ x.T
    margins = y[1:] * proof.network(x[1:]) / explained.scale
    return {
        "epsilon": proof.epsilon,
        # From the certificate's own margins, which are θ's up to rounding.
        "delta": jnp.max(explained.multipliers[1:] * (margins - 1)),
        "tau": proof.tau,
        "epsilon_bound": proof.bound.epsilon,
        "delta_bound": proof.bound.delta,
        "tau_bound": proof.bound.tau,
        "distance": proof.bound.distance,
        "epsilon_before": explained.stationarity,
        "epsilon_gates": judged.stationarity[1],
        "delta_gates": judged.slackness[1],
        "inner": jnp.max(jnp.abs(gram - jnp.diag(jnp.diag(gram)))),
        "snapped": snapped.distance / explained.scale,
        "reached": trained.margin,
    }


def run(settings: Settings, key, progress: Progress) -> Arrays:
    """One program for each kind of data; arrays of shape (trials, values), by kind."""
    arrays = {}
    kinds = {
        "gram": (draw_gram, settings.correlations),
        "mixture": (draw_mixture, settings.mean_norms),
    }
    for i, (kind, (draw_scene, values)) in enumerate(kinds.items()):
        progress(i / 2, f"{settings.trials} networks at each of {len(values)} values, {kind}")
        keys = jax.random.split(jax.random.fold_in(key, i), settings.trials)

        def trial(key, draw_scene=draw_scene, values=values):
            at = jnp.array(values)
            return jax.lax.map(lambda v: forget(settings, draw_scene(settings, v, key)), at)

        program = jax.jit(lambda keys, trial=trial: ensemble(trial, keys))
        measured = jax.device_get(program(keys))
        require_margin(measured["reached"], settings.margin)
        arrays |= {f"{kind}_{name}": array for name, array in measured.items()}
    progress(1.0, "done")
    return arrays


def of_kind(arrays: Arrays, kind: str) -> Arrays:
    """The arrays of one kind of data, by their plain names."""
    return {k.removeprefix(f"{kind}_"): v for k, v in arrays.items() if k.startswith(kind)}


def theorem_bounds(settings: Settings, gram: Arrays) -> dict[str, np.ndarray]:
    """(ε, δ, τ) by U2 at the correlations that it admits, shape (trials, admitted)."""
    phi = np.array(settings.correlations)
    m, n, within = settings.samples, settings.width, phi <= settings.admitted
    epsilon_d = 4 * m * n * phi[within][None, :]
    epsilon, delta = gram["epsilon_gates"][:, within], gram["delta_gates"][:, within]
    applies = (epsilon <= 1) & (delta <= 0.5)
    bounds = zip(QUANTITIES, promised(m, epsilon, delta, epsilon_d), strict=True)
    return {name: np.where(applies, bound, np.inf) for name, bound in bounds}


def draw(arrays: Arrays, settings: Settings) -> Figure:
    """One row each for ε, δ, τ; the prescribed Gram matrix on the left, the mixture right."""
    with plt.style.context(STYLE):
        figure, axes = plt.subplots(3, 2, figsize=(7.2, 6.6), sharex="col", sharey="row")
        for column, (kind, values) in enumerate(
            (("gram", settings.correlations), ("mixture", settings.mean_norms))
        ):
            data = of_kind(arrays, kind)
            for ax, name in zip(axes[:, column], QUANTITIES, strict=True):
                _panel(ax, values, data, name)
            if kind == "gram":
                _theorem(axes[:, column], data, settings)
        for ax, name in zip(axes[:, 0], QUANTITIES, strict=True):
            ax.set_ylabel(f"${QUANTITIES[name]}$")
        text = "U2 applies nowhere here"
        axes[0, 1].text(0.5, 0.5, text, transform=axes[0, 1].transAxes, ha="center", fontsize=8)
        axes[0, 0].set_title("prescribed Gram matrix")
        axes[0, 1].set_title(f"mixture, $d$ = {settings.d}")
        axes[2, 0].set_xlabel(r"largest inner product $\varphi$")
        axes[2, 1].set_xlabel(r"norm of the mean $\|\mu\|$")
        figure.legend(*axes[0, 0].get_legend_handles_labels(), loc="outside upper center", ncols=4)
    return figure


def _panel(ax: Axes, values, data: Arrays, name: str) -> None:
    ax.set(xscale="log", yscale="log")
    bound = median_interval(data[f"{name}_bound"]).centre
    ax.plot(values, bound, color=BLUE, label="bound of U3")
    error_bars(ax, values, median_interval(data[name]), label="certificate (median)")


def _theorem(axes, gram: Arrays, settings: Settings) -> None:
    phi = np.array(settings.correlations)
    for ax, bounds in zip(axes, theorem_bounds(settings, gram).values(), strict=True):
        at = phi[: bounds.shape[1]]
        centre = median_interval(bounds).centre if bounds.size else bounds[0]
        ax.plot(at, centre, "s--", color=GREEN, ms=3, label="bound of U2 (Theorem 4.1)")
        ax.axvline(settings.admitted, color=BLACK, lw=0.8, ls=":", label="U2 applies left of this")


def worst_ratios(data: Arrays) -> dict[str, float]:
    """The largest measured/bound of U3 over all networks, by quantity."""
    return {name: float((data[name] / data[f"{name}_bound"]).max()) for name in QUANTITIES}


def summary(arrays: Arrays, settings: Settings) -> dict[str, Any]:
    """Worst ratios of U3, where U2 applies, and medians by correlation."""
    out: dict[str, Any] = {"correlation_admitted_by_U2": settings.admitted}
    for kind, values in (("gram", settings.correlations), ("mixture", settings.mean_norms)):
        data = of_kind(arrays, kind)
        medians = {
            key: [float(x) for x in np.median(data[key], axis=0)]
            for name in QUANTITIES
            for key in (name, f"{name}_bound")
        }
        out[kind] = {
            "values": [float(x) for x in values],
            "worst_ratio": worst_ratios(data),
            "tau_bound_vacuous": int((data["tau_bound"] >= 2).sum()),
            "epsilon_before_max": float(data["epsilon_before"].max()),
            "inner_over_admitted_min": float(data["inner"].min() / settings.admitted),
            "snapped_max": float(data["snapped"].max()),
            "margin_reached_min": float(data["reached"].min()),
        } | medians
    bounds = theorem_bounds(settings, gram := of_kind(arrays, "gram"))
    inside = bounds["epsilon"].shape[1]
    applies = np.isfinite(bounds["epsilon"])
    out["U2"] = {
        "networks_within_phi": int(applies.size),
        "networks_where_it_applies": int(applies.sum()),
        "epsilon_gates_max": float(gram["epsilon_gates"].max()),
        "delta_gates_max": float(gram["delta_gates"].max()),
    }
    if applies.any():
        out["U2"]["over_bound_of_U3_median"] = {
            name: float(np.median((bound / gram[f"{name}_bound"][:, :inside])[applies]))
            for name, bound in bounds.items()
        }
    return out


experiment = Experiment(
    name="unlearning.correlation",
    title="Forgetting against the correlation of the data, within Theorem 4.1 and beyond it",
    label="U2 and U3",
    provenance="derived",
    presets={
        "smoke": Settings(
            d=100,
            width=40,
            samples=5,
            margin=100.0,
            trials=3,
            correlations=(1e-6, 1e-5, 1e-3, 5e-2),
            mean_norms=(0.05, 0.3, 1.0),
        ),
        "course": Settings(),
        "paper": Settings(d=10_000, trials=100),
    },
    run=run,
    draw=draw,
    summary=summary,
)
