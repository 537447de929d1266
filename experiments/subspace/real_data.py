"""Theorem 4.1 where it holds exactly on real images: P is the span of the training images.

A network trained on n images of d pixels never moves off their span, of dimension r ≤ n, so at
the training images themselves S1, S2 and S3 hold with ℓ = d − r. (A test image is not in P.)
Images are scaled by one common factor to a root mean square norm of √d.
"""

from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax
from jaxtyping import Array, Float
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import stats

from experiments.datasets import Images, load_images
from experiments.errors import UsageError
from experiments.experiment import STYLE, Arrays, Experiment, Progress
from experiments.subspace.panels import (
    BLACK,
    BLUE,
    GREEN,
    ORANGE,
    SKY,
    VERMILION,
    flips_along_gradient,
)
from theory import theorem
from theory.claims import Identity
from theory.ensemble import ensemble
from theory.geometry import Subspace, numerical_rank, span
from theory.networks import two_layer_relu
from theory.subspace import settings as subspace
from theory.subspace.gradient import gradient_scale, off_subspace_gradient
from theory.subspace.scene import Scene, train_scene
from theory.subspace.theorems import gradient_law, large_gradient
from theory.theorem import Source
from theory.training import hidden_layer_only, train

PAST = 1 + 1e-3
"""A flip is shown this far past the distance at which the output is exactly 0."""


@dataclass(frozen=True)
class Settings(theorem.Settings):
    """Networks trained to tell a few images of two classes apart."""

    dataset: str = "digits"
    """digits, mnist, fashion_mnist, cifar10, or the path of an .npz file in Keras's layout"""
    classes: tuple[int, int] = (3, 8)
    """the two classes, labelled −1 and +1"""
    samples: int = 16
    """training images n, half of either class; their span is P"""
    width: int = 50
    """neurons m"""
    scale: float | None = None
    """standard deviation σ of the hidden weights at initialisation; 1/√d when None"""
    learning_rate: float | None = None
    """step size η; 4/d when None"""
    steps: int = 5000
    """largest number of training steps"""
    margin: float = 1.0
    """stop when every y_j N(x_j) is at least this"""
    full_trials: int = 8
    """networks trained in full dimension as well, to see that W stays put off P"""
    pictures: int = 4
    """images drawn with the smallest step found that flips them"""
    trials: int = 264
    """networks trained in the span of the images, for the verdicts on S2 and S3"""

    def __post_init__(self):
        # In place of the base class's check, which knows no class 0.
        for name in ("samples", "width", "steps", "full_trials", "pictures", "trials"):
            if getattr(self, name) < 1:
                raise ValueError(f"{name} is {getattr(self, name)} and must be at least 1")
        if len(set(self.classes)) != 2:
            raise ValueError(f"classes are {self.classes} and must be two different ones")
        if self.samples < 2:
            raise ValueError(f"samples is {self.samples}; two classes need two images")


class Data(NamedTuple):
    """The images as a learning problem.

    Attributes:
        subspace: P, the span of the images.
        x: images as rows, scaled to a root mean square norm of √d.
        y: labels ±1.
    """

    subspace: Subspace
    x: Float[Array, "samples d"]
    y: Float[Array, " samples"]


class Problem(NamedTuple):
    """A learning problem with what belongs to it.

    Attributes:
        settings: of the subspace system, with the d and ℓ of the images.
        data: images and labels.
        unit: the scale: x = unit · pixels in [0, 1].
        shape: of one image.
    """

    settings: subspace.Settings
    data: Data
    unit: float
    shape: tuple[int, ...]


