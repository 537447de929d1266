"""Exercises of the lesson “Healing a pruned network”."""

from collections.abc import Callable
from math import sqrt

import jax
import jax.numpy as jnp
import numpy as np

from experiments.lessons.exercise import Unsolved, exercise
from experiments.lessons.returned import number

COVARIANCE = 0.8

CLOSE = 1e-4
"""How far a distance of directions may be from 1 − cos."""


@exercise(
    "E[x₁z]/E[x₁²] = 1 + c: the survivor takes over what of the other input can be told from its "
    "own. The rest, of variance 1 − c², is lost."
)
def best(answer: float) -> str | None:
    """1 + .8."""
    answer = number(answer)
    if abs(answer - (1 + COVARIANCE)) < 1e-6:
        return None
    if answer == 1:
        return "This is the old weight. Where x₂ tends to be large with x₁, it can do more."
    if answer == 2:
        return "That would be right if x₂ were equal to x₁. Their covariance is .8, not 1."
    if abs(answer - sqrt(2 + 2 * COVARIANCE)) < 0.01:
        return "This gives w·x₁ the variance of z. Asked is for the least squared error."
    if abs(answer - COVARIANCE) < 1e-6:
        return "That makes up for x₂ alone. And x₁'s own part of z?"
    if abs(answer - (1 + COVARIANCE) / 2) < 1e-6:
        return "The mean of x₁² is 1: there is nothing to divide by."
    slope = 2 * (answer - 1 - COVARIANCE)
    side = "smaller" if slope > 0 else "larger"
    return f"At w = {answer:.3g} the mean of (w·x₁ − z)² still falls for a {side} w. Set d/dw to 0."


@exercise(
    "Ridge regression on the columns that are left. Solved for all weights and masked afterwards, "
    "the survivors would count on what is no longer there."
)
def masked_ridge(answer: Callable) -> str | None:
    """A function of (X, z, mask, λ) that gives the minimiser, 0 where the mask is."""
    rng = np.random.default_rng(0)
    for n, d, lam in ((6, 4, 0.3), (3, 8, 1.0), (10, 5, 0.05)):
        x = rng.normal(size=(n, d)) + rng.normal(size=(n, 1))
        z, mask = rng.normal(size=n), np.arange(d) % 2
        try:
            found = answer(x.copy(), z.copy(), mask.copy(), lam)
        except np.linalg.LinAlgError:
            return (
                "Your system is singular: the row of a pruned weight has only zeros. Leave that "
                "row and its column out, or put something on the diagonal."
            )
        if found is None or found is ...:
            raise Unsolved("Let the function return the weights.")
        found = np.asarray(found, dtype=float)
        if found.shape != (d,):
            return f"Give a weight for each of the {d} inputs, pruned ones too; not {found.shape}."

        def ridge(a, lam=lam, z=z):
            return np.linalg.solve(a.T @ a + lam * np.eye(a.shape[1]), a.T @ z)

        kept = mask == 1
        right = np.zeros(d)
        right[kept] = ridge(x[:, kept])
        if np.allclose(found, right, rtol=1e-5, atol=1e-8):
            continue
        if np.abs(found[~kept]).max() > 1e-9:
            if not found[2:].any():
                return (
                    "Only w[0] and w[1] are not 0: as an index, the mask's zeros and ones are "
                    "numbers of columns. mask == 1 is an index that selects."
                )
            return "Weights that are pruned come out different from 0" + (
                ": this is the solution for all weights." if np.allclose(found, ridge(x)) else "."
            )
        if np.allclose(found, mask * ridge(x), rtol=1e-5):
            return (
                "Solved for all weights, then masked: the survivors count on the others' help. "
                "Which columns of X are left?"
            )
        plain = np.zeros(d)
        plain[kept] = np.linalg.lstsq(x[:, kept], z, rcond=None)[0]
        if np.allclose(found, plain, rtol=1e-5):
            return "This is least squares without λ. Where in the equations does λ‖w‖² appear?"
        slope = x.T @ (x @ found - z) + lam * found
        return (
            f"At your w the gradient of ½f on the kept weights is not 0 but up to "
            f"{np.abs(slope[kept]).max():.2g}. Set it to 0 and solve."
        )
    return None


