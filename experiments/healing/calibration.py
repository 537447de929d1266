"""How many images healing needs, unseen by the dense network or from its own training."""

from dataclasses import dataclass
from enum import IntEnum

import jax
import numpy as np
import xarray as xr
from matplotlib.figure import Figure
from xarray import DataArray, Dataset

from experiments.experiment import Experiment, Progress, Summary, part
from experiments.healing.comparison import compare, evaluate, first_draws, on_test
from experiments.healing.curves import METHODS, REFERENCES
from experiments.healing.dense import (
    PAPER,
    SMOKE,
    DrawnShare,
    MLPSettings,
    count_of,
    dense_mlps,
    draw_calibration,
    load,
)
from experiments.healing.standing import by_network, summarise
from experiments.plots.comparison import in_words
from experiments.plots.curves import curves
from experiments.plots.estimates import mean, numbers, share
from experiments.plots.style import grid, legend
from theory.healing.members import members
from theory.healing.methods import MAIN, Main, chosen
from theory.healing.structures import magnitude_masks, percent
from theory.keys import named
from theory.settings import Filled, Increasing, ProperShare


class Source(IntEnum):
    """Where calibration images are drawn from."""

    UNSEEN = 0
    TRAINING = 1


SOURCES = {Source.UNSEEN: "images no network has seen", Source.TRAINING: "images of the training"}


@dataclass(frozen=True)
class Settings(MLPSettings):
    """Networks pruned by magnitude within every hidden layer."""

    methods: Filled[Main] = MAIN
    """ways to heal"""
    sparsity: ProperShare = 0.9
    """share of the weights of every hidden layer that is pruned"""
    shares: Increasing[DrawnShare] = (0.001, 0.004, 0.01, 0.02, 0.05)
    """numbers of calibration images, as shares of the training images"""

    def __post_init__(self):
        super().__post_init__()
        chosen(self.methods)


def run(settings: Settings, key, progress: Progress) -> Dataset:
    """What `compare` returns, over images, how many there are, and source; dense and pruned."""
    key_images, key_dense, key_draws = jax.random.split(key, 3)
    images = load(settings, key_images)
    counts = [count_of(images, one) for one in settings.shares]
    progress(0, "training dense networks")
    dense = dense_mlps(settings, images, key_dense)
    masks = magnitude_masks(dense, settings.sparsity)
    arms, measure = chosen(settings.methods), on_test(settings, images)
    found, cells = [], {}
    # One number of images after another, so that both sources share their compiled programs.
    for i, drawn_share in enumerate(settings.shares):
        for source, name in SOURCES.items():
            key_draw = named(jax.random.fold_in(key_draws, i), source)
            seen = source == Source.TRAINING
            drawn = draw_calibration(settings, images, drawn_share, key_draw, seen=seen)
            cells[name] = members(dense, masks, drawn)
        portion = part(progress, 0.1 + 0.9 * i / len(counts), 0.9 / len(counts))
        found.append(compare(settings, measure, arms, cells, "source", portion)[["score", "rate"]])
    progress(1.0, "done")
    pruned = first_draws(settings, next(iter(cells.values())).start)
    data = xr.concat(found, "images").assign_coords(images=counts)
    return data.assign(dense=evaluate(dense, images), pruned=evaluate(pruned, images))


def draw(data: Dataset, settings: Settings) -> Figure:
    """Accuracy against the number of images, a panel for each source."""
    figure, cells = grid(data, columns="source", size=(7.2, 3.8), sharey=True)
    accuracy = by_network(data.score)
    for at, ax in cells:
        for name in ("dense", "pruned"):
            level = float(data[name].sel(measure="accuracy").mean())
            ax.axhline(level, **REFERENCES[name], label=name)
        curves(ax, share(accuracy.sel(at)), x="images", series="arm", given=METHODS, ms=3)
        ax.set(xscale="log", xlabel="calibration images $n$")
        ax.set_xticks(data.images, map(str, data.images.values))
        ax.set_xticks([], minor=True)
    cells[0][1].set_ylabel(f"test accuracy, {percent(settings.sparsity)} pruned")
    legend(figure, cells, "lower")
    return figure


def needed(recovered: DataArray) -> str:
    """From how many images on all intervals of percentages, over images and trial, are above 97."""
    enough = (mean(recovered).low >= 97).values
    lasting = np.logical_and.accumulate(enough[::-1])[::-1]
    images = recovered.images.values
    if not lasting.any():
        return f"with no number up to {images[-1]}"
    return f"from {images[np.argmax(lasting)]} images on"


def worse(gains: DataArray) -> str:
    """With how many images healing does harm, from gains over the pruned, over images and trial."""
    harmed = gains.images[mean(gains).high < 0].values
    if not len(harmed):
        return ""
    at = ", ".join(map(str, harmed))
    return f"; it is worse than the pruned network left alone at n = {at}"


def summary(data: Dataset, settings: Settings) -> Summary:
    """All methods at all numbers of images, and what images of the training change."""
    dense, pruned = (data[name].sel(measure="accuracy", drop=True) for name in ("dense", "pruned"))
    accuracy = by_network(data.score)
    sentences = []
    for name in data.arm.values.tolist():
        one = accuracy.sel(arm=name)
        unseen, training = (100 * one.sel(source=label) / dense for label in SOURCES.values())
        seen = mean((training - unseen).mean("images"))
        gains = one.sel(source=SOURCES[Source.UNSEEN]) - pruned
        sentences.append(
            f"{name} recovers 97 % of the dense accuracy, the whole interval, {needed(unseen)}; "
            f"images of the training change it by {in_words(seen)} points{worse(gains)}."
        )
    tables = {"dense": numbers(share(dense)), "pruned": numbers(share(pruned))}
    tables |= {
        label: {
            f"{n} images": summarise(data.score.sel(source=label, images=n), dense)
            for n in data.images.values.tolist()
        }
        for label in SOURCES.values()
    }
    return Summary(tuple(sentences), tables)


experiment = Experiment(
    name="healing.calibration",
    title="How many images healing needs",
    label="accuracy against calibration size",
    provenance="derived",
    presets={
        "smoke": Settings(**SMOKE, methods=("STARFISH", "labels"), shares=(0.01,)),
        "course": Settings(),
        "paper": Settings(**PAPER),
    },
    run=run,
    draw=draw,
    summary=summary,
)
