"""Σ_j v_j 1[⟨x_i, w_j⟩ > 0] times ⟨x_i, w_j⟩ or w_j: values, and input gradients, of a network.

They are all that is needed of each other's derivatives. With N_i = Σ_j v_j σ(⟨x_i, w_j⟩) and
weights g_i on the points,

    ∂/∂x_i Σ_k g_k N_k = g_i Σ_j v_j 1[⟨x_i, w_j⟩ > 0] w_j,
    ∂/∂w_j Σ_k g_k N_k = v_j Σ_i g_i 1[⟨x_i, w_j⟩ > 0] x_i,
    ∂/∂v_j Σ_k g_k N_k = Σ_i g_i σ(⟨x_i, w_j⟩),

where the last two are the sums themselves with points and neurons exchanged. The second one, with
g_i = λ_i y_i, is what a KKT point's w_j is equal to.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

FEW = 8
"""The largest d for which, on a CPU, products are summed one neuron at a time and not by matmuls.

A matmul over few coordinates is bound by writing its n × m products. Against chunks of matmuls, on
two cores in float32 (float64), 1024 neurons: d = 2: 9.4 (4.6) times as fast, 4: 5.5 (2.5), 8: 7.0
(2.0), 16: 1.3 (1.3), 32: 1.1. Gated rows are d sums instead of one, and a second matmul is quick:
d = 2: 1.8 (2.7), 4: 0.6 (0.8), 8: (0.4), so that they are left to matmuls.
"""

BLOCK = 2**16
"""The most points at a time: their coordinates and sums stay in cache.

With 400 000 points and 4000 neurons in float32 (float64): 2^13 points 3.3 (3.5) times as fast as
matmuls, 2^14 3.7 (4.1), 2^15 4.1 (4.6), 2^16 4.7 (5.8).
"""

LANES = 64
"""A block is filled up to a multiple of this: in a loop whose length is not one of vectors XLA uses
none. 65 041 points: 1.5 · 10⁹ pairs a second, 65 048: 10 · 10⁹."""

UNROLLED = 8
"""Neurons added to a block of points in one pass: 4 are slower, 16 hardly faster if at all."""

GATES = 2**20
"""The most gates that matmuls hold at a time on a CPU: times differ by a quarter from 2^19 to 2^22,
and double at 2^23."""

ACCELERATED_GATES = 2**26
"""The same elsewhere. With 65 536 points and neurons, d = 3 and float32 on an H200, values took
50 ms with 2^20, 17 with 2^24 and 13 with 2^28; gated rows 73 ms with 2^20 and 16 with 2^26."""


def relu_sum(x: Any, w: Any, v: Any) -> Float[Array, " n"]:
    """Σ_j v_j σ(⟨x_i, w_j⟩), a two-layer network at many points, in memory that is free of m.

    .. math:: N_i = \\sum_j v_j \\, 1[\\langle x_i, w_j \\rangle > 0] \\langle x_i, w_j \\rangle

    On a CPU and for d up to `FEW`, it is several times as fast as matmuls, where XLA compiles with
    its defaults; ``relu-theory bench kernels`` measures it. It is differentiable
    once in reverse, in all three arguments, and the derivatives hold no n × m array either. As in
    JAX, a neuron at its kink is off.

    Args:
        x: points (n, d). A bias is one more coordinate, of ones.
        w: hidden weights (m, d).
        v: output weights (m,).

    Returns:
        One number per point, in the dtype of the arguments, which must share it.

    Raises:
        TypeError: for arguments of different dtypes.
        ValueError: for arguments of other shapes.

    Example:
        >>> x, w = jnp.array([[3.0, -4.0], [0.0, 2.0]]), jnp.eye(2)
        >>> relu_sum(x, w, jnp.array([1.0, -1.0])).tolist()
        [3.0, -2.0]
        >>> jax.grad(lambda w: relu_sum(x, w, jnp.ones(2)).sum())(w).tolist()
        [[3.0, -4.0], [0.0, 2.0]]
    """
    _check(x, w, v)
    return _relu_sum(x, w, v)


def gated_sum(x: Any, w: Any, v: Any) -> Float[Array, "n d"]:
    """Σ_j v_j 1[⟨x_i, w_j⟩ > 0] w_j, the input gradients of a two-layer network at many points.

    With points and neurons exchanged, and v_j on the points, row i is the gradient in the hidden
    weights, up to the neuron's own output weight.

    Args:
        x: points (n, d).
        w: hidden weights (m, d).
        v: output weights (m,).

    Returns:
        One row per point, in the dtype of the arguments, which must share it; of NaN for a point
        that is not finite, which opens no gate.

    Raises:
        TypeError: for arguments of different dtypes.
        ValueError: for arguments of other shapes.

    Example:
        >>> x, w = jnp.array([[3.0, -4.0], [0.0, 2.0]]), jnp.eye(2)
        >>> gated_sum(x, w, jnp.array([5.0, -1.0])).tolist()
        [[5.0, 0.0], [0.0, -1.0]]
    """
    _check(x, w, v)
    whole = jnp.isfinite(x).all(axis=1, keepdims=True)
    return jnp.where(whole, _gated_sum(x, w, v), jnp.nan)


def _check(x: Array, w: Array, v: Array) -> None:
    if len({x.dtype, w.dtype, v.dtype}) > 1:
        dtypes = [str(array.dtype) for array in (x, w, v)]
        raise TypeError(f"x, w and v are {dtypes}: one is needed")
    if x.ndim != 2 or w.shape[1:] != x.shape[1:] or v.shape != w.shape[:1]:
        raise ValueError(
            f"x, w and v have shapes {x.shape}, {w.shape} and {v.shape}: they must be (n, d), "
            "(m, d) and (m,)"
        )


@jax.custom_vjp
@jax.jit
def _relu_sum(x, w, v):
    if not 0 < x.shape[1] <= FEW:
        return by_matmuls(x, w, v)
    return jax.lax.platform_dependent(x, w, v, cpu=by_neurons, default=by_matmuls)


def _backward(arguments, g):
    """The derivatives of the file's first lines."""
    x, w, v = arguments
    return g[:, None] * _gated_sum(x, w, v), v[:, None] * _gated_sum(w, x, g), _relu_sum(w, x, g)


