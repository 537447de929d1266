"""Exercises of the lesson “Which class should an attack aim at?”.

Linear logits z = A x + c, the gap g = z_y − z_j > 0 and its gradient a; then the size of a smooth
network's gradient off its data's subspace.
"""

from collections.abc import Callable
from math import isnan, log, sqrt

import numpy as np

from experiments.lessons.exercise import Unsolved, exercise
from experiments.lessons.returned import number

D, BETA, DELTA, SQUARED_SLOPE = 100, 0.5, 0.05, 0.58
"""Of the trials of Theorem 4.2, with the mean of σ′²."""

PRINTED = BETA**2 * (1 - 2 * sqrt(log(1 / DELTA) / D))
"""The square of the bound as printed."""


def _scenes():
    """(A, c, x, y) of a few sizes, y not always the first class."""
    for seed, (classes, d) in enumerate(((3, 2), (5, 4), (4, 7))):
        rng = np.random.default_rng(seed)
        a, c, x = rng.normal(size=(classes, d)), rng.normal(size=classes), rng.normal(size=d)
        yield a, c, x, int(np.argmax(a @ x + c))


@exercise(
    "The gap over how fast it closes. Of two classes the one with the larger gap is the nearer if "
    "its logit's slope differs more from the winner's."
)
def distances(answer: Callable) -> str | None:
    """A function of (A, c, x, y) that gives (z_y − z_j)/‖A_y − A_j‖ of all j ≠ y."""
    for a, c, x, y in _scenes():
        found = answer(a, c, x, y)
        if found is None or found is ...:
            raise Unsolved("Let the function return an array of distances.")
        found = np.asarray(found, dtype=float)
        others = np.delete(np.arange(len(c)), y)
        if found.shape == (len(c),):
            return "Leave the class y itself out: one number for each of the others."
        if found.shape != (len(c) - 1,):
            return (
                f"For {len(c)} classes give {len(c) - 1} numbers, in a row; it gave {found.shape}."
            )
        z = a @ x + c
        gap, slopes = z[y] - z[others], a[y] - a[others]
        size = np.linalg.norm(slopes, axis=1)
        without = (a @ x)[y] - (a @ x)[others]
        wrong = {
            "These are the gaps. How fast does each of them close along the best step?": gap,
            "The gap falls by ‖a_j‖ for each unit of length, not by its square.": gap / size**2,
            "The winner's logit changes along the step, too: which gradient has z_y − z_j?": (
                gap / np.linalg.norm(a[others], axis=1)
            ),
            "The biases are missing: they are part of the gap, though not of its gradient.": (
                without / size
            ),
            "The sign is turned: a distance is positive, and so is the gap z_y − z_j.": -gap / size,
            "For the Euclidean norm divide by the Euclidean norm, not by the sum of |a_i|.": (
                gap / np.abs(slopes).sum(axis=1)
            ),
            "These are distances from class 0. The winner is class y, which need not be 0.": (
                (z[0] - z[1:]) / np.linalg.norm(a[0] - a[1:], axis=1)
            ),
        }
        if np.allclose(found, gap / size, rtol=1e-6):
            continue
        for hint, value in wrong.items():
            if np.allclose(found, value, rtol=1e-6):
                return hint
        return (
            "A step of that length along −(A_y − A_j) does not close the gap of every class: for "
            f"one of them it leaves {np.max(np.abs(gap - found * size)):.2g}."
        )
    return None


@exercise(
    "Every coordinate moves by the same g/Σ|a_i|, each in its own direction: in ℓ_∞ one divides by "
    "the ℓ₁ norm. A step along −a wastes what the small coordinates may do."
)
def step(answer: Callable) -> str | None:
    """A function of (g, a) that gives the δ of least ‖δ‖_∞ with g + ⟨a, δ⟩ = 0."""
    for g, a in ((1.0, [3.0, -4.0]), (0.5, [1.0, 2.0, 0.5]), (2.0, [-1.0, 0.0, 5.0, 2.0])):
        a = np.array(a)
        found = answer(g, a)
        if found is None or found is ...:
            raise Unsolved("Let the function return a step, an array like a.")
        found = np.asarray(found, dtype=float)
        if found.shape != a.shape:
            return f"A step has as many coordinates as a, {len(a)}; this has shape {found.shape}."
        left = g + a @ found
        said = f"For g = {g} and a = {a.tolist()}"
        if left > g:
            return f"{said} the gap grows, from {g} to {left:.3g}. In which direction does it fall?"
        if abs(left) > 1e-6 * g:
            return (
                f"{said} the gap after the step is {left:.3g} and not 0. How far does it fall if "
                "every |δ_i| is 1?"
            )
        longest, least = np.max(np.abs(found)), g / np.abs(a).sum()
        if longest > least * (1 + 1e-6):
            return (
                f"{said} the gap closes, but ‖δ‖_∞ is {longest:.3g} and can be smaller. Which "
                "coordinates move less than they may?"
            )
    return None


