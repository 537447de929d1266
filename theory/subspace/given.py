"""Networks trained on data that is given, images for instance: what S1, S2 and S3 say of them.

P is the span of the data, so at the training points themselves the theorems hold with ℓ = d − r,
where r is the rank of the data.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from theory.geometry import Subspace
from theory.networks import two_layer_relu
from theory.subspace.flip import flips_along_gradient
from theory.subspace.gradient import gradient_scale, off_subspace_gradient
from theory.subspace.scene import Scene, train_scene
from theory.subspace.settings import Settings
from theory.training import hidden_layer_only, train

PAST = 1 + 1e-3
"""A flip is shown this far past the distance at which the output is exactly 0."""


class Data(NamedTuple):
    """Points and their span.

    Attributes:
        subspace: P, the span of the points.
        x: points as rows, of a root mean square norm of √d.
        y: labels ±1.
    """

    subspace: Subspace
    x: Float[Array, "samples d"]
    y: Float[Array, " samples"]


def scene(settings: Settings, data: Data, key, which) -> Scene:
    """The data with a fresh network, to be looked at from the training point ``which``."""
    network = two_layer_relu(key, settings.d, settings.width, settings.sigma)
    return Scene(data.subspace, data.x, data.y, data.x[which], network)


def trial(settings: Settings, data: Data, key) -> dict[str, Array]:
    """One network, seen from one training point of its own, before and after training.

    A single point per network keeps the trials independent, as the verdicts need.

    Returns:
        ``gradient``, norms before and after training, off the span and of the whole gradient;
        ``scale``, the `gradient_scale` after training; ``margin`` reached.
    """
    key_point, key_net = jax.random.split(key)
    start = scene(settings, data, key_net, jax.random.randint(key_point, (), 0, len(data.y)))
    trained = train_scene(settings, start)

    def measure(net):
        gradient = jax.grad(lambda point: net(point))(start.x0)
        off = off_subspace_gradient(net, start.x0, data.subspace.basis)
        return jnp.stack([jnp.linalg.norm(off), jnp.linalg.norm(gradient)])

    return {
        "gradient": jnp.stack([measure(start.network), measure(trained.network)]),
        "scale": gradient_scale(trained.network, start.x0, settings.sigma),
        "margin": trained.margin,
    }


def drift_trial(settings: Settings, data: Data, key) -> dict[str, Float[Array, ""]]:
    """Train one network in full dimension: how far W moves on P, and off P.

    Returns:
        ``moved_on`` and ``moved_off``, the norms of both; ``drift``, the largest entry of
        Π_{P^⊥}(W(T) − W(0)); ``size``, that of W(T); ``steps`` taken.
    """
    start = scene(settings, data, key, 0).network
    trained = train(
        start,
        data.x,
        data.y,
        optimizer=hidden_layer_only(optax.sgd(settings.rate)),
        steps=settings.steps,
        margin=settings.margin,
    )
    end = trained.network
    step = end.w - start.w
    off = data.subspace.reject(step)
    return {
        "moved_on": jnp.linalg.norm(data.subspace.project(step)),
        "moved_off": jnp.linalg.norm(off),
        "drift": jnp.max(jnp.abs(off)),
        "size": jnp.max(jnp.abs(end.w)),
        "steps": trained.steps,
    }


def flip_all(settings: Settings, data: Data, key) -> dict[str, Array]:
    """Train one network and flip every training point along its own off-span gradient.

    Returns:
        ``distance`` to the flip and ``perturbation`` a little past it, ``output`` without and with
        it, and ``slope``, the norm of the gradient off the span.
    """
    start = scene(settings, data, key, 0)
    net = train_scene(settings, start).network
    flips = flips_along_gradient(net, data.x, data.subspace.basis)
    found = jnp.isfinite(flips.distance)
    step = PAST * jnp.where(found, flips.distance, 0)[:, None] * flips.direction
    return {
        "distance": flips.distance,
        "perturbation": step,
        "output": jnp.stack([net(data.x), net(data.x + step)], axis=1),
        "slope": flips.gradient,
    }
