"""Mini-batch training of any loss and of classifiers, in one scan."""

from collections.abc import Callable
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Integer, Key

from theory.checks import check_classes, check_counts, check_rows
from theory.ensemble import ensemble
from theory.metrics import negative_log_likelihood
from theory.training.updates import annealed_adam, apply_update, initial_state


def descend(
    loss: Callable[[Any, Any], Float[Array, ""]],
    params: Any,
    data: Any,
    *,
    optimizer: optax.GradientTransformation,
    steps: int,
    batch: int,
    keep: Callable[[Any], Any] = lambda tree: tree,
) -> tuple[Any, Float[Array, " steps"]]:
    """Minimise a loss on batches in a fixed order.

    Args:
        loss: ``loss(params, batch of data)``, a mean over the batch.
        params: a pytree of floating-point arrays.
        data: a pytree of arrays whose first axis is the n rows.
        optimizer: any optax optimiser that needs gradients and parameters alone.
        steps: steps to take; every step takes the next rows, starting over at the end.
        batch: rows of a step; all of them where there are fewer.
        keep: a projection of pytrees like ``params``, of every gradient before the step and of
            the parameters after it.

    Returns:
        The parameters at the end, and the loss of every step's batch before the step.

    Raises:
        ValueError: data without a first axis of rows in common, no rows, a batch of none, or steps
            below 0.

    Example:
        >>> x = jnp.ones((4, 2))
        >>> def loss(w, x):
        ...     return jnp.mean((x @ w - 4) ** 2)
        >>> w, history = descend(loss, jnp.ones(2), x, optimizer=optax.sgd(0.25), steps=1, batch=2)
        >>> w.tolist(), history.tolist()
        ([2.0, 2.0], [4.0])
    """
    check_counts(0, steps=steps)
    step = _stepper(loss, data, optimizer, batch, keep)
    start = params, initial_state(optimizer, params)
    (params, _), history = jax.lax.scan(step, start, jnp.arange(steps))
    return params, history


def _stepper(loss, data, optimizer, batch, keep=lambda tree: tree):
    """A step of descent, ``((params, state), number of the step) -> ((params, state), loss)``."""
    check_counts(batch=batch)
    rows = check_rows("data", "row", data)
    size = min(batch, rows)

    def step(carry, start):
        params, state = carry
        at = (start * size + jnp.arange(size, dtype=start.dtype)) % rows
        part = jax.tree.map(lambda array: array[at], data)
        value, gradient = jax.value_and_grad(loss)(params, part)
        params, state = apply_update(optimizer, keep(gradient), state, params)
        return (keep(params), state), value

    return step


def watch(
    loss: Callable[[Any, Any], Float[Array, ""]],
    params: Any,
    data: Any,
    measure: Callable[[Any], Any],
    *,
    optimizer: optax.GradientTransformation,
    epochs: int,
    steps: int,
    batch: int,
) -> tuple[Any, Any]:
    """Minimise a loss as `descend` does, and measure the parameters on the way.

    Args:
        loss, params, data, optimizer, batch: as of `descend`.
        measure: ``measure(params)``, a pytree of arrays.
        epochs: how often to measure after the start.
        steps: between two measurements.

    Returns:
        The parameters at the end, and what was measured, with a leading axis of epochs + 1.

    Raises:
        ValueError: as of `descend`, or epochs below 0.

    Example:
        >>> x = jnp.ones((4, 2))
        >>> def loss(w, x):
        ...     return jnp.mean((x @ w - 4) ** 2)
        >>> options = {"optimizer": optax.sgd(0.25), "epochs": 2, "steps": 1, "batch": 2}
        >>> watch(loss, jnp.ones(2), x, jnp.sum, **options)[1].tolist()
        [2.0, 4.0, 4.0]
    """
    check_counts(0, epochs=epochs, steps=steps)
    step = _stepper(loss, data, optimizer, batch)

    def epoch(carry, first):
        carry = jax.lax.scan(step, carry, first + jnp.arange(steps))[0]
        return carry, measure(carry[0])

    start = params, initial_state(optimizer, params)
    (end, _), measured = jax.lax.scan(epoch, start, steps * jnp.arange(epochs))
    before = measure(params)
    return end, jax.tree.map(lambda a, b: jnp.concatenate([a[None], b]), before, measured)


def cross_entropy(
    network: Any, data: tuple[Float[Array, "n ..."], Integer[Array, " n"]]
) -> Float[Array, ""]:
    """Mean cross-entropy of labelled inputs ``(x, y)`` under ``network.logits``, in nats.

    Example:
        >>> from theory.networks import MLP
        >>> net = MLP((jnp.zeros((10, 3)),), (jnp.zeros(10),))
        >>> round(float(cross_entropy(net, (jnp.ones((1, 3)), jnp.array([3])))), 4)
        2.3026
    """
    x, y = data
    return negative_log_likelihood(network.logits(x), y)


def train_classifiers(
    networks: Any,
    keys: Key[Array, " networks"],
    x: Float[Array, "n ..."],
    y: Integer[Array, " n"],
    rate: float | Float[Array, ""] = 1e-3,
    *,
    steps: int,
    batch: int = 128,
) -> Any:
    """Train networks on the cross-entropy of the same inputs, by Adam with an annealed rate.

    Args:
        networks: with a leading axis of networks, and a method ``logits(x)`` without it.
        keys: of the order of the inputs, which each network sees in one of its own.
        x: inputs.
        y: classes.
        rate: step size of Adam at the start.
        steps: steps to take.
        batch: inputs of a step.

    Returns:
        The trained networks, with the same leading axis.

    Raises:
        ValueError: labels that are no classes of the networks, not one for each input, or no
            inputs, a batch of none, or steps below 0.

    Example:
        >>> from theory.networks import mlp
        >>> keys = jax.random.split(jax.random.key(0), 2)
        >>> nets = jax.vmap(lambda key: mlp(key, (2, 8, 2)))(keys)
        >>> x = jax.random.normal(jax.random.key(1), (64, 2))
        >>> y = (x[:, 0] > 0).astype(int)
        >>> trained = train_classifiers(nets, keys, x, y, 3e-2, steps=99, batch=16)
        >>> right = jax.vmap(lambda net: net.logits(x).argmax(-1) == y)(trained)
        >>> bool(jnp.mean(right) > 0.9)
        True
    """
    logits = jax.eval_shape(jax.vmap(lambda net, x: net.logits(x), (0, None)), networks, x)
    y = check_classes("labels", y, len(x), logits.shape[-1])
    return _train_classifiers(networks, keys, x, y, rate, steps=steps, batch=batch)


@partial(jax.jit, static_argnames=("steps", "batch"))
def _train_classifiers(networks, keys, x, y, rate, *, steps, batch):
    def member(arguments):
        network, key = arguments
        order = jax.random.permutation(key, len(x))
        return descend(
            cross_entropy,
            network,
            (x[order], y[order]),
            optimizer=annealed_adam(rate, steps),
            steps=steps,
            batch=batch,
        )[0]

    return ensemble(member, (networks, keys))
