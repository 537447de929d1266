"""Descent on the ridge loss of a pruned layer beside the closed form, as H3 compares them.

X are the n inputs of a layer, z what its outputs should be. What H3 says, and why, stands in
`theory.healing.theorems.masked_ridge`.
"""

from dataclasses import dataclass
from typing import NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Key, UInt8

from theory import settings as foundation
from theory.geometry import orthonormalise
from theory.healing.descent import masked_descent
from theory.healing.least_squares import masked_ridge
from theory.healing.masks import apply_masks, random_scores, smallest_of_rows
from theory.networks import two_layer_relu
from theory.sampling import gaussian_points
from theory.settings import Count, Positive, ShareBelowOne
from theory.theorem import Trial

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


class Layer(NamedTuple):
    """What descent and the closed form are given.

    Attributes:
        x: inputs.
        z: what the outputs should be.
        start: where descent begins, 0 where the mask is.
        mask: 1 for weights that are left.
    """

    x: Float[Array, "n d"]
    z: Float[Array, "n width"]
    start: Float[Array, "width d"]
    mask: UInt8[Array, "width d"]


def draw(settings: Settings, key: Key[Array, ""]) -> Layer:
    """Gaussian inputs, the outputs of random weights, others to start from, a random mask.

    Example:
        >>> layer = draw(Settings(d=4, width=3, samples=2), jax.random.key(0))
        >>> layer.z.shape, layer.mask.sum(axis=1).tolist()
        ((2, 3), [2, 2, 2])
    """
    key_x, key_dense, key_start, key_masks = jax.random.split(key, 4)
    x = gaussian_points(key_x, settings.samples, settings.d)
    dense = two_layer_relu(key_dense, settings.d, settings.width).w
    mask = smallest_of_rows(random_scores(key_masks, dense), settings.pruned)
    start = apply_masks(two_layer_relu(key_start, settings.d, settings.width).w, mask)
    return Layer(x, x @ dense.T, start, mask)


def compare(settings: Settings, layer: Layer, closed_form=masked_ridge) -> Trial:
    """Measured: ‖W_t − W*‖_F, twice. Predicted: (1 − ηλ)^t‖ΠW_0‖_F, (1 − ηλ)^t‖W_0 − W*‖_F."""
    x, z, start, mask = layer
    size = jnp.sum(x**2)
    ridge = settings.ridge * size
    rate = 1 / (size + ridge)

    def loss(w, data):
        x, z = data
        return (jnp.sum((x @ w.T - z) ** 2) + ridge * jnp.sum(w**2)) / 2

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
