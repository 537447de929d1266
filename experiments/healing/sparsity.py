"""How far every method heals networks pruned by magnitude, from half of the weights to nearly all.

All methods see the same masks and the same unlabelled images, which no dense network was trained
on, and take the same steps; what they train differs, and is the same for the rivals that they are
judged against. A second time at one sparsity they take the steps that the fastest method's time
allows. Retraining sees all training images and labels.
"""

from dataclasses import dataclass
from typing import Any, get_args

import jax
import numpy as np
import xarray as xr
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from xarray import DataArray, Dataset

from experiments.experiment import Experiment, Progress, part
from experiments.healing import curves as looks
from experiments.healing.comparison import compare, evaluate, on_test, references, timed
from experiments.healing.dense import PAPER, SMOKE, CalibratedSettings, prepare
from experiments.healing.equal_time import equal_time
from experiments.healing.sparsity_summary import page, summary
from experiments.healing.standing import among_best, by_network
from experiments.plots.curves import curves
from experiments.plots.style import legend, stacked
from theory.healing.members import CONTROLS, broken
from theory.healing.methods import MAIN, Name, chosen, survivors
from theory.healing.programs import compiled
from theory.healing.structures import magnitude_masks, percent
from theory.keys import named
from theory.settings import Filled, Increasing, Positive, ProperShare

RETRAINING_RATE = 1e-2
"""Few weights bear, and need, larger steps than a dense network's."""


@dataclass(frozen=True)
class Settings(CalibratedSettings):
    """Networks pruned by magnitude within every hidden layer; the head stays whole."""

    methods: Filled[Name] = get_args(Name)
    """ways to heal, STARFISH among them"""
    sparsities: Increasing[ProperShare] = (0.5, 0.75, 0.9, 0.95, 0.98)
    """shares of the weights of every hidden layer that are pruned"""
    timed: float = 0.95
    """the sparsity at which methods are compared once more with equal time"""
    retraining: Positive = 0.5
    """passes over the training images of retraining, as a share of those of training"""

    def __post_init__(self):
        super().__post_init__()
        if "STARFISH" not in {arm.name for arm in chosen(self.methods)}:
            raise ValueError(f"methods is {self.methods} and must have STARFISH, which is judged")
        if self.timed not in self.sparsities:
            raise ValueError(f"timed is {self.timed} and must be one of {self.sparsities}")


def run(settings: Settings, key, progress: Progress) -> Dataset:
    """What `references`, `compare` and `equal_time` return, the first two over sparsity.

    Besides, accuracies under ``controls`` over control, sparsity, trial and draw; and ``images``,
    how many are calibrated on.
    """
    *keys, key_order, key_control = jax.random.split(key, 5)
    made = prepare(settings, keys, progress, fewest=2)  # targets of other images need another
    cells = {s: made.pruned(magnitude_masks(made.dense, s)) for s in settings.sparsities}
    images, rate, arms = made.images, RETRAINING_RATE, chosen(settings.methods)
    portion = part(progress, 0.05, 0.15)
    found = references(settings, images, cells, survivors, rate, key_order, portion)
    measure, portion = on_test(settings, images), part(progress, 0.2, 0.6)
    scores = compare(settings, measure, arms, cells, "sparsity", portion)
    (starfish,) = chosen(["STARFISH"])
    program = compiled(starfish, next(iter(cells.values())), settings.steps, settings.batch)

    def controlled(control, sparsity) -> DataArray:
        progress(0.8 + 0.1 * control / len(CONTROLS), f"control: {CONTROLS[control]}")
        cell = broken(control, cells[sparsity], named(key_control, control))
        rate = float(scores.rate.sel(arm="STARFISH", sparsity=sparsity))
        healed = evaluate(timed(program, cell, rate)[0], images, settings.draws)
        return healed.sel(measure="accuracy", drop=True)

    rows = [xr.concat([controlled(c, s) for s in cells], "sparsity") for c in CONTROLS]
    controls = xr.concat(rows, "control").assign_coords(control=list(CONTROLS.values()))
    full, portion = scores.sel(sparsity=settings.timed), part(progress, 0.9, 0.1)
    equal = equal_time(settings, images, arms, cells[settings.timed], full, portion)
    progress(1.0, "done")
    data = xr.merge([found, scores, equal], join="exact")
    return data.assign(controls=controls, images=made.calibration.y.shape[-1])


