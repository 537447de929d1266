"""How far a point must move off the subspace before the network changes its sign."""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from theory.checks import as_floats
from theory.geometry import Subspace, as_subspace
from theory.networks import TwoLayerReLU
from theory.subspace.gradient import check_network, off_subspace_gradient


def first_crossing(
    pre_activation: Float[Array, " width"],
    slope: Float[Array, " width"],
    u: Float[Array, " width"],
    offset: Float[Array, ""] | float = 0.0,
) -> Float[Array, ""]:
    """The smallest t > 0 at which f(t) = c + Σ_i u_i σ(a_i + t·b_i) has lost its sign at 0.

    f is piecewise linear with kinks at t_i = −a_i/b_i, so the answer is exact: the first kink
    past which the sign differs is found, and the crossing interpolated on that piece (or on the
    unbounded last one).

    Args:
        pre_activation: a, at t = 0.
        slope: b, the change of each pre-activation per unit of t.
        u: output weights.
        offset: c, the output bias.

    Returns:
        t, or infinity where the sign never changes.

    Example:
        >>> a, b = jnp.array([1.0, 0.0]), jnp.array([0.0, 1.0])
        >>> float(first_crossing(a, b, jnp.array([1.0, -2.0])))
        0.5
    """
    kinks = jnp.where(slope == 0, -1.0, -pre_activation / jnp.where(slope == 0, 1, slope))
    kinks = jnp.sort(jnp.where(kinks > 0, kinks, jnp.inf))
    finite = jnp.isfinite(kinks)
    # Kinks that do not exist repeat the last real one, so that they add pieces of length zero.
    last = jnp.max(jnp.where(finite, kinks, 0))
    ends = jnp.concatenate([jnp.zeros(1, kinks.dtype), jnp.where(finite, kinks, last)])
    z = pre_activation[None, :] + ends[:, None] * slope[None, :]
    values = jax.nn.relu(z) @ u + offset
    lost = jnp.sign(values) != jnp.sign(values[0])
    piece = jnp.argmax(lost[1:])
    before, after = values[piece], values[piece + 1]
    gap = jnp.where(before == after, 1, before - after)
    inside = ends[piece] + (ends[piece + 1] - ends[piece]) * before / gap
    # Past the last kink the slope is that of the neurons which grow for ever.
    final = jnp.where(slope > 0, u * slope, 0).sum()
    beyond = last - values[-1] / jnp.where(final == 0, 1, final)
    crosses = final * jnp.sign(values[0]) < 0
    return jnp.where(lost.any(), inside, jnp.where(crosses, beyond, jnp.inf))


def flip_distance(net: TwoLayerReLU, x: Any, direction: Any) -> Float[Array, ""]:
    """The distance from x along ``direction`` at which N changes sign, infinity if it never does.

    Args:
        net: the network.
        x: a point (d,).
        direction: (d,), of any length.

    Raises:
        ValueError: point or direction have another shape, or the network is another.

    Example:
        >>> net = TwoLayerReLU(jnp.array([[1.0, 0.0], [0.0, 1.0]]), jnp.array([1.0, -1.0]))
        >>> float(flip_distance(net, jnp.array([2.0, 0.0]), jnp.array([0.0, 5.0])))
        2.0
    """
    check_network(net)
    x, direction = as_floats("x", x), as_floats("direction", direction)
    for name, one in (("x", x), ("direction", direction)):
        if one.shape != net.w.shape[-1:]:
            raise ValueError(f"{name} has shape {one.shape} and must have {net.w.shape[-1:]}.")
    # Squares of a direction of any length would leave the range of its numbers.
    largest = jnp.max(jnp.abs(direction))
    direction = direction / jnp.where(largest > 0, largest, 1)
    norm = jnp.linalg.norm(direction)
    unit = direction / jnp.where(norm > 0, norm, 1)
    return first_crossing(net.w @ x, net.w @ unit, net.u)


class Flips(NamedTuple):
    """How each of n points flips along −sign(N)·Π_{P^⊥}∇N.

    Attributes:
        gradient: ‖Π_{P^⊥}∇N‖.
        direction: the unit vector followed; 0 at a point without a gradient.
        distance: to the flip; infinity where there is none.
    """

    gradient: Float[Array, " n"]
    direction: Float[Array, "n d"]
    distance: Float[Array, " n"]


def flips_along_gradient(
    net: TwoLayerReLU, x: Float[Array, "n d"], basis: Float[Array, "d dim"]
) -> Flips:
    """The exact flip of every point along its own off-subspace gradient.

    Example:
        >>> net = TwoLayerReLU(jnp.array([[1.0, 0.0], [0.0, 1.0]]), jnp.array([1.0, -1.0]))
        >>> axis = jnp.array([[1.0], [0.0]])
        >>> flips = flips_along_gradient(net, jnp.array([[2.0, 0.1], [2.0, 0.0]]), axis)
        >>> flips.gradient.tolist(), [f"{t:g}" for t in flips.distance.tolist()]
        ([1.0, 0.0], ['1.9', 'inf'])
    """
    gradient = off_subspace_gradient(net, x, basis)
    norm = jnp.linalg.norm(gradient, axis=-1)
    there = norm > 0
    unit = gradient / jnp.where(there, norm, 1)[:, None]
    direction = -jnp.sign(net(x))[:, None] * unit
    # Where there is no direction to follow any other stands in, and its answer is dropped.
    follow = jnp.where(there[:, None], direction, 1)
    distance = jax.vmap(flip_distance, in_axes=(None, 0, 0))(net, x, follow)
    return Flips(norm, direction, jnp.where(there, distance, jnp.inf))