def load_problem(settings: Settings, key) -> Problem:
    """Draw the images and find their span.

    Raises:
        UsageError: the set lacks a class or images of it, or the images span all of R^d.
    """
    images = load_images(settings.dataset)
    chosen = [
        _draw(images, settings, label, jax.random.fold_in(key, i))
        for i, label in enumerate(settings.classes)
    ]
    pixels = np.concatenate([images.x_train[indices] for indices in chosen])
    d = pixels[0].size
    unit = d**0.5 / np.sqrt((pixels**2).sum() / len(pixels))
    x = jnp.asarray(unit * pixels.reshape(len(pixels), d), float)
    y = jnp.concatenate(
        [
            jnp.full(len(indices), sign, x.dtype)
            for indices, sign in zip(chosen, (-1, 1), strict=True)
        ]
    )
    rank = numerical_rank(x)
    if rank == d:
        raise UsageError(
            f"The {settings.samples} images of {images.name} span all {d} dimensions, "
            "which leaves no direction off P: lower samples."
        )
    placed = subspace.Settings(
        d=d,
        ell=d - rank,
        width=settings.width,
        samples=settings.samples,
        scale=settings.scale,
        learning_rate=settings.learning_rate,
        steps=settings.steps,
        margin=settings.margin,
        trials=settings.trials,
    )
    return Problem(placed, Data(span(x, rank), x, y), float(unit), pixels.shape[1:])


def _draw(images: Images, settings: Settings, label: int, key) -> np.ndarray:
    """Indices of training images of one class: half of ``samples``, rounded down for the second."""
    of_class = np.flatnonzero(images.y_train == label)
    wanted = (settings.samples + (label == settings.classes[0])) // 2
    if not of_class.size:
        raise UsageError(
            f"{images.name} has no class {label}: choose from {np.unique(images.y_train).tolist()}."
        )
    if wanted > of_class.size:
        raise UsageError(
            f"{images.name} has {of_class.size} training images of class {label}, fewer than the "
            f"{wanted} that samples = {settings.samples} asks for: lower samples."
        )
    return of_class[np.asarray(jax.random.permutation(key, of_class.size))[:wanted]]


def _scene(settings: subspace.Settings, data: Data, key, which) -> Scene:
    """The data with a fresh network, to be looked at from the training image ``which``."""
    network = two_layer_relu(key, settings.d, settings.width, settings.sigma)
    return Scene(data.subspace, data.x, data.y, data.x[which], network)


def trial(settings: subspace.Settings, data: Data, key) -> dict[str, Float[Array, ""]]:
    """One network, seen from one training image of its own, before and after training.

    A single image per network keeps the trials independent, as the verdicts need.
    """
    key_image, key_net = jax.random.split(key)
    scene = _scene(settings, data, key_net, jax.random.randint(key_image, (), 0, len(data.y)))
    trained = train_scene(settings, scene)

    def measure(net):
        gradient = jax.grad(lambda point: net(point))(scene.x0)
        off = off_subspace_gradient(net, scene.x0, data.subspace.basis)
        return jnp.linalg.norm(off), jnp.linalg.norm(gradient)

    off, whole = measure(trained.network)
    off_start, whole_start = measure(scene.network)
    return {
        "off": off,
        "whole": whole,
        "scale": gradient_scale(trained.network, scene.x0, settings.sigma),
        "off_start": off_start,
        "whole_start": whole_start,
        "margin": trained.margin,
    }


def drift_trial(settings: subspace.Settings, data: Data, key) -> dict[str, Float[Array, ""]]:
    """Train one network in full dimension: how far W moves on P, and off P.

    ``drift`` is the largest entry of Π_{P^⊥}(W(T) − W(0)), ``size`` that of W(T).
    """
    start = _scene(settings, data, key, 0).network
    trained = train(
        start,
        data.x,
        data.y,
        optimizer=hidden_layer_only(optax.sgd(settings.rate)),
        steps=settings.steps,
        margin=settings.margin,
    )
    end = trained.network
    step = end.w - start.w
    off = data.subspace.reject(step)
    return {
        "moved_on": jnp.linalg.norm(data.subspace.project(step)),
        "moved_off": jnp.linalg.norm(off),
        "drift": jnp.max(jnp.abs(off)),
        "size": jnp.max(jnp.abs(end.w)),
        "steps": trained.steps,
    }


