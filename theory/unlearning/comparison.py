"""An unlearned network beside others, where nothing but the direction of the weights tells.

Networks are compared at the scale at which their smallest retained margin is one: that of the KKT
conditions, at which the size of the margins tells an attacker nothing. Where a retained point is
misclassified there is no such scale, and what depends on it is NaN.
"""

from collections.abc import Mapping

import jax.numpy as jnp
from jaxtyping import Array, Float

from theory.networks import TwoLayerReLU
from theory.unlearning.certificate import angle
from theory.unlearning.kkt import kkt


def compared(
    net: TwoLayerReLU,
    x: Float[Array, "n d"],
    y: Float[Array, " n"],
    k: int,
    references: Mapping[str, TwoLayerReLU],
) -> dict[str, Array]:
    """What there is to see of a network that was to forget the first k points.

    Returns:
        ``distance`` to each reference in units of its norm and ``cosine`` of the angle to it, with
        the reference's name in front; ``forget_margins`` over the smallest retained margin;
        ``forget_accuracy`` and ``retain_accuracy``; ``epsilon``, stationarity on what is retained.

    Example:
        >>> net, y = TwoLayerReLU(jnp.eye(2), jnp.array([1.0, -1.0])), jnp.array([1.0, -1.0])
        >>> found = compared(net, 2 * jnp.eye(2), y, 1, {"": net._replace(w=3 * net.w)})
        >>> float(found["distance"]), found["forget_margins"].tolist()
        (0.0, [1.0])
    """

    def smallest(net):
        return jnp.min(y[k:] * net(x[k:]))

    scale = smallest(net)
    scale = jnp.where(scale > 0, scale, jnp.nan)
    found = {}
    for name, reference in references.items():
        target = reference.w / smallest(reference)
        distance = jnp.linalg.norm(net.w / scale - target)
        found[f"{name}distance"] = distance / jnp.linalg.norm(target)
        found[f"{name}cosine"] = 1 - angle(net.w, target)
    margins = y * net(x)
    right = (margins > 0).astype(x.dtype)
    return found | {
        "forget_margins": margins[:k] / scale,
        "forget_accuracy": jnp.mean(right[:k]),
        "retain_accuracy": jnp.mean(right[k:]),
        "epsilon": kkt(net, x[k:], y[k:]).stationarity,
    }
