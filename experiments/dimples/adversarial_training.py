"""Claim 4: adversarial training mainly deepens the dimples.

How far the boundary is from test images, anywhere, on the images' principal components and off
them, for networks trained on images and on adversarial examples of them. If only the dimples
change, the boundary elsewhere is what it was: the two kinds are asked for the class of mixtures of
two images of different classes, beside two networks trained on images from different starts.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from xarray import DataArray, Dataset

from experiments.cells import over
from experiments.classifiers import COLOURS, KINDS, ImageSettings, scene_of
from experiments.dimples.claims import claim, sentence
from experiments.experiment import Experiment, Progress, Summary
from experiments.plots.curves import curves
from experiments.plots.dots import dots
from experiments.plots.estimates import ahead, mean, numbers
from experiments.plots.style import legend
from theory.attacks.restricted import SIDES, restricted
from theory.geometry import principal
from theory.settings import Count, Filled, Sample, Share

PLAIN, ROBUST = KINDS

PAIRS = {"images and images": (PLAIN, PLAIN), "images and adversarial": (PLAIN, ROBUST)}
"""Networks that are asked for their classes of mixtures, of different starts."""


@dataclass(frozen=True)
class Settings(ImageSettings):
    """MLPs trained on images, and on adversarial examples of them in L∞."""

    trials: Sample = 5
    k: Count = 16
    """principal components that stand for the manifold"""
    shares: Filled[Share] = (0.0, 0.1, 0.2, 0.3, 0.4, 0.5)
    """of the second image in a mixture"""
    mixtures: Count = 2000
    """pairs of test images"""


def run(settings: Settings, key, progress: Progress) -> Dataset:
    """Over kind, trial, side and image ``distance`` to the boundary in L2, NaN where an image is
    classified wrong; over pair, trial and share ``agree``, how often networks give mixtures of
    images of different classes the same class."""
    key_train, key_test, key_mix = jax.random.split(key, 3)
    scene = scene_of(settings, key_train, key_test)
    x, y = scene.x.reshape(len(scene.x), -1), scene.y
    basis = principal(scene.seen.x, settings.k)
    nets = {kind: scene.trained("MLP", kind) for kind in KINDS}
    one, other = jax.random.randint(key_mix, (2, settings.mixtures), 0, len(x))
    differ = y[one] != y[other]

    def cell(kind):
        found = []
        for net in nets[kind]:
            right = np.asarray(net(x).argmax(axis=1) == y)
            sides = [np.asarray(restricted(net, x, y, basis, side).distance) for side in SIDES]
            found.append(np.where(right, np.stack(sides).astype(float), np.nan))
        return {"distance": (("trial", "side", "image"), np.stack(found))}

    labels = {"trial": range(settings.trials), "side": SIDES, "image": range(len(x))}
    data = over(cell, progress, labels, kind=list(KINDS))

    def agreement(pair, share):
        mixed = (1 - share) * x[one] + share * x[other]
        first, second = ([net(mixed).argmax(axis=1) for net in nets[kind]] for kind in PAIRS[pair])
        second = second[1:] + second[:1]  # of another start
        same = [jnp.mean(a == b, where=differ) for a, b in zip(first, second, strict=True)]
        return {"agree": (("trial",), np.asarray(same, float))}

    labels = {"trial": range(settings.trials)}
    again = over(agreement, progress, labels, pair=list(PAIRS), share=settings.shares)
    return xr.merge([data, again])


def medians(data: Dataset) -> DataArray:
    """The median distance over images, those that were not found being the farthest."""
    return data.distance.median("image")


def draw(data: Dataset, settings: Settings) -> Figure:
    """Distances by side on the left, agreement on mixtures on the right."""
    figure, (left, right) = plt.subplots(1, 2, figsize=(7.2, 3.2))
    looks = {kind: {"color": COLOURS[kind], "label": f"trained on {kind}"} for kind in KINDS}
    named = medians(data).assign_coords(side=["anywhere", "on", "off"])
    dots(left, mean(named), y="side", series="kind", given=looks)
    left.set(xlabel="median distance to the boundary, $L_2$")
    left.set_xlim(left=0)
    left.set_ylabel(f"{settings.k} principal components")
    curves(right, mean(data.agree), x="share", series="pair")
    right.set(xlabel="share of the second image", ylabel="same class", ylim=(0, 1.03))
    right.legend(title="trained on", loc="lower left")
    legend(figure, [({}, left)])
    return figure


def summary(data: Dataset, settings: Settings) -> Summary:
    """How much farther the boundary is, by side, and whether it moved elsewhere."""
    far = medians(data)
    ratio = mean(far.sel(kind=ROBUST) / far.sel(kind=PLAIN))
    middle = data.agree.isel(share=-1)
    gap = ahead(*(middle.sel(pair=pair, drop=True) for pair in list(PAIRS)[::-1]))
    said = ", ".join(
        f"{ratio.sel(side=side).text()} {words}"
        for side, words in zip(SIDES, ("anywhere", "on the components", "off them"), strict=True)
    )
    elsewhere = "not told from" if float(gap.low) <= 0 <= float(gap.high) else "other than"
    sentences = (
        f"Trained on adversarial examples the boundary is farther by factors of {said}.",
        f"On mixtures of {settings.shares[-1]:g} a network trained on adversarial examples and one "
        f"on images agree {gap.text(3)} more often than two trained on images, which is "
        f"{elsewhere} none: elsewhere the boundary has "
        + ("not been seen to move." if elsewhere == "not told from" else "moved too."),
    )
    line = claim(
        4, f"agreement on mixtures of {settings.shares[-1]:g} with networks trained on images, "
        "less that of two of these", gap, 0.0, above=True,
        beside=f"distances grow by {ratio.sel(side='std').text()}; the claim would leave 0",
    )  # fmt: skip
    return Summary(
        (*sentences, sentence(line)),
        {
            "claims": [line],
            "distance": numbers(mean(far)),
            "ratio": numbers(ratio),
            "agreement on mixtures": numbers(mean(data.agree)),
        },
    )


experiment = Experiment(
    name="dimples.adversarial-training",
    title="Distances to the boundary before and after adversarial training, and elsewhere",
    label="claim 4",
    provenance="derived",
    presets={
        "smoke": Settings(trials=2, width=16, training=60, points=20, k=4, mixtures=50),
        "course": Settings(),
        "paper": Settings(trials=20, points=1000, width=256, mixtures=20_000),
    },
    run=run,
    draw=draw,
    summary=summary,
)
