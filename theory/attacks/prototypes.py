"""Many classes of Gaussian points, alike or of unlike scale and frequency, and networks trained on
adversarial examples of them."""

from functools import partial
from typing import Any, NamedTuple, TypeVar

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Integer, Key

from theory.attacks.ascent import ascend, of_logits
from theory.attacks.balls import Ball
from theory.attacks.losses import cross_entropy, wide
from theory.ensemble import ensemble
from theory.training.mini_batch import descend
from theory.training.updates import annealed_adam

Network = TypeVar("Network")
"""Any pytree with `logits`."""


class Prototypes(NamedTuple):
    """Classes as clouds in the box [0, 1]^d.

    Attributes:
        centre: of every class, before its scale, about ½.
        scale: of every class's centre and cloud.
        log_share: of its frequency, up to a constant.
    """

    centre: Float[Array, "classes d"]
    scale: Float[Array, " classes"]
    log_share: Float[Array, " classes"]


class Points(NamedTuple):
    """Points and their classes."""

    x: Float[Array, "n d"]
    y: Integer[Array, " n"]


def prototypes(
    key: Key[Array, ""], classes: int, d: int, spread: float, unlike: bool
) -> Prototypes:
    """Draw Gaussian centres; of unlike classes the scales are e^{N(0,1)}, the frequencies Zipf's.

    Example:
        >>> alike = prototypes(jax.random.key(0), 5, 3, 0.05, unlike=False)
        >>> alike.centre.shape, alike.scale.tolist()
        ((5, 3), [1.0, 1.0, 1.0, 1.0, 1.0])
    """
    key_centre, key_scale = jax.random.split(key)
    centre = spread * jax.random.normal(key_centre, (classes, d))
    log_scale = jax.random.normal(key_scale, (classes,))
    ranks = jnp.log(jnp.arange(1.0, classes + 1))
    unequal = float(unlike)
    return Prototypes(centre, jnp.exp(unequal * log_scale), -unequal * ranks)


def points_of(key: Key[Array, ""], of: Prototypes, n: int, noise: float) -> Points:
    """n points: class by its frequency, then its centre with noise of so many times its spread.

    Example:
        >>> of = prototypes(jax.random.key(0), 5, 3, 0.05, unlike=True)
        >>> points = points_of(jax.random.key(1), of, 100, noise=1.0)
        >>> points.x.shape, bool(jnp.all((points.x >= 0) & (points.x <= 1)))
        ((100, 3), True)
    """
    key_y, key_x = jax.random.split(key)
    y = jax.random.categorical(key_y, of.log_share, shape=(n,))
    cloud = noise * jnp.std(of.centre) * jax.random.normal(key_x, (n, of.centre.shape[1]))
    x = 0.5 + of.scale[y][:, None] * (of.centre[y] + cloud)
    return Points(jnp.clip(x, 0, 1), y)


def robust_cross_entropy(
    network: Any, data: Points, eps: Float[Array, ""] | float, ascents: int
) -> Float[Array, ""]:
    """Mean cross-entropy at the worst points that a few steps of APGD find, in L∞ and [0, 1].

    Source: Madry et al. 2018 (arXiv 1706.06083), with APGD from the inputs in place of PGD.

    Example:
        >>> from theory.networks import mlp
        >>> net = mlp(jax.random.key(0), (3, 8, 4))
        >>> data = Points(jnp.full((2, 3), 0.5), jnp.zeros(2, int))
        >>> worst, clean = (robust_cross_entropy(net, data, eps, 3) for eps in (0.1, 0.0))
        >>> bool(worst > clean)
        True
    """
    x, y = data
    fixed = jax.lax.stop_gradient(network)
    everyone = jnp.ones(len(y), bool)
    evaluate = of_logits(fixed.logits, lambda z: cross_entropy(z, y))
    ball = Ball(x, eps, "linf", (0.0, 1.0))
    worst = ascend(evaluate, y, ball, x, ascents, everyone, until_success=False).best
    return jnp.mean(cross_entropy(wide(network.logits(jax.lax.stop_gradient(worst))), y))


@partial(jax.jit, static_argnames=("steps", "batch", "ascents"))
def train_robust(
    networks: Network,
    keys: Key[Array, " networks"],
    data: Points,
    rate: float | Float[Array, ""],
    eps: float | Float[Array, ""],
    *,
    steps: int,
    batch: int,
    ascents: int,
) -> Network:
    """Train networks on `robust_cross_entropy` by Adam with an annealed rate.

    Args:
        networks: with `logits`, and a leading axis.
        keys: of the order of the points, for each network its own.
        data: training points of all.
        rate: step size of Adam at the start.
        eps: radius of the adversarial examples.
        steps, batch: of training.
        ascents: steps of APGD for each; 0 trains on the points themselves.

    Example:
        >>> from theory.networks import mlp
        >>> keys = jax.random.split(jax.random.key(0), 2)
        >>> nets = jax.vmap(lambda key: mlp(key, (3, 16, 4)))(keys)
        >>> of = prototypes(jax.random.key(1), 4, 3, 0.2, unlike=False)
        >>> data = points_of(jax.random.key(2), of, 200, noise=0.2)
        >>> options = {"steps": 60, "batch": 50, "ascents": 2}
        >>> trained = train_robust(nets, keys, data, 1e-2, 0.01, **options)
        >>> right = jax.vmap(lambda net: net.logits(data.x).argmax(1) == data.y)(trained)
        >>> bool(right.mean() > 0.7)
        True
    """

    def loss(network, data):
        if ascents == 0:
            return jnp.mean(cross_entropy(network.logits(data.x), data.y))
        return robust_cross_entropy(network, data, eps, ascents)

    def member(given):
        network, key = given
        order = jax.random.permutation(key, len(data.y))
        shuffled = Points(data.x[order], data.y[order])
        optimizer = annealed_adam(rate, steps)
        return descend(loss, network, shuffled, optimizer=optimizer, steps=steps, batch=batch)[0]

    return ensemble(member, (networks, keys))
