"""How far every method heals networks pruned by magnitude, from half of the weights to nearly all.

All methods see the same masks and the same unlabelled images, which no dense network was trained
on, and take the same steps on the same weights; a second time at one sparsity they take the steps
that the fastest method's time allows. Retraining sees all training images and labels.
"""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.experiment import STYLE, Arrays, Experiment, Progress
from experiments.healing.arms import ARMS, Member, compiled, survivors, timed
from experiments.healing.comparison import (
    ACCURACY,
    compare,
    evaluate,
    in_words,
    members,
    on_test,
    references,
    standings,
    summarise,
)
from experiments.healing.curves import RETRAINED, SHOWN, curve, errors_across, ranked_dots
from experiments.healing.dense import CalibratedSettings, dense_mlps, draw_calibration, load
from experiments.healing.tables import Table, tables_page
from experiments.panels import (
    BLACK,
    BLUE,
    GREEN,
    PURPLE,
    SKY,
    VERMILION,
    mean_interval,
)
from theory.healing.masks import apply_masks, magnitude, smallest
from theory.healing.metrics import gap_closed
from theory.networks import MLP, mlp
from theory.theorem import Source

NAMES = tuple(arm.name for arm in ARMS)
STARFISH = NAMES.index("STARFISH")
FAMILY = tuple(name for name in NAMES if name.startswith("STARFISH"))
"""The faithful method and its named extensions."""

RETRAINING_RATE = 1e-2
"""Few weights bear, and need, larger steps than a dense network's."""

RIVALS = ("distillation", "labels")

CONTROLS = ("targets of other images", "noise for images", "survivors redrawn")
"""What must heal less than STARFISH does: each breaks one thing that it relies on."""


@dataclass(frozen=True)
class Settings(CalibratedSettings):
    """Networks pruned by magnitude within every hidden layer; the head stays whole."""

    sparsities: tuple[float, ...] = (0.5, 0.75, 0.9, 0.95, 0.98)
    """shares of the weights of every hidden layer that are pruned"""
    timed: float = 0.95
    """the sparsity at which methods are compared once more with equal time"""
    retraining: float = 0.5
    """passes over the training images of retraining, as a share of those of training"""

    def __post_init__(self):
        super().__post_init__()
        if not self.sparsities or not all(0 < s < 1 for s in self.sparsities):
            raise ValueError(f"sparsities is {self.sparsities} and must be between 0 and 1")
        if self.timed not in self.sparsities:
            raise ValueError(f"timed is {self.timed} and must be one of {self.sparsities}")


def magnitude_masks(dense: MLP, share: float) -> MLP:
    """Masks of the smallest weights of every hidden layer, for networks of a leading axis."""
    whole: Any = (None,) * len(dense.weights)

    def of(net):
        weights: Any = (*smallest(magnitude(net.weights[:-1]), share), None)
        return MLP(weights, whole)

    return jax.vmap(of)(dense)


def broken(control: str, cell: Member, key) -> Member:
    """Members with what STARFISH relies on broken."""
    if control == CONTROLS[0]:
        return cell._replace(teacher=jnp.roll(cell.x, 1, axis=1))
    if control == CONTROLS[1]:
        noise = jnp.mean(cell.x) + jnp.std(cell.x) * jax.random.normal(
            key, cell.x.shape, jnp.float32
        )
        return cell._replace(x=noise, teacher=noise)
    widths = (cell.x.shape[-1], *[w.shape[1] for w in cell.dense.weights])
    keys = jax.random.split(key, len(cell.x))
    drawn = jax.vmap(lambda key: mlp(key, widths))(keys)
    weights = (*drawn.weights[:-1], cell.dense.weights[-1])
    fresh = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), MLP(weights, cell.dense.biases))
    return cell._replace(start=apply_masks(fresh, cell.masks))


