"""A small convolutional network of square images, given as rows of pixels."""

import math
from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from theory.networks.dense import affine


class ConvNet(NamedTuple):
    """ReLU convolutions of 3 × 3 that halve the image, and a linear layer on what is left.

    Attributes:
        kernels: of every convolution, ``(3, 3, channels_in, channels_out)``.
        biases: one ``(channels_out,)`` vector per convolution.
        weight: of the last layer.
        bias: of the last layer.

    Example:
        >>> net = conv_net(jax.random.key(0), side=28, channels=(1, 16, 32), classes=10)
        >>> net.logits(jnp.zeros((5, 784))).shape, net.weight.shape
        ((5, 10), (10, 1568))
    """

    kernels: tuple[Float[Array, "3 3 _ _"], ...]
    biases: tuple[Float[Array, " _"], ...]
    weight: Float[Array, "classes features"]
    bias: Float[Array, " classes"]

    def logits(self, x: Float[Array, "n d"]) -> Float[Array, "n classes"]:
        """All outputs.

        Args:
            x: square images, each a row of its pixels, and of their colours where it has some.

        Raises:
            ValueError: the rows are not square images of as many colours as the network takes.

        Example:
            >>> net = conv_net(jax.random.key(0), side=8, channels=(3, 4), classes=10)
            >>> net.logits(jnp.zeros((5, 192))).shape
            (5, 10)
        """
        n, d = x.shape
        colours = self.kernels[0].shape[2]
        side = math.isqrt(d // colours)
        if side * side * colours != d:
            raise ValueError(f"rows of {d} are no square images of {colours} colours")
        h = x.reshape(n, side, side, colours)
        for kernel, bias in zip(self.kernels, self.biases, strict=True):
            h = jax.lax.conv_general_dilated(
                h, kernel, window_strides=(2, 2), padding="SAME",
                dimension_numbers=("NHWC", "HWIO", "NHWC"),
            )  # fmt: skip
            h = jax.nn.relu(h + jnp.broadcast_to(bias, h.shape))
        return affine(h.reshape(n, -1), self.weight, self.bias)


def conv_net(key: Key[Array, ""], side: int, channels: tuple[int, ...], classes: int) -> ConvNet:
    """Draw a network with the default initialisation of PyTorch's layers, U(±1/√fan_in).

    Args:
        key: a typed JAX key.
        side: of the images, in pixels.
        channels: colours of the images, and what every convolution gives.
        classes: outputs.

    Example:
        >>> net = conv_net(jax.random.key(0), side=8, channels=(1, 16, 32), classes=10)
        >>> [kernel.shape for kernel in net.kernels], net.weight.shape
        ([(3, 3, 1, 16), (3, 3, 16, 32)], (10, 128))
    """
    kernels, biases = [], []
    for layer, (fan_in, out) in enumerate(zip(channels[:-1], channels[1:], strict=True)):
        weights = _uniform(jax.random.fold_in(key, layer), (3, 3, fan_in, out), (out,), 9 * fan_in)
        kernels.append(weights[0])
        biases.append(weights[1])
        side = -(-side // 2)
    features = side * side * channels[-1]
    last = jax.random.fold_in(key, len(kernels))
    weight, bias = _uniform(last, (classes, features), (classes,), features)
    return ConvNet(tuple(kernels), tuple(biases), weight, bias)


def _uniform(key, weights, biases, fan_in):
    """Weights and biases of one layer."""
    bound = fan_in**-0.5
    keys = jax.random.split(key)
    return (
        jax.random.uniform(keys[0], weights, minval=-bound, maxval=bound),
        jax.random.uniform(keys[1], biases, minval=-bound, maxval=bound),
    )
