"""Exercises of the lesson “A defence that depends on what no prediction shows”.

The energy of logits z is E = −ln Σ_k exp z_k; a step down it is along Σ_k e_k g_k, e = softmax z.
"""

from collections.abc import Callable

import numpy as np
from scipy.special import logsumexp, softmax

from experiments.lessons.exercise import Unsolved, exercise
from experiments.lessons.returned import number


def _array(answer: object) -> np.ndarray:
    """What a student's function returned, as an array."""
    if answer is None or answer is ...:
        raise Unsolved("Let the function return an array.")
    return np.asarray(answer, dtype=float)


@exercise(
    "−Σ_k e_k g_k: by the chain rule, since the derivative of ln Σ exp z_k in z_k is the softmax "
    "e_k. A step down goes along Σ_k e_k g_k."
)
def energy_gradient(answer: Callable) -> str | None:
    """A function of (z, g) that gives −softmax(z) @ g."""
    rng = np.random.default_rng(0)
    for classes, d in ((2, 3), (5, 2), (3, 6)):
        z, g = 2 * rng.normal(size=classes), rng.normal(size=(classes, d))
        found = _array(answer(z.copy(), g.copy()))
        if found.shape != (d,):
            return f"For {classes} logits of an x in R^{d} give {d} numbers, not {found.shape}."
        e = softmax(z)
        if np.allclose(found, -e @ g, rtol=1e-6):
            continue
        wrong = {
            "The energy has a minus in front: look at the sign.": e @ g,
            "Divide by Σ exp z_k: the derivative of ln s is 1/s times that of s.": -np.exp(z) @ g,
            "This is the gradient of the largest logit alone. All of them are in the sum.": (
                -g[np.argmax(z)]
            ),
            "The gradients are weighed by the logits. By what does exp z_k weigh them?": -z @ g,
            "This weighs all classes alike. Those with larger logits have more say.": (
                -g.mean(axis=0)
            ),
        }
        for hint, value in wrong.items():
            if np.allclose(found, value, rtol=1e-6):
                return hint
        length = np.linalg.norm(e @ g)
        if np.allclose(found, -e @ g / length, rtol=1e-6):
            return "Right direction. Here the gradient itself is asked for, not its unit vector."
        return (
            "Use the chain rule: first the derivative of −ln Σ exp z_k in each z_k, then g_k. "
            f"For equal logits and gradients all equal to v the result is −v; you are "
            f"{np.abs(found + e @ g).max():.2g} off at a random point."
        )
    return None


@exercise(
    "Δ ≥ ε·2·.6 has to make up for .5. The paper's condition, ε > 2|r|/‖g_t‖ = .5 with u < ½, asks "
    "for a little more than is needed here."
)
def eps_needed(answer: float) -> str | None:
    """|r|/(‖g_t‖(1 − u)) = .5/1.2."""
    answer = number(answer)
    if abs(answer - 0.5 / 1.2) < 0.004:
        return None
    if answer < 0:
        return "ε is the length of a step: positive. The margin to be made up for is |r|."
    if abs(answer - 0.25) < 0.004:
        return "This would be enough if the step were along g_t alone, u = 0. Here u takes a share."
    if abs(answer - 0.5 / 0.6) < 0.004:
        return "‖g_t‖ = 2: the margin changes twice as fast as for a gradient of length 1."
    if abs(answer - 0.5) < 0.004:
        return "This is 2|r|/‖g_t‖, the paper's. It suffices for any u below ½; u is smaller here."
    if abs(answer - 0.625) < 0.004:
        return "Here 1 − u and u are mixed up: the change is at least ε‖g_t‖(1 − u)."
    gained = answer * 2 * 0.6
    if gained < 0.5:
        return f"Then the inequality promises a change of {gained:.3g} only, less than |r| = .5."
    return f"Enough, but not the least: it promises a change of {gained:.3g}, and .5 is needed."


