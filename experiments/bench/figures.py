"""The figures of `bench`, drawn from its JSON alone."""

from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from experiments.plots.curves import curves
from experiments.plots.estimates import Interval
from experiments.plots.style import CHANCE, THEORY, grid, legend, logarithmic
from experiments.results import gallery

if TYPE_CHECKING:
    from matplotlib.figure import Figure
    from xarray import Dataset

ENDS = ("median", "low", "high")
"""Of a time's interval, as the JSON calls them."""


def save(result: dict[str, Any], out: Path) -> None:
    """Draw the figure of a comparison, where it has one, into ``out/NAME.png``."""
    draw = DRAWN.get(result["comparison"])
    if draw is None:
        return
    gallery.save_picture(out / f"{result['comparison']}.png", lambda: draw(result))


def labelled(rows: list[dict[str, Any]], along: str) -> "Dataset":
    """Seconds of all ways against one of the ``sizes``, with the ends of their intervals.

    Example:
        >>> way = {"median": 2.0, "low": 1.0, "high": 3.0}
        >>> found = labelled([{"sizes": {"d": 8}, "run": {"one": way}}], "d")
        >>> found["median"].sel(d=8, way="one").item(), dict(found.sizes)
        (2.0, {'way': 1, 'd': 1})
    """
    from xarray import Dataset

    ways = [*rows[0]["run"]]
    return Dataset(
        {
            end: (("way", along), [[row["run"][way][end] for row in rows] for way in ways])
            for end in ENDS
        },
        {"way": ways, along: [row["sizes"][along] for row in rows]},
    )


def _read(result: dict[str, Any], along: str) -> "tuple[Dataset, dict[str, int], float]":
    """The rows that have sizes, the sizes of the first, and the measured rate of a product."""
    rows = [row for row in result["rows"] if "sizes" in row]
    (gemm,) = [row["gemm_rate"] for row in result["rows"] if "gemm_rate" in row]
    return labelled(rows, along), rows[0]["sizes"], gemm


def throughput(result: dict[str, Any]) -> "Figure":
    """Networks times steps a second against the networks of the ensemble."""
    data, sizes, gemm = _read(result, "networks")
    figure, cells = grid(data, size=(5.6, 3.6))
    ((_, ax),) = cells
    work = data.networks * sizes["steps"]
    rate = Interval(*(work / data[end] for end in ("median", "high", "low")))
    curves(ax, rate, x="networks", series="way")
    n, d, m = (sizes[name] for name in ("n", "d", "m"))
    bound = gemm / (2 * n * n * m)
    ax.axhline(bound, **THEORY, label="products at the GEMM rate, nothing else")
    logarithmic(ax, data.networks.values.tolist())
    ax.set(
        xlabel="networks in the ensemble",
        ylabel="network steps / s",
        title=f"n, d, m = {n}, {d}, {m}, {sizes['steps']} steps, {_where(result)}",
    )
    legend(figure, cells, ncols=2)
    return figure


def span(result: dict[str, Any]) -> "Figure":
    """Time of training against the dimension, in the span of the data and in full dimension."""
    data, sizes, gemm = _read(result, "d")
    figure, cells = grid(data, size=(5.6, 3.6))
    ((_, ax),) = cells
    curves(ax, Interval(*(1000 * data[end] for end in ENDS)), x="d", series="way")
    d = data.d.values
    full = sizes["steps"] * 4 * sizes["n"] * sizes["m"] * d / gemm
    alone = sizes["steps"] * 2 * sizes["n"] ** 2 * sizes["m"] / gemm
    ax.plot(d, 1000 * full, **THEORY, label="products at the GEMM rate, full dimension")
    ax.axhline(1000 * alone, **CHANCE, label="products at the GEMM rate, steps in the span")
    logarithmic(ax, d.tolist())
    ax.set(
        xlabel="input dimension d",
        ylabel="time / ms",
        title=f"one network, n, m = {sizes['n']}, {sizes['m']}, {sizes['steps']} steps, "
        f"{_where(result)}",
    )
    legend(figure, cells, ncols=2)
    return figure


def _where(result: dict[str, Any]) -> str:
    device = result["environment"]["device"]
    return "one core" if device.endswith("cpu") else device


DRAWN: "dict[str, Callable[[dict[str, Any]], Figure]]" = {"throughput": throughput, "span": span}
