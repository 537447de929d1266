"""What the certified radius of S5 promises, compared with what a network does off P.

‖W_⊥‖_op lies between ‖W_⊥q‖ for any unit q, and the Schatten norm (tr (W_⊥W_⊥ᵀ)^{64})^{1/128},
which is at most m^{1/128} times too large: the radius is compared with both, for q of 1000 power
iterations.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from theory.claims import AtLeast, AtMost, Claim
from theory.geometry import Subspace
from theory.networks import TwoLayerReLU
from theory.subspace.flip import certified_radius, nearest_flip, universal_direction
from theory.subspace.gradient import off_subspace_gradient
from theory.theorem import Choice

RADII = (0.01, 0.1, 1.0, 10.0)
"""Lengths of z tried; points of P have norm √d."""

Sides = tuple[dict[str, Float[Array, ""]], dict[str, Float[Array, ""]]]
"""Measured and predicted, by part."""

CLAIM: dict[str, Claim] = {
    # A change of N is a difference of numbers near |N(x₀)|, at ‖z‖ as small as 0.01.
    "change": AtMost(ulps=2.0**14, says="|N(x₀+z) − N(x₀)| ≤ ‖u‖‖W_⊥z‖ at the z ∈ P^⊥ tried"),
    "no flip": AtLeast(says="the nearest flip found by search in P^⊥ is at least r away"),
    "radius": AtMost(says="r ≤ |N(x₀)|/(‖u‖‖W_⊥q‖), q the top singular vector found"),
    "nor less": AtLeast(says="r ≥ |N(x₀)|/(‖u‖(tr(W_⊥W_⊥ᵀ)⁶⁴)^{1/128})"),
}
"""The parts of S5, whatever u is."""


def top_direction(net: TwoLayerReLU, plane: Subspace) -> Float[Array, " d"]:
    """The unit vector off P that W lengthens most, by power iteration.

    Example:
        >>> net = TwoLayerReLU(jnp.diag(jnp.array([5.0, 3.0, 4.0])), jnp.ones(3))
        >>> plane = Subspace(jnp.eye(3)[:, :1])
        >>> top_direction(net, plane).round(3).tolist()
        [0.0, 0.0, 1.0]
    """
    off = plane.reject(net.w)
    gram = off @ off.T
    gram = gram / jnp.trace(gram)
    top = jax.lax.fori_loop(0, 1000, lambda _, a: gram @ a / jnp.linalg.norm(gram @ a), net.u)
    return top @ off / jnp.linalg.norm(top @ off)


def sides(
    net: TwoLayerReLU,
    x0: Float[Array, " d"],
    plane: Subspace,
    z: Float[Array, "n d"],
    q: Float[Array, " d"],
    flip: Float[Array, ""],
) -> Sides:
    """What the parts of `CLAIM` compare.

    Args:
        net: any network.
        x0: a point of P.
        plane: P.
        z: steps off P, of which the one counts that changes N most for its length.
        q: a unit vector off P.
        flip: distance of a flip off P.

    Returns:
        Measured: the change of N, the flip, `certified_radius` twice. Predicted: ‖u‖‖W_⊥z‖, the
        radius, and |N(x₀)|/‖u‖ over ‖W_⊥q‖ and over the Schatten norm.

    Example:
        >>> net = TwoLayerReLU(jnp.eye(2), jnp.array([1.0, -1.0]))
        >>> plane = Subspace(jnp.eye(2)[:, :1])
        >>> x0, z = jnp.array([3.0, 0.0]), jnp.array([0.0, 1.0])
        >>> measured, predicted = sides(net, x0, plane, z[None], z, jnp.array(3.0))
        >>> float(measured["change"]), round(float(predicted["change"]), 3)
        (1.0, 1.414)
    """
    off, size = plane.reject(net.w), jnp.linalg.norm(net.u)
    change = jnp.abs(net(x0[None, :] + z) - net(x0))
    allowed = size * jnp.linalg.norm(z @ off.T, axis=-1)
    worst = jnp.argmax(jnp.where(allowed > 0, change / jnp.where(allowed > 0, allowed, 1), -1))
    radius = certified_radius(net, x0, plane)
    gram = off @ off.T
    power = jnp.linalg.matrix_power(gram / jnp.trace(gram), 64)
    schatten = jnp.trace(power) ** (1 / 128) * jnp.linalg.norm(off)
    largest = jnp.abs(net(x0)) / size
    measured = {"change": change[worst], "no flip": flip, "radius": radius, "nor less": radius}
    predicted = {
        "change": allowed[worst],
        "no flip": radius,
        "radius": largest / jnp.linalg.norm(off @ q),
        "nor less": largest / schatten,
    }
    return measured, predicted


def attempt(
    net: TwoLayerReLU,
    x0: Float[Array, " d"],
    plane: Subspace,
    key: Key[Array, ""],
    on_plane: Choice = False,
) -> tuple[Sides, Float[Array, ""]]:
    """`sides`, and how much of the directions tried lies in P.

    Tried are ±Π_{P^⊥}∇N(x₀), ± the universal direction, ± the top singular one, 8 random ones, at
    the lengths `RADII`. With ``on_plane`` the gradient's part in P takes the place of that off it.

    Example:
        >>> net = TwoLayerReLU(jnp.eye(2), jnp.array([1.0, -1.0]))
        >>> plane = Subspace(jnp.eye(2)[:, :1])
        >>> (measured, _), _ = attempt(net, jnp.array([3.0, 0.0]), plane, jax.random.key(0))
        >>> float(measured["no flip"])
        3.0
    """
    q = top_direction(net, plane)
    gradient = off_subspace_gradient(net, x0, plane.basis)
    gradient = jnp.where(on_plane, plane.project(jax.grad(net)(x0)), gradient)
    named = jnp.stack([gradient, universal_direction(net, plane), q])
    random = plane.reject(jax.random.normal(key, (8, len(x0))))
    directions = jnp.concatenate([named, -named, random])
    # Two of the directions vanish where no neuron is active.
    norms = jnp.linalg.norm(directions, axis=-1, keepdims=True)
    directions = directions / jnp.where(norms > 0, norms, 1)
    z = jnp.concatenate([radius * directions for radius in RADII])
    flip = nearest_flip(net, x0, plane, directions)
    on = jnp.max(jnp.linalg.norm(plane.project(directions), axis=-1))
    return sides(net, x0, plane, z, q, flip), on
