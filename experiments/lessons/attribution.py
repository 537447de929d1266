"""Exercises of the lesson “When copies of a network agree”."""

from collections.abc import Callable
from math import pi, sqrt

import numpy as np

from experiments.lessons.exercise import Unsolved, exercise

DIMENSION = 16


def _number(answer: object) -> float:
    """What a student's function returned, as a number."""
    if answer is None or answer is ...:
        raise Unsolved("Let the function return a number.")
    return float(np.asarray(answer, dtype=float).item())


@exercise(
    "Directions first, then all pairs of different copies. It is 1 where all lie on one line, and "
    "never 0 for long: see the next exercise."
)
def agreement(answer: Callable) -> str | None:
    """A function of gradients (M, d) that gives the mean of |cos| over all pairs i < j."""
    rng = np.random.default_rng(0)
    for models, d in ((2, 3), (4, 16), (6, 5)):
        gradients = rng.normal(size=(models, d)) * rng.uniform(0.2, 5, size=(models, 1))
        found = _number(answer(gradients.copy()))
        units = gradients / np.linalg.norm(gradients, axis=1, keepdims=True)
        cosines, products = units @ units.T, gradients @ gradients.T
        pairs = np.triu_indices(models, 1)
        if np.isclose(found, np.abs(cosines[pairs]).mean(), rtol=1e-6):
            continue
        by_column = gradients / np.linalg.norm(gradients, axis=0)
        itself = "Each copy agrees with itself perfectly: leave the pairs i = j out."
        lengths = "Divide each gradient by its own length: a row is one copy."
        for wrong, hint in (
            (
                cosines[pairs].mean(),
                "Without |·| opposite directions cancel. Take absolute values before the mean.",
            ),
            (
                abs(cosines[pairs].mean()),
                "Take |·| of every cosine, not of their mean: it cancels before you look.",
            ),
            (np.abs(cosines).mean(), itself),
            (np.abs(cosines)[np.triu_indices(models)].mean(), itself),
            (np.abs(cosines).sum() / models / (models - 1), itself),
            (
                np.abs(np.triu(cosines, 1)).mean(),
                "The zeros that `triu` leaves count in this mean: divide by the number of pairs.",
            ),
            (
                np.abs(products[pairs]).mean(),
                "These are |products|, which grow with the gradients: divide by the lengths first.",
            ),
            (np.abs(products[pairs]).mean() / np.sum(gradients**2), lengths),
            (np.abs(by_column @ by_column.T)[pairs].mean(), lengths),
            (np.abs(cosines[pairs]).sum(), "This is a sum over pairs, not a mean."),
            ((cosines[pairs] ** 2).mean(), "This is the mean of cos², not of |cos|."),
        ):
            if np.isclose(found, wrong, rtol=1e-6):
                return hint
        return (
            f"For gradients {gradients.round(1).tolist()[:2]}, … it gives {found:.3g} and should "
            f"be {np.abs(cosines[pairs]).mean():.3g}."
            if models == 2
            else f"For {models} copies in R^{d} it gives {found:.3g}: how many pairs are there?"
        )
    return None


@exercise(
    "√(2/(πd)): the mean of |z| for a standard Gaussian z, over √d. The line 1/√d is the root mean "
    "square, which is above the mean: copies by chance would look “below chance”."
)
def chance_level(answer: float) -> str | None:
    """E|cos| in R¹⁶, .1995 by the Gaussian, .2026 exactly."""
    if 0.196 <= answer <= 0.206:
        return None
    if abs(answer - 1 / sqrt(DIMENSION)) < 0.005:
        return (
            "This is the root of the mean of cos². Is the mean of |z| for a Gaussian z equal to 1?"
        )
    if abs(answer - 1 / DIMENSION) < 0.002:
        return "This is the mean of cos², not that of |cos|."
    if answer == 0:
        return "The mean of cos is 0. Of its absolute value it is not."
    if abs(answer - sqrt(2 / pi)) < 0.005:
        return "This is the mean of |z|, where z = √d·cos. What is it for cos itself?"
    if abs(answer - 1 / sqrt(2 * pi * DIMENSION)) < 0.002:
        return "That is half of it: for |z| the negative z count as the positive ones do."
    if abs(answer - sqrt(2 / pi) / DIMENSION) < 0.002:
        return "Divide by √d, not by d: it is √d·cos that is Gaussian."
    if not 0 < answer < 1:
        return "It is the mean of |cos|, a number between 0 and 1."
    return "Which is the mean of |z| for a standard Gaussian z? Then cos = z/√d."


