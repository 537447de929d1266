"""What a small initialisation and weight decay leave of the gradient off P, on a task to learn."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float

from theory.networks import TwoLayerReLU
from theory.subspace.flip import flips_along_gradient
from theory.subspace.gradient import active
from theory.subspace.scene import draw_scene
from theory.subspace.settings import Settings
from theory.training import hidden_layer_only, train


def trial(
    settings: Settings, scales: tuple[float, ...], decays: tuple[float, ...], tests: int, key
) -> dict[str, Float[Array, " ways"]]:
    """One draw of P, data and weights; the same weights scaled by every β, decayed by every λ.

    Args:
        settings: of the training; its weight decay is that of all scales.
        scales: initial scales β, in units of σ.
        decays: weight decays, as the product ηλT with T = ``settings.steps``.
        tests: how many fresh points of P are measured on.
        key: of this draw.

    Returns:
        What `measure` finds, first for every scale, then for every decay; ``factor``, what is left
        of the weights off P; ``steps`` taken.
    """
    total = settings.samples + tests
    scene = draw_scene(replace(settings, samples=total), key)
    coordinates = scene.x @ scene.subspace.basis[:, :2]
    y = jnp.sign(coordinates[:, 0] * coordinates[:, 1])
    n = settings.samples

    def at(pair):
        scale, weight_decay = pair
        start = scene.network._replace(w=scale * scene.network.w)
        optimizer = optax.chain(optax.add_decayed_weights(weight_decay), optax.sgd(settings.rate))
        # In full dimension, where off P nothing is exact by construction.
        end = train(
            start,
            scene.x[:n],
            y[:n],
            optimizer=hidden_layer_only(optimizer),
            steps=settings.steps,
            margin=settings.margin,
        )
        off = [jnp.linalg.norm(scene.subspace.reject(net.w)) for net in (start, end.network)]
        return measure(end.network, scene.x[n:], y[n:], scene.subspace.basis) | {
            "factor": off[1] / off[0],
            "steps": end.steps,
        }

    betas = jnp.asarray(scales, y.dtype)
    lambdas = jnp.asarray(decays, y.dtype) / (settings.rate * settings.steps)
    pairs = (
        jnp.concatenate([betas, jnp.ones_like(lambdas)]),
        jnp.concatenate([jnp.full_like(betas, settings.weight_decay), lambdas]),
    )
    return jax.lax.map(at, pairs)


def measure(
    net: TwoLayerReLU,
    x: Float[Array, "tests d"],
    y: Float[Array, " tests"],
    basis: Float[Array, "d dim"],
) -> dict[str, Float[Array, ""]]:
    """Over the test points: gradient, flip distance, activity, output and accuracy.

    ``gradient`` is the root mean square norm, ``active`` the mean of k/m, ``flip`` the median
    distance along −y·Π∇N with ``no_flip`` the share of points without one, ``output`` the median
    of |N|.
    """
    output, flips = net(x), flips_along_gradient(net, x, basis)
    return {
        "gradient": jnp.sqrt(jnp.mean(flips.gradient**2)),
        "active": jnp.mean(active(net, x), dtype=x.dtype),
        "flip": jnp.median(flips.distance),
        "no_flip": jnp.mean(jnp.isinf(flips.distance), dtype=x.dtype),
        "output": jnp.median(jnp.abs(output)),
        "accuracy": jnp.mean(y * output > 0, dtype=x.dtype),
    }
