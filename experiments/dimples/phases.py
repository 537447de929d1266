"""Claims 1 and 2: does the boundary first come close to the data, and only then separate them? And
do gradients point off the manifold?

Along training, for points of the training set: how far the boundary is, by an attack with bisection
and so at most, how many points are on the right side, and how much of the gradient is off the
subspace of the data, beside what a gradient in a random direction has. Half of the distance to the
nearest point of another class is what a boundary midway between classes would be at. That gradients
off a subspace are large is a theorem, which is put on trial here at the same dimensions.
"""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from xarray import Dataset

from experiments.cells import along, every, over
from experiments.classifiers import ImageSettings, scene_of
from experiments.dimples import line
from experiments.dimples.claims import claim, sentence
from experiments.experiment import Experiment, Progress, Summary
from experiments.plots.curves import curves
from experiments.plots.estimates import mean, numbers
from experiments.plots.style import BLUE, CHANCE, GREEN, THEORY, VERMILION
from theory.attacks.restricted import follow, share_off
from theory.geometry import principal, random_subspace
from theory.networks import mlp
from theory.settings import Count, Sample
from theory.subspace import settings as theirs
from theory.subspace.theorems import large_gradient
from theory.training.mini_batch import cross_entropy, watch
from theory.training.updates import annealed_adam

SUBSPACE = "random labels on a subspace"


@dataclass(frozen=True)
class Settings(ImageSettings):
    """MLPs of two hidden layers, trained by Adam on images and on points of a subspace."""

    trials: Sample = 5
    """networks, each with its own start and order of images"""
    points: Count = 100
    """training points whose distance is followed"""
    d: Count = 64
    """input dimension of the points of a subspace"""
    k: Count = 16
    """dimension of the subspace, and of that of the images' principal components"""
    samples: Sample = 200
    """points of the subspace, of two classes at random"""
    scenes: Sample = 200
    """scenes of the theorem"""
    epochs: Count = 48
    """measurements after the start"""
    steps: Count = 8
    """training steps of 128 points between them"""


def run(settings: Settings, key, progress: Progress) -> Dataset:
    """Over scene, trial and epoch ``distance``, the median over points of that to the boundary;
    ``right``, the share of them classified right; ``off``, the mean share ‖Π_{P⊥}∇‖/‖∇‖ of the
    margin's gradient. By scene ``null``, what it is of a random gradient, and ``midway``. By
    trial of the theorem whether it ``held``."""
    key_data, key_y, key_p, key_test, key_nets = jax.random.split(key, 5)
    images = scene_of(settings, key_data, key_test)
    plane = random_subspace(key_p, settings.d, settings.k).basis
    points = jax.random.normal(key_data, (settings.samples, settings.k)) @ plane.T
    labels = jax.random.bernoulli(key_y, shape=(settings.samples,)).astype(int)
    scenes = {
        SUBSPACE: (points, labels, 2, plane),
        settings.dataset: (
            *(part.astype(float) if part.ndim > 1 else part for part in images.seen),
            images.classes,
            principal(images.seen.x.astype(float), settings.k),
        ),
    }
    program = {name: every(_along(settings, scene[2])) for name, scene in scenes.items()}
    axes = {"trial": range(settings.trials), "epoch": range(settings.epochs + 1)}

    def cell(name):
        x, y, _, basis = scenes[name]
        found = program[name](key_nets, settings.trials, x, y, basis)
        d, (some, labels) = x.shape[1], (x[: settings.points], y[: settings.points])
        # Of 60 000 images the differences themselves would take tens of gigabytes.
        squares = jnp.sum(some**2, axis=1)[:, None] + jnp.sum(x**2, axis=1)[None]
        squares = jnp.where(labels[:, None] == y[None], jnp.inf, squares - 2 * some @ x.T)
        midway = np.median(np.sqrt(np.maximum(squares.min(axis=1), 0))) / 2
        return along(found, *axes) | {
            "null": ((), np.sqrt(1 - settings.k / d)),
            "midway": ((), midway),
        }

    data = over(cell, progress, axes, scene=list(scenes))
    asked = of_theorem(settings)
    found = every(lambda key: large_gradient.trial(asked, key)._asdict())(key_p, settings.scenes)
    held = found["measured"] >= found["predicted"]
    return data.assign(held=("scene_of_theorem", held[found["given"]]))


def of_theorem(settings: Settings) -> theirs.Settings:
    """The theorem's settings, at the dimensions of the points of a subspace."""
    return theirs.Settings(d=settings.d, ell=settings.d - settings.k)


