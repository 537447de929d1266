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


def affine(
    x: Float[Array, "*batch d"], weight: Float[Array, "outputs d"], bias: Float[Array, " outputs"]
) -> Float[Array, "*batch outputs"]:
    """W x + b for every row.

    Example:
        >>> affine(jnp.ones((1, 2)), jnp.eye(2), jnp.array([0.0, 1.0])).tolist()
        [[1.0, 2.0]]
    """
    h = x @ weight.T
    return h + jnp.broadcast_to(bias, h.shape)


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
            layers.append(affine(x, weight, bias))
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


class Block(NamedTuple):
    """A pre-LN transformer block: h + attention(LN h), then h + W₂ σ(W₁ LN h), with biases.

    Attributes:
        queries, keys, values: of every head of the attention.
        merge: from the heads to the residual stream.
        up, down: W₁ and W₂.
        biases: of the six matrices, in that order, of the shapes of what they give.
        scales, shifts: of the two layer norms.
    """

    queries: Float[Array, "heads size width"]
    keys: Float[Array, "heads size width"]
    values: Float[Array, "heads size width"]
    merge: Float[Array, "width merged"]
    up: Float[Array, "hidden width"]
    down: Float[Array, "width hidden"]
    biases: tuple[Float[Array, "..."], ...]
    scales: tuple[Float[Array, " width"], ...]
    shifts: tuple[Float[Array, " width"], ...]

    def __call__(
        self, h: Float[Array, "*batch tokens width"]
    ) -> Float[Array, "*batch tokens width"]:
        query, key, value, merge, up, down = self.biases
        normed = _layer_norm(h, self.scales[0], self.shifts[0])

        def heads(weight, bias):
            out = jnp.einsum("...tw,hsw->...hts", normed, weight)
            return out + jnp.broadcast_to(bias[:, None], out.shape)

        size = self.queries.shape[1]
        scores = heads(self.queries, query) @ jnp.swapaxes(heads(self.keys, key), -1, -2)
        mixed = jax.nn.softmax(scores * size**-0.5) @ heads(self.values, value)
        merged = jnp.moveaxis(mixed, -3, -2).reshape(*h.shape[:-1], -1)
        h = h + affine(merged, self.merge, merge)
        normed = _layer_norm(h, self.scales[1], self.shifts[1])
        return h + affine(jax.nn.relu(affine(normed, self.up, up)), self.down, down)


def _layer_norm(h, scale, shift):
    centred = h - jnp.mean(h, axis=-1, keepdims=True)
    h = centred * jax.lax.rsqrt(jnp.mean(centred**2, axis=-1, keepdims=True) + 1e-5)
    return h * jnp.broadcast_to(scale, h.shape) + jnp.broadcast_to(shift, h.shape)


class VisionTransformer(NamedTuple):
    """A pre-LN vision transformer with ReLU on images cut into patches; tokens are averaged.

    Attributes:
        embedding: of a patch in the residual stream.
        positions: added to the embedded patches, with the bias of the embedding in them.
        blocks: from the patches up.
        scale, shift: of the layer norm before the head.
        head, bias: from the mean token to the classes.

    Source: Dosovitskiy et al., "An image is worth 16×16 words" (arXiv 2010.11929).

    Example:
        >>> x = cut_patches(jnp.zeros((5, 8, 8, 1)), 4)
        >>> net = vision_transformer(jax.random.key(0), x.shape[1:], 10, width=8, blocks=2)
        >>> [h.shape for h in net.states(x)]
        [(5, 4, 8), (5, 4, 8), (5, 10)]
    """

    embedding: Float[Array, "width patch"]
    positions: Float[Array, "tokens width"]
    blocks: tuple[Block, ...]
    scale: Float[Array, " width"]
    shift: Float[Array, " width"]
    head: Float[Array, "classes width"]
    bias: Float[Array, " classes"]

    def embed(self, x: Float[Array, "*batch tokens patch"]) -> Float[Array, "*batch tokens width"]:
        """What enters the first block."""
        h = x @ self.embedding.T
        return h + jnp.broadcast_to(self.positions, h.shape)

    def states(self, x: Float[Array, "*batch tokens patch"]) -> tuple[Float[Array, "..."], ...]:
        """The residual stream after every block, then the logits."""
        streams = [self.embed(x)]
        for block in self.blocks:
            streams.append(block(streams[-1]))
        last = jnp.mean(_layer_norm(streams[-1], self.scale, self.shift), axis=-2)
        return *streams[1:], affine(last, self.head, self.bias)

    def logits(self, x: Float[Array, "*batch tokens patch"]) -> Float[Array, "*batch classes"]:
        """All outputs."""
        return self.states(x)[-1]


