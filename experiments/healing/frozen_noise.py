"""How much of a mask is decided by frozen noise: magnitude against activations, on data in P.

Two-layer ReLU networks are trained on inputs from a subspace P spanned by d − ℓ of d coordinate
axes, which leaves the weights off P as they were drawn, N(0, σ²). A mask then prunes a share s: by
magnitude, of the whole layer or of every row, or by Wanda's |W_ij|·‖X_j‖ of every row.

Exact (H4): Wanda prunes the weights off P first. They are min(1, (ℓ/d)/s) of what it prunes, the
network on P is the dense one for ℓ/d ≥ s, and no decision on P depends on the noise. The control
turns the coordinates: the same networks and data, but P is no longer spanned by axes.

What magnitude does is approximated in `theory.healing.masked_noise`.
"""

from dataclasses import asdict, dataclass
from functools import partial
from math import nan
from typing import Annotated

import jax
import jax.numpy as jnp
import numpy as np
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from xarray import Dataset

from experiments.cells import along, every, over
from experiments.experiment import Experiment, Progress, Summary
from experiments.plots.curves import curves
from experiments.plots.estimates import mean, numbers
from experiments.plots.style import BLUE, GREEN, PURPLE, VERMILION, grid, legend
from theory import settings as foundation
from theory.healing.masked_noise import LAYER, MASKS, ROTATED, ROWS, WANDA, expected, trial
from theory.settings import Bound, Count, Increasing, Margin, ProperShare, Rising, Sample


@dataclass(frozen=True)
class Settings(foundation.Settings):
    """Two-layer networks on points of a subspace spanned by axes, labelled by a linear rule."""

    d: Count = 60
    """input dimension"""
    ells: Rising = (6, 12, 18, 24, 30, 36, 42, 45, 48, 54)
    """values of ℓ = dim P^⊥, below d"""
    width: Count = 50
    """neurons m"""
    samples: Count = 60
    """training points n, on which masks are calibrated too, and as many test points"""
    # Far beyond, double precision cannot solve for one threshold among weights of σ and of τ.
    scale: Annotated[float, Bound(at_least=1e-6, at_most=1e6)] = 1.0
    """standard deviation σ of the hidden weights at initialisation, in units of 1/√d"""
    steps: Count = 3000
    """largest number of training steps"""
    margin: Margin = 1.0
    """stop when every y_j N(x_j) is at least this"""
    sparsities: Increasing[ProperShare] = (0.5, 0.75)
    """shares s of the hidden weights that are pruned, 1/d or more"""
    trials: Sample = 32
    """networks of every ℓ"""

    def __post_init__(self):
        super().__post_init__()
        if self.ells[-1] >= self.d:
            raise ValueError(f"ells is {self.ells} and must stay below d = {self.d}")
        if self.sparsities[0] < 1 / self.d:
            raise ValueError(
                f"sparsities is {self.sparsities} and must be at least 1/d, to prune something"
            )


def run(settings: Settings, key, progress: Progress) -> Dataset:
    """What every mask does to networks, over ell, trial, sparsity and mask.

    ``off`` is the share of the pruned weights that are off P, ``flips`` the share of the decisions
    on P that differ when the noise is redrawn, both NaN where P is rotated; ``change`` is
    ‖N_pruned − N‖/‖N‖ over test points. Of the networks: ``moved`` τ/σ, ``mean_square`` of N at
    test points, ``margin`` reached. ``share`` is ℓ/d.
    """
    options = asdict(settings)
    ells, trials = options.pop("ells"), options.pop("trials")
    program = every(partial(trial, **options))

    def cell(ell: int):
        found = program(jax.random.fold_in(key, ells.index(ell)), trials, jnp.array(ell))
        return along(found, "trial", "sparsity", "mask")

    labels = {"trial": range(trials), "sparsity": settings.sparsities, "mask": MASKS}
    data = over(cell, progress, labels, ell=ells)
    return data.assign_coords(share=data.ell / settings.d)


def expectations(data: Dataset, settings: Settings) -> Dataset:
    """`expected` for the measured mean squares, labelled like the data; NaN where there is none."""
    moved, size = (data.moved**2).mean("trial") ** 0.5, data.mean_square.mean("trial")

    def cell(ell: int, sparsity: float):
        at = (float(part.sel(ell=ell)) for part in (moved, size))
        found = expected(settings.d, ell, sparsity, *at, width=settings.width, scale=settings.scale)
        return {
            name: (("mask",), [part.get(mask, nan) for mask in MASKS])
            for name, part in found._asdict().items()
        }

    cells = {"ell": settings.ells, "sparsity": settings.sparsities}
    return over(cell, lambda *_: None, {"mask": MASKS}, **cells)


