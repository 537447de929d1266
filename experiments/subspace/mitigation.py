"""What a small initialisation (S6) and weight decay (S7) buy off P, and what they cost on P.

The task is one that the hidden layer must learn: the label is the sign of the product of two
coordinates of P, which no linear function predicts. Off P the gradient shrinks exactly as the
weights do: with β, and with (1 − ηλ)^T.
"""

from dataclasses import dataclass, replace
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax
from jaxtyping import Array, Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.experiment import Arrays, Experiment, Progress
from experiments.plots.estimates import (
    Interval,
    finite,
    mean_interval,
    median_interval,
    rms_interval,
)
from experiments.plots.style import BLACK, BLUE, GREEN, STYLE, error_bars
from experiments.subspace.flips import flips_along_gradient
from theory.ensemble import ensemble
from theory.networks import TwoLayerReLU
from theory.subspace import settings as subspace
from theory.subspace.gradient import active
from theory.subspace.scene import draw_scene
from theory.training import hidden_layer_only, train


@dataclass(frozen=True)
class Settings(subspace.Settings):
    """Networks trained on n points of P, at several initial scales and at several decays."""

    d: int = 48
    ell: int = 40
    samples: int = 200
    learning_rate: float | None = 0.8
    steps: int = 100
    margin: float = 100.0
    """stop when every y_j N(x_j) is at least this; never reached by default, so that every
    network takes all its steps"""
    test_samples: int = 200
    """fresh points of P on which gradient, flip and accuracy are measured"""
    scales: tuple[float, ...] = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 4.0)
    """initial scales β, in units of σ (``scale``)"""
    decays: tuple[float, ...] = (0.0, 0.5, 1.0, 2.0, 4.0, 6.0, 8.0)
    """weight decays, as the product ηλT with T = ``steps``"""
    trials: int = 64
    """draws of P, data and initial weights, each trained in every way"""

    def __post_init__(self):
        super().__post_init__()
        if self.dim < 2 or self.trials < 2:
            raise ValueError(
                f"d - ell is {self.dim} and trials is {self.trials}: both must be at least 2, "
                "for labels that are a product and for intervals"
            )
        if not all(0 < beta < np.inf for beta in self.scales):
            raise ValueError(f"scales are {self.scales} and must be positive")
        if not all(0 <= decay < self.steps for decay in self.decays):
            raise ValueError(f"decays are {self.decays} and must lie in [0, steps)")


def trial(settings: Settings, key) -> dict[str, Float[Array, " ways"]]:
    """One draw of P, data and weights; the same weights scaled by every β, decayed by every λ."""
    total = settings.samples + settings.test_samples
    scene = draw_scene(replace(settings, samples=total), key)
    coordinates = scene.x @ scene.subspace.basis[:, :2]
    y = jnp.sign(coordinates[:, 0] * coordinates[:, 1])
    n = settings.samples

    def at(pair):
        scale, weight_decay = pair
        start = scene.network._replace(w=scale * scene.network.w)
        optimizer = optax.chain(optax.add_decayed_weights(weight_decay), optax.sgd(settings.rate))
        # In full dimension, where off P nothing is exact by construction.
        end = train(
            start,
            scene.x[:n],
            y[:n],
            optimizer=hidden_layer_only(optimizer),
            steps=settings.steps,
            margin=settings.margin,
        )
        off = [jnp.linalg.norm(scene.subspace.reject(net.w)) for net in (start, end.network)]
        return measure(end.network, scene.x[n:], y[n:], scene.subspace.basis) | {
            "factor": off[1] / off[0],
            "steps": end.steps,
        }

    scales = jnp.asarray(settings.scales, y.dtype)
    decays = jnp.asarray(settings.decays, y.dtype) / (settings.rate * settings.steps)
    pairs = (
        jnp.concatenate([scales, jnp.ones_like(decays)]),
        jnp.concatenate([jnp.full_like(scales, settings.weight_decay), decays]),
    )
    return jax.lax.map(at, pairs)


