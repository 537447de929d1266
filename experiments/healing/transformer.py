"""Healing a small vision transformer, whose states are the residual stream after every block.

Every matrix of the blocks loses the same share of its weights, the smallest; embedding, positions,
layer norms, biases and head stay whole and frozen. A row that is aligned is a token of an image.
"""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from jaxtyping import Array
from matplotlib.figure import Figure

from experiments.errors import UsageError
from experiments.experiment import Arrays, Experiment, Progress
from experiments.healing.arms import Aligned, Arm, Distilled, Labelled
from experiments.healing.comparison import (
    ACCURACY,
    at_an_edge,
    compare,
    evaluate,
    members,
    on_test,
    references,
    summarise,
)
from experiments.healing.curves import errors_across, ranked_dots
from experiments.healing.dense import (
    ImageSettings,
    check_shares,
    dense_networks,
    draw_calibration,
    load,
)
from experiments.healing.pruning import check_retraining, check_sparsities, percent
from experiments.plots.comparison import in_words, standings
from experiments.plots.estimates import mean_interval, share_interval
from experiments.plots.style import STYLE
from theory.healing.masks import magnitude, smallest
from theory.networks import Block, VisionTransformer, cut_patches, vision_transformer

PATCHES = {"digits": 2, "mnist": 7, "fashion_mnist": 7, "cifar10": 8}
"""Sides of the patches that suit a set of images: 16 tokens each."""

TRAINING_RATE = 3e-3


def matrices(net: VisionTransformer, in_blocks: Any, elsewhere: Any) -> Any:
    """A pytree like a transformer with something for every matrix of a block, else another."""

    def block(matrices):
        rest = (elsewhere,) * len(matrices)
        return Block(*matrices, biases=rest, scales=(elsewhere,) * 2, shifts=(elsewhere,) * 2)

    blocks: Any = tuple(block(in_blocks(b[:6])) for b in net.blocks)
    return VisionTransformer(
        blocks=blocks,
        **{name: elsewhere for name in VisionTransformer._fields if name != "blocks"},
    )


def survivors(net: VisionTransformer) -> Any:
    """What is trained: the matrices of the blocks."""
    return matrices(net, lambda found: (True,) * len(found), False)


def magnitude_masks(dense: VisionTransformer, share: float) -> Any:
    """Masks of the smallest weights of every matrix, for networks of a leading axis."""
    return jax.vmap(lambda net: matrices(net, lambda w: smallest(magnitude(w), share), None))(dense)


def streams(net: VisionTransformer, x: Array) -> tuple[Array, ...]:
    """The residual stream after every block."""
    return net.states(x)[:-1]


def last_stream(net: VisionTransformer, x: Array) -> tuple[Array, ...]:
    """The residual stream that is averaged for the head."""
    return streams(net, x)[-1:]


def _block(i: int, net: VisionTransformer, h: Array) -> Array:
    return net.blocks[i](net.embed(h) if i == 0 else h)


COMPARED = (
    Arm("STARFISH", Aligned(streams), trainable=survivors),
    Arm("STARFISH + logits", Aligned(VisionTransformer.states), trainable=survivors),
    Arm("MSE", Aligned(streams, "mse"), trainable=survivors),
    Arm("MSE + logits", Aligned(VisionTransformer.states, "mse"), trainable=survivors),
    Arm("last block", Aligned(last_stream), trainable=survivors),
    Arm("block-wise MSE", Aligned(streams, "mse", _block), trainable=survivors),
    Arm("distillation", Distilled(), trainable=survivors),
    Arm("labels", Labelled(), trainable=survivors),
)
NAMES = tuple(arm.name for arm in COMPARED)


@dataclass(frozen=True)
class Settings(ImageSettings):
    """Vision transformers pruned by magnitude within every matrix of their blocks."""

    trials: int = 5
    """dense networks, each with its own start and order of images"""
    patch: int | None = None
    """side of a patch in pixels; 16 patches of an image when None"""
    width: int = 32
    """of the residual stream"""
    blocks: int = 2
    """transformer blocks"""
    heads: int = 4
    """heads of the attention"""
    share: float | None = None
    """calibration images, as a share of the training images; what suits the set when None"""
    sparsities: tuple[float, ...] = (0.5, 0.75, 0.9)
    """shares of the weights of every matrix that are pruned"""
    retraining: float = 0.5
    """passes over the training images of retraining, as a share of those of training"""

    def __post_init__(self):
        super().__post_init__()
        if self.share is not None:
            check_shares(self.share)
        check_sparsities("sparsities", self.sparsities)
        check_retraining(self.retraining)
        if self.width % self.heads:
            raise ValueError(f"heads is {self.heads} and must divide width = {self.width}")


def _cut(settings: Settings):
    patch = settings.patch or PATCHES.get(settings.dataset, 8)

    def cut(images):
        pixels = jnp.asarray(images.reshape(*images.shape[:3], -1), jnp.float32)
        try:
            return cut_patches(pixels, patch)
        except ValueError as error:
            raise UsageError(
                f"--patch {patch} does not suit {settings.dataset}: {error}."
            ) from error

    return cut


