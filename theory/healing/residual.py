"""What of a vision transformer is pruned, trained and aligned: blocks and their residual stream.

Of the blocks the matrices are pruned and trained; all else stays whole and frozen. A row that is
aligned is a token of an image.
"""

from typing import Any, Literal

import jax
from jaxtyping import Array

from theory.healing.masks import magnitude, smallest
from theory.healing.methods import Arm
from theory.healing.objectives import Aligned, Distilled, Labelled
from theory.networks import Block, VisionTransformer


def matrices(net: VisionTransformer, in_blocks: Any, elsewhere: Any) -> Any:
    """A pytree like a transformer with something for every matrix of a block, else another.

    Args:
        net: the transformer.
        in_blocks: ``in_blocks(matrices)``, what stands for the six matrices of a block.
        elsewhere: what stands for embedding, positions, layer norms, biases and head.
    """

    def block(matrices):
        rest = (elsewhere,) * len(matrices)
        return Block(*matrices, biases=rest, scales=(elsewhere,) * 2, shifts=(elsewhere,) * 2)

    blocks: Any = tuple(block(in_blocks(b[:6])) for b in net.blocks)
    return VisionTransformer(
        blocks=blocks,
        **{name: elsewhere for name in VisionTransformer._fields if name != "blocks"},
    )


def survivors(net: VisionTransformer) -> Any:
    """What is trained: the matrices of the blocks."""
    return matrices(net, lambda found: (True,) * len(found), False)


def magnitude_masks(dense: VisionTransformer, share: float) -> Any:
    """Masks of the smallest weights of every matrix, for networks of a leading axis."""
    return jax.vmap(lambda net: matrices(net, lambda w: smallest(magnitude(w), share), None))(dense)


def streams(net: VisionTransformer, x: Array) -> tuple[Array, ...]:
    """The residual stream after every block."""
    return net.states(x)[:-1]


def last_stream(net: VisionTransformer, x: Array) -> tuple[Array, ...]:
    """The residual stream that is averaged for the head."""
    return streams(net, x)[-1:]


def stream(i: int, net: VisionTransformer, h: Array) -> Array:
    """The residual stream after block i from the one before, or from the image."""
    return net.blocks[i](net.embed(h) if i == 0 else h)


OBJECTIVES = {
    "STARFISH": Aligned(streams),
    "STARFISH + logits": Aligned(VisionTransformer.states),
    "MSE": Aligned(streams, "mse"),
    "MSE + logits": Aligned(VisionTransformer.states, "mse"),
    "last block": Aligned(last_stream),
    "block-wise MSE": Aligned(streams, "mse", stream),
    "distillation": Distilled(),
    "labels": Labelled(),
}
Name = Literal[
    "STARFISH", "STARFISH + logits", "MSE", "MSE + logits", "last block", "block-wise MSE",
    "distillation", "labels",
]  # fmt: skip

ARMS = tuple(Arm(name, made, trainable=survivors) for name, made in OBJECTIVES.items())
"""Methods compared."""
