"""The scene in which every subspace theorem plays: data in P, a network, its training."""

from dataclasses import replace
from math import inf
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Key

from theory.geometry import Subspace, off_by_rounding, random_subspace
from theory.networks import TwoLayerReLU, two_layer_relu
from theory.subspace.gradient import active, gradient_scale
from theory.subspace.settings import Settings
from theory.training import Trained, train_in_span


class Scene(NamedTuple):
    """Data, point of interest and network at initialisation.

    Attributes:
        subspace: P, uniformly random of dimension d − ℓ.
        x, y: training points of norm √d in P and uniform labels ±1.
        x0: another uniform point of norm √d in P.
        network: the network at initialisation.
    """

    subspace: Subspace
    x: Float[Array, "samples d"]
    y: Float[Array, " samples"]
    x0: Float[Array, " d"]
    network: TwoLayerReLU


def points_in(key: Key[Array, ""], subspace: Subspace, count: int) -> Float[Array, "count d"]:
    """Uniform points of norm √d in a subspace of R^d.

    Example:
        >>> points = points_in(jax.random.key(0), Subspace(jnp.eye(9)[:, :4]), 3)
        >>> jnp.linalg.norm(points, axis=-1).round(4).tolist()
        [3.0, 3.0, 3.0]
    """
    d, dim = subspace.basis.shape
    coordinates = jax.random.normal(key, (count, dim))
    norms = jnp.linalg.norm(coordinates, axis=-1, keepdims=True)
    return (coordinates * (d**0.5 / norms)) @ subspace.basis.T


def draw_scene(settings: Settings, key: Key[Array, ""]) -> Scene:
    """Draw subspace, data and network independently of each other.

    Example:
        >>> scene = draw_scene(Settings(d=58, ell=48), jax.random.key(0))
        >>> scene.x.shape, scene.network.w.shape
        ((10, 58), (50, 58))
    """
    key_p, key_x, key_y, key_net = jax.random.split(key, 4)
    subspace = random_subspace(key_p, settings.d, settings.dim)
    points = points_in(key_x, subspace, settings.samples + 1)
    y = jax.random.rademacher(key_y, (settings.samples,), dtype=points.dtype)
    network = two_layer_relu(key_net, settings.d, settings.width, settings.sigma)
    return Scene(subspace, points[1:], y, points[0], network)


def train_scene(settings: Settings, scene: Scene, train_output: bool = False) -> Trained:
    """Gradient descent with weight decay until the margin is reached, in the span of the data.

    Example:
        >>> settings = Settings(d=58, ell=48)
        >>> trained = train_scene(settings, draw_scene(settings, jax.random.key(0)))
        >>> float(trained.margin) >= 1
        True
    """
    optimizer = optax.chain(
        optax.add_decayed_weights(settings.weight_decay), optax.sgd(settings.rate)
    )
    return train_in_span(
        scene.network,
        scene.x,
        scene.y,
        optimizer=optimizer,
        steps=settings.steps,
        margin=settings.margin,
        train_output=train_output,
    )


def squared_through_training(settings: Settings, key) -> dict[str, Array]:
    """One network at three times: its squared gradient at x₀, in units of kσ²/m, off P and on P.

    The times are initialisation, half the margin, and the margin.

    Returns:
        ``squared``; ``given``, whether a neuron is active at x₀; ``steps`` taken.
    """
    scene = draw_scene(settings, key)
    half = train_scene(replace(settings, margin=settings.margin / 2), scene)
    end = train_scene(settings, scene)

    def measure(net):
        given = active(net, scene.x0).any()
        gradient = jax.grad(lambda point: net(point))(scene.x0)
        scaled = gradient / jnp.where(given, gradient_scale(net, scene.x0, settings.sigma), 1)
        off, on = scene.subspace.reject(scaled), scene.subspace.project(scaled)
        return {"squared": jnp.stack([off @ off, on @ on]), "given": given}

    networks = (scene.network, half.network, end.network)
    steps = jnp.stack([jnp.zeros_like(end.steps), half.steps, end.steps])
    stacked = jax.tree.map(lambda *leaves: jnp.stack(leaves), *networks)
    return jax.lax.map(measure, stacked) | {"steps": steps}


def assumptions(settings: Settings, scene: Scene) -> dict[str, Float[Array, ""]]:
    """The margins of what every theorem here assumes of its data and training.

    Example:
        >>> settings = Settings(d=58, ell=48, weight_decay=0.1)
        >>> margins = assumptions(settings, draw_scene(settings, jax.random.key(0)))
        >>> {name: bool(margin >= 0) for name, margin in margins.items()}
        {'training points in P': True, 'x₀ in P': True, 'no weight decay': False}
    """

    def inside(points):
        return off_by_rounding(points) - jnp.max(scene.subspace.off_share(points))

    return {
        "training points in P": inside(scene.x),
        "x₀ in P": inside(scene.x0),
        "no weight decay": -jnp.asarray(settings.weight_decay, scene.x.dtype),
    }


def with_decay_factor(settings: Settings, factor: float, steps: int = 100) -> Settings:
    """Settings that train for exactly ``steps`` steps, whose decay leaves ``factor`` of W_⊥.

    Example:
        >>> settings = with_decay_factor(Settings(), 0.5)
        >>> round(settings.decay_factor**settings.steps, 6)
        0.5
    """
    decay = (1 - factor ** (1 / steps)) / settings.rate
    return replace(settings, weight_decay=decay, steps=steps, margin=inf)


def missing_direction(scene: Scene) -> Scene:
    """The same scene believed to live in a P that lacks the direction Σ_j y_j x_j of the data.

    Training moves the weights along this direction most, so a subspace without it is the
    sharpest way to break "the data lies in P". The basis of the smaller P is P's own,
    reflected so that its first vector is that direction, which is then dropped.

    Example:
        >>> scene = draw_scene(Settings(d=58, ell=48), jax.random.key(0))
        >>> missing_direction(scene).subspace.dim
        9
    """
    target = scene.subspace.basis.T @ (scene.y @ scene.x)
    target = target / jnp.linalg.norm(target)
    # The Householder reflection H with H e₁ = ∓target; ± chosen against cancellation.
    sign = jnp.where(target[0] >= 0, 1.0, -1.0).astype(target.dtype)
    v = target.at[0].add(sign)
    basis = scene.subspace.basis
    reflected = basis - (2 / (v @ v)) * jnp.outer(basis @ v, v)
    return scene._replace(subspace=Subspace(reflected[:, 1:]))


def identical_rows(scene: Scene) -> Scene:
    """Give every neuron the weights off P of the first one: the rows are not independent.

    Example:
        >>> scene = identical_rows(draw_scene(Settings(d=58, ell=48), jax.random.key(0)))
        >>> off = scene.subspace.reject(scene.network.w)
        >>> bool(jnp.abs(off - off[:1]).max() < 1e-5)
        True
    """
    on, off = scene.subspace.project(scene.network.w), scene.subspace.reject(scene.network.w)
    shared = jnp.broadcast_to(off[:1], off.shape)
    return scene._replace(network=scene.network._replace(w=on + shared))