def draw(data: Dataset, settings: Settings) -> Figure:
    """Error against sparsity with controls above, every method below, equal time at the end."""
    # Kept weights halve from tick to tick.
    data = data.assign_coords(halvings=("sparsity", -np.log2(1 - data.sparsity.values)))
    figure, (top, bottom) = stacked((7.2, 10.4), 5.4, 5)
    sides: Any = top.subfigures(1, 2, width_ratios=(1.5, 1))
    left, right = sides
    healed, dense = by_network(data.score), data.dense.sel(measure="accuracy")
    retrained, pruned = (data[name].sel(measure="accuracy") for name in ("retrained", "pruned"))
    ax = left.subplots()
    ax.axhline(1 - float(dense.mean()), **looks.REFERENCES["dense"], label="dense")
    shown = healed.sel(arm=[name for name in MAIN if name in healed.arm])
    _curves(ax, {looks.RETRAINED: retrained, "pruned": pruned}, shown, looks.METHODS)
    ax.set_title(f"healed with {int(data.images)} images")
    legend(left, [({}, ax)], "lower", 2)
    ax = right.add_subplot(sharey=ax)
    broken = data.controls.mean("draw").rename(control="arm")
    controls = xr.concat([healed.sel(arm=["STARFISH"]), broken], "arm")
    _curves(ax, {"pruned": pruned}, controls, looks.CONTROLLED)
    ax.set(title="controls of STARFISH", ylabel="")
    ax.tick_params(labelleft=False)
    legend(right, [({}, ax)], "lower", 1)
    hard = [s for s in settings.sparsities if s >= 0.9] or settings.sparsities[:1]
    panels = bottom.subplots(1, len(hard) + 1, sharey=True)
    for ax, sparsity in zip(panels, [*hard, settings.timed], strict=True):
        last = ax is panels[-1]
        accuracy = data.equal_time.mean("draw") if last else healed.sel(sparsity=sparsity)
        level = retrained.sel(sparsity=sparsity)
        looks.ranked_dots(ax, accuracy, among_best(accuracy), dense, level)
        looks.errors_along(ax)
        ax.set_title(f"{percent(sparsity)}, equal time" if last else f"{percent(sparsity)} pruned")
    steps = [f"{steps} steps" if steps else "" for steps in data.equal_time_steps.values]
    side = panels[-1].secondary_yaxis("right")
    side.set_yticks(range(len(steps)), steps[::-1], fontsize=6)
    side.tick_params(length=0)
    side.spines["right"].set_visible(False)
    legend(bottom, [({}, ax) for ax in panels], "lower")
    return figure


def _curves(ax: Axes, references: dict[str, DataArray], accuracy: DataArray, given) -> None:
    """Errors against the weights that are left, an octave of them from tick to tick."""
    for label, values in references.items():
        curves(ax, looks.error(values), x="halvings", label=label, **looks.REFERENCES[label])
    found = looks.error(accuracy)
    curves(ax, found, x="halvings", series="arm", given=given, dodge=0.04, ms=3, capsize=1.5)
    ax.set_xticks(accuracy.halvings, map(percent, accuracy.sparsity.values))
    ax.set_xlabel("weights pruned")
    looks.errors_along(ax, "y")


SMALL: dict[str, Any] = SMOKE | {"steps": 8}

experiment = Experiment(
    name="healing.sparsity",
    title="How far pruned networks heal, by eighteen methods",
    label="accuracy against sparsity",
    provenance="derived",
    presets={
        "smoke": Settings(
            **SMALL,
            methods=("STARFISH", "STARFISH, head refitted", "distillation"),
            sparsities=(0.5, 0.9),
            timed=0.9,
        ),
        "course": Settings(),
        "paper": Settings(**PAPER),
    },
    run=run,
    draw=draw,
    summary=summary,
    page=page,
)