@exercise(
    "The score that was seen is one of 1 + B draws, all alike under chance. So p is never 0, and "
    "at most q with probability at most q."
)
def p_value(answer: Callable) -> str | None:
    """A function of (score, chance) that gives (1 + #{chance ≥ score})/(1 + B)."""
    chance = np.array([0.1, 0.2, 0.2, 0.3, 0.4, 0.5, 0.6, 0.7, 0.8])
    for score in (0.9, 0.25, 0.05, 0.2):
        found = _number(answer(score, chance.copy()))
        above, b = int(np.sum(chance >= score)), len(chance)
        right = (1 + above) / (1 + b)
        said = f"Chance scores {chance.tolist()}, score {score}: your p is {found:.3g}."
        if np.isclose(found, right):
            continue
        if np.isclose(found, 0) and above == 0:
            return (
                f"{said} Under chance a score can be the largest of {b + 1}, with probability "
                f"1/{b + 1}. So p = 0 would not be valid."
            )
        if np.isclose(found, above / (1 + b)) or np.isclose(found, above / b):
            return f"{said} Count the score itself among the draws, above and below the line."
        if np.isclose(found, (1 + above) / b):
            return f"{said} There are B + 1 draws in all, with the score that was seen."
        below = int(np.sum(chance <= score))
        if np.isclose(found * (1 + b), 1 + below) or np.isclose(found * b, below):
            return f"{said} That counts the draws below. A surprising score has few above it."
        if np.isclose(found, (1 + np.sum(chance > score)) / (1 + b)):
            return f"{said} A draw equal to the score is at least as large: count it."
        if not 0 <= found <= 1:
            return f"{said} A p-value is a probability."
        return f"{said} How many of the {b + 1} draws are at least as large as the score?"
    return None


@exercise(
    "Labels of its own: as many of each kind, and no more in common than chance. Texts then pull "
    "the copies in directions whose signs have nothing to do with each other."
)
def labels_of_second(answer: Callable) -> str | None:
    """A function of (y, rng) that gives balanced labels, about as often y_j as −y_j."""
    rng = np.random.default_rng(0)
    overlaps = []
    for _ in range(40):
        y = rng.permutation(np.repeat([-1.0, 1.0], 10))
        found = answer(y.copy(), rng)
        if found is None or found is ...:
            raise Unsolved("Let the function return labels.")
        found = np.asarray(found, dtype=float)
        if found.shape != y.shape:
            return f"Give one label for each of {len(y)} texts; this has shape {found.shape}."
        if not np.isin(found, (-1.0, 1.0)).all():
            return "Labels are 1 and −1."
        if found.sum() != 0:
            return (
                f"Now {int((found > 0).sum())} of {len(y)} labels are 1: that is a second change. "
                "A control breaks one thing."
            )
        overlaps.append(float(found @ y) / len(y))
    mean = float(np.mean(overlaps))
    if mean < -0.5:
        return (
            "All signs turned: then both copies learn the same line in opposite directions, and "
            "|cos| is as large as before."
        )
    if mean > 0.5:
        return f"{50 + 50 * mean:.0f} % of the labels are as before, so the copies still agree."
    if np.mean(np.abs(overlaps)) > 0.5:
        return "On average it is even, but each time the labels are much alike or much opposed."
    return None
