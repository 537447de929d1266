"""Two-layer networks on nearly orthogonal data, with the gates of automatic differentiation.

The setting of Theorem 4.1 (arXiv 2510.14844): ‖x_i‖² ∈ [1 − ψ, 1 + ψ], |⟨x_i, x_j⟩| ≤ φ, and an
approximate KKT point with gates σ' ∈ {0, 1}. Its proof adds to the network after the ascent step
what keeps every retained gate where it was.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from theory.networks import TwoLayerReLU, two_layer_relu
from theory.sampling import nearly_orthogonal_gram, points_with_gram
from theory.theorem import Number, Trial
from theory.unlearning.certificate import angle
from theory.unlearning.kkt import KKT, kkt
from theory.unlearning.pattern import autograd_pattern, combine
from theory.unlearning.scene import Scene, descend, margin_reached
from theory.unlearning.settings import Settings
from theory.unlearning.steps import step_taken

EPSILON_D = 0.01
"""ε_d of the theorem: φ may be at most ε_d/(4mn)."""

NORM_SLACK = 0.1
"""ψ of the theorem."""


def correlation_allowed(samples: int, width: int) -> float:
    """φ = ε_d/(4mn), the largest inner product that the theorem admits.

    Example:
        >>> correlation_allowed(samples=10, width=50)
        5e-06
    """
    return EPSILON_D / (4 * samples * width)


def draw_near_orthogonal(settings: Settings, key) -> Scene:
    """Points of R^m with a Gram matrix that the theorem admits, and a network at initialisation.

    Example:
        >>> draw_near_orthogonal(Settings(samples=5), jax.random.key(0)).x.shape
        (5, 5)
    """
    key_gram, key_y, key_net = jax.random.split(key, 3)
    correlation = correlation_allowed(settings.samples, settings.width)
    gram = nearly_orthogonal_gram(key_gram, settings.samples, NORM_SLACK, correlation)
    x = points_with_gram(gram)
    y = jax.random.rademacher(key_y, (settings.samples,), dtype=x.dtype)
    return Scene(x, y, two_layer_relu(key_net, settings.samples, settings.width, settings.sigma))


Bounds = tuple[Any, Any, Any]
"""Bounds of ε, δ and τ, scalars."""


class Outcome(NamedTuple):
    """What one trial of Theorem 4.1 yields.

    Attributes:
        epsilon, delta, tau: of the construction, with the multipliers and gates of its proof.
        before: the KKT conditions before unlearning, with autograd's gates.
        assumptions: margins of the theorem's assumptions, and of what the step did.
    """

    epsilon: Float[Array, ""]
    delta: Float[Array, ""]
    tau: Float[Array, ""]
    before: KKT
    assumptions: dict[str, Float[Array, ""]]


def gate_keeping_certificate(
    net: TwoLayerReLU,
    x: Float[Array, "n d"],
    y: Float[Array, " n"],
    multiplier: Float[Array, ""],
    at_zero: float = -1.0,
) -> tuple[TwoLayerReLU, TwoLayerReLU]:
    """The network after the ascent step on point 0, and the paper's certificate for it.

    To every neuron that is on at the forgotten point the certificate adds
    |u_j| λ_r Σ_{k≠r} c·sign(⟨w_j, x_k⟩) x_k with c = ε_d/(2mn), which moves every retained
    pre-activation away from zero by more than the step moved it.

    Args:
        net: the network before, scaled to smallest margin one.
        x: training inputs.
        y: labels ±1.
        multiplier: λ_r.
        at_zero: sign(0); −1 because the gate is closed there. Any other value opens it.

    Example:
        >>> net = TwoLayerReLU(jnp.array([[1.0, 0.0]]), jnp.ones(1))
        >>> after, proof = gate_keeping_certificate(
        ...     net, jnp.eye(2), jnp.ones(2), jnp.array(1.0))
        >>> after.w.tolist(), bool(proof.w[0, 1] < 0)
        ([[0.0, 0.0]], True)
    """
    m, n = len(x), len(net.w)
    z = net.w @ x.T
    on = jnp.where(z[:, 0] > 0, multiplier, 0)
    after = net.w - (net.u * on * y[0])[:, None] * x[0][None, :]
    signs = jnp.where(z[:, 1:] == 0, at_zero, jnp.sign(z[:, 1:]))
    keep = EPSILON_D / (2 * m * n) * (signs @ x[1:])
    proof = after + (jnp.abs(net.u) * on)[:, None] * keep
    return net._replace(w=after), net._replace(w=proof)


def unlearn(
    net: TwoLayerReLU,
    x: Float[Array, "n d"],
    y: Float[Array, " n"],
    share: Number = 1.0,
    at_zero: float = -1.0,
    explained: KKT | None = None,
) -> Outcome:
    """Forget point 0 and evaluate the certificate of Theorem 4.1.

    The certificate is judged as it is: its own gates and margins are computed anew.

    Args:
        net: the trained network.
        x: training inputs.
        y: labels ±1.
        share: of the theorem's step that is taken.
        at_zero: sign(0) in the certificate.
        explained: the conditions of the network with autograd's gates and any multipliers; without
            them the multipliers of the smallest residual are found.

    Example:
        >>> settings = Settings(samples=3, scale=1e-9, margin=50.0)
        >>> scene = draw_near_orthogonal(settings, jax.random.key(0))
        >>> bool(unlearn(descend(settings, scene).network, scene.x, scene.y).epsilon < 0.1)
        True
    """
    before = kkt(net, x, y, pattern=autograd_pattern(net, x)) if explained is None else explained
    scaled = net._replace(w=net.w / before.scale)
    after, proof = gate_keeping_certificate(scaled, x, y, share * before.multipliers[0], at_zero)
    margins = y[1:] * proof(x[1:])
    smallest = jnp.min(margins)
    kappa = jnp.where(smallest > 0, 1 / smallest, jnp.nan)
    multipliers = kappa * before.multipliers[1:]
    gates = autograd_pattern(proof, x[1:]).gates
    terms = combine(proof.u, gates * multipliers[None, :], x[1:], y[1:])
    gram = x @ x.T
    inner = jnp.max(jnp.abs(gram - jnp.diag(jnp.diag(gram))))
    allowed = correlation_allowed(len(x), len(net.w))
    rounding = 1e3 * jnp.finfo(x.dtype).eps
    step = combine(scaled.u, before.weights[:, :1], x[:1], y[:1])
    return Outcome(
        epsilon=jnp.linalg.norm(kappa * proof.w - terms),
        delta=jnp.max(multipliers * (kappa * margins - 1)),
        tau=angle(after.w, proof.w),
        before=before,
        assumptions={
            "ψ ≤ .1": NORM_SLACK - jnp.max(jnp.abs(jnp.diag(gram) - 1)) + rounding,
            "φ ≤ ε_d/(4mn), relative": 1 - inner / allowed + rounding / allowed,
            "ε₁ ≤ 1": 1 - before.stationarity,
            "δ₁ ≤ .5": 0.5 - before.slackness,
        }
        | step_taken(scaled.w, after.w, step),
    )


Bound = Callable[[Settings, Outcome], Bounds]
"""What a theorem promises."""


def trial(settings: Settings, scene: Scene, share: Number, bound: Bound) -> Trial:
    """Train, forget point 0, and put ε, δ and τ against their bounds.

    Args:
        settings: of the scene.
        scene: any data.
        share: of the theorem's step that is taken.
        bound: (ε, δ, τ) that a theorem promises.
    """
    trained = descend(settings, scene)
    net = trained.network
    assert isinstance(net, TwoLayerReLU)
    found = judged(settings, unlearn(net, scene.x, scene.y, share), bound)
    reached = {"margin reached": margin_reached(settings, trained)}
    return found._replace(assumptions=reached | found.assumptions)


def judged(settings: Settings, outcome: Outcome, bound: Bound) -> Trial:
    """ε, δ and τ against their bounds.

    Example:
        >>> settings = Settings(samples=3, scale=1e-9, margin=50.0)
        >>> scene = draw_near_orthogonal(settings, jax.random.key(0))
        >>> outcome = unlearn(descend(settings, scene).network, scene.x, scene.y)
        >>> found = judged(settings, outcome, lambda settings, outcome: (1.0, 1.0, 1.0))
        >>> found.predicted["τ"].item()
        1.0
    """
    measured = {"ε": outcome.epsilon, "δ": outcome.delta, "τ": outcome.tau}
    promised = zip(measured, bound(settings, outcome), strict=True)
    return Trial(
        measured,
        predicted={name: jnp.asarray(value, outcome.tau.dtype) for name, value in promised},
        assumptions=outcome.assumptions,
    )
