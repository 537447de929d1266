"""What ET3 is worth against attacks that know it, beside what attacks that do not would report.

Every attack is made in the same way on the classifier behind ET3 and on the classifier alone, which
is ET3 with a radius of 0. The published protocol is not that: for the classifier alone it takes a
full AutoAttack, for the defended one the worse of transferred and identity-gradient attacks.
"""

from dataclasses import dataclass
from itertools import product
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from xarray import DataArray, Dataset

from experiments.cells import over
from experiments.classifiers import KINDS, NETWORKS, ImageSettings, scene_of
from experiments.experiment import Experiment, Progress, Summary
from experiments.plots.comparison import mcnemar
from experiments.plots.curves import curves
from experiments.plots.estimates import Interval, mean, numbers
from experiments.plots.style import BLACK, BLUE, GREEN, ORANGE, PURPLE, SKY, VERMILION, legend
from theory.attacks import auto
from theory.energy.adaptive import RUNGS, kept, ladder, published
from theory.energy.et3 import Defended
from theory.settings import Count, Increasing, Positive

ALONE = "alone"

COLOURS = {
    **{"transfer": SKY, "identity": BLUE, "unrolled": VERMILION, "breaking": PURPLE},
    **{"square": ORANGE, "worst": BLACK, "published": GREEN},
}


@dataclass(frozen=True)
class Settings(ImageSettings):
    """ET3 of two L2 steps in front of networks that are attacked in L∞."""

    points: Count = 360
    strengths: Increasing[Positive] = (0.5, 1.0, 2.0)
    """radius of the attacks, in units of ε"""
    radii: Increasing[Positive] = (0.4, 0.8)
    """radius of ET3 in L2, in units of ε√d; its two steps have half that length"""
    steps: Count = 20
    """steps of APGD"""
    restarts: Count = 2
    """random starts of APGD"""
    targets: Count = 5
    """classes aimed at"""
    queries: Count = 200
    """points that Square evaluates"""

    @property
    def defences(self) -> list[str]:
        """No defence, and ET3 by its radius."""
        return [ALONE, *(f"{radius:g}" for radius in self.radii)]

    @property
    def asked(self) -> int:
        """How many settings are compared with no defence."""
        return len(NETWORKS) * len(KINDS) * len(self.radii) * len(self.strengths)


def run(settings: Settings, key, progress: Progress) -> Dataset:
    """Over network, kind, defence, strength, trial and point whether an image stays right:
    ``kept`` by rung; ``published`` by that protocol; before any attack, and without strength,
    ``right``."""
    eps = settings.suited.eps
    key_train, key_test, key_attack = jax.random.split(key, 3)
    scene = scene_of(settings, key_train, key_test)
    x, y = scene.x, scene.y
    unit = eps * x[0].size ** 0.5
    keys = jax.random.split(key_attack, settings.trials)
    options: dict[str, Any] = {"steps": settings.steps, "targets": settings.targets}

    def cell(network, kind, defence, strength):
        radius = 0.0 if defence == ALONE else unit * float(defence)
        outcome = {"kept": [], "published": [], "right": []}
        for logits, each in zip(scene.trained(network, kind), keys, strict=True):
            size = jnp.asarray(radius, x.dtype)
            by = Defended(logits, size, size / 2)
            at = strength * eps
            climbed, reported = jax.random.split(each)
            queries = settings.queries
            found = ladder(
                by, climbed, x, y, at, restarts=settings.restarts, queries=queries, **options
            )
            outcome["kept"].append([kept([one]) for one in found.values()])
            outcome["right"].append(by(x).argmax(axis=1) == y)
            if defence == ALONE:
                full = auto(logits, reported, x, y, at, steps=settings.steps, queries=queries)
                outcome["published"].append(kept([full]))
            else:
                outcome["published"].append(published(by, reported, x, y, at, **options))
        dims = {"kept": ("trial", "rung", "point")}
        return {
            name: (dims.get(name, ("trial", "point")), np.asarray(values))
            for name, values in outcome.items()
        }

    labels = {"trial": range(settings.trials), "rung": list(RUNGS), "point": range(len(x))}
    cells = {"network": NETWORKS, "kind": list(KINDS)}
    cells |= {"defence": settings.defences, "strength": settings.strengths}
    data = over(cell, progress, labels, **cells)
    return data.assign(right=data.right.isel(strength=0, drop=True)).assign_attrs(eps=eps)