@exercise(
    "One network in two violates it where the median squared length, .58·ℓ/d, is the squared bound "
    "β²(1 − 2√(ln(1/δ)/d)). Only where P^⊥ is larger is the printed bound safe."
)
def half(answer: float) -> str | None:
    """ℓ with .58·ℓ/100 = β²(1 − 2√(ln 20/100)), about 28."""
    answer = number(answer)
    right = D * PRINTED / SQUARED_SLOPE
    if abs(answer - right) <= 2.5:
        return None
    if 0 < answer < 1:
        return "This looks like a share ℓ/d. Give ℓ itself, of d = 100."
    if abs(answer - D * BETA**2 / SQUARED_SLOPE) <= 1.5:
        return (
            "That leaves out the square root within the bound: at d = 100 and δ = .05 the bound is "
            f"not β = .5 but {sqrt(PRINTED):.3f}."
        )
    if abs(answer - D * PRINTED / BETA**2) <= 2:
        return "That takes every slope for β. The slopes that the networks have give .58, not β²."
    if abs(answer - D * sqrt(PRINTED) / SQUARED_SLOPE) <= 2:
        return "Compare like with like: .58·ℓ/d is a squared length, the bound is a length."
    squared = SQUARED_SLOPE * answer / D
    side = "above" if squared > PRINTED else "below"
    return (
        f"At ℓ = {answer:.3g} the squared length is about {squared:.3g}, {side} the squared bound "
        f"{PRINTED:.3g}. Where are they equal?"
    )


@exercise(
    "‖Π∇N(x)‖² is (1/(md))·Σσ′² times a sum of ℓ squares, so at least β²/d times it: with d in "
    "place of ℓ inside the sum this is the bound as printed."
)
def bound(answer: Callable) -> str | None:
    """A function of (β, ℓ, d, δ) that gives β√((ℓ − 2√(ℓ ln(1/δ)))/d), 0 where that is below 0."""
    for beta, ell, d, delta in ((0.5, 25, 100, 0.05), (1.0, 60, 80, 0.01), (0.25, 50, 400, 0.1)):
        found = answer(beta, ell, d, delta)
        if found is None or found is ...:
            raise Unsolved("Let the function return a lower bound.")
        found = number(found)
        least = ell - 2 * sqrt(ell * log(1 / delta))
        right = beta * sqrt(least / d)
        printed = beta * sqrt(1 - 2 * sqrt(log(1 / delta) / d))
        said = f"bound({beta}, {ell}, {d}, {delta}) is {found:.4g}"
        if abs(found - right) <= 1e-6:
            continue
        if isnan(found):
            return f"{said}: a root or a logarithm of something negative. ln(1/δ) is positive."
        if abs(found - printed) <= 1e-6:
            return "This is the bound as printed. How many coordinates does Π∇N(x) have?"
        if abs(found - right**2) <= 1e-6 or abs(found - beta * least / d) <= 1e-6:
            return f"{said}, a bound on the square, or half of one. Take the root of all of it."
        if abs(found - beta * sqrt(least / ell)) <= 1e-6:
            return "The weights have variance 1/d per coordinate, not 1/ℓ."
        if abs(found - beta * sqrt(ell / d)) <= 1e-6:
            return f"{said}: this is its typical size. A bound for all but a share δ is smaller."
        if abs(found - sqrt(least / d)) <= 1e-6:
            return "That takes slopes for 1. Of the slopes you know that they are at least β."
        if found > right:
            return f"{said}, more than follows from the lemma with t = ln(1/δ) and slopes of β."
        return (
            f"{said}, true but not the largest that follows. With t = ln(1/δ) the lemma gives more."
        )
    return None
