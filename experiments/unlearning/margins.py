"""Margins before and after forgetting: the target is the retrained margin, not zero.

Every point's margin y·N(x) in four networks, in units of the smallest retained margin of each: the
trained one, the one after the ascent step, the certificate, and one trained again without the
point. The certificate keeps retained margins exactly. A forgotten point of nearly orthogonal data
is left with a margin near zero; in a mixture the other points of its class still speak for it.

Theory, to first order in the step (derived). Neuron j's pre-activation at x_k changes by
−M_rj u_j y_r⟨x_k, p⟩, with p = x_r for the step and p = x_r − Πx_r for the certificate, so with the
gates of θ, a kink's opened where it is pushed,

.. math:: q_k(θ') = q_k − y_k y_r ⟨x_k, p⟩ \\sum_j u_j^2 M_{rj} σ'_{kj},

which is exact until a gate off the kinks changes. At the forgotten point and a KKT point this is
q_r − λ_r a_r‖x_r‖² = Σ_{k≠r} y_r y_k⟨x_r, x_k⟩ Σ_j u_j²σ'_rj M_kj where it has no kinks: what the
other points alone say of it.
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
from experiments.plots.style import BLACK, BLUE, SKY, STYLE, VERMILION, error_bars
from experiments.unlearning.reached import require_margin
from theory.ensemble import ensemble
from theory.geometry import Subspace, orthonormalise
from theory.networks import two_layer_relu
from theory.sampling import gaussian_mixture
from theory.unlearning import settings as unlearning
from theory.unlearning.certificate import certificate
from theory.unlearning.gradient_ascent import gradient_ascent
from theory.unlearning.kkt import KKT
from theory.unlearning.pattern import neurons
from theory.unlearning.retrain import retrain
from theory.unlearning.scene import Scene, train_scene

NAMES = ("trained", "after", "certificate", "retrained")
LABELS = ("trained", "after\nstep", "certifi-\ncate", "re-\ntrained")
DATA = ("Gaussian, nearly orthogonal", "mixture")


@dataclass(frozen=True)
class Settings(unlearning.Settings):
    """One point is forgotten, of Gaussian data and of a mixture of two Gaussians."""

    d: int = 1000
    """input dimension"""
    mean_norm: float = 0.4
    """norm of the mixture's mean μ; points have norm near √(1 + ‖μ‖²)"""
    trials: int = 20
    """networks on each kind of data"""

    def __post_init__(self):
        super().__post_init__()
        if self.trials < 2:
            raise ValueError(f"trials is {self.trials} and an interval needs at least 2")
        if not 0 < self.mean_norm < np.inf:
            raise ValueError(f"mean_norm is {self.mean_norm} and must be positive and finite")


def draw_mixture(settings: unlearning.Settings, norm: float | Float[Array, ""], key) -> Scene:
    """A mixture with this norm of the mean, 0 for Gaussian data, and a network."""
    key_data, key_net = jax.random.split(key)
    data = gaussian_mixture(key_data, settings.samples, settings.d, norm)
    start = two_layer_relu(key_net, settings.d, settings.width, settings.sigma)
    return Scene(data.x, data.y, start)


def first_order(
    explained: KKT, x: Float[Array, "n d"], y: Float[Array, " n"], part: Float[Array, " d"]
) -> Float[Array, " n"]:
    """Margins after λ_r times this part of x_r is removed, r the first point, by the formula."""
    _, u, _ = neurons(explained.snapped.network)
    change = -(u * explained.weights[:, 0] * y[0])[:, None] * (x @ part)[None, :]
    pattern = explained.snapped.pattern
    gates = jnp.where(pattern.kinks, (change > 0).astype(x.dtype), pattern.gates)
    return explained.margins + y * (u @ (gates * change))


def trial(settings: Settings, key) -> dict[str, Array]:
    """One key: margins of all points in the four networks and by the formula, on both data."""

    def on(norm):
        scene = draw_mixture(settings, norm, key)
        trained = train_scene(settings, scene)
        net, explained, x, y = trained.network, trained.explained, scene.x, scene.y
        after = gradient_ascent(net, x, y, 0, explained=explained)
        proof = certificate(net, x, y, 0, explained=explained)
        again = retrain(scene.start, x, y, 0, settings.margin)
        unseen = Subspace(orthonormalise(x[1:].T)).reject(x[0])
        return {
            "margins": jnp.stack(
                [y * each(x) for each in (net, after, proof.network, again.network)]
            ),
            "formula": explained.scale
            * jnp.stack([first_order(explained, x, y, part) for part in (x[0], unseen)]),
            "reached": jnp.stack([trained.margin, again.margin]),
        }

    return jax.lax.map(on, jnp.array([0.0, settings.mean_norm]))


def run(settings: Settings, key, progress: Progress) -> Arrays:
    """Point 0 is forgotten; arrays of shape (trials, 2 kinds of data, networks, points)."""
    progress(0.0, f"{settings.trials} networks on each kind of data, trained twice")
    keys = jax.random.split(key, settings.trials)
    program = jax.jit(lambda keys: ensemble(lambda key: trial(settings, key), keys))
    arrays = jax.device_get(program(keys))
    require_margin(arrays["reached"], settings.margin)
    progress(1.0, "done")
    return arrays


