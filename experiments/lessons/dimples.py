"""Exercises of the lesson “Perpendicular to the data: compared with what?”.

Distances δ from a point to a decision boundary: anywhere (std), within a subspace of dimension k of
R^d (on), and orthogonal to it (off).
"""

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np
from scipy import stats

from experiments.lessons.exercise import exercise
from experiments.lessons.returned import number, returned


@exercise(
    "Each is f/‖Πg‖ with the projection of its own. ‖g‖² = ‖Πg‖² + ‖g − Πg‖², so that "
    "δ_std⁻² = δ_on⁻² + δ_off⁻²: Pythagoras, in inverse distances."
)
def distances(answer: Callable[..., Any]) -> str | None:
    """A function of (f, g, basis) that gives the distances (std, on, off) of a linear model."""
    rng = np.random.default_rng(0)
    for f, d, k in ((1.0, 6, 2), (0.3, 20, 5), (2.0, 3, 1)):
        g = rng.standard_normal(d)
        basis = np.linalg.qr(rng.standard_normal((d, k)))[0]
        found = returned(answer(f, g, basis), (3,))
        if isinstance(found, str):
            return found + " Give the distance anywhere, on and off, in this order."
        on = basis @ (basis.T @ g)
        norms = np.array([np.linalg.norm(part) for part in (g, on, g - on)])
        if np.allclose(found, f / norms, rtol=1e-4):
            continue
        for wrong, hint in (
            (norms, "These are norms of gradients. How far must one go to bring f down to 0?"),
            (1 / norms, "f falls by ‖Πg‖ for each unit of length: how much is there to lose?"),
            (f * norms, "The steeper f is, the shorter is the way: divide."),
            (f / norms[[0, 2, 1]], "The last two are in the other order: on, then off."),
            (f / norms**2, "A step of f·Πg/‖Πg‖² ends at the boundary. How long is it?"),
        ):
            if np.allclose(found, wrong, rtol=1e-4):
                return hint
        for at, name in enumerate(("anywhere", "on the subspace", "off it")):
            if not np.isclose(found[at], f / norms[at], rtol=1e-4):
                return (
                    f"The distance {name} is {found[at]:.3g} and should be {f / norms[at]:.3g}: "
                    "against which vector does one go, and how steep is f along it?"
                )
    return None


@exercise(
    "√(784/16) = 7, whatever the images and the network are. A report that on the manifold one has "
    "to go seven times as far has found nothing yet."
)
def null_ratio(answer: float) -> str | None:
    """δ_on/δ_std of a random subspace, k = 16 and d = 784: about 7."""
    answer = number(answer)
    right = (784 / 16) ** 0.5
    if abs(answer / right - 1) < 0.05:
        return None
    if abs(answer / 49 - 1) < 0.05:
        return "This is the ratio of squares."
    if min(abs(answer - 28 / 16), abs(answer - (28 / 16) ** 0.5)) < 0.01:
        return "A picture of 28 × 28 pixels has 784 coordinates: d is 784."
    if answer < 0.99:
        return "On the subspace one has to go farther than anywhere: the ratio is above 1."
    if abs(answer - (784 / 768) ** 0.5) < 0.01:
        return "This is δ_off/δ_std. How much of g is left *on* 16 of 784 directions?"
    if abs(answer - 1) < 0.01:
        return "A random subspace takes no sides, but it has only 16 directions to go in."
    return "The mean share of ‖g‖² on the subspace is k/d. How is the ratio made of its root?"


D, K, TRIALS, LEVEL = 100, 10, 200, 0.001
REPEATS = 200


def detection(cosine: float) -> float:
    """How often trials notice that one vector of the subspace has this cosine with the gradient.

    The rest of it is uniform, so that the share of the squared gradient is c² and 1 − c² times a
    variable of law Beta((k − 1)/2, (d − k)/2).
    """
    rng = np.random.default_rng(0)
    rest = rng.beta((K - 1) / 2, (D - K) / 2, (REPEATS, TRIALS))
    shares = cosine**2 + (1 - cosine**2) * rest
    law = stats.beta(K / 2, (D - K) / 2).cdf
    return float(np.mean([stats.kstest(row, law).pvalue <= LEVEL / 2 for row in shares]))


@exercise(
    "In R^100 a vector drawn at random has a cosine of about .1 with the gradient anyhow; one has "
    "to go well beyond that for a subspace to know the gradient, and for trials to notice."
)
def control_cosine(answer: float) -> str | None:
    """A cosine in (0, 1) with which the law is falsified nearly always, d = 100 and k = 10."""
    answer = number(answer)
    if answer <= 0:
        return "The subspace is to hold more of the gradient than a random one: a cosine above 0."
    if answer >= 1:
        return (
            "At 1 the whole gradient is in the subspace, and there is no distance off it; above 1 "
            "there are no cosines."
        )
    power = detection(answer)
    if power >= 0.99:
        return None
    typical = (
        " What cosine has a random vector of R^100 with the gradient?" if answer <= 0.12 else ""
    )
    return f"Too weak: {TRIALS} trials notice it with probability {power:.2g}.{typical}"


REPORTS = ((784, 16, 2.9), (3072, 128, 5.0), (64, 4, 6.0))
WORDS = ("less", "same", "more")


@exercise(
    "R is .41, 1.02 and 1.5. Only the third report is evidence that the manifold is avoided; the "
    "first is evidence of the opposite, with a ratio of almost 3."
)
def reports(answer: Sequence[str]) -> str | None:
    """Of three reports, whether the manifold is avoided less, the same or more."""
    if isinstance(answer, str) or len(answer) != 3:
        return "Give three words, one for each report."
    found = [str(word).strip().lower() for word in answer]
    unknown = [word for word in found if word not in WORDS]
    if unknown:
        return f"{unknown[0]!r}: take the words less, same, more."
    right = ["less", "same", "more"]
    if found == right:
        return None
    if found == ["more"] * 3:
        return "All ratios are above 1; that of a random subspace is, too. Divide by it."
    if found == ["less"] * 3:
        return "Did you compare with d/k? Distances go with its root."
    at = next(at for at in range(3) if found[at] != right[at])
    d, k, ratio = REPORTS[at]
    return (
        f"Look at report {at + 1} again: with d = {d} and k = {k} a random subspace gives "
        f"{(d / k) ** 0.5:.2g}, and the report {ratio}."
    )


@exercise(
    "√(1 − 16/64) = .87. A gradient of which .7 lies off the components has *less* off them than a "
    "random vector has: training turned it towards the data."
)
def share_off_null(answer: float) -> str | None:
    """The share of a random vector's norm off 16 of 64 directions: √.75 = .866."""
    answer = number(answer)
    if answer > 1:
        return "A share of the norm is at most 1."
    if abs(answer - 0.866) < 0.01:
        return None
    if abs(answer - 0.75) < 0.005:
        return "This is the share of the *squared* norm."
    if abs(answer - 0.25) < 0.005:
        return "This is the share of the squared norm *on* the components."
    if abs(answer - 0.5) < 0.005:
        return "√(16/64) is the share *on* the components. Shares of norms do not add up to 1."
    return "Split the squared norm: k/d of it is on the subspace, on average. Then take a root."
