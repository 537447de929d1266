"""The smallest experiment there is, to see what the gallery does with any."""

from dataclasses import dataclass

import jax
import matplotlib.pyplot as plt
import numpy as np
from xarray import Dataset

from experiments.experiment import Experiment, Summary
from experiments.plots.curves import curves
from experiments.plots.estimates import mean, numbers
from theory.settings import Margin, Positive, Rising, Sample, Settings


@dataclass(frozen=True)
class Toy(Settings):
    """Means of Gaussian samples."""

    trials: Sample = 5
    """samples"""
    sizes: Rising = (2, 4)
    """of a sample"""
    scale: Positive | None = None
    """standard deviation; 1 when None"""
    margin: Margin = 1.0
    """a number that may be infinite"""


def run(settings, key, progress) -> Dataset:
    """``average`` over trial and size."""
    noise = np.asarray(jax.random.normal(key, (settings.trials, max(settings.sizes))))
    averages = [noise[:, :size].mean(axis=1) for size in settings.sizes]
    coordinates = {"size": list(settings.sizes)}
    return Dataset({"average": (("size", "trial"), np.array(averages))}, coordinates)


def draw(data, settings):
    """Averages against sizes."""
    figure, ax = plt.subplots()
    curves(ax, mean(data.average), x="size", label="average")
    ax.set(xlabel="size", ylabel="average")
    return figure


def summary(data, settings) -> Summary:
    """Averages with their intervals."""
    return Summary((f"{settings.trials} samples.",), {"average": numbers(mean(data.average))})


experiment = Experiment(
    name="toy.means",
    title="Means",
    label="none",
    provenance="derived",
    presets={"smoke": Toy(), "course": Toy(trials=7), "paper": Toy(trials=9)},
    run=run,
    draw=draw,
    summary=summary,
)