def worst(data: Dataset) -> DataArray:
    """Whether an image stays right under every rung."""
    return data.kept.all("rung")


def accuracy(hit: DataArray) -> Interval:
    """The share of images, over networks."""
    return mean(hit.mean("point"))


def draw(data: Dataset, settings: Settings) -> Figure:
    """Accuracy under every rung against the strength, defended and alone; what is gained."""
    figure = plt.figure(figsize=(7.4, 7.0))
    rows = figure.add_gridspec(2, 1, height_ratios=(3, 4))
    low, high = figure.add_subfigure(rows[0]), figure.add_subfigure(rows[1])
    axes = high.subplots(2, len(NETWORKS), sharex=True, sharey=True)
    strongest = settings.defences[-1]
    for ax, (kind, network) in zip(axes.flat, product(KINDS, NETWORKS), strict=True):
        one = data.sel(network=network, kind=kind)
        one = one.assign_coords(strength=one.strength * data.attrs["eps"])
        behind = one.kept.sel(defence=strongest)
        lines = {f"ET3, {rung}": (behind.sel(rung=rung), COLOURS[rung], "-", 1) for rung in RUNGS}
        lines["ET3, worst"] = worst(one).sel(defence=strongest), BLACK, "-", 2
        lines["alone, worst"] = worst(one).sel(defence=ALONE), BLACK, ":", 2
        for label, (hit, colour, style, width) in lines.items():
            mark = None if width > 1 else "osD^v"[len(ax.containers) % 5]
            looks = {None: {"color": colour, "ls": style, "lw": width, "marker": mark, "ms": 3}}
            curves(ax, accuracy(hit), x="strength", given=looks, label=label)
        ax.set_title(f"{network} trained on {kind}")
        ax.set_ylim(-0.02, 1.02)
    for ax in axes[:, 0]:
        ax.set_ylabel("accuracy left")
    for ax in axes[-1]:
        ax.set_xticks(data.attrs["eps"] * np.array(settings.strengths))
        ax.set_xlabel(r"$L_\infty$ radius $\varepsilon$ of the attack")
    legend(high, [({}, axes.flat[0])], ncols=4)
    _gains(low, data, settings)
    return figure


def _gains(figure, data: Dataset, settings: Settings) -> None:
    """What ET3 seems to gain by three ways of asking, a panel for each kind of network."""
    axes = figure.subplots(1, len(NETWORKS) * len(KINDS), sharey=True)
    strongest = settings.defences[-1]
    at = np.arange(len(settings.strengths))
    looks = {name: {"color": COLOURS[name], "label": LABELS[name]} for name in LABELS}
    for ax, (network, kind) in zip(np.ravel(axes), product(NETWORKS, KINDS), strict=True):
        one = data.sel(network=network, kind=kind)
        found = accuracy(gains(one, strongest).assign_coords(strength=at))
        curves(ax, found, x="strength", series="asked", given=looks, dodge=0.2, ls="none", ms=4)
        ax.axhline(0, color=BLACK, lw=0.8)
        ax.set_xticks(at, [f"{s * data.attrs['eps']:.3g}" for s in settings.strengths])
        ax.set_title(f"{network},\n{kind}", fontsize=8)
        ax.set_xlabel(r"$L_\infty$ radius $\varepsilon$")
    np.ravel(axes)[0].set_ylabel("gain of accuracy by ET3")
    legend(figure, [({}, np.ravel(axes)[0])], ncols=3)


LABELS = {
    "published": "published protocol",
    "transfer": "transferred, the same for both",
    "worst": "worst of the ladder, the same for both",
}