def flip_all(
    settings: subspace.Settings, data: Data, key
) -> dict[str, Float[Array, "samples ..."]]:
    """Train one network and flip every training image along its own off-span gradient."""
    scene = _scene(settings, data, key, 0)
    net = train_scene(settings, scene).network
    flips = flips_along_gradient(net, data.x, data.subspace.basis)
    found = jnp.isfinite(flips.distance)
    step = PAST * jnp.where(found, flips.distance, 0)[:, None] * flips.direction
    return {
        "distance": flips.distance,
        "perturbation": step,
        "before": net(data.x),
        "after": net(data.x + step),
        "slope": flips.gradient,
    }


def run(settings: Settings, key, progress: Progress) -> Arrays:
    """Load the images, train the networks, flip the images.

    Returns:
        What `trial` and `drift_trial` measure, per network; ``distance``, ``slope``, ``before``,
        ``after``, ``norm`` and ``y``, per training image; of those drawn, ``shown`` (indices),
        ``pixels`` and ``perturbation``, in pixels; ``d`` and ``ell``.
    """
    progress(0.0, f"loading {settings.dataset}")
    key_data, key_trials, key_drift, key_flip = (jax.random.fold_in(key, i) for i in range(4))
    problem = load_problem(settings, key_data)
    progress(0.1, f"{settings.trials} networks in the span of the images")
    arrays = _over_networks(trial, problem, key_trials, settings.trials)
    progress(0.6, f"{settings.full_trials} networks in full dimension")
    arrays |= _over_networks(drift_trial, problem, key_drift, settings.full_trials)
    progress(0.9, "flipping the images")
    one = _over_networks(flip_all, problem, key_flip, 1)
    flips = {name: values[0] for name, values in one.items()}
    perturbation = flips.pop("perturbation")
    shown = _shown(settings, problem, flips["distance"])
    pixels = np.asarray(problem.data.x)[shown] / problem.unit
    progress(1.0, "done")
    arrays |= {
        "norm": np.linalg.norm(problem.data.x, axis=-1),
        "shown": shown,
        "pixels": pixels.reshape(-1, *problem.shape),
        "perturbation": (perturbation[shown] / problem.unit).reshape(-1, *problem.shape),
        "y": np.asarray(problem.data.y),
        "d": np.asarray(problem.settings.d),
        "ell": np.asarray(problem.settings.ell),
    }
    return arrays | flips


def _over_networks(fn, problem: Problem, key, count: int) -> Arrays:
    # The data is an argument: XLA would spend its time multiplying constants at compile time.
    program = jax.jit(
        lambda keys, data: ensemble(lambda key: fn(problem.settings, data, key), keys)
    )
    return jax.device_get(program(jax.random.split(key, count), problem.data))


