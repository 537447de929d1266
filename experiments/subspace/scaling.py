"""How the off-subspace gradient, and the step that flips a point, scale with d, ℓ and m (S8).

By S2 the mean square of ‖Π_{P^⊥}∇N(x₀)‖ is E[k]ℓσ²/m, and E[k] = m/2 exactly at every training
step: x₀ and −x₀ are equally likely, and a neuron is active at one of them. So its root mean
square is σ√(ℓ/2), √(ℓ/2d) at σ² = 1/d, whatever the width.
"""

from dataclasses import dataclass
from math import sqrt
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from xarray import DataArray, Dataset

from experiments.cells import along
from experiments.experiment import Experiment, Progress, Summary
from experiments.plots.estimates import Interval, finite, rms
from experiments.plots.style import BLACK, BLUE, GREEN, VERMILION, error_bars, logarithmic
from theory import intervals
from theory.claims import Judgement, Scaling
from theory.settings import Sample, Sizes
from theory.statistics import ALPHA
from theory.subspace import settings as subspace
from theory.subspace.padded import DISTANCES, initial_scale, program

TOLERANCE = 0.05
"""How far an exponent may lie from the claimed one and still agree on the range tried."""


@dataclass(frozen=True)
class Settings(subspace.Settings):
    """Three sweeps, each of one size while the other two stay at ``d``, ``ell`` and ``width``."""

    d: int = 128
    ell: int = 32
    dims: Sizes = (40, 60, 90, 135, 200, 300)
    """values of d; the last one is held out and predicted from the rest"""
    ells: Sizes = (8, 14, 24, 42, 72, 120)
    """values of ℓ, likewise"""
    widths: Sizes = (8, 16, 32, 64, 128, 256)
    """values of m, likewise"""
    trials: Sample = 400
    """networks at each size"""

    def __post_init__(self):
        super().__post_init__()
        if self.ells[-1] >= self.d:
            raise ValueError(f"ells reach {self.ells[-1]} and must stay below d = {self.d}")
        if self.dims[0] <= self.ell:
            raise ValueError(f"dims start at {self.dims[0]} and must exceed ell = {self.ell}")


class Sweep(NamedTuple):
    """One size varied: its dimension, symbol and values, the last one held out."""

    name: str
    symbol: str
    sizes: tuple[int, ...]
    exponent: float
    """what theory claims of the gradient norm"""
    flips: bool = True
    """whether the flips are measured too"""


def sweeps(settings: Settings) -> tuple[Sweep, Sweep, Sweep]:
    """The three sweeps; with a σ of one's own the gradient no longer depends on d.

    That over m goes without the flips: the operator norm of the certified radius costs m³.
    """
    return (
        Sweep("d", "input dimension $d$", settings.dims, -0.5 if settings.scale is None else 0.0),
        Sweep("ell", r"$\ell$ = dim $P^\perp$", settings.ells, 0.5),
        Sweep("width", "width $m$", settings.widths, 0.0, flips=False),
    )


def run(settings: Settings, key, progress: Progress) -> Dataset:
    """Over trial and the size of each sweep, ``…_over_SIZE``: what `padded.trial` measures."""
    # One program for the two sweeps over narrow networks; only that over m needs arrays as wide
    # as its largest network.
    narrow = program(settings, (settings.width, max(settings.d, settings.dims[-1])), flips=True)
    wide = program(settings, (max(settings.width, settings.widths[-1]), settings.d), flips=False)
    measured, labels = {}, {"trial": np.arange(settings.trials), "distance": list(DISTANCES)}
    for i, sweep in enumerate(sweeps(settings)):
        progress(i / 3, f"{settings.trials} networks at each of {len(sweep.sizes)} {sweep.name}")
        keys = jax.random.split(jax.random.fold_in(key, i), settings.trials)
        shapes = jax.tree.map(jnp.asarray, _shapes(settings, sweep))
        found = jax.device_get((narrow if sweep.flips else wide)(keys, shapes))
        for name, values in along(found, "trial", sweep.name, "distance").items():
            measured[f"{name}_over_{sweep.name}"] = values
        labels[sweep.name] = list(sweep.sizes)
    progress(1.0, "done")
    return Dataset(measured, labels)


