"""The point of the cone of Clarke gradients that is nearest to the weights.

Stationarity of margin maximisation asks for λ ≥ 0 with θ = Σ_i λ_i y_i g_i, where g_i is an
element of Clarke's subdifferential of N(x_i, ·). With M_ji = λ_i σ'_ji off kinks and M_ji = μ_ji,
any number in [0, λ_i], at them, row j of the sum is u_j Σ_i M_ji y_i x_i, so the nearest point
solves the convex quadratic program

.. math::
    \\min_{\\lambda, \\mu} \\tfrac12 \\sum_j \\|w_j - u_j \\sum_i M_{ji} y_i x_i\\|^2,
    \\qquad 0 \\le \\mu_{ji} \\le \\lambda_i .

Without kinks this is non-negative least squares. It is solved by a primal-dual interior-point
method (Nocedal and Wright 2006, section 16.6): the number of steps hardly depends on the data, so
an ensemble runs in lockstep, and every kink belongs to one neuron, so a step costs one small
system per neuron and one for λ, instead of a single large one.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from theory.geometry import orthonormalise
from theory.unlearning.pattern import Pattern, combine

STEPS = 100
"""More interior-point steps than any problem needs; each divides the gap by about ten."""

GAP = 1e-4
"""Machine epsilons of complementarity left, in units in which the weights have norm one.

An exact stationary point then has a residual of about 1e-9. Another thousand times less is too
near the boundary for the equations to be solved.
"""

STALLED = 1e-4
"""A step this short is rounding: nothing more is to be had."""

PROXIMAL = 0.01
"""Curvature added in every step, in roots of the machine epsilon.

