"""Which states of an MLP to align: after or before the ReLU, all or one, directions or values."""

from collections.abc import Sequence
from functools import partial
from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float

from theory.ensemble import ensemble
from theory.healing.methods import Arm
from theory.healing.metrics import cosine, linear_cka
from theory.healing.objectives import Aligned, Distilled, hidden, hidden_and_logits
from theory.networks import MLP

STARFISH, BEFORE, ALONE = "after ReLU (STARFISH)", "before ReLU", "every layer alone"
SIMILARITIES = {"linear CKA": linear_cka, "cosine": cosine}


def preactivations(net: MLP, x: Array) -> tuple[Array, ...]:
    """Hidden states before their ReLU."""
    return net.preactivations(x)[:-1]


def _only(layer: int, net: MLP, x: Array) -> tuple[Array, ...]:
    return (hidden(net, x)[layer],)


METHODS = {
    STARFISH: Aligned(),
    BEFORE: Aligned(preactivations),
    "after ReLU, and logits": Aligned(hidden_and_logits),
    "all before ReLU, and logits": Aligned(MLP.preactivations),
    ALONE: None,
    "after ReLU, MSE": Aligned(method="mse"),
    "before ReLU, MSE": Aligned(preactivations, "mse"),
    "distillation": Distilled(),
}
Name = Literal[
    "after ReLU (STARFISH)", "before ReLU", "after ReLU, and logits", "all before ReLU, and logits",
    "every layer alone", "after ReLU, MSE", "before ReLU, MSE", "distillation",
]  # fmt: skip


def compared(names: Sequence[str], depth: int) -> list[Arm]:
    """The methods of these names, with one for each hidden layer where layers are aligned alone.

    Example:
        >>> [arm.name for arm in compared(["distillation", "every layer alone"], 2)]
        ['layer 1 alone', 'layer 2 alone', 'distillation']
    """
    single = {f"layer {i + 1} alone": Aligned(partial(_only, i)) for i in range(depth)}
    return [
        Arm(*made)
        for name, objective in METHODS.items()
        if name in names
        for made in (single if objective is None else {name: objective}).items()
    ]


@jax.jit
def similarities(
    nets: MLP, dense: MLP, x: Float[Array, "n d"]
) -> Float[Array, "networks similarities states"]:
    """`SIMILARITIES` of hidden states and logits with those of the dense networks."""

    def member(pair):
        one, other = (hidden_and_logits(net, x) for net in pair)
        pairs = list(zip(one, other, strict=True))
        return jnp.stack([jnp.stack([f(a, b) for a, b in pairs]) for f in SIMILARITIES.values()])

    return ensemble(member, (nets, dense))
