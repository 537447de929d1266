"""ET3 in front of a zero-shot classifier, whose logits are 100·cos(image, prompt).

A small CLIP is trained here: captions name an image's class and, half of the time each, whether it
is bold and which way it leans. The classes' own prompts decide; the energy is that of the same
prompts, or of a larger set of labels, every class in every way.
"""

from dataclasses import dataclass
from itertools import product
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from jax.tree_util import Partial
from matplotlib.figure import Figure
from xarray import Dataset

from experiments.cells import over
from experiments.classifiers import ImageSettings, logits, members, scene_of
from experiments.experiment import Experiment, Progress, Summary
from experiments.plots.dots import dots
from experiments.plots.estimates import ahead, mean, numbers
from experiments.plots.style import BLACK, BLUE, SKY, VERMILION, legend
from theory.energy.adaptive import Rung, climb, kept
from theory.energy.dual import ZeroShot, dual_encoder, harden, train_dual
from theory.energy.et3 import Defended
from theory.settings import Count, Positive, Sample

KINDS = ("captions", "captions, hardened")
"""What dual encoders are trained on; the image tower on adversarial examples afterwards."""

ALONE = "alone"

GUIDES = (ALONE, "dataset labels", "proxy labels")
"""No defence, and ET3 by whose labels its energy is made of."""

RUNGS: tuple[Rung, ...] = ("transfer", "identity", "unrolled")

CLEAN, WORST = "none", "worst of them"

LOOKS = {
    ALONE: {"color": BLACK, "marker": "o"},
    "dataset labels": {"color": VERMILION, "marker": "s"},
    "proxy labels": {"color": BLUE, "marker": "D"},
}


@dataclass(frozen=True)
class Settings(ImageSettings):
    """Dual encoders with MLPs as image towers."""

    trials: Sample = 5
    """dual encoders, each with its own start and order of images"""
    features: Count = 32
    """dimension of the common space"""
    strength: Positive = 1.0
    """radius of the attack in L∞, in units of ε"""
    radius: Positive = 0.8
    """radius of ET3 in L2, in units of ε√d; its two steps have half that length"""
    steps: Count = 20
    """steps of APGD"""


def ways(x: np.ndarray) -> np.ndarray:
    """Of every image whether it is bolder, and leans more, than half of them; (n, 2) of 0 and 1."""
    grey = x if x.ndim == 3 else x.mean(axis=3)
    ink = grey.sum(axis=(1, 2))
    rows, columns = (np.linspace(-1, 1, size) for size in grey.shape[1:])
    lean = np.einsum("nij,i,j->n", grey, rows, columns) / np.maximum(ink, 1e-9)
    return np.stack([ink > np.median(ink), lean > np.median(lean)], axis=1).astype(int)


def prompts_of(classes: np.ndarray, how: np.ndarray, count: int, said: np.ndarray) -> np.ndarray:
    """Words of prompts: one of ``count`` classes, and of two opposites of each way that is said.

    Example:
        >>> one = np.array([1])
        >>> prompts_of(one, np.array([[0, 1]]), 3, np.array([[True, False]])).tolist()
        [[0.0, 1.0, 0.0, 1.0, 0.0, 0.0, 0.0]]
    """
    named = np.eye(count)[classes]
    each = np.stack([1 - how, how], axis=2) * said[:, :, None]
    return np.concatenate([named, each.reshape(len(classes), -1)], axis=1)


