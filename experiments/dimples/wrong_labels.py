"""Claim 5: a network trained on adversarial images with wrong labels alone is right on clean ones.

N1 is trained on images. Every training image s_i gets a target that is not its class, and becomes
t_i, which N1 takes for the target; N2 is trained on (t_i, target) alone, and tried on clean test
images with their own classes. Its controls have the same targets: the images as they were,
with noise as long as the perturbation, and the perturbation without the image.
"""

from dataclasses import dataclass
from functools import cache

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from xarray import Dataset

from experiments.cells import along, over, together
from experiments.classifiers import ImageSettings, alone, scene_of
from experiments.dimples.claims import claim, sentence
from experiments.experiment import Experiment, Progress, Summary
from experiments.plots.dots import dots
from experiments.plots.estimates import mean, numbers
from experiments.plots.style import BLACK, CHANCE, legend
from theory.dimples.wrong_labels import Targets, aimed, controls, targets
from theory.networks import mlp
from theory.settings import Count, Positive, Sample
from theory.training.mini_batch import train_classifiers

TARGETS: dict[Targets, str] = {"random": "random classes", "next": "the next class"}

SETS = ("adversarial images", "the images", "images with noise", "perturbations alone")


@dataclass(frozen=True)
class Settings(ImageSettings):
    """MLPs, and adversarial images in L∞."""

    trials: Sample = 5
    """pairs of networks, each with its own start and order of images"""
    points: Count = 360
    """test images"""
    strength: Positive = 2.0
    """radius of the adversarial images, in units of ε"""
    steps: Count = 50
    """steps of APGD"""


def run(settings: Settings, key, progress: Progress) -> Dataset:
    """Over kind of target, set and trial: ``own``, the accuracy of N2 on clean test images by their
    own classes, and ``next``, by the class after it; without set ``fooled``, the share of training
    images that N1 takes for their targets; by trial ``clean``, the accuracy of N1."""
    eps, training = settings.suited
    key_train, key_test, key_target, key_noise, key_second = jax.random.split(key, 5)
    scene = scene_of(settings, key_train, key_test)
    first = scene.trained("MLP", "images")
    x, y, classes = scene.seen.x, scene.seen.y, scene.classes
    test = scene.x.reshape(len(scene.x), -1)
    radius = settings.strength * eps

    @cache
    def sets(kind: Targets, trial: int):
        target = targets(kind, jax.random.fold_in(key_target, trial), y, classes)
        found, fooled = aimed(first[trial], x, target, radius, steps=settings.steps)
        others = controls(jax.random.fold_in(key_noise, trial), x, found)
        return target, fooled, {SETS[0]: found} | others

    def one(kind, name, trial):
        target, fooled, images = sets(kind, trial)
        each = jax.random.fold_in(key_second, trial)
        start = mlp(each, (x.shape[1], settings.width, settings.width, classes))
        start = jax.tree.map(lambda leaf: leaf.astype(x.dtype), start)
        given = images[name], target, 2e-3
        second = alone(train_classifiers, start, each, *given, steps=training)
        guess = second.logits(test).argmax(axis=1)
        return {
            "own": np.mean(guess == scene.y),
            "next": np.mean(guess == (scene.y + 1) % classes),
            "fooled": float(fooled),
        }

    def cell(kind, name):
        found = [one(kind, name, trial) for trial in range(settings.trials)]
        return along(together(found), "trial")

    labels = {"trial": range(settings.trials)}
    data = over(cell, progress, labels, kind=list(TARGETS), set=list(SETS))
    clean = [float(jnp.mean(net(test).argmax(axis=1) == scene.y)) for net in first]
    return data.assign(
        fooled=data.fooled.isel(set=0, drop=True), clean=("trial", clean)
    ).assign_attrs(classes=classes)


def draw(data: Dataset, settings: Settings) -> Figure:
    """Accuracy of N2 on clean images, by what it was trained on."""
    figure, ax = plt.subplots(figsize=(6.4, 3.0))
    given = {kind: {"label": f"targets: {words}"} for kind, words in TARGETS.items()}
    dots(ax, mean(data.own), y="set", series="kind", given=given)
    ax.axvline(1 / data.attrs["classes"], **CHANCE, label="chance")
    ax.axvline(float(data.clean.mean()), color=BLACK, lw=1, ls="--", label="N1")
    ax.set(xlabel="accuracy of N2 on clean test images", xlim=(-0.03, 1.03))
    ax.set_ylabel("N2 is trained on")
    legend(figure, [({}, ax)], ncols=4)
    return figure


def summary(data: Dataset, settings: Settings) -> Summary:
    """How right N2 is on clean images, and its controls."""
    found = mean(data.own)
    chance = 1 / data.attrs["classes"]
    sentences = []
    for kind, words in TARGETS.items():
        own = {name: found.sel(kind=kind, set=name) for name in SETS}
        above = float(own[SETS[0]].low) > max(chance, *(float(own[c].high) for c in SETS[1:3]))
        controls = ", ".join(f"{name} {own[name].text()}" for name in SETS[1:])
        sentences.append(
            f"Targets are {words}: trained on adversarial images N2 has {own[SETS[0]].text()} of "
            f"clean test images right, trained on {controls}; chance is {chance:.2f}. It is "
            f"{'above' if above else 'not above'} chance and what images alone and images with "
            "noise give."
        )
    own = found.sel(kind="random")
    line = claim(
        5, "accuracy on clean test images, targets at random", own.sel(set=SETS[0]), chance,
        above=True, beside=f"perturbations without images give {own.sel(set=SETS[3]).text()}",
    )  # fmt: skip
    tables = {name: numbers(mean(data[name])) for name in ("own", "next", "fooled", "clean")}
    return Summary((*sentences, sentence(line)), {"claims": [line], **tables})


experiment = Experiment(
    name="dimples.wrong-labels",
    title="Trained on adversarial images with wrong labels alone",
    label="claim 5",
    provenance="paper",
    presets={
        "smoke": Settings(trials=2, width=16, training=60, points=20, steps=5),
        "course": Settings(),
        "paper": Settings(trials=20, points=1000, width=256, steps=100),
    },
    run=run,
    draw=draw,
    summary=summary,
)
