"""A certificate that a point was unlearned: a KKT point of the retained problem, nearby.

After the ascent step the retained pre-activations have moved, and with them gates, margins and
kinks. The certificate moves less: it removes only the part of x_r that the retained points do
not see,

.. math:: \\tilde w_j = w_j - M_{jr} u_j y_r (x_r - \\Pi x_r),

with Π the projection onto the span of the retained points and M from `kkt`. Retained
pre-activations, hence margins, gates and kinks, are exactly those of θ.

Guarantee (derived; any data). Let D = ‖Σ_{r ∈ F} M_r ∘ u y_r Πx_r‖ at θ scaled to smallest margin
one, s the distance of θ from its kinks there, and ε₁, δ₁ its KKT errors on all points. Keep the
multipliers of the retained points. Then

* ε ≤ ε₁ + D: the residual is θ's own plus the part of the forgotten terms that Π keeps;
* δ ≤ δ₁: no retained term changes;
* τ ≤ 1 − √(1 − (D + s)²/‖θ̃‖²) where D + s < ‖θ̃‖: the ascent step ends within D + s of θ̃, and
  a vector within distance a of θ̃ is at an angle of at most arcsin(a/‖θ̃‖).
"""

from functools import partial
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from theory.checks import check_points
from theory.geometry import Subspace, orthonormalise
from theory.networks import Linear, TwoLayerReLU
from theory.unlearning.checks import check_forget, retained
from theory.unlearning.gradient_ascent import gradient_ascent
from theory.unlearning.kkt import KKT, as_explained
from theory.unlearning.pattern import combine, neurons, with_weights

QUANTITIES = ("epsilon", "delta", "tau")
"""What a certificate proves, and what the guarantee bounds."""


class Bound(NamedTuple):
    """What the guarantee promises before the certificate is looked at.

    Attributes:
        epsilon: ε₁ + D.
        delta: δ₁.
        tau: of the angle; 2, which is always true, where D + s ≥ ‖θ̃‖.
        distance: D.
    """

    epsilon: Float[Array, ""]
    delta: Float[Array, ""]
    tau: Float[Array, ""]
    distance: Float[Array, ""]


class Certificate(NamedTuple):
    """(ε, δ, τ)-successful unlearning, with the network that proves it.

    Attributes:
        epsilon: stationarity of θ̃ for the retained points, with the retained multipliers of θ.
        delta: slackness, with the same multipliers.
        tau: 1 − cos of the angle between the network after the ascent step and θ̃.
        network: θ̃, in the scale of the network given.
        bound: what the guarantee says of the three.
    """

    epsilon: Float[Array, ""]
    delta: Float[Array, ""]
    tau: Float[Array, ""]
    network: Linear | TwoLayerReLU
    bound: Bound

    def _repr_html_(self) -> str:
        from theory.display import card

        return card(self)


def certificate(
    net: Linear | TwoLayerReLU,
    x: Any,
    y: Any,
    forget: Any,
    *,
    explained: KKT | None = None,
) -> Certificate:
    """The projected certificate for one step of `gradient_ascent`.

    Args:
        net: the trained network, before unlearning.
        x: training inputs (n, d).
        y: labels ±1 (n,).
        forget: index or indices of the points to forget, or a mask (n,) of them.
        explained: `kkt` of the same network and data, if it is there already.

    Raises:
        ValueError: as `gradient_ascent`.

    Example:
        >>> net, y = Linear(jnp.array([2.0, -2.0])), jnp.array([1.0, -1.0])
        >>> proof = certificate(net, jnp.eye(2), y, forget=0)
        >>> proof.network.w.round(4).tolist(), bool(proof.epsilon < 1e-3)
        ([0.0, -2.0], True)
    """
    x, y = check_points(x, y)
    forgotten = check_forget(forget, len(x))
    explained = as_explained(explained, net, x, y)
    after = gradient_ascent(net, x, y, forgotten, explained=explained)
    return _certify(explained, after, x, y, forget=forgotten)


