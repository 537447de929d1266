"""The same classifier in other gauges: W + 1vᵀ, b + c1 in the last layer changes no prediction.

Training leaves v and c where the initialisation put them (E5), and ET3 depends on them. Two linear
logits go from the symmetric gauge, where every step of a lost point makes it worse, to that of
g_h = 0, where every step helps (E4); trained networks are shifted by random v of growing length.
"""

from dataclasses import dataclass
from functools import cache

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from jax.tree_util import Partial
from matplotlib.figure import Figure
from xarray import Dataset

from experiments.cells import along, every, over, together
from experiments.classifiers import COLOURS, KINDS, logits, scene_of
from experiments.energy import histograms
from experiments.experiment import Experiment, Progress, Summary
from experiments.plots.curves import curves
from experiments.plots.estimates import defined, mean, numbers
from experiments.plots.style import CHANCE, THEORY, VERMILION, legend
from theory.attacks import apgd
from theory.energy import et3
from theory.energy.directions import centred
from theory.energy.gauges import regauged, shifted
from theory.energy.linear import log_uniform, pair
from theory.networks import MLP
from theory.settings import Filled, Real, Sample

BEHIND = (0.01, 3.0)
"""|r| of two linear logits, log-uniform."""


@dataclass(frozen=True)
class Settings(histograms.Settings):
    """MLPs whose head is shifted, and two linear logits with g_h = −g_t."""

    shifts: Filled[Real] = (0.0, 0.5, 1.0, 2.0, 4.0, 8.0)
    """lengths of v, in units of the root mean square norm of the rows of W"""
    gauges: Sample = 11
    """multiples of f_t from 0 to 1 that are added to two linear logits"""
    draws: Sample = 500
    """pairs of them"""


def drawn(net: MLP, key, size) -> MLP:
    """The classifier with W + 1vᵀ, v random of so many times the norm of a row of W."""
    last = net.weights[-1]
    v = jax.random.normal(key, last.shape[1:], last.dtype)
    rows = jnp.sqrt(jnp.mean(jnp.sum(last**2, axis=1)))
    return shifted(net, jnp.asarray(size, last.dtype) * rows * v / jnp.linalg.norm(v))


def run(settings: Settings, key, progress: Progress) -> Dataset:
    """Over kind, shift and trial the share of lost images that ET3 ``restored``, of clean ones that
    it ``kept``, and what is right ``without`` it; those ``restored_centred`` with centred logits.
    Over gauge and draw ``change`` of two linear logits' margin by ET3, over ε‖g_t‖."""
    eps = settings.suited.eps
    key_train, key_test, key_attack, key_shift, key_pair = jax.random.split(key, 5)
    scene = scene_of(settings, key_train, key_test)
    x, y = scene.x, scene.y
    radius = settings.radius * eps * x[0].size ** 0.5

    @cache
    def attacked(kind, trial):
        given, key = scene.trained("MLP", kind)[trial], jax.random.fold_in(key_attack, trial)
        size = settings.strength * eps
        return given, apgd(given, key, x, y, size, loss="ce", steps=settings.steps)

    def one(kind, shift, trial):
        given, found = attacked(kind, trial)
        (net,) = given.args
        net = drawn(net, jax.random.fold_in(key_shift, trial), shift)
        plain, same = Partial(logits, net), Partial(_centred_logits, net)

        def right(images, f=plain):
            return f(et3(f, images, radius, radius / 2)).argmax(1) == y

        return {
            "restored": float(jnp.mean(right(found.inputs), where=found.success)),
            "restored_centred": float(jnp.mean(right(found.inputs, same), where=found.success)),
            "kept": float(jnp.mean(right(x))),
            "without": float(jnp.mean(plain(x).argmax(1) == y)),
        }

    def cell(kind, shift):
        found = [one(kind, shift, trial) for trial in range(settings.trials)]
        return along(together(found), "trial")

    labels = {"trial": range(settings.trials)}
    data = over(cell, progress, labels, kind=list(KINDS), shift=list(settings.shifts))
    gauges = np.linspace(0, 1, settings.gauges)
    pairs = every(_changes)(key_pair, settings.draws, jnp.asarray(gauges))
    return data.assign_coords(gauge=gauges).assign(change=(("draw", "gauge"), pairs["change"]))


def _centred_logits(net, x):
    return centred(logits(net, x))


