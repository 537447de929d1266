"""How the off-subspace gradient, and the step that flips a point, scale with d, ℓ and m (S8).

By S2 the mean square of ‖Π_{P^⊥}∇N(x₀)‖ is E[k]ℓσ²/m, and E[k] = m/2 exactly at every training
step: x₀ and −x₀ are equally likely, and a neuron is active at one of them. So its root mean
square is σ√(ℓ/2), √(ℓ/2d) at σ² = 1/d, whatever the width.
"""

from collections.abc import Callable
from dataclasses import dataclass
from math import sqrt
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from experiments.experiment import Arrays, Experiment, Progress
from experiments.plots.estimates import Interval, finite, median_interval, rms_interval
from experiments.plots.style import BLACK, BLUE, GREEN, STYLE, VERMILION, error_bars, logarithmic
from experiments.subspace.padded import initial_scale, program
from theory.claims import Judgement, Scaling
from theory.statistics import ALPHA
from theory.subspace import settings as subspace

TOLERANCE = 0.05
"""How far an exponent may lie from the claimed one and still agree on the range tried."""


@dataclass(frozen=True)
class Settings(subspace.Settings):
    """Three sweeps, each of one size while the other two stay at ``d``, ``ell`` and ``width``."""

    d: int = 128
    ell: int = 32
    dims: tuple[int, ...] = (40, 60, 90, 135, 200, 300)
    """values of d, six or more, increasing; the last one is held out and predicted from the rest"""
    ells: tuple[int, ...] = (8, 14, 24, 42, 72, 120)
    """values of ℓ, likewise"""
    widths: tuple[int, ...] = (8, 16, 32, 64, 128, 256)
    """values of m, likewise"""
    trials: int = 400
    """networks at each size"""

    def __post_init__(self):
        super().__post_init__()
        if self.trials < 2:
            raise ValueError(f"trials is {self.trials} and an interval needs at least 2")
        for name in ("dims", "ells", "widths"):
            sizes = getattr(self, name)
            if len(sizes) < 6 or list(sizes) != sorted(set(sizes)):
                raise ValueError(f"{name} is {sizes} and must be six or more increasing sizes")
        if self.ells[-1] >= self.d:
            raise ValueError(f"ells reach {self.ells[-1]} and must stay below d = {self.d}")
        if self.dims[0] <= self.ell:
            raise ValueError(f"dims start at {self.dims[0]} and must exceed ell = {self.ell}")


class Sweep(NamedTuple):
    """One size varied.

    Attributes:
        name: of the sweep, in arrays and summary.
        symbol: of the size, on the axis.
        sizes: the values tried, the last one held out.
        exponent: what theory claims of the gradient norm.
    """

    name: str
    symbol: str
    sizes: tuple[int, ...]
    exponent: float


def sweeps(settings: Settings) -> tuple[Sweep, Sweep, Sweep]:
    """The three sweeps; with a σ of one's own the gradient no longer depends on d."""
    return (
        Sweep("d", "input dimension $d$", settings.dims, -0.5 if settings.scale is None else 0.0),
        Sweep("ell", r"$\ell$ = dim $P^\perp$", settings.ells, 0.5),
        Sweep("width", "width $m$", settings.widths, 0.0),
    )


def run(settings: Settings, key, progress: Progress) -> Arrays:
    """One program per sweep; arrays of shape (trials, sizes), named after the sweep."""
    arrays = {}
    programs = _programs(settings)
    for i, sweep in enumerate(sweeps(settings)):
        progress(i / 3, f"{settings.trials} networks at each of {len(sweep.sizes)} {sweep.name}")
        keys = jax.random.split(jax.random.fold_in(key, i), settings.trials)
        shapes = jax.tree.map(jnp.asarray, _shapes(settings, sweep))
        results = jax.device_get(programs[sweep.name](keys, shapes))
        arrays |= {f"{sweep.name}_{name}": values for name, values in results.items()}
    progress(1.0, "done")
    return arrays


