"""Training that keeps pruned weights exactly 0: any loss, any optax optimiser, one scan."""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import optax
from jaxtyping import Array, Float

from theory.healing.alignment import single
from theory.healing.masks import apply_masks
from theory.training import descend


class Healed(NamedTuple):
    """A healed network.

    Attributes:
        params: a pytree like the pruned network's, pruned entries exactly 0.
        history: the loss of every step's batch before the step, shape (steps,).
    """

    params: Any
    history: Float[Array, " steps"]

    def _repr_html_(self) -> str:
        from theory.display import card

        return card(self)


def masked_descent(
    loss: Callable[[Any, Any], Float[Array, ""]],
    params: Any,
    masks: Any,
    data: Any,
    *,
    optimizer: optax.GradientTransformation,
    steps: int,
    batch: int,
    trainable: Any = None,
) -> Healed:
    """Minimise a loss over the weights that a mask left, on batches in a fixed order.

    Gradients are masked, so that no optimiser gathers momentum where nothing is, and weights are
    masked again after every step: decay, noise and orthogonalised updates move entries whose
    gradient is 0. Masking by selection, not by a product, holds also where a weight is NaN.

    Weights in half precision are kept in single until the end, and rounded for the loss alone:
    most steps are smaller than their spacing, and Adam's ε of 1e-8 is 0 in float16.

    Args:
        loss: ``loss(params, batch of data)``, a mean over the batch.
        params: the pruned network, a pytree of floating-point arrays.
        masks: as in `theory.healing.masks`.
        data: a pytree of arrays whose first axis is the n rows.
        optimizer: any optax optimiser that needs gradients and parameters alone; it sees the
            trainable leaves as a list.
        steps: steps to take; every step takes the next rows, starting over at the end.
        batch: rows of a step; all of them where there are fewer.
        trainable: a pytree of booleans, or a prefix of one; the leaves with a mask when None.

    Example:
        >>> import jax.numpy as jnp
        >>> masks, x = jnp.array([0, 1], jnp.uint8), jnp.ones((4, 2))
        >>> def loss(w, x):
        ...     return jnp.mean((x @ w - 3) ** 2)
        >>> healed = masked_descent(
        ...     loss, jnp.ones(2), masks, x, optimizer=optax.sgd(0.5), steps=1, batch=4
        ... )
        >>> healed.params.tolist()
        [0.0, 3.0]
    """
    params = apply_masks(params, masks)
    leaves, structure = jax.tree.flatten(params)
    kept = structure.flatten_up_to(masks)
    if trainable is None:
        chosen = [i for i, mask in enumerate(kept) if mask is not None]
    else:
        flags = jax.tree.broadcast(trainable, params)
        chosen = [i for i, flag in enumerate(jax.tree.leaves(flags)) if flag]
    chosen_masks = [kept[i] for i in chosen]

    def whole(trained):
        merged = list(leaves)
        for i, leaf in zip(chosen, trained, strict=True):
            merged[i] = leaf.astype(leaves[i].dtype)
        return jax.tree.unflatten(structure, merged)

    trained, history = descend(
        lambda trained, part: loss(whole(trained), part),
        [single(leaves[i]) for i in chosen],
        data,
        optimizer=optimizer,
        steps=steps,
        batch=batch,
        keep=lambda tree: apply_masks(tree, chosen_masks),
    )
    return Healed(whole(trained), history)
