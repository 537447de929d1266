"""Exercises of the lesson “Why do adversarial examples exist?”.

The network in all of them: N(x) = Σ_i u_i σ(⟨w_i, x⟩), σ = ReLU, with w (m, d) and u (m,) = ±1/√m;
its data lie in a subspace P of R^d, ℓ = d − dim P.
"""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from experiments.lessons.exercise import Unsolved, exercise
from experiments.lessons.returned import returned
from theory.geometry import random_subspace
from theory.networks import two_layer_relu
from theory.subspace import flip_distance
from theory.subspace.scene import points_in
from theory.training import train_to_margin


@exercise(
    "Each row is a combination of the points x_j, so it lies in P: a step of gradient descent "
    "never moves a weight vector off P."
)
def hidden_gradient(answer: Callable[..., Any]) -> str | None:
    """A function of (w, u, x, y) that gives ∂L/∂w (m, d), L = Σ_j log(1 + exp(−y_j N(x_j)))."""
    rng = np.random.default_rng(0)
    for m, n, d in ((4, 3, 2), (3, 5, 7), (6, 1, 4)):
        w, x = rng.standard_normal((m, d)), rng.standard_normal((n, d))
        u, y = rng.choice([-1.0, 1.0], m) / m**0.5, rng.choice([-1.0, 1.0], n)
        found = returned(answer(w, u, x, y), (m, d))
        if isinstance(found, str):
            return found
        z = w @ x.T
        slope = -y / (1 + np.exp(y * (u @ np.maximum(z, 0))))
        gate = (z > 0).astype(float)
        right = u[:, None] * ((gate * slope) @ x)
        if np.allclose(found, right, rtol=1e-4, atol=1e-6):
            continue
        for wrong, hint in (
            (-right, "The sign is turned: raising y_j N(x_j) lowers the loss."),
            (right / n, "This is the gradient of the mean; L is the sum over j."),
            (
                u[:, None] * (np.ones_like(z) * slope) @ x,
                "All neurons learn from all points here. What is σ'(z) where z < 0?",
            ),
            ((gate * slope) @ x, "How does N depend on σ(⟨w_i, x⟩)? A factor is missing."),
            (
                u[:, None] * ((gate * -slope * y) @ x),
                "Two things are lost, the label and the sign: ∂/∂N of log(1 + e^{−y N}) has −y in "
                "front.",
            ),
            (
                u[:, None] * ((np.maximum(z, 0) * slope) @ x),
                "This has σ(z) where the chain rule has its derivative σ'(z).",
            ),
            (
                u[:, None] * ((gate * (-y - slope)) @ x),
                "Look at the sign in the exponent: the derivative of log(1 + e^{−q}) is "
                "−1/(1 + e^{q}).",
            ),
            (
                u[:, None] * ((gate * slope * y) @ x),
                "The labels are lost: the derivative of log(1 + exp(−y N)) by N has a factor y.",
            ),
            (
                u[:, None] * ((gate * -y) @ x),
                "Points that are fitted well should count less: what is the derivative of "
                "log(1 + e^{−q})?",
            ),
        ):
            if np.allclose(found, wrong, rtol=1e-4, atol=1e-6):
                return hint
        return (
            f"For m, n, d = {m}, {n}, {d} the entries differ by up to "
            f"{np.abs(found - right).max():.2g}. Go by the chain rule: loss, N, σ, ⟨w_i, x_j⟩."
        )
    return None


MOVERS = {
    "gradient descent": "Its steps are multiples of Σ_j c_j x_j.",
    "momentum": "It adds up earlier gradients; a sum of vectors of P is in P.",
    "mini-batches": "The gradient of any part of the data is a combination of that part.",
    "clipping by norm": "It makes the whole gradient shorter and does not turn it.",
}
"""What leaves W off P as it was, and why."""

LEAVERS = {
    "Adam": "It divides each coordinate by a number of its own, which turns a vector of P out of P",
    "clipping by value": "It cuts each coordinate off on its own, which turns a vector of P",
    "weight decay": "It multiplies all of W, the part off P with the rest",
}
"""What changes W off P, and how."""


@exercise(
    "Adam and clipping by value treat each coordinate on its own and turn gradients out of P; "
    "weight decay keeps the direction of the part off P and shrinks it."
)
def what_moves(answer: Any) -> str | None:
    """The names of what changes W off P, in any order."""
    given = [answer] if isinstance(answer, str) else list(answer)
    names = {name.lower(): name for name in (*MOVERS, *LEAVERS)}
    unknown = [name for name in given if str(name).strip().lower() not in names]
    if unknown:
        return f"{unknown[0]!r} is not in the list: write the names as they are there."
    found = {names[str(name).strip().lower()] for name in given}
    for name, why in MOVERS.items():
        if name in found:
            return f"Not {name}. {why}"
    missing = [name for name in LEAVERS if name not in found]
    if not missing:
        return None
    if missing == ["weight decay"]:
        return "One more: a step of it without any gradient, what does it do to the part off P?"
    how_many = "One is" if len(missing) == 1 else f"{len(missing)} are"
    return (
        f"{how_many} missing. Ask of each step: is it still a combination of the x_j when P is not "
        "spanned by coordinate axes?"
    )


