"""Margins after a step on one point, to first order in the step (derived).

Neuron j's pre-activation at x_k changes by
−M_rj u_j y_r⟨x_k, p⟩, with p = x_r for the step and p = x_r − Πx_r for the certificate, so with the
gates of θ, a kink's opened where it is pushed,

.. math:: q_k(θ') = q_k − y_k y_r ⟨x_k, p⟩ \\sum_j u_j^2 M_{rj} σ'_{kj},

which is exact until a gate off the kinks changes. At the forgotten point and a KKT point this is
q_r − λ_r a_r‖x_r‖² = Σ_{k≠r} y_r y_k⟨x_r, x_k⟩ Σ_j u_j²σ'_rj M_kj where it has no kinks: what the
other points alone say of it.
"""

import jax.numpy as jnp
from jaxtyping import Array, Float

from theory.unlearning.kkt import KKT
from theory.unlearning.pattern import neurons


def first_order(
    explained: KKT, x: Float[Array, "n d"], y: Float[Array, " n"], part: Float[Array, " d"]
) -> Float[Array, " n"]:
    """Margins after λ_r times this part of x_r is removed, r the first point, by the formula.

    Example:
        >>> from theory.networks import Linear
        >>> from theory.unlearning.kkt import kkt
        >>> x, y = jnp.eye(2), jnp.array([1.0, -1.0])
        >>> explained = kkt(Linear(jnp.array([2.0, -2.0])), x, y)
        >>> first_order(explained, x, y, x[0]).round(3).tolist()
        [0.0, 1.0]
    """
    _, u, _ = neurons(explained.snapped.network)
    change = -(u * explained.weights[:, 0] * y[0])[:, None] * (x @ part)[None, :]
    pattern = explained.snapped.pattern
    gates = jnp.where(pattern.kinks, (change > 0).astype(x.dtype), pattern.gates)
    return explained.margins + y * (u @ (gates * change))
