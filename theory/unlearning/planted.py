"""Approximate KKT points in free coordinates: the scenes in which worst cases are searched for.

The theorems ask for any weights and any multipliers λ ≥ 0, whatever the residual that they leave,
so all of these are coordinates. With gates g and a residual e the weights are

.. math:: w_j = u_j \\sum_i λ_i g_{ji} y_i x_i + e_j .

They are judged by the gates that they turn out to have: where those are not g, the residual is not
e but larger. A number of either sign stands for a label, a gate or a sign of u, and any number for
an inner product or a norm, so that every value of a coordinate is a scene.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from theory.networks import Linear, TwoLayerReLU
from theory.unlearning import linear
from theory.unlearning.kkt import conditions
from theory.unlearning.near_orthogonal import NORM_SLACK, Outcome, correlation_allowed, unlearn
from theory.unlearning.pattern import combine
from theory.unlearning.settings import Settings

INSIDE = 1 - 1e-9
"""The share of ψ and φ that norms and inner products go up to, lest rounding take them beyond."""

LARGEST = 4.0
"""The largest multiplier, and slack, of a linear predictor.

Where λ_rφ is 1 the retained margins are rounding, and where margins are large their differences.
"""

ASIDE = 0.1
"""The least residual of a linear predictor: one of rounding would be compared with rounding."""

RESIDUAL = 0.3
"""Size of a hidden weight's residual, in units of its coordinates."""


class LinearScene(NamedTuple):
    """A linear predictor of smallest margin one, which margins and the part off the span give.

    Labels are all 1: those of a linear predictor go into the points.

    Attributes:
        norms: of the points, see `near_orthogonal`.
        products: of pairs of points.
        margins: q − 1, from 0 to `LARGEST` and even, but for the smallest, which is taken off all.
        multipliers: λ, from 0 to `LARGEST`.
        off: |·| is what the residual has off the span, beyond `ASIDE`.
    """

    norms: Float[Array, " samples"]
    products: Float[Array, " pairs"]
    margins: Float[Array, " samples"]
    multipliers: Float[Array, " samples"]
    off: Float[Array, ""]


class Hidden(NamedTuple):
    """What hidden weights are made of, besides points and output weights.

    Attributes:
        labels: the sign is y.
        multipliers: |·| is λ.
        gates: g, open where positive.
        residual: e over `RESIDUAL`, as a sum of the points and, last, of what is off their span.
            Along a point whose gate is to be closed |·| is subtracted, which helps to close it.
    """

    labels: Float[Array, " samples"]
    multipliers: Float[Array, " samples"]
    gates: Float[Array, "width samples"]
    residual: Float[Array, "width samples+1"]


class NearOrthogonalScene(NamedTuple):
    """A two-layer network with u_j = ±1/√n on points that Theorem 4.1 admits.

    Attributes:
        norms: of the points, see `near_orthogonal`.
        products: of pairs of points.
        signs: of u.
        hidden: weights.
    """

    norms: Float[Array, " samples"]
    products: Float[Array, " pairs"]
    signs: Float[Array, " width"]
    hidden: Hidden


class FreeScene(NamedTuple):
    """A two-layer network on any data.

    Attributes:
        x: points, in coordinates of a space that holds them all.
        u: output weights.
        hidden: weights.
    """

    x: Float[Array, "samples samples"]
    u: Float[Array, " width"]
    hidden: Hidden


class Planted(NamedTuple):
    """Data and a two-layer network.

    Attributes:
        x: points, the last coordinate zero.
        y: labels ±1.
        network: of any scale.
        multipliers: λ, of the network as it is.
    """

    x: Float[Array, "samples d"]
    y: Float[Array, " samples"]
    network: TwoLayerReLU
    multipliers: Float[Array, " samples"]


def near_orthogonal(
    norms: Float[Array, " samples"], products: Float[Array, " pairs"], psi: float, phi: float
) -> Float[Array, "samples samples+1"]:
    """Points with ‖x_i‖² = 1 + ψ tanh(norm) and inner products φ tanh(product), the last
    coordinate zero.

    Example:
        >>> x = near_orthogonal(jnp.array([0.0, 99.0]), jnp.array([-99.0]), 0.21, 0.1)
        >>> bool(jnp.allclose(x @ x.T, jnp.array([[1.0, -0.1], [-0.1, 1.21]])))
        True
    """
    m = len(norms)
    off = jnp.zeros((m, m), norms.dtype).at[np.triu_indices(m, 1)].set(phi * jnp.tanh(products))
    gram = jnp.diag(1 + INSIDE * psi * jnp.tanh(norms)) + INSIDE * (off + off.T)
    return jnp.pad(jnp.linalg.cholesky(gram), ((0, 0), (0, 1)))


