"""Full-batch training with any optax optimiser, in full dimension and in the span of the data.

The loss is the mean over the samples of ℓ(q_j), with margins q_j = y_j N(x_j).
"""

from collections.abc import Callable
from typing import Any, Literal, NamedTuple

import jax
import jax.numpy as jnp
import optax
from jaxtyping import Array, Float, Int

from theory.networks import TwoLayerReLU

Loss = Callable[[Float[Array, "*batch"]], Float[Array, "*batch"]]


def logistic(q: Float[Array, "*batch"]) -> Float[Array, "*batch"]:
    """The logistic loss log(1 + e^{−q}) of a margin; BCE on a sigmoid is the same function.

    Example:
        >>> float(logistic(jnp.array(0.0))) == float(jnp.log(2.0))
        True
    """
    return jax.nn.softplus(-q)


def exponential(q: Float[Array, "*batch"]) -> Float[Array, "*batch"]:
    """The exponential loss e^{−q} of a margin.

    Example:
        >>> float(exponential(jnp.array(0.0)))
        1.0
    """
    return jnp.exp(-q)


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


class _State(NamedTuple):
    params: Any
    optimizer: Any
    step: Int[Array, ""]
    margin: Float[Array, ""]
    loss: Float[Array, ""]


def _minimise(evaluate, params, optimizer, steps: int, margin: float) -> _State:
    """Follow ``optimizer`` until ``steps`` or until the smallest margin reaches ``margin``.

    ``evaluate(params)`` gives (loss, margin, gradient). The state keeps the loss and margin of
    its own parameters, so that each step costs one evaluation and the stop is exact.
    """

    def body(carry):
        state, gradient = carry
        updates, inner = optimizer.update(gradient, state.optimizer, state.params)
        params = optax.apply_updates(state.params, updates)
        loss, smallest, gradient = evaluate(params)
        return _State(params, inner, state.step + 1, smallest, loss), gradient

    loss, smallest, gradient = evaluate(params)
    state = _State(params, optimizer.init(params), jnp.zeros((), int), smallest, loss)
    return jax.lax.while_loop(
        lambda carry: (carry[0].step < steps) & (carry[0].margin < margin), body, (state, gradient)
    )[0]


def train(
    network: Any,
    x: Float[Array, "n d"],
    y: Float[Array, " n"],
    *,
    optimizer: optax.GradientTransformation,
    steps: int,
    margin: float = jnp.inf,
    loss: Loss = logistic,
) -> Trained:
    """Full-batch training of any network, all parameters, in full dimension.

    Args:
        network: a pytree of arrays, callable on ``(n, d)``.
        x: inputs.
        y: labels ±1.
        optimizer: any optax optimiser; freeze parameters with `hidden_layer_only`.
        steps: the largest number of steps.
        margin: stop as soon as every y_j N(x_j) is at least this.
        loss: the loss of a margin, elementwise.

    Example:
        >>> from theory.networks import Linear
        >>> x, y = jnp.eye(2), jnp.array([1.0, -1.0])
        >>> net = Linear(jnp.zeros(2))
        >>> trained = train(net, x, y, optimizer=optax.sgd(1.0), steps=99, margin=1.0)
        >>> float(trained.margin) >= 1
        True
    """

    def objective(net):
        q = y * net(x)
        return jnp.mean(loss(q)), jnp.min(q)

    def evaluate(net):
        (value, smallest), gradient = jax.value_and_grad(objective, has_aux=True)(net)
        return value, smallest, gradient

    end = _minimise(evaluate, network, optimizer, steps, margin)
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
        lambda _: TwoLayerReLU("train", "freeze"),  # pyright: ignore[reportArgumentType]
    )


class _Orbit(NamedTuple):
    """W = c·W(0) + C·F: where every linear optimiser keeps the hidden weights (F: atoms)."""

    c: Float[Array, ""]
    C: Float[Array, "width atoms"]
    u: Float[Array, " width"]


