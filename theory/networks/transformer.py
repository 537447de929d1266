"""Vision transformers, on images cut into patches."""

from typing import NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Key

from theory.networks.dense import affine


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
