"""Which weights stay: masks of zeros and ones, from scores, in several structures.

A mask is a pytree like the parameters: uint8 arrays of 0 (pruned) and 1 where there is something
to prune, None for every leaf that stays whole (the convention of jaxpruner, whose masks can be
used here as they are); masks of bool do as well. Scores are pytrees of the same form. Where rows
matter, weights are ``(outputs, inputs)``, as in PyTorch and Equinox: transpose Flax's kernels.
"""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key, UInt8

from theory.checks import check_counts, check_finite, traced


def _nothing(leaf: Any) -> bool:
    return leaf is None


def apply_masks(params: Any, masks: Any) -> Any:
    """Parameters with their pruned entries exactly 0, whatever they were, NaN included.

    Args:
        params: a pytree of arrays.
        masks: a pytree of the same structure, None for leaves that stay whole.

    Raises:
        ValueError: a mask of another shape than its weights, or of other values than 0 and 1.

    Example:
        >>> masks = {"w": jnp.array([0, 1], jnp.uint8), "b": None}
        >>> apply_masks({"w": jnp.array([jnp.nan, 2.0]), "b": jnp.ones(())}, masks)["w"].tolist()
        [0.0, 2.0]
    """

    def apply(mask, leaf):
        if mask is None:
            return leaf
        if jnp.shape(mask) != jnp.shape(leaf):
            raise ValueError(f"a mask has shape {jnp.shape(mask)}, its weights {jnp.shape(leaf)}")
        _check_zeros_and_ones("a mask", mask)
        return jnp.where(mask.astype(bool), leaf, jnp.zeros((), leaf.dtype))

    return jax.tree.map(apply, masks, params, is_leaf=_nothing)


def _check_zeros_and_ones(name, mask):
    # A NaN would count as 1.
    if not traced(mask) and not np.isin(np.asarray(mask), (0, 1)).all():
        raise ValueError(f"{name} has other values than 0 and 1")


def check_masks(params: Any, masks: Any) -> None:
    """Refuse masks that do not fit the parameters.

    Args:
        params: a pytree of arrays.
        masks: what should be a pytree of the same structure.

    Raises:
        ValueError: the structures or shapes differ; a mask is not of uint8 or bool, has other
            values than 0 and 1, or prunes everything; or nothing has a mask.

    Example:
        >>> check_masks({"w": jnp.ones(2)}, {"w": jnp.zeros(2, jnp.uint8)})
        Traceback (most recent call last):
        ValueError: the mask of ['w'] prunes all of it: keep some weights, or remove the layer
    """
    structure = jax.tree.structure(params)
    try:
        flat = structure.flatten_up_to(masks)
    except ValueError as error:
        raise ValueError(
            "masks must have the structure of the parameters, with None for leaves that stay whole"
        ) from error
    named = jax.tree_util.tree_flatten_with_path(params)[0]
    if all(mask is None for mask in flat):
        raise ValueError("no leaf has a mask: there is nothing pruned and nothing to train")
    for (path, leaf), mask in zip(named, flat, strict=True):
        if mask is None:
            continue
        name = jax.tree_util.keystr(path)
        if jnp.shape(mask) != jnp.shape(leaf):
            raise ValueError(
                f"the mask of {name} has shape {jnp.shape(mask)}, the weights {jnp.shape(leaf)}"
            )
        if jnp.asarray(mask).dtype not in (jnp.uint8, jnp.bool_):
            raise ValueError(
                f"the mask of {name} has type {jnp.asarray(mask).dtype}: give uint8 or bool"
            )
        _check_zeros_and_ones(f"the mask of {name}", mask)
        if not jnp.any(mask):
            raise ValueError(
                f"the mask of {name} prunes all of it: keep some weights, or remove the layer"
            )


def sparsity(masks: Any) -> Float[Array, ""]:
    """The share of entries pruned, of all leaves that have a mask.

    Raises:
        ValueError: other values than 0 and 1, unless they are traced.

    Example:
        >>> float(sparsity({"w": jnp.array([0, 1, 1, 1], jnp.uint8), "b": None}))
        0.25
    """
    leaves = jax.tree.leaves(masks)
    for mask in leaves:
        _check_zeros_and_ones("a mask", mask)
    pruned = sum(jnp.sum(mask == 0, dtype=int) for mask in leaves)
    return jnp.asarray(pruned, float) / sum(mask.size for mask in leaves)


def magnitude(weights: Any) -> Any:
    """The scores |w|; leaves that are None stay so.

    Example:
        >>> magnitude({"w": jnp.array([-2.0, 1.0]), "b": None})["w"].tolist()
        [2.0, 1.0]
    """
    return jax.tree.map(jnp.abs, weights)


