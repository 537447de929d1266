"""What shape and choice of the pruned weights do to healing.

Single weights, two or one of every four, or whole neurons are removed; the weights that go are the
smallest, within a layer or of all, those that Wanda finds least used, or any.
"""

from dataclasses import dataclass
from functools import partial
from typing import Annotated, Literal, get_args

import jax
import matplotlib.pyplot as plt
import xarray as xr
from matplotlib.figure import Figure
from xarray import Dataset

from experiments.experiment import Experiment, Progress, Summary
from experiments.healing import arms
from experiments.healing.arms import Arm, Main, chosen
from experiments.healing.comparison import (
    by_network,
    compare,
    evaluate,
    members,
    on_test,
    repeated,
    summarise,
)
from experiments.healing.curves import REFERENCES, error, errors_along
from experiments.healing.dense import CalibratedSettings, dense_mlps, draw_calibration, load
from experiments.healing.pruning import percent
from experiments.plots.comparison import in_words
from experiments.plots.dots import dots
from experiments.plots.estimates import mean, numbers, share
from experiments.plots.style import BLUE, GREEN, ORANGE, PURPLE, VERMILION, legend
from theory.healing.corrections import fold_neurons
from theory.healing.masks import n_of_m, smallest, smallest_of_all, smallest_of_rows
from theory.healing.objectives import Aligned, next_preactivations
from theory.healing.structures import (
    Masks,
    by_chance,
    by_magnitude,
    by_use,
    of_neurons,
    of_weights,
)
from theory.settings import Filled, Listed, ProperShare

FOLD = Arm("neurons folded", closed=lambda dense, net, masks, x: fold_neurons(dense, masks, x))
NEXT = Arm("STARFISH, next pre-activations", Aligned(next_preactivations))
ARMS = (*chosen(arms.MAIN), NEXT, FOLD)
Name = Literal[Main, "STARFISH, next pre-activations", "neurons folded"]

LAYER, ALL, ROW = "magnitude, by layer", "magnitude, of all", "magnitude, by row"
WANDA, RANDOM = "Wanda", "random"

Shares = Annotated[tuple[ProperShare, ...], Listed(fewest=0, rising=True)]


@dataclass(frozen=True)
class Settings(CalibratedSettings):
    """Networks pruned in several structures, by several criteria."""

    methods: Filled[Name] = get_args(Name)
    """ways to heal, STARFISH among them; neurons are folded where neurons are pruned"""
    unstructured: Shares = (0.75, 0.9)
    """shares of single weights pruned"""
    neurons: Shares = (0.5, 0.75)
    """shares of neurons pruned"""

    def __post_init__(self):
        super().__post_init__()
        if "STARFISH" not in {arm.name for arm in chosen(self.methods, ARMS)}:
            raise ValueError(f"methods is {self.methods} and must have STARFISH, which is judged")


def ways(settings: Settings) -> dict[tuple[str, str], Masks]:
    """Masks by structure and criterion."""
    out: dict[tuple[str, str], Masks] = {}
    scores = {LAYER: by_magnitude, WANDA: by_use, RANDOM: by_chance}
    for part in settings.unstructured:
        layer, every, row = (
            partial(choose, share=part) for choose in (smallest, smallest_of_all, smallest_of_rows)
        )
        # Wanda takes as many of every row: beside `ROW` only the criterion differs.
        chosen_by = {LAYER: layer, ALL: every, ROW: row, WANDA: row, RANDOM: layer}
        for criterion, choose in chosen_by.items():
            of = scores.get(criterion, by_magnitude)
            out[f"{percent(part)} of weights", criterion] = of_weights(choose, of)
    for n in (2, 1):
        for criterion, of in scores.items():
            out[f"{n}:4", criterion] = of_weights(partial(n_of_m, n=n, m=4), of)
    for part in settings.neurons:
        for criterion, of in scores.items():
            out[f"{percent(part)} of neurons", criterion] = of_neurons(part, of)
    return out


