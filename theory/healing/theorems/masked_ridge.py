"""H3: descent on the ridge loss of a pruned layer goes to the closed form, at a known rate.

X are the n inputs of a layer, z what one of its outputs should be, M the diagonal of that output's
mask, G = XᵀX. Over weights w = Mw, f(w) = ½‖Xw − z‖² + ½λ‖w‖² with λ > 0 has the unique minimiser
w* that solves (MGM + λI + I − M)w* = MXᵀz, and descent w ← w − ηM∇f(w) from w_0 = Mw_0 with
η = 1/(tr G + λ) obeys ‖w_t − w*‖ ≤ (1 − ηλ)^t‖w_0 − w*‖.

Proof. With w = Mw, M∇f(w) = (MGM + λI)w − MXᵀz. The matrix is positive definite for λ > 0, so f is
strictly convex on these w and M∇f(w*) = 0 has one solution there. On pruned coordinates the system
reads w = 0, on the others it is M∇f = 0: it has the same solution. Subtract:
w_{t+1} − w* = (I − η(MGM + λI))(w_t − w*). The eigenvalues of MGM are in [0, tr G], so those of
the factor are in [0, 1 − ηλ]. ∎

The norms are those over all outputs together, which share η. With fewer inputs than weights left,
MGM is singular and no smaller rate is true: that part of w_0 which no input sees decays by exactly
1 − ηλ per step. The trial has such sizes, so its bound is tight within a factor of 2.

The closed form of the whole layer, (G + λI)w = Xᵀz, is not where descent goes that keeps what is
pruned at 0: the control.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import optax

from theory import settings as foundation
from theory.claims import AtMost
from theory.healing.descent import masked_descent
from theory.healing.least_squares import masked_ridge
from theory.healing.masks import apply_masks, random_scores, smallest_of_rows
from theory.networks import two_layer_relu
from theory.sampling import gaussian_points
from theory.settings import Count, Positive, ShareBelowOne
from theory.theorem import Control, Theorem, Trial

SOLVED = 1e-5
"""Largest relative residual of the closed form: conjugate gradients stop at a tenth of it."""


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


def trial(settings: Settings, key, closed_form=masked_ridge) -> Trial:
    """Measured: ‖W_t − W*‖_F. Predicted: (1 − ηλ)^t‖W_0 − W*‖_F."""
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
    residual = apply_masks(jax.grad(loss)(best, (x, z)), mask)
    return Trial(
        measured=jnp.linalg.norm(end - best),
        predicted=(1 - rate * ridge) ** settings.steps * jnp.linalg.norm(start - best),
        assumptions={
            "λ > 0": ridge,
            "the closed form solves its equations": SOLVED
            - jnp.linalg.norm(residual) / jnp.linalg.norm(z.T @ x),
            "W* is 0 where the mask is": -jnp.max(jnp.where(mask == 0, jnp.abs(best), 0)),
        },
    )


theorem = Theorem(
    name="healing.masked-ridge",
    statement="‖w_t − w*‖ ≤ (1−ηλ)^t‖w_0 − w*‖, (MGM + λI + I − M)w* = MXᵀz, η = 1/(tr G + λ)",
    label="H3",
    provenance="derived",
    claim=AtMost(),
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