@exercise(
    "Once v has enough of g_t in it, the true class has more say than the winner. Not one answer "
    "has changed. In the gauge v = g_t the logit f_h is flat, and the step climbs f_t alone."
)
def gauge(answer: Callable) -> str | None:
    """A function of (z, g), g[1] = −g[0], z[0] < z[1], that gives a v whose gauge restores."""
    rng = np.random.default_rng(0)
    for d, r in ((2, -0.2), (3, -1.0), (5, -4.0)):
        g = rng.normal(size=d)
        g, z = np.stack([g, -g]), np.array([r, 0.0])
        v = _array(answer(z.copy(), g.copy()))
        if v.shape != (d,):
            return f"v is a vector of R^{d}, to be added to both rows; yours has shape {v.shape}."
        e = softmax(z)
        along = e @ (g + v[None])
        gain = along @ (g[0] - g[1])
        if gain > 1e-9:
            continue
        if np.allclose(v, 0):
            return "v = 0 is the gauge that there was, in which the step goes along −g_t."
        cosine = v @ g[0] / np.linalg.norm(v) / np.linalg.norm(g[0])
        if cosine < -1e-6:
            return (
                "This v pulls the step away from the true class. In which direction does f_t grow?"
            )
        if abs(cosine) < 1e-6:
            return "v is at right angles to g_t: it turns the step aside, but not back."
        return (
            f"At a margin of {r} it is too little: the step is along (e_t − e_h)g_t + v, and there "
            f"e_t − e_h is {e[0] - e[1]:.2f}. Your v has {v @ g[0] / (g[0] @ g[0]):.2f} of g_t."
        )
    return None


@exercise(
    "In this gauge every step goes towards class 0, whoever is right. What the one class gains the "
    "other loses, and no answer of the classifier tells which gauge it has."
)
def share(answer: float) -> str | None:
    """½."""
    answer = number(answer)
    if answer in (0.5, 50):
        return None
    if answer in (1, 100):
        return (
            "For points of class 0, yes. Take a lost point of class 1, where 0 is predicted: along "
            "which vector does the step go?"
        )
    if answer == 0:
        return (
            "That is the symmetric gauge, φ = 0. Which gradients do the two logits have in yours?"
        )
    if answer in (0.25, 0.75, 25, 75):
        return "All steps are long enough. Only the direction counts: which is it, for each class?"
    return "Find the direction of the step for a lost point of class 0, and for one of class 1."


@exercise(
    "What is added to all logits is taken off again, so E depends on the probabilities alone. The "
    "mean is one choice, the largest logit another; they give different defences, too."
)
def canonical(answer: Callable) -> str | None:
    """A function of logits (n, K): same answers, an energy that varies but not with the gauge."""
    rng = np.random.default_rng(0)
    for n, classes in ((4, 3), (6, 10)):
        z, phi = 3 * rng.normal(size=(n, classes)), 5 * rng.normal(size=(n, 1))
        found, other = _array(answer(z.copy())), _array(answer(z + phi))
        if found.shape != z.shape:
            return f"For logits of shape {z.shape} it returned {found.shape}: return logits again."
        if not np.array_equal(found.argmax(axis=1), z.argmax(axis=1)):
            return "Some answers have changed: another class has the largest number."
        energies, others = -logsumexp(found, axis=1), -logsumexp(other, axis=1)
        if np.ptp(energies) < 1e-9:
            return (
                f"It is the same in every gauge, but the energy is {energies[0]:.2g} at every "
                "input: there is no gradient left to follow."
            )
        if np.allclose(found, z):
            return "These are the logits as they were, in the gauge that they were in."
        if np.allclose(found, z - z.mean(axis=0)) or np.allclose(found, z - z.mean()):
            return "φ differs from input to input. Take the mean over the classes, row by row."
        if not np.allclose(energies, others):
            gap = np.abs(energies - others).max()
            return f"After adding φ(x) to all logits of a row its energy differs by {gap:.2g}."
    return None