def _shown(settings: Settings, problem: Problem, distance: np.ndarray) -> np.ndarray:
    """Indices of the images to draw, of either class in turn, among those with a flip."""
    y = np.asarray(problem.data.y)
    classes = [np.flatnonzero((y == sign) & np.isfinite(distance)) for sign in (-1, 1)]
    turns = [
        classes[i % 2][i // 2] for i in range(settings.samples) if i // 2 < classes[i % 2].size
    ]
    if not turns:
        raise UsageError(
            "No image can be flipped along its gradient: raise width, or take a new seed."
        )
    return np.asarray(turns[: settings.pictures])


def squared(arrays: Arrays) -> np.ndarray:
    """‖Π∇N‖²·m/(kσ²) of the networks with an active neuron."""
    given = arrays["scale"] > 0
    return (arrays["off"][given] / arrays["scale"][given]) ** 2


def draw(arrays: Arrays, settings: Settings) -> Figure:
    """Law, share and drift above; images, perturbations and results below."""
    count = len(arrays["shown"])
    with plt.style.context(STYLE):
        figure = plt.figure(figsize=(7.2, 7.4))
        rows = figure.add_gridspec(2, 1, height_ratios=(2, 3.6))
        top, bottom = figure.add_subfigure(rows[0]), figure.add_subfigure(rows[1])
        law, share, drift = top.subplots(1, 3)
        _law_panel(law, arrays)
        _share_panel(share, arrays)
        _drift_panel(drift, arrays)
        grid = bottom.subplots(3, count, squeeze=False)
        for column, index in zip(range(count), arrays["shown"], strict=True):
            _pictures(grid[:, column], arrays, settings, column, int(index))
        for ax, label in zip(
            grid[:, 0],
            ("image", "perturbation\noff the span", "sum, drawn\nin [0, 1]"),
            strict=True,
        ):
            ax.set_ylabel(label)
    return figure


def _law_panel(ax: Axes, arrays: Arrays) -> None:
    ell, values = int(arrays["ell"]), squared(arrays)
    grid = np.linspace(min(ell / 2, values.min()), values.max(), 300)
    ax.hist(values, 30, density=True, color=SKY, alpha=0.7, label="measured")
    ax.plot(grid, stats.chi2.pdf(grid, ell), color=BLUE, label=f"$\\chi^2_{{{ell}}}$")
    ax.axvline(ell / 2, color=VERMILION, ls="--", label="Theorem 4.1")
    _legend_above(ax)
    ax.set_xlabel("squared gradient off the span\nin units of $k\\sigma^2/m$")
    ax.set_ylabel("density")


def _legend_above(ax: Axes) -> None:
    ax.legend(
        loc="lower center",
        bbox_to_anchor=(0.5, 1.0),
        ncols=4,
        columnspacing=0.7,
        handlelength=1,
        fontsize=7.5,
    )


def _share_panel(ax: Axes, arrays: Arrays) -> None:
    shares = {
        "before": (arrays["off_start"], arrays["whole_start"], ORANGE),
        "after": (arrays["off"], arrays["whole"], SKY),
    }
    values = {label: off[whole > 0] / whole[whole > 0] for label, (off, whole, _) in shares.items()}
    together = np.concatenate(list(values.values()))
    bins = np.linspace(together.min(), together.max(), 40).tolist()
    for label, (_, _, color) in shares.items():
        ax.hist(values[label], bins, density=True, color=color, alpha=0.7, label=label)
    random = float(np.sqrt(arrays["ell"] / arrays["d"]))
    ax.axvline(random, color=BLACK, ls=":", label=r"$\sqrt{\ell/d}$")
    ax.axvline(float(np.median(predicted_share(arrays))), color=BLUE, label="theory")
    _legend_above(ax)
    ax.set_xlabel(
        "share off the span, before and after\n"
        r"training, $\|\Pi_{P^\perp}\nabla N\|/\|\nabla N\|$"
    )
    ax.set_ylabel("density")


def predicted_share(arrays: Arrays) -> np.ndarray:
    """√(ℓσ²k/m)/‖∇N‖ of the networks with an active neuron."""
    given = arrays["scale"] > 0
    return arrays["scale"][given] * np.sqrt(arrays["ell"]) / arrays["whole"][given]


def _drift_panel(ax: Axes, arrays: Arrays) -> None:
    for x, name, color in ((0, "moved_on", GREEN), (1, "moved_off", VERMILION)):
        values = arrays[name]
        ax.plot(x + np.linspace(-0.2, 0.2, len(values)), values, "o", color=color)
    rounding = np.finfo(arrays["size"].dtype).eps * np.median(arrays["size"])
    ax.axhline(rounding, color=BLACK, ls=":", label=r"machine $\varepsilon\cdot\max|W|$")
    ax.set(
        yscale="log", xlim=(-0.6, 1.6), xticks=(0, 1), xticklabels=("on the\nspan", "off the\nspan")
    )
    ax.set_ylabel("movement of $W$ in training")
    ax.set_ylim(bottom=rounding / 10)
    _legend_above(ax)


def _pictures(axes, arrays: Arrays, settings: Settings, column: int, index: int) -> None:
    """One column: an image, the perturbation that flips it, and their sum."""
    pixels, step = arrays["pixels"][column], arrays["perturbation"][column]
    largest = np.abs(arrays["perturbation"]).max()
    if step.ndim == 3 and step.shape[-1] == 3:
        colours = 0.5 + step / (2 * largest)
        pictures = [(pixels, {}), (colours, {}), ((pixels + step).clip(0, 1), {})]
    else:
        rows = (1, -1) if step.ndim == 1 else step.shape[:2]
        grey = {"cmap": "gray_r", "vmin": 0, "vmax": 1}
        pictures = [
            (pixels.reshape(rows), grey),
            (step.reshape(rows), {"cmap": "PuOr", "vmin": -largest, "vmax": largest}),
            ((pixels + step).reshape(rows), grey),
        ]
    for ax, (picture, options) in zip(axes, pictures, strict=True):
        ax.imshow(picture, interpolation="nearest", **options)
        ax.set(xticks=(), yticks=())
        ax.grid(False)
        ax.spines[:].set_visible(True)
    label = settings.classes[int(arrays["y"][index] > 0)]
    length = arrays["distance"][index] / arrays["norm"][index]
    axes[0].set_title(f"class {label}: $N$ = ${arrays['before'][index]:+.2f}$")
    axes[1].set_title(f"$\\|z\\|$ = {length:.2f} $\\|x\\|$")
    axes[2].set_title(f"$N$ = ${arrays['after'][index]:+.4f}$")


def summary(arrays: Arrays, settings: Settings) -> dict[str, Any]:
    """Verdicts on S1, S2 and S3 at the training images, shares and flips."""
    ell, d = int(arrays["ell"]), int(arrays["d"])
    placed = subspace.Settings(d=d, ell=ell)
    values = squared(arrays)
    given = arrays["scale"] > 0
    # Every step rounds W once, a random walk of steps whose size is about a third of ε·|W|.
    ulps = 64 + 2 * float(np.sqrt(arrays["steps"].max()))
    drift = Identity(ulps).judge(arrays["drift"], arrays["size"], placed)
    law = gradient_law.theorem.claim.judge(values, values, placed)
    bound = arrays["scale"][given] * np.sqrt(ell / 2)
    large = large_gradient.theorem.claim.judge(arrays["off"][given], bound, placed)
    found = np.isfinite(arrays["distance"])
    flips = arrays["distance"][found]
    share = arrays["off"][given] / arrays["whole"][given]
    return {
        "d": d,
        "ell": ell,
        "networks": int(given.sum()),
        "excluded": int((~given).sum()),
        "margin_reached": float(np.mean(arrays["margin"] >= settings.margin)),
        "S1": drift.status,
        "S1_drift_in_epsilons": float(
            np.max(arrays["drift"] / arrays["size"]) / np.finfo(arrays["size"].dtype).eps
        ),
        "S2": law.status,
        "S2_p_value": law.detail["p_value"],
        "S2_distance": law.detail["distance"],
        "S2_radius": law.detail["radius"],
        "S3": large.status,
        "S3_delta": large.delta,
        "S3_violations": large.violations,
        "S3_violation_bound": large.violation_bound,
        "share_off_span": float(np.median(share)),
        "share_predicted": float(np.median(predicted_share(arrays))),
        "share_of_a_random_direction": float(np.sqrt(ell / d)),
        "images_flipped": int(found.sum()),
        "images_without_flip": int((~found).sum()),
        "flip_over_norm": float(np.median(flips / arrays["norm"][found])),
        "flip_over_first_order": float(
            np.median(flips * arrays["slope"][found] / np.abs(arrays["before"][found]))
        ),
    }


experiment = Experiment(
    name="subspace.real-data",
    title="Networks trained on images have large gradients off the images' span",
    source=Source(
        paper="melamed2023subspace",
        arxiv="2303.00783",
        label="Theorem 4.1 on images",
        provenance="paper",
    ),
    presets={
        "smoke": Settings(trials=60, full_trials=3),
        "course": Settings(),
        "paper": Settings(dataset="mnist", samples=200, width=100, trials=688),
    },
    run=run,
    draw=draw,
    summary=summary,
)
