"""The figure of Theorem 4.1 on real images."""

import numpy as np
from matplotlib import colormaps
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.image import AxesImage
from scipy import stats
from xarray import Dataset

from experiments.plots.style import BLACK, BLUE, GREEN, ORANGE, SKY, VERMILION, stacked
from experiments.subspace.images import Settings


def trained(data: Dataset) -> Dataset:
    """Of the trained networks with an active neuron, ``off`` the span and the ``whole`` gradient.

    With ``squared``, ‖Π∇N‖²·m/(kσ²), and the ``predicted`` share off the span, √(ℓσ²k/m)/‖∇N‖.
    """
    given = data.isel(trial=data.scale.values > 0)
    norms = given.gradient.sel(time="after", drop=True).to_dataset("part")
    return norms.assign(
        scale=given.scale,
        squared=(norms.off / given.scale) ** 2,
        predicted=given.scale * np.sqrt(given.ell) / norms.whole,
    )


def draw(data: Dataset, settings: Settings) -> Figure:
    """Law, share and drift above; images, perturbations and results below."""
    figure, (top, bottom) = stacked((7.2, 7.4), 2, 3.8)
    for panel, ax in zip((_law, _share, _drift), top.subplots(1, 3), strict=True):
        panel(ax, data)
        where = {"loc": "lower center", "bbox_to_anchor": (0.5, 1.0), "fontsize": 7.5}
        ax.legend(ncols=2, columnspacing=0.7, handlelength=1, **where)
    pixels = data.pixels.values.reshape(data.sizes["image"], -1)
    drawn = data.isel(image=np.isfinite(pixels).all(axis=1))
    grid = bottom.subplots(3, drawn.sizes["image"], squeeze=False)
    largest, shown = float(abs(drawn.perturbation).max()), []
    for i, column in enumerate(grid.T):
        shown = _pictures(column, drawn.isel(image=i), settings, largest)
    for ax, label in zip(grid[:, 0], ("image", "perturbation\noff the span", "sum"), strict=True):
        ax.set_ylabel(label)
    if "colour" not in data.dims:
        labels = ("pixel", "change of a pixel", "drawn in [0, 1]")
        for row, picture, label in zip(grid, shown, labels, strict=True):
            bottom.colorbar(picture, ax=row.tolist(), label=label, aspect=12)
    return figure


def _law(ax: Axes, data: Dataset) -> None:
    ell, values = int(data.ell), trained(data).squared.values
    grid = np.linspace(min(ell / 2, values.min()), values.max(), 300)
    ax.hist(values, 30, density=True, color=SKY, alpha=0.7, label="measured")
    ax.plot(grid, stats.chi2.pdf(grid, ell), color=BLUE, label=f"$\\chi^2_{{{ell}}}$, S2")
    ax.axvline(ell / 2, color=VERMILION, ls="--", label="Theorem 4.1, bound")
    ax.set_xlabel("squared gradient off the span\nin units of $k\\sigma^2/m$")
    ax.set_ylabel("density")


def _share(ax: Axes, data: Dataset) -> None:
    shares = data.gradient.sel(part="off") / data.gradient.sel(part="whole")
    bins = np.linspace(float(shares.min()), float(shares.max()), 40).tolist()
    for time, colour in (("before", ORANGE), ("after", SKY)):
        values = shares.sel(time=time).dropna("trial").values  # NaN where nothing is active
        label = f"{time} training"
        ax.hist(values, bins, density=True, color=colour, alpha=0.7, label=label)
    ax.axvline(float(np.sqrt(data.ell / data.d)), color=BLACK, ls=":", label=r"$\sqrt{\ell/d}$")
    ax.axvline(float(trained(data).predicted.median()), color=BLUE, label="theory, after")
    formula = r"$\|\Pi_{P^\perp}\nabla N\|/\|\nabla N\|$"
    ax.set_xlabel(f"share of the gradient off the span\n{formula}")
    ax.set_ylabel("density")


def _drift(ax: Axes, data: Dataset) -> None:
    for x, (side, colour) in enumerate((("on", GREEN), ("off", VERMILION))):
        values = data[f"moved_{side}"].values
        ax.plot(x + np.linspace(-0.2, 0.2, len(values)), values, "os"[x], color=colour)
    rounding = np.finfo(data["size"].dtype).eps * float(data["size"].median())
    ax.axhline(rounding, color=BLACK, ls=":", label=r"machine $\varepsilon\cdot\max|W|$")
    ticks = {"xticks": (0, 1), "xticklabels": ("on the\nspan", "off the\nspan")}
    ax.set(yscale="log", xlim=(-0.6, 1.6), ylabel="movement of $W$", **ticks)
    ax.set_ylim(bottom=rounding / 10)


def _pictures(axes, one: Dataset, settings: Settings, largest: float) -> list[AxesImage]:
    """One column: an image, the perturbation that flips it, and their sum."""
    pixels, step = one.pixels.values, one.perturbation.values
    pictures = [pixels, step, (pixels + step).clip(0, 1)]
    if step.ndim == 3 and step.shape[-1] == 3:
        pictures[1] = 0.5 + step / (2 * largest)
    else:
        rows = (1, -1) if step.ndim == 1 else step.shape[:2]
        pictures = [picture.reshape(rows) for picture in pictures]
    grey = {"cmap": "gray_r", "vmin": 0, "vmax": 1}
    # Few colours, which the palette of a small PNG can hold.
    change = {"cmap": colormaps["PuOr"].resampled(21), "vmin": -largest, "vmax": largest}
    looks = (grey, change, grey)
    before, after = one.output.values
    own, other = settings.classes[:: -int(one.y)]
    texts = (
        f"class {own}: output {before:+.2f}",
        f"{one.distance / one.norm:.2f} of its norm",
        f"output {after:+.4f}: now {other}",
    )
    shown = []
    for ax, picture, look, text in zip(axes, pictures, looks, texts, strict=True):
        shown.append(ax.imshow(picture, interpolation="nearest", **look))
        ax.set(xticks=(), yticks=())
        ax.set_title(text.replace("-", "−"), fontsize=8)
        ax.grid(False)
        ax.spines[:].set_visible(True)
    return shown
