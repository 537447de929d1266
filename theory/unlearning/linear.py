"""A linear predictor that is an approximate KKT point by construction, and what unlearning makes
of it.

Descent from zero reaches KKT points with an error of 1e-15, at which a bound on the error would
compare rounding with rounding. Here the error is planted: points with a prescribed Gram matrix,
margins q_i = 1 + slack, a residual e of norm ε₁, part of it against one point, −y_kx_k, and the
rest off the span, multipliers that solve q = (yyᵀ∘G)λ + y∘Xe, and

.. math:: w = \\sum_i \\lambda_i y_i x_i + e .

Then ε₁ = ‖e‖ and δ₁ = max λ_i(q_i − 1) are of order one, as the theorem allows. These multipliers
need not be the ones of the smallest residual: the definition asks for any λ ≥ 0, and so do the
theorems.
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
from theory.theorem import Number
from theory.unlearning.certificate import angle
from theory.unlearning.gradient_ascent import gradient_ascent
from theory.unlearning.kkt import KKT, conditions
from theory.unlearning.steps import step_taken

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
    slack: NonNegative = 0.25
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
        network: the predictor; that of `plant` has smallest margin one.
        multipliers: λ, of the predictor as it is.
    """

    x: Float[Array, "samples d"]
    y: Float[Array, " samples"]
    network: Linear
    multipliers: Float[Array, " samples"]


class Unlearned(NamedTuple):
    """The KKT conditions before and after one step of `gradient_ascent` on the first points.

    Attributes:
        before: of the predictor, on all points, with the multipliers planted.
        after: of the predictor after the step, on the retained points, with the retained ones.
        tau: 1 − cos of the angle between the predictor after the step and the one at smallest
            retained margin one, whose conditions are ``after``.
        psi: max |‖x_i‖² − 1|.
        phi: max |⟨x_i, x_j⟩|.
        removed: Λ = Σ λ_r over the forgotten points.
        happened: margins of what must have happened: multipliers are not negative, the step moved
            the predictor, and is the theorem's.
    """

    before: KKT
    after: KKT
    tau: Float[Array, ""]
    psi: Float[Array, ""]
    phi: Float[Array, ""]
    removed: Float[Array, ""]
    happened: dict[str, Float[Array, ""]]


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
    key_gram, key_y, key_slack, key_free, key_point, key_share = jax.random.split(key, 6)
    gram = nearly_orthogonal_gram(key_gram, m, settings.psi, settings.phi)
    x = points_with_gram(gram)
    y = jax.random.rademacher(key_y, (m,), dtype=x.dtype)
    slack = jax.random.uniform(key_slack, (m,), x.dtype, maxval=settings.slack)
    slack = jnp.where(jax.random.bernoulli(key_free, shape=(m,)), slack, 0)
    q = 1 + slack - jnp.min(slack)

    against = jax.random.randint(key_point, (), 0, m)
    share = jax.random.uniform(key_share, (), x.dtype)  # of ε₁², spent against that point
    point = -y[against] * x[against] / jnp.linalg.norm(x[against])
    residual = settings.stationarity * jnp.append(jnp.sqrt(share) * point, jnp.sqrt(1 - share))
    x = jnp.concatenate([x, jnp.zeros((m, 1), x.dtype)], axis=1)

    norms = jnp.diag(gram)
    signed = y[:, None] * y[None, :] * (gram - jnp.diag(norms))
    left = q - y * (x @ residual)
    multipliers = jax.lax.fori_loop(
        0, ITERATIONS, lambda _, lam: (left - signed @ lam) / norms, left
    )
    return Planted(x, y, Linear((multipliers * y) @ x + residual), multipliers)


def unlearn(planted: Planted, forgotten: int = 1, fraction: Number = 1.0) -> Unlearned:
    """Forget the first ``forgotten`` points, by ``fraction`` of the theorem's step.

    The conditions after the step are those of the certificate, which is the predictor itself at
    its smallest retained margin, with the retained λ_k of the predictor, rescaled: one set of
    multipliers answers for ε and δ.

    Example:
        >>> after = unlearn(plant(Settings(samples=5), jax.random.key(0)), forgotten=2).after
        >>> after.multipliers.shape, bool(abs(after.stationarity - 0.3) < 0.01)
        ((3,), True)
    """
    x, y, network, multipliers = planted
    gram = x @ x.T
    norms = jnp.diag(gram)
    before = conditions(network, x, y, multipliers)
    moved = gradient_ascent(network, x, y, range(forgotten), fraction=fraction, explained=before)
    assert isinstance(moved, Linear)
    after = conditions(moved, x[forgotten:], y[forgotten:], multipliers[forgotten:])
    step = (multipliers[:forgotten] * y[:forgotten]) @ x[:forgotten]
    return Unlearned(
        before=before,
        after=after,
        tau=angle(moved.w, moved.w / after.scale),
        psi=jnp.max(jnp.abs(norms - 1)),
        phi=jnp.max(jnp.abs(gram - jnp.diag(norms))),
        removed=jnp.sum(before.multipliers[:forgotten]),
        happened={"λ ≥ 0": jnp.min(multipliers)} | step_taken(network.w, moved.w, step),
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


def judged(unlearned: Unlearned, bound: Bound) -> tuple[dict[str, Array], dict[str, Array]]:
    """ε, δ and τ after the step, measured and predicted, by part; of τ = 0 the scale of a cosine.

    Example:
        >>> unlearned = unlearn(plant(Settings(), jax.random.key(0)))
        >>> measured, predicted = judged(unlearned, exact_bound(unlearned))
        >>> bool(measured["δ"] <= predicted["δ"])
        True
    """
    after = unlearned.after
    measured = {"ε": after.stationarity, "δ": after.slackness, "τ": unlearned.tau}
    predicted = {"ε": bound.epsilon, "δ": bound.delta, "τ": jnp.ones((), bound.delta.dtype)}
    return measured, predicted