def run(settings: Settings, key, progress: Progress) -> Dataset:
    """Prune in every way, heal by every method.

    Returns:
        What `compare` returns, over structure and criterion, NaN for those that do not go together
        and where neurons are folded that were not removed; ``dense`` over trial and measure,
        ``pruned`` over structure, criterion, trial, draw and measure.
    """
    key_images, key_dense, key_draws, key_masks = jax.random.split(key, 4)
    images = load(settings, key_images)
    calibration = draw_calibration(settings, images, settings.sizes.share, key_draws)
    progress(0, "training dense networks")
    dense = dense_mlps(settings, images, key_dense)
    nets = repeated(dense, settings.draws)
    x = calibration.x.reshape(-1, *calibration.x.shape[2:])
    keys = jax.random.split(key_masks, len(x))
    compared, found, programs = chosen(settings.methods, ARMS), [], {}
    made = ways(settings)
    names = list(dict.fromkeys(structure for structure, _ in made))
    for i, name in enumerate(names):
        cells = {
            criterion: members(dense, jax.jit(jax.vmap(masks))(nets, x, keys), calibration)
            for (structure, criterion), masks in made.items()
            if structure == name
        }
        among = [arm for arm in compared if name.endswith("neurons") or arm is not FOLD]
        scores = compare(
            settings, on_test(settings, images), among, cells, "criterion",
            lambda done, what, i=i, name=name: progress((i + done) / len(names), f"{name}, {what}"),
            programs,
        )[["score", "rate", "seconds"]]  # fmt: skip
        starts = [evaluate(cell.start, images, settings.draws) for cell in cells.values()]
        found.append(scores.assign(pruned=xr.concat(starts, scores.criterion)))
    progress(1.0, "done")
    data = xr.concat(found, "structure", join="outer").assign_coords(structure=names)
    criteria = list(dict.fromkeys(criterion for _, criterion in made))
    data = data.reindex(arm=[arm.name for arm in compared], criterion=criteria)
    return data.assign(dense=evaluate(dense, images))


CRITERIA = {
    LAYER: {"color": BLUE, "marker": "o"},
    ALL: {"color": GREEN, "marker": "s"},
    ROW: {"color": PURPLE, "marker": "v"},
    WANDA: {"color": VERMILION, "marker": "D"},
    RANDOM: {"color": ORANGE, "marker": "^"},
}


def draw(data: Dataset, settings: Settings) -> Figure:
    """A panel for each structure: every method's error, by criterion."""
    names = data.structure.values.tolist()
    figure, panels = plt.subplots(
        2, -(-len(names) // 2), figsize=(7.2, 8.4), sharey=True, sharex=True, squeeze=False
    )
    pruned = by_network(data.pruned).expand_dims(arm=["pruned"])
    accuracy = xr.concat([pruned, by_network(data.score)], "arm")
    # Where single weights go there is no neuron to fold.
    rows = [f"{n}\n(of neurons only)" if n == FOLD.name else n for n in accuracy.arm.values]
    accuracy = accuracy.assign_coords(arm=rows)
    cells = list(zip([{"structure": name} for name in names], panels.flat, strict=False))
    for at, ax in cells:
        level = 1 - float(data.dense.sel(measure="accuracy").mean())
        ax.axvline(level, **REFERENCES["dense"], label="dense")
        made = accuracy.sel(at).dropna("criterion", how="all")
        dots(ax, error(made), y="arm", series="criterion", given=CRITERIA, ms=3, lw=0.9)
    for at, ax in cells:
        errors_along(ax)
        ax.set_title(at["structure"])
        ax.label_outer()
    for ax in panels.flat[len(cells) :]:
        ax.set_axis_off()
    legend(figure, cells, "lower", 3)
    return figure


def summary(data: Dataset, settings: Settings) -> Summary:
    """All methods in all structures, by criterion, and how criteria compare once healed."""
    dense = data.dense.sel(measure="accuracy", drop=True)
    starfish = 100 * by_network(data.score).sel(arm="STARFISH", drop=True)
    tables, sentences = {"dense": numbers(share(dense))}, []
    made = list(ways(settings))
    for structure, criterion in made:
        at = data.sel(structure=structure, criterion=criterion)
        tables[f"{structure}, {criterion}"] = summarise(at.score.dropna("arm"), dense) | {
            "pruned": numbers(share(by_network(at.pruned)))
        }
        if criterion == WANDA:
            # With as many of every row, or of every four, or of every layer, as Wanda takes.
            other = ROW if (structure, ROW) in made else LAYER
            healed = starfish.sel(structure=structure)
            gain = mean(healed.sel(criterion=WANDA) - healed.sel(criterion=other))
            sentences.append(
                f"{structure}: after STARFISH, masks of Wanda are worth {in_words(gain)} points of "
                f"accuracy over those of {other}."
            )
    return Summary(tuple(sentences), tables)


experiment = Experiment(
    name="healing.structures",
    title="What shape and choice of the pruned weights do to healing",
    label="structures and criteria of pruning",
    provenance="derived",
    presets={
        "smoke": Settings(
            methods=("STARFISH", "neurons folded"),
            width=16,
            depth=2,
            epochs=3,
            trials=2,
            draws=1,
            steps=4,
            rates=(1e-2,),
            unstructured=(0.75,),
            neurons=(0.5,),
        ),  # fmt: skip
        "course": Settings(),
        "paper": Settings(trials=20, steps=1600),
    },
    run=run,
    draw=draw,
    summary=summary,
)