def wanda(weights: Any, inputs: Any) -> Any:
    """The scores |W_ij|·‖X_j‖ of Wanda: weights count by what passes through them.

    Args:
        weights: a pytree of ``(outputs, inputs)`` arrays, None for leaves that stay whole.
        inputs: what enters each, a pytree of ``(n, inputs)`` arrays, None where weights are.

    Raises:
        ValueError: inputs that are not rows of as many numbers as the weights take, no rows, or
            entries that are not finite, unless they are traced.

    Source: Sun, Liu, Bair, Kolter, "A simple and effective pruning approach for large language
    models" (arXiv 2306.11695), equation 1. The paper prunes within each row: `smallest_of_rows`.

    Example:
        >>> wanda(jnp.array([[1.0, -1.0]]), jnp.array([[3.0, 0.0], [4.0, 0.0]])).tolist()
        [[5.0, 0.0]]
    """

    def score(w, x):
        if w.ndim != 2 or x.ndim != 2 or x.shape[1] != w.shape[1] or len(x) == 0:
            raise ValueError(
                f"weights have shape {w.shape} and their inputs {x.shape}: give (outputs, inputs) "
                "and (n, inputs), n at least 1"
            )
        check_finite("weights or inputs", (w, x))
        return jnp.abs(w) * jnp.linalg.norm(x, axis=0)[None]

    return jax.tree.map(score, weights, inputs)


def random_scores(key: Key[Array, ""], weights: Any) -> Any:
    """Uniform scores, which prune at random.

    Example:
        >>> random_scores(jax.random.key(0), {"w": jnp.ones((2, 3)), "b": None})["w"].shape
        (2, 3)
    """
    leaves, structure = jax.tree.flatten(weights)
    keys = jax.random.split(key, len(leaves))
    drawn = [jax.random.uniform(k, w.shape, w.dtype) for k, w in zip(keys, leaves, strict=True)]
    return jax.tree.unflatten(structure, drawn)


def _prune(scores: Float[Array, "*rows entries"], count: int) -> UInt8[Array, "*rows entries"]:
    """Prune exactly ``count`` entries on the last axis, the smallest, the first of equal ones."""
    rank = jnp.argsort(jnp.argsort(scores, axis=-1, stable=True), axis=-1)
    return (rank >= count).astype(jnp.uint8)


def _check_scores(scores: Any) -> None:
    # Infinite ones are of weights that stay, or go, whatever the others are.
    for leaf in jax.tree.leaves(scores):
        if not traced(leaf) and np.isnan(np.asarray(leaf)).any():
            raise ValueError("scores are NaN, which have no order: give finite weights")


def _check_share(share: float) -> None:
    if not 0 <= share < 1:
        raise ValueError(f"share is {share} and must be at least 0 and below 1")


def smallest(scores: Any, share: float) -> Any:
    """Prune the same share of every leaf, rounded to whole weights.

    Args:
        scores: a pytree of arrays, None for leaves that stay whole.
        share: of the weights to prune, in [0, 1).

    Raises:
        ValueError: the share is not in [0, 1), or scores are NaN.

    Example:
        >>> smallest(jnp.array([[3.0, 1.0], [2.0, 4.0]]), 0.5).tolist()
        [[1, 0], [0, 1]]
    """
    _check_share(share)
    _check_scores(scores)
    return jax.tree.map(
        lambda s: _prune(s.reshape(-1), round(share * s.size)).reshape(s.shape), scores
    )


def smallest_of_all(scores: Any, share: float) -> Any:
    """Prune a share of all weights together, so that leaves may lose more or less of theirs.

    Raises:
        ValueError: the share is not in [0, 1), or scores are NaN.

    Example:
        >>> masks = smallest_of_all([jnp.array([3.0, 4.0]), jnp.array([1.0, 2.0])], 0.5)
        >>> [mask.tolist() for mask in masks]
        [[1, 1], [0, 0]]
    """
    _check_share(share)
    _check_scores(scores)
    leaves, structure = jax.tree.flatten(scores)
    flat = jnp.concatenate([leaf.reshape(-1) for leaf in leaves])
    parts, mask, done = [], _prune(flat, round(share * flat.size)), 0
    for leaf in leaves:
        parts.append(mask[done : done + leaf.size].reshape(leaf.shape))
        done += leaf.size
    return jax.tree.unflatten(structure, parts)


def smallest_of_rows(scores: Any, share: float) -> Any:
    """Prune the same share of every row, rounded down to whole weights.

    Raises:
        ValueError: the share is not in [0, 1), or scores are NaN.

    Example:
        >>> smallest_of_rows(jnp.array([[3.0, 1.0], [4.0, 2.0], [1.0, 2.0]]), 0.5).tolist()
        [[1, 0], [1, 0], [0, 1]]
    """
    _check_share(share)
    _check_scores(scores)
    return jax.tree.map(lambda s: _prune(s, int(share * s.shape[-1] + 1e-9)), scores)


def n_of_m(scores: Any, n: int, m: int) -> Any:
    """Keep the n largest of every m neighbours in a row; where m does not divide it, the rest too.

    Raises:
        ValueError: n or m is no integer, not 0 < n ≤ m, or scores are NaN.

    Example:
        >>> n_of_m(jnp.array([[4.0, 1.0, 2.0, 3.0, 0.5]]), 2, 4).tolist()
        [[1, 0, 0, 1, 1]]
    """
    check_counts(0, n=n, m=m)
    if not 0 < n <= m:
        raise ValueError(f"n is {n} and must be above 0 and at most m = {m}")
    _check_scores(scores)

    def prune(s):
        whole = s.shape[-1] // m * m
        groups = s[..., :whole].reshape(*s.shape[:-1], -1, m)
        mask = _prune(groups, m - n).reshape(*s.shape[:-1], whole)
        return jnp.concatenate([mask, jnp.ones_like(s[..., whole:], jnp.uint8)], axis=-1)

    return jax.tree.map(prune, scores)
