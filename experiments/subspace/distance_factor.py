"""How far the boundary is, on the data's subspace and off it, when the first layer is divided.

Networks of three layers without biases. S6 has the gradient off the subspace proportional to the
size of the initial weights, so that the distance off it is to grow in proportion to the factor,
and the distance anywhere up to that on the subspace. The data of a first author's figure
stand beside ours. Images are taken twice: on a subspace, spanned by principal components, and as
they are after PCA, shifted by the mean image. That plane misses the origin, the weights along the
mean are trained, and the distance off the components cannot grow beyond what they give.
"""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax
from jaxtyping import Array, Float
from matplotlib.figure import Figure
from xarray import DataArray, Dataset

from experiments.cells import along, every, over
from experiments.data.images import load_images
from experiments.distances import all_found, identity
from experiments.errors import UsageError
from experiments.experiment import Experiment, Progress, Summary
from experiments.plots.curves import curves
from experiments.plots.estimates import defined, mean, numbers
from experiments.plots.style import BLACK, CHANCE, ORANGE, SKY, THEORY, legend, logarithmic, looks
from theory.attacks.restricted import SIDES, follow
from theory.geometry import principal, random_subspace
from theory.settings import Count, Increasing, Positive, Sample
from theory.settings import Settings as Foundation
from theory.subspace.divided import Homogeneous, homogeneous, in_plane
from theory.training import train
from theory.training.losses import logistic
from theory.training.mini_batch import descend

SPHERE, LINEAR, AFFINE = "sphere", "images, linear", "images, affine"

PUBLISHED = {
    SPHERE: {
        0.5: (1.651, 5.166, 1.730),
        1.0: (2.320, 4.750, 2.622),
        3.0: (3.849, 4.489, 7.289),
        5.0: (4.188, 4.434, 12.33),
        7.0: (4.266, 4.389, 17.45),
    },
    AFFINE: {
        1.0: (1.080, 1.254, 2.328),
        3.0: (1.111, 1.177, 5.127),
        5.0: (1.157, 1.216, 6.763),
        7.0: (1.194, 1.252, 7.733),
    },
}
"""Distances as of `SIDES`, by factor: the published data, their images MNIST's. Five networks of
width 784 on a sphere of dimension 32 and radius 28 with random labels. How many points there were,
how long training was and which classes images had is not known: the number of points and the
length of training on images were chosen here so that the smallest and largest factors fit."""

WORDS = {"std": "anywhere", "on": "on the subspace", "off": "off it"}
LOOKS = looks(SIDES, {side: {"label": words} for side, words in WORDS.items()})

SCENES = {
    SPHERE: {"color": BLACK, "marker": "o"},
    LINEAR: {"color": SKY, "marker": "s"},
    AFFINE: {"color": ORANGE, "marker": "D"},
}

HELD = 0.9
"""Momentum of gradient descent."""


@dataclass(frozen=True)
class Settings(Foundation):
    """Networks of two hidden layers, trained by gradient descent with momentum."""

    dataset: str = "digits"
    """images of which the class is whether it is odd; as of every experiment with images"""
    trials: Sample = 5
    """networks"""
    width: Count = 256
    """neurons of each hidden layer"""
    factors: Increasing[Positive] = (0.5, 1.0, 3.0, 5.0, 7.0)
    """what the initial weights of the first layer are divided by"""
    d: Count = 784
    """input dimension of the sphere's points; their norm is √d"""
    k: Count = 32
    """dimension of the sphere's subspace, and components of images"""
    samples: Sample = 320
    """points of the sphere, of two classes at random"""
    margin: Positive = 1.0
    """on the sphere training stops when every y f(x) is at least this"""
    learning_rate: Positive = 0.005
    """on the sphere"""
    most: Count = 5000
    """training steps on the sphere, at most"""
    rate: Positive = 0.02
    """step size on images, of batches of 200"""
    training: Count = 1000
    """training steps on images"""
    points: Count = 100
    """training points whose distance is measured"""

    def __post_init__(self):
        super().__post_init__()
        if self.points > self.samples:
            raise ValueError(f"points is {self.points} and may be samples = {self.samples} at most")