@exercise(
    "½‖φ(h) − φ(h*)‖² is 1 − cos for unit vectors, and the square of a smooth function of h: at "
    "equal states it and its gradient are 0, with no case to distinguish."
)
def distance(answer: Callable) -> str | None:
    """A function of (h, target): mean of 1 − cos, 0 at equal states, without NaN."""
    rng = np.random.default_rng(0)
    h, target = (jnp.asarray(rng.normal(size=(5, 4)) * 3) for _ in range(2))
    found = answer(h, target)
    if found is None or found is ...:
        raise Unsolved("Let the function return a number.")
    if jnp.shape(found) != ():
        return f"Give one number, the mean over rows; this has shape {jnp.shape(found)}."
    lengths = jnp.linalg.norm(h, axis=1) * jnp.linalg.norm(target, axis=1)
    cosines = jnp.sum(h * target, axis=1) / lengths
    right = float(jnp.mean(1 - cosines))
    if abs(float(found) - 2 * right) < CLOSE:
        return "Twice too large: the squared distance of unit vectors is 2 − 2cos."
    if abs(float(found) - float(jnp.sum(1 - cosines))) < CLOSE:
        return "That is the sum over rows; take the mean."
    if abs(float(found) - right / h.shape[1]) < CLOSE:
        return "That is a mean over features, too. Sum over them, and take the mean over rows."
    if abs(float(found) - right) > CLOSE:
        return (
            f"For rows that are not small it gives {float(found):.4f} and 1 − cos is {right:.4f}."
        )
    dead = h.at[1].set(0.0)
    cases = {"equal rows of zeros": (dead, dead), "a row of zeros in h alone": (dead, h)}
    for name, (one, other) in cases.items():
        try:
            value, slope = jax.value_and_grad(lambda h, other=other: answer(h, other))(one)
        except jax.errors.JAXTypeError:
            return "JAX finds no gradient of it: use jnp and not np throughout, and no float()."
        if not jnp.isfinite(value):
            return f"With {name} it is {float(value)}: what is divided by 0?"
        if one is other and abs(float(value)) > 1e-12:
            return (
                f"With {name} it is {float(value):.2g} and not 0: such a row has cos = 0, so that "
                "1 − cos charges 1 for it though nothing differs."
                if value > 0.01
                else f"At equal states it is {float(value):.2g}, not 0. Write it as a square."
            )
        if not jnp.all(jnp.isfinite(slope)):
            return (
                f"The value is right, but with {name} its gradient is NaN: the derivative of a "
                "norm at 0 divides by 0, in a branch that is not taken, too."
            )
        if one is other and float(jnp.abs(slope).max()) > 1e-6:
            return f"At equal states the gradient is {float(jnp.abs(slope).max()):.2g} and not 0."
    return None


@exercise(
    "The same states, in the wrong order. What else training on states could do, scales, dead "
    "neurons, is as before; only what belongs to which image is lost."
)
def rows_of_control(answer: Callable) -> str | None:
    """A function of n that gives a permutation of range(n) without fixed points."""
    for n in (5, 60):
        found = answer(n)
        if found is None or found is ...:
            raise Unsolved("Let the function return an array of indices.")
        found = np.asarray(found)
        if found.shape != (n,):
            return f"For {n} images give {n} indices, not an array of shape {found.shape}."
        if found.min() < -n or found.max() >= n:
            return f"Indices of {n} rows are 0 to {n - 1}."
        found = found % n  # -1 is the last row
        if len(set(found.tolist())) == 1:
            return (
                "All images get one target: then the set of states has changed, too, and a network "
                "that gives one state for all images would be perfect."
            )
        if len(set(found.tolist())) < n:
            return (
                f"Only {len(set(found.tolist()))} of {n} rows appear: a second thing has changed, "
                "the set of targets."
            )
        own = int(np.sum(found == np.arange(n)))
        if own == n:
            return "Every image has its own target: nothing is broken."
        if own:
            return f"{own} of {n} images still have their own target. Let it be none."
    return None