def _shapes(settings: Settings, sweep: Sweep) -> dict[str, np.ndarray]:
    """d, ℓ and m at every size of the sweep."""
    base = {"d": settings.d, "ell": settings.ell, "width": settings.width}
    sizes = np.asarray(sweep.sizes, float)
    return {name: np.full_like(sizes, value) for name, value in base.items()} | {sweep.name: sizes}


def fit(data: Dataset, sweep: Sweep) -> Judgement:
    """The exponent of the gradient's root mean square, and the held-out size."""
    gradient = data[f"gradient_over_{sweep.name}"].values
    return Scaling(sweep.exponent, TOLERANCE, power=2.0).judge(gradient, gradient, sweep)


def theory(settings: Settings, sweep: Sweep) -> np.ndarray:
    """σ√(ℓ/2) at every size."""
    shapes = _shapes(settings, sweep)
    return initial_scale(settings, shapes["d"]) * np.sqrt(shapes["ell"] / 2)


def flips(data: Dataset, sweep: Sweep) -> DataArray:
    """Distances per unit of |N(x₀)|, NaN for the networks without an opposing neuron."""
    return data[f"flip_over_{sweep.name}"].where(data[f"given_over_{sweep.name}"])


def draw(data: Dataset, settings: Settings) -> Figure:
    """The gradient against d, ℓ and m, and the flip distances against √(d/ℓ)."""
    figure, axes = plt.subplots(2, 2, figsize=(7.2, 6.0))
    norms = axes.flat[:3]
    for ax, sweep in zip(norms, sweeps(settings), strict=True):
        _gradient_panel(ax, data, settings, sweep)
    limits = np.array([ax.get_ylim() for ax in norms])
    for ax in norms:
        ax.set_ylim(limits.min() / 1.5, limits.max())
    axes[0, 0].legend(loc="upper right")
    _flip_panel(axes[1, 1], data, settings)
    return figure


def _gradient_panel(ax: Axes, data: Dataset, settings: Settings, sweep: Sweep) -> None:
    sizes, measured = np.asarray(sweep.sizes, float), rms(data[f"gradient_over_{sweep.name}"])
    ax.plot(sizes, theory(settings, sweep), color=BLUE, label=r"theory, $\sigma\sqrt{\ell/2}$")
    looks = ((slice(-1), VERMILION, "measured"), (slice(-1, None), "white", "held out"))
    for part, face, name in looks:
        interval = measured.isel(**{sweep.name: part})
        error_bars(ax, sizes[part], interval, markerfacecolor=face, label=name)
    detail = fit(data, sweep).detail
    slope = Interval(*(detail[end] for end in ("exponent", "low", "high"))).text(3)
    off = [f"{100 * np.expm1(detail[f'held_out{end}']):+.1f}" for end in ("", "_low", "_high")]
    text = f"slope {slope}\nheld out {off[0]} % [{off[1]}, {off[2]}]".replace("-", "−")
    text += f"\nintervals {100 * (1 - ALPHA):g} %"
    ax.text(0.03, 0.03, text, transform=ax.transAxes, fontsize=8)
    ax.set_xlabel(sweep.symbol)
    ax.set_ylabel(r"root mean square of $\|\Pi_{P^\perp}\nabla N(x_0)\|$")
    logarithmic(ax, sweep.sizes)


