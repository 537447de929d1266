"""Which order of targets succeeds with how many gradients, those of scoring charged.

On classes of unlike scale and frequency the class of the largest logit is often not the nearest
one; on classes alike it mostly is, and MALT pays for its scores: K − 1 backward passes before
the first step. Networks are trained on adversarial examples. All orders have the same APGD,
starts and rule of success.
"""

import matplotlib.pyplot as plt
import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from xarray import DataArray, Dataset

from experiments.attacks.orders import COLOURS, ORDERS, PAPER, SMOKE, Settings, run, share_of_right
from experiments.experiment import Experiment, Summary
from experiments.plots.comparison import mcnemar
from experiments.plots.curves import curves
from experiments.plots.estimates import mean, numbers
from experiments.plots.style import CHANCE, legend


def budgets(settings: Settings) -> np.ndarray:
    """Gradients at which the curves are drawn."""
    scores = settings.scores
    most = scores + settings.targets * (settings.steps + 1)
    return np.unique(np.geomspace(1, most, 200).astype(int))


def within(data: Dataset, budget: DataArray | int) -> DataArray:
    """Whether a point had fallen with so many gradients."""
    return data.success & (data.gradients <= budget)


def draw(data: Dataset, settings: Settings) -> Figure:
    """Success against gradients, a panel for each scene."""
    figure, axes = plt.subplots(1, 2, figsize=(7.2, 3.4), sharey=False)
    given = {
        name: {"label": ORDERS[name], "color": COLOURS[name], "ls": "--" if name == "box" else "-"}
        for name in settings.orders
    }
    at = xr.DataArray(budgets(settings), dims="budget", coords={"budget": budgets(settings)})
    for ax, scene in zip(axes, data.scene.values, strict=True):
        one = data.sel(scene=scene)
        found = mean(share_of_right(within(one, at), one))
        curves(ax, found, x="budget", series="order", given=given, band=True, marker=None)
        ever = float(share_of_right(one.success.any("order"), one).mean())
        ax.axhline(ever, **CHANCE, label="by any order")
        ax.set(xscale="log", xlabel="gradients of a point, those of scores included")
        ax.set_title(scene)
        ax.set_ylim(bottom=0)
    for ax in axes:
        ax.set_ylabel("share of right points misclassified")
    legend(figure, [({}, ax) for ax in axes], ncols=3)
    return figure


def compared(data: Dataset, one: str, other: str, budget: int) -> dict[str, float]:
    """McNemar's exact test of two orders at a budget: points that only one of them felled."""
    first, second = (within(data.sel(order=name), budget) & data.right for name in (one, other))
    only, lost = int((first & ~second).sum()), int((second & ~first).sum())
    return {"budget": budget, f"only {one}": only, f"only {other}": lost, "p": mcnemar(only, lost)}


def summary(data: Dataset, settings: Settings) -> Summary:
    """Success of each order with 1, 3 and all targets, and MALT against the naive order at equal
    budgets."""
    scores, run_of = settings.scores, settings.steps + 1
    counts = sorted({min(a, settings.targets) for a in (1, 3, settings.targets)})
    sentences, tables = [], {}
    for scene in data.scene.values.tolist():
        one = data.sel(scene=scene)
        by_runs = {
            f"{a} targets": share_of_right(one.success & (one.runs <= a), one) for a in counts
        }
        estimates = {name: numbers(mean(share)) for name, share in by_runs.items()}
        tables[scene] = {"accuracy": numbers(mean(one.right.mean("point"))), "success": estimates}
        if not {"malt", "logits"} <= set(settings.orders):
            continue
        at = sorted({a * run_of for a in counts} | {scores + a * run_of for a in counts})
        tests = [compared(one, "malt", "logits", budget) for budget in at]
        tables[scene]["MALT against logits"] = tests
        ahead = [t["budget"] for t in tests if t["p"] < 0.01 and t["only malt"] > t["only logits"]]
        behind = [t["budget"] for t in tests if t["p"] < 0.01 and t["only malt"] < t["only logits"]]
        first = [by_runs[f"{counts[0]} targets"].sel(order=name) for name in ("malt", "logits")]
        malt, naive = (mean(share).text() for share in first)
        words = {"is ahead": ahead, "is behind": behind}
        where = "; ".join(
            f"it {what} with {', '.join(map(str, found))} gradients"
            for what, found in words.items()
            if found
        )
        sentences.append(
            f"{scene[0].upper()}{scene[1:]}: with one target MALT fells {malt} of the points that "
            f"were right, the class of the largest logit {naive}; scores charged, "
            f"{where or 'neither is ahead at any budget tried'} (McNemar, p < .01)."
        )
    return Summary(tuple(sentences), tables)


experiment = Experiment(
    name="attacks.budget",
    title="Which targets fall with how many gradients",
    label="success against budget",
    provenance="derived",
    presets={
        "smoke": Settings(**SMOKE),
        "course": Settings(),
        "paper": Settings(**PAPER),
    },
    run=run,
    draw=draw,
    summary=summary,
)
