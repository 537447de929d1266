"""Attacks on networks of images, trained on images alone or on adversarial examples of them."""

from dataclasses import dataclass
from functools import partial
from itertools import product
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure
from xarray import Dataset

from experiments.cells import over
from experiments.classifiers import COLOURS, KINDS, MARKS, NETWORKS, ImageSettings, scene_of
from experiments.experiment import Experiment, Progress, Summary
from experiments.plots.estimates import mean, numbers
from experiments.plots.style import legend, show_pixels, stacked
from theory.attacks import apgd, auto, malt, square
from theory.settings import Count

ATTACKS = {
    "cross-entropy": lambda s, **ball: partial(apgd, loss="ce", steps=s.steps, **ball),
    "DLR": lambda s, **ball: partial(apgd, loss="dlr", steps=s.steps, **ball),
    "targets by logits": lambda s, **ball: partial(
        malt, order="logits", targets=s.targets, steps=s.steps, **ball
    ),
    "MALT": lambda s, **ball: partial(malt, targets=s.targets, steps=s.steps, **ball),
    "Square": lambda s, **ball: partial(square, queries=s.queries, **ball),
    "auto": lambda s, **ball: partial(
        auto, targets=s.targets, steps=s.steps, queries=s.queries, **ball
    ),
}

SHOWN = 4
"""Pictures of each kind of network."""


@dataclass(frozen=True)
class Settings(ImageSettings):
    """All attacks in L∞."""

    targets: Count = 9
    """classes aimed at"""
    steps: Count = 50
    """steps of APGD"""
    queries: Count = 500
    """points that Square evaluates"""


def run(settings: Settings, key, progress: Progress) -> Dataset:
    """Over network, kind, attack and trial: ``kept``, the accuracy left, and mean ``gradients`` and
    ``forwards`` of an image; without attack the ``accuracy`` before; for some images that MALT
    changes: ``image``, ``changed``, and the classes ``before`` and ``after``."""
    eps = settings.suited.eps
    key_train, key_test, key_attack = jax.random.split(key, 3)
    scene = scene_of(settings, key_train, key_test)
    x, y = scene.x, scene.y

    def cell(network, kind, attack):
        nets = scene.trained(network, kind)
        run_of = ATTACKS[attack](settings, eps=eps)
        keys = jax.random.split(key_attack, settings.trials)
        found = [run_of(net, each, x, y) for net, each in zip(nets, keys, strict=True)]

        def by_trial(measure):
            return ("trial",), np.stack([np.asarray(measure(one)) for one in found])

        fell = np.argsort(~np.asarray(found[0].success), stable=True)[:SHOWN]
        picture = ("shown", *("height", "width", "colour")[: x.ndim - 1])
        return {
            "kept": by_trial(lambda one: jnp.mean(~(one.misclassified | one.success))),
            "accuracy": by_trial(lambda one: jnp.mean(~one.misclassified)),
            "gradients": by_trial(lambda one: jnp.mean(one.gradients.astype(float))),
            "forwards": by_trial(lambda one: jnp.mean(one.forwards.astype(float))),
            "image": (picture, np.asarray(x[fell])),
            "changed": (picture, np.asarray(found[0].inputs[fell])),
            "before": (("shown",), np.asarray(y[fell])),
            "after": (("shown",), np.asarray(nets[0](found[0].inputs[fell]).argmax(axis=1))),
        }

    sizes = dict(zip(("height", "width", "colour"), x.shape[1:], strict=False))
    labels = {"trial": range(settings.trials), "shown": range(min(SHOWN, len(x)))}
    labels |= {name: range(size) for name, size in sizes.items()}
    lines = {"network": list(NETWORKS), "kind": list(KINDS), "attack": list(ATTACKS)}
    data = over(cell, progress, labels, **lines)
    once = {
        name: data[name].sel(attack="MALT", drop=True)
        for name in ("accuracy", "image", "changed", "before", "after")
    }
    return data.assign(once).assign_attrs(eps=eps)


