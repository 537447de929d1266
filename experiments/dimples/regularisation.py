"""Claim 3: a network that may not use directions across the data is harder to train.

Three ways to limit the derivatives off the images' principal components: smaller initial weights of
the first layer, weight decay, and a penalty on the squared norm of the logits' gradient off them;
and, for comparison, the same penalty on them. What each costs is how long training takes to have
98 % of the training images right and how many test images are right at the end; what it brings, how
far the boundary is.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import optax
from matplotlib.figure import Figure
from xarray import DataArray, Dataset

from experiments.cells import along, every, over
from experiments.classifiers import ImageSettings, scene_of
from experiments.dimples.claims import claim, sentence
from experiments.experiment import Experiment, Progress, Summary
from experiments.plots.dots import dots
from experiments.plots.estimates import ahead, defined, mean, numbers
from experiments.plots.style import CHANCE, legend
from theory.attacks.restricted import SIDES, follow
from theory.dimples.limited import Way
from theory.geometry import principal
from theory.networks import mlp
from theory.settings import Count, Sample
from theory.training.mini_batch import watch

NONE = "nothing"

FITTED = 0.98
"""The share of training images right at which training is done."""


WAYS = {
    NONE: Way(),
    "first layer ÷ 3": Way(scale=1 / 3),
    "first layer ÷ 10": Way(scale=1 / 10),
    "weight decay .1": Way(decay=0.1),
    "weight decay 1": Way(decay=1.0),
    "gradient off, × .01": Way(penalty=0.01),
    "gradient off, × .1": Way(penalty=0.1),
    "gradient on, × .01": Way(penalty=0.01, side="on"),
    "gradient on, × .1": Way(penalty=0.1, side="on"),
}


@dataclass(frozen=True)
class Settings(ImageSettings):
    """MLPs of two hidden layers, trained by Adam."""

    trials: Sample = 5
    """networks, each with its own start and order of images"""
    k: Count = 16
    """principal components that stand for the manifold"""
    epochs: Count = 60
    """measurements after the start"""
    steps: Count = 12
    """training steps of 128 images between them"""


def run(settings: Settings, key, progress: Progress) -> Dataset:
    """Over way and trial: the first ``epoch`` at which the training images are fitted, NaN if none;
    ``right``, the share of test images at the end; the median ``distance`` of test images to the
    boundary in L2, by side."""
    key_train, key_test, key_nets = jax.random.split(key, 3)
    scene = scene_of(settings, key_train, key_test)
    test = scene.x.reshape(len(scene.x), -1)
    basis = principal(scene.seen.x, settings.k)
    given = (*scene.seen, test, scene.y, basis)

    def cell(name):
        program = every(_trained(settings, WAYS[name], scene.classes))
        return along(program(key_nets, settings.trials, *given), "trial", "side")

    labels = {"trial": range(settings.trials), "side": SIDES}
    return over(cell, progress, labels, way=list(WAYS))


def _trained(settings: Settings, way: Way, classes: int) -> Callable[..., Any]:
    """One network, and what it is worth."""

    def one(x, y, test, theirs, basis, key):
        key_net, key_order = jax.random.split(key)
        net = mlp(key_net, (x.shape[1], settings.width, settings.width, classes))
        net = way.begun(jax.tree.map(lambda leaf: leaf.astype(x.dtype), net))
        order = jax.random.permutation(key_order, len(x))
        end, right = watch(
            way.loss(basis, classes), net, (x[order], y[order]),
            lambda net: jnp.mean(net.logits(x).argmax(axis=1) == y),
            optimizer=optax.adamw(1e-3, weight_decay=way.decay),
            epochs=settings.epochs, steps=settings.steps, batch=128,
        )  # fmt: skip
        fitted = right >= FITTED
        epoch = jnp.where(jnp.any(fitted), jnp.argmax(fitted).astype(float), jnp.nan)
        predicted = end.logits(test).argmax(axis=1)
        far = [follow(end.logits, test, predicted, basis, side).distance for side in SIDES]
        return {
            "epoch": epoch,
            "right": jnp.mean(predicted == theirs),
            "distance": jnp.stack([jnp.median(one) for one in far]),
        }

    return one


def fitted_by(data: Dataset, settings: Settings) -> DataArray:
    """Training steps to the fit, all of them where there was none."""
    return settings.steps * data.epoch.fillna(settings.epochs)


def draw(data: Dataset, settings: Settings) -> Figure:
    """Costs and what they bring, a row for each way."""
    figure, axes = plt.subplots(1, 3, figsize=(7.4, 3.6), sharey=True)
    columns = (
        (fitted_by(data, settings), f"training steps to {100 * FITTED:.0f} %"),
        (data.right, "test images right, share"),
    )
    for ax, (values, label) in zip(axes, columns, strict=False):
        dots(ax, mean(values), y="way")
        ax.axvline(float(values.sel(way=NONE).mean()), **CHANCE)
        ax.set_xlabel(label)
    far = data.distance.assign_coords(side=["anywhere", "on the components", "off them"])
    dots(axes[2], defined(far), y="way", series="side")
    axes[2].set(xlabel="distance to the boundary, $L_2$", xscale="log")
    axes[0].set_ylabel("what is limited")
    legend(figure, [({}, axes[2])])
    return figure


def summary(data: Dataset, settings: Settings) -> Summary:
    """Which ways make training longer, or worse, and what the boundary does."""
    steps = fitted_by(data, settings)
    others = [name for name in WAYS if name != NONE]
    longer = ahead(steps.sel(way=others), steps.sel(way=NONE, drop=True))
    worse = ahead(data.right.sel(way=NONE, drop=True), data.right.sel(way=others))
    slow, poor = (gap.low.way[gap.low > 0].values.tolist() for gap in (longer, worse))
    off = data.distance.sel(side="off")
    most = max(others, key=lambda name: float(off.sel(way=name).mean()))
    gain = defined(off.sel(way=most) / off.sel(way=NONE))
    sentences = (
        f"Training takes longer with {', '.join(slow) or 'none of them'}; fewer test images are "
        f"right with {', '.join(poor) or 'none of them'} (95 % for all of them together).",
        f"The boundary off the components is farthest with {most}, {gain.text()} times as far as "
        "without.",
    )
    more = {
        side: mean(steps.sel(way=f"gradient {side}, × .1") / steps.sel(way=NONE))
        for side in ("off", "on")
    }
    line = claim(
        3, "training steps with gradients off the components limited, over those without",
        more["off"], 1.0, above=True,
        beside=f"limiting them on the components makes it {more['on'].text()}",
    )  # fmt: skip
    tables = {
        "claims": [line],
        "steps to the fit": numbers(mean(steps)),
        "fitted": numbers(data.epoch.notnull().mean("trial")),
        "right": numbers(mean(data.right)),
        "distance": numbers(defined(data.distance)),
    }
    return Summary((*sentences, sentence(line)), tables)


experiment = Experiment(
    name="dimples.regularisation",
    title="What it costs to keep a network from using directions across the data",
    label="claim 3",
    provenance="derived",
    presets={
        "smoke": Settings(trials=2, width=16, points=12, k=4, epochs=3, steps=10),
        "course": Settings(),
        "paper": Settings(trials=20, points=1000, width=256, epochs=120),
    },
    run=run,
    draw=draw,
    summary=summary,
)