def run(settings: Settings, key, progress: Progress) -> Arrays:
    """Train, prune, and heal by every method.

    Returns:
        ``measures`` (methods, sparsities, trials, draws, 3), `MEASURES` on the test images;
        ``rate`` and ``seconds`` (methods, sparsities); ``dense`` (trials, 3); ``pruned`` and
        ``retrained`` (sparsities, trials, 3); ``controls`` (controls, sparsities, trials, draws);
        ``steps_equal_time`` (methods,), 0 for closed forms, and ``equal_time`` (methods, trials,
        draws), accuracies; ``images``, how many are calibrated on.
    """
    keys = jax.random.split(key, 5)
    images = load(settings, keys[0])
    calibration = draw_calibration(settings, images, settings.sizes.share, keys[2])
    progress(0, "training dense networks")
    dense = dense_mlps(settings, images, keys[1])
    masks = [magnitude_masks(dense, sparsity) for sparsity in settings.sparsities]
    arrays = references(
        images,
        dense,
        masks,
        settings.retraining * settings.sizes.epochs,
        survivors(dense),
        RETRAINING_RATE,
        keys[3],
        lambda done, what: progress(0.05 + 0.15 * done, what),
    )
    cells = [members(dense, mask, calibration) for mask in masks]
    names = [f"{sparsity:.0%} pruned" for sparsity in settings.sparsities]
    scores = compare(
        settings,
        on_test(images),
        ARMS,
        cells,
        names,
        lambda done, what: progress(0.2 + 0.6 * done, what),
    )
    shape = (settings.trials, settings.draws)

    program = compiled(settings, ARMS[STARFISH], cells[0], settings.steps)
    controls = np.zeros((len(CONTROLS), len(cells), *shape))
    for i, j in np.ndindex(len(CONTROLS), len(cells)):
        progress(0.8 + 0.1 * (i + j / len(cells)) / len(CONTROLS), f"control: {CONTROLS[i]}")
        cell = broken(CONTROLS[i], cells[j], jax.random.fold_in(keys[4], i))
        nets, _ = timed(program, cell, scores.rate[STARFISH, j])
        controls[i, j] = evaluate(nets, images)[:, ACCURACY].reshape(shape)

    at = settings.sparsities.index(settings.timed)
    descends = np.array([arm.objective is not None for arm in ARMS])
    seconds = scores.seconds[:, at]
    steps = settings.steps * seconds[descends].min() / seconds
    steps = np.where(descends, np.maximum(1, np.round(steps)), 0).astype(int)
    equal = scores.measures[:, at, ..., ACCURACY].copy()
    for i in np.flatnonzero(descends & (steps < settings.steps)):
        progress(0.9 + 0.1 * i / len(ARMS), f"equal time: {ARMS[i].name}")
        nets, _ = timed(
            compiled(settings, ARMS[i], cells[at], int(steps[i])), cells[at], scores.rate[i, at]
        )
        equal[i] = evaluate(nets, images)[:, ACCURACY].reshape(shape)
    progress(1.0, "done")
    return arrays | {
        "measures": scores.measures,
        "rate": scores.rate,
        "seconds": scores.seconds,
        "dense": evaluate(dense, images),
        "controls": controls,
        "steps_equal_time": steps,
        "equal_time": equal,
        "images": np.array(calibration.y.shape[-1]),
    }


def _accuracy(arrays: Arrays) -> np.ndarray:
    """Of every method, (methods, sparsities, trials): networks are the sample, draws averaged."""
    return arrays["measures"][..., ACCURACY].mean(axis=3)


def _recovered(arrays: Arrays) -> np.ndarray:
    """Accuracy as a share of the dense network's, (methods, sparsities, trials)."""
    return _accuracy(arrays) / arrays["dense"][:, ACCURACY]