def _programs(settings: Settings) -> dict[str, Callable[..., Any]]:
    """By sweep, the program (keys, sizes) -> arrays of shape (keys, sizes).

    Only the sweep over m gets arrays wide enough for its largest network, and it goes without the
    flips: the operator norm of the certified radius costs m³.
    """

    narrow = settings.width, max(settings.d, settings.dims[-1])
    wide = max(settings.width, settings.widths[-1]), settings.d
    with_flips = program(settings, narrow, flips=True)
    return {"d": with_flips, "ell": with_flips, "width": program(settings, wide, flips=False)}


def _shapes(settings: Settings, sweep: Sweep) -> dict[str, np.ndarray]:
    """d, ℓ and m at every size of the sweep."""
    base = {"d": settings.d, "ell": settings.ell, "width": settings.width}
    sizes = np.asarray(sweep.sizes, float)
    return {name: np.full_like(sizes, value) for name, value in base.items()} | {sweep.name: sizes}


def fit(arrays: Arrays, sweep: Sweep) -> Judgement:
    """The exponent of the gradient's root mean square, and the held-out size."""
    gradient = arrays[f"{sweep.name}_gradient"]
    return Scaling(sweep.exponent, TOLERANCE, power=2.0).judge(gradient, gradient, sweep)


def theory(settings: Settings, sweep: Sweep) -> np.ndarray:
    """σ√(ℓ/2) at every size."""
    shapes = _shapes(settings, sweep)
    return initial_scale(settings, shapes["d"]) * np.sqrt(shapes["ell"] / 2)


def draw(arrays: Arrays, settings: Settings) -> Figure:
    """The gradient against d, ℓ and m, and the flip distances against √(d/ℓ)."""
    with plt.style.context(STYLE):
        figure, axes = plt.subplots(2, 2, figsize=(7.2, 6.0))
        norms = axes.flat[:3]
        for ax, sweep in zip(norms, sweeps(settings), strict=True):
            _gradient_panel(ax, arrays, settings, sweep)
        low = min(ax.get_ylim()[0] for ax in norms)
        high = max(ax.get_ylim()[1] for ax in norms)
        for ax in norms:
            ax.set_ylim(low, high)
        axes[0, 0].legend(loc="lower left")
        _flip_panel(axes[1, 1], arrays, settings)
    return figure


def _gradient_panel(ax: Axes, arrays: Arrays, settings: Settings, sweep: Sweep) -> None:
    sizes = np.asarray(sweep.sizes, float)
    measured = rms_interval(arrays[f"{sweep.name}_gradient"])
    ax.plot(sizes, theory(settings, sweep), color=BLUE, label=r"theory, $\sigma\sqrt{\ell/2}$")
    for part, face, name in (
        (slice(-1), VERMILION, "measured"),
        (slice(-1, None), "white", "held out"),
    ):
        interval = Interval(*(ends[part] for ends in measured))
        error_bars(ax, sizes[part], interval, markerfacecolor=face, label=name)
    detail = fit(arrays, sweep).detail
    off = [100 * np.expm1(detail[f"held_out{end}"]) for end in ("", "_low", "_high")]
    title = (
        f"slope {detail['exponent']:.3f} [{detail['low']:.3f}, {detail['high']:.3f}] (99.9 %)\n"
        f"size held out: {off[0]:+.1f} % [{off[1]:+.1f}, {off[2]:+.1f}]"
    )
    ax.set_title(title.replace("-", "\N{MINUS SIGN}"))
    ax.set_xlabel(sweep.symbol)
    ax.set_ylabel(r"root mean square of $\|\Pi_{P^\perp}\nabla N(x_0)\|$")
    logarithmic(ax, sweep.sizes)


