"""M2: where the gradient hardly changes, MALT's score is nearly the distance, and its order right.

Let g = z_y − z_j ≥ 0 at x be Lipschitz and differentiable there, 1/p + 1/q = 1, s = g/‖∇g(x)‖_q,
and α < 1 with ‖∇g(x′) − ∇g(x)‖_q ≤ α‖∇g(x)‖_q for almost every x′ in the closed p-ball of radius
s/(1 − α) about x. Without a box the least ‖δ‖_p with g(x + δ) ≤ 0, r, is in
[s/(1 + α), s/(1 − α)]. So class j is nearer than class k if s_j/s_k < (1 − α_j)/(1 + α_k).

Proof. On the ball g(x + δ) − g(x) − ⟨∇g(x), δ⟩ is an integral of gradient changes, at most
α‖∇g(x)‖_q‖δ‖_p. So g(x + δ) ≥ ‖∇g(x)‖_q(s − (1 + α)‖δ‖_p), positive for ‖δ‖_p < s/(1 + α); and
along the unit step u with ⟨∇g(x), u⟩ = −‖∇g(x)‖_q, g(x + Ru) ≤ ‖∇g(x)‖_q(s − (1 − α)R) = 0 at
R = s/(1 − α). Where s_j/(1 − α_j) < s_k/(1 + α_k), r_j < r_k. ∎

The trial's logits are g_j(x + δ) = ‖a_j‖_q(s_j + Ψ_j(⟨a_j, δ⟩/‖a_j‖_q)) with Ψ_j' = 1 ± α_j tanh,
the argument of the tanh stretched by τ: their gradients change by α_j‖a_j‖_q and no more, r is
where Ψ_j falls to −s_j, found by bisection, and for τ → 0 it is at an end of the interval.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp

from theory.attacks.balls import AnyNorm, norms
from theory.attacks.distances import DUAL, toward_plane
from theory.attacks.linear import draw
from theory.attacks.settings import Linear
from theory.attacks.targets import scores
from theory.claims import AtLeast, AtMost
from theory.settings import Positive, ShareBelowOne
from theory.theorem import Control, Number, Theorem, Trial

NORMS: dict[AnyNorm, str] = {"l2": "ℓ₂", "linf": "ℓ_∞"}


@dataclass(frozen=True)
class Settings(Linear):
    """Logits that bend by α_j along their own gradient."""

    alpha: ShareBelowOne = 0.5
    """the largest α_j"""
    tau: Positive = 0.005
    """τ/s_j, the share of the distance over which they bend"""


def trial(settings: Settings, key, excess: Number = 1.0) -> Trial:
    """Measured: by norm, of the class where it is worst, r from below and from above; the largest
    r_j/r_k of the pairs whose order is certain. Predicted: the ends of the interval; 1.

    The logits bend ``excess`` times as much as α says.
    """
    key_scene, key_alpha, key_sign = jax.random.split(key, 3)
    scene = draw(settings, key_scene)
    shape = scene.g.shape
    alpha = jax.random.uniform(key_alpha, shape, maxval=settings.alpha)
    bend = excess * alpha * jax.random.rademacher(key_sign, shape, dtype=alpha.dtype)
    measured, predicted, margins = {}, {}, []
    for norm, name in NORMS.items():
        size = norms(scene.slopes, DUAL[norm])
        tau = settings.tau * scene.g / size

        def psi(e, tau=tau):
            # Steeper on the way to the plane, e < 0, for positive signs; ln cosh without overflow.
            t = jnp.abs(e) / tau
            return e - bend * tau * (t + jnp.log1p(jnp.exp(-2 * t)) - jnp.log(2.0))

        def logits(x, size=size, psi=psi):
            e = (x - scene.x[None]) @ scene.slopes.T / size[None]
            g = scene.g[None] + size[None] * jax.vmap(psi)(e)
            return jnp.concatenate([jnp.zeros_like(g[:, :1]), -g], axis=1)

        zero, classes = jnp.zeros((1,), int), jnp.arange(1, len(scene.g) + 1)[None]
        s = scores(
            logits, scene.x[None], zero, classes, order="malt", norm=norm, box=None
        )[0]  # fmt: skip

        toward = toward_plane(scene.slopes, norm)

        def halve(_, ends, toward=toward, logits=logits):
            low, high = ends
            middle = (low + high) / 2
            z = logits(scene.x[None] + middle[:, None] * toward)
            beyond = jnp.diagonal(z[:, 1:]) >= z[:, 0]
            return jnp.where(beyond, low, middle), jnp.where(beyond, middle, high)

        # g falls at a rate of 1 − α at least, and twice as far is an end for any α below ½.
        bracket = jnp.zeros_like(s), 4 * s / (1 - settings.alpha)
        r = jax.lax.fori_loop(0, 80, halve, bracket)[1]
        least, most = s / (1 + alpha), s / (1 - alpha)
        low, high = jnp.argmin(r / least), jnp.argmax(r / most)
        measured[f"from below, {name}"], predicted[f"from below, {name}"] = r[low], least[low]
        measured[f"from above, {name}"], predicted[f"from above, {name}"] = r[high], most[high]
        certain = s[:, None] / s[None] < (1 - alpha)[:, None] / (1 + alpha)[None]
        ratio = jnp.max(jnp.where(certain, r[:, None] / r[None], 0))
        measured[f"order, {name}"], predicted[f"order, {name}"] = ratio, jnp.ones_like(ratio)

        slope = jax.vmap(jax.grad(lambda e, j, psi=psi: psi(jnp.full_like(bend, e))[j]))
        change = jnp.abs(
            slope(-most, jnp.arange(len(s))) - slope(jnp.zeros_like(s), jnp.arange(len(s)))
        )
        rounding = 64 * jnp.finfo(s.dtype).eps
        margins.append(jnp.min(alpha + rounding - change))
    return Trial(measured, predicted, {"‖∇g(x′) − ∇g(x)‖ ≤ α‖∇g(x)‖": jnp.min(jnp.stack(margins))})


def _claim():
    claims = {}
    for name in NORMS.values():
        claims[f"from below, {name}"] = AtLeast(says=f"r ≥ s/(1 + α) in {name}")
        claims[f"from above, {name}"] = AtMost(says=f"r ≤ s/(1 − α) in {name}")
        claims[f"order, {name}"] = AtMost(
            says=f"r_j < r_k in {name} where s_j/s_k < (1 − α_j)/(1 + α_k)"
        )
    return claims


theorem = Theorem(
    name="attacks.almost-linear",
    statement="r, the least ‖δ‖_p with z_j(x+δ) ≥ z_y(x+δ), no box, s = g/‖∇g(x)‖_q, "
    "g = z_y − z_j ≥ 0, if ‖∇g(x′) − ∇g(x)‖_q ≤ α‖∇g(x)‖_q, α < 1, for ‖x′ − x‖_p ≤ s/(1 − α)",
    label="M2",
    provenance="derived",
    claim=_claim(),
    presets={
        "smoke": Settings(trials=20),
        "course": Settings(d=48, classes=20, trials=135),
        "paper": Settings(d=256, classes=100, trials=688),
    },
    trial=trial,
    control=Control(name="the gradient changes by 1.25 α", numbers={"excess": 1.25}),
)
