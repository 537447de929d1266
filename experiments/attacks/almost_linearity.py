"""How little gradients change on the way to an adversarial example, and what that depends on.

Along a random direction, the gradient and the path of an attack, on a network of images; and off
the data's subspace, in two-layer networks, against each quantity in the bound of M4″. With a sharp
activation, nearly a leaky ReLU, that bound is far above 1 and says nothing.
"""

from dataclasses import dataclass, replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from xarray import Dataset

from experiments.cells import every, over
from experiments.classifiers import alone
from experiments.data.images import load_images
from experiments.experiment import Experiment, Progress, Summary
from experiments.plots.curves import curves
from experiments.plots.estimates import defined, mean, numbers
from experiments.plots.style import BLACK, THEORY, legend, stacked
from theory.attacks import apgd
from theory.attacks.mesoscopic import play, worst_change
from theory.attacks.prototypes import Points, train_robust
from theory.attacks.settings import Smooth
from theory.attacks.theorems.gradient_ratio import bound
from theory.networks import mlp
from theory.settings import Count, Positive

PATHS = ("random signs", "gradient", "APGD")
STAGES = ("before training", "after training", "after training, κ = 100")
SHARP = 100.0
FACTORS = (0.5, 0.75, 1.0, 1.5, 2.0)
"""Of each quantity's value in the settings."""

VARIED = {"d": "d", "ell": "ℓ", "width": "m", "radius": "R"}
"""What is varied; with d also ℓ and m, so that dim P stays."""


@dataclass(frozen=True)
class Settings(Smooth):
    """Two-layer networks off the subspace of their data, and an MLP on digits."""

    trials: Count = 40
    """networks of each size"""
    delta: float = 0.05
    eps: Positive = 0.1
    """ε of the paths"""
    points: Count = 100
    """images"""
    training: Count = 600
    """training steps of the MLP"""
    along: Count = 20
    """steps of a path"""


def varied(settings: Settings, quantity: str, factor: float) -> Smooth:
    """The settings with one quantity changed."""
    base = Smooth(**{name: getattr(settings, name) for name in Smooth.__dataclass_fields__})
    if quantity == "d":
        d = round(settings.d * factor)
        return replace(base, d=d, ell=d - settings.dim, width=round(settings.width * factor))
    if quantity == "ell":
        ell = min(round(settings.ell * factor), settings.d - 2)
        return replace(base, ell=ell)
    kind = type(getattr(base, quantity))
    return replace(base, **{quantity: kind(getattr(base, quantity) * factor)})


def off_subspace(settings: Smooth, key) -> dict[str, Any]:
    """The α that ascent finds in one network at three stages."""
    key_scene, key_v = jax.random.split(key)
    scene, start = play(settings, key_scene), jax.random.normal(key_v, (settings.ell,))
    sharp = play(replace(settings, sharpness=SHARP), key_scene).after
    networks = scene.before, scene.after, sharp
    alpha = [
        worst_change(net, scene.x0, settings.radius, start)
        / jnp.linalg.norm(net.gradient(scene.x0, settings.ell))
        for net in networks
    ]
    return {"alpha": jnp.stack(alpha)}


def on_paths(settings: Settings, key) -> Dataset:
    """The relative change of ∇(z_y − z_j) along paths from images, j the runner-up, and for one
    image both logits as they are and to first order."""
    images = load_images("digits")
    key_net, key_order, key_signs, key_attack = jax.random.split(key, 4)
    seen = Points(
        jnp.asarray(images.x_train).reshape(len(images.x_train), -1), jnp.asarray(images.y_train)
    )
    start, how = mlp(key_net, (64, 128, 128, 10)), {"steps": settings.training, "batch": 128}
    net = alone(train_robust, start, key_order, seen, 2e-3, settings.eps, ascents=5, **how)
    x = jnp.asarray(images.x_test).reshape(len(images.x_test), -1)[: settings.points]
    z = net.logits(x)
    first, second = jnp.argsort(-z, axis=1)[:, 0], jnp.argsort(-z, axis=1)[:, 1]

    def margin(x, y, j):
        z = net.logits(x[None])[0]
        return z[y] - z[j]

    slope = jax.jit(jax.vmap(jax.grad(margin)))
    at = slope(x, first, second)
    signs = jax.random.rademacher(key_signs, x.shape, dtype=x.dtype)
    found = apgd(net.logits, key_attack, x, first, settings.eps, targets=second, box=None)
    steepest = -at / jnp.max(jnp.abs(at), axis=1, keepdims=True)
    paths = {
        "random signs": settings.eps * signs,
        "gradient": settings.eps * steepest,
        "APGD": found.inputs - x,
    }
    shares = jnp.linspace(0, 1, settings.along + 1)
    size = jnp.linalg.norm(at, axis=1)

    def change(name):
        moved = [slope(x + t * paths[name], first, second) for t in shares]
        alpha = np.stack([jnp.linalg.norm(one - at, axis=1) / size for one in moved])
        # Where the attack failed there is no path.
        return np.where(found.success, alpha, np.nan) if name == "APGD" else alpha

    one = int(jnp.argmax(found.success))
    both = jnp.stack([first[one], second[one]])
    v = paths["APGD"][one]
    actual = np.stack([net.logits((x[one] + t * v)[None])[0][both] for t in shares])
    steps = jax.jvp(lambda x: net.logits(x[None])[0][both], (x[one],), (v,))[1]
    linear = np.stack([net.logits(x[one][None])[0][both] + t * steps for t in shares])
    return Dataset(
        {
            "change": (("path", "share", "point"), np.stack([change(name) for name in PATHS])),
            "logits": (("kind", "share", "class"), np.stack([actual, linear])),
        },
        {
            "path": list(PATHS), "share": np.asarray(shares), "kind": ["actual", "linear"],
            "class": ["label", "runner-up"], "point": range(settings.points),
        },
    )  # fmt: skip


