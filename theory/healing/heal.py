"""Heal a pruned network by aligning its hidden states with those of the dense one (STARFISH)."""

from functools import cache, partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax

from theory.checks import check_counts, check_inputs, finite, floating
from theory.healing.alignment import Method, States, check_method, distance
from theory.healing.checks import check_networks
from theory.healing.descent import Healed, masked_descent
from theory.healing.masks import check_masks
from theory.training import annealed_adam

LEARNING_RATE = 3e-3
"""Suits networks of the size of these; the paper's 6e-4 is for vision transformers."""

_default = cache(annealed_adam)


def align(
    states: States,
    params: Any,
    masks: Any,
    inputs: Any,
    targets: Any,
    *,
    method: Method,
    optimizer: optax.GradientTransformation,
    steps: int,
    batch: int,
    trainable: Any = None,
) -> Healed:
    """`heal` for known targets, unchecked and traceable: under jit, vmap, in an ensemble.

    Args:
        targets: the states of the dense network, ``states(dense, inputs)``.
        params, masks, trainable: as in `theory.healing.descent.masked_descent`.
        states, inputs, method, optimizer, steps, batch: as in `heal`.
    """

    def loss(params, data):
        inputs, targets = data
        return distance(states(params, inputs), targets, method)

    return masked_descent(
        loss,
        params,
        masks,
        (inputs, targets),
        optimizer=optimizer,
        steps=steps,
        batch=batch,
        trainable=trainable,
    )


@partial(
    jax.jit, static_argnames=("states", "method", "optimizer", "steps", "batch", "flags", "tree")
)
def _heal(states, dense, pruned, masks, inputs, *, flags, tree, **options):
    trainable = None if flags is None else jax.tree.unflatten(tree, flags)
    targets = states(dense, inputs)
    alive = jnp.any(jnp.stack([jnp.any(target != 0) for target in jax.tree.leaves(targets)]))
    return align(states, pruned, masks, inputs, targets, trainable=trainable, **options), alive


def heal(
    states: States,
    dense: Any,
    pruned: Any,
    masks: Any,
    inputs: Any,
    method: Method = "starfish",
    *,
    optimizer: optax.GradientTransformation | None = None,
    steps: int = 1000,
    batch: int = 32,
    trainable: Any = None,
) -> Healed:
    """Train what is left of a pruned network until its hidden states are those of the dense one.

    Labels and outputs are not needed: give ``states`` that contain the logits to align these too,
    only the last hidden layer to align that alone, or biases among ``trainable`` to train them.
    The same function is compiled once for all inputs of one shape; pass the same ``states`` and
    ``optimizer`` objects to reuse it.

    Args:
        states: ``states(params, inputs)``, the hidden states of the network: a pytree of arrays
            whose first axis is the n inputs and whose last holds features. Any JAX function: of
            Flax, Equinox, or plain arrays. Those of the dense network are kept for all inputs.
        dense: the parameters of the dense network, any pytree of arrays.
        pruned: the parameters to start from; entries that the masks prune count as 0.
        masks: a pytree like ``dense``: uint8 or bool arrays of 0 (pruned) and 1, None for leaves
            that stay whole.
        inputs: n unlabelled inputs, an array or a pytree of arrays with a first axis of n.
        method: "starfish" aligns directions, as in the paper; "mse" the states themselves.
        optimizer: any optax optimiser; `annealed_adam` from `LEARNING_RATE` when None.
        steps: steps to take.
        batch: inputs of a step, in a fixed order.
        trainable: a pytree of booleans like ``dense``, or a prefix of one: True for leaves to
            train, integers excepted. When None, those that have a mask.

    Returns:
        The healed parameters, pruned entries exactly 0, and the loss of every step. The distance
        of directions is bounded, so a rate that is far too large need not diverge: it may leave a
        dead network, of which only a last loss above the first tells.

    Raises:
        ValueError: masks that do not fit (see `check_masks`), parameters of different shapes or
            types, parameters or inputs that are not finite, no inputs, states without a row per
            input, not floating-point, or all 0 for every input in the dense network, nothing to
            train, integers to train, steps or batch that are no integers of at least 1, an unknown
            method or optimizer; or healing diverged, to weights or losses that are not finite.

    Source: arXiv 2606.01126 (STARFISH).

    Example:
        >>> from theory.healing import magnitude, smallest
        >>> key = jax.random.key(0)
        >>> dense = {"w": jax.random.normal(key, (8, 4)), "b": jnp.ones(8)}
        >>> masks = {"w": smallest(magnitude(dense["w"]), 0.5), "b": None}
        >>> x = jax.random.normal(jax.random.key(1), (16, 4))
        >>> def states(params, x):
        ...     h = x @ params["w"].T
        ...     return (jax.nn.relu(h + jnp.broadcast_to(params["b"], h.shape)),)
        >>> healed = heal(states, dense, dense, masks, x, steps=200)
        >>> float(healed.history[-1]) < float(healed.history[0])
        True
    """
    check_counts(steps=steps, batch=batch)
    check_method(method)
    if optimizer is not None and not hasattr(optimizer, "update"):
        raise ValueError(f"optimizer is {optimizer!r}: give one of optax, such as optax.adam(1e-3)")
    check_masks(dense, masks)
    check_networks(dense, pruned, masks)
    flags = _flags(dense, masks, trainable)
    check_inputs(inputs)
    _check_states(states, dense, inputs)
    healed, alive = _heal(
        states,
        dense,
        pruned,
        masks,
        inputs,
        method=method,
        optimizer=_default(LEARNING_RATE, steps) if optimizer is None else optimizer,
        steps=steps,
        batch=batch,
        flags=flags,
        tree=None if flags is None else jax.tree.structure(dense),
    )
    if not alive:
        raise ValueError(
            "the dense network is dead: all its states are 0 for every input, nothing to align"
        )
    # The loss of a step is that before it, so the last step shows in the parameters alone.
    if not finite(healed):
        good = int(jnp.sum(jnp.isfinite(healed.history)))
        if good == 0:
            raise ValueError("the loss is not finite at the start: the states overflow or are NaN")
        raise ValueError(f"healing diverged after {good} steps: lower the learning rate")
    return healed


