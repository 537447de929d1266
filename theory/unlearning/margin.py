"""Training to a large margin, where the KKT conditions of margin maximisation take over.

Descent on a loss with an exponential tail turns towards a KKT point of

.. math:: \\min \\tfrac12 \\|\\theta\\|^2 \\quad \\text{s.t.} \\quad y_i N(x_i, \\theta) \\ge 1

(Lyu and Li 2020), with an error that falls as 1/margin. At a margin of 1000 the loss is e^{−1000},
which no float holds, so everything here works with the logarithm of the slope |ℓ'(q)|.
"""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int

from theory.checks import check_dimension, check_points, traced
from theory.networks import Linear, TwoLayerReLU
from theory.training import Trained
from theory.unlearning.pattern import neurons, with_weights

SETTLING = 0.95
"""Share of the margin after which steps are short, for the oscillation about kinks to die down."""

SHORT = 0.05
"""How short: the weights p and the pre-activations at kinks oscillate in proportion."""

LogSlope = Callable[[Float[Array, "*batch"]], Float[Array, "*batch"]]

LEARNING_RATE = 0.5
"""Step in units of the largest stable one; see `train_to_large_margin`."""


def logistic_slope(q: Float[Array, "*batch"]) -> Float[Array, "*batch"]:
    """log |ℓ'(q)| of the logistic loss log(1 + e^{−q}), exact at any margin.

    Example:
        >>> float(logistic_slope(jnp.array(0.0))) == float(-jnp.log(2.0))
        True
        >>> float(logistic_slope(jnp.array(1e4)))
        -10000.0
    """
    return jax.nn.log_sigmoid(-q)


def exponential_slope(q: Float[Array, "*batch"]) -> Float[Array, "*batch"]:
    """log |ℓ'(q)| of the exponential loss e^{−q}.

    Example:
        >>> float(exponential_slope(jnp.array(1e4)))
        -10000.0
    """
    return -q


def train_to_large_margin(
    net: Linear | TwoLayerReLU,
    x: Any,
    y: Any,
    margin: float | Float[Array, ""],
    *,
    slope: LogSlope = logistic_slope,
    learning_rate: float | Float[Array, ""] = LEARNING_RATE,
    steps: int | Int[Array, ""] = 1_000_000,
) -> Trained:
    """Gradient descent on the hidden layer, normalised by the loss, until min y_i N(x_i) ≥ margin.

    The direction is −∇ℒ/Σ_i |ℓ'(q_i)| = Σ_i p_i y_i ∇N(x_i) with weights p that sum to one, so
    the margin grows by about the same amount in every step. Between kinks q is linear in θ and
    log ℒ has curvature at most max_i p_i · ‖u‖² · λ_max(XXᵀ): the step is ``learning_rate`` over
    that, with the largest row sum of |XXᵀ| for the eigenvalue. It is many times the constant step
    that is safe at the start, and free of the scale of the data. Neurons that arrive at a kink
    step over it and back; the last part of the way is taken in short steps, which end nearer.

    The weights stay in W(0) + span(x), so only pre-activations are needed on the way: a step
    costs O(width · n²), free of d.

    Args:
        net: the network at initialisation.
        x: inputs (n, d).
        y: labels ±1 (n,).
        margin: where to stop.
        slope: log |ℓ'| of the loss.
        learning_rate: below 1 for descent.
        steps: give up after this many; ``Trained.margin`` tells.

    Returns:
        The network; ``loss`` is the mean of |ℓ'(q_i)|, which is 0 where it underflows.

    Raises:
        ValueError: points or labels that are not what they should be, see `check_points`; a margin
            that is no number, a rate that is not positive, steps below 0.

    Example:
        >>> from theory.networks import two_layer_relu
        >>> net = two_layer_relu(jax.random.key(0), d=500, width=50, scale=1e-4)
        >>> x = jax.random.normal(jax.random.key(1), (6, 500)) / 500**0.5
        >>> y = jnp.array([1.0, -1.0] * 3)
        >>> float(train_to_large_margin(net, x, y, margin=100.0).margin) >= 100
        True
    """
    x, y = check_points(x, y)
    check_dimension(net.w.shape[-1], x)
    # No comparison holds of a NaN.
    if not traced(margin) and not np.asarray(margin) >= -np.inf:
        raise ValueError(f"margin is {margin} and must be a number")
    if not traced(learning_rate) and not np.asarray(learning_rate) > 0:
        raise ValueError(f"learning_rate is {learning_rate} and must be positive")
    if not traced(steps) and not np.asarray(steps) >= 0:
        raise ValueError(f"steps is {steps} and must be at least 0")
    return _train(net, x, y, margin, learning_rate, steps, slope=slope)


@partial(jax.jit, static_argnames="slope")
def _train(net, x, y, margin, learning_rate, steps, *, slope: LogSlope) -> Trained:
    """Compiled once per shape, however often it is called."""
    w, u, always = neurons(net)
    gram, start = x @ x.T, x @ w.T
    curvature = jnp.max(jnp.sum(jnp.abs(gram), axis=1)) * jnp.sum(u**2)
    rate = learning_rate / jnp.where(curvature > 0, curvature, 1)

    def margins(z):
        return y * ((z if always else jax.nn.relu(z)) @ u)

    def step(carry):
        moved, z, q, count = carry
        p = jax.nn.softmax(slope(q))
        pull = jnp.broadcast_to((p * y)[:, None], z.shape)
        pull = u[None, :] * (pull if always else jnp.where(z > 0, pull, 0))
        short = jnp.where(jnp.min(q) < SETTLING * margin, 1, SHORT)
        moved = moved + short * rate / jnp.max(p) * pull
        z = start + gram @ moved
        return moved, z, margins(z), count + 1

    carry = jnp.zeros_like(start), start, margins(start), jnp.zeros((), int)
    moved, _, q, count = jax.lax.while_loop(
        lambda carry: (carry[3] < steps) & (jnp.min(carry[2]) < margin), step, carry
    )
    end = with_weights(net, w + moved.T @ x)
    return Trained(end, jnp.min(q), count, jnp.mean(jnp.exp(slope(q))))
