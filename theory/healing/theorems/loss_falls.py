"""H5: every step of descent on the healing loss of a ReLU layer lowers it, kinks and all.

X are the n inputs of a layer, W = MW its weights under a mask, h = relu(XWᵀ) its states, t ≥ 0
those of the dense layer. L is the distance of `theory.healing.alignment`: with
φ(h) = h/√(‖h‖² + ε),

  (cosine) L = Σ_r ‖φ(h_r) − φ(t_r)‖²/2n, or (mse) L = ‖h − t‖²/‖t‖².

A step W ← W − ηG with G = M∇L(W) and η ≤ 1/K lowers L by at least ½η‖G‖². So the mean of ‖G‖²
over T steps is at most 2L_0/ηT: descent stops only where the gradient is 0. Here
K = ‖A⁴‖_F^¼ with A = 2XXᵀ/‖t‖² for mse, and A_rs = √(c_r c_s)⟨x_r, x_s⟩/n for cosines, where
c_r = (2/√3 + ε/ρ_r²)/ρ_r² and ρ_r² = (‖h_r‖ − η‖Gx_r‖)₊² + ε are measured before every step.

Proof. Along the step, W − sηG, s from 0 to 1, dL/ds jumps where a pre-activation z_i passes 0, and
there dh_i/ds grows, by |dz_i/ds|, be it on the way up or down. ∂L/∂h_i is a positive multiple of
−t_i ≤ 0 at h_i = 0: dL/ds falls. (So it does at s = 0 if z_i = 0, where JAX has relu′ = 0.) Between
jumps dh_r/ds = v_r is constant, a part of −ηGx_r. For mse, d²L/ds² = 2Σ‖v_r‖²/‖t‖². For cosines
let q² = ‖h_r‖² + ε ≥ ρ_r², as ReLU is 1-Lipschitz, and v a unit vector, α = ⟨h_r, v⟩/q. The second
derivative along v of ½‖φ(h)‖² = ½ − ε/2q² is at most ε/q⁴. That of φ is
(3α² − 1)h/q³ − 2αv/q², with a norm of at most √(1 + 2α² − 3α⁴)/q² ≤ 2/√3q². As ‖φ(t_r)‖ ≤ 1,
d²L/ds² ≤ Σ c_r‖v_r‖²/n. In both cases that is at most λ_max(A)‖ηG‖² ≤ K‖ηG‖². A slope that
begins at −η‖G‖² and grows no faster gives L(W − ηG) ≤ L(W) − η‖G‖² + ½K‖ηG‖². ∎

The kinks are concave because t ≥ 0. Targets below 0 make convex ones, at which steps of any size
may fail; and weights of two layers that move together have no such K.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Key

from theory import settings as foundation
from theory.claims import AtLeast, AtMost
from theory.healing.alignment import FLOOR, Method, distance
from theory.healing.heal import align
from theory.healing.masks import apply_masks, random_scores, smallest_of_rows
from theory.healing.ridge_descent import QUARTER
from theory.healing.theorems.dense_fixed_point import NAMES
from theory.networks import two_layer_relu
from theory.sampling import gaussian_points
from theory.settings import Count, Positive, ShareBelowOne
from theory.theorem import Control, Theorem, Trial

MOVED = 0.05
"""The least that healing moves the weights, relatively."""


@dataclass(frozen=True)
class Settings(foundation.Settings):
    """A ReLU layer, pruned at random, and its inputs."""

    d: Count = 32
    """inputs of the layer"""
    width: Count = 96
    """neurons m of the layer"""
    samples: Count = 32
    """calibration inputs n"""
    pruned: ShareBelowOne = 0.5
    """share of every row that is pruned"""
    steps: Count = 100
    """steps T of descent"""
    step: Positive = 0.2
    """step size η in units of 1/K as it is for small steps from the start"""


def states(w: Float[Array, "width d"], x: Float[Array, "n d"]) -> Float[Array, "n width"]:
    """relu(XWᵀ).

    Example:
        >>> states(jnp.array([[1.0], [-1.0]]), jnp.array([[2.0]])).tolist()
        [[2.0, 0.0]]
    """
    return jax.nn.relu(x @ w.T)


def largest(gram: Float[Array, "n n"]) -> Float[Array, ""]:
    """‖A⁴‖_F^¼, which is at least the largest eigenvalue of A = Aᵀ and at most n^⅛ times that.

    Example:
        >>> round(float(largest(jnp.diag(jnp.array([3.0, 2.0])))), 3)
        3.014
    """
    square = gram @ gram
    return jnp.linalg.norm(square @ square) ** 0.25


def constant(
    method: Method,
    x: Float[Array, "n d"],
    targets: Float[Array, "n width"],
    w: Float[Array, "width d"],
    step: Float[Array, "width d"],
) -> Float[Array, ""]:
    """K of the step from W to W − ηG, G being masked.

    Args:
        method: whose loss.
        x: inputs.
        targets: t.
        w: W.
        step: ηG.

    Example:
        >>> one = jnp.ones((1, 1))
        >>> for method in NAMES:
        ...     print(round(float(constant(method, one, one, one, 0 * one)), 3))
        1.155
        2.0
    """
    if method == "mse":
        return largest(2 * x @ x.T / jnp.sum(targets**2))
    norms = jax.vmap(jnp.linalg.norm)
    epsilon = FLOOR * jnp.mean(jnp.sum(targets**2, axis=1))
    shortest = jnp.maximum(norms(states(w, x)) - norms(x @ step.T), 0) ** 2 + epsilon
    scaled = x * jnp.sqrt((2 / 3**0.5 + epsilon / shortest) / shortest)[:, None]
    return largest(scaled @ scaled.T / len(x))


def trial(settings: Settings, key: Key[Array, ""], sign: float = 1.0) -> Trial:
    """Measured: the least (L_t − L_{t+1})/η‖G_t‖² of all steps, and the mean ‖G_t‖².

    Predicted: ½ and 2L_0/ηT, of both losses. The targets are ``sign`` times the dense states.
    """
    key_x, key_dense, key_mask = jax.random.split(key, 3)
    x = gaussian_points(key_x, settings.samples, settings.d)
    dense = two_layer_relu(key_dense, settings.d, settings.width).w
    mask = smallest_of_rows(random_scores(key_mask, dense), settings.pruned)
    start, targets = apply_masks(dense, mask), sign * states(dense, x)
    measured, predicted, long, moved = {}, {}, [], []
    for method, name in NAMES.items():
        rate = settings.step / constant(method, x, targets, start, 0 * start)
        options = {"method": method, "optimizer": optax.sgd(rate), "steps": 1, "batch": len(x)}

        def step(w, _, method: Method = method, rate=rate, options=options):
            value, gradient = jax.value_and_grad(lambda w: distance(states(w, x), targets, method))(
                w
            )
            g = apply_masks(gradient, mask)
            end = align(states, w, mask, x, targets, **options).params
            fell = value - distance(states(end, x), targets, method)
            square = jnp.sum(g**2)
            ratio = jnp.where(square > 0, fell / jnp.where(square > 0, rate * square, 1), jnp.inf)
            return end, (ratio, square, rate * constant(method, x, targets, w, rate * g))

        end, (ratios, squares, sizes) = jax.lax.scan(step, start, length=settings.steps)
        first = distance(states(start, x), targets, method)
        measured |= {f"D {name}": jnp.min(ratios), f"∇ {name}": jnp.mean(squares)}
        predicted |= {
            f"D {name}": jnp.full((), 0.5, x.dtype),
            f"∇ {name}": 2 * first / (rate * settings.steps),
        }
        long.append(jnp.max(sizes))
        moved.append(jnp.linalg.norm(end - start) / jnp.linalg.norm(start))
    return Trial(
        measured=measured,
        predicted=predicted,
        assumptions={
            "η ≤ 1/K at every step": 1 - jnp.max(jnp.stack(long)),
            "t ≥ 0": jnp.min(targets),
            "weights moved": jnp.min(jnp.stack(moved)) - MOVED,
            "a quarter of the weights pruned": jnp.mean(mask == 0, dtype=x.dtype) - QUARTER,
        },
    )


theorem = Theorem(
    name="healing.loss-falls",
    statement="one ReLU layer, targets t ≥ 0, masked descent at η ≤ 1/K, G_t = M∇L(W_t), T steps",
    label="H5",
    provenance="derived",
    claim={
        "D cosine": AtLeast(says="L(W_t) − L(W_{t+1}) ≥ ½η‖G_t‖² for directions, every t"),
        "∇ cosine": AtMost(says="mean of ‖G_t‖² ≤ 2L(W_0)/ηT for directions"),
        "D mse": AtLeast(says="L(W_t) − L(W_{t+1}) ≥ ½η‖G_t‖² for the states, every t"),
        "∇ mse": AtMost(says="mean of ‖G_t‖² ≤ 2L(W_0)/ηT for the states"),
    },
    presets={
        "smoke": Settings(d=16, width=64, samples=16, steps=30, trials=20),
        "course": Settings(trials=135),
        "paper": Settings(d=64, width=128, samples=64, steps=300, trials=688),
    },
    trial=trial,
    control=Control(name="steps of ten times 1/K", settings={"step": 10.0, "steps": 10}),
)