def measure(
    net: TwoLayerReLU,
    x: Float[Array, "tests d"],
    y: Float[Array, " tests"],
    basis: Float[Array, "d dim"],
) -> dict[str, Float[Array, ""]]:
    """Over the test points: gradient, flip distance, activity, output and accuracy.

    ``gradient`` is the root mean square norm, ``active`` the mean of k/m, ``flip`` the median
    distance along −y·Π∇N with ``no_flip`` the share of points without one, ``output`` the median
    of |N|.
    """
    output, flips = net(x), flips_along_gradient(net, x, basis)
    return {
        "gradient": jnp.sqrt(jnp.mean(flips.gradient**2)),
        "active": jnp.mean(active(net, x), dtype=x.dtype),
        "flip": jnp.median(flips.distance),
        "no_flip": jnp.mean(jnp.isinf(flips.distance), dtype=x.dtype),
        "output": jnp.median(jnp.abs(output)),
        "accuracy": jnp.mean(y * output > 0, dtype=x.dtype),
    }


def run(settings: Settings, key, progress: Progress) -> Arrays:
    """All networks; arrays of shape (trials, scales + decays)."""
    count = len(settings.scales) + len(settings.decays)
    progress(0.0, f"{settings.trials} networks, {count} ways to train each")
    keys = jax.random.split(key, settings.trials)
    program = jax.jit(lambda keys: ensemble(lambda key: trial(settings, key), keys))
    arrays = jax.device_get(program(keys))
    progress(1.0, "done")
    return arrays


class Column(NamedTuple):
    """One remedy: its strengths, what was measured, and what theory says of W_⊥.

    Attributes:
        values: β/σ or ηλT.
        arrays: the measurements, each of shape (trials, values).
        start: the scale of the weights off P at initialisation, β.
        factor: what descent leaves of them, (1 − ηλ)^t.
        flow: what gradient flow would leave of them, e^{−ηλt}.
    """

    values: np.ndarray
    arrays: Arrays
    start: np.ndarray
    factor: np.ndarray
    flow: np.ndarray

    def gradient(self, ell: int) -> np.ndarray:
        """The root mean square of ‖Π∇N‖ by theory; E k = m/2, as x and −x are equally likely."""
        return self.start * self.factor * np.sqrt(ell / 2)


def columns(arrays: Arrays, settings: Settings) -> dict[str, Column]:
    """The two remedies, as they lie side by side in the arrays."""
    split = len(settings.scales)
    values = np.concatenate([settings.scales, settings.decays])
    start = settings.sigma * np.where(np.arange(len(values)) < split, values, 1)
    decay = np.full(len(values), settings.rate * settings.weight_decay)
    decay[split:] = values[split:] / settings.steps
    # Steps differ between networks only where a margin stops some of them early.
    factor = ((1 - decay) ** arrays["steps"]).mean(axis=0)
    flow = np.exp(-decay * arrays["steps"]).mean(axis=0)
    return {
        name: Column(
            values[part],
            {key: array[:, part] for key, array in arrays.items()},
            start[part],
            factor[part],
            flow[part],
        )
        for name, part in (("scale", slice(split)), ("decay", slice(split, None)))
    }


def draw(arrays: Arrays, settings: Settings) -> Figure:
    """Gradient, flip distance and accuracy against β on the left, against ηλT on the right."""
    with plt.style.context(STYLE):
        figure, axes = plt.subplots(3, 2, figsize=(7.2, 7.0), sharex="col", sharey="row")
        for column, axis in zip(columns(arrays, settings).values(), axes.T, strict=True):
            _gradient_panel(axis[0], column, settings)
            _flip_panel(axis[1], column, settings)
            accuracy = mean_interval(column.arrays["accuracy"])
            error_bars(axis[2], column.values, accuracy)
        axes[0, 0].set_xscale("log")
        axes[0, 0].set_title("smaller initialisation")
        axes[0, 1].set_title("weight decay")
        axes[2, 0].set_xlabel(r"initial scale $\beta/\sigma$")
        axes[2, 1].set_xlabel(r"weight decay times training time, $\eta\lambda T$")
        axes[0, 0].set_ylabel(r"$\|\Pi_{P^\perp}\nabla N\|$ on test points")
        axes[1, 0].set_ylabel(r"distance to the flip / $\|x\|$")
        axes[2, 0].set_ylabel("test accuracy on $P$ (chance 0.5)")
        axes[0, 1].legend()
        axes[1, 0].legend()
    return figure