def run(settings: Settings, key, progress: Progress) -> Arrays:
    """Train, prune, and heal.

    Returns:
        ``measures`` (methods, sparsities, trials, draws, 3), `comparison.MEASURES`; ``rate`` and
        ``seconds`` (methods, sparsities); ``dense`` (trials, 3); ``pruned`` and ``retrained``
        (sparsities, trials, 3); ``images``, how many are calibrated on.
    """
    keys = jax.random.split(key, 4)
    images = load(settings, keys[0], _cut(settings))
    calibration = draw_calibration(settings, images, settings.sizes.share, keys[2])
    progress(0, "training dense transformers")

    def untrained(key):
        return vision_transformer(
            key, images.x_train.shape[1:], images.classes,
            width=settings.width, blocks=settings.blocks, heads=settings.heads,
        )  # fmt: skip

    dense = dense_networks(settings, images, keys[1], untrained, TRAINING_RATE)
    masks = [magnitude_masks(dense, sparsity) for sparsity in settings.sparsities]
    arrays = references(
        images,
        dense,
        masks,
        settings.retraining * settings.sizes.epochs,
        survivors(dense),
        TRAINING_RATE,
        keys[3],
        lambda done, what: progress(0.2 + 0.2 * done, what),
    )
    cells = [members(dense, mask, calibration) for mask in masks]
    names = [f"{percent(sparsity)} pruned" for sparsity in settings.sparsities]
    scores = compare(
        settings,
        on_test(images),
        COMPARED,
        cells,
        names,
        lambda done, what: progress(0.4 + 0.6 * done, what),
    )
    progress(1.0, "done")
    return arrays | {
        "measures": scores.measures,
        "rate": scores.rate,
        "seconds": scores.seconds,
        "dense": evaluate(dense, images),
        "images": np.array(calibration.y.shape[-1]),
    }


def draw(arrays: Arrays, settings: Settings) -> Figure:
    """Every method at every sparsity."""
    rows = ("pruned", *NAMES)
    with plt.style.context(STYLE):
        figure, panels = plt.subplots(
            1, len(settings.sparsities), figsize=(7.2, 3.6), sharey=True, squeeze=False
        )
        for at, (sparsity, ax) in enumerate(zip(settings.sparsities, panels[0], strict=True)):
            dense, retrained = arrays["dense"][:, ACCURACY], arrays["retrained"][at, :, ACCURACY]
            healed = arrays["measures"][:, at, ..., ACCURACY].mean(axis=-1)
            values = np.concatenate([arrays["pruned"][None, at, :, ACCURACY], healed])
            best = np.array([False, *(one.among_best for one in standings(healed))])
            ranked_dots(ax, values, best, dense, retrained)
            errors_across(ax, f"{percent(sparsity)} pruned")
        panels[0, 0].set_yticks(range(len(rows)), rows[::-1])
        figure.legend(
            *panels[0, 0].get_legend_handles_labels(), loc="outside lower center", ncols=4
        )
    return figure


def summary(arrays: Arrays, settings: Settings) -> dict[str, Any]:
    """All methods at all sparsities, and STARFISH against its rivals in words."""
    dense = arrays["dense"][:, ACCURACY]
    out: dict[str, Any] = {
        "sentences": [],
        "calibration_images": int(arrays["images"]),
        "dense": share_interval(dense).rounded(),
    }
    for at, sparsity in enumerate(settings.sparsities):
        found = summarise(arrays["measures"][:, at], dense, NAMES)
        healed = 100 * arrays["measures"][:, at, ..., ACCURACY].mean(axis=-1) / dense
        starfish = healed[NAMES.index("STARFISH")]
        ahead = mean_interval(starfish - healed[NAMES.index("block-wise MSE")])
        label = percent(sparsity)
        out["sentences"].append(
            f"{label} pruned: STARFISH recovers {in_words(mean_interval(starfish))} % of "
            f"the dense accuracy, {in_words(ahead)} points more than healing block by block; "
            f"among the best: {', '.join(found['among_best'])}."
        )
        found["rate_at_an_edge"] = at_an_edge(settings, NAMES, arrays["rate"][:, at])
        out[label] = found | {
            name: share_interval(arrays[name][at, :, ACCURACY]).rounded()
            for name in ("pruned", "retrained")
        }
        for i, name in enumerate(NAMES):
            found["methods"][name]["seconds"] = float(arrays["seconds"][i, at])
    return out


experiment = Experiment(
    name="healing.transformer",
    title="Healing a small vision transformer from its residual streams",
    label="vision transformers at 50 and 75 %",
    provenance="derived",
    presets={
        "smoke": Settings(
            width=8,
            blocks=1,
            heads=2,
            epochs=2,
            trials=2,
            draws=1,
            steps=4,
            rates=(1e-2,),
            sparsities=(0.5,),
        ),  # fmt: skip
        "course": Settings(),
        "paper": Settings(width=64, blocks=4, trials=20, steps=1600),
    },
    run=run,
    draw=draw,
    summary=summary,
)