def nearest_flip(
    net: TwoLayerReLU,
    x: Float[Array, " d"],
    subspace: Subspace,
    directions: Float[Array, "n d"],
    rounds: int = 8,
) -> Float[Array, ""]:
    """The nearest flip off P that a search finds: exact along each direction, then improved.

    N is linear on pieces, so the nearest point of the piece that holds a flip lies along the
    gradient there. Each round follows −sign(N)·Π_{P^⊥}∇N at the flip before (as DeepFool does,
    Moosavi-Dezfooli et al. 2016), with an exact search of the ray.

    Args:
        net: the network.
        x: the point, in P.
        subspace: P.
        directions: where to start.
        rounds: of improvement.

    Returns:
        The distance, infinite where no direction leads to a flip.

    Example:
        >>> w = jnp.array([[1.0, 0.0, 0.0], [0.0, 1.0, 2.0]])
        >>> net = TwoLayerReLU(w, jnp.array([1.0, -1.0]))
        >>> axis = Subspace(jnp.array([[1.0], [0.0], [0.0]]))
        >>> start = jnp.array([[0.0, 1.0, 0.0]])
        >>> found = nearest_flip(net, jnp.array([5.0, 0.0, 0.0]), axis, start)
        >>> round(float(found), 4), round(5 / 5**0.5, 4)
        (2.2361, 2.2361)
    """
    sign = jnp.sign(net(x))

    def improve(direction, _):
        distance = flip_distance(net, x, direction)
        norm = jnp.linalg.norm(direction)
        reached = jnp.isfinite(distance)
        # A little past the flip, where the neurons that make it are active.
        step = jnp.where(reached, (1 + 1e-6) * distance, 0) / jnp.where(norm > 0, norm, 1)
        gradient = off_subspace_gradient(net, x + step * direction, subspace.basis)
        return jnp.where(reached, -sign * gradient, direction), distance

    def search(direction):
        return jnp.min(jax.lax.scan(improve, direction, length=rounds + 1)[1])

    return jnp.min(jax.lax.map(search, directions))


def universal_direction(net: TwoLayerReLU, subspace: Any) -> Float[Array, " d"]:
    """v = Σ_i sign(u_i)·Π_{P^⊥} w_i, which flips every point of P at once when ℓ ≫ m.

    Raises:
        ValueError: the network has copies, or the subspace is none.

    Example:
        >>> net = TwoLayerReLU(jnp.array([[1.0, 2.0], [3.0, 4.0]]), jnp.array([1.0, -1.0]))
        >>> universal_direction(net, Subspace(jnp.array([[1.0], [0.0]]))).tolist()
        [0.0, -2.0]
    """
    check_network(net)
    return jnp.sign(net.u) @ as_subspace(subspace, net.w.shape[-1]).reject(net.w)


def operator_norm(w: Float[Array, "width d"], squarings: int = 32) -> Float[Array, ""]:
    """‖W‖_op as a Schatten norm of very high order: an upper bound, within m^(2^−33).

    With B = WWᵀ, λ_max(B) ≤ (tr B^p)^{1/p} ≤ m^{1/p}·λ_max(B), p = 2^squarings. The squarings are
    matrix products, where an SVD would be a library call that neither batches nor shards well.

    Example:
        >>> round(float(operator_norm(jnp.diag(jnp.array([3.0, 4.0])))), 5)
        4.0
    """

    largest = jnp.max(jnp.abs(w))
    w = w / jnp.where(largest > 0, largest, 1)

    def square(i, carry):
        power, log_norm = carry
        scale = jnp.trace(power)
        normalised = power / jnp.where(scale > 0, scale, 1)
        return normalised @ normalised, log_norm + jnp.log(scale) * 0.5**i

    gram = w @ w.T
    power, log_norm = jax.lax.fori_loop(0, squarings, square, (gram, jnp.zeros((), w.dtype)))
    return largest * jnp.exp((log_norm + jnp.log(jnp.trace(power)) * 0.5**squarings) / 2)


def certified_radius(net: Any, x: Any, subspace: Any) -> Float[Array, "*batch"]:
    """|N(x)| / (‖u‖₂·‖Π_{P^⊥}W‖_op): no z ∈ P^⊥ shorter than this flips x ∈ P.

    |N(x+z) − N(x)| ≤ ‖u‖₂‖W_⊥z‖₂ because σ is 1-Lipschitz; ‖u‖₂ = 1 for u_i = ±1/√m. Infinite
    where W_⊥ = 0, since then nothing off P is seen; NaN where a weight is.

    Args:
        net: a `TwoLayerReLU`, of which alone this is a theorem.
        x: points of P, (..., d).
        subspace: P, or an orthonormal basis of it (d, dim).

    Raises:
        ValueError: these are not that.

    Example:
        >>> net = TwoLayerReLU(jnp.eye(2), jnp.array([0.6, -0.8]))
        >>> plane = Subspace(jnp.array([[1.0], [0.0]]))
        >>> round(float(certified_radius(net, jnp.array([5.0, 0.0]), plane)), 4)
        3.0
    """
    if not isinstance(net, TwoLayerReLU):
        raise ValueError(
            f"a radius is certified for a TwoLayerReLU and not for a {type(net).__name__}, whose "
            "output another Lipschitz constant bounds"
        )
    plane = as_subspace(subspace, net.w.shape[-1])
    lipschitz = jnp.linalg.norm(net.u) * operator_norm(plane.reject(net.w))
    blind = lipschitz == 0
    return jnp.where(blind, jnp.inf, jnp.abs(net(x)) / jnp.where(blind, 1, lipschitz))
