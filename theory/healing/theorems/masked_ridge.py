"""H3: descent on the ridge loss of a pruned layer goes to the closed form, at a known rate.

X are the n inputs of a layer, z what one of its outputs should be, M the diagonal of that output's
mask, G = XᵀX. Over weights w = Mw, f(w) = ½‖Xw − z‖² + ½λ‖w‖² with λ > 0 has the unique minimiser
w* that solves (MGM + λI + I − M)w* = MXᵀz, and descent w ← w − ηM∇f(w) from w_0 = Mw_0 with
η = 1/(tr G + λ) obeys

  (1 − ηλ)^t‖Πw_0‖ ≤ ‖w_t − w*‖ ≤ (1 − ηλ)^t‖w_0 − w*‖,

Π being the projection onto the w = Mw that no input sees, XMw = 0.

Proof. With w = Mw, M∇f(w) = (MGM + λI)w − MXᵀz. The matrix is positive definite for λ > 0, so f is
strictly convex on these w and M∇f(w*) = 0 has one solution there. On pruned coordinates the system
reads w = 0, on the others it is M∇f = 0: it has the same solution. Subtract:
w_{t+1} − w* = (I − η(MGM + λI))(w_t − w*). The eigenvalues of MGM are in [0, tr G], so those of
the factor are in [0, 1 − ηλ]. On the image of Π, MGM is 0 and the factor 1 − ηλ, and Πw* = 0,
because λΠw* = ΠMXᵀz = 0 by the system: Π(w_t − w*) = (1 − ηλ)^t Πw_0. ∎

The norms are those over all outputs together, which share η. With fewer inputs than weights left,
MGM is singular, and the lower bound says that no smaller rate is true. The trial has such sizes,
so its bounds are within a factor of 2 of each other.

The closed form of the whole layer, (G + λI)w = Xᵀz, is not where descent goes that keeps what is
pruned at 0: the control.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import optax

from theory import settings as foundation
from theory.claims import AtLeast, AtMost
from theory.geometry import orthonormalise
from theory.healing.descent import masked_descent
from theory.healing.least_squares import masked_ridge
from theory.healing.masks import apply_masks, random_scores, smallest_of_rows
from theory.networks import two_layer_relu
from theory.sampling import gaussian_points
from theory.settings import Count, Positive, ShareBelowOne
from theory.theorem import Control, Theorem, Trial

SOLVED = 1e-5
"""Largest relative residual of the closed form: conjugate gradients stop at a tenth of it."""

QUARTER = 0.25
"""The least share of the weights that is pruned."""


@dataclass(frozen=True)
class Settings(foundation.Settings):
    """A layer with fewer inputs than weights left in a row."""

    d: Count = 48
    """inputs of the layer"""
    width: Count = 32
    """outputs of the layer"""
    samples: Count = 16
    """calibration inputs n"""
    pruned: ShareBelowOne = 0.5
    """share of every row that is pruned"""
    ridge: Positive = 0.1
    """λ in units of tr G"""
    steps: Count = 40
    """steps t of descent"""


def ridge_of_all(x, z, mask, ridge):
    """The closed form with its mask ignored.

    Example:
        >>> x, mask = jnp.eye(2), jnp.array([[1, 0]], jnp.uint8)
        >>> ridge_of_all(x, jnp.ones((2, 1)), mask, 1.0).tolist()
        [[0.5, 0.5]]
    """
    return masked_ridge(x, z, jnp.ones_like(mask), ridge)


def unseen(w, x, mask):
    """Πw of every row: what no input sees of the weights that the mask left.

    Example:
        >>> x, mask = jnp.array([[1.0, 1.0, 1.0]]), jnp.array([[1, 1, 0]], jnp.uint8)
        >>> unseen(jnp.array([[2.0, 0.0, 0.0]]), x, mask).round(3).tolist()
        [[1.0, -1.0, 0.0]]
    """

    def row(w, kept):
        seen = orthonormalise(jnp.where(kept[None], x, 0).T)
        return w - seen @ (seen.T @ w)

    return jax.vmap(row)(apply_masks(w, mask), mask.astype(bool))


def trial(settings: Settings, key, closed_form=masked_ridge) -> Trial:
    """Measured: ‖W_t − W*‖_F, twice. Predicted: (1 − ηλ)^t‖ΠW_0‖_F, (1 − ηλ)^t‖W_0 − W*‖_F."""
    key_x, key_dense, key_start, key_masks = jax.random.split(key, 4)
    x = gaussian_points(key_x, settings.samples, settings.d)
    dense = two_layer_relu(key_dense, settings.d, settings.width).w
    z = x @ dense.T
    mask = smallest_of_rows(random_scores(key_masks, dense), settings.pruned)
    size = jnp.sum(x**2)
    ridge = settings.ridge * size
    rate = 1 / (size + ridge)

    def loss(w, data):
        x, z = data
        return (jnp.sum((x @ w.T - z) ** 2) + ridge * jnp.sum(w**2)) / 2

    start = apply_masks(two_layer_relu(key_start, settings.d, settings.width).w, mask)
    end = masked_descent(
        loss, start, mask, (x, z), optimizer=optax.sgd(rate), steps=settings.steps, batch=len(x)
    ).params
    best = closed_form(x, z, mask, ridge)
    residual = apply_masks(best @ (x.T @ x) - z.T @ x, mask) + ridge * apply_masks(best, mask)
    left, shrunk = jnp.linalg.norm(end - best), (1 - rate * ridge) ** settings.steps
    pruned = jnp.mean(mask == 0, dtype=x.dtype)
    return Trial(
        measured={"lower": left, "upper": left},
        predicted={
            "lower": shrunk * jnp.linalg.norm(unseen(start, x, mask)),
            "upper": shrunk * jnp.linalg.norm(start - best),
        },
        assumptions={
            "λ > 0": ridge,
            "W* solves its equations where the mask is 1": SOLVED
            - jnp.linalg.norm(residual) / jnp.linalg.norm(apply_masks(z.T @ x, mask)),
            "W* is 0 where the mask is": -jnp.max(jnp.where(mask == 0, jnp.abs(best), 0)),
            "a quarter of the weights pruned": pruned - QUARTER,
            "fewer inputs than weights left": jnp.min(jnp.sum(mask, axis=1, dtype=x.dtype))
            - (settings.samples + 1),
        },
    )


theorem = Theorem(
    name="healing.masked-ridge",
    statement="w_t by masked descent at η = 1/(tr G + λ), (MGM + λI + I − M)w* = MXᵀz, "
    "Π onto XMw = 0",
    label="H3",
    provenance="derived",
    claim={
        "lower": AtLeast(says="‖w_t − w*‖ ≥ (1−ηλ)^t‖Πw_0‖"),
        "upper": AtMost(says="‖w_t − w*‖ ≤ (1−ηλ)^t‖w_0 − w*‖"),
    },
    presets={
        "smoke": Settings(d=24, width=8, samples=8, steps=20, trials=20),
        "course": Settings(trials=135),
        "paper": Settings(d=192, width=128, samples=64, steps=60, trials=688),
    },
    trial=trial,
    control=Control(
        name="the closed form ignores the mask",
        trial=lambda settings, key: trial(settings, key, ridge_of_all),
    ),
)
