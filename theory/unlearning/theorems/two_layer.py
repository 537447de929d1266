"""U2: one ascent step on a two-layer ReLU network unlearns a point of nearly orthogonal data.

The form of Theorem 4.1 is the paper's, its constants are recalled. They are implied by the derived
ones of U2': κ = 1/(1 − 2.37ε_d/(mn)) ≤ 1 + 9ε_d/(m − 9ε_d); 1.55κε_d/√(mn) ≤ 23ε_d/√m;
13.9κ²ε_d/m + (κ² − 1)δ₁ ≤ 22.6ε_d/m + 9ε_dδ₁/(m − 9ε_d); and with s ≤ 1.55κ√(1.1)ε_d/√(mn) the sine
of the angle, 1 − √(1 − s²) ≤ s² ≤ 82ε_d/m.
"""

import jax.numpy as jnp

from theory.claims import AtMost
from theory.theorem import Control, Source, Theorem, Trial
from theory.unlearning.near_orthogonal import (
    EPSILON_D,
    Outcome,
    draw_near_orthogonal,
    train,
    unlearn,
)
from theory.unlearning.scene import Scene
from theory.unlearning.settings import Settings


def bound(settings: Settings, outcome: Outcome):
    """(ε, δ, τ) that the theorem promises."""
    m = settings.samples
    epsilon, delta = outcome.before.stationarity, outcome.before.slackness
    growth = 1 + 9 * EPSILON_D / (m - 9 * EPSILON_D)
    return (
        growth * epsilon + 23 * EPSILON_D / m**0.5,
        growth * delta + 22.6 * EPSILON_D / m,
        82 * EPSILON_D / m,
    )


def judge(settings: Settings, scene: Scene, share: float) -> Trial:
    """The largest of ε, δ, τ over their bounds, on any data."""
    outcome = unlearn(train(settings, scene), scene.x, scene.y, share)
    epsilon, delta, tau = bound(settings, outcome)
    ratios = outcome.epsilon / epsilon, outcome.delta / delta, outcome.tau / tau
    measured = jnp.max(jnp.stack(ratios))
    return Trial(measured, jnp.ones_like(measured), outcome.assumptions)


def trial(settings: Settings, key, share: float = 1.0) -> Trial:
    """Measured: the largest of ε, δ, τ over their bounds. Predicted: 1."""
    return judge(settings, draw_near_orthogonal(settings, key), share)


theorem = Theorem(
    name="unlearning.two-layer",
    statement="two-layer: (ε₁+9ε_dε₁/(m−9ε_d)+23ε_d/√m, δ₁+9ε_dδ₁/(m−9ε_d)+22.6ε_d/m, 82ε_d/m)",
    source=Source(
        paper="melamed2025unlearning",
        label="U2 (Theorem 4.1)",
        provenance="recalled",
        arxiv="2510.14844",
    ),
    claim=AtMost(),
    presets={
        "smoke": Settings(d=5, samples=5, scale=1e-9, margin=100.0, trials=20),
        "course": Settings(d=10, samples=10, scale=1e-9, trials=135),
        "paper": Settings(d=20, samples=20, scale=1e-9, trials=688),
    },
    trial=trial,
    control=Control(
        name="twice the step", trial=lambda settings, key: trial(settings, key, share=2.0)
    ),
)
