"""The scene in which every subspace theorem plays: data in P, a network, its training."""

from dataclasses import replace
from math import inf
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Bool, Float, Key

from theory.geometry import Subspace, random_subspace
from theory.networks import TwoLayerReLU, two_layer_relu
from theory.subspace.gradient import active, gradient_scale
from theory.subspace.settings import Settings
from theory.training import Trained, apply_update, initial_state, logistic, train_in_span


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


def descent(settings: Settings) -> optax.GradientTransformation:
    """Gradient descent with weight decay.

    Example:
        >>> step = descent(Settings(d=8, ell=4, weight_decay=0.5))
        >>> w = jnp.array([1.0, 2.0])
        >>> apply_update(step, jnp.zeros(2), initial_state(step, w), w)[0].tolist()
        [0.75, 1.5]
    """
    return optax.chain(optax.add_decayed_weights(settings.weight_decay), optax.sgd(settings.rate))


def train_scene(settings: Settings, scene: Scene, train_output: bool = False) -> Trained:
    """Gradient descent with weight decay until the margin is reached, in the span of the data.

    Example:
        >>> settings = Settings(d=58, ell=48)
        >>> trained = train_scene(settings, draw_scene(settings, jax.random.key(0)))
        >>> float(trained.margin) >= 1
        True
    """
    return train_in_span(
        scene.network,
        scene.x,
        scene.y,
        optimizer=descent(settings),
        steps=settings.steps,
        margin=settings.margin,
        train_output=train_output,
    )


def descend_in_batches(
    scene: Scene, start: Any, optimizer: optax.GradientTransformation, keys: Key[Array, " steps"]
) -> Any:
    """Train any network on the logistic loss of minibatches, a key for each step.

    Each point is in a batch with probability ½.

    Example:
        >>> settings = Settings(d=58, ell=48)
        >>> scene = draw_scene(settings, jax.random.key(0))
        >>> keys = jax.random.split(jax.random.key(1), 5)
        >>> end = descend_in_batches(scene, scene.network, descent(settings), keys)
        >>> bool(batch_loss(scene, end) < batch_loss(scene, scene.network))
        True
    """

    def step(carry, key):
        net, state = carry
        inside = jax.random.bernoulli(key, 0.5, scene.y.shape)
        gradient = jax.grad(lambda net: batch_loss(scene, net, inside))(net)
        return apply_update(optimizer, gradient, state, net), None

    return jax.lax.scan(step, (start, initial_state(optimizer, start)), keys)[0][0]


def batch_loss(
    scene: Scene, net: Any, inside: Bool[Array, " samples"] | bool = True
) -> Float[Array, ""]:
    """The logistic loss of the points that are inside a batch, divided by the number of all."""
    return jnp.mean(jnp.where(inside, logistic(scene.y * net(scene.x)), 0))


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
    reflected so that its first vector is that direction, which is then dropped. x₀ moves into the
    smaller P, so that nothing else is broken.

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
    smaller = Subspace(reflected[:, 1:])
    x0 = smaller.project(scene.x0)
    x0 = x0 * (jnp.linalg.norm(scene.x0) / jnp.linalg.norm(x0))
    return scene._replace(subspace=smaller, x0=x0)


def parallel_rows(scene: Scene) -> Scene:
    """Turn the weights off P of every neuron to those of the first, and leave their norms.

    Example:
        >>> scene = parallel_rows(draw_scene(Settings(d=58, ell=48), jax.random.key(0)))
        >>> off = scene.subspace.reject(scene.network.w)
        >>> unit = off / jnp.linalg.norm(off, axis=-1, keepdims=True)
        >>> bool(jnp.abs(unit - unit[:1]).max() < 1e-5)
        True
    """
    on, off = scene.subspace.project(scene.network.w), scene.subspace.reject(scene.network.w)
    norms = jnp.linalg.norm(off, axis=-1, keepdims=True)
    return scene._replace(network=scene.network._replace(w=on + norms * (off[:1] / norms[:1])))