class Scene(NamedTuple):
    """Points of a plane, and a subspace.

    Attributes:
        z: coordinates on the span of the points.
        y: labels ±1.
        span: orthonormal columns.
        basis: of the subspace on and off which distances are measured; the span's first columns.
    """

    z: Float[Array, "n s"]
    y: Float[Array, " n"]
    span: Float[Array, "d s"]
    basis: Float[Array, "d k"]


def scenes_of(settings: Settings, key) -> dict[str, Scene]:
    """Points of a sphere with random labels; images by their parity, without their mean and with.

    Raises:
        UsageError: images have too few pixels.
    """
    key_plane, key_z, key_y, key_order = jax.random.split(key, 4)
    images = load_images(settings.dataset)
    x = jnp.asarray(images.x_train, jnp.float32).reshape(len(images.x_train), -1)
    if settings.k >= x.shape[1]:
        raise UsageError(
            f"--k is {settings.k}, and images of {settings.dataset} have {x.shape[1]} pixels: give "
            "a smaller one."
        )
    plane = random_subspace(key_plane, settings.d, settings.k).basis.astype(x.dtype)
    z = jax.random.normal(key_z, (settings.samples, settings.k), x.dtype)
    z = settings.d**0.5 * z / jnp.linalg.norm(z, axis=1, keepdims=True)
    random = jax.random.rademacher(key_y, (settings.samples,), x.dtype)
    order = jax.random.permutation(key_order, len(x))
    x, odd = x[order], jnp.asarray(images.y_train)[order] % 2
    parity = (1 - 2 * odd).astype(x.dtype)
    basis = principal(x, settings.k)
    average = jnp.mean(x, axis=0)
    off = average - basis @ (basis.T @ average)
    far = jnp.linalg.norm(off)
    on = x @ basis
    span = jnp.concatenate([basis, (off / far)[:, None]], axis=1)
    return {
        SPHERE: Scene(z, random, plane, plane),
        LINEAR: Scene(on, parity, basis, basis),
        AFFINE: Scene(
            jnp.concatenate([on, jnp.full((len(x), 1), far)], axis=1), parity, span, basis
        ),
    }


def run(settings: Settings, key, progress: Progress) -> Dataset:
    """Over scene, factor, trial, side and point the ``distance`` to the boundary in L2; without
    side and point ``fitted``, the share of training points that are right."""
    key_data, key_nets = jax.random.split(key)
    scenes = scenes_of(settings, key_data)
    to_margin = optax.sgd(settings.learning_rate, momentum=HELD)
    by_batches = optax.sgd(settings.rate, momentum=HELD)

    def trained(net: Homogeneous, z, y, full: bool) -> Homogeneous:
        if full:
            most, margin = settings.most, settings.margin
            return train(net, z, y, optimizer=to_margin, steps=most, margin=margin).network

        def loss(net, data):
            return jnp.mean(logistic(data[1] * net(data[0])))

        steps = settings.training
        return descend(loss, net, (z, y), optimizer=by_batches, steps=steps, batch=200)[0]

    def member(full: bool):
        def one(factor, z, y, span, basis, key):
            start = homogeneous(key, (len(span), settings.width, settings.width, 1), factor)
            start = in_plane(jax.tree.map(lambda leaf: leaf.astype(z.dtype), start), span)
            end = start._replace(network=trained(start.network, z, y, full))
            some = z[: settings.points] @ span.T
            logits = end.whole.logits
            predicted = jnp.argmax(logits(some), axis=1)
            sides = [follow(logits, some, predicted, basis, side) for side in SIDES]
            return {
                "distance": jnp.stack([side.distance for side in sides]),
                "fitted": jnp.mean(y * end.network(z) > 0),
            }

        return every(one)

    programs = {full: member(full) for full in (True, False)}

    def cell(name, factor):
        scene = scenes[name]
        measured = programs[name == SPHERE](key_nets, settings.trials, factor, *scene)
        return along(measured, "trial", "side", "point")

    labels = {"trial": range(settings.trials), "side": SIDES, "point": range(settings.points)}
    return over(cell, progress, labels, scene=list(scenes), factor=list(settings.factors))


def far(data: Dataset) -> DataArray:
    """The mean distance over the points of a network at which all three were found."""
    return data.distance.where(all_found(data)).mean("point")


def published(settings: Settings) -> dict[str, DataArray]:
    """What was published, over factor and side, of the scenes that are the same here."""
    same = {SPHERE: settings.d == 784, AFFINE: settings.dataset == "mnist"}
    return {
        name: DataArray(list(given.values()), {"factor": list(given), "side": list(SIDES)})
        for name, given in PUBLISHED.items()
        if same[name] and settings.k == 32
    }


