"""The energy of images before an attack, after it and after ET3, and what becomes of two logits.

ET3 assumes that an attack raises the energy and that the true class gains most when it falls again.
Other steps of the same length are tried beside it: up the energy, at random, towards the class that
is predicted, and down the energy of logits less their mean, which is the same classifier.
"""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any, get_args

import jax
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from xarray import Dataset

from experiments.cells import over, together
from experiments.classifiers import KINDS, ImageSettings, scene_of
from experiments.experiment import Experiment, Progress, Summary
from experiments.plots.dots import dots
from experiments.plots.estimates import defined, mean, numbers
from experiments.plots.style import BLACK, BLUE, CHANCE, GREEN, VERMILION
from theory.attacks import apgd
from theory.attacks.losses import of_class
from theory.energy import energy, et3
from theory.energy.directions import Direction
from theory.settings import Count, Positive

STAGES = ("clean", "attacked", "after ET3")

COLOURS = dict(zip(STAGES, (BLUE, VERMILION, GREEN), strict=True))

DIRECTIONS: tuple[Direction, ...] = get_args(Direction)


@dataclass(frozen=True)
class Settings(ImageSettings):
    """MLPs attacked by APGD in L∞, and ET3 in L2 with no knowledge of each other."""

    points: Count = 360
    strength: Positive = 1.5
    """radius of the attack, in units of ε"""
    radius: Positive = 0.8
    """radius of ET3 in L2, in units of ε√d; its two steps have half that length"""
    steps: Count = 50
    """steps of APGD"""


def run(settings: Settings, key, progress: Progress) -> Dataset:
    """Over kind, trial, stage and point ``energy``, and the logits of the ``true`` class and of the
    ``false`` one that an attack arrives at, NaN where it does not; over direction in place of stage
    ``restored``, whether an attacked image is right after a step, and ``kept``, a clean one."""
    eps = settings.suited.eps
    key_train, key_test, key_attack, key_noise = jax.random.split(key, 4)
    scene = scene_of(settings, key_train, key_test)
    x, y = scene.x, scene.y
    radius = settings.radius * eps * x[0].size ** 0.5

    def one(logits, key):
        found = apgd(logits, key, x, y, settings.strength * eps, loss="ce", steps=settings.steps)
        false = logits(found.inputs).argmax(axis=1)

        def moved(x, direction: Direction = "energy"):
            return et3(logits, x, radius, radius / 2, direction=direction, key=key_noise)

        stages = [logits(at) for at in (x, found.inputs, moved(found.inputs))]
        lost = np.asarray(found.success)
        values = {
            "energy": np.stack([energy(z) for z in stages]),
            "true": np.stack([of_class(z, y) for z in stages]),
            "false": np.stack([of_class(z, false) for z in stages]),
        }
        values = {name: np.where(lost, value, np.nan) for name, value in values.items()}

        def right(images):
            return np.stack([logits(moved(images, by)).argmax(1) == y for by in DIRECTIONS])

        return values | {
            "restored": np.where(lost, right(found.inputs), np.nan),
            "kept": right(x).astype(float),
        }

    def cell(kind):
        keys = jax.random.split(key_attack, settings.trials)
        found = [one(*given) for given in zip(scene.trained("MLP", kind), keys, strict=True)]
        by: dict[str, str] = dict.fromkeys(("restored", "kept"), "direction")
        return {
            name: (("trial", by.get(name, "stage"), "point"), values)
            for name, values in together(found).items()
        }

    labels = {"trial": range(settings.trials), "stage": STAGES, "point": range(len(x))}
    labels |= {"direction": DIRECTIONS}
    return over(cell, progress, labels, kind=list(KINDS))


