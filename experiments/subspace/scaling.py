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
import optax
from jaxtyping import Array, Float, Int
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import FixedLocator, NullFormatter, ScalarFormatter

from experiments.errors import UsageError
from experiments.experiment import STYLE, Arrays, Experiment, Progress
from experiments.subspace.panels import (
    BLACK, BLUE, GREEN, VERMILION, finite, median_interval, rms_interval,
)
from theory.claims import Judgement, Scaling
from theory.ensemble import ensemble
from theory.geometry import Subspace
from theory.networks import TwoLayerReLU
from theory.statistics import ALPHA
from theory.subspace import settings as subspace
from theory.subspace.flip import certified_radius, flip_distance, universal_direction
from theory.subspace.gradient import off_subspace_gradient
from theory.subspace.scene import Scene
from theory.theorem import Source
from theory.training import train_in_span


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

    def __post_init__(self):
        super().__post_init__()
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


def padded_scene(
    settings: Settings, largest: tuple[int, int], key, d, ell, width
) -> Scene:
    """A scene with d, ℓ and m as *traced* numbers, so that one program serves a whole sweep.

    Coordinates from d on are zero in weights and data, and neurons from m on have u_i = 0: they
    neither act nor move. P is spanned by the first d − ℓ coordinates; as Gaussian weights and
    gradient descent do not see a rotation, every P gives the same law.

    Args:
        settings: everything but the sizes.
        largest: the shape (m, d) of the arrays.
        key: of this scene.
        d, ell, width: the sizes, float scalars.
    """
    rows, columns = largest
    key_x, key_y, key_w, key_u = jax.random.split(key, 4)
    inside = jnp.arange(columns) < d - ell
    x = jnp.where(inside, jax.random.normal(key_x, (settings.samples + 1, columns)), 0)
    x = x * (jnp.sqrt(d) / jnp.linalg.norm(x, axis=-1, keepdims=True))
    y = jax.random.rademacher(key_y, (settings.samples,), dtype=x.dtype)
    w = _sigma(settings, d) * jax.random.normal(key_w, (rows, columns))
    u = jax.random.rademacher(key_u, (rows,), dtype=x.dtype) / jnp.sqrt(width)
    network = TwoLayerReLU(
        jnp.where(jnp.arange(columns) < d, w, 0), jnp.where(jnp.arange(rows) < width, u, 0)
    )
    return Scene(Subspace(jnp.diag(inside.astype(x.dtype))), x[1:], y, x[0], network)


def _sigma(settings: Settings, d):
    return d**-0.5 if settings.scale is None else settings.scale


def trial(
    settings: Settings, largest: tuple[int, int], flips: bool, key, d, ell, width
) -> dict[str, Float[Array, ""]]:
    """Train one network of one size; measure its gradient, and its flips where they are wanted."""
    scene = padded_scene(settings, largest, key, d, ell, width)
    rate = 4 / d if settings.learning_rate is None else settings.learning_rate
    net = train_in_span(
        scene.network, scene.x, scene.y,
        optimizer=optax.chain(optax.add_decayed_weights(settings.weight_decay), optax.sgd(rate)),
        steps=settings.steps, margin=settings.margin,
    ).network
    x0, gradient = scene.x0, off_subspace_gradient(net, scene.x0, scene.subspace.basis)
    norm = jnp.linalg.norm(gradient)
    if not flips:
        return {"gradient": norm}
    output = net(x0)
    opposing = ((x0 @ net.w.T > 0) & (net.u * output < 0)).any()
    directions = jnp.stack([gradient, universal_direction(net, scene.subspace)])
    # Without an opposing active neuron nothing is claimed; without an active one there is no
    # gradient to follow either, and any direction will do.
    directions = -jnp.sign(output) * jnp.where(opposing, directions, 1)
    distance = jax.vmap(lambda z: flip_distance(net, x0, z))(directions)
    unit = jnp.where(opposing, jnp.abs(output), 1)
    return {
        "gradient": norm,
        "given": opposing,
        "along_gradient": distance[0] / unit,
        "universal": distance[1] / unit,
        "certified": certified_radius(net, x0, scene.subspace) / unit,
    }