@partial(jax.jit, static_argnames="forget")
def _certify(explained: KKT, after, x, y, *, forget) -> Certificate:
    """Compiled once per shape and set of points."""
    out, kept = np.array(forget), retained(forget, len(x))
    removed = explained.weights[:, out]
    w, u, _ = neurons(explained.snapped.network)
    w = w / explained.scale
    seen = Subspace(orthonormalise(x[kept].T)).project(x[out])

    terms = combine(u, removed, x[out], y[out])
    in_span = combine(u, removed, seen, y[out])
    moved = w - (terms - in_span)
    residual = moved - combine(u, explained.weights[:, kept], x[kept], y[kept])
    norm, distance = jnp.linalg.norm(moved), jnp.linalg.norm(in_span)
    arrived = neurons(after)[0]
    sine = (distance + explained.snapped.distance / explained.scale) / norm
    tau = jnp.where(sine < 1, _one_minus_cosine(sine), 2)
    return Certificate(
        epsilon=jnp.linalg.norm(residual),
        delta=jnp.max(explained.multipliers[kept] * (explained.margins[kept] - 1)),
        tau=angle(arrived, moved),
        network=with_weights(explained.snapped.network, moved * explained.scale),
        bound=Bound(explained.stationarity + distance, explained.slackness, tau, distance),
    )


def _one_minus_cosine(sine: Float[Array, ""]) -> Float[Array, ""]:
    """1 − √(1 − s²) without the cancellation."""
    return sine**2 / (1 + jnp.sqrt(jnp.maximum(1 - sine**2, 0)))


def angle(a: Float[Array, "*shape"], b: Float[Array, "*shape"]) -> Float[Array, ""]:
    """1 − cos of the angle between two arrays, from the difference of their unit vectors.

    ½‖â − b̂‖² has none of the cancellation of 1 − ⟨â, b̂⟩, which cannot see below 1e-16.

    Example:
        >>> float(angle(jnp.array([2.0, 0.0]), jnp.array([0.0, 3.0])))
        1.0
    """
    return 0.5 * jnp.sum((a / jnp.linalg.norm(a) - b / jnp.linalg.norm(b)) ** 2)


def judged(
    proof: Certificate, explained: KKT, x: Float[Array, "n d"], y: Float[Array, " n"], k: int = 1
) -> dict[str, Float[Array, " 3"]]:
    """`QUANTITIES` of the ``certificate`` and their ``bound``, the first k points forgotten.

    δ is of the certificate's own margins, which are θ's up to rounding.

    Example:
        >>> from theory.unlearning import kkt
        >>> x, y = jnp.eye(2), jnp.array([1.0, -1.0])
        >>> explained = kkt(Linear(jnp.array([2.0, -2.0])), x, y)
        >>> proof = certificate(explained.snapped.network, x, y, 0, explained=explained)
        >>> judged(proof, explained, x, y)["certificate"].round(3).tolist()
        [0.0, 0.0, 0.0]
    """
    margins = y[k:] * proof.network(x[k:]) / explained.scale
    own = proof._replace(delta=jnp.max(explained.multipliers[k:] * (margins - 1)))
    return {"certificate": quantities(own), "bound": quantities(proof.bound)}


def quantities(of: Certificate | Bound) -> Float[Array, " 3"]:
    """The `QUANTITIES` as an array."""
    return jnp.stack([of.epsilon, of.delta, of.tau])


def sum_of_distances(explained: KKT, x: Float[Array, "n d"], k: int) -> Float[Array, ""]:
    """Σ_r D_r over the first k points, with the same Π as D_F, which it bounds.

    Example:
        >>> from theory.unlearning import kkt
        >>> x, y = jnp.array([[1.0, 0.0], [0.6, 0.8]]), jnp.array([1.0, -1.0])
        >>> explained = kkt(Linear(jnp.array([2.0, -4.0])), x, y)
        >>> round(float(sum_of_distances(explained, x, 1) / explained.multipliers[0]), 3)
        0.6
    """
    _, u, _ = neurons(explained.snapped.network)
    seen = Subspace(orthonormalise(x[k:].T)).project(x[:k])
    amplitudes = jnp.linalg.norm(u[:, None] * explained.weights[:, :k], axis=0)
    return jnp.sum(amplitudes * jnp.linalg.norm(seen, axis=1))
