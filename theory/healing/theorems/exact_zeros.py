"""H2: what is pruned stays exactly 0 under any optimiser, if the weights are masked again.

Let M be a mask and W_{t+1} = select(M, W_t + U_t, 0), with finite updates U_t of any optimiser that
sees masked gradients. Then the pruned entries of every W_t, t ≥ 1, are exactly 0.

Proof. select(M, V, 0) is 0 where M is, whatever V is there. ∎ A product M·V would not do: 0·NaN is
NaN. Finite updates are needed for the survivors only.

The trials apply it to five optimisers, from pruned entries that are NaN, whose gradients are not 0.

What needs proof is that less does not suffice. Masked gradients leave pruned weights at 0 under
descent, momentum, Adam, Lion, and decay, all of whose updates are 0 where gradients and weight
always were; so this passes most tests. Noise on the gradient, and updates that mix the entries of a
matrix, move them: the control.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Key

from theory.claims import AtMost
from theory.healing.alignment import distance
from theory.healing.descent import masked_descent
from theory.healing.masks import apply_masks
from theory.healing.theorems import dense_fixed_point
from theory.healing.theorems.dense_fixed_point import (
    draw_inputs,
    draw_masks,
    draw_network,
    hidden_states,
)
from theory.networks import MLP
from theory.settings import Count, Positive, ShareBelowOne
from theory.theorem import Control, Theorem, Trial
from theory.training import apply_update, initial_state


@dataclass(frozen=True)
class Settings(dense_fixed_point.Settings):
    """The network and inputs of H1, pruned at random and healed by several optimisers."""

    width: Count = 32
    """neurons m of every hidden layer"""
    depth: Count = 2
    """hidden layers"""
    samples: Count = 32
    """calibration inputs n"""
    pruned: ShareBelowOne = 0.75
    """share of the hidden weights that is pruned"""
    learning_rate: Positive = 3e-3
    """step size of every optimiser"""
    steps: Count = 50
    """steps of every optimiser"""


TRIED = ("momentum", "Adam", "AdamW", "Lion", "noisy descent")
"""Optimisers with momentum, with decay, with signs and with noise."""

MOVED = 1e-4
"""The least that an optimiser moves what is left, relative to its norm."""

SLOPE = 1e-4
"""The least norm of the gradient of what is pruned, where it is 0."""

HALF = 0.5
"""The least share of the weights that is pruned."""


def optimizers(rate: float, key: Key[Array, ""]) -> dict[str, optax.GradientTransformation]:
    """Those of `TRIED`.

    Example:
        >>> tuple(optimizers(1e-3, jax.random.key(0))) == TRIED
        True
    """
    recipes = (
        optax.sgd(rate, momentum=0.9),
        optax.adam(rate),
        optax.adamw(rate, weight_decay=0.1),
        optax.lion(rate),
        optax.noisy_sgd(rate, key=key),
    )
    return dict(zip(TRIED, recipes, strict=True))


def weights_masked(loss, weights, masks, data, optimizer, steps: int):
    """The weights after `masked_descent` on all rows.

    Example:
        >>> masks, x = jnp.array([0, 1], jnp.uint8), jnp.ones((4, 2))
        >>> def loss(w, x):
        ...     return jnp.mean(x @ w)
        >>> weights_masked(loss, jnp.ones(2), masks, x, optax.sgd(1.0), 2).tolist()
        [0.0, -1.0]
    """
    rows = len(jax.tree.leaves(data)[0])
    return masked_descent(
        loss, weights, masks, data, optimizer=optimizer, steps=steps, batch=rows
    ).params


def gradients_masked(loss, weights, masks, data, optimizer, steps: int):
    """The same with gradients masked in every step and weights at the start only.

    Example:
        >>> masks, x = jnp.array([0, 1], jnp.uint8), jnp.ones((4, 2))
        >>> def loss(w, x):
        ...     return jnp.mean(x @ w)
        >>> gradients_masked(loss, jnp.ones(2), masks, x, optax.sgd(1.0), 2).tolist()
        [0.0, -1.0]
    """

    def step(state, _):
        weights, inner = state
        gradient = apply_masks(jax.grad(loss)(weights, data), masks)
        return apply_update(optimizer, gradient, inner, weights), None

    weights = apply_masks(weights, masks)
    return jax.lax.scan(step, (weights, initial_state(optimizer, weights)), length=steps)[0][0]


def ones() -> optax.GradientTransformation:
    """An optimiser that adds 1 to every weight, whatever its gradient: it shows what is masked.

    Example:
        >>> ones().update(jnp.zeros(2), None)[0].tolist()
        [1.0, 1.0]
    """
    return optax.stateless(lambda updates, _: jax.tree.map(jnp.ones_like, updates))


def trial(settings: Settings, key, descend=weights_masked) -> Trial:
    """Measured: the largest |pruned entry| after each optimiser's steps. Predicted: 0.

    Pruned entries are NaN before the first step.
    """
    key_net, key_x, key_masks, key_noise = jax.random.split(key, 4)
    net, x = draw_network(settings, key_net), draw_inputs(settings, key_x)
    masks = draw_masks(net, key_masks, settings.pruned).weights[:-1]
    dense = net.weights[:-1]
    targets = hidden_states(net, x)

    def loss(weights, data):
        inputs, targets = data
        student = MLP((*weights, net.weights[-1]), net.biases)
        return distance(hidden_states(student, inputs), targets)

    start = jax.tree.map(lambda w, mask: jnp.where(mask == 1, w, jnp.nan), dense, masks)

    def entries(tree, value):
        pairs = zip(jax.tree.leaves(tree), masks, strict=True)
        return jnp.concatenate([jnp.where(mask == value, w, 0).ravel() for w, mask in pairs])

    def largest(tree):
        return jnp.max(jnp.abs(entries(tree, 0)))

    def run(optimizer, steps):
        return descend(loss, start, masks, (x, targets), optimizer, steps)

    recipes = optimizers(settings.learning_rate, key_noise)
    ends = {name: run(recipe, settings.steps) for name, recipe in recipes.items()}
    left = entries(dense, 1)
    moved = jnp.stack([jnp.linalg.norm(entries(end, 1) - left) for end in ends.values()])
    slope = entries(jax.grad(loss)(apply_masks(dense, masks), (x, targets)), 0)
    zeros = jnp.concatenate([mask.ravel() for mask in masks]) == 0
    return Trial(
        measured={name: largest(end) for name, end in ends.items()},
        predicted={name: jnp.zeros((), x.dtype) for name in ends},
        assumptions={
            "NaN where pruned, to begin with": jnp.isnan(entries(start, 0)).sum() == zeros.sum(),
            "weights masked after every step": -largest(run(ones(), 1)),
            "finite updates of what is left": jnp.isfinite(moved).all(),
            "every optimiser moved what is left": jnp.min(moved) / jnp.linalg.norm(left) - MOVED,
            "pruned entries have a gradient": jnp.linalg.norm(slope) - SLOPE,
            "half of the weights pruned": jnp.mean(zeros, dtype=x.dtype) - HALF,
        },
    )


theorem = Theorem(
    name="healing.exact-zeros",
    statement="W ← select(M, W + U, 0) after every step, U finite where M is not 0, of an "
    "optimiser that sees masked gradients, W NaN where M is 0 to begin with",
    label="H2",
    provenance="derived",
    claim={name: AtMost(says=f"max pruned |W_ij| = 0 under {name}") for name in TRIED},
    presets={
        "smoke": Settings(d=16, width=16, samples=16, steps=10, trials=10),
        "course": Settings(trials=135),
        "paper": Settings(width=64, depth=3, samples=64, steps=200, trials=688),
    },
    trial=trial,
    control=Control(
        name="gradients masked, weights not",
        trial=lambda settings, key: trial(settings, key, gradients_masked),
    ),
)