def draw(data: Dataset, settings: Settings) -> Figure:
    """Distances against the factor, a panel for each scene; the identity in the last."""
    figure, axes = plt.subplots(2, 2, figsize=(7.2, 6.4), sharex=True)
    theirs, one = published(settings), settings.factors[1 if len(settings.factors) > 1 else 0]
    factors = np.array(settings.factors)
    titles = {
        SPHERE: f"sphere of dimension {settings.k} in $R^{{{settings.d}}}$",
        LINEAR: f"{settings.dataset}, on {settings.k} components",
        AFFINE: f"{settings.dataset}, on them and shifted by the mean",
    }
    for ax, (name, title) in zip(axes.flat, titles.items(), strict=False):
        ours = mean(far(data).sel(scene=name))
        curves(ax, ours, x="factor", series="side", given=LOOKS)
        there = float(ours.centre.sel(side="off", factor=one))
        ax.plot(factors, there * factors / one, **THEORY, label="proportional to the factor (S6)")
        for side, look in LOOKS.items() if name in theirs else ():
            given = theirs[name].sel(side=side)
            ax.plot(given.factor, given, "x", ms=7, mew=1.6, color=look["color"])
        logarithmic(ax, settings.factors)
        ax.set(title=title, ylabel="mean distance to the boundary, $L_2$")
    if theirs:
        axes[0, 0].plot([], [], "kx", ms=7, mew=1.6, label="published")
    ax = axes[1, 1]
    curves(ax, mean(identity(far(data))), x="factor", series="scene", given=SCENES)
    ax.axhline(1, **CHANCE)
    for name, given in theirs.items():
        ax.plot(given.factor, identity(given), "x", ms=7, mew=1.6, color=SCENES[name]["color"])
    logarithmic(ax, settings.factors)
    ax.set(yscale="linear", title="a linear model would have 1 (D2)")
    ax.set_ylabel(r"$\delta_{std}^2(\delta_{on}^{-2} + \delta_{off}^{-2})$")
    ax.legend(fontsize=7)
    for ax in axes[1]:
        ax.set_xlabel("factor that divides the first layer")
    legend(figure, [({}, axes[0, 0])], ncols=3)
    return figure


def summary(data: Dataset, settings: Settings) -> Summary:
    """How the distance off the subspace grows with the factor, and how far ours are from theirs."""
    ours = far(data)
    tables = {
        "distance": numbers(mean(ours)),
        "identity": numbers(mean(identity(ours))),
        "fitted": numbers(defined(data.fitted)),
    }
    first, last = settings.factors[0], settings.factors[-1]
    off = ours.sel(side="off")
    growth = mean(off.sel(factor=last) / off.sel(factor=first) * first / last)
    said = ", ".join(f"{growth.sel(scene=name).text()} ({name})" for name in data.scene.values)
    sentences = [
        f"Of the growth by {last / first:g} that S6 has from a factor of {first:g} to {last:g} the "
        f"distance off the subspace shows {said}."
    ]
    for name, theirs in published(settings).items():
        shared = [factor for factor in settings.factors if factor in theirs.factor]
        if not shared:
            continue
        gap = (ours.mean("trial").sel(scene=name, factor=shared) / theirs.sel(factor=shared)) - 1
        tables[f"against the published, {name}"] = numbers(gap, 3)
        near = int((np.abs(gap) <= 0.15).sum())
        sentences.append(
            f"Of the {gap.size} published distances ({name}) ours are within 15 % of {near}; the "
            f"farthest is off by {100 * float(np.abs(gap).max()):.0f} %."
        )
    return Summary(tuple(sentences), tables)


experiment = Experiment(
    name="subspace.distance-factor",
    title="Distance to the boundary, on and off the subspace, by the size of the first layer",
    label="distance by factor",
    provenance="paper",
    presets={
        "smoke": Settings(
            trials=2, width=16, d=40, k=8, samples=20, points=10, margin=0.1, most=300, training=60,
            factors=(1.0, 3.0),
        ),
        "course": Settings(),
        "paper": Settings(width=784, points=300),
    },
    run=run,
    draw=draw,
    summary=summary,
)  # fmt: skip