def _gradient_panel(ax: Axes, column: Column, settings: Settings) -> None:
    x, theory = column.values, column.gradient(settings.ell)
    ax.plot(x, theory * np.sqrt(2), "--", color=GREEN, label=r"bound, $\sqrt{2}$ times it")
    ax.plot(x, theory, color=BLUE, label=r"theory, $\beta(1-\eta\lambda)^T\sqrt{k\ell/m}$")
    flow = theory * column.flow / column.factor
    ax.plot(x, flow, ":", color=BLACK, label=r"with $e^{-\eta\lambda T}$ instead")
    error_bars(ax, x, rms_interval(column.arrays["gradient"]), label="measured")
    ax.set_yscale("log")


def _flip_panel(ax: Axes, column: Column, settings: Settings) -> None:
    # ‖x‖ = √d for every test point.
    flips = median_interval(column.arrays["flip"] / np.sqrt(settings.d))
    ax.plot(
        column.values,
        first_order(column, settings),
        color=BLUE,
        label=r"first order, $|N|/\|\Pi_{P^\perp}\nabla N\|$",
    )
    ax.axhline(1, color=BLACK, lw=0.8, ls=":", label="as long as the point itself")
    error_bars(ax, column.values, flips, label="measured")
    ax.set_yscale("log")


def first_order(column: Column, settings: Settings) -> np.ndarray:
    """The flip distance at first order over ‖x‖ = √d: measured |N| over theory's gradient."""
    output = np.median(column.arrays["output"], axis=0)
    return output / column.gradient(settings.ell) / np.sqrt(settings.d)


def squared_ratio(column: Column, settings: Settings) -> Interval:
    """The mean of ‖Π∇N‖²·m/(kℓβ²(1 − ηλ)^{2T}), which theory puts at exactly 1."""
    scale = column.start * column.factor
    own = column.arrays
    return mean_interval(own["gradient"] ** 2 / (scale**2 * settings.ell * own["active"]))


def summary(arrays: Arrays, settings: Settings) -> dict[str, Any]:
    """Gradient over theory, flip distances and accuracies for either remedy."""
    out: dict[str, Any] = {"flip_unit": "norm of the point"}
    for name, column in columns(arrays, settings).items():
        ratio = squared_ratio(column, settings)
        flips = median_interval(column.arrays["flip"] / np.sqrt(settings.d))
        accuracy = mean_interval(column.arrays["accuracy"])
        measured = column.arrays["factor"]
        out[name] = {
            "values": finite(column.values),
            "gradient": finite(rms_interval(column.arrays["gradient"]).centre),
            "gradient_theory": finite(column.gradient(settings.ell)),
            "squared_gradient_over_theory": finite(ratio.centre),
            "squared_gradient_over_theory_low": finite(ratio.low),
            "squared_gradient_over_theory_high": finite(ratio.high),
            "factor_error": float(np.abs(measured / column.factor - 1).max()),
            "flow_over_factor": finite(column.flow / column.factor),
            "flip": finite(flips.centre),
            "flip_first_order": finite(first_order(column, settings)),
            "points_without_flip": finite(column.arrays["no_flip"].mean(axis=0)),
            "accuracy": finite(accuracy.centre),
            "accuracy_low": finite(accuracy.low),
            "accuracy_high": finite(accuracy.high),
        }
    return out


experiment = Experiment(
    name="subspace.mitigation",
    title="Smaller initialisation and weight decay shrink the gradient off P; what they cost on P",
    label="Theorems 6.1 and 6.2",
    provenance="recalled",
    presets={
        "smoke": Settings(trials=6, scales=(0.1, 1.0, 4.0), decays=(0.0, 2.0, 6.0)),
        "course": Settings(),
        "paper": Settings(
            trials=400,
            scales=(0.02, 0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 4.0),
            decays=(0.0, 0.25, 0.5, 1.0, 2.0, 3.0, 4.0, 5.0, 6.0, 8.0),
        ),
    },
    run=run,
    draw=draw,
    summary=summary,
)
