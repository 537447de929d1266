"""Claim 6: adversarial perturbations on the manifold are much longer than off it. Than what?

For a linear model and a random subspace of dimension k the distance on it is about √(d/k) times
that anywhere (D1), whatever the data are. So R = (δ_on/δ_std)/√(d/k) is shown: above 1 the manifold
is avoided more than a random subspace is, below 1 less. Bases are fitted on training images, and
tried on training and on test images.
"""

from dataclasses import dataclass
from functools import cache, partial
from itertools import product

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure
from xarray import DataArray, Dataset

from experiments.cells import along, over, together
from experiments.classifiers import ImageSettings, scene_of
from experiments.dimples.claims import claim, sentence
from experiments.distances import all_found, identity
from experiments.errors import UsageError
from experiments.experiment import Experiment, Progress, Summary
from experiments.plots.curves import curves
from experiments.plots.estimates import defined, numbers
from experiments.plots.style import (
    BLUE,
    CHANCE,
    GREEN,
    SKY,
    THEORY,
    VERMILION,
    legend,
    logarithmic,
    show_pixels,
    stacked,
)
from theory.attacks.restricted import SIDES, projected, restricted
from theory.dimples.manifolds import autoencoder, train_autoencoder
from theory.dimples.settings import Subspace
from theory.dimples.theorems.random_subspace import beta
from theory.geometry import principal, random_subspace
from theory.settings import Count, Rising, Sample

BASES = ("autoencoder", "PCA", "random")

SPLITS = ("training images", "test images")

LOOKS = {
    "autoencoder": {"color": VERMILION, "marker": "o"},
    "PCA": {"color": BLUE, "marker": "s"},
    "random": {"color": GREEN, "marker": "D"},
}

SHOWN = 3
"""Pictures of perturbations."""


@dataclass(frozen=True)
class Settings(ImageSettings):
    """MLPs trained on images, and subspaces that stand for the images' manifold."""

    trials: Sample = 5
    """networks and autoencoders, each with its own start and order of images"""
    dimensions: Rising = (4, 8, 16, 32)
    """k, the dimension of the subspaces"""
    reconstruction: Count = 3000
    """training steps of an autoencoder, of 128 images"""