def _flip_panel(ax: Axes, arrays: Arrays, settings: Settings) -> None:
    marks = {
        "universal": ("universal direction", GREEN, "s"),
        "along_gradient": (r"along $\Pi_{P^\perp}\nabla N$", VERMILION, "o"),
        "certified": ("certified: none nearer", BLACK, "v"),
    }
    for sweep, fill in zip(sweeps(settings)[:2], ("none", "full"), strict=True):
        shapes = _shapes(settings, sweep)
        sigma = initial_scale(settings, shapes["d"])
        x = 1 / (sigma * np.sqrt(shapes["ell"]))
        for name, (label, color, marker) in marks.items():
            medians = [median_interval(values) for values in flips(arrays, sweep, name)]
            error_bars(
                ax,
                x,
                Interval(*np.stack(medians, axis=1)),
                fmt=marker,
                color=color,
                fillstyle=fill,
                label=label if fill == "full" else None,
            )
        edge = 1 / (sigma * (np.sqrt(shapes["width"]) + np.sqrt(shapes["ell"])))
        ax.plot(x, edge, ":", color=BLACK)
    # At first order N falls at the rate Σ_{i∈S} u_i⟨w_i, v⟩/‖v‖ ≈ (k/m)σ√ℓ along v, k/m ≈ ½, and
    # at ‖Π∇N‖ ≈ σ√(ℓk/m) along the gradient.
    line = np.array(ax.get_xlim())
    ax.plot(line, 2 * line, "--", color=GREEN, label="its first order")
    ax.plot(line, sqrt(2) * line, color=BLUE, label=r"$|N|/\|\Pi_{P^\perp}\nabla N\|$")
    ax.plot([], [], ":", color=BLACK, label=r"$|N|/\sigma(\sqrt{m}+\sqrt{\ell})$")
    ax.set_xlabel(r"$\sqrt{d/\ell}$" if settings.scale is None else r"$1/\sigma\sqrt{\ell}$")
    ax.set_ylabel("distance to the flip / $|N(x_0)|$")
    ax.set_title("distance to the flip, median\n(filled: over $\\ell$, open: over $d$)")
    logarithmic(ax, [1, 1.5, 2, 3, 4, 6, 8])
    ax.set_ylim(top=ax.get_ylim()[1] * 8)
    ax.legend(loc="upper left", ncols=2, fontsize=7.5, columnspacing=1)


def flips(arrays: Arrays, sweep: Sweep, name: str) -> list[np.ndarray]:
    """The distances, per unit of |N(x₀)|, of the networks with an opposing active neuron."""
    values, given = arrays[f"{sweep.name}_{name}"], arrays[f"{sweep.name}_given"]
    return [column[keep] for column, keep in zip(values.T, given.T, strict=True)]


def summary(arrays: Arrays, settings: Settings) -> dict[str, Any]:
    """The exponents, the held-out sizes, and the flips against their first order."""
    out: dict[str, Any] = {"alpha": ALPHA, "tolerance": TOLERANCE}
    for sweep in sweeps(settings):
        measured = arrays[f"{sweep.name}_gradient"]
        judgement = fit(arrays, sweep)
        out[sweep.name] = (
            {"status": judgement.status, "claimed": sweep.exponent}
            | {
                "sizes": list(sweep.sizes),
                "measured_over_theory": finite(
                    rms_interval(measured).centre / theory(settings, sweep)
                ),
            }
            | judgement.detail
        )
        if sweep.name != "width":
            out[sweep.name] |= _flip_summary(arrays, settings, sweep)
    return out


def _flip_summary(arrays: Arrays, settings: Settings, sweep: Sweep) -> dict[str, Any]:
    # 1/‖Π∇N‖ is √2/(σ√ℓ) = 1/theory at first order.
    first_order = 1 / theory(settings, sweep)
    along = flips(arrays, sweep, "along_gradient")
    universal = flips(arrays, sweep, "universal")
    return {
        "flip_excluded": [int(x) for x in (~arrays[f"{sweep.name}_given"]).sum(axis=0)],
        "flip_none_along_gradient": [int(np.isinf(x).sum()) for x in along],
        "flip_none_universal": [int(np.isinf(x).sum()) for x in universal],
        "flip_over_first_order": finite(np.array([np.median(x) for x in along]) / first_order),
        "flip_over_certified": finite(
            [
                np.median(x / c)
                for x, c in zip(along, flips(arrays, sweep, "certified"), strict=True)
            ]
        ),
        "universal_over_gradient_flip": finite(
            [
                np.median(u[np.isfinite(x)] / x[np.isfinite(x)])
                for u, x in zip(universal, along, strict=True)
            ]
        ),
    }


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