def draw(arrays: Arrays, settings: Settings) -> Figure:
    """Accuracy against sparsity with controls above, every method below, equal time at the end."""
    with plt.style.context(STYLE):
        figure = plt.figure(figsize=(7.2, 8.2))
        parts: Any = figure.subfigures(2, 1, height_ratios=(3.6, 4.6))
        top, bottom = parts
        left, right = top.subplots(1, 2, sharey=True)
        _curves(left, arrays, settings)
        _controls(right, arrays, settings)
        for ax in (left, right):
            kept = [1 - s for s in settings.sparsities]
            ax.set(xscale="log", xlabel="weights pruned")
            ax.set_xticks(kept, [f"{s:.0%}" for s in settings.sparsities], minor=False)
            ax.set_xticks([], minor=True)
            ax.invert_xaxis()
            ax.legend(loc="lower left", fontsize=6.5)
        left.set_ylabel("test accuracy")
        hard = [i for i, s in enumerate(settings.sparsities) if s >= 0.9] or [0]
        panels = np.atleast_1d(bottom.subplots(1, len(hard) + 1, sharey=True))
        for ax, at in zip(panels, hard, strict=False):
            _dots(ax, arrays, settings, at)
        _times(panels[-1], arrays, settings)
        panels[0].set_yticks(range(len(NAMES)), NAMES[::-1])
        bottom.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def _curves(ax: Axes, arrays: Arrays, settings: Settings) -> None:
    kept = 1 - np.array(settings.sparsities)
    ax.axhline(arrays["dense"][:, ACCURACY].mean(), color=BLACK, lw=0.8, ls="-", label="dense")
    references = ((RETRAINED, "retrained", "--"), ("pruned", "pruned", ":"))
    for label, name, style in references:
        curve(ax, kept, arrays[name][..., ACCURACY].T, label, BLACK, style)
    for name, (colour, mark) in SHOWN.items():
        values = _accuracy(arrays)[NAMES.index(name)]
        curve(ax, kept, values.T, name, colour, mark + "-")
    ax.set_title(f"healed with {arrays['images']} images")


def _controls(ax: Axes, arrays: Arrays, settings: Settings) -> None:
    kept = 1 - np.array(settings.sparsities)
    curve(ax, kept, _accuracy(arrays)[STARFISH].T, "STARFISH", VERMILION, "o-")
    marks = ((BLUE, "s--"), (GREEN, "^--"), (PURPLE, "D--"))
    controls = arrays["controls"].mean(axis=3)
    for name, values, (colour, style) in zip(CONTROLS, controls, marks, strict=True):
        curve(ax, kept, values.T, name, colour, style)
    curve(ax, kept, arrays["pruned"][..., ACCURACY].T, "pruned", BLACK, ":")
    ax.set_title("controls of STARFISH")


def _dots(ax: Axes, arrays: Arrays, settings: Settings, at: int) -> None:
    values = _accuracy(arrays)[:, at]
    among = np.array([one.among_best for one in standings(values)])
    dense, retrained = arrays["dense"][:, ACCURACY], arrays["retrained"][at, :, ACCURACY]
    ranked_dots(ax, values, among, dense, retrained)
    errors_across(ax, f"{settings.sparsities[at]:.0%} pruned")


def _times(ax: Axes, arrays: Arrays, settings: Settings) -> None:
    y = np.arange(len(NAMES))[::-1]
    at = settings.sparsities.index(settings.timed)
    ax.barh(y, arrays["seconds"][:, at], height=0.6, color=SKY)
    ax.set(xscale="log", xlabel="seconds per network", title=f"{settings.timed:.0%}, equal time")
    for i, steps in enumerate(arrays["steps_equal_time"]):
        equal = arrays["equal_time"][i].mean()
        text = f"{equal:.3f}".lstrip("0") + (f", {steps} steps" if steps else "")
        ax.text(ax.get_xlim()[0] * 1.2, y[i], text, va="center", fontsize=6)


def _differences(arrays: Arrays, at: int) -> dict[str, dict[str, list[float]]]:
    """How far every method of the family is ahead of its rivals, paired by network."""
    values = _accuracy(arrays)[:, at]
    return {
        name: {
            f"ahead of {rival}": mean_interval(
                values[NAMES.index(name)] - values[NAMES.index(rival)]
            ).rounded()
            for rival in RIVALS
        }
        for name in FAMILY
    }


def _gap_closed(arrays: Arrays, i: int, at: int) -> list[float] | None:
    pruned, retrained = (arrays[name][at, :, ACCURACY] for name in ("pruned", "retrained"))
    share = gap_closed(*map(jnp.asarray, (_accuracy(arrays)[i, at], pruned, retrained)))
    return mean_interval(share).rounded() if np.isfinite(share).all() else None


