"""Unlearning by one step of gradient ascent on the loss of what is to be forgotten.

.. math:: \\theta' = \\theta + \\beta \\nabla_\\theta \\ell(y_r N(x_r, \\theta))

With β = λ_r / |ℓ'(y_r N(x_r))| the step removes exactly the term λ_r y_r ∇N(x_r) of the KKT
condition θ = Σ_i λ_i y_i ∇N(x_i) (arXiv 2510.14844; the step is forced by the algebra). Where x_r
lies on the kink of a neuron, the gradient is the element of Clarke's subdifferential that the
condition uses; automatic differentiation's 0 or 1 there removes the wrong amount.
"""

from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from theory.checks import check_points
from theory.networks import Linear, TwoLayerReLU
from theory.unlearning.checks import check_forget, check_problem
from theory.unlearning.kkt import KKT, as_explained
from theory.unlearning.margin import LogSlope, logistic_slope
from theory.unlearning.pattern import combine, neurons, with_weights


def gradient_ascent(
    net: Linear | TwoLayerReLU,
    x: Any,
    y: Any,
    forget: Any,
    *,
    fraction: float | Float[Array, ""] = 1.0,
    log_step: float | Float[Array, ""] | None = None,
    slope: LogSlope = logistic_slope,
    explained: KKT | None = None,
) -> Linear | TwoLayerReLU:
    """One step of gradient ascent on the points to forget.

    Args:
        net: the trained network.
        x: training inputs (n, d).
        y: labels ±1 (n,).
        forget: index or indices of the points to forget, or a mask (n,) of them.
        fraction: β/β*, the step as a fraction of the theorem's.
        log_step: log β of a raw step, the same for all points, instead of the theorem's;
            `common_step` gives the one that theory predicts.
        slope: log |ℓ'| of the loss, used by a raw step only.
        explained: `kkt` of the same network and data, if it is there already.

    Raises:
        ValueError: for an index out of range, given twice, or all points; conditions of something
            else; and as `kkt`.

    Example:
        >>> net, y = Linear(jnp.array([2.0, -2.0])), jnp.array([1.0, -1.0])
        >>> gradient_ascent(net, jnp.eye(2), y, forget=0).w.round(4).tolist()
        [0.0, -2.0]
    """
    x, y = check_points(x, y)
    forgotten = check_forget(forget, len(x))
    explained = as_explained(explained, net, x, y)
    return _ascend(net, x, y, explained, fraction, log_step, forget=forgotten, slope=slope)


@partial(jax.jit, static_argnames=("forget", "slope"))
def _ascend(net, x, y, explained: KKT, fraction, log_step, *, forget, slope):
    """Compiled once per shape and set of points."""
    forgotten = np.array(forget)
    w, u, _ = neurons(net)
    weights = explained.scale * explained.weights[:, forgotten]
    if log_step is not None:
        raw = jnp.exp(log_step + slope(explained.scale * explained.margins[forgotten]))
        multipliers = explained.scale * explained.multipliers[forgotten]
        positive = multipliers > 0
        share = weights / jnp.where(positive, multipliers, 1)[None, :]
        gates = explained.snapped.pattern.gates[:, forgotten]
        weights = raw[None, :] * jnp.where(positive[None, :], share, gates)
    step = combine(u, weights, x[forgotten], y[forgotten])
    return with_weights(net, w - fraction * step)


def common_step(
    net: Linear | TwoLayerReLU,
    x: Any,
    y: Any,
    *,
    slope: LogSlope = logistic_slope,
) -> Float[Array, ""]:
    """log β of the one raw step that unlearns any point, for a loss that is a sum over points.

    At a KKT point that descent reaches, λ_i ∝ |ℓ'(q_i)|, and Euler's ‖θ‖² = Σ_i λ_i q_i fixes the
    factor: β = ‖θ‖² / Σ_k |ℓ'(q_k)| q_k, which does not depend on the point (derived).

    Raises:
        ValueError: as `kkt`.

    Example:
        >>> net, y = Linear(jnp.array([2.0, -2.0])), jnp.array([1.0, -1.0])
        >>> step = common_step(net, jnp.eye(2), y)
        >>> gradient_ascent(net, jnp.eye(2), y, 0, log_step=step).w.round(4).tolist()
        [0.0, -2.0]
    """
    x, y = check_problem(net, x, y)
    w, _, _ = neurons(net)
    q = y * net(x)
    log_slopes = slope(q)
    largest = jnp.max(log_slopes)
    total = jnp.sum(jnp.exp(log_slopes - largest) * q)
    return jnp.log(jnp.sum(w**2)) - largest - jnp.log(total)


def closed_form_multipliers(
    net: Linear | TwoLayerReLU,
    x: Any,
    y: Any,
    *,
    slope: LogSlope = logistic_slope,
) -> Float[Array, " n"]:
    """λ at θ/min_i q_i without gates or a solver: ‖θ‖²·|ℓ'(q_i)| / (q_min Σ_k |ℓ'(q_k)| q_k).

    Euler's formula fixes the factor (derived); the error against the multipliers of `kkt` falls
    as 1/margin on the support vectors.

    Raises:
        ValueError: as `kkt`.

    Example:
        >>> net, y = Linear(jnp.array([2.0, -2.0])), jnp.array([1.0, -1.0])
        >>> closed_form_multipliers(net, jnp.eye(2), y).round(4).tolist()
        [1.0, 1.0]
    """
    x, y = check_problem(net, x, y)
    q = y * net(x)
    return jnp.exp(common_step(net, x, y, slope=slope) + slope(q)) / jnp.min(q)