def _changes(gauges, key):
    """By gauge Δ/(ε‖g_t‖) of a lost point whose gradients are g_t(1 + a) and −g_t(1 − a)."""
    key_r, key_pair = jax.random.split(key)
    r = -log_uniform(key_r, *BEHIND)
    scene = pair(key_pair, 5, r, 1.0, -1.0)

    def at(a):
        moved = regauged(scene, a)
        return moved.after(moved.step(1.0)) - moved.margin

    return {"change": jax.vmap(at)(gauges)}


def draw(data: Dataset, settings: Settings) -> Figure:
    """Two linear logits on the left; networks, attacked and clean, on the right."""
    figure, axes = plt.subplots(1, 3, figsize=(7.4, 2.9))
    ax = axes[0]
    # a step helps where (1 + a)e_t > (1 − a)e_h, that is |r| < 2 artanh a
    a = np.linspace(1e-3, 1 - 1e-9, 500)
    low, high = np.log(BEHIND)
    helped = np.clip((np.log(2 * np.arctanh(a)) - low) / (high - low), 0, 1)
    ax.plot(a, 4 * helped - 2, **THEORY, label=r"$|r| < 2\,\mathrm{artanh}\,a$")
    found = mean(data.change, over="draw")
    ax.errorbar(data.gauge, found.centre, found.bars, fmt="o", ms=4, capsize=2, color=VERMILION)
    ax.axhline(0, **CHANCE)
    ax.set_xlabel(r"gauge $a$ of $f + a f_t\mathbf{1}$")
    ax.set_ylabel(r"mean change of margin / $\varepsilon\Vert g_t\Vert$")
    ax.set_title("two linear logits")
    ax.legend(loc="lower right", fontsize=7)
    for ax, name, title in (
        (axes[1], "restored", "attacked images"),
        (axes[2], "kept", "clean images"),
    ):
        for kind in KINDS:
            one, look = data.sel(kind=kind), {"color": COLOURS[kind], "label": f"trained on {kind}"}
            curves(ax, defined(one[name]), x="shift", **look)
            level = one.restored_centred.isel(shift=0) if name == "restored" else one.without
            ax.axhline(float(level.mean()), color=COLOURS[kind], lw=1, ls="--")
        ax.set(xscale="symlog", xlabel=r"$\Vert v\Vert$ / norm of a row of $W$", title=title)
        ax.set_xticks([0, 1, 2, 4, 8], ["0", "1", "2", "4", "8"])
        ax.set_ylim(-0.02, 1.02)
        ax.set_ylabel("share right after ET3")
    axes[1].plot([], [], "k--", lw=1, label="centred logits; on the right without ET3")
    legend(figure, [({}, axes[1])])
    return figure


def summary(data: Dataset, settings: Settings) -> Summary:
    """What ET3 restores in the gauge of training, in the farthest, and with centred logits."""
    last = settings.shifts[-1]
    sentences = []
    lowest, highest = (float(data.change.isel(gauge=i).mean("draw")) for i in (0, -1))
    sentences.append(
        f"One classifier of two linear logits: in the symmetric gauge ET3 changes lost margins by "
        f"{lowest:.3f} ε‖g_t‖, in that of g_h = 0 by {highest:+.3f} ε‖g_t‖.".replace("-", "−")
    )
    for kind in KINDS:
        one = data.sel(kind=kind)
        base, far = (one.restored.sel(shift=shift) for shift in (settings.shifts[0], last))
        if int(base.notnull().sum()) < 2:
            sentences.append(f"Trained on {kind}: fewer than two networks lose an image.")
            continue
        sentences.append(
            f"Trained on {kind}: ET3 restores {defined(base).text()} of the lost images in the "
            f"gauge of training, {defined(far).text()} with v of {last:g} rows, "
            f"{defined(far - base).text()} more, and "
            f"{defined(one.restored_centred.isel(shift=0)).text()} with centred logits."
        )
    names = ("restored", "restored_centred", "kept", "without")
    return Summary(tuple(sentences), {name: numbers(defined(data[name])) for name in names})


experiment = Experiment(
    name="energy.gauge",
    title="One classifier in other gauges, behind ET3",
    label="E4, E5",
    provenance="derived",
    presets={
        "smoke": Settings(
            trials=2, width=16, training=200, points=40, steps=5, shifts=(0.0, 4.0), gauges=5,
            draws=10,
        ),
        "course": Settings(),
        "paper": Settings(trials=5, points=1000, steps=100, width=256),
    },
    run=run,
    draw=draw,
    summary=summary,
)  # fmt: skip
