"""What can be wrong with a network before and after pruning, in one sentence each."""

from typing import Any

import jax
import jax.numpy as jnp

from theory.checks import finite, is_array
from theory.healing.masks import apply_masks


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
        if not is_array(one):
            raise ValueError(f"{name} is {one!r}: give the arrays of the network alone")
        for what, of in (("shape", jnp.shape), ("type", jnp.result_type)):
            if of(one) != of(other):
                raise ValueError(f"{name} has {what} {of(one)} in dense, {of(other)} in pruned")
    left = pruned if masks is None else apply_masks(pruned, masks)
    for network, params in (("dense", dense), ("pruned", left)):
        if not finite(params):
            raise ValueError(f"the {network} network has weights that are not finite")
