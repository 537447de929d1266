"""What can be wrong with networks and inputs, in one sentence each."""

from typing import Any

import jax
import jax.numpy as jnp
from jax.core import Tracer

from theory.healing.masks import apply_masks


def traced(tree: Any) -> bool:
    """Whether a leaf is traced: inside a compiled program there are no values to look at.

    Example:
        >>> traced(jnp.ones(2)), bool(jax.jit(lambda x: traced(x))(jnp.ones(2)))
        (False, True)
    """
    return any(isinstance(leaf, Tracer) for leaf in jax.tree.leaves(tree))


def floating(leaf: Any) -> bool:
    """Whether an array can be trained: integers and booleans cannot.

    Example:
        >>> floating(jnp.ones(2)), floating(jnp.ones(2, int))
        (True, False)
    """
    return jnp.issubdtype(jnp.asarray(leaf).dtype, jnp.inexact)


def finite(tree: Any) -> bool:
    """Whether no leaf has a NaN or an infinity.

    Example:
        >>> finite([jnp.ones(2), 3]), finite([jnp.array([1.0, jnp.nan])])
        (True, False)
    """
    return all(
        not floating(leaf) or bool(jnp.all(jnp.isfinite(leaf))) for leaf in jax.tree.leaves(tree)
    )


def check_networks(dense: Any, pruned: Any, masks: Any = None) -> None:
    """Refuse networks that are not one network before and after pruning.

    Args:
        dense: a pytree of arrays.
        pruned: what should be another of the same structure, shapes and types.
        masks: a pytree of the same structure; what is pruned need not be finite.

    Raises:
        ValueError: otherwise, or weights are not finite.

    Example:
        >>> check_networks({"w": jnp.ones(2)}, {"w": jnp.ones(3)})
        Traceback (most recent call last):
        ValueError: ['w'] has shape (2,) in dense, (3,) in pruned
    """
    if jax.tree.structure(dense) != jax.tree.structure(pruned):
        raise ValueError("dense and pruned parameters have different structures")
    named = jax.tree_util.tree_flatten_with_path(dense)[0]
    for (path, one), other in zip(named, jax.tree.leaves(pruned), strict=True):
        name = jax.tree_util.keystr(path)
        if not isinstance(one, jax.typing.ArrayLike):
            raise ValueError(f"{name} is {one!r}: give the arrays of the network alone")
        for what, of in (("shape", jnp.shape), ("type", jnp.result_type)):
            if of(one) != of(other):
                raise ValueError(f"{name} has {what} {of(one)} in dense, {of(other)} in pruned")
    left = pruned if masks is None else apply_masks(pruned, masks)
    for network, params in (("dense", dense), ("pruned", left)):
        if not finite(params):
            raise ValueError(f"the {network} network has weights that are not finite")


def check_inputs(inputs: Any) -> None:
    """Refuse inputs that are not at least one row of finite numbers.

    Args:
        inputs: what should be an array with a first axis of n rows, or a pytree of such.

    Raises:
        ValueError: otherwise.

    Example:
        >>> check_inputs(jnp.ones((0, 3)))
        Traceback (most recent call last):
        ValueError: inputs must be arrays with one first axis of at least 1 input, but have [(0, 3)]
    """
    leaves = jax.tree.leaves(inputs)
    sizes = {jnp.shape(leaf)[:1] for leaf in leaves}
    if len(sizes) != 1 or sizes in ({()}, {(0,)}):
        raise ValueError(
            "inputs must be arrays with one first axis of at least 1 input, but have "
            f"{[jnp.shape(leaf) for leaf in leaves]}"
        )
    if not finite(leaves):
        raise ValueError("inputs have entries that are not finite")