def gains(one: Dataset, defence: str) -> DataArray:
    """Of every image what the defence gains, 1, 0 or −1, by what is asked."""
    hits = one.published, one.kept.sel(rung="transfer", drop=True), worst(one)
    hit = xr.concat(hits, "asked").assign_coords(asked=list(LABELS)).astype(int)
    return hit.sel(defence=defence) - hit.sel(defence=ALONE, drop=True)


def compared(gain: DataArray) -> dict[str, float]:
    """Images of all networks that stand with the defence alone, and without it alone."""
    won, lost = int((gain > 0).sum()), int((gain < 0).sum())
    return {"won": won, "lost": lost, "p": mcnemar(won, lost)}


def summary(data: Dataset, settings: Settings) -> Summary:
    """Whether ET3 helped and where; what the published protocol says of the same networks."""
    tables: dict[str, Any] = {}
    helped, hurt, neither = [], [], []
    for network, kind in product(NETWORKS, KINDS):
        one = data.sel(network=network, kind=kind)
        name = f"{network} trained on {kind}"
        table: dict[str, Any] = {
            "clean": numbers(mean(one.right.mean("point"))),
            "kept": numbers(mean(one.kept.mean("point"))),
            "worst": numbers(accuracy(worst(one))),
            "published": numbers(accuracy(one.published)),
        }
        wrong = ~one.right.sel(defence=ALONE, drop=True)
        for defence in settings.defences[1:]:
            found = {}
            for strength in settings.strengths:
                gain = gains(one, defence).sel(strength=strength)
                test = compared(gain.sel(asked="worst"))
                again = (gain.where(wrong, 0) > 0).mean(("trial", "point"))
                found[f"{strength:g}"] = {
                    "gains": numbers(accuracy(gain)),
                    "of them on images that the classifier alone has wrong": numbers(again),
                    "McNemar": test,
                }
                where = f"{name} at ε = {strength * data.attrs['eps']:.3g}, radius {defence}"
                if test["p"] * settings.asked >= 0.01:
                    neither.append(where)
                else:
                    (helped if test["won"] > test["lost"] else hurt).append(where)
            table[f"ET3 of radius {defence}"] = found
        tables[name] = table
    return Summary(_sentences(data, settings, helped, hurt, neither), tables)


def _sentences(data: Dataset, settings: Settings, helped, hurt, neither) -> tuple[str, ...]:
    verdict = (
        f"In the worst case of the same attacks on both, ET3 helped in {len(helped)} of "
        f"{settings.asked} settings, hurt in {len(hurt)}, and in {len(neither)} it cannot be told "
        "(McNemar, p < .01 for all of them together)"
    )
    if helped:
        verdict += f"; it helped: {', '.join(helped)}"
    own = settings.strengths[min(1, len(settings.strengths) - 1)]
    robust = data.sel(kind="adversarial examples", strength=own)
    sentences = [verdict + "."]
    for network in NETWORKS:
        found = accuracy(gains(robust.sel(network=network), settings.defences[-1]))
        said = {what: found.sel(asked=what).text(3) for what in LABELS}
        sentences.append(
            f"{network}s trained on adversarial examples, at {own:g} ε: the published protocol "
            f"sees a gain of {said['published']}, transferred attacks {said['transfer']}, the "
            f"worst case of the ladder {said['worst']}."
        )
    last = data.sel(kind="images", defence=ALONE).isel(strength=-1)
    left = float(last.kept.sel(rung="unrolled").mean(("trial", "point")).max())
    return *sentences, (
        f"Of networks trained on images alone the unrolled attack leaves at most {left:.3f} "
        "without a defence at the largest ε."
    )


experiment = Experiment(
    name="energy.robustness",
    title="What a test-time defence is worth, by who attacks it",
    label="robust accuracy",
    provenance="derived",
    presets={
        "smoke": Settings(
            trials=2, width=16, training=60, points=20, strengths=(1.0,), radii=(0.8,), steps=3,
            restarts=1, queries=5,
        ),
        "course": Settings(),
        "paper": Settings(trials=5, points=1000, steps=100, restarts=5, queries=5000, width=256),
    },
    run=run,
    draw=draw,
    summary=summary,
)  # fmt: skip