def cut_patches(
    images: Float[Array, "n side side channels"], patch: int
) -> Float[Array, "n tokens values"]:
    """Images as sequences of square patches, row by row.

    Args:
        images: in any units.
        patch: side of a patch in pixels, a divisor of the images'.

    Raises:
        ValueError: the patches do not tile the images.

    Example:
        >>> cut_patches(jnp.arange(16.0).reshape(1, 4, 4, 1), 2)[0, 1].tolist()
        [2.0, 3.0, 6.0, 7.0]
    """
    n, height, width, channels = images.shape
    if height % patch or width % patch:
        raise ValueError(f"patches of side {patch} do not tile images of {height} × {width} pixels")
    tiles = images.reshape(n, height // patch, patch, width // patch, patch, channels)
    return jnp.swapaxes(tiles, 2, 3).reshape(n, -1, patch**2 * channels)


def vision_transformer(
    key: Key[Array, ""],
    shape: tuple[int, int],
    classes: int,
    *,
    width: int = 32,
    blocks: int = 2,
    heads: int = 4,
    expansion: int = 2,
) -> VisionTransformer:
    """Draw a vision transformer: matrices U(±1/√fan_in), biases 0, positions N(0, .02²).

    Args:
        key: a typed JAX key.
        shape: tokens of an image, and values of a token.
        classes: outputs.
        width: of the residual stream.
        blocks: how many.
        heads: of the attention, a divisor of the width.
        expansion: hidden width of a block's MLP, in units of the width.

    Raises:
        ValueError: the heads do not divide the width.

    Example:
        >>> net = vision_transformer(jax.random.key(0), (4, 16), 10)
        >>> net.blocks[0].queries.shape, net.blocks[0].up.shape
        ((4, 8, 32), (64, 32))
    """
    if width % heads:
        raise ValueError(f"heads is {heads} and must divide the width, {width}")
    size, hidden = width // heads, expansion * width

    def matrix(key, *shape):
        return jax.random.uniform(key, shape, minval=-(shape[-1] ** -0.5), maxval=shape[-1] ** -0.5)

    def block(key):
        keys = jax.random.split(key, 6)
        inner = (heads, size, width)
        shapes = (inner, inner, inner, (width, width), (hidden, width), (width, hidden))
        return Block(
            *(matrix(k, *shape) for k, shape in zip(keys, shapes, strict=True)),
            biases=tuple(jnp.zeros(shape[:-1]) for shape in shapes),
            scales=(jnp.ones(width),) * 2,
            shifts=(jnp.zeros(width),) * 2,
        )

    key_embedding, key_positions, key_head, key_blocks = jax.random.split(key, 4)
    return VisionTransformer(
        embedding=matrix(key_embedding, width, shape[1]),
        positions=0.02 * jax.random.normal(key_positions, (shape[0], width)),
        blocks=tuple(block(k) for k in jax.random.split(key_blocks, blocks)),
        scale=jnp.ones(width),
        shift=jnp.zeros(width),
        head=matrix(key_head, classes, width),
        bias=jnp.zeros(classes),
    )
