"""Exercises of the lesson “How does a network forget?”.

Predictors are linear but for the last exercise: N(x) = ⟨w, x⟩, points x (m, d), labels y (m,) = ±1,
multipliers λ (m,); r is the point to forget.
"""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from experiments.lessons.exercise import Unsolved, exercise
from experiments.lessons.returned import returned
from theory.claims import AtMost
from theory.unlearning.linear import Settings, plant
from theory.unlearning.theorems.linear import forget


@exercise(
    "w = (.5, −1) = ¼·x₁ − 1·x₂: two points hold it. The third has margin 4.5, more than it needs; "
    "it could be deleted and w would not change."
)
def multipliers(answer: Any) -> str | None:
    """λ at w = (.5, −1) for x = (2, 0), (0, 1), (3, −3), y = 1, −1, 1: (.25, 1, 0)."""
    found = returned(answer, (3,))
    if isinstance(found, str):
        return found
    if np.allclose(found, (0.25, 1, 0), atol=0.005):
        return None
    if found[1] < 0:
        return "A multiplier is never negative: y₂ = −1 stands in front of it already."
    if found[0] < 0 or found[2] < 0:
        return "A multiplier is never negative: points push against their walls, none pulls."
    if found[2] > 0.005:
        return "Point 3 has margin 4.5 > 1. What does λ₃(4.5 − 1) = 0 leave?"
    if np.allclose(found, (0.5, 1, 0), atol=0.005):
        return "λ₁ = .5 would give the first coordinate .5·2. What is the length of x₁?"
    if np.allclose(found, (0.25, 0, 0), atol=0.005) or np.allclose(found, (0, 1, 0), atol=0.005):
        return "One point explains one coordinate of w only."
    w = found @ np.array([[2.0, 0], [0, -1], [3, -3]])
    return f"These give Σ λ_i y_i x_i = ({w[0]:.3g}, {w[1]:.3g}), and w is (.5, −1)."


@exercise(
    "Two numbers say how nearly w is a KKT point. No solver is needed to check a claim of somebody "
    "who gives the multipliers: they are the certificate."
)
def kkt_errors(answer: Callable[..., Any]) -> str | None:
    """A function of (w, lam, x, y) that gives (ε, δ), of a w of smallest margin 1."""
    rng = np.random.default_rng(1)
    for m, d in ((4, 6), (2, 3), (7, 9)):
        x, y = rng.standard_normal((m, d)), rng.choice([-1.0, 1.0], m)
        lam = rng.random(m) + 0.2
        w = np.linalg.lstsq(x * y[:, None], 1 + np.arange(m) / m, rcond=None)[0]
        w = w + 0.3 * np.linalg.svd(x)[2][-1]
        q = y * (x @ w)
        w, q = w / q.min(), q / q.min()
        found = returned(answer(w, lam, x, y), (2,))
        if isinstance(found, str):
            return found + " Give ε and δ, in this order."
        epsilon, delta = np.linalg.norm(w - (lam * y) @ x), (lam * (q - 1)).max()
        if np.allclose(found, (epsilon, delta), rtol=1e-4, atol=1e-9):
            continue
        if np.allclose(found, (delta, epsilon), rtol=1e-4):
            return "They are in the other order: ε first."
        if np.isclose(found[0], epsilon, rtol=1e-4):
            for wrong, hint in (
                ((q - 1).max(), "In δ each q_i − 1 counts with its multiplier."),
                ((lam * (q - 1)).sum(), "δ is the largest of the terms, not their sum."),
                ((lam * (q - 1)).mean(), "δ is the largest of the terms, not their mean."),
                ((lam * (1 - q)).max(), "The sign is turned: it is q_i − 1 that is not negative."),
                ((lam * q).max(), "λ_i q_i is not small at a support vector. What is to be small?"),
                (
                    (lam * (x @ w - 1)).max(),
                    "The margin of a point of label −1 is −⟨w, x⟩: the label is missing in δ.",
                ),
            ):
                if np.isclose(found[1], wrong, rtol=1e-4):
                    return hint
            return f"ε is right; δ is {found[1]:.3g} and should be {delta:.3g}."
        if np.isclose(found[0], epsilon**2, rtol=1e-4):
            return "ε is the norm, not its square."
        if np.isclose(found[0], np.linalg.norm(w - lam @ x), rtol=1e-4):
            return "The labels are missing in Σ λ_i y_i x_i."
        return f"ε is {found[0]:.3g} and should be {epsilon:.3g}: ‖w − Σ λ_i y_i x_i‖."
    return None


