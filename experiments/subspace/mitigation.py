"""What a small initialisation (S6) and weight decay (S7) buy off P, and what they cost on P.

The task is one that the hidden layer must learn: the label is the sign of the product of two
coordinates of P, which no linear function predicts. Off P the gradient shrinks exactly as the
weights do: with β, and with (1 − ηλ)^T.
"""

from dataclasses import dataclass
from functools import partial
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from xarray import Dataset

from experiments.cells import along, every
from experiments.experiment import Experiment, Progress, Summary
from experiments.plots.estimates import mean, median, numbers, rms
from experiments.plots.style import BLACK, BLUE, CHANCE, GREEN, error_bars
from theory.settings import Count, Filled, NonNegative, Positive, Sample
from theory.subspace import settings as subspace
from theory.subspace.remedies import trial

REMEDIES = {"scale": "smaller initialisation", "decay": "weight decay"}


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
    test_samples: Count = 200
    """fresh points of P on which gradient, flip and accuracy are measured"""
    scales: Filled[Positive] = (0.05, 0.1, 0.2, 0.5, 1.0, 2.0, 4.0)
    """initial scales β, in units of σ (``scale``)"""
    decays: Filled[NonNegative] = (0.0, 0.5, 1.0, 2.0, 4.0, 6.0, 8.0)
    """weight decays, as the product ηλT with T = ``steps``"""
    trials: Sample = 64
    """draws of P, data and initial weights, each trained in every way"""

    def __post_init__(self):
        super().__post_init__()
        if self.dim < 2:
            raise ValueError(f"d - ell is {self.dim} and must be 2, for labels that are a product")
        if max(self.decays) >= self.steps:
            raise ValueError(f"decays are {self.decays} and must lie in [0, steps)")


def run(settings: Settings, key, progress: Progress) -> Dataset:
    """What `trial` measures over trial and way; each way has its remedy, β/σ and ηλT."""
    ways = labels(settings)
    progress(0.0, f"{settings.trials} networks, {len(ways['remedy'][1])} ways to train each")
    how = settings, settings.scales, settings.decays, settings.test_samples
    found = every(partial(trial, *how))(key, settings.trials)
    progress(1.0, "done")
    return Dataset(along(found, "trial", "way"), {"trial": np.arange(settings.trials)} | ways)


def labels(settings: Settings) -> dict[str, tuple[str, list]]:
    """Of the ways: first every scale, with the decay of the settings, then every decay."""
    scales, decays = list(settings.scales), list(settings.decays)
    decay = settings.rate * settings.weight_decay * settings.steps
    return {
        "remedy": ("way", ["scale"] * len(scales) + ["decay"] * len(decays)),
        "scale": ("way", scales + [1.0] * len(decays)),
        "decay": ("way", [decay] * len(scales) + decays),
    }


def column(data: Dataset, settings: Settings, remedy: str) -> Dataset:
    """The ways of one remedy, along its strength, with what theory says of them.

    Besides what was measured: ``left``, what descent leaves of the weights off P, (1 − ηλ)^t;
    ``flow``, what gradient flow would leave, e^{−ηλt}; ``theory``, the root mean square of ‖Π∇N‖,
    where E k = m/2, as x and −x are equally likely; ``ratio``, ‖Π∇N‖²·m/(kℓβ²(1 − ηλ)^{2T}),
    whose mean theory puts at exactly 1; ``first_order``, the flip distance at first order,
    measured |N| over theory's gradient. Distances are in units of ‖x‖ = √d.
    """
    own = data.isel(way=data.remedy.values == remedy).swap_dims(way=remedy)
    rate = own.decay / settings.steps
    start = settings.sigma * own.scale
    # Steps differ between networks only where a margin stops some of them early.
    left = ((1 - rate) ** own.steps).mean("trial")
    theory = start * left * np.sqrt(settings.ell / 2)
    unit = np.sqrt(settings.d)
    return own.assign(
        left=left,
        flow=np.exp(-rate * own.steps).mean("trial"),
        theory=theory,
        ratio=own.gradient**2 / ((start * left) ** 2 * settings.ell * own.active),
        flip=own.flip / unit,
        first_order=own.output.median("trial") / theory / unit,
    )


def draw(data: Dataset, settings: Settings) -> Figure:
    """Gradient, flip distance and accuracy against β on the left, against ηλT on the right."""
    figure, axes = plt.subplots(3, 2, figsize=(7.2, 7.0), sharex="col", sharey="row")
    for column_of, (remedy, title) in zip(axes.T, REMEDIES.items(), strict=True):
        gradient, flip, accuracy = column_of
        one = column(data, settings, remedy)
        x, flow = one[remedy], one.theory * one.flow / one.left
        gradient.set(title=title, yscale="log")
        gradient.plot(
            x, one.theory * 2**0.5, "--", color=GREEN, label=r"bound, $\sqrt{2}$ times it"
        )
        label = r"theory, $\beta(1-\eta\lambda)^T\sqrt{k\ell/m}$"
        gradient.plot(x, one.theory, color=BLUE, label=label)
        gradient.plot(x, flow, ":", color=BLACK, label=r"with $e^{-\eta\lambda T}$ instead")
        error_bars(gradient, x, rms(one.gradient), label="measured")
        label = r"first order, $|N|/\|\Pi_{P^\perp}\nabla N\|$"
        flip.plot(x, one.first_order, color=BLUE, label=label)
        flip.axhline(1, **CHANCE, label="as long as the point itself")
        error_bars(flip, x, median(one.flip), label="measured")
        flip.set_yscale("log")
        error_bars(accuracy, x, mean(one.accuracy), label="measured")
    axes[0, 0].set(xscale="log", ylabel=r"$\|\Pi_{P^\perp}\nabla N\|$ on test points")
    axes[1, 0].set_ylabel(r"distance to the flip / $\|x\|$")
    axes[2, 0].set_ylabel("test accuracy on $P$ (chance 0.5)")
    axes[2, 0].set_xlabel(r"initial scale $\beta/\sigma$")
    axes[2, 1].set_xlabel(r"weight decay times training time, $\eta\lambda T$")
    axes[0, 1].legend()
    axes[1, 0].legend()
    return figure


def summary(data: Dataset, settings: Settings) -> Summary:
    """Gradient over theory, flip distances and accuracies for either remedy."""
    tables: dict[str, Any] = {"flip_unit": "norm of the point"}
    for remedy in REMEDIES:
        one = column(data, settings, remedy)
        tables[remedy] = {
            "gradient": numbers(rms(one.gradient), None),
            "gradient_theory": numbers(one.theory, None),
            "squared_gradient_over_theory": numbers(mean(one.ratio), None),
            "flow_over_factor": numbers(one.flow / one.left, None),
            "flip": numbers(median(one.flip), None),
            "flip_first_order": numbers(one.first_order, None),
            "points_without_flip": numbers(one.no_flip.mean("trial"), None),
            "accuracy": numbers(mean(one.accuracy), None),
            "values": one[remedy].values.tolist(),
            "factor_error": float(abs(one.factor / one.left - 1).max()),
        }
    return Summary(tables=tables)


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