def start_linear(settings: linear.Settings, key: Key[Array, ""]) -> LinearScene:
    """A random predictor with all margins near one.

    Example:
        >>> start_linear(linear.Settings(samples=3), jax.random.key(0)).products.shape
        (3,)
    """
    m = settings.samples
    key_norms, key_products, key_margins, key_multipliers, key_off = jax.random.split(key, 5)
    return LinearScene(
        norms=jax.random.normal(key_norms, (m,)),
        products=jax.random.normal(key_products, (m * (m - 1) // 2,)),
        margins=0.1 * jax.random.normal(key_margins, (m,)),
        multipliers=0.1 * jax.random.normal(key_multipliers, (m,)) - jnp.log(LARGEST - 1),
        off=0.1 * jax.random.normal(key_off),
    )


def plant_linear(settings: linear.Settings, scene: LinearScene) -> linear.Planted:
    """The predictor of a scene, with ψ and φ of the settings.

    Example:
        >>> settings = linear.Settings(samples=3)
        >>> planted = plant_linear(settings, start_linear(settings, jax.random.key(0)))
        >>> round(float(planted.network(planted.x).min()), 6)
        1.0
    """
    x = near_orthogonal(scene.norms, scene.products, settings.psi, settings.phi)
    lam, slack = LARGEST * jax.nn.sigmoid(scene.multipliers), LARGEST * jnp.tanh(scene.margins) ** 2
    w = jnp.linalg.solve(x[:, :-1], 1 + slack - jnp.min(slack))
    predictor = Linear(jnp.append(w, ASIDE + jnp.abs(scene.off)))
    return linear.Planted(x, jnp.ones_like(w), predictor, lam)


def start_near_orthogonal(settings: Settings, key: Key[Array, ""]) -> NearOrthogonalScene:
    """A random network with all margins near one, every second output weight negative.

    Example:
        >>> scene = start_near_orthogonal(Settings(samples=3, width=4), jax.random.key(0))
        >>> scene.hidden.residual.shape
        (4, 4)
    """
    m, n = settings.samples, settings.width
    key_norms, key_products, key_signs, key_hidden = jax.random.split(key, 4)
    signs = _alternating(key_signs, n)
    hidden = _start_hidden(key_hidden, jnp.sign(signs) / n**0.5, m)
    return NearOrthogonalScene(
        norms=0.3 * jax.random.normal(key_norms, (m,)),
        products=jax.random.normal(key_products, (m * (m - 1) // 2,)),
        signs=signs,
        hidden=hidden,
    )


def plant_near_orthogonal(settings: Settings, scene: NearOrthogonalScene) -> Planted:
    """The network of a scene, with ψ and φ of Theorem 4.1.

    Example:
        >>> settings = Settings(samples=3, width=4)
        >>> scene = start_near_orthogonal(settings, jax.random.key(0))
        >>> plant_near_orthogonal(settings, scene).x.shape
        (3, 4)
    """
    allowed = correlation_allowed(settings.samples, settings.width)
    x = near_orthogonal(scene.norms, scene.products, NORM_SLACK, allowed)
    return _plant(x, _sign(scene.signs) / settings.width**0.5, scene.hidden)


def unlearn_near_orthogonal(settings: Settings, scene: NearOrthogonalScene) -> Outcome:
    """What Theorem 4.1's construction makes of a scene, with its own multipliers.

    Example:
        >>> settings = Settings(samples=3, width=4)
        >>> scene = start_near_orthogonal(settings, jax.random.key(0))
        >>> bool(unlearn_near_orthogonal(settings, scene).epsilon < 1)
        True
    """
    x, y, net, lam = plant_near_orthogonal(settings, scene)
    return unlearn(net, x, y, explained=conditions(net, x, y, lam))


def start_free(settings: Settings, key: Key[Array, ""]) -> FreeScene:
    """A random network on points about as many axes, all margins about one.

    Example:
        >>> start_free(Settings(samples=3, width=6), jax.random.key(0)).x.shape
        (3, 3)
    """
    m, n = settings.samples, settings.width
    key_x, key_u, key_hidden = jax.random.split(key, 3)
    x = jnp.eye(m) + 0.1 * jax.random.normal(key_x, (m, m))
    u = _alternating(key_u, n) / n**0.5
    return FreeScene(x, u, _start_hidden(key_hidden, u, m))


def plant_free(scene: FreeScene) -> Planted:
    """The network of a scene, its points and its output weights in units of their norms.

    Example:
        >>> settings = Settings(samples=3, width=6)
        >>> plant_free(start_free(settings, jax.random.key(0))).network.w.shape
        (6, 4)
    """
    x, u = (part / jnp.linalg.norm(part) for part in (scene.x, scene.u))
    return _plant(jnp.pad(x, ((0, 0), (0, 1))), u, scene.hidden)


def _plant(x, u, hidden: Hidden) -> Planted:
    y, lam = _sign(hidden.labels), jnp.abs(hidden.multipliers)
    along, off = hidden.residual[:, :-1], hidden.residual[:, -1]
    residual = (jnp.where(hidden.gates > 0, along, -jnp.abs(along)) @ x).at[:, -1].set(off)
    gates = (hidden.gates > 0).astype(lam.dtype)
    w = combine(u, gates * lam[None, :], x, y) + RESIDUAL * residual
    return Planted(x, y, TwoLayerReLU(w, u), lam)


def _sign(raw):
    return jnp.where(raw > 0, 1.0, -1.0).astype(raw.dtype)


def _alternating(key, n: int):
    """Numbers near 1, every second one negative: points of either label have their neurons."""
    return (1 + 0.1 * jax.random.normal(key, (n,))) * jnp.where(jnp.arange(n) % 2 == 0, 1.0, -1.0)


def _start_hidden(key, u, m: int) -> Hidden:
    """Random labels; gates open where u_j y_i > 0, multipliers that give margins near one."""
    key_labels, key_multipliers, key_residual = jax.random.split(key, 3)
    labels = jax.random.normal(key_labels, (m,))
    gates = u[:, None] * _sign(labels)[None, :]
    on = jnp.sum(jnp.where(gates > 0, u[:, None] ** 2, 0), axis=0)
    return Hidden(
        labels=labels,
        multipliers=(1 + 0.02 * jax.random.normal(key_multipliers, (m,))) / on,
        gates=gates,
        residual=0.1 * jax.random.normal(key_residual, (len(u), m + 1)),
    )
