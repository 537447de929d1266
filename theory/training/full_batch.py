"""Full-batch training with any optax optimiser, in full dimension.

The loss is the mean over the samples of ℓ(q_j), with margins q_j = y_j N(x_j).
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Float, Int

from theory.checks import check_points, traced
from theory.networks import TwoLayerReLU
from theory.training.losses import Loss, logistic
from theory.training.updates import apply_update, initial_state


class Trained(NamedTuple):
    """The result of training.

    Attributes:
        network: the trained network.
        margin: min_j y_j N(x_j) at the end, in units of the network's output.
        steps: steps taken.
        loss: mean loss at the end.
    """

    network: Any
    margin: Float[Array, ""]
    steps: Int[Array, ""]
    loss: Float[Array, ""]

    def _repr_html_(self) -> str:
        from theory.display import card

        return card(self)


class State(NamedTuple):
    """Training on its way: where it is, and what the loss and the smallest margin are there."""

    params: Any
    optimizer: Any
    step: Int[Array, ""]
    margin: Float[Array, ""]
    loss: Float[Array, ""]


def minimise(evaluate, params, optimizer, steps: int, margin: float | Float[Array, ""]) -> State:
    """Follow ``optimizer`` until ``steps`` or until the smallest margin reaches ``margin``.

    The state keeps the loss and margin of its own parameters, so that each step costs one
    evaluation and the stop is exact.

    Args:
        evaluate: ``evaluate(params) -> (loss, margin, gradient)``.
        params: where to start, a pytree of arrays.
        optimizer: any optax optimiser.
        steps: the largest number of steps.
        margin: where to stop before.

    Raises:
        ValueError: steps below 0 or a margin that is NaN, unless they are traced.

    Example:
        >>> def evaluate(w):
        ...     return (w - 3) ** 2, w, 2 * (w - 3)
        >>> end = minimise(evaluate, jnp.array(0.0), optax.sgd(0.25), steps=9, margin=2.0)
        >>> float(end.params), int(end.step)
        (2.25, 2)
    """
    if not traced(steps) and not np.asarray(steps) >= 0:
        raise ValueError(f"steps is {steps} and must be at least 0")
    if not traced(margin) and np.isnan(np.asarray(margin)):
        raise ValueError(f"margin is {margin} and must be a number, infinite to take all steps")

    def body(carry):
        state = carry[0]
        loss, smallest, gradient = evaluate(state.params)
        state = state._replace(margin=smallest, loss=loss)
        params, inner = apply_update(optimizer, gradient, state.optimizer, state.params)
        stepped = State(params, inner, state.step + 1, smallest, loss)
        # Where this was the last evaluation there is no step, so the program has one, not a second
        # before the loop, and the step is one pass over what the gradient is made of.
        more = (state.step < steps) & (smallest < margin)
        return optax.tree.where(more, stepped, state), more

    loss, smallest, _ = jax.tree.map(
        lambda value: jnp.zeros(value.shape, value.dtype), jax.eval_shape(evaluate, params)
    )
    state = State(params, initial_state(optimizer, params), jnp.zeros((), int), smallest, loss)
    return jax.lax.while_loop(lambda carry: carry[1], body, (state, jnp.asarray(True)))[0]


def train(
    network: Any,
    x: Any,
    y: Any,
    *,
    optimizer: optax.GradientTransformation,
    steps: int,
    margin: float = jnp.inf,
    loss: Loss = logistic,
) -> Trained:
    """Full-batch training of any network, all parameters, in full dimension.

    Args:
        network: a pytree of arrays, callable on ``(n, d)``.
        x: inputs (n, d).
        y: labels ±1 (n,).
        optimizer: any optax optimiser; freeze parameters with `hidden_layer_only`.
        steps: the largest number of steps.
        margin: stop as soon as every y_j N(x_j) is at least this.
        loss: the loss of a margin, elementwise.

    Raises:
        ValueError: points or labels that are not what they should be, see `check_points`; steps
            below 0, or a margin that is NaN.

    Example:
        >>> from theory.networks import Linear
        >>> x, y = jnp.eye(2), jnp.array([1.0, -1.0])
        >>> net = Linear(jnp.zeros(2))
        >>> trained = train(net, x, y, optimizer=optax.sgd(1.0), steps=99, margin=1.0)
        >>> float(trained.margin) >= 1
        True
    """
    x, y = check_points(x, y)

    def objective(net):
        outputs = net(x)
        if outputs.shape not in (y.shape, (len(y), 1)):
            raise ValueError(
                f"The network gives shape {outputs.shape} for {len(y)} points: it must give one "
                "number for each."
            )
        q = y * outputs.reshape(y.shape)
        return jnp.mean(loss(q)), jnp.min(q)

    def evaluate(net):
        (value, smallest), gradient = jax.value_and_grad(objective, has_aux=True)(net)
        return value, smallest, gradient

    end = minimise(evaluate, network, optimizer, steps, margin)
    return Trained(end.params, end.margin, end.step, end.loss)


def hidden_layer_only(optimizer: optax.GradientTransformation) -> optax.GradientTransformation:
    """Train ``w`` of a `TwoLayerReLU` and leave ``u`` fixed, as the theorems assume.

    Example:
        >>> net = TwoLayerReLU(jnp.ones((2, 3)), jnp.ones(2))
        >>> optimizer = hidden_layer_only(optax.sgd(1.0))
        >>> updates, _ = optimizer.update(net, optimizer.init(net))
        >>> updates.u.tolist()
        [0.0, 0.0]
    """
    # The labels come from a function because a network is callable itself.
    return optax.partition(
        {"train": optimizer, "freeze": optax.set_to_zero()},
        lambda _: TwoLayerReLU._make(("train", "freeze")),
    )
