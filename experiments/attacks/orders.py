"""All orders of targets on the same points of the same networks, of many classes."""

from dataclasses import dataclass
from functools import cache
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from xarray import DataArray, Dataset

from experiments.cells import along, over, together
from experiments.classifiers import alone
from experiments.experiment import Progress
from experiments.plots.style import BLUE, ORANGE, PURPLE, SKY, VERMILION
from theory.attacks.malt import malt
from theory.attacks.prototypes import points_of, prototypes, train_robust
from theory.attacks.targets import Order
from theory.networks import mlp
from theory.settings import Count, Filled, Positive, Sample
from theory.settings import Settings as Foundation

UNLIKE, ALIKE = "classes of unlike scale and frequency", "classes alike"
"""The scenes."""

ORDERS: dict[Order, str] = {
    "malt": "MALT",
    "box": "MALT in the box",
    "logits": "by logits",
    "random": "random",
    "gradient": "by gradient norm",
}
"""The orders, in the words of figures."""

COLOURS: dict[Order, str] = {
    "malt": BLUE,
    "box": SKY,
    "logits": VERMILION,
    "random": PURPLE,
    "gradient": ORANGE,
}


@dataclass(frozen=True)
class Settings(Foundation):
    """Networks trained on adversarial examples of Gaussian classes, and attacks on them in L∞."""

    trials: Sample = 3
    """networks, each with its own classes, points and start"""
    orders: Filled[Order] = tuple(ORDERS)
    """orders of the targets"""
    classes: Sample = 100
    """classes K"""
    d: Count = 128
    """input dimension"""
    width: Count = 128
    """neurons of each of two hidden layers"""
    spread: Positive = 0.2
    """standard deviation of the coordinates of the classes' centres, and of the points in one"""
    samples: Count = 8000
    """training points"""
    training: Count = 800
    """training steps of 128 points"""
    points: Count = 1000
    """points attacked of each network"""
    targets: Count = 9
    """classes aimed at"""
    steps: Count = 50
    """steps of APGD towards each"""
    radius_unlike: Positive = 0.09
    """ε where classes are unlike; networks are trained at a third of it"""
    radius_alike: Positive = 0.07
    """ε where classes are alike, likewise at two thirds"""

    @property
    def scores(self) -> int:
        """How many classes MALT scores."""
        return min(100, self.classes - 1)


SMOKE: dict[str, Any] = dict(
    trials=2, classes=20, d=32, width=32, samples=500, training=60, points=40, targets=3, steps=10
)
"""Settings of the smallest run."""

PAPER: dict[str, Any] = dict(trials=5, points=2000, steps=100, samples=20_000, training=2000)
"""Settings of a run as large as a paper's."""


def run(settings: Settings, key, progress: Progress) -> Dataset:
    """Over scene, order, trial and point: ``success``, ``gradients`` charged, ``runs`` of APGD, and
    the ``rank`` of the successful target among logits; over scene, trial and point: ``right``
    before the attack."""
    scenes = {
        UNLIKE: (settings.radius_unlike, settings.radius_unlike / 3),
        ALIKE: (settings.radius_alike, 2 * settings.radius_alike / 3),
    }

    @cache
    def network(scene, trial):
        each, (_, trained_at) = jax.random.fold_in(key, trial), scenes[scene]
        return _network(settings, each, scene == UNLIKE, trained_at)

    def cell(scene, order):
        radius, _ = scenes[scene]
        keys = [jax.random.fold_in(key, 1000 + i) for i in range(settings.trials)]
        found = [
            _attacked(settings, *network(scene, i), each, order, radius)
            for i, each in enumerate(keys)
        ]
        return along(together(found), "trial", "point")

    labels = {"trial": range(settings.trials), "point": range(settings.points)}
    data = over(cell, progress, labels, scene=list(scenes), order=list(settings.orders))
    return data.assign(right=data.right.isel(order=0, drop=True))


def _network(settings: Settings, key, unlike: bool, eps: float):
    """A network in single precision, and points to attack."""
    key_classes, key_train, key_test, key_net, key_order = jax.random.split(key, 5)
    of = prototypes(key_classes, settings.classes, settings.d, settings.spread, unlike)
    train, test = (
        points_of(each, of, n, noise=1.0)
        for each, n in ((key_train, settings.samples), (key_test, settings.points))
    )
    widths = (settings.d, settings.width, settings.width, settings.classes)
    start, train, test = jax.tree.map(
        lambda leaf: leaf.astype(jnp.float32) if leaf.dtype == float else leaf,
        (mlp(key_net, widths), train, test),
    )
    how = {"steps": settings.training, "batch": 128, "ascents": 5}
    return alone(train_robust, start, key_order, train, 5e-3, eps, **how), test


def _attacked(settings: Settings, net, test, key, order: Order, radius: float):
    found = malt(
        net.logits, key, test.x, test.y, eps=radius, targets=settings.targets,
        steps=settings.steps, order=order,
    )  # fmt: skip
    z = net.logits(test.x)
    aimed = jnp.take_along_axis(z, jnp.maximum(found.target, 0)[:, None], axis=1)
    return {
        "success": np.asarray(found.success),
        "gradients": np.asarray(found.gradients),
        "runs": np.asarray(found.runs),
        "rank": np.asarray(jnp.sum(z > aimed, axis=1)),
        "right": ~np.asarray(found.misclassified),
    }


def share_of_right(hit: DataArray, data: Dataset) -> DataArray:
    """Of the points that were classified right, the share that is hit; of each network."""
    return (hit & data.right).sum("point") / data.right.sum("point")