def run(settings: Settings, key, progress: Progress) -> Dataset:
    """Over basis, dimension, split, trial, image and side ``distance`` to the boundary in L2,
    infinite where none was found, NaN where the image was classified wrong; without image and side
    ``error``, the root mean square error of reconstruction over that of the mean image; some
    ``picture`` and ``change``."""
    key_train, key_test, key_basis = jax.random.split(key, 3)
    scene = scene_of(settings, key_train, key_test)
    seen, d = scene.seen.x, scene.seen.x.shape[1]
    if settings.dimensions[-1] >= d:
        raise UsageError(
            f"--dimensions goes to {settings.dimensions[-1]}, and images of {settings.dataset} "
            f"have {d} pixels: give dimensions below that."
        )
    nets = scene.trained("MLP", "images")
    some = jax.random.permutation(key_test, len(seen))[: len(scene.x)]
    images = {
        "training images": (seen[some], scene.seen.y[some]),
        "test images": (scene.x.reshape(len(scene.x), -1), scene.y),
    }
    spread = jnp.std(seen - jnp.mean(seen, axis=0, keepdims=True))

    @cache
    def coder(k, trial):
        each = jax.random.fold_in(jax.random.fold_in(key_basis, k), trial)
        start = autoencoder(each, d, settings.width, k)
        start = jax.tree.map(lambda leaf: leaf.astype(seen.dtype), start)
        steps = settings.reconstruction
        return train_autoencoder(start, each, seen, 2e-3, steps=steps, batch=128)

    def basis_of(name, k, trial, x):
        if name == "autoencoder":
            return coder(k, trial).tangent(x)
        if name == "PCA":
            return principal(seen, k)
        each = jax.random.fold_in(jax.random.fold_in(key_basis, k), trial)
        return _subspaces(jax.random.split(each, len(x)), d, k).astype(seen.dtype)

    def one(name, k, split, trial):
        x, y = images[split]
        net = nets[trial]
        basis = basis_of(name, k, trial, x)
        sides = [restricted(net, x, y, basis, side) for side in SIDES]
        right = np.asarray(net(x).argmax(axis=1) == y)
        distance = np.stack([np.asarray(each.distance, float) for each in sides], axis=1)
        centre = jnp.mean(seen, axis=0, keepdims=True)
        again = centre + projected(x - centre, basis, "on")
        if name == "autoencoder":
            again = coder(k, trial)(x)
        return {
            "distance": np.where(right[:, None], distance, np.nan),
            "error": jnp.sqrt(jnp.mean((again - x) ** 2)) / spread,
            "change": np.stack([(each.inputs - x)[:SHOWN] for each in sides], axis=1),
        }

    def cell(name, k, split):
        measured = together([one(name, k, split, trial) for trial in range(settings.trials)])
        change = measured.pop("change")[0]
        measured = along(measured, "trial", "image", "side")
        return measured | along({"change": change}, "shown", "side", "pixel")

    labels = {
        "trial": range(settings.trials), "image": range(len(scene.x)), "side": SIDES,
        "shown": range(min(SHOWN, len(scene.x))), "pixel": range(d),
    }  # fmt: skip
    data = over(cell, progress, labels, basis=BASES, k=settings.dimensions, split=SPLITS)
    changes = data.change.sel(k=settings.dimensions[len(settings.dimensions) // 2])
    changes = changes.sel(basis="autoencoder", split="test images", drop=True)
    shown = np.asarray(images["test images"][0][:SHOWN])
    data = data.drop_vars("change").assign(
        change=changes.reset_coords("k", drop=True), picture=(("shown", "pixel"), shown)
    )
    side, colours = scene.x.shape[1], scene.x.shape[3] if scene.x.ndim == 4 else 1
    return data.assign_attrs(d=d, side=side, colours=colours)


@partial(jax.jit, static_argnames=("d", "k"))
def _subspaces(keys, d, k):
    """A random subspace for each key."""
    return jax.vmap(lambda key: random_subspace(key, d, k).basis)(keys)


def ratio(data: Dataset) -> DataArray:
    """R = (δ_on/δ_std)/√(d/k), NaN where an image is dropped."""
    on, std = (data.distance.sel(side=side) for side in ("on", "std"))
    return (on / std / np.sqrt(data.attrs["d"] / data.k)).where(all_found(data))


def equality(data: Dataset) -> DataArray:
    """`identity` of all distances, NaN where an image is dropped."""
    return identity(data.distance).where(all_found(data))


def null(data: Dataset, k: int) -> np.ndarray:
    """The quantiles .025, .5 and .975 of R for one image, by D1."""
    d, share = int(data.attrs["d"]), np.linspace(1e-4, 1 - 1e-4, 20_001)
    at = np.interp([0.975, 0.5, 0.025], beta(share, Subspace(d=d, k=k)), share)
    return at**-0.5 / np.sqrt(d / k)


def draw(data: Dataset, settings: Settings) -> Figure:
    """R and the identity against k, on training and test images; perturbations below."""
    figure, (top, bottom) = stacked((7.2, 6.6), 3.2, 2.6)
    axes = top.subplots(1, 3)
    at = np.array(settings.dimensions)
    middle = np.array([null(data, int(k)) for k in at])
    for ax in axes[:2]:
        ax.fill_between(at, middle[:, 0], middle[:, 2], color=SKY, alpha=0.25, lw=0,
                        label="95 % of images of a linear model")  # fmt: skip
        ax.plot(at, middle[:, 1], **THEORY, label="its median (D1)")
    shown = [(split, ratio(data)) for split in SPLITS] + [("test images", equality(data))]
    for ax, (split, values) in zip(axes, shown, strict=True):
        medians = defined(values.sel(split=split).median("image"))
        curves(ax, medians, x="k", series="basis", given=LOOKS)
        ax.set(title=split, xlabel="dimension $k$ of the subspace")
        logarithmic(ax, settings.dimensions)
    axes[1].sharey(axes[0])
    axes[0].set_ylabel(r"$R = (\delta_{on}/\delta_{std})\,/\sqrt{d/k}$, median")
    axes[2].axhline(1, **CHANCE)
    axes[2].set_yscale("linear")
    axes[2].set_ylabel(r"$\delta_{std}^2(\delta_{on}^{-2} + \delta_{off}^{-2})$, median")
    legend(top, [({}, axes[0])], ncols=3)
    _pictures(bottom, data)
    return figure


def _pictures(figure, data: Dataset) -> None:
    """An image, and what the three attacks add, each scaled to its largest pixel."""
    side, colours = int(data.attrs["side"]), int(data.attrs["colours"])
    shape = (side, side, colours) if colours > 1 else (side, side)
    grid = figure.subplots(data.sizes["shown"], 4, squeeze=False)
    for (i, row), (j, what) in product(enumerate(grid), enumerate(("image", *SIDES))):
        one = data.isel(shown=i)
        pixels = one.picture.values if what == "image" else one.change.sel(side=what).values
        if what != "image":
            largest = np.abs(pixels).max() or 1.0
            pixels = 0.5 + pixels / largest / 2
            row[j].set_xlabel(f"largest {largest:.2g}", fontsize=7)
        show_pixels(row[j], pixels.reshape(shape))
        if i == 0:
            row[j].set_title({"std": "anywhere", "on": "on the manifold",
                              "off": "off it"}.get(what, what), fontsize=8)  # fmt: skip
        row[0].set_ylabel(f"image {i + 1}")


def summary(data: Dataset, settings: Settings) -> Summary:
    """R by basis, and whether it is above what a random subspace gives."""
    ratios, fell = ratio(data), np.isfinite(data.distance.sel(side="std"))
    dropped = 1 - all_found(data).sum("image") / fell.sum("image")
    medians = defined(ratios.median("image"))
    tables = {
        "R, median": numbers(medians),
        "R⁻², mean": numbers(defined((ratios**-2).mean("image"))),
        "identity, median": numbers(defined(equality(data).median("image"))),
        "dropped": numbers(defined(dropped)),
        "error of reconstruction": numbers(defined(data.error)),
    }
    sentences = []
    for split, name in product(SPLITS, BASES[:2]):
        one, chance = (ratios.sel(split=split, basis=b).median("image") for b in (name, "random"))
        gap = defined(np.log(one) - np.log(chance))
        above = [int(k) for k in data.k.values if float(gap.sel(k=k).low) > 0]
        below = [int(k) for k in data.k.values if float(gap.sel(k=k).high) < 0]
        where = [f"{what} it at k = {', '.join(map(str, ks))}"
                 for what, ks in (("above", above), ("below", below)) if ks]  # fmt: skip
        centre = defined(one).sel(k=settings.dimensions[-1]).text()
        sentences.append(
            f"On {split} the median R of the {name} basis is {centre} at k = "
            f"{settings.dimensions[-1]}; against the random basis it is "
            f"{' and '.join(where) or 'not told from it at any k'}."
        )
    k = settings.dimensions[len(settings.dimensions) // 2]
    one = medians.sel(split="test images", basis="autoencoder", k=k)
    random = medians.sel(split="test images", basis="random", k=k)
    line = claim(
        6, f"median R of the autoencoder's tangents on test images, k = {k}", one, 1.0, above=True,
        beside=f"R of random subspaces is {random.text()}",
    )  # fmt: skip
    return Summary((*sentences, sentence(line)), {"claims": [line], **tables})


experiment = Experiment(
    name="dimples.on-off",
    title="Adversarial distances on and off the manifold, against those of random subspaces",
    label="claim 6",
    provenance="derived",
    presets={
        "smoke": Settings(
            trials=2, width=16, training=200, points=12, dimensions=(4, 8), reconstruction=60
        ),
        "course": Settings(),
        "paper": Settings(points=1000, width=256, dimensions=(4, 8, 16, 32), reconstruction=10_000),
    },
    run=run,
    draw=draw,
    summary=summary,
)