def in_units(margins: np.ndarray) -> np.ndarray:
    """Margins in units of the smallest retained one, networks and points the last two axes."""
    return margins / margins[..., 1:].min(axis=-1, keepdims=True)


def draw(arrays: Arrays, settings: Settings) -> Figure:
    """Margins in the four networks on both data, and the forgotten point's by the formula."""
    margins, formula = in_units(arrays["margins"]), in_units(arrays["formula"])
    with plt.style.context(STYLE):
        figure, axes = plt.subplots(1, 3, figsize=(7.2, 3.4), width_ratios=(4, 4, 3))
        axes[1].sharey(axes[0])
        for i, name in enumerate(DATA):
            _margins(axes[i], margins[:, i], formula[:, i])
            axes[i].set_title(name if i == 0 else f"{name}, $\\|\\mu\\|$ = {settings.mean_norm:g}")
        axes[0].set_ylabel(r"margin $y_iN(x_i)$ / smallest retained")
        _formula(axes[2], margins[..., 1, 0], formula[..., 0, 0])
        figure.legend(*axes[0].get_legend_handles_labels(), loc="outside upper center", ncols=3)
    return figure


def _margins(ax: Axes, margins: np.ndarray, formula: np.ndarray) -> None:
    trials, networks, points = margins.shape
    spread = np.linspace(-0.28, 0.28, trials * (points - 1))
    spread = np.random.default_rng(0).permutation(spread)
    for i in range(networks):
        label = "retained points" if i == 0 else None
        ax.plot(i + spread, margins[:, i, 1:].ravel(), ".", ms=2, color=SKY, label=label)
    ax.axhline(1, color=BLUE, lw=0.8)
    places = np.arange(networks)
    shift = np.linspace(-0.15, 0.15, trials)
    for i in range(networks):
        ax.plot(i + shift, margins[:, i, 0], ".", ms=3, color=VERMILION, alpha=0.5)
    options = {"color": VERMILION, "ms": 5, "zorder": 4}
    error_bars(ax, places, mean_interval(margins[..., 0]), label="forgotten point", **options)
    theory = formula[..., 0].mean(axis=0)
    label = "forgotten, first order in the step"
    ax.plot(places[1:3], theory, "_", ms=22, mew=1.5, color=BLACK, label=label, zorder=5)
    ax.set_xticks(places, LABELS)
    ax.grid(axis="x", visible=False)


def _formula(ax: Axes, measured: np.ndarray, formula: np.ndarray) -> None:
    values = np.concatenate([measured, formula])
    ends = [values.min() - 0.05, values.max() + 0.05]
    ax.plot(ends, ends, color=BLUE, lw=1)
    for i, (name, color, marker) in enumerate(
        (("Gaussian", BLACK, "s"), ("mixture", VERMILION, "o"))
    ):
        ax.plot(formula[:, i], measured[:, i], marker, color=color, mfc="none", label=name)
    ax.set(xlabel="first order in the step", ylabel="measured")
    ax.set_title("forgotten, after step")
    ax.legend()


def summary(arrays: Arrays, settings: Settings) -> dict[str, Any]:
    """By data: the forgotten margin in each network and by the formula, the retained ones kept."""
    margins, formula = in_units(arrays["margins"]), in_units(arrays["formula"])
    out: dict[str, Any] = {"margin_reached_min": float(arrays["reached"].min())}
    for i, name in enumerate(("gaussian", "mixture")):
        forgotten, retained = margins[:, i, :, 0], margins[:, i, :, 1:]
        error = forgotten[:, 1:3] - formula[:, i, :, 0]
        out[name] = {
            "forgotten_mean": {
                network: float(value)
                for network, value in zip(NAMES, forgotten.mean(axis=0), strict=True)
            },
            "after_range": [float(forgotten[:, 1].min()), float(forgotten[:, 1].max())],
            "formula_mean": [float(x) for x in formula[:, i, :, 0].mean(axis=0)],
            "formula_error_max": [float(x) for x in np.abs(error).max(axis=0)],
            "after_minus_retrained_mean": float((forgotten[:, 1] - forgotten[:, 3]).mean()),
            "certificate_retained_change_max": float(
                np.abs(retained[:, 2] / retained[:, 0] - 1).max()
            ),
            "step_retained_change_max": float(np.abs(retained[:, 1] / retained[:, 0] - 1).max()),
        }
    return out


experiment = Experiment(
    name="unlearning.margins",
    title="The margin to be reached by forgetting is that of retraining, not zero",
    label="U3 (margins)",
    provenance="derived",
    presets={
        "smoke": Settings(d=300, width=40, samples=5, margin=100.0, trials=3),
        "course": Settings(),
        "paper": Settings(d=10_000, trials=100),
    },
    run=run,
    draw=draw,
    summary=summary,
)