def draw(data: Dataset, settings: Settings) -> Figure:
    """What every attack leaves and takes above; images, perturbations and results below."""
    figure, (top, bottom) = stacked((7.2, 6.4), 3, 3.6)
    axes = top.subplots(1, 2, sharey=True)
    at = np.arange(data.sizes["attack"])
    for ax, name in zip(axes, ("kept", "gradients"), strict=True):
        for i, (network, kind) in enumerate(product(NETWORKS, KINDS)):
            one = data.sel(network=network, kind=kind)
            found = mean(one[name])
            marks = {
                "fmt": MARKS[network],
                "ms": 4,
                "color": COLOURS[kind],
                "capsize": 2,
                "label": f"{network} trained on {kind}",
            }
            place = at + 0.16 * (i - 1.5)
            ax.errorbar(np.asarray(found.centre), place, xerr=found.bars, **marks)
            if name == "kept":
                level = float(one.accuracy.mean())
                ax.plot(level, -0.75, MARKS[network], mfc="none", color=COLOURS[kind], ms=4)
    axes[0].set_yticks([-0.75, *at], ["none", *data.attack.values])
    axes[0].invert_yaxis()
    axes[0].set(
        xlabel=f"accuracy left, $\\varepsilon$ = {data.attrs['eps']:.3g}", xlim=(-0.02, 1.02)
    )
    axes[1].set(xlabel="gradients of an image")
    legend(top, [({}, ax) for ax in axes], ncols=2)
    grid = bottom.subplots(3, data.sizes["kind"] * data.sizes["shown"], squeeze=False)
    for i, kind in enumerate(KINDS):
        for j in range(data.sizes["shown"]):
            one = data.sel(network="CNN", kind=kind).isel(shown=j)
            _pictures(grid[:, i * data.sizes["shown"] + j], one, data.attrs["eps"])
    for ax, label in zip(
        grid[:, 0],
        ("image", "change by MALT\n$[-\\varepsilon, \\varepsilon]$", "result"),
        strict=True,
    ):
        ax.set_ylabel(label)
    bottom.suptitle("CNNs trained on images, on adversarial examples", fontsize=9)
    return figure


def _pictures(column: Any, one: Dataset, eps: float) -> None:
    change = (one.changed - one.image).values
    shown = one.image.values, change / (2 * eps) + 0.5, one.changed.values
    for ax, pixels in zip(column, shown, strict=True):
        show_pixels(ax, pixels)
    column[0].set_title(f"{int(one.before)}", fontsize=8)
    column[2].set_xlabel(f"taken for {int(one.after)}", fontsize=7)


def summary(data: Dataset, settings: Settings) -> Summary:
    """The accuracy that each attack leaves, and what it takes."""
    tables, sentences = {}, []
    for network, kind in product(NETWORKS, KINDS):
        one = data.sel(network=network, kind=kind)
        tables[f"{network} trained on {kind}"] = {"accuracy": numbers(mean(one.accuracy))} | {
            name: numbers(mean(one[name])) for name in ("kept", "gradients", "forwards")
        }
    for network in NETWORKS:
        robust = data.sel(network=network, kind="adversarial examples")
        left = {name: mean(robust.kept.sel(attack=name)).text(3) for name in ("MALT", "auto")}
        passes = (robust.gradients + robust.forwards).mean("trial")
        spent = {name: float(passes.sel(attack=name)) for name in left}
        sentences.append(
            f"Of {network}s trained on adversarial examples MALT leaves {left['MALT']} of accuracy "
            f"with {spent['MALT']:.0f} passes of an image, APGD-CE, targets and Square together "
            f"{left['auto']} with {spent['auto']:.0f}."
        )
    return Summary(tuple(sentences), tables)


experiment = Experiment(
    name="attacks.images",
    title="Attacks on networks of images",
    label="attacks on images",
    provenance="derived",
    presets={
        "smoke": Settings(trials=2, width=16, training=60, points=20, steps=5, queries=10),
        "course": Settings(),
        "paper": Settings(trials=5, points=1000, steps=100, queries=5000, width=256),
    },
    run=run,
    draw=draw,
    summary=summary,
)