@exercise(
    "β = λ_r/|ℓ'(q_r)|, for this loss λ_r(1 + e^{q_r}): the better a point is fitted the smaller "
    "its gradient is, so the longer the step has to be."
)
def step_size(answer: Callable[..., Any]) -> str | None:
    """A function of (lam_r, q_r) that gives λ_r(1 + e^{q_r})."""
    for lam, q in ((1.0, 1.0), (0.4, 3.0), (2.5, 0.2)):
        found = answer(lam, q)
        if found is None or found is ...:
            raise Unsolved("Let the function return a step size.")
        found, right = float(found), lam * (1 + np.exp(q))
        if abs(found / right - 1) < 1e-3:
            continue
        for wrong, hint in (
            (-right, "The step size is positive: ascent adds β∇ℓ, and ℓ' is negative."),
            (lam, "This would do if the gradient of the loss were −y_r x_r. What is ℓ'(q)?"),
            (lam / (1 + np.exp(q)), "This is λ_r|ℓ'|: a small gradient needs a long step."),
            (1 + np.exp(q), "This removes y_r x_r once. How many times is it in w?"),
            (lam * np.exp(q), "This is for the loss e^{−q}. Here it is log(1 + e^{−q})."),
            (lam * (1 + np.exp(-q)), "ℓ'(q) is −1/(1 + e^{q}): look at the sign of q."),
        ):
            if abs(found / wrong - 1) < 1e-3:
                return hint
        return (
            f"For λ_r = {lam}, q_r = {q} it gives {found:.3g} and should give {right:.3g}: solve "
            "β|ℓ'(q_r)| = λ_r."
        )
    return None


@exercise(
    "The size of the step is broken and nothing else. A control this fine shows more of the check "
    "than twice the step does: even a tenth of λ_r, left over, does not escape it."
)
def control_fraction(answer: float) -> str | None:
    """t = β/β* between .8 and 1.2, so that ε breaks its bound in nearly every trial."""
    if answer < 0:
        return "A negative step is descent on the point to forget, another procedure."
    if answer == 1:
        return "t = 1 is what the theorem assumes: nothing is broken."
    if not 0.8 <= answer <= 1.2:
        return (
            "That is coarse, as twice the step is: what would be seen of a step that is a little "
            "wrong? Stay between .8 and 1.2."
        )
    settings = Settings()
    keys = jax.random.split(jax.random.key(11), 200)
    claim = AtMost()

    @jax.jit
    def sides(keys):
        def one(key):
            trial = forget(settings, plant(settings, key), float(answer))
            return trial.measured["ε"], trial.predicted["ε"]

        return jax.vmap(one)(keys)

    measured, predicted = (np.asarray(side) for side in sides(keys))
    share = claim.violated(measured, predicted).mean()
    if share > 0.9:
        return None
    return (
        f"Too weak: ε then breaks its bound in {100 * share:.0f} % of trials. ε₁ = .3 is there "
        "already, and what is left of λ_r adds to it by squares. Break more."
    )


@exercise(
    "4·10¹⁰ coordinates: the theorem is true, and out of reach of any real data. Its "
    "proof wants orthogonality far beyond what Gaussian points of an ordinary dimension have."
)
def dimension_needed(answer: float) -> str | None:
    """d with 1/√d = ε_d/(4mn) at ε_d = .01, m = 10, n = 50: 4·10¹⁰."""
    right = (4 * 10 * 50 / 0.01) ** 2
    if 0.9 < answer / right < 20:
        return None
    if answer <= 0:
        return "A dimension is positive."
    if abs(answer / right**0.5 - 1) < 0.1:
        return "This is 1 over the bound. Inner products are of order 1/√d, not 1/d."
    if abs(answer / (4 * 10 / 0.01) ** 2 - 1) < 0.1:
        return "This is the condition of the linear theorem, without the n neurons."
    if answer < right:
        return (
            f"At d = {answer:.3g} inner products are about {answer**-0.5:.2g}, and the theorem "
            f"asks for {right**-0.5:.2g} at most."
        )
    return "That is enough, but much more than is needed: solve 1/√d = ε_d/(4mn)."
