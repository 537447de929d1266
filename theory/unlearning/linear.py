"""A linear predictor that is an approximate KKT point by construction, and what unlearning makes
of it.

Descent from zero reaches KKT points with an error of 1e-15, at which a bound on the error would
compare rounding with rounding. Here the error is planted: points with a prescribed Gram matrix,
margins q_i = 1 + slack, multipliers that solve q = (yyᵀ∘G)λ, and a residual e off the span,

.. math:: w = \\sum_i \\lambda_i y_i x_i + e .

Then ε₁ = ‖e‖ and δ₁ = max λ_i(q_i − 1) are of order one, as the theorem allows.
"""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from theory import settings as foundation
from theory.networks import Linear
from theory.sampling import nearly_orthogonal_gram, points_with_gram
from theory.settings import NonNegative, Positive, Sample, ShareBelowOne
from theory.unlearning.gradient_ascent import gradient_ascent
from theory.unlearning.kkt import KKT, kkt

ITERATIONS = 100
"""Jacobi's iteration for λ contracts by mφ/(1 − ψ) < .03 where the data are as assumed."""


@dataclass(frozen=True)
class Settings(foundation.Settings):
    """Nearly orthogonal points and a planted linear predictor.

    Example:
        >>> Settings(samples=5).phi
        0.005
    """

    samples: Sample = 10
    """training points m, of which one is forgotten and one at least is kept"""
    epsilon_d: NonNegative = 0.1
    """ε_d: inner products are at most ε_d/4m"""
    psi: ShareBelowOne = 0.1
    """ψ: squared norms are in [1 − ψ, 1 + ψ]"""
    stationarity: Positive = 0.3
    """ε₁, the norm of the planted residual"""
    slack: NonNegative = 0.3
    """the largest q_i − 1 planted"""

    def __post_init__(self):
        super().__post_init__()
        if self.epsilon_d >= 4 * (1 - self.psi):
            raise ValueError(
                f"epsilon_d is {self.epsilon_d} and must be below 4(1 - psi) = "
                f"{4 * (1 - self.psi):g}, or there may be no points with these inner products"
            )

    @property
    def phi(self) -> float:
        """φ = ε_d/4m."""
        return self.epsilon_d / (4 * self.samples)


class Planted(NamedTuple):
    """Data and the predictor.

    Attributes:
        x: points, the last coordinate zero.
        y: labels ±1.
        network: the predictor; its smallest margin is one and its residual the last axis.
        multipliers: λ.
    """

    x: Float[Array, "samples d"]
    y: Float[Array, " samples"]
    network: Linear
    multipliers: Float[Array, " samples"]


class Unlearned(NamedTuple):
    """The KKT conditions before and after one step of `gradient_ascent` on the first points.

    Attributes:
        before: of the predictor, on all points.
        after: of the predictor after the step, on the retained points.
        psi: max |‖x_i‖² − 1|.
        phi: max |⟨x_i, x_j⟩|.
        removed: Λ = Σ λ_r over the forgotten points.
    """

    before: KKT
    after: KKT
    psi: Float[Array, ""]
    phi: Float[Array, ""]
    removed: Float[Array, ""]


class Bound(NamedTuple):
    """What is promised of the retained problem.

    Attributes:
        epsilon: of the stationarity.
        delta: of the slackness.
    """

    epsilon: Float[Array, ""]
    delta: Float[Array, ""]


def plant(settings: Settings, key: Key[Array, ""]) -> Planted:
    """Draw data and plant the predictor: about half of the points at margin one, others above.

    Example:
        >>> planted = plant(Settings(), jax.random.key(0))
        >>> planted.x.shape, round(float(jnp.min(planted.y * planted.network(planted.x))), 4)
        ((10, 11), 1.0)
    """
    m = settings.samples
    key_gram, key_y, key_slack, key_free = jax.random.split(key, 4)
    gram = nearly_orthogonal_gram(key_gram, m, settings.psi, settings.phi)
    x = points_with_gram(gram)
    y = jax.random.rademacher(key_y, (m,), dtype=x.dtype)
    slack = jax.random.uniform(key_slack, (m,), x.dtype, maxval=settings.slack)
    slack = jnp.where(jax.random.bernoulli(key_free, shape=(m,)), slack, 0)
    q = 1 + slack - jnp.min(slack)
    norms = jnp.diag(gram)
    signed = y[:, None] * y[None, :] * (gram - jnp.diag(norms))
    multipliers = jax.lax.fori_loop(0, ITERATIONS, lambda _, lam: (q - signed @ lam) / norms, q)
    residual = jnp.full(1, settings.stationarity, x.dtype)
    return Planted(
        x=jnp.concatenate([x, jnp.zeros((m, 1), x.dtype)], axis=1),
        y=y,
        network=Linear(jnp.concatenate([(multipliers * y) @ x, residual])),
        multipliers=multipliers,
    )


def unlearn(planted: Planted, forgotten: int = 1, fraction: float = 1.0) -> Unlearned:
    """Forget the first ``forgotten`` points, by ``fraction`` of the theorem's step.

    The conditions after the step are those of the certificate, which is the predictor itself at
    its smallest retained margin. The multipliers are the ones of the smallest residual, before and
    after: a residual that is optimal for all points is so for fewer, so after the step they are
    the retained λ_k, rescaled, and one set of multipliers answers for ε and δ.

    Example:
        >>> after = unlearn(plant(Settings(samples=5), jax.random.key(0)), forgotten=2).after
        >>> after.multipliers.shape, bool(abs(after.stationarity - 0.3) < 0.01)
        ((3,), True)
    """
    x, y, network, _ = planted
    gram = x @ x.T
    norms = jnp.diag(gram)
    before = kkt(network, x, y)
    moved = gradient_ascent(network, x, y, range(forgotten), fraction=fraction, explained=before)
    return Unlearned(
        before=before,
        after=kkt(moved, x[forgotten:], y[forgotten:]),
        psi=jnp.max(jnp.abs(norms - 1)),
        phi=jnp.max(jnp.abs(gram - jnp.diag(norms))),
        removed=jnp.sum(before.multipliers[:forgotten]),
    )


def exact_bound(unlearned: Unlearned) -> Bound:
    """κε₁ and κ²(δ₁ + 2λ_maxΛφ) with κ = 1/(1 − Λφ); infinite where Λφ ≥ 1.

    Example:
        >>> unlearned = unlearn(plant(Settings(), jax.random.key(0)))
        >>> bool(unlearned.after.stationarity < exact_bound(unlearned).epsilon)
        True
    """
    before, shift = unlearned.before, unlearned.removed * unlearned.phi
    kappa = jnp.where(shift < 1, 1 / (1 - shift), jnp.inf)
    largest = jnp.max(before.multipliers)
    return Bound(kappa * before.stationarity, kappa**2 * (before.slackness + 2 * largest * shift))


def worst_ratio(unlearned: Unlearned, bound: Bound) -> Float[Array, ""]:
    """The larger of ε and δ after the step, each over its bound; at most 1 if both hold.

    Example:
        >>> unlearned = unlearn(plant(Settings(), jax.random.key(0)))
        >>> bool(worst_ratio(unlearned, exact_bound(unlearned)) < 1)
        True
    """
    after = unlearned.after
    return jnp.maximum(after.stationarity / bound.epsilon, after.slackness / bound.delta)
