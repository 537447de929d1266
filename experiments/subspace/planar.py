"""Networks with biases on few points of a line or a plane P: what the paper's pictures share.

Everything is trained here, hidden and output weights and both biases, in full dimension. For a
linear P the weights off P are frozen all the same, because ∂L/∂w_i is a combination of the data.
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int, Key
from matplotlib.axes import Axes
from matplotlib.lines import Line2D

from experiments.experiment import Arrays
from experiments.plots.estimates import LEVEL, finite, median_interval
from experiments.plots.style import BLACK, BLUE, GREEN, VERMILION
from experiments.subspace.crossings import certified_radii, flip_distances
from theory import settings as foundation
from theory.ensemble import ensemble
from theory.networks import MLP
from theory.training import train

METHODS = ("vanilla", "smaller initialisation", "L2 regularisation")
METHOD_COLOURS = (BLACK, BLUE, GREEN)
BELOW = 1e-9
"""Relative rounding by which a flip may fall short of its certified radius."""


@dataclass(frozen=True)
class Settings(foundation.Settings):
    """A two-layer ReLU network with biases, trained by full-batch gradient descent."""

    width: int = 100
    """neurons m"""
    learning_rate: float = 0.02
    """step size η"""
    steps: int = 40_000
    """largest number of training steps"""
    margin: float = 0.3
    """stop when every y_j N(x_j) is at least this"""
    factor: float = 5.0
    """smaller initialisation: the weights, not the biases, are divided by this"""
    weight_decay: float = 0.005
    """L2 regularisation: λ of the penalty (λ/2)·‖all parameters‖²"""
    resolution: int = 200
    """grid points per side on which the decision is drawn"""

    def __post_init__(self):
        super().__post_init__()
        for name in ("learning_rate", "margin", "factor", "weight_decay"):
            if not 0 < getattr(self, name) < np.inf:
                raise ValueError(f"{name} is {getattr(self, name)} and must be positive and finite")
        if self.resolution < 2:
            raise ValueError(f"resolution is {self.resolution} and must be at least 2")
        if self.learning_rate * self.weight_decay >= 1:
            raise ValueError("learning_rate times weight_decay must be below 1, or decay diverges")

    @property
    def remedies(self) -> tuple[tuple[float, float], ...]:
        """What the weights are divided by and λ, for each of `METHODS`."""
        return ((1.0, 0.0), (self.factor, 0.0), (1.0, self.weight_decay))


class Board(NamedTuple):
    """Labelled points of a hyperplane.

    Attributes:
        x: the points.
        y: labels ±1.
        normal: the unit normal of the hyperplane.
    """

    x: Float[Array, "n d"]
    y: Float[Array, " n"]
    normal: Float[Array, " d"]


class Fit(NamedTuple):
    """One trained network.

    Attributes:
        network: at the end.
        margin: min_j y_j N(x_j) at the end.
        steps: steps taken.
        drift: ‖W_⊥(T) − c_T W_⊥(0)‖ / ‖W_⊥(0)‖ with W_⊥ the hidden weights along the normal and
            c_T = (1 − ηλ)^T what weight decay leaves of them; 0 where they are frozen.
        flip: distance from each point, along the normal either way, to the nearest change of
            sign; infinite where there is none.
        radius: the certified radius at each point, a lower bound of ``flip``.
    """

    network: MLP
    margin: Float[Array, ""]
    steps: Int[Array, ""]
    drift: Float[Array, ""]
    flip: Float[Array, " n"]
    radius: Float[Array, " n"]


def divided(net: MLP, divisor: Float[Array, ""] | float) -> MLP:
    """The network with its weights, not its biases, divided: a smaller initialisation.

    Example:
        >>> net = divided(MLP((jnp.ones((1, 1)),), (jnp.ones(1),)), 4.0)
        >>> float(net.weights[0][0, 0]), float(net.biases[0][0])
        (0.25, 1.0)
    """
    return net._replace(weights=tuple(w / divisor for w in net.weights))


def fit(settings: Settings, start: MLP, board: Board, divisor, weight_decay) -> Fit:
    """Train from ``start`` with its weights divided, and measure off the hyperplane."""
    start = divided(start, divisor)
    optimizer = optax.chain(
        optax.add_decayed_weights(weight_decay), optax.sgd(settings.learning_rate)
    )
    end = train(
        start, board.x, board.y,
        optimizer=optimizer, steps=settings.steps, margin=settings.margin,
    )  # fmt: skip
    before, after = (net.weights[0] @ board.normal for net in (start, end.network))
    left = (1 - settings.learning_rate * weight_decay) ** end.steps.astype(before.dtype)
    drift = jnp.linalg.norm(after - left * before) / jnp.linalg.norm(before)
    points = board.x, board.normal
    return Fit(
        end.network, end.margin, end.steps, drift,
        flip_distances(end.network, *points), certified_radii(end.network, *points),
    )  # fmt: skip


def trainer(
    settings: Settings, initial: Callable[[Key[Array, ""], int], MLP]
) -> Callable[[Key[Array, ""], Board, int], Arrays]:
    """A function of key, board and method that trains all seeds; compiled once for all of them.

    Seed i of every board and method starts from one draw, so that their differences are paired.

    Args:
        settings: the settings.
        initial: ``(key, width) -> network`` before any division.

    Returns:
        ``(key, board, method) -> arrays``, the first axis of each being the seed.
    """

    @jax.jit
    def program(keys, board, divisor, weight_decay):
        def member(key):
            start = initial(key, settings.width)
            return fit(settings, start, board, divisor, weight_decay)

        return ensemble(member, keys)

    def train_seeds(key: Key[Array, ""], board: Board, method: int) -> Arrays:
        seeds = jnp.arange(settings.trials)
        keys = jax.vmap(jax.random.fold_in, in_axes=(None, 0))(key, seeds)
        fits: Fit = jax.device_get(program(keys, board, *settings.remedies[method]))
        arrays = fits._asdict()
        (w, u), (b, c) = arrays.pop("network")
        # Weights are kept for drawing only, and a picture does not need double precision.
        return arrays | {
            name: array.astype(np.float32)
            for name, array in {"w": w, "u": u, "b": b, "c": c}.items()
        }

    return train_seeds


def network(arrays: Arrays, *index: int) -> MLP:
    """One of the stored networks."""
    w, u, b, c = (jnp.asarray(arrays[name][index]) for name in "wubc")
    return MLP((w, u), (b, c))


def reached(arrays: Arrays, settings: Settings) -> np.ndarray:
    """Which networks, of shape (methods, seeds), have fitted the data up to the margin.

    Only these have a boundary that belongs to the data; the others are counted and left out.
    """
    return arrays["margin"] >= settings.margin


def shown_seeds(fitted: np.ndarray, method: int) -> np.ndarray:
    """The seeds to draw: those that fit by every method, or by this one, or else the first.

    Example:
        >>> shown_seeds(np.array([[True, True, False], [False, True, False]]), 0).tolist()
        [1]
    """
    for candidates in (fitted.all(axis=0), fitted[method]):
        if candidates.any():
            return np.flatnonzero(candidates)
    return np.zeros(1, int)


def numbers(arrays: Arrays, settings: Settings) -> dict[str, Any]:
    """For each method: seeds that fitted, drift of W_⊥, flip distances and certified radii.

    A seed's flip distance is the median over its points, and ``flip_median`` the median over
    seeds with its 95 % interval; None stands for no flip at any distance.
    """
    out: dict[str, Any] = {}
    fitted = reached(arrays, settings)
    for method, name in enumerate(METHODS):
        chosen = fitted[method]
        row: dict[str, Any] = {
            "seeds": len(chosen),
            "seeds_at_margin": int(chosen.sum()),
            "steps_median": float(np.median(arrays["steps"][method])),
            "drift_max": float(arrays["drift"][method].max()),
        }
        if chosen.any():
            flip, radius = (arrays[which][method][chosen] for which in ("flip", "radius"))
            interval = median_interval(np.median(flip, axis=1))
            row |= {
                "flip_median": finite(interval.centre)[0],
                "flip_interval": finite([interval.low, interval.high]),
                "flip_by_point": finite(median_interval(flip).centre),
                "radius_median": float(np.median(radius)),
                "flips_over_radius_median": finite(np.median(flip / radius))[0],
                "flips_below_radius": int(np.sum(flip < radius * (1 - BELOW))),
                "points": flip.size,
                "points_without_flip": int(np.isinf(flip).sum()),
            }
        out[name] = row
    vanilla = out[METHODS[0]].get("flip_median")
    for row in out.values():
        own = row.get("flip_median")
        row["flip_over_vanilla"] = own / vanilla if own and vanilla else None
    return out


def scatter_flips(
    ax: Axes, positions: np.ndarray, flip: np.ndarray, radius: np.ndarray, colour: str, top: float
) -> None:
    """Every seed as a dot, the median with its interval, and the certified radius below.

    With fewer than six seeds the interval is their range, and short of its level.

    Args:
        ax: axes with a logarithmic distance upwards.
        positions: (columns,) places on the horizontal axis, evenly spaced.
        flip: (seeds, columns) distances; those beyond ``top`` are drawn there, as open triangles.
        radius: (seeds, columns) certified radii, of which the median is drawn.
        colour: of the measurements.
        top: the largest distance on the axis.
    """
    spacing = positions[1] - positions[0] if len(positions) > 1 else 1.0
    side = np.linspace(0.08, 0.3, len(flip))[:, None] * spacing
    places = positions + np.broadcast_to(side, flip.shape)
    inside = flip < top
    ax.plot(places[inside], flip[inside], "o", color=colour, ms=2.2, alpha=0.45, mew=0)
    beyond = np.where(inside, np.nan, top)
    ax.plot(places, beyond, "^", color=colour, ms=3.5, mfc="none", mew=0.6, clip_on=False)
    interval = median_interval(flip)
    centre, low, high = (np.minimum(part, top) for part in interval)
    bars = np.stack([centre - low, high - centre])
    ax.errorbar(
        positions - 0.08 * spacing, centre, bars,
        fmt="o", color=colour, ms=4.5, capsize=2.5, lw=1.3,
    )  # fmt: skip
    ax.plot(
        positions - 0.08 * spacing, np.median(radius, axis=0),
        "_", color=VERMILION, ms=11, mew=1.8,
    )  # fmt: skip


def flip_legend(top: float) -> list[Line2D]:
    """What the marks of `scatter_flips` are, in neutral colour."""

    def mark(symbol, label, **options):
        return Line2D([], [], ls="", marker=symbol, label=label, color="0.3", **options)

    return [
        mark("o", "flip, one seed", ms=2.2),
        mark("o", f"median, {LEVEL:.0%} interval", ms=4.5),
        mark("^", f"no flip within {top:g}", ms=3.5, mfc="none", mew=0.6),
        Line2D([], [], color=VERMILION, lw=1.8, label="certified radius (median)"),
    ]
