"""Healing a small vision transformer, whose states are the residual stream after every block.

Every matrix of the blocks loses the same share of its weights, the smallest; embedding, positions,
layer norms, biases and head stay whole and frozen. A row that is aligned is a token of an image.
"""

from dataclasses import dataclass
from functools import partial
from typing import get_args

import jax
import jax.numpy as jnp
import xarray as xr
from matplotlib.figure import Figure
from xarray import Dataset

from experiments.classifiers import require_pictures
from experiments.errors import UsageError
from experiments.experiment import Experiment, Progress, Summary, part
from experiments.healing.comparison import compare, on_test, references
from experiments.healing.curves import errors_along, ranked_dots
from experiments.healing.dense import PAPER, DrawnShare, ImageSettings, prepare
from experiments.healing.standing import among_best, at_an_edge, by_network, summarise
from experiments.plots.comparison import in_words
from experiments.plots.estimates import mean, numbers, share
from experiments.plots.style import grid, legend
from theory.healing.members import Images
from theory.healing.methods import chosen
from theory.healing.residual import ARMS, Name, magnitude_masks, survivors
from theory.healing.structures import percent
from theory.healing.training import dense_networks
from theory.networks import VisionTransformer, cut_patches, vision_transformer
from theory.settings import Count, Filled, Increasing, Positive, ProperShare, Sample

PATCHES = {"digits": 2, "mnist": 7, "fashion_mnist": 7, "cifar10": 8}
"""Sides of the patches that suit a set of images: 16 tokens each."""

TRAINING_RATE = 3e-3


@dataclass(frozen=True)
class Settings(ImageSettings):
    """Vision transformers pruned by magnitude within every matrix of their blocks."""

    trials: Sample = 5
    patch: Count | None = None
    """side of a patch in pixels; 16 patches of an image when None"""
    width: Count = 32
    """of the residual stream"""
    blocks: Count = 2
    """transformer blocks"""
    heads: Count = 4
    """heads of the attention"""
    share: DrawnShare | None = None
    """calibration images, as a share of the training images; what suits the set when None"""
    sparsities: Increasing[ProperShare] = (0.5, 0.75, 0.9)
    """shares of the weights of every matrix that are pruned"""
    retraining: Positive = 0.5
    """passes over the training images of retraining, as a share of those of training"""
    methods: Filled[Name] = get_args(Name)
    """ways to heal"""

    def __post_init__(self):
        super().__post_init__()
        if self.width % self.heads:
            raise ValueError(f"heads is {self.heads} and must divide width = {self.width}")


def cut(settings: Settings, images):
    """Images as patches.

    Raises:
        UsageError: the set has no images, or the patches do not fit.
    """
    require_pictures(settings.dataset, images, "patches are cut from images")
    patch = settings.patch or PATCHES.get(settings.dataset, 8)
    try:
        return cut_patches(jnp.asarray(images.reshape(*images.shape[:3], -1), jnp.float32), patch)
    except ValueError as error:
        raise UsageError(f"--patch {patch} does not suit {settings.dataset}: {error}.") from error


def dense_transformers(settings: Settings, images: Images, key) -> VisionTransformer:
    """Dense transformers, see `dense_networks`."""

    def untrained(key):
        return vision_transformer(
            key, images.x_train.shape[1:], images.classes,
            width=settings.width, blocks=settings.blocks, heads=settings.heads,
        )  # fmt: skip

    return dense_networks(
        untrained, key, settings.trials, *images.training, settings.sizes.epochs, TRAINING_RATE
    )


def run(settings: Settings, key, progress: Progress) -> Dataset:
    """Train, prune, and heal: what `references` and `compare` return, over sparsity.

    Besides, ``images``, how many are calibrated on.
    """
    *keys, key_order = jax.random.split(key, 4)
    made = prepare(settings, keys, progress, partial(cut, settings), dense_transformers)
    cells = {s: made.pruned(magnitude_masks(made.dense, s)) for s in settings.sparsities}
    images, rate, portion = made.images, TRAINING_RATE, part(progress, 0.2, 0.2)
    found = references(settings, images, cells, survivors, rate, key_order, portion)
    arms, measure = chosen(settings.methods, ARMS), on_test(settings, images)
    scores = compare(settings, measure, arms, cells, "sparsity", part(progress, 0.4, 0.6))
    progress(1.0, "done")
    data = xr.merge([found, scores], join="exact")
    return data.assign(images=made.calibration.y.shape[-1])


def draw(data: Dataset, settings: Settings) -> Figure:
    """Every method at every sparsity."""
    figure, cells = grid(data, columns="sparsity", size=(7.2, 3.6), sharey=True)
    accuracy, healed = data.sel(measure="accuracy"), by_network(data.score)
    for at, ax in cells:
        best, here = among_best(healed.sel(at)), accuracy.sel(at)
        rows = xr.concat([here.pruned.expand_dims(arm=["pruned"]), healed.sel(at)], "arm")
        ranked_dots(ax, rows, best, here.dense, here.retrained)
        errors_along(ax)
        ax.set_title(f"{percent(at['sparsity'])} pruned")
    legend(figure, cells, "lower")
    return figure


def summary(data: Dataset, settings: Settings) -> Summary:
    """All methods at all sparsities, and STARFISH against its rivals in words."""
    dense = data.dense.sel(measure="accuracy")
    sentences, tables = [], {"calibration_images": int(data.images), "dense": numbers(share(dense))}
    for sparsity in settings.sparsities:
        here, label = data.sel(sparsity=sparsity), percent(sparsity)
        found = summarise(here.score, dense, seconds=numbers(here.seconds, None))
        found["rate_at_an_edge"] = at_an_edge(settings, here.rate)
        tables[label] = found | {
            name: numbers(share(here[name].sel(measure="accuracy")))
            for name in ("pruned", "retrained")
        }
        recovered = 100 * by_network(here.score) / dense
        if {"STARFISH", "block-wise MSE"} <= set(settings.methods):
            starfish = recovered.sel(arm="STARFISH")
            ahead = mean(starfish - recovered.sel(arm="block-wise MSE"))
            sentences.append(
                f"{label} pruned: STARFISH recovers {in_words(mean(starfish))} % of the dense "
                f"accuracy, {in_words(ahead)} points more than healing block by block; among the "
                f"best: {', '.join(found['among_best'])}."
            )
    return Summary(tuple(sentences), tables)


SMOKE = Settings(
    width=8, blocks=1, heads=2, epochs=2, trials=2, draws=1, steps=4, rates=(1e-2,),
    sparsities=(0.5,), methods=("STARFISH", "block-wise MSE"),
)  # fmt: skip

experiment = Experiment(
    name="healing.transformer",
    title="Healing a small vision transformer from its residual streams",
    label="vision transformers at 50 and 75 %",
    provenance="derived",
    presets={
        "smoke": SMOKE,
        "course": Settings(),
        "paper": Settings(**PAPER, width=64, blocks=4),
    },
    run=run,
    draw=draw,
    summary=summary,
)