def _along(settings: Settings, classes: int):
    """One network trained and measured."""

    def one(x, y, basis, key):
        key_net, key_order = jax.random.split(key)
        some, labels = x[: settings.points], y[: settings.points]

        def measure(net):
            z = net.logits(some)
            predicted = jnp.argmax(z, axis=1)
            return {
                "distance": jnp.median(follow(net.logits, some, predicted, basis, "std").distance),
                "right": jnp.mean(predicted == labels),
                "off": jnp.mean(share_off(net.logits, some, predicted, basis)),
            }

        order = jax.random.permutation(key_order, len(x))
        return watch(
            cross_entropy, mlp(key_net, (x.shape[1], settings.width, settings.width, classes)),
            (x[order], y[order]), measure,
            optimizer=annealed_adam(2e-3, settings.epochs * settings.steps),
            epochs=settings.epochs, steps=settings.steps, batch=128,
        )[1]  # fmt: skip

    return one


def draw(data: Dataset, settings: Settings) -> Figure:
    """Distances, signs and gradients along training; a row for each scene."""
    figure, axes = plt.subplots(data.sizes["scene"], 3, figsize=(7.4, 4.8), sharex=True)
    labels = {
        "distance": ("median distance to the boundary", BLUE),
        "right": ("share of points right", GREEN),
        "off": (r"$\Vert\Pi_{P^\perp}\nabla\Vert / \Vert\nabla\Vert$", VERMILION),
    }
    at = settings.steps * data.epoch
    data = data.assign_coords(step=at)
    for row, scene in zip(axes, data.scene.values.tolist(), strict=True):
        one = data.sel(scene=scene)
        for ax, (name, (label, colour)) in zip(row, labels.items(), strict=True):
            curves(ax, mean(one[name]), x="step", band=True, color=colour, marker=None)
            ax.set_ylabel(label)
        row[0].axhline(float(one.midway), **CHANCE)
        row[0].text(at[-1], float(one.midway), "midway to another class", ha="right", va="bottom",
                    fontsize=7)  # fmt: skip
        row[0].set_ylim(0, 1.25 * float(one.midway))
        row[1].set_ylim(0, 1.03)
        row[2].axhline(float(one["null"]), **THEORY)
        row[2].text(at[-1], float(one["null"]), "random gradient", ha="right", va="bottom",
                    fontsize=7)  # fmt: skip
        row[1].set_title(scene)
    for ax in axes[-1]:
        ax.set_xlabel("training steps")
    return figure


def phases(data: Dataset) -> Dataset:
    """Of every network: the first epoch at which nine in ten points are ``right``, NaN if none; the
    least ``distance`` until then over that at the ``start`` of training, and over ``midway``."""
    found = line.phases(data.distance, data.right >= 0.9)
    return xr.Dataset(
        {
            "right": found["first"],
            "of the start": found.least / data.distance.isel(epoch=0),
            "of midway": found.least / data.midway,
        }
    )


def summary(data: Dataset, settings: Settings) -> Summary:
    """How near the boundary came before the points were right, and where gradients point."""
    found = phases(data)
    sentences = []
    for scene in data.scene.values.tolist():
        one, net = data.sel(scene=scene), found.sel(scene=scene)
        start, end = (mean(one.off.isel(epoch=at)).text() for at in (0, -1))
        sentences.append(
            f"{scene[0].upper()}{scene[1:]}: until nine in ten points are right the median "
            f"distance to the boundary is at least {mean(net['of midway']).text()} of that midway "
            f"to another class, {mean(net['of the start']).text()} of that at the start; the "
            "gradient's part "
            f"off the subspace goes from {start} to {end}, that of a random one is "
            f"{float(one['null']):.2f}."
        )
    images, net = data.sel(scene=settings.dataset), found.sel(scene=settings.dataset)
    lines = [
        claim(
            1, "least distance until nine in ten points are right, over that at the start",
            mean(net["of the start"]), 1.0, above=False,
        ),
        claim(
            2, "share of gradients off the components, after training",
            mean(images.off.isel(epoch=-1)), float(images["null"]), above=True,
            beside="subspace.large-gradient, that they are large off a subspace, held in "
            f"{int(data.held.sum())} of {data.held.size} trials; it asks for "
            f"{100 * (1 - np.exp(-of_theorem(settings).ell / 16)):.0f} %",
        ),
    ]  # fmt: skip
    sentences += map(sentence, lines)
    tables: dict[str, Any] = {"claims": lines}
    tables |= {str(name): numbers(mean(values)) for name, values in found.data_vars.items()}
    tables |= {name: numbers(data[name]) for name in ("null", "midway")}
    return Summary(tuple(sentences), tables)


experiment = Experiment(
    name="dimples.phases",
    title="Distance to the boundary, signs and gradients along training",
    label="claim 1",
    provenance="derived",
    presets={
        "smoke": Settings(
            trials=2, width=16, points=12, samples=40, scenes=20, epochs=3, steps=4, d=12, k=4
        ),
        "course": Settings(),
        "paper": Settings(trials=20, points=1000, width=256, epochs=120),
    },
    run=run,
    draw=draw,
    summary=summary,
)
