"""What shape and choice of the pruned weights do to healing.

Single weights, two or one of every four, or whole neurons are removed; the weights that go are the
smallest, within a layer or of all, those that Wanda finds least used, or any.
"""

from dataclasses import dataclass
from typing import Annotated, Literal, get_args

import jax
import matplotlib.pyplot as plt
import xarray as xr
from matplotlib.figure import Figure
from xarray import Dataset

from experiments.experiment import Experiment, Progress, Summary, part
from experiments.healing.comparison import compare, evaluate, on_test
from experiments.healing.curves import REFERENCES, error, errors_along
from experiments.healing.dense import PAPER, SMOKE, CalibratedSettings, prepare
from experiments.healing.standing import by_network, summarise
from experiments.plots.comparison import in_words
from experiments.plots.dots import dots
from experiments.plots.estimates import mean, numbers, share
from experiments.plots.style import BLUE, GREEN, ORANGE, PURPLE, VERMILION, legend
from theory.healing.members import repeated
from theory.healing.methods import FOLD, STRUCTURED, Main, chosen
from theory.healing.structures import ALL, LAYER, RANDOM, ROW, WANDA, ways
from theory.settings import Filled, Listed, ProperShare

Name = Literal[Main, "STARFISH, next pre-activations", "neurons folded"]

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
        if "STARFISH" not in {arm.name for arm in chosen(self.methods, STRUCTURED)}:
            raise ValueError(f"methods is {self.methods} and must have STARFISH, which is judged")


def run(settings: Settings, key, progress: Progress) -> Dataset:
    """Prune in every way, heal by every method.

    Returns:
        What `compare` returns, over structure and criterion, NaN for those that do not go together
        and where neurons are folded that were not removed; ``dense`` over trial and measure,
        ``pruned`` over structure, criterion, trial, draw and measure.
    """
    *keys, key_masks = jax.random.split(key, 4)
    images, dense, calibration = made = prepare(settings, keys, progress)
    nets = repeated(dense, settings.draws)
    x = calibration.x.reshape(-1, *calibration.x.shape[2:])
    keys = jax.random.split(key_masks, len(x))
    compared, measure = chosen(settings.methods, STRUCTURED), on_test(settings, images)
    found, programs, masks = [], {}, ways(settings.unstructured, settings.neurons)
    names, criteria = (list(dict.fromkeys(labels)) for labels in zip(*masks, strict=True))
    for i, name in enumerate(names):
        cells = {
            criterion: made.pruned(jax.jit(jax.vmap(of))(nets, x, keys))
            for (structure, criterion), of in masks.items()
            if structure == name
        }
        among = [arm for arm in compared if name.endswith("neurons") or arm is not FOLD]
        portion = part(progress, i / len(names), 1 / len(names))
        scores = compare(settings, measure, among, cells, "criterion", portion, programs)
        starts = [evaluate(cell.start, images, settings.draws) for cell in cells.values()]
        kept = scores[["score", "rate", "seconds"]]
        found.append(kept.assign(pruned=xr.concat(starts, scores.criterion)))
    progress(1.0, "done")
    data = xr.concat(found, "structure", join="outer").assign_coords(structure=names)
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
    made = list(ways(settings.unstructured, settings.neurons))
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
            **SMOKE, methods=("STARFISH", "neurons folded"), unstructured=(0.75,), neurons=(0.5,)
        ),
        "course": Settings(),
        "paper": Settings(**PAPER),
    },
    run=run,
    draw=draw,
    summary=summary,
)
