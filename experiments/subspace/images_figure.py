"""The figure of Theorem 4.1 on real images, drawn from the saved arrays."""

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from scipy import stats

from experiments.experiment import Arrays
from experiments.plots.style import BLACK, BLUE, GREEN, ORANGE, SKY, STYLE, VERMILION
from experiments.subspace.images import Settings


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