def run(settings: Settings, key, progress: Progress) -> Dataset:
    """Over varied, factor, trial and stage ``alpha``; over varied and factor its ``bound`` and the
    ``value`` of what varies; and the paths of `on_paths`."""
    key_paths, key_off = jax.random.split(key)
    progress(0.0, "paths")
    paths = on_paths(settings, key_paths)

    def cell(quantity, factor):
        small = varied(settings, quantity, factor)
        found = every(lambda key: off_subspace(small, key))(key_off, settings.trials)
        return {
            "alpha": (("trial", "stage"), found["alpha"]),
            "bound": ((), bound(small)),
            "value": ((), float(getattr(small, quantity))),
        }

    labels = {"trial": range(settings.trials), "stage": list(STAGES)}
    cells = {"varied": list(VARIED), "factor": list(FACTORS)}
    return xr.merge([over(cell, progress, labels, **cells), paths])


def draw(data: Dataset, settings: Settings) -> Figure:
    """Paths and logits above, α against what the bound depends on below."""
    figure, (top, bottom) = stacked((7.2, 6.2), 1, 1)
    left, right = top.subplots(1, 2)
    curves(left, defined(data.change, "point"), x="share", series="path", band=True, marker=None)
    left.set(
        xlabel="share of the path of length $\\varepsilon$", ylabel="relative gradient change α"
    )
    for name, style in (("actual", "-"), ("linear", ":")):
        one = data.logits.sel(kind=name)
        for which, color in (("label", BLACK), ("runner-up", "C1")):
            right.plot(
                data.share, one.sel({"class": which}), style, color=color, label=f"{which}, {name}"
            )
    right.set(xlabel="share of the path of APGD", ylabel="logit")
    for ax in (left, right):
        ax.legend(fontsize=7)
    panels = bottom.subplots(1, len(VARIED), sharey=True)
    for ax, (quantity, symbol) in zip(panels, VARIED.items(), strict=True):
        _scaling(ax, data.sel(varied=quantity))
        ax.set_xlabel(f"{symbol}, ℓ, m" if quantity == "d" else symbol)
    panels[0].set_ylabel("α off the subspace")
    legend(bottom, [({}, ax) for ax in panels], ncols=4)
    return figure


def _scaling(ax: Axes, one: Dataset) -> None:
    found = mean(one.alpha.assign_coords(value=("factor", one.value.values)))
    curves(ax, found, x="value", series="stage", ms=3)
    ax.plot(one.value, one.bound, **THEORY, label="M4″, κ = 2")
    ax.set(xscale="log", yscale="log")
    ax.set_xticks(one.value.values[::2], [f"{x:g}" for x in one.value.values[::2]])
    ax.set_xticks([], minor=True)


def summary(data: Dataset, settings: Settings) -> Summary:
    """α at the ends of the paths, and at each size."""
    ends = data.change.isel(share=-1)
    change = {name: float(np.nanmean(ends.sel(path=name))) for name in PATHS}
    tight = (data.alpha.sel(stage=list(STAGES[:2])) / data.bound).max().item()
    sentences = (
        f"At the end of a path of length ε = {settings.eps:g} the gradient has changed by "
        f"{change['random signs']:.2f} of its norm along random signs, "
        f"{change['gradient']:.2f} along the gradient, {change['APGD']:.2f} where APGD succeeded.",
        f"Off the subspace α of smooth networks is at most {tight:.2f} of its bound M4″.",
    )
    tables = {}
    for name in VARIED:
        one = data.sel(varied=name)
        tables[name] = numbers(mean(one.alpha.assign_coords(factor=one.value.values)))
    return Summary(sentences, {"paths": change} | tables)


experiment = Experiment(
    name="attacks.almost-linearity",
    title="Gradients hardly change within reach of an attack",
    label="Figures 1 to 3, M4″",
    provenance="paper",
    presets={
        "smoke": Settings(trials=4, points=10, training=60, steps=10, d=24, ell=18, width=24),
        "course": Settings(),
        "paper": Settings(trials=100, points=300, training=2000, d=128, ell=120, width=128),
    },
    run=run,
    draw=draw,
    summary=summary,
)