LOOKS = {
    LAYER: {"color": BLUE, "marker": "s", "ms": 3},
    ROWS: {"color": GREEN, "marker": "o", "ms": 5.5, "mfc": "none"},
    WANDA: {"color": VERMILION, "marker": "D", "ms": 3},
    ROTATED: {"color": PURPLE, "marker": "^", "ms": 3.5},
}
ACROSS = {
    "off": "share of the pruned off $P$",
    "change": r"$\|N_\mathrm{pruned}-N\|\,/\,\|N\|$ on $P$",
    "flips": "share of decisions on $P$ that\nflip with the noise redrawn",
}
LINES = (
    ("exact (H4)", "-", "0.2"),
    ("approximation", "--", "0.2"),
    (r"$\ell/d$, nothing learned", ":", "0.2"),
    (r"$\ell/d=s$", "-.", "0.6"),
)


def draw(data: Dataset, settings: Settings) -> Figure:
    """One row per sparsity: the noise among the pruned, the change of N, the flips on P."""
    theory = expectations(data, settings)
    panels = Dataset(coords={"what": list(ACROSS), "sparsity": data.sparsity})
    size = (7.2, 1.0 + 2.3 * data.sizes["sparsity"])
    figure, cells = grid(panels, "what", "sparsity", size=size, sharex=True, sharey="col")
    line = np.linspace(0, 1, 201)
    for at, ax in cells:
        name, s = at["what"], at["sparsity"]
        found, claimed = mean(data[name].sel(sparsity=s)), theory[name].sel(sparsity=s)
        curves(ax, found, x="share", series="mask", given=LOOKS, ls="none", lw=1)
        for mask, look in LOOKS.items():
            ax.plot(data.share, claimed.sel(mask=mask), "--", color=look["color"], lw=1)
        exact = {"off": (line, np.minimum(1, line / s)), "change": ([s, 1], [0, 0])}
        ax.plot(*exact.get(name, ([0, 1], [0, 0])), color=VERMILION, lw=1, zorder=1)
        ax.axvline(s, ls="-.", color="0.6", lw=0.8, zorder=0)
        ax.set(title=f"$s={s:g}$ pruned", ylabel=ACROSS[name])
        if name == "off":
            ax.plot(line, line, ":", color="0.2", lw=1, zorder=0)
            ax.set(xlim=(0, 1), ylim=(0, 1.05))
            ax.set_xticks((0, 0.25, 0.5, 0.75, 1), ("0", "¼", "½", "¾", "1"))
        if s == settings.sparsities[-1]:
            ax.set_xlabel(r"$\ell/d$, share of the axes off $P$")
    legend(figure, cells[1:2])
    lines = [Line2D([], [], lw=1, ls=ls, color=c, label=label) for label, ls, c in LINES]
    figure.legend(handles=lines, loc="outside lower center", ncols=4)
    return figure


def summary(data: Dataset, settings: Settings) -> Summary:
    """By sparsity s: what masks do at the first ℓ with ℓ/d ≥ s, or the last; in words, too.

    ``furthest`` is the largest distance of a mean over networks from what was expected of it. What
    is not measured or not expected is null.
    """
    theory = expectations(data, settings)
    furthest = np.abs(data[list(ACROSS)].mean("trial") - theory).max("ell")
    sentences, tables = [], {}
    for s in settings.sparsities:
        ell = next((ell for ell in settings.ells if ell / settings.d >= s), settings.ells[-1])
        found, ratio = data.sel(ell=ell, sparsity=s), ell / settings.d
        tables[f"s = {s:g}"] = {
            "ell_over_d": ratio,
            **{name: numbers(mean(found[name])) for name in ACROSS},
            "expected": numbers(theory.sel(ell=ell, sparsity=s), None),
            "furthest": numbers(furthest.sel(sparsity=s), None),
        }
        change, flips = (
            {mask: mean(100 * found[name].sel(mask=mask)).text(1) + " %" for mask in MASKS}
            for name in ("change", "flips")
        )
        most = found.sel(mask=WANDA).max("trial")
        sentences.append(
            f"s = {s:g}, ℓ/d = {ratio:.2g}: on P magnitude changes N by {change[LAYER]}, Wanda by "
            f"at most {float(most.change):.2g}, and by {change[ROTATED]} if P is rotated. "
            f"Redrawing the frozen noise flips {flips[ROWS]} of the decisions on P of magnitude by "
            f"rows, {flips[LAYER]} of those by layer, and at most {float(most.flips):.2g} of "
            f"Wanda's."
        )
    return Summary(tuple(sentences), {"margin_min": float(data.margin.min())} | tables)


experiment = Experiment(
    name="healing.frozen-noise",
    title="Magnitude reads frozen noise, activations do not",
    label="H4",
    provenance="derived",
    presets={
        "smoke": Settings(d=20, ells=(5, 10, 15), width=20, samples=20, steps=300, trials=6),
        "course": Settings(),
        "paper": Settings(
            d=120, ells=(12, 24, 36, 48, 60, 72, 84, 90, 96, 108), width=100, samples=120, trials=96
        ),
    },
    run=run,
    draw=draw,
    summary=summary,
)