def run(settings: Settings, key, progress: Progress) -> Dataset:
    """Over kind, guide, attack and trial ``kept``, the share of images that stay right."""
    eps, training = settings.suited
    key_train, key_test, key_said, key_attack = jax.random.split(key, 4)
    scene = scene_of(settings, key_train, key_test)
    x, y, seen, classes = scene.x, scene.y, scene.seen, scene.classes
    shape = (len(seen.x), *x.shape[1:])
    said = np.asarray(jax.random.bernoulli(key_said, shape=(len(seen.x), 2)))
    how = ways(np.asarray(seen.x).reshape(shape))
    captions = prompts_of(np.asarray(seen.y), how, classes, said)
    names = np.arange(classes)
    nothing = np.zeros((classes, 2), int)
    own = prompts_of(names, nothing, classes, nothing.astype(bool))
    every = np.array(list(product((0, 1), (0, 1))))
    many = np.repeat(names, len(every)), np.tile(every, (classes, 1))
    proxy = prompts_of(*many, classes, np.ones_like(many[1], bool))
    captions, own, proxy = (jnp.asarray(words, jnp.float32) for words in (captions, own, proxy))
    keys = jax.random.split(key_train, settings.trials)
    start = jax.vmap(
        lambda key: dual_encoder(
            key, seen.x.shape[1], own.shape[1], settings.width, settings.features
        )
    )(keys)
    start = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), start)
    duals = train_dual(start, keys, seen.x, captions, 2e-3, steps=training)
    hard = harden(duals, keys, seen, own, 1e-3, eps, steps=training, batch=128, ascents=5)
    trained = dict(zip(KINDS, (duals, hard), strict=True))
    size = jnp.asarray(settings.radius * eps * x[0].size ** 0.5, x.dtype)

    def one(dual, guide, key):
        classifier = Partial(logits, ZeroShot(dual, own))
        by = Defended(
            classifier,
            0 * size if guide == ALONE else size,
            size / 2,
            guide=Partial(logits, ZeroShot(dual, proxy)) if guide == "proxy labels" else classifier,
        )
        stands = {CLEAN: np.asarray(by(x).argmax(axis=1) == y)}
        for rung, each in zip(RUNGS, jax.random.split(key, len(RUNGS)), strict=True):
            found = climb(rung, by, each, x, y, settings.strength * eps, steps=settings.steps)
            stands[rung] = np.asarray(kept([found]))
        stands[WORST] = np.all(list(stands.values()), axis=0)
        return [hit.mean() for hit in stands.values()]

    def cell(kind, guide):
        nets = members(trained[kind], settings.trials)
        attack_keys = jax.random.split(key_attack, settings.trials)
        found = [one(net, guide, each) for net, each in zip(nets, attack_keys, strict=True)]
        return {"kept": (("trial", "attack"), np.array(found))}

    labels = {"trial": range(settings.trials), "attack": [CLEAN, *RUNGS, WORST]}
    data = over(cell, progress, labels, kind=list(KINDS), guide=list(GUIDES))
    return data.assign_attrs(eps=settings.strength * eps)


def draw(data: Dataset, settings: Settings) -> Figure:
    """Accuracy under every attack, a panel for each kind of dual encoder."""
    figure, axes = plt.subplots(1, 2, figsize=(7.2, 3.2), sharey=True)
    for ax, kind in zip(axes, KINDS, strict=True):
        dots(ax, mean(data.kept.sel(kind=kind)), y="attack", series="guide", given=LOOKS)
        ax.axhspan(-0.5, 0.5, color=SKY, alpha=0.15, lw=0)
        ax.set(xlabel=f"accuracy, $\\varepsilon$ = {data.attrs['eps']:.3g}", title=kind)
        ax.set_xlim(-0.03, 1.03)
    axes[0].set_ylabel("attack")
    legend(figure, [({}, axes[0])])
    return figure


def summary(data: Dataset, settings: Settings) -> Summary:
    """What ET3 gains by transferred attacks and in the worst case, by whose labels."""
    tables: dict[str, Any] = {kind: numbers(mean(data.kept.sel(kind=kind))) for kind in KINDS}
    sentences = []
    for kind in KINDS:
        one = data.kept.sel(kind=kind)
        asked = one.sel(attack=["transfer", WORST]).transpose("trial", "guide", "attack")
        base = asked.sel(guide=ALONE, drop=True)
        gain = ahead(asked.sel(guide=list(GUIDES[1:])), base)  # all four together
        tables[kind] |= {"gain": numbers(gain)}
        said = "; ".join(
            f"with {guide} {gain.sel(guide=guide, attack='transfer').text(3)} under transferred "
            f"attacks, {gain.sel(guide=guide, attack=WORST).text(3)} in the worst case"
            for guide in GUIDES[1:]
        )
        sentences.append(f"Trained on {kind}: ET3 gains {said}.")
    return Summary(tuple(sentences), tables)


experiment = Experiment(
    name="energy.zero-shot",
    title="ET3 in front of a zero-shot classifier",
    label="zero-shot classification",
    provenance="derived",
    presets={
        "smoke": Settings(trials=2, width=16, features=8, training=60, points=20, steps=3),
        "course": Settings(),
        "paper": Settings(trials=5, points=1000, steps=100, width=256, features=64),
    },
    run=run,
    draw=draw,
    summary=summary,
)
