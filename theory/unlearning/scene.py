"""The scene of the unlearning theorems: data, a network, its training, its KKT conditions.

Data are exchangeable, so the point to forget is always the first.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from theory import training
from theory.networks import Linear, TwoLayerReLU, two_layer_relu
from theory.sampling import gaussian_points
from theory.unlearning.kkt import KKT, kkt
from theory.unlearning.margin import LogSlope, logistic_slope, train_to_large_margin
from theory.unlearning.settings import Settings


class Scene(NamedTuple):
    """Data and the network at initialisation.

    Attributes:
        x: points.
        y: labels ±1.
        start: the network at initialisation.
    """

    x: Float[Array, "samples d"]
    y: Float[Array, " samples"]
    start: Linear | TwoLayerReLU


class Trained(NamedTuple):
    """A trained network and its KKT conditions.

    Attributes:
        network: moved onto its kinks; from here on it is the network that was trained.
        explained: its KKT conditions.
        moved: how far it was moved, in units in which the smallest margin is one.
        margin: smallest margin reached in training.
    """

    network: Linear | TwoLayerReLU
    explained: KKT
    moved: Float[Array, ""]
    margin: Float[Array, ""]


def draw_gaussian(settings: Settings, key: Key[Array, ""]) -> Scene:
    """Points N(0, I/d), uniform labels, and a two-layer network at small initialisation.

    Example:
        >>> draw_gaussian(Settings(d=30), jax.random.key(0)).x.shape
        (10, 30)
    """
    key_x, key_y, key_net = jax.random.split(key, 3)
    x = gaussian_points(key_x, settings.samples, settings.d)
    y = jax.random.rademacher(key_y, (settings.samples,), dtype=x.dtype)
    return Scene(x, y, two_layer_relu(key_net, settings.d, settings.width, settings.sigma))


def descend(settings: Settings, scene: Scene, slope: LogSlope = logistic_slope) -> training.Trained:
    """Train to the margin; the network as it is, kinks and all.

    Example:
        >>> settings = Settings(d=100, samples=4, margin=100.0)
        >>> descend(settings, draw_gaussian(settings, jax.random.key(0))).network.w.shape
        (50, 100)
    """
    return train_to_large_margin(
        scene.start, scene.x, scene.y, settings.margin, slope=slope, steps=settings.steps
    )


def train_scene(settings: Settings, scene: Scene, slope: LogSlope = logistic_slope) -> Trained:
    """Train to the margin and find the KKT conditions.

    Example:
        >>> settings = Settings(d=100, samples=4, margin=100.0)
        >>> trained = train_scene(settings, draw_gaussian(settings, jax.random.key(0)))
        >>> float(trained.margin) >= 100
        True
    """
    trained = descend(settings, scene, slope)
    explained = kkt(trained.network, scene.x, scene.y)
    snapped = explained.snapped
    moved = snapped.distance / explained.scale
    explained = explained._replace(snapped=snapped._replace(distance=jnp.zeros_like(moved)))
    return Trained(snapped.network, explained, moved, trained.margin)


def margin_reached(settings: Settings, trained: Trained | training.Trained) -> Float[Array, ""]:
    """How far the smallest margin of training is above the one asked for, relative to it."""
    return trained.margin / settings.margin - 1
