"""Whether one step down the energy restores a lost point, and where the theorem says that it must.

Every point has been lost: its true class t is behind the predicted one h by |r|, and the radius of
ET3 is k|r|/‖g_t‖, so that the theorem's condition is e_t‖g_t‖/(e_h‖g_h‖) > C = k/(k − 1) for two
linear logits; for ten classes it is that of E6. How far a network is from linear is shown below.
"""

from dataclasses import dataclass
from typing import Annotated

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from jax.tree_util import Partial
from matplotlib.figure import Figure
from xarray import DataArray, Dataset

from experiments.cells import along, over, together
from experiments.classifiers import KINDS, ImageSettings, logits, scene_of
from experiments.experiment import Experiment, Progress, Summary
from experiments.plots.estimates import Interval, mean, numbers
from experiments.plots.style import BLUE, CHANCE, COLOURS, ORANGE, SKY, THEORY, legend
from theory.attacks import apgd
from theory.energy.lost import restoration, restoration_of_pairs
from theory.networks import mlp
from theory.settings import Bound, Count

Above = Annotated[float, Bound(above=1)]
"""A number in (1, ∞)."""

LINEAR, TWO_LAYER = "two linear logits", "two-layer ReLU, two classes"

TRAINED = {f"MLP trained on {kind}": kind for kind in KINDS}

SCENES = (LINEAR, TWO_LAYER, *TRAINED)


@dataclass(frozen=True)
class Settings(ImageSettings):
    """Points that are lost, and ET3 of one step with no box."""

    k: Above = 2.0
    """k: the radius is k|r|/‖g_t‖; 2 is the paper's"""
    d: Count = 20
    """input dimension of the first two scenes"""
    neurons: Count = 200
    """of the two-layer networks"""
    steps: Count = 30
    """steps of APGD, by which points of images are lost"""
    strength: Above = 1.5
    """its radius, in units of ε"""


def run(settings: Settings, key, progress: Progress) -> Dataset:
    """What `restoration` gives, over scene, trial and point."""
    key_train, key_test, key_points = jax.random.split(key, 3)
    scene_of_images = scene_of(settings, key_train, key_test)
    y = scene_of_images.y
    x = scene_of_images.x.reshape(len(y), -1)

    def one(scene, trial):
        each = jax.random.fold_in(key_points, trial)
        if scene == LINEAR:
            return restoration_of_pairs(jax.random.split(each, len(y)), settings.k, settings.d)
        if scene == TWO_LAYER:
            key_net, key_x = jax.random.split(each)
            net = mlp(key_net, (settings.d, settings.neurons, 2))
            points = jax.random.normal(key_x, (len(y), settings.d))
            lost = jnp.argmin(net.logits(points), axis=1)
            return restoration(Partial(logits, net), points, lost, settings.k)
        net = scene_of_images.trained("MLP", TRAINED[scene])[trial]
        eps = settings.strength * settings.suited.eps
        found = apgd(net, each, x, y, eps, steps=settings.steps)
        return restoration(net, found.inputs, y, settings.k)

    def cell(scene):
        found = [jax.device_get(one(scene, trial)) for trial in range(settings.trials)]
        return along(together(found), "trial", "point")

    labels = {"trial": range(settings.trials), "point": range(len(y))}
    return over(cell, progress, labels, scene=list(SCENES))