def _flags(dense: Any, masks: Any, trainable: Any) -> tuple[bool, ...] | None:
    """Which leaves are trained; None for those that have a mask."""
    named = jax.tree_util.tree_flatten_with_path(dense)[0]
    if trainable is None:
        kept = jax.tree.structure(dense).flatten_up_to(masks)
        for (path, leaf), mask in zip(named, kept, strict=True):
            if mask is not None and not floating(leaf):
                raise ValueError(
                    f"{jax.tree_util.keystr(path)} has a mask and type {jnp.result_type(leaf)}: "
                    "only floating-point weights can be trained"
                )
        return None
    try:
        flags = list(map(np.asarray, jax.tree.leaves(jax.tree.broadcast(trainable, dense))))
    except ValueError as error:
        raise ValueError(
            "trainable must be booleans in the structure of the parameters, or a prefix of it"
        ) from error
    for flag in flags:
        if flag.shape or flag.dtype != bool:
            raise ValueError(f"trainable has {flag} where it must be True or False")
    chosen = [bool(flag) and floating(leaf) for flag, (_, leaf) in zip(flags, named, strict=True)]
    if not any(chosen):
        raise ValueError("trainable is False everywhere: there is nothing to train")
    return tuple(chosen)


def _check_states(states: States, dense: Any, inputs: Any) -> None:
    rows = len(jax.tree.leaves(inputs)[0])
    found = jax.tree.leaves(jax.eval_shape(states, dense, inputs))
    if not found:
        raise ValueError("states returned nothing to align")
    for layer, state in enumerate(found):
        if len(state.shape) < 2 or state.shape[0] != rows or 0 in state.shape:
            raise ValueError(
                f"state {layer} has shape {state.shape}: its first axis must be the {rows} inputs, "
                "its last at least 1 feature"
            )
        if not jnp.issubdtype(state.dtype, jnp.floating):
            raise ValueError(f"state {layer} has type {state.dtype} and must be floating-point")


def block_states(blocks: Any, params: Any, inputs: Any) -> Any:
    """States of blocks each applied to its own input, so that aligning trains each by itself.

    With ``inputs`` the sequence (x, h*_1, …) of what enters the blocks of the dense network,
    `heal` with ``partial(block_states, blocks)`` is block-wise reconstruction.

    Args:
        blocks: functions ``block(params, h)``, from the input up.
        params: of the whole network.
        inputs: what enters each block.

    Example:
        >>> double = lambda params, h: params * h
        >>> [h.tolist() for h in block_states([double, double], 2.0, [jnp.ones(1), jnp.zeros(1)])]
        [[2.0], [0.0]]
    """
    return tuple(block(params, h) for block, h in zip(blocks, inputs, strict=True))
