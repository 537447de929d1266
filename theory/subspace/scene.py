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


def decay_error(
    optimizer: optax.GradientTransformation, w: Float[Array, "*shape"], kept, steps: int = 2
) -> Float[Array, ""]:
    """How far steps without a gradient take weights from ``kept`` of them a step, relative.

    Momentum in which decay is left shows from the second step on.

    Example:
        >>> step = descent(Settings(d=8, ell=4, weight_decay=0.5))
        >>> [round(float(decay_error(step, jnp.ones(3), kept)), 4) for kept in (0.75, 1.0)]
        [0.0, 0.4375]
    """
    end, state = w, initial_state(optimizer, w)
    for _ in range(steps):
        end, state = apply_update(optimizer, jnp.zeros_like(w), state, end)
    return jnp.linalg.norm(end - kept**steps * w) / jnp.linalg.norm(w)


MOVED = 0.02
"""Training counts as training where it moves the weights on P by this share of their norm."""

STANDARD_ERRORS = 6
"""An average of a trial is as assumed within so many: once in 10⁹ trials it is not by chance."""


def assumptions(
    settings: Settings, scene: Scene, trained: Trained, kept: Float[Array, ""] | float = 1.0
) -> dict[str, Float[Array, ""]]:
    """The margins of what every theorem here assumes of its data, weights and training.

    Args:
        settings: what is believed; the margin that training was to reach, or else steps alone.
        scene: as believed.
        trained: its network after training.
        kept: what decay alone leaves of the weights on P, which counts as no move.

    Example:
        >>> settings = Settings(d=58, ell=48, weight_decay=0.1)
        >>> scene = draw_scene(settings, jax.random.key(0))
        >>> margins = assumptions(settings, scene, train_scene(settings, scene))
        >>> [name for name, margin in margins.items() if margin < 0]
        ['no weight decay', 'margin reached']
    """
    start, end = scene.network, trained.network
    rounding = off_by_rounding(scene.x)
    step = scene.subspace.project(end.w - kept * start.w)
    moved = jnp.linalg.norm(step) / jnp.linalg.norm(scene.subspace.project(start.w))
    variance = jnp.mean(start.w**2) / settings.sigma**2
    margins = {
        "training points in P": rounding - jnp.max(scene.subspace.off_share(scene.x)),
        "x₀ in P": rounding - scene.subspace.off_share(scene.x0),
        "no weight decay": rounding - decay_error(descent(settings), start.w, 1.0),
        "W(0) of variance σ²": STANDARD_ERRORS * (2 / start.w.size) ** 0.5 - jnp.abs(variance - 1),
        "moved on P by a fiftieth": moved - MOVED,
    }
    if settings.margin < inf:
        return margins | {"margin reached": trained.margin - settings.margin}
    before = jnp.mean(logistic(scene.y * start(scene.x)))
    return margins | {"loss fell by a tenth": 0.9 - trained.loss / before}


def rows_uncorrelated(scene: Scene) -> Float[Array, ""]:
    """The margin of "rows of W_⊥ uncorrelated": ℓ times their mean squared cosine is near 1.

    The squared cosines of independent rows are uncorrelated and of mean 1/ℓ, variance below 2/ℓ².

    Example:
        >>> scene = draw_scene(Settings(d=58, ell=48), jax.random.key(0))
        >>> [bool(rows_uncorrelated(s) >= 0) for s in (scene, parallel_rows(scene))]
        [True, False]
    """
    off = scene.subspace.reject(scene.network.w)
    unit = off / jnp.linalg.norm(off, axis=-1, keepdims=True)
    m = len(unit)
    pairs = m * (m - 1) / 2
    mean = (jnp.sum((unit @ unit.T) ** 2) - m) / (2 * pairs)
    ell = scene.subspace.ell
    return 1 + STANDARD_ERRORS * (2 / pairs) ** 0.5 - ell * mean


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