_relu_sum.defvjp(lambda x, w, v: (_relu_sum(x, w, v), (x, w, v)), _backward)


@jax.jit
def _gated_sum(x, w, v):
    def point(x):
        return jnp.where(x @ w.T > 0, v, 0) @ w

    return _chunked(point, x, len(v))


def by_matmuls(
    x: Float[Array, "n d"], w: Float[Array, "m d"], v: Float[Array, " m"]
) -> Float[Array, " n"]:
    """`relu_sum` as two products of matrices for every chunk of points.

    Example:
        >>> by_matmuls(jnp.array([[3.0, -4.0]]), jnp.eye(2), jnp.ones(2)).tolist()
        [3.0]
    """
    return _chunked(lambda x: jax.nn.relu(x @ w.T) @ v, x, len(v))


def _chunked(of_point, x, m):
    """A function of every point, in chunks that have as many gates as suits the platform."""

    def chunks(gates):
        return lambda x: jax.lax.map(of_point, x, batch_size=max(1, gates // max(1, m)))

    return jax.lax.platform_dependent(x, cpu=chunks(GATES), default=chunks(ACCELERATED_GATES))


def by_neurons(
    x: Float[Array, "n d"], w: Float[Array, "m d"], v: Float[Array, " m"]
) -> Float[Array, " n"]:
    """`relu_sum` as a scan over neurons for every block of points, for d ≥ 1.

    Every pass adds `UNROLLED` neurons to all points of the block, in one fused loop over them.

    Example:
        >>> by_neurons(jnp.array([[3.0, -4.0]]), jnp.eye(2), jnp.ones(2)).tolist()
        [3.0]
    """
    (n, d), (m, _) = x.shape, w.shape
    blocks = -(-n // BLOCK)
    size = -(-n // max(1, blocks))
    filled = -(-size // LANES) * LANES
    # A neuron of zero weights adds zero.
    neurons = jnp.pad(jnp.column_stack([w, v]), ((0, -m % UNROLLED), (0, 0)))

    def block(i, out):
        # The last block begins early instead of ending late: all points are never copied to pad.
        start = jnp.minimum(i * size, n - size)
        points = jax.lax.dynamic_slice(x, (start, 0), (size, d))
        # Each coordinate an array of its own: the fused loop then reads it with stride one.
        points = jnp.pad(points, ((0, filled - size), (0, 0)))
        columns = jax.lax.optimization_barrier([points[:, k] for k in range(d)])

        def add(total, group):
            for *weights, output in group:
                z = sum(weight * column for weight, column in zip(weights, columns, strict=True))
                total = total + output * jnp.maximum(z, 0)
            return total, None

        groups = neurons.reshape(-1, UNROLLED, d + 1)
        total, _ = jax.lax.scan(add, jnp.zeros(filled, x.dtype), groups)
        return jax.lax.dynamic_update_slice(out, total[:size], (start,))

    return jax.lax.fori_loop(0, blocks, block, jnp.zeros(n, x.dtype))
