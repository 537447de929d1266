"""The scene of the unlearning theorems: data, a network, its training, its KKT conditions.

Data are exchangeable, so the point to forget is always the first.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from theory import training
from theory.networks import Linear, TwoLayerReLU, two_layer_relu
from theory.sampling import (
    gaussian_mixture,
    gaussian_points,
    nearly_orthogonal_gram,
    points_with_gram,
)
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


def draw_varied(settings: Settings, key: Key[Array, ""]) -> Scene:
    """`draw_gaussian`, or other points in its place, of one of four kinds at random.

    Independent Gaussians; points that all share a part, with correlation ¼; three clusters, with
    correlation ¼ in each; and heavy tails, Student's with 5 degrees of freedom, whose norms
    differ.

    Example:
        >>> draw_varied(Settings(d=30), jax.random.key(0)).x.shape
        (10, 30)
    """
    scene = draw_gaussian(settings, key)
    m, d = scene.x.shape
    key_kind, key_mean, key_cluster, key_tail = jax.random.split(jax.random.fold_in(key, 1), 4)
    means = gaussian_points(key_mean, 3, d)
    near = means[jax.random.randint(key_cluster, (m,), 0, 3)]
    tail = jnp.sqrt(jax.random.chisquare(key_tail, 5.0, (m, 1), scene.x.dtype) / 5)
    kinds = (
        scene.x,
        0.5 * means[:1] + 0.75**0.5 * scene.x,
        0.5 * near + 0.75**0.5 * scene.x,
        scene.x / tail,
    )
    return scene._replace(x=jnp.stack(kinds)[jax.random.randint(key_kind, (), 0, len(kinds))])


def draw_gaussian_in_span(
    settings: Settings, d: float | Float[Array, ""], key: Key[Array, ""]
) -> Scene:
    """The law of `draw_gaussian` in coordinates of the span of the data, at any d > n.

    Nothing in training, or in the KKT conditions, sees more of a data set than its Gram matrix, or
    more of the part of a weight vector off the span than its norm. The Gram matrix of n Gaussian
    points of R^d is LLᵀ/d with L lower triangular, normal below the diagonal and chi-distributed
    on it (Bartlett's decomposition), so n + 1 coordinates have exactly the law of d, and d is a
    number instead of a shape: one program serves every d.

    Args:
        settings: of the network; its ``d`` is not looked at.
        d: input dimension.
        key: a typed JAX key.

    Example:
        >>> draw_gaussian_in_span(Settings(), 1e6, jax.random.key(0)).x.shape
        (10, 11)
    """
    key_below, key_chi, key_y, key_net = jax.random.split(key, 4)
    n, width, d = settings.samples, settings.width, jnp.asarray(d, float)
    freedom = d - jnp.minimum(jnp.arange(n + width, dtype=d.dtype), n)
    diagonal, off = jnp.split(jnp.sqrt(jax.random.chisquare(key_chi, freedom)), [n])
    below = jnp.tril(jax.random.normal(key_below, (n, n)), -1)
    x = jnp.pad((below + jnp.diag(diagonal)) / jnp.sqrt(d), ((0, 0), (0, 1)))
    y = jax.random.rademacher(key_y, (n,), dtype=x.dtype)
    sigma = Settings(d=1).sigma / jnp.sqrt(d) if settings.scale is None else settings.scale
    net = two_layer_relu(key_net, n, width, 1.0)
    return Scene(x, y, net._replace(w=sigma * jnp.concatenate([net.w, off[:, None]], axis=1)))


def draw_mixture(settings: Settings, norm: float | Float[Array, ""], key: Key[Array, ""]) -> Scene:
    """A mixture with this norm of the mean, 0 for Gaussian data, and a network.

    Example:
        >>> draw_mixture(Settings(d=30), 0.5, jax.random.key(0)).x.shape
        (10, 30)
    """
    key_data, key_net = jax.random.split(key)
    data = gaussian_mixture(key_data, settings.samples, settings.d, norm)
    start = two_layer_relu(key_net, settings.d, settings.width, settings.sigma)
    return Scene(data.x, data.y, start)


def draw_gram(
    settings: Settings, correlation: float | Float[Array, ""], slack: float, key: Key[Array, ""]
) -> Scene:
    """Points with a prescribed Gram matrix, and a network.

    Args:
        settings: of the network; points have as many coordinates as there are points.
        correlation: largest inner product.
        slack: by how much squared norms differ from one.
        key: a typed JAX key.

    Example:
        >>> draw_gram(Settings(), 1e-3, 0.1, jax.random.key(0)).x.shape
        (10, 10)
    """
    key_gram, key_y, key_net = jax.random.split(key, 3)
    m = settings.samples
    x = points_with_gram(nearly_orthogonal_gram(key_gram, m, slack, correlation))
    y = jax.random.rademacher(key_y, (m,), dtype=x.dtype)
    return Scene(x, y, two_layer_relu(key_net, m, settings.width, settings.sigma))


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
