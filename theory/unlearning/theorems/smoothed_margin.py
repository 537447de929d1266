"""The smoothed margin never falls in a step of descent that is short enough.

Lyu and Li (2020) prove it for gradient flow. For a step, let ℒ = Σ_i e^{−q_i} < 1, ψ = −log ℒ,
γ̃ = ψ/‖θ‖, p_i = e^{−q_i}/ℒ with entropy H = −Σp_i log p_i, R² = max_i ‖∇N(x_i)‖². Gates that no
pre-activation changes on the way make q linear in θ there. For θ' = θ − η∇ℒ = θ + a∇ψ, a = ηℒ,

* ψ(θ') ≥ ψ + a‖∇ψ‖²(1 − aR²/2);
* γ̃(θ') ≥ γ̃(θ) if a ≤ a* = 2H/((ψ + H)(R² + ψ/‖θ‖²)).

Proof. ψ is concave in q, and −∇²ψ is the covariance of the ∇q_i under p, whose variance in any
direction is at most R²: the first part. Put v = ⟨θ, ∇ψ⟩ = Σp_i q_i by Euler, so v = ψ + H, since
log p_i = −q_i + ψ. Then ‖θ'‖² = ‖θ‖² + 2av + a²‖∇ψ‖², ‖θ'‖ ≤ ‖θ‖(1 + av/‖θ‖² + a²‖∇ψ‖²/2‖θ‖²), and
the first part gives γ̃(θ') ≥ γ̃(θ) if ‖∇ψ‖²((1 − aR²/2)/ψ − a/2‖θ‖²) ≥ v/‖θ‖². By Cauchy
‖∇ψ‖ ≥ v/‖θ‖, so v((1 − aR²/2)/ψ − a/2‖θ‖²) ≥ 1 is enough, that is H/ψ ≥ av(R² + ψ/‖θ‖²)/2ψ. ∎

a* falls to 0 where one point alone has the smallest margin, and not with ℒ: a step of any fixed η
is short enough in the end, because a = ηℒ.
"""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Key

from theory.claims import AtLeast
from theory.theorem import Control, Number, Paper, Theorem, Trial
from theory.unlearning.lyu_li import smoothed_margin
from theory.unlearning.margin import exponential_slope
from theory.unlearning.pattern import autograd_pattern, combine
from theory.unlearning.scene import descend, draw_gaussian, margin_reached
from theory.unlearning.settings import Settings

STAY = 0.99
"""Share of the way to the first kink that a step may go."""

MOVED = 0.01
"""The least share of its norm by which a step that counts moves θ; kinks may be nearer."""


def trial(settings: Settings, key: Key[Array, ""], sign: Number = 1.0) -> Trial:
    """Measured: ψ(θ') − ψ and γ̃(θ')/γ̃(θ). Predicted: a‖∇ψ‖²(1 − aR²/2) and 1.

    The step is the longest with a ≤ a* that changes no gate; up the gradient where ``sign`` is −1.
    """
    scene = draw_gaussian(settings, key)
    trained = descend(settings, scene, exponential_slope)
    net, x, y = trained.network, scene.x, scene.y
    gates, q = autograd_pattern(net, x).gates, y * net(x)
    p = jax.nn.softmax(-q)
    slope = combine(net.u, gates * p[None, :], x, y)
    norm, steepness = jnp.linalg.norm(net.w), jnp.linalg.norm(slope)
    psi = norm * smoothed_margin(net, scene)
    entropy = -jnp.sum(p * jax.nn.log_softmax(-q))
    r = jnp.max(jnp.sum((net.u**2)[:, None] * gates, axis=0) * jnp.sum(x**2, axis=1))
    longest = 2 * entropy / ((psi + entropy) * (r + psi / norm**2))

    z, moves = net.w @ x.T, sign * slope @ x.T
    towards = z * moves < 0
    kink = jnp.min(jnp.where(towards, -z / jnp.where(towards, moves, 1), jnp.inf))
    a = jnp.minimum(longest, STAY * kink)
    after = net._replace(w=net.w + sign * a * slope)
    gradient = jax.grad(lambda net: jnp.log(jnp.sum(jnp.exp(-y * net(x)))))(net).w
    off = jnp.linalg.norm(after.w - net.w + a * gradient) / (a * steepness)
    rise = smoothed_margin(after, scene) / smoothed_margin(net, scene)
    gained = jnp.linalg.norm(after.w) * smoothed_margin(after, scene) - psi
    return Trial(
        measured={"ψ": gained, "γ̃": rise},
        predicted={
            "ψ": a * steepness**2 * (1 - a * r / 2),
            "γ̃": jnp.ones((), x.dtype),
        },
        assumptions={
            "ℒ < 1": psi,
            "a ≤ a*": longest - a,
            "gates kept": jnp.all(autograd_pattern(after, x).gates == gates),
            "θ' = θ − η∇ℒ": 1e-9 - off,
            "margin reached": margin_reached(settings, trained),
        },
        given=a * steepness >= MOVED * norm,
    )


theorem = Theorem(
    name="unlearning.smoothed-margin",
    statement="exponential loss, ℒ < 1, ψ = −log ℒ, γ̃ = ψ/‖θ‖, θ' = θ − η∇ℒ without a change of "
    "gates, a = ηℒ ≤ a* = 2H/((ψ + H)(R² + ψ/‖θ‖²)), H the entropy of e^{−q_i}/ℒ, "
    "R² = max‖∇N(x_i)‖², where that moves θ by a hundredth",
    label="U7 (smoothed margin, the step derived)",
    provenance="derived",
    paper=Paper(
        key="lyu2020gradient",
        arxiv="1906.05890",
        title="Gradient Descent Maximizes the Margin of Homogeneous Neural Networks",
    ),
    claim={
        "ψ": AtLeast(ulps=1e4, says="ψ(θ') ≥ ψ + a‖∇ψ‖²(1 − aR²/2)"),
        "γ̃": AtLeast(says="γ̃(θ') ≥ γ̃(θ)"),
    },
    presets={
        "smoke": Settings(d=3000, samples=6, width=20, margin=2.0, trials=30),
        "course": Settings(d=3000, samples=6, margin=2.0, trials=180),
        "paper": Settings(d=10_000, margin=2.0, trials=1000),
    },
    trial=trial,
    control=Control(
        name="a step up the gradient",
        numbers={"sign": -1.0},
    ),
)