def draw(data: Dataset, settings: Settings) -> Figure:
    """Margin after against 1/u, a panel for each scene, with the proved region; how far the margins
    are from those of linear logits."""
    figure = plt.figure(figsize=(7.2, 6.6))
    axes = figure.subplot_mosaic([["a", "b"], ["c", "d"], ["e", "e"]], height_ratios=(3, 3, 2.4))
    c = settings.k / (settings.k - 1)
    for scene, at in zip(SCENES, "abcd", strict=True):
        ax, one = axes[at], data.sel(scene=scene)
        x = np.geomspace(c, 30, 99)
        bound = settings.k * (1 - 1 / x) - 1
        ax.fill_between(x, bound, 6, color=SKY, alpha=0.25, lw=0, label="proved for two classes")
        ax.plot(x, bound, **THEORY, label=r"$k(1 - u) - 1$")
        proved = one.proved.values == 1
        for which, colour, mark, label in (
            (~proved, ORANGE, "o", "E6 says nothing"),
            (proved, BLUE, "s", "restored, says E6"),
        ):
            shown = which & np.isfinite(one.ratio.values)
            height = np.clip(one.after.values[shown], -6, 6)
            ax.plot(one.ratio.values[shown], height, mark, ms=1.8, color=colour, label=label,
                    alpha=0.6, mew=0)  # fmt: skip
        ax.axhline(0, **CHANCE)
        ax.axvline(c, **CHANCE)
        ax.set(xscale="log", xlim=(0.03, 30), ylim=(-6.3, 6.3), title=scene)
        ax.set_ylabel("margin after ET3 / |r|")
        ax.set_xlabel(r"$1/u = e_t\Vert g_t\Vert / e_h\Vert g_h\Vert$")
    for scene, colour in zip(SCENES[1:], COLOURS, strict=False):
        error = data.error.sel(scene=scene).values
        error = np.sort(error[np.isfinite(error)])
        axes["e"].plot(error, np.arange(1, len(error) + 1) / len(error), color=colour, label=scene)
    axes["e"].set(xscale="log", xlim=(1e-5, 1e2), ylim=(0, 1.02))
    axes["e"].set_xlabel("margin after ET3, less that of linear logits, / |r|")
    axes["e"].set_ylabel("share of points")
    axes["e"].legend(loc="upper left")
    legend(figure, [({}, axes["a"])], ncols=4)
    return figure


def restored(data: Dataset, where: DataArray) -> Interval:
    """Of the lost points that are somewhere, the share that is right after ET3; of networks."""
    held = (data.after > 0) & where
    return mean(held.sum("point") / where.sum("point"))


def summary(data: Dataset, settings: Settings) -> Summary:
    """How many points are restored, where it is proved, where the two-class condition holds, and
    elsewhere."""
    c = settings.k / (settings.k - 1)
    lost = np.isfinite(data.ratio)
    wheres = {
        "all": lost,
        "1/u > C": lost & (data.ratio > c),
        "1/u ≤ C": lost & (data.ratio <= c),
        "E6": lost & (data.proved == 1),
    }
    tables, sentences = {}, []
    for scene in SCENES:
        one = data.sel(scene=scene)
        tables[scene] = {"median error": round(float(one.error.median()), 6)}
        for name, where in wheres.items():
            here = where.sel(scene=scene)
            count, held = int(here.sum()), int((here & (one.after > 0)).sum())
            tables[scene][name] = {"points": count, "restored": held}
            if bool((here.sum("point") > 0).all()):
                tables[scene][name]["share"] = numbers(restored(one, here))
        all_of, inside = tables[scene]["all"], tables[scene]["1/u > C"]
        sentences.append(
            f"{scene[0].upper()}{scene[1:]}: ET3 restores {all_of['restored']} of "
            f"{all_of['points']} lost points, {inside['restored']} of the {inside['points']} "
            f"with 1/u > C, and {tables[scene]['E6']['restored']} of the "
            f"{tables[scene]['E6']['points']} for which E6 would prove it of linear logits."
        )
    return Summary(tuple(sentences), tables)


experiment = Experiment(
    name="energy.margin",
    title="Which lost points one step down the energy restores",
    label="margin after ET3",
    provenance="paper",
    presets={
        "smoke": Settings(trials=2, width=16, neurons=20, training=60, points=20, steps=5),
        "course": Settings(),
        "paper": Settings(trials=5, points=1000, width=256, neurons=1000),
    },
    run=run,
    draw=draw,
    summary=summary,
)
