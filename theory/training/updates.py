"""One step of an optax optimiser, and the one optimiser of this package's own."""

from typing import Any

import jax
import jax.numpy as jnp
import optax

ANNEALED = 1 / 600
"""What a cosine leaves of the learning rate at the end: 6e-4 to 1e-6 in arXiv 2606.01126."""


def initial_state(optimizer: optax.GradientTransformation, params: Any) -> Any:
    """The state of an optimiser before its first step; see `apply_update`.

    Example:
        >>> initial_state(optax.sgd(0.1, momentum=0.9), jnp.ones(2))[0].trace.tolist()
        [0.0, 0.0]
    """
    with jax.numpy_dtype_promotion("standard"):
        return optimizer.init(params)


def apply_update(
    optimizer: optax.GradientTransformation, gradient: Any, state: Any, params: Any
) -> tuple[Any, Any]:
    """One step of any optax optimiser, under any promotion of types.

    optax raises Python floats to integer step counts, which strict promotion forbids: its own
    arithmetic, and nothing else, is done with JAX's standard promotion.

    Args:
        optimizer: whose step.
        gradient: a pytree like ``params``.
        state: from `initial_state`, or from the last step.
        params: a pytree of arrays.

    Returns:
        The parameters after the step, and the optimiser's state.

    Example:
        >>> descent, w = optax.sgd(0.5), jnp.array([1.0, 2.0])
        >>> apply_update(descent, w, initial_state(descent, w), w)[0].tolist()
        [0.5, 1.0]
    """
    with jax.numpy_dtype_promotion("standard"):
        updates, state = optimizer.update(gradient, state, params)
    return optax.apply_updates(params, updates), state


def annealed_adam(learning_rate: Any, steps: int) -> optax.GradientTransformation:
    """Adam whose rate falls as a cosine to `ANNEALED` of what it was.

    Args:
        learning_rate: at the start; may be traced.
        steps: until the rate has fallen.

    Example:
        >>> state = annealed_adam(1e-3, 100).init(jnp.zeros(2))
        >>> state[0].mu.tolist()
        [0.0, 0.0]
    """

    def rate(count):
        share = jnp.minimum(count / steps, 1)
        return learning_rate * (ANNEALED + (1 - ANNEALED) * (1 + jnp.cos(jnp.pi * share)) / 2)

    return optax.adam(rate)