def train_in_span(
    network: TwoLayerReLU,
    x: Float[Array, "n d"],
    y: Float[Array, " n"],
    *,
    optimizer: optax.GradientTransformation,
    steps: int,
    margin: float = jnp.inf,
    loss: Loss = logistic,
    train_output: bool = False,
    form: Literal["auto", "gram", "coordinates"] = "auto",
) -> Trained:
    """`train` for a two-layer network at a cost free of d, exact for every *linear* optimiser.

    The gradient in W is A·X with A_ij = ∂L/∂N_j · u_i · 1[z_ij > 0], a combination of the data.
    An update that is linear in gradients and parameters (descent, momentum, Nesterov, weight
    decay, coupled or not, any schedule) therefore keeps W = c·W(0) + C·X, and acts on the pair
    (c, C) as it would on W, with gradient (0, A). Only pre-activations are needed on the way:
    Z = c·Z(0) + C·G with the Gram matrix G = XXᵀ. W is rebuilt once, at the end.

    With more samples than twice the dimension it is cheaper to combine the d coordinates than
    the n samples: W = c·W(0) + V with gradient A·X. Nonlinear updates (Adam, clipping by value,
    normalised steps) mix the coordinates and need `train`.

    Args:
        network: the network at initialisation.
        x: inputs.
        y: labels ±1.
        optimizer: a linear optax optimiser.
        steps: the largest number of steps.
        margin: stop as soon as every y_j N(x_j) is at least this.
        loss: the loss of a margin, elementwise.
        train_output: train ``u`` too (with the same optimiser) instead of keeping it fixed.
        form: ``"gram"``, ``"coordinates"``, or the cheaper of the two.

    Example:
        >>> from theory.networks import two_layer_relu
        >>> net = two_layer_relu(jax.random.key(0), d=500, width=50)
        >>> x = jax.random.normal(jax.random.key(1), (10, 500))
        >>> y = jnp.array([1.0, -1.0] * 5)
        >>> trained = train_in_span(net, x, y, optimizer=optax.sgd(8e-3), steps=999, margin=1.0)
        >>> float(trained.margin) >= 1
        True
    """
    n, d = x.shape
    gram = form == "gram" or (form == "auto" and n <= 2 * d)
    atoms = x if gram else jnp.eye(d, dtype=x.dtype)
    start, products = network.w @ x.T, atoms @ x.T
    derivative = jax.vmap(jax.value_and_grad(loss))

    def evaluate(orbit: _Orbit):
        z = orbit.c * start + orbit.C @ products
        hidden = jax.nn.relu(z)
        q = y * (orbit.u @ hidden)
        value, slope = derivative(q)
        slope = slope * y / n
        a = orbit.u[:, None] * jnp.where(z > 0, slope[None, :], 0)
        gradient_u = hidden @ slope if train_output else jnp.zeros_like(orbit.u)
        gradient = _Orbit(jnp.zeros_like(orbit.c), a if gram else a @ x, gradient_u)
        return jnp.mean(value), jnp.min(q), gradient

    zero = jnp.zeros((network.w.shape[0], atoms.shape[0]), x.dtype)
    orbit = _Orbit(jnp.ones((), x.dtype), zero, network.u)
    if not train_output:
        optimizer = optax.partition(
            {"train": optimizer, "freeze": optax.set_to_zero()},
            _Orbit("train", "train", "freeze"),  # pyright: ignore[reportArgumentType]
        )
    end = _minimise(evaluate, orbit, optimizer, steps, margin)
    w = end.params.c * network.w + end.params.C @ atoms
    return Trained(TwoLayerReLU(w, end.params.u), end.margin, end.step, end.loss)


def train_to_margin(
    network: TwoLayerReLU,
    x: Float[Array, "n d"],
    y: Float[Array, " n"],
    margin: float = 1.0,
    learning_rate: float | None = None,
    steps: int = 100_000,
) -> Trained:
    """Gradient descent on the hidden layer until every margin y_j N(x_j) reaches ``margin``.

    Args:
        network: the network at initialisation.
        x: inputs.
        y: labels ±1.
        margin: where to stop.
        learning_rate: the step; 4/(‖u‖²·max_j ‖x_j‖²) when None, which is stable because a step
            on one sample moves its own output by at most learning_rate·‖x_j‖²·‖u‖²·|ℓ'|/n.
        steps: give up after this many; ``Trained.margin`` tells.

    Example:
        >>> from theory.networks import two_layer_relu
        >>> net = two_layer_relu(jax.random.key(0), d=500, width=50)
        >>> x = jax.random.normal(jax.random.key(1), (4, 500))
        >>> trained = train_to_margin(net, x, jnp.array([1.0, 1.0, -1.0, -1.0]), margin=1.0)
        >>> float(trained.margin) >= 1
        True
    """
    if learning_rate is None:
        steepness = jnp.max(jnp.sum(x * x, axis=-1)) * jnp.sum(network.u**2)
        rate = 4 / jnp.where(steepness > 0, steepness, 1)
    else:
        rate = learning_rate
    return train_in_span(network, x, y, optimizer=optax.sgd(rate), steps=steps, margin=margin)