def draw(data: Dataset, settings: Settings) -> Figure:
    """Energies, logits and what the other steps restore; a column for each kind of network."""
    figure, axes = plt.subplots(3, 2, figsize=(7.2, 7.2), height_ratios=(2.4, 2.2, 2.2))
    for (top, middle, bottom), kind in zip(axes.T, KINDS, strict=True):
        one = data.sel(kind=kind)
        finite = one.energy.values[np.isfinite(one.energy.values)]
        bins = np.linspace(finite.min(), finite.max(), 40) if finite.size else 10
        for stage in STAGES:
            values = one.energy.sel(stage=stage).values.ravel()
            top.hist(values[np.isfinite(values)], bins, histtype="step", lw=1.5, density=True,
                     color=COLOURS[stage], label=stage)  # fmt: skip
        top.set(xlabel=r"energy $-\log\sum_k e^{f_k}$", title=f"trained on {kind}")
        for name, colour, line in (("true", BLUE, "-"), ("false", VERMILION, "--")):
            found = defined(one[name].mean("point"))
            middle.errorbar(range(3), found.centre, found.bars, color=colour, ls=line, marker="o",
                            capsize=2, label=f"{name} class")  # fmt: skip
        middle.axhline(float(one.true.sel(stage="clean").mean()), **CHANCE)
        middle.set_xticks(range(3), STAGES)
        middle.set_ylim(top=middle.get_ylim()[1] * 1.35)
        for name, colour in (("restored", GREEN), ("kept", BLACK)):
            label = "attacked images" if name == "restored" else "clean images"
            dots(bottom, defined(one[name].mean("point")), y="direction", label=label, color=colour,
                 marker="s" if name == "kept" else "o")  # fmt: skip
        bottom.set(xlabel="share classified right after two steps", xlim=(-0.03, 1.03))
        top.set_ylabel("density over images")
        middle.set_ylabel("mean logit")
    axes[0, 1].legend()
    axes[1, 1].legend(loc="upper center", ncols=2)
    axes[2, 0].legend(loc="lower center", bbox_to_anchor=(0.58, 0.02))
    return figure


def summary(data: Dataset, settings: Settings) -> Summary:
    """Whether attacks raise the energy, whether the true logit overshoots, what restores most."""
    tables: dict[str, Any] = {}
    sentences = []
    for kind in KINDS:
        one = data.sel(kind=kind)
        raised = one.energy.diff("stage")
        rises = {
            f"{before} → {after}": numbers(defined(change.mean("point")))
            for (before, after), change in zip(
                pairwise(STAGES), (raised.isel(stage=i) for i in range(2)), strict=True
            )
        }
        attacked = raised.isel(stage=0)
        higher = float((attacked > 0).sum() / np.isfinite(attacked).sum())
        shares = defined(one.restored.mean("point"))
        true = one.true.mean("point")
        over_it = defined(true.sel(stage="after ET3") - true.sel(stage="clean"))
        lost = np.isfinite(one.restored.isel(direction=0)).mean(("trial", "point"))
        tables[kind] = {
            "lost to the attack": round(float(lost), 4),
            "energy rises": rises,
            "attacked has the higher energy": round(higher, 4),
            "logits": {
                name: numbers(defined(one[name].mean("point"))) for name in ("true", "false")
            },
            "true logit after ET3, less clean": numbers(over_it),
            "restored": numbers(shares),
            "kept": numbers(mean(one.kept.mean("point"))),
        }
        if np.isnan(over_it.centre):
            sentences.append(f"Trained on {kind}: fewer than two networks lose an image.")
            continue
        sentences.append(
            f"Trained on {kind}: the attack raises the energy of {100 * higher:.0f} % of the "
            f"images that it takes; after ET3 the mean true logit less that of clean images is "
            f"{over_it.text()}, and {shares.sel(direction='energy').text()} are right again, with "
            f"centred logits {shares.sel(direction='centred').text()}, after random steps "
            f"{shares.sel(direction='random').text()}."
        )
    return Summary(tuple(sentences), tables)


experiment = Experiment(
    name="energy.histograms",
    title="Energies and logits of clean, attacked and transformed images",
    label="energy histograms",
    provenance="paper",
    presets={
        "smoke": Settings(trials=2, width=16, training=200, points=40, steps=5),
        "course": Settings(),
        "paper": Settings(trials=5, points=1000, steps=100, width=256),
    },
    run=run,
    draw=draw,
    summary=summary,
)
