"""What ET3 gains by its radius, steps and step size, under attacks that know it or do not."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.cm import ScalarMappable
from matplotlib.colors import Normalize
from matplotlib.figure import Figure
from xarray import Dataset

from experiments.cells import over
from experiments.classifiers import ImageSettings, scene_of
from experiments.experiment import Experiment, Progress, Summary
from experiments.plots.estimates import mean, numbers
from theory.energy.adaptive import Rung, climb, kept
from theory.energy.et3 import Defended
from theory.settings import Count, Increasing, Positive, Rising, Sample

ATTACKS: dict[Rung, str] = {"transfer": "transferred", "unrolled": "unrolled"}

CENTRED: dict[str, Any] = {"ha": "center", "va": "center", "fontsize": 7}


@dataclass(frozen=True)
class Settings(ImageSettings):
    """MLPs trained on adversarial examples, attacked in L∞."""

    trials: Sample = 5
    """networks, each with its own start and order of images"""
    strength: Positive = 2.0
    """radius of the attack, in units of ε"""
    counts: Rising = (1, 2, 5)
    """steps of ET3"""
    radii: Increasing[Positive] = (0.2, 0.4, 0.8, 1.6)
    """radius of ET3 in L2, in units of ε√d"""
    sizes: Increasing[Positive] = (0.25, 0.5, 1.0)
    """length of its steps, in units of its radius"""
    steps: Count = 20
    """steps of APGD"""


def run(settings: Settings, key, progress: Progress) -> Dataset:
    """Over attack, count, radius, size and trial ``gain``, the accuracy left with ET3 less that
    without; over all but attack ``clean``, the same with no attack."""
    eps = settings.suited.eps
    key_train, key_test, key_attack = jax.random.split(key, 3)
    scene = scene_of(settings, key_train, key_test)
    x, y = scene.x, scene.y
    unit, at = eps * x[0].size ** 0.5, settings.strength * eps
    nets = scene.trained("MLP", "adversarial examples")
    keys = jax.random.split(key_attack, settings.trials)

    def left(rung: Rung, by: Defended, key):
        return float(jnp.mean(kept([climb(rung, by, key, x, y, at, steps=settings.steps)])))

    def clean(f):
        return float(jnp.mean(f(x).argmax(axis=1) == y))

    alone = {}

    def cell(count, radius, size):
        length = jnp.asarray(radius * unit, x.dtype)
        gains, changes = [], []
        for trial, (net, each) in enumerate(zip(nets, keys, strict=True)):
            by = Defended(net, length, jnp.asarray(size, x.dtype) * length, steps=count)
            if trial not in alone:
                alone[trial] = [left(rung, by.alone(), each) for rung in ATTACKS]
            gains.append(np.subtract([left(rung, by, each) for rung in ATTACKS], alone[trial]))
            changes.append(clean(by) - clean(net))
        return {"gain": (("trial", "attack"), np.array(gains)), "clean": (("trial",), changes)}

    labels = {"trial": range(settings.trials), "attack": list(ATTACKS)}
    cells = {"count": settings.counts, "radius": settings.radii, "size": settings.sizes}
    data = over(cell, progress, labels, **cells)
    return data.assign_attrs(eps=at)


def draw(data: Dataset, settings: Settings) -> Figure:
    """A heat map for each number of steps; clean images above, both attacks below."""
    rows = {"clean": data.clean} | {
        name: data.gain.sel(attack=rung) for rung, name in ATTACKS.items()
    }
    figure, axes = plt.subplots(
        len(rows), data.sizes["count"], figsize=(7.2, 6.4), squeeze=False, sharex=True, sharey=True
    )
    most = 100 * float(np.abs(data.gain.mean("trial")).max()) or 1.0
    colours = ScalarMappable(Normalize(-most, most), "PuOr")
    for line, (name, values) in zip(axes, rows.items(), strict=True):
        for ax, count in zip(line, data["count"].values, strict=True):
            shown = 100 * values.sel(count=count).mean("trial").transpose("size", "radius").values
            ax.imshow(shown, cmap=colours.cmap, norm=colours.norm, origin="lower")
            for i, j in np.ndindex(shown.shape):
                dark = abs(shown[i, j]) > 0.7 * most
                number = f"{shown[i, j]:.1f}".replace("-", "−")
                ax.text(j, i, number, color="white" if dark else "black", **CENTRED)
            ax.set_xticks(range(len(settings.radii)), [f"{r:g}" for r in settings.radii])
            ax.set_yticks(range(len(settings.sizes)), [f"{s:g}" for s in settings.sizes])
            ax.grid(False)
            ax.set_title(f"{name}, T = {count}", fontsize=8)
    for ax in axes[-1]:
        ax.set_xlabel(r"radius / $\varepsilon\sqrt{d}$")
    for ax in axes[:, 0]:
        ax.set_ylabel("step / radius")
    bar = figure.colorbar(colours, ax=axes, shrink=0.6)
    bar.set_label("gain of accuracy, percentage points")
    return figure


def summary(data: Dataset, settings: Settings) -> Summary:
    """The settings that gain most by either attack, and what they gain by the other."""
    found = mean(data.gain)
    tables = {name: numbers(found.sel(attack=rung)) for rung, name in ATTACKS.items()}
    sentences = []
    for rung, name in ATTACKS.items():
        centre = found.centre.sel(attack=rung)
        best = centre.stack(at=("count", "radius", "size")).idxmax().item()
        at = dict(zip(("count", "radius", "size"), best, strict=True))
        gains = {other: found.sel(attack=other, **at) for other in ATTACKS}
        said = " and ".join(f"{gains[o].text(3)} under {ATTACKS[o]} attacks" for o in ATTACKS)
        sentences.append(
            f"The setting that gains most under {name} attacks, {at['count']} steps of "
            f"{at['size']:g} of a radius of {at['radius']:g} ε√d, gains {said}."
        )
    return Summary(tuple(sentences), tables | {"clean": numbers(mean(data.clean))})


experiment = Experiment(
    name="energy.sweep",
    title="ET3 by its radius, steps and step size",
    label="settings of ET3",
    provenance="derived",
    presets={
        "smoke": Settings(
            trials=2, width=16, training=60, points=20, steps=3, counts=(1,), radii=(0.4, 0.8),
            sizes=(1.0,),
        ),
        "course": Settings(),
        "paper": Settings(trials=5, points=1000, steps=100, width=256, counts=(1, 2, 5, 10)),
    },
    run=run,
    draw=draw,
    summary=summary,
)  # fmt: skip