def _found(arrays: Arrays, at: int) -> dict[str, Any]:
    """Numbers of all methods at one sparsity."""
    found = summarise(arrays["measures"][:, at], arrays["dense"][:, ACCURACY], NAMES)
    for i, name in enumerate(NAMES):
        rate = float(arrays["rate"][i, at])
        found["methods"][name] |= {
            "gap_closed": _gap_closed(arrays, i, at),
            "rate": None if np.isnan(rate) else rate,
            "seconds": float(arrays["seconds"][i, at]),
        }
    return found


def summary(arrays: Arrays, settings: Settings) -> dict[str, Any]:
    """All methods at all sparsities, those that are among the best, and what follows in words."""
    out: dict[str, Any] = {
        "sentences": [],
        "calibration_images": int(arrays["images"]),
        "dense": mean_interval(arrays["dense"][:, ACCURACY]).rounded(),
    }
    for at, sparsity in enumerate(settings.sparsities):
        found = _found(arrays, at)
        controls = zip(CONTROLS, arrays["controls"][:, at], strict=True)
        out[f"{sparsity:.0%}"] = found | {
            "pruned": mean_interval(arrays["pruned"][at, :, ACCURACY]).rounded(),
            "retrained": mean_interval(arrays["retrained"][at, :, ACCURACY]).rounded(),
            "controls": {name: mean_interval(x.mean(axis=1)).rounded() for name, x in controls},
            "family": _differences(arrays, at),
        }
        out["sentences"].append(_sentence(arrays, sparsity, at, found["among_best"]))
    return out


def _sentence(arrays: Arrays, sparsity: float, at: int, best: list[str]) -> str:
    recovered = dict(zip(NAMES, 100 * _recovered(arrays)[:, at], strict=True))
    top = max(FAMILY, key=lambda name: recovered[name].mean())
    parts = []
    for rival in RIVALS:
        ahead = mean_interval(recovered[top] - recovered[rival])
        verdict = "ahead of" if ahead.low > 0 else "behind" if ahead.high < 0 else "not told from"
        parts.append(f"{verdict} {rival}, {in_words(ahead)} points")
    return (
        f"{sparsity:.0%} pruned: {top} recovers {in_words(mean_interval(recovered[top]))} % of the "
        f"dense accuracy; {'; '.join(parts)}; among the best: {', '.join(best)}."
    )


def page(arrays: Arrays, settings: Settings) -> str:
    """A table for every sparsity."""
    tables = []
    for at, sparsity in enumerate(settings.sparsities):
        found = _found(arrays, at)
        rows = [
            (name in found["among_best"], (name, *(numbers[entry] for entry in COLUMNS.values())))
            for name, numbers in found["methods"].items()
        ]
        tables.append(Table(f"{sparsity:.0%} of the weights pruned", ("method", *COLUMNS), rows))
    return tables_page(
        "Healing pruned networks",
        f"{settings.trials} dense networks on {settings.dataset}, {settings.draws} draws of "
        f"{arrays['images']} unlabelled images for each, {settings.steps} steps. Means over "
        "networks with Student's 95 % intervals. Marked methods cannot be told from the best: "
        "paired by network, with Holm's correction, p > 5 %.",
        tables,
    )


COLUMNS = {
    "accuracy": "accuracy",
    "share of dense": "recovered",
    "gap closed": "gap_closed",
    "difference to best": "difference_to_best",
    "p": "p_value",
    "NLL": "NLL",
    "ECE": "ECE",
    "step size": "rate",
    "seconds": "seconds",
}
"""Columns of the page, from the entries of the summary."""

experiment = Experiment(
    name="healing.sparsity",
    title="How far pruned networks heal, by thirteen methods",
    source=Source(
        paper="starfish2026",
        arxiv="2606.01126",
        label="accuracy against sparsity",
        provenance="derived",
    ),
    presets={
        "smoke": Settings(
            width=16,
            depth=2,
            epochs=3,
            trials=2,
            draws=1,
            steps=8,
            rates=(1e-2,),
            sparsities=(0.5, 0.9),
            timed=0.9,
        ),  # fmt: skip
        "course": Settings(),
        "paper": Settings(trials=20, steps=1600),
    },
    run=run,
    draw=draw,
    summary=summary,
    page=page,
)
