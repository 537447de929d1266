"""Where the worst case of S5 is looked for: any network, any point of P, any step off it.

P is spanned by the first axes: S5 does not change when everything is turned.
"""

import itertools

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Key

from theory.geometry import Subspace
from theory.networks import TwoLayerReLU
from theory.subspace.certified import sides, top_direction
from theory.subspace.flip import flip_distance
from theory.subspace.settings import Settings
from theory.theorem import Search, Trial


def start(settings: Settings, key: Key[Array, ""]) -> dict[str, Array]:
    """A network's w and u, the coordinates of x₀ in P, and those off it of a z along which N falls.

    Example:
        >>> scene = start(Settings(width=4, ell=3, d=5), jax.random.key(0))
        >>> {name: leaf.shape for name, leaf in scene.items()}
        {'w': (4, 5), 'u': (4,), 'x0': (2,), 'z': (3,)}
    """
    width, d, ell = settings.width, settings.d, settings.ell
    key_w, key_u, key_x, key_z = jax.random.split(key, 4)
    w, u = jax.random.normal(key_w, (width, d)), jax.random.normal(key_u, (width,))
    x0 = jax.random.normal(key_x, (d - ell,))
    value, slope = jax.value_and_grad(TwoLayerReLU(w, u))(jnp.pad(x0, (0, ell)))
    z = 0.1 * jax.random.normal(key_z, (ell,)) - jnp.sign(value) * slope[d - ell :]
    return {"w": w, "u": u, "x0": x0, "z": z}


def trial(settings: Settings, scene: dict[str, Array]) -> Trial:
    """`theory.subspace.certified.sides` of one step, and the flip along it."""
    net = TwoLayerReLU(scene["w"], scene["u"])
    plane = Subspace(jnp.eye(settings.d, settings.d - settings.ell))
    x0 = jnp.pad(scene["x0"], (0, settings.ell))
    z = jnp.pad(scene["z"], (settings.d - settings.ell, 0))
    flip = flip_distance(net, x0, z)
    measured, predicted = sides(net, x0, plane, z[None], top_direction(net, plane), flip)
    return Trial(measured, predicted, {}, given=jnp.isfinite(flip))


def check(settings: Settings, scene: dict[str, np.ndarray]) -> Trial:
    """The same in NumPy: norms from singular values, the flip between two kinks of the ray.

    N has lost its sign where it is 0, because no neuron is active any more.
    """
    on = settings.d - settings.ell
    w, u = scene["w"], scene["u"]
    before, slope = w[:, :on] @ scene["x0"], w[:, on:] @ scene["z"]

    def value(t):
        return float(u @ np.maximum(before + t * slope, 0))

    kinks = sorted(t for t in -before / slope if t > 0)
    stops = [0.0, *kinks, 2 * kinks[-1] + 1 if kinks else 1.0]
    flip = np.inf
    for left, right in itertools.pairwise(stops):
        fall = (value(left) - value(right)) / (right - left)
        last = right == stops[-1]  # from here on N is linear
        if flip == np.inf and fall * value(0) > 0 and (last or value(right) * value(0) <= 0):
            flip = left + value(left) / fall
    singular = np.linalg.svd(w[:, on:], compute_uv=False)
    size, out = np.linalg.norm(scene["z"]), np.linalg.norm(u)
    radius = abs(value(0)) / (out * singular[0])
    allowed = out * np.linalg.norm(slope)
    schatten = singular[0] * np.sum((singular / singular[0]) ** 128) ** (1 / 128)
    return Trial(
        {
            "change": abs(value(1) - value(0)),
            "no flip": flip * size,
            "radius": radius,
            "nor less": radius,
        },
        {
            "change": allowed,
            "no flip": radius,
            "radius": radius,
            "nor less": abs(value(0)) / (out * schatten),
        },
        {},
        given=bool(np.isfinite(flip)),
    )


certified_radius = Search(Settings(width=4, ell=4, d=6), start, trial, check)