@exercise(
    "Independent Gaussians add up by their variances: k of them, each of variance σ²/m in each of "
    "ℓ directions, give a squared length of about σ²kℓ/m."
)
def typical_length(answer: Callable[..., Any]) -> str | None:
    """A function of (k, m, ell, sigma) that gives σ√(kℓ/m)."""
    for k, m, ell, sigma in ((20, 50, 48, 0.13), (7, 9, 400, 1.0), (100, 400, 800, 0.03)):
        found = answer(k, m, ell, sigma)
        if found is None or found is ...:
            raise Unsolved("Let the function return a length.")
        right = sigma * (k * ell / m) ** 0.5
        if abs(float(found) / right - 1) < 0.02:
            continue
        for wrong, hint in (
            (right**2, "This is the squared length."),
            (
                sigma * k * (ell / m) ** 0.5,
                "This adds k lengths, as if all of the vectors pointed the same way. Which way do "
                "independent ones point?",
            ),
            (sigma * (k / m) ** 0.5, "This is one coordinate. How many are there off P?"),
            (sigma * (k * ell) ** 0.5, "Where are the output weights, u_i² = 1/m?"),
            (
                sigma * (ell / m) ** 0.5,
                "This is the length of one neuron's part. How many of them are added?",
            ),
            (sigma * ell**0.5, "This is the length of one g_i, without its u_i."),
            (
                sigma * k / m * ell**0.5,
                "This adds k lengths, and with 1/m. What is u_i, and how do independent vectors "
                "add up?",
            ),
            (sigma * (k * ell) ** 0.5 / m, "u_i² is 1/m, not 1/m²."),
        ):
            if abs(float(found) / wrong - 1) < 0.01:
                return hint
        return (
            f"For k, m, ℓ, σ = {k}, {m}, {ell}, {sigma} it gives {float(found):.3g} and should "
            f"give {right:.3g}. What is the variance of one coordinate of Σ_{{i∈S}} u_i g_i?"
        )
    return None


@exercise(
    "Off P each g_i is nearly orthogonal to the others, so that v raises each neuron of u_i > 0 by "
    "about its own ‖g_i‖² and lowers each of u_i < 0, whatever the point: one step for all."
)
def one_for_all(answer: Callable[..., Any]) -> str | None:
    """A function of (w, u, basis) that gives v ⊥ P along which N rises, against which it falls."""
    d, dim, m = 820, 8, 16
    for seed in range(2):
        keys = jax.random.split(jax.random.key(seed), 3)
        plane = random_subspace(keys[0], d, dim)
        x = points_in(keys[1], plane, 8)
        y = jnp.asarray([1.0, -1.0] * 4, x.dtype)
        net = train_to_margin(two_layer_relu(keys[2], d, m), x, y, margin=1.0).network
        v = returned(answer(np.asarray(net.w), np.asarray(net.u), np.asarray(plane.basis)), (d,))
        if isinstance(v, str):
            return v
        norm = float(np.linalg.norm(v))
        if not np.isfinite(norm) or norm == 0:
            return "That is no direction: its length is 0 or not finite."
        v = jnp.asarray(v / norm, x.dtype)
        if float(plane.off_share(v)) < 0.9999:
            return (
                "Part of it lies in P, so it would move a point to where data may be. What is left "
                "of a vector without its projection basis @ (basis.T @ vector)?"
            )
        distances = jax.vmap(flip_distance, in_axes=(None, 0, 0))
        away, along = (
            np.asarray(distances(net, x, s * y[:, None] * v[None, :])) for s in (-1.0, 1.0)
        )
        if (away < 8).all():
            continue
        if (along < 8).all():
            return "It works the other way: along this v the output falls. Turn it round."
        return (
            f"Steps against y·v shorter than 8 flip {(away < 8).sum()} of {len(x)} points, and "
            "should flip all. Which neurons should rise along v, and which should fall?"
        )
    return None


RATE, STEPS = 4 / 58, 300


@exercise(
    "A step leaves 1 − ηλ of the part off P, and no gradient touches it: after T steps "
    "(1 − ηλ)^T ≈ e^{−ηλT} is left."
)
def decay_to_a_tenth(answer: float) -> str | None:
    """λ with (1 − ηλ)^T = 1/10, η = 4/58, T = 300."""
    right = (1 - 0.1 ** (1 / STEPS)) / RATE
    if abs(answer / right - 1) < 0.02:
        return None
    if answer <= 0:
        return "Decay that makes weights smaller has λ > 0."
    if abs(answer / (right * RATE) - 1) < 0.02:
        return "This is ηλ. Divide by the step size."
    if abs(answer * RATE / 0.1 - 1) < 0.02 or abs(answer * RATE / 0.9 - 1) < 0.02:
        return "This counts one step. There are T of them, each of which multiplies."
    if abs(answer * RATE * STEPS / 0.9 - 1) < 0.02:
        return "This adds up T equal losses. Each step takes a share of what is left."
    left = max(0.0, 1 - RATE * answer) ** STEPS
    return f"With this λ, (1 − ηλ)^T is {left:.3g}. Solve for .1."
