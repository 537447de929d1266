"""Classifiers of texts: sequences of embedded words in, one logit out.

All map ``(..., words, d)`` to ``(...)``, and padding is the zero vector, which none of them sees.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from theory.networks.dense import TwoLayerReLU


class FlatReLU(NamedTuple):
    """A two-layer ReLU network on the flattened sequence of T embedded words.

    Attributes:
        network: on inputs of dimension T·d.

    Example:
        >>> from theory.networks.dense import two_layer_relu
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
