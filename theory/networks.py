"""Networks as NamedTuples of arrays: every network is a pytree and a function of its input.

Shapes are written without a batch; calling a network on ``(..., d)`` gives one value per row.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key


class Linear(NamedTuple):
    """The linear predictor N(x) = ⟨w, x⟩.

    Example:
        >>> float(Linear(jnp.array([1.0, 2.0]))(jnp.array([3.0, 4.0])))
        11.0
    """

    w: Float[Array, " d"]

    def __call__(self, x: Float[Array, "*batch d"]) -> Float[Array, "*batch"]:
        return x @ self.w


class TwoLayerReLU(NamedTuple):
    """The two-layer network N(x) = Σ_i u_i σ(⟨w_i, x⟩), σ = ReLU, without biases.

    Attributes:
        w: hidden weights, one row per neuron.
        u: output weights.

    Example:
        >>> net = TwoLayerReLU(jnp.eye(2), jnp.array([1.0, -1.0]))
        >>> float(net(jnp.array([3.0, -4.0])))
        3.0
    """

    w: Float[Array, "width d"]
    u: Float[Array, " width"]

    def __call__(self, x: Float[Array, "*batch d"]) -> Float[Array, "*batch"]:
        return jax.nn.relu(x @ self.w.T) @ self.u


class MLP(NamedTuple):
    """A fully connected ReLU network with biases; as a function, the first of its outputs.

    Attributes:
        weights: one ``(width_out, width_in)`` matrix per layer.
        biases: one ``(width_out,)`` vector per layer.

    Example:
        >>> net = mlp(jax.random.key(0), (3, 16, 1))
        >>> net(jnp.zeros((5, 3))).shape
        (5,)
    """

    weights: tuple[Float[Array, "_ _"], ...]
    biases: tuple[Float[Array, " _"], ...]

    def __call__(self, x: Float[Array, "*batch d"]) -> Float[Array, "*batch"]:
        return self.preactivations(x)[-1][..., 0]

    def preactivations(self, x: Float[Array, "*batch d"]) -> tuple[Float[Array, "*batch _"], ...]:
        """What every layer gives before its ReLU; the last layer has none and gives the outputs.

        Example:
            >>> net = mlp(jax.random.key(0), (3, 16, 10))
            >>> [h.shape for h in net.preactivations(jnp.zeros((5, 3)))]
            [(5, 16), (5, 10)]
        """
        layers = []
        for weight, bias in zip(self.weights, self.biases, strict=True):
            h = x @ weight.T
            layers.append(h + jnp.broadcast_to(bias, h.shape))
            x = jax.nn.relu(layers[-1])
        return tuple(layers)

    def logits(self, x: Float[Array, "*batch d"]) -> Float[Array, "*batch _"]:
        """All outputs.

        Example:
            >>> mlp(jax.random.key(0), (3, 16, 10)).logits(jnp.zeros((5, 3))).shape
            (5, 10)
        """
        return self.preactivations(x)[-1]


def two_layer_relu(
    key: Key[Array, ""], d: int, width: int, scale: float | None = None
) -> TwoLayerReLU:
    """Draw the theory's network: w_i ~ N(0, σ² I_d) and u_i = ±1/√width, uniform signs.

    Args:
        key: a typed JAX key.
        d: input dimension.
        width: number of neurons m.
        scale: the standard deviation σ of the hidden weights; 1/√d when None.

    Returns:
        The network, in JAX's default float type.

    Example:
        >>> net = two_layer_relu(jax.random.key(0), d=1000, width=400)
        >>> net.w.shape, round(float(jnp.sum(net.u**2)), 3)
        ((400, 1000), 1.0)
    """
    key_w, key_u = jax.random.split(key)
    sigma = d**-0.5 if scale is None else scale
    w = sigma * jax.random.normal(key_w, (width, d))
    u = jax.random.rademacher(key_u, (width,), dtype=w.dtype) * width**-0.5
    return TwoLayerReLU(w, u)


def mlp(key: Key[Array, ""], widths: tuple[int, ...]) -> MLP:
    """Draw an MLP with the default initialisation of PyTorch's linear layers, U(±1/√fan_in).

    Args:
        key: a typed JAX key.
        widths: input dimension, hidden widths and output dimension, in order.

    Example:
        >>> net = mlp(jax.random.key(0), (2, 100, 1))
        >>> [w.shape for w in net.weights]
        [(100, 2), (1, 100)]
    """
    weights, biases = [], []
    for layer, (fan_in, fan_out) in enumerate(zip(widths[:-1], widths[1:], strict=True)):
        key_w, key_b = jax.random.split(jax.random.fold_in(key, layer))
        bound = fan_in**-0.5
        weights.append(jax.random.uniform(key_w, (fan_out, fan_in), minval=-bound, maxval=bound))
        biases.append(jax.random.uniform(key_b, (fan_out,), minval=-bound, maxval=bound))
    return MLP(tuple(weights), tuple(biases))


class FlatReLU(NamedTuple):
    """A two-layer ReLU network on the flattened sequence of T embedded words.

    Like all classifiers of texts here it maps ``(..., T, d)`` to ``(...)``, and padding is the zero
    vector, which none of them sees.

    Attributes:
        network: on inputs of dimension T·d.

    Example:
        >>> net = FlatReLU(two_layer_relu(jax.random.key(0), d=5 * 3, width=4))
        >>> net(jnp.zeros((2, 5, 3))).tolist()
        [0.0, 0.0]
    """

    network: TwoLayerReLU

    def __call__(self, x: Float[Array, "*batch words d"]) -> Float[Array, "*batch"]:
        return self.network(x.reshape(*x.shape[:-2], -1))


class SumReLU(NamedTuple):
    """The sum over words of one two-layer ReLU network at each.

    Attributes:
        network: on inputs of dimension d.

    Example:
        >>> net = SumReLU(TwoLayerReLU(jnp.eye(2), jnp.ones(2)))
        >>> float(net(jnp.array([[1.0, -1.0], [2.0, 3.0]])))
        6.0
    """

    network: TwoLayerReLU

    def __call__(self, x: Float[Array, "*batch words d"]) -> Float[Array, "*batch"]:
        return jnp.sum(self.network(x), axis=-1)


class MaxReLU(NamedTuple):
    """Each neuron of a two-layer ReLU network at the word that excites it most.

    Attributes:
        network: on inputs of dimension d.

    Example:
        >>> net = MaxReLU(TwoLayerReLU(jnp.eye(2), jnp.ones(2)))
        >>> float(net(jnp.array([[1.0, -1.0], [2.0, 3.0]])))
        5.0
    """

    network: TwoLayerReLU

    def __call__(self, x: Float[Array, "*batch words d"]) -> Float[Array, "*batch"]:
        hidden = jax.nn.relu(x @ self.network.w.T)
        return jnp.max(hidden, axis=-2) @ self.network.u


class LSTMLayer(NamedTuple):
    """One layer of long short-term memory; gates in the order input, forget, cell, output.

    Attributes:
        w: from the input.
        recurrent: from the hidden state.
        bias: of all gates.
    """

    w: Float[Array, "gates d"]
    recurrent: Float[Array, "gates hidden"]
    bias: Float[Array, " gates"]


class LSTM(NamedTuple):
    """Stacked LSTM layers over the words, and a linear read-out of the last hidden state.

    At padding the states are held, so the last state is the one after the last word.

    Attributes:
        layers: from the words up.
        u: read-out.
        bias: of the read-out.

    Example:
        >>> net = lstm(jax.random.key(0), d=3, hidden=(4, 4))
        >>> x = jax.random.normal(jax.random.key(1), (2, 5, 3))
        >>> padded = jnp.pad(x, ((0, 0), (0, 2), (0, 0)))
        >>> bool(jnp.allclose(net(x), net(padded)))
        True
    """

    layers: tuple[LSTMLayer, ...]
    u: Float[Array, " hidden"]
    bias: Float[Array, ""]

    def __call__(self, x: Float[Array, "*batch words d"]) -> Float[Array, "*batch"]:
        batch = x.shape[:-2]
        words = jnp.moveaxis(x, -2, 0)
        there = jnp.any(words != 0, axis=-1)[..., None]

        last = words[-1]
        for layer in self.layers:
            zero = jnp.zeros((*batch, layer.recurrent.shape[1]), x.dtype)
            inputs = words @ layer.w.T
            inputs = inputs + jnp.broadcast_to(layer.bias, inputs.shape)

            def step(state, at, layer=layer):
                hidden, cell = state
                inputs, there = at
                gates = inputs + hidden @ layer.recurrent.T
                i, f, c, o = jnp.split(gates, 4, axis=-1)
                new = jax.nn.sigmoid(f) * cell + jax.nn.sigmoid(i) * jnp.tanh(c)
                out = jax.nn.sigmoid(o) * jnp.tanh(new)
                state = jnp.where(there, out, hidden), jnp.where(there, new, cell)
                return state, state[0]

            (last, _), words = jax.lax.scan(step, (zero, zero), (inputs, there))
        return last @ self.u + jnp.broadcast_to(self.bias, batch)


def lstm(key: Key[Array, ""], d: int, hidden: tuple[int, ...]) -> LSTM:
    """Draw an LSTM with the default initialisation of PyTorch, U(±1/√hidden).

    Args:
        key: a typed JAX key.
        d: dimension of the embedded words.
        hidden: hidden units of each layer.

    Example:
        >>> [layer.w.shape for layer in lstm(jax.random.key(0), d=3, hidden=(4, 5)).layers]
        [(16, 3), (20, 4)]
    """
    layers, fan_in = [], d
    for i, size in enumerate(hidden):
        keys = jax.random.split(jax.random.fold_in(key, i), 3)
        shapes = (4 * size, fan_in), (4 * size, size), (4 * size,)
        bound = size**-0.5
        layers.append(
            LSTMLayer(
                *(
                    jax.random.uniform(k, shape, minval=-bound, maxval=bound)
                    for k, shape in zip(keys, shapes, strict=True)
                )
            )
        )
        fan_in = size
    key_u, key_b = jax.random.split(jax.random.fold_in(key, len(hidden)))
    bound = fan_in**-0.5
    return LSTM(
        tuple(layers),
        jax.random.uniform(key_u, (fan_in,), minval=-bound, maxval=bound),
        jax.random.uniform(key_b, (), minval=-bound, maxval=bound),
    )
