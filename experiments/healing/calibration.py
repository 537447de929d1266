"""How many images healing needs, unseen by the dense network or from its own training."""

from dataclasses import dataclass
from typing import Any

import jax
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.figure import Figure

from experiments.experiment import Arrays, Experiment, Progress
from experiments.healing.arms import ARMS
from experiments.healing.comparison import ACCURACY, compare, evaluate, members, on_test, summarise
from experiments.healing.curves import SHOWN, curve
from experiments.healing.dense import (
    MLPSettings,
    check_shares,
    dense_mlps,
    draw_calibration,
    load,
)
from experiments.healing.pruning import check_sparsity, magnitude_masks, percent
from experiments.plots.comparison import in_words
from experiments.plots.estimates import mean_interval, share_interval
from experiments.plots.style import BLACK, STYLE

COMPARED = tuple(arm for arm in ARMS if arm.name in SHOWN)
NAMES = tuple(arm.name for arm in COMPARED)

SOURCES = ("images no network has seen", "images of the training")


@dataclass(frozen=True)
class Settings(MLPSettings):
    """Networks pruned by magnitude within every hidden layer."""

    sparsity: float = 0.9
    """share of the weights of every hidden layer that is pruned"""
    shares: tuple[float, ...] = (0.001, 0.004, 0.01, 0.02, 0.05)
    """numbers of calibration images, as shares of the training images"""

    def __post_init__(self):
        super().__post_init__()
        check_sparsity(self.sparsity)
        if list(self.shares) != sorted(set(self.shares)) or not self.shares:
            raise ValueError(f"shares is {self.shares} and must increase")
        check_shares(*self.shares)


def run(settings: Settings, key, progress: Progress) -> Arrays:
    """Heal with few and more images.

    Returns:
        ``measures`` (methods, sources, shares, trials, draws, 3), `comparison.MEASURES`; ``dense``
        and ``pruned`` (trials, 3); ``images`` (shares,), how many; ``rate`` (methods, sources,
        shares).
    """
    keys = jax.random.split(key, 3)
    images = load(settings, keys[0])
    counts = [images.calibration(share) for share in settings.shares]
    progress(0, "training dense networks")
    dense = dense_mlps(settings, images, keys[1])
    masks = magnitude_masks(dense, settings.sparsity)
    cells, names = [], []
    # One number of images after another, so that both sources share their compiled programs.
    for i, share in enumerate(settings.shares):
        for source, name in enumerate(SOURCES):
            key_draw = jax.random.fold_in(jax.random.fold_in(keys[2], i), source)
            drawn = draw_calibration(settings, images, share, key_draw, seen=source == 1)
            cells.append(members(dense, masks, drawn))
            names.append(f"{counts[i]} {name}")
    scores = compare(
        settings,
        on_test(images),
        COMPARED,
        cells,
        names,
        lambda done, what: progress(0.1 + 0.9 * done, what),
    )
    grid = (len(COMPARED), len(settings.shares), len(SOURCES))
    progress(1.0, "done")
    return {
        "measures": np.swapaxes(scores.measures.reshape(*grid, *scores.measures.shape[2:]), 1, 2),
        "rate": np.swapaxes(scores.rate.reshape(grid), 1, 2),
        "dense": evaluate(dense, images),
        "pruned": evaluate(cells[0].start, images)[:: settings.draws],
        "images": np.array(counts),
    }


def draw(arrays: Arrays, settings: Settings) -> Figure:
    """Accuracy against the number of images, a panel for each source."""
    with plt.style.context(STYLE):
        figure, panels = plt.subplots(1, 2, figsize=(7.2, 3.8), sharey=True)
        accuracy = arrays["measures"][..., ACCURACY].mean(axis=-1)
        for source, ax in enumerate(panels):
            ax.axhline(arrays["dense"][:, ACCURACY].mean(), color=BLACK, lw=0.8, label="dense")
            pruned = arrays["pruned"][:, ACCURACY].mean()
            ax.axhline(pruned, color=BLACK, lw=0.8, ls=":", label="pruned")
            for i, name in enumerate(NAMES):
                curve(ax, arrays["images"], accuracy[i, source].T, name, *SHOWN[name])
            ax.set(xscale="log", xlabel="calibration images $n$", title=SOURCES[source])
            ax.set_xticks(arrays["images"], map(str, arrays["images"]))
            ax.set_xticks([], minor=True)
        panels[0].set_ylabel(f"test accuracy, {percent(settings.sparsity)} pruned")
        figure.legend(*panels[0].get_legend_handles_labels(), loc="outside lower center", ncols=4)
    return figure


def _needed(recovered: np.ndarray, images: np.ndarray) -> str:
    """From how many images on all intervals of percentages, (shares, trials), are above 97."""
    enough = np.array([mean_interval(values).low >= 97 for values in recovered])
    lasting = np.logical_and.accumulate(enough[::-1])[::-1]
    if not lasting.any():
        return f"with no number up to {images[-1]}"
    return f"from {images[np.argmax(lasting)]} images on"


def _worse(gains: np.ndarray, images: np.ndarray) -> str:
    """With how many images healing does harm, from gains over the pruned, (shares, trials)."""
    harmed = [str(n) for n, gain in zip(images, gains, strict=True) if mean_interval(gain).high < 0]
    if not harmed:
        return ""
    return f"; it is worse than the pruned network left alone at n = {', '.join(harmed)}"


def summary(arrays: Arrays, settings: Settings) -> dict[str, Any]:
    """All methods at all numbers of images, and what images of the training change."""
    dense, pruned = arrays["dense"][:, ACCURACY], arrays["pruned"][:, ACCURACY]
    accuracy = arrays["measures"][..., ACCURACY].mean(axis=-1)
    recovered = 100 * accuracy / dense
    out: dict[str, Any] = {
        "dense": share_interval(dense).rounded(),
        "pruned": share_interval(pruned).rounded(),
    }
    sentences = []
    for i, name in enumerate(NAMES):
        seen = mean_interval((recovered[i, 1] - recovered[i, 0]).mean(axis=0))
        sentences.append(
            f"{name} recovers 97 % of the dense accuracy, the whole interval, "
            f"{_needed(recovered[i, 0], arrays['images'])}; images of the training change it by "
            f"{in_words(seen)} points{_worse(accuracy[i, 0] - pruned, arrays['images'])}."
        )
    out["sentences"] = sentences
    for source, label in enumerate(SOURCES):
        out[label] = {
            f"{n} images": summarise(arrays["measures"][:, source, i], dense, NAMES)
            for i, n in enumerate(arrays["images"])
        }
    return out


experiment = Experiment(
    name="healing.calibration",
    title="How many images healing needs",
    label="accuracy against calibration size",
    provenance="derived",
    presets={
        "smoke": Settings(
            width=16, depth=2, epochs=3, trials=2, draws=1, steps=4, rates=(1e-2,), shares=(0.01,)
        ),
        "course": Settings(),
        "paper": Settings(trials=20, steps=1600),
    },
    run=run,
    draw=draw,
    summary=summary,
)
