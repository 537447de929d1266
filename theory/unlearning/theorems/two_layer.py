"""U2: one ascent step on a two-layer ReLU network unlearns a point of nearly orthogonal data.

The form of Theorem 4.1 is the paper's, its constants are recalled. They are implied by the derived
ones of U2': κ = 1/(1 − 2.37ε_d/(mn)) ≤ 1 + 9ε_d/(m − 9ε_d); 1.55κε_d/√(mn) ≤ 23ε_d/√m;
13.9κ²ε_d/m + (κ² − 1)δ₁ ≤ 22.6ε_d/m + 9ε_dδ₁/(m − 9ε_d); and with s ≤ 1.55κ√(1.1)ε_d/√(mn) the sine
of the angle, 1 − √(1 − s²) ≤ s² ≤ 82ε_d/m. The bound on τ is vacuous: what is measured is
smaller by a factor of 10⁹.
"""

from typing import Any

import numpy as np

from theory.claims import AtMost
from theory.theorem import Control, Number, Search, Theorem, Trial
from theory.unlearning import near_orthogonal
from theory.unlearning.near_orthogonal import EPSILON_D, Bounds, Outcome, draw_near_orthogonal
from theory.unlearning.planted import start_near_orthogonal, unlearn_near_orthogonal
from theory.unlearning.recomputed import admitted, forget_near_orthogonal
from theory.unlearning.settings import Settings


def promised(m: int, epsilon: Any, delta: Any, epsilon_d: Any = EPSILON_D) -> Bounds:
    """(ε, δ, τ) from ε₁, δ₁ and ε_d, which may be arrays.

    Example:
        >>> epsilon, delta, tau = promised(10, 0.0, 0.0)
        >>> round(tau, 4)
        0.082
    """
    growth = 1 + 9 * epsilon_d / (m - 9 * epsilon_d)
    return (
        growth * epsilon + 23 * epsilon_d / m**0.5,
        growth * delta + 22.6 * epsilon_d / m,
        82 * epsilon_d / m,
    )


def bound(settings: Settings, outcome: Outcome) -> Bounds:
    """(ε, δ, τ) that the theorem promises."""
    before = outcome.before
    return promised(settings.samples, before.stationarity, before.slackness)


def trial(settings: Settings, key, share: Number = 1.0) -> Trial:
    """Measured: ε, δ, τ of the proof's construction. Predicted: their bounds.

    The step is ``share`` of the theorem's.
    """
    return near_orthogonal.trial(settings, draw_near_orthogonal(settings, key), share, bound)


def check(settings: Settings, scene) -> Trial:
    """The same of a planted scene in NumPy."""
    found, m = forget_near_orthogonal(settings, scene), settings.samples
    before, epsilon_d = found.before, 0.01
    share = 9 * epsilon_d / (m - 9 * epsilon_d)
    return Trial(
        {"ε": found.epsilon, "δ": found.delta, "τ": found.tau},
        {
            "ε": before.epsilon + share * before.epsilon + 23 * epsilon_d / np.sqrt(m),
            "δ": before.delta + share * before.delta + 22.6 * epsilon_d / m,
            "τ": np.float64(82 * epsilon_d / m),
        },
        admitted(settings, found),
    )


theorem = Theorem(
    name="unlearning.two-layer",
    statement="two-layer ReLU, u_j = ±1/√n, gates of autodiff, ε₁ ≤ 1, δ₁ ≤ .5, |‖x_i‖² − 1| ≤ .1, "
    "|⟨x_i, x_j⟩| ≤ ε_d/(4mn), ε_d = .01",
    label="U2 (Theorem 4.1)",
    provenance="recalled",
    claim={
        "ε": AtMost(says="ε ≤ ε₁ + 9ε_dε₁/(m − 9ε_d) + 23ε_d/√m"),
        "δ": AtMost(says="δ ≤ δ₁ + 9ε_dδ₁/(m − 9ε_d) + 22.6ε_d/m"),
        "τ": AtMost(says="τ ≤ 82ε_d/m"),
    },
    presets={
        "smoke": Settings(d=5, samples=5, scale=1e-9, margin=100.0, trials=20),
        "course": Settings(d=10, samples=10, scale=1e-9, trials=135),
        "paper": Settings(d=20, samples=20, scale=1e-9, trials=688),
    },
    trial=trial,
    control=Control(name="twice the step", numbers={"share": 2.0}),
    search=Search(
        settings=Settings(samples=4, width=4),
        start=start_near_orthogonal,
        trial=lambda settings, scene: near_orthogonal.judged(
            settings, unlearn_near_orthogonal(settings, scene), bound
        ),
        check=check,
    ),
)