It holds the step where the objective is flat (a point that occurs twice, more points than
dimensions), and does not move the optimum, because each step adds it around its own start.
"""

CENTRE = 0.1
"""By how much one step aims to reduce the gap."""

BOUNDARY = 0.995
"""Share of the way to the boundary that a step may go."""


class Nearest(NamedTuple):
    """The nearest point of the cone.

    Attributes:
        multipliers: λ.
        weights: M, the multiplier times the gate, an element of [0, λ_i] at kinks.
        residual: w − u ∘ M (y ∘ x), row by row.
    """

    multipliers: Float[Array, " n"]
    weights: Float[Array, "width n"]
    residual: Float[Array, "width d"]


class _Point(NamedTuple):
    """An interior point: λ, μ, λ − μ, and the multipliers of λ ≥ 0, μ ≥ 0, μ ≤ λ.

    λ − μ is kept by itself, because the difference of two small numbers would lose its sign.
    """

    lam: Float[Array, " n"]
    mu: Float[Array, "width n"]
    room: Float[Array, "width n"]
    z_lam: Float[Array, " n"]
    z_low: Float[Array, "width n"]
    z_high: Float[Array, "width n"]


def nearest(
    w: Float[Array, "width d"],
    u: Float[Array, " width"],
    x: Float[Array, "n d"],
    y: Float[Array, " n"],
    pattern: Pattern,
) -> Nearest:
    """Multipliers λ ≥ 0 and elements of Clarke's subdifferential that explain w best.

    Args:
        w: hidden weights, not all zero.
        u: output weights.
        x: data.
        y: labels ±1.
        pattern: gates, and kinks where the gate is free.

    Returns:
        Accurate to about 1e-9 of ‖w‖ in float64. Where the multipliers are not unique (a point
        that occurs twice), their analytic centre: equal points get equal multipliers.

    Example:
        >>> on = Pattern(jnp.ones((1, 2)), jnp.zeros((1, 2), bool))
        >>> w, u, y = jnp.array([[2.0, -3.0]]), jnp.ones(1), jnp.ones(2)
        >>> nearest(w, u, jnp.eye(2), y, on).multipliers.round(3).tolist()
        [2.0, 0.0]
    """
    n, d = x.shape
    gates, kinks = pattern.gates, pattern.kinks
    # In coordinates of the span, and in units in which everything is of order one.
    frame = orthonormalise(x.T) if n < d else jnp.eye(d, dtype=x.dtype)
    units = jnp.max(jnp.linalg.norm(x, axis=-1)), jnp.linalg.norm(u), jnp.linalg.norm(w)
    unit_x, unit_u, unit_w = (jnp.where(unit > 0, unit, 1) for unit in units)
    signed = y[:, None] * (x @ frame) / unit_x
    target, out = (w @ frame) / unit_w, u / unit_u
    gram = signed @ signed.T
    free = kinks.astype(x.dtype)
    constraints = n + 2 * jnp.sum(free)

    def residual(lam, mu):
        coefficients = out[:, None] * (gates * lam[None, :] + mu)
        return target - coefficients @ signed

    def gap(point: _Point):
        complementarity = point.lam @ point.z_lam + jnp.sum(
            point.mu * point.z_low + point.room * point.z_high
        )
        return complementarity / constraints

    def step(carry):
        count, _, point = carry
        aim = CENTRE * gap(point)
        lam, mu = point.lam, point.mu
        room = jnp.where(kinks, point.room, 1)
        safe = jnp.where(kinks, mu, 1)
        pull = out[:, None] * (residual(lam, mu) @ signed.T)
        # Newton's equations, the constraints' multipliers eliminated.
        barrier = jnp.where(kinks, point.z_high / room, 0)
        right_lam = (
            jnp.sum(gates * pull, axis=0)
            + aim / lam
            + jnp.sum(jnp.where(kinks, aim / room, 0), axis=0)
        )
        right_mu = jnp.where(kinks, pull + aim / safe - aim / room, 0)
        scaled = (out**2)[:, None, None] * gram[None]
        block = scaled * free[:, :, None] * free[:, None, :]
        diagonal = jnp.where(kinks, point.z_low / safe + barrier + proximal, 1)
        block = block + diagonal[:, :, None] * jnp.eye(n, dtype=x.dtype)[None]
        cross = scaled * free[:, :, None] * gates[:, None, :]
        cross = cross - barrier[:, :, None] * jnp.eye(n, dtype=x.dtype)[None]
        solved = jax.vmap(_solve)(block, jnp.concatenate([cross, right_mu[:, :, None]], axis=2))
        through, offset = solved[:, :, :-1], solved[:, :, -1]
        schur = jnp.einsum("ji,jk,j,ik->ik", gates, gates, out**2, gram)
        schur = schur + jnp.diag(point.z_lam / lam + jnp.sum(barrier, axis=0) + proximal)
        schur = schur - jnp.einsum("jki,jkl->il", cross, through)
        right = right_lam - jnp.einsum("jki,jk->i", cross, offset)
        d_lam = _solve(schur, right[:, None])[:, 0]
        d_mu = offset - jnp.einsum("jki,i->jk", through, d_lam)
        d_room = jnp.where(kinks, d_lam[None, :] - d_mu, 0)
        d_z = (
            aim / lam - point.z_lam - point.z_lam / lam * d_lam,
            jnp.where(kinks, aim / safe - point.z_low - point.z_low / safe * d_mu, 0),
            jnp.where(kinks, aim / room - point.z_high - barrier * d_room, 0),
        )
        directions = _Point(d_lam, d_mu, d_room, *d_z)
        longest = jnp.min(jnp.stack(jax.tree.leaves(jax.tree.map(_reach, point, directions))))
        move = jnp.minimum(1, BOUNDARY * longest)
        forward = (move > STALLED) & jnp.isfinite(jnp.sum(d_lam) + jnp.sum(d_mu))
        moved = jax.tree.map(lambda a, b: jnp.where(forward, a + move * b, a), point, directions)
        return count + 1, forward, moved

    # Start from equal multipliers of the size that fits best, kinks half open.
    shape = out[:, None] * ((gates + free / 2) @ signed)
    fit = jnp.sum(target * shape) / jnp.maximum(jnp.sum(shape**2), jnp.finfo(x.dtype).tiny)
    first = jnp.where(jnp.isfinite(fit) & (fit > 0), fit, 1)
    lam = jnp.full(n, first)
    mu = jnp.where(kinks, first / 2, 0)
    on = jnp.where(kinks, 1 / first, 0)
    start = _Point(lam, mu, mu, 1 / lam, on, on)
    proximal = PROXIMAL * jnp.finfo(x.dtype).eps ** 0.5
    smallest = GAP * jnp.finfo(x.dtype).eps
    *_, end = jax.lax.while_loop(
        lambda carry: (carry[0] < STEPS) & carry[1] & (gap(carry[2]) > smallest),
        step,
        (jnp.zeros((), int), jnp.ones((), bool), start),
    )
    unit = unit_w / (unit_x * unit_u)
    multipliers = unit * end.lam
    weights = gates * multipliers[None, :] + unit * end.mu
    return Nearest(multipliers, weights, w - combine(u, weights, x, y))


def _reach(value, change):
    """How far along ``change`` all of ``value`` stays positive."""
    shrinking = change < 0
    return jnp.min(jnp.where(shrinking, -value / jnp.where(shrinking, change, -1), jnp.inf))


def _solve(a: Float[Array, "n n"], b: Float[Array, "n k"]) -> Float[Array, "n k"]:
    """a⁻¹b for a positive definite matrix, by elimination, which then needs no pivots.

    Plain products in a loop, because LAPACK's calls cannot be batched over neurons on every
    backend, nor run on several CPU devices at once.
    """

    def eliminate(k, table):
        row = table[k] / table[k, k]
        return (table - table[:, k][:, None] * row[None, :]).at[k].set(row)

    table = jnp.concatenate([a, b], axis=1)
    return jax.lax.fori_loop(0, len(a), eliminate, table)[:, len(a) :]
