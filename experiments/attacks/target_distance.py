"""MALT's score of a class against the true distance to it, and the band in which that must be.

The distance to every class of a two-layer ReLU network is exact, by search over its linear pieces;
α, by which the gradient changes within reach, is certified. Without a box r/s is in
[1/(1 + α), 1/(1 − α)] (M2); a box can only put a class further off.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure
from xarray import DataArray, Dataset

from experiments.cells import over
from experiments.classifiers import alone
from experiments.experiment import Experiment, Progress, Summary
from experiments.plots.style import BLUE, ORANGE, THEORY, legend
from theory.attacks.exact import nearest
from theory.attacks.linearity import certified
from theory.attacks.prototypes import Points, points_of, prototypes, train_robust
from theory.networks import mlp
from theory.settings import Count, Positive, Sample
from theory.settings import Settings as Foundation

BOXES = {"no box": None, "box [0, 1]": (0.0, 1.0)}
MARKS = {
    "no box": {"color": BLUE, "marker": "o", "ms": 4, "mfc": "none", "mew": 0.6},
    "box [0, 1]": {"color": ORANGE, "marker": ".", "ms": 2.5},
}


@dataclass(frozen=True)
class Settings(Foundation):
    """Small networks on a few classes, so that distances can be exact."""

    trials: Sample = 5
    """networks, each with its own classes, points and start"""
    d: Count = 4
    """input dimension"""
    classes: Sample = 6
    """classes"""
    width: Count = 8
    """hidden neurons"""
    spread: Positive = 0.35
    """standard deviation of the coordinates of the classes' centres"""
    points: Count = 20
    """points of each network"""
    training: Count = 600
    """training steps"""


def run(settings: Settings, key, progress: Progress) -> Dataset:
    """Over trial, point, target and box: the true distance ``r``; over trial, point, target: ``s``,
    ``alpha``, and whether the point was classified ``right``."""

    def cell(trial):
        key_classes, key_train, key_test, key_net, key_order = jax.random.split(
            jax.random.fold_in(key, trial), 5
        )
        of = prototypes(key_classes, settings.classes, settings.d, settings.spread, unlike=False)
        train = points_of(key_train, of, 1000, noise=0.3)
        test = points_of(key_test, of, settings.points, noise=0.3)
        start = mlp(key_net, (settings.d, settings.width, settings.classes))
        how = {"steps": settings.training, "batch": 100, "ascents": 0}
        net = alone(train_robust, start, key_order, train, 3e-2, 0.0, **how)
        return _measured(settings, net, test)

    labels = {
        "point": range(settings.points),
        "target": range(1, settings.classes),
        "box": list(BOXES),
    }
    return over(cell, progress, labels, trial=range(settings.trials))


def _measured(settings: Settings, net, test: Points):
    turned = (test.y[:, None] + jnp.arange(1, settings.classes)[None]) % settings.classes
    s, alpha = certified(net, test.x, test.y, turned, "linf")
    right = np.asarray(net.logits(test.x).argmax(axis=1) == test.y)
    r = np.full((*s.shape, len(BOXES)), np.nan)
    for point, label, targets, row in zip(
        test.x[right], test.y[right], turned[right], np.flatnonzero(right), strict=True
    ):
        for j, target in enumerate(targets.tolist()):
            for k, box in enumerate(BOXES.values()):
                r[row, j, k] = nearest(net, point, int(label), "linf", box, target).distance
    each = ("point", "target")
    return {
        "r": ((*each, "box"), r),
        "s": (each, np.asarray(s)),
        "alpha": (each, np.asarray(alpha)),
        "right": (("point",), right),
    }


def ratio(data: Dataset) -> DataArray:
    """r/s of points that were classified right, where α is certified; NaN elsewhere."""
    kept = data.right & np.isfinite(data.alpha) & (data.s > 0)
    return (data.r / data.s).where(kept)


def draw(data: Dataset, settings: Settings) -> Figure:
    """r against s of all classes, and r/s against α with the band of M2."""
    figure, axes = plt.subplots(1, 2, figsize=(7.2, 3.4))
    ratios = ratio(data)
    for box, marks in MARKS.items():
        r = data.r.where(data.right).sel(box=box)
        style = marks | {"ls": "none", "label": box}
        axes[0].plot(data.s.where(data.right).values.ravel(), r.values.ravel(), **style)
        axes[1].plot(data.alpha.values.ravel(), ratios.sel(box=box).values.ravel(), **style)
    ends = np.array([1e-3, 2.0])
    axes[0].plot(ends, ends, **THEORY, label="r = s")
    axes[0].set(
        xscale="log",
        yscale="log",
        xlabel=r"MALT's score $s_j$",
        ylabel=r"true distance $r_j$ ($\ell_\infty$)",
    )
    alpha = np.linspace(0, 0.95, 100)
    axes[1].plot(alpha, 1 / (1 + alpha), **THEORY, label=r"$1/(1 \pm \alpha)$")
    axes[1].plot(alpha, 1 / (1 - alpha), **THEORY)
    axes[1].set(
        xlabel=r"certified $\alpha$",
        ylabel=r"$r_j / s_j$",
        xlim=(-0.02, 1),
        ylim=(0.4, 6),
        yscale="log",
    )
    axes[1].set_yticks([0.5, 1, 2, 4], ["0.5", "1", "2", "4"])
    axes[1].set_yticks([], minor=True)
    legend(figure, [({}, ax) for ax in axes], ncols=5)
    return figure


def summary(data: Dataset, settings: Settings) -> Summary:
    """How often classes are outside the band, with and without a box, and how good the order is."""
    ratios, alpha = ratio(data), data.alpha
    low, high = ratios * (1 + alpha) < 1 - 1e-6, ratios * (1 - alpha) > 1 + 1e-6
    judged = ratios.notnull()
    tables, best = {}, {}
    for box in BOXES:
        r = data.r.sel(box=box)
        first = np.take_along_axis(r.values, data.s.argmin("target").values[..., None], axis=2)
        best = np.isclose(first[..., 0], r.min("target").values, rtol=1e-6)[data.right.values]
        n = int(judged.sel(box=box).sum())
        tables[box] = {
            "certified": n,
            "below": int(low.sel(box=box).sum()),
            "above": int(high.sel(box=box).sum()),
            "median r/s": float(np.nanmedian((data.r / data.s).where(data.right).sel(box=box))),
            "nearest first": float(best.mean()),
            "points": len(best),
        }
    free, boxed = tables["no box"], tables["box [0, 1]"]
    sentences = (
        f"Without a box {free['below'] + free['above']} of {free['certified']} distances with a "
        f"certified α are outside the band of M2; with one {boxed['below']} are below it and "
        f"{boxed['above']} above.",
        f"The class of the least score is the nearest one at {100 * free['nearest first']:.0f} % "
        f"of {free['points']} points without a box, at {100 * boxed['nearest first']:.0f} % with.",
    )
    return Summary(sentences, tables)


experiment = Experiment(
    name="attacks.target-distance",
    title="MALT's score is nearly the distance to a class",
    label="M2 (scores and distances)",
    provenance="derived",
    presets={
        "smoke": Settings(trials=2, points=5, training=200, width=6),
        "course": Settings(),
        "paper": Settings(trials=20, points=50, width=12),
    },
    run=run,
    draw=draw,
    summary=summary,
)