def _flip_panel(ax: Axes, data: Dataset, settings: Settings) -> None:
    marks = {
        "universal": ("universal direction", GREEN, "s"),
        "along gradient": (r"along $\Pi_{P^\perp}\nabla N$", VERMILION, "o"),
        "certified": ("certified: none nearer", BLACK, "v"),
    }
    for sweep, fill in zip(sweeps(settings)[:2], ("none", "full"), strict=True):
        shapes = _shapes(settings, sweep)
        sigma = initial_scale(settings, shapes["d"])
        x = 1 / (sigma * np.sqrt(shapes["ell"]))
        for name, (label, color, marker) in marks.items():
            columns = flips(data, sweep).sel(distance=name).values.T
            medians = [intervals.median(column[~np.isnan(column)]) for column in columns]
            look = {"fmt": marker, "color": color, "fillstyle": fill}
            look |= {"label": label} if fill == "full" else {}
            error_bars(ax, x, Interval(*np.stack(medians, axis=1)), **look)
        edge = 1 / (sigma * (np.sqrt(shapes["width"]) + np.sqrt(shapes["ell"])))
        ax.plot(x, edge, ":", color=BLACK)
    # At first order N falls at the rate Σ_{i∈S} u_i⟨w_i, v⟩/‖v‖ ≈ (k/m)σ√ℓ along v, k/m ≈ ½, and
    # at ‖Π∇N‖ ≈ σ√(ℓk/m) along the gradient.
    line = np.array(ax.get_xlim())
    ax.plot(line, 2 * line, "--", color=GREEN, label="its first order")
    ax.plot(line, sqrt(2) * line, color=BLUE, label=r"$|N|/\|\Pi_{P^\perp}\nabla N\|$")
    ax.plot([], [], ":", color=BLACK, label=r"$|N|/\sigma(\sqrt{m}+\sqrt{\ell})$")
    ax.set_xlabel(r"$\sqrt{d/\ell}$" if settings.scale is None else r"$1/\sigma\sqrt{\ell}$")
    ax.set_ylabel("median distance to the flip / $|N(x_0)|$")
    logarithmic(ax, [1, 1.5, 2, 3, 4, 6, 8])
    ax.set_ylim(top=ax.get_ylim()[1] * 12)
    title = r"filled: $\ell$ varies, open: $d$ varies"
    ax.legend(loc="upper left", ncols=2, fontsize=7.5, columnspacing=1, title=title)


def summary(data: Dataset, settings: Settings) -> Summary:
    """The exponents, the held-out sizes, and the flips against their first order."""
    tables: dict[str, Any] = {"alpha": ALPHA, "tolerance": TOLERANCE}
    for sweep in sweeps(settings):
        measured, judgement = rms(data[f"gradient_over_{sweep.name}"]), fit(data, sweep)
        tables[sweep.name] = {
            "status": judgement.status,
            "claimed": sweep.exponent,
            "sizes": list(sweep.sizes),
            "measured_over_theory": finite(measured.centre / theory(settings, sweep)),
        } | dict(judgement.detail)
        if sweep.flips:
            tables[sweep.name] |= _flip_summary(data, settings, sweep)
    return Summary(tables=tables)


def _flip_summary(data: Dataset, settings: Settings, sweep: Sweep) -> dict[str, Any]:
    distances = flips(data, sweep)
    along, universal, certified = (distances.sel(distance=name, drop=True) for name in DISTANCES)
    medians = {
        "flip_over_certified": along / certified,
        "universal_over_gradient_flip": universal / along.where(np.isfinite(along)),
    }
    return {
        "flip_excluded": (~data[f"given_over_{sweep.name}"]).sum("trial").values.tolist(),
        "flip_none_along_gradient": (along == np.inf).sum("trial").values.tolist(),
        "flip_none_universal": (universal == np.inf).sum("trial").values.tolist(),
        # 1/‖Π∇N‖ is √2/(σ√ℓ) = 1/theory at first order.
        "flip_over_first_order": finite(along.median("trial") * theory(settings, sweep)),
    } | {name: finite(values.median("trial")) for name, values in medians.items()}


experiment = Experiment(
    name="subspace.scaling",
    title="Off-subspace gradients grow as √(ℓ/d), and flips shrink as √(d/ℓ)",
    label="S8",
    provenance="derived",
    presets={
        "smoke": Settings(trials=60),
        "course": Settings(),
        "paper": Settings(
            d=512,
            ell=64,
            trials=1500,
            dims=(72, 96, 128, 192, 256, 384, 512, 768),
            ells=(8, 16, 32, 64, 128, 256, 480),
            widths=(8, 16, 32, 64, 128, 256, 512),
        ),
    },
    run=run,
    draw=draw,
    summary=summary,
)
