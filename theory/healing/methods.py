"""Every way to heal a pruned MLP from its masks and a few images, and which of them are rivals.

All that descend train the weights that survived below the head; those named "+ biases" also the
biases there, and those named "head refitted" fit the head afterwards to the dense logits. Only
methods that train the same are fair rivals. Labels are seen by "labels" alone.
"""

from collections.abc import Callable, Sequence
from typing import Any, Literal, NamedTuple, get_args

from jaxtyping import Array

from theory.healing.corrections import correct_biases, fold_neurons, reconstruct, refit_head, repair
from theory.healing.objectives import (
    Aligned,
    Distilled,
    Labelled,
    hidden_and_logits,
    last_hidden,
    layer,
    next_preactivations,
)
from theory.networks import MLP


def survivors(net: MLP) -> Any:
    """What is trained: the weights of the hidden layers, as far as their masks leave them."""
    flags: Any = (*[True] * (len(net.weights) - 1), False)
    return MLP(flags, False)  # pyright: ignore[reportArgumentType]


def survivors_and_biases(net: MLP) -> Any:
    """The same with the biases of the hidden layers."""
    flags = survivors(net).weights
    return MLP(flags, flags)


class Arm(NamedTuple):
    """One method.

    Attributes:
        name: in tables and figures.
        objective: what it minimises by descent; None for a closed form.
        closed: the closed form, ``(dense, network, masks, x) -> network``.
        trainable: which leaves of a network descent trains.
        after: the method whose healed networks a closed form starts from; None for the pruned.
    """

    name: str
    objective: Aligned | Distilled | Labelled | None = None
    closed: Callable[[Any, Any, Any, Array], Any] | None = None
    trainable: Callable[[Any], Any] = survivors
    after: str | None = None


def _refit(dense, net, masks, x):
    return refit_head(dense, net, x)


ARMS = (
    Arm("biases corrected", closed=lambda dense, net, masks, x: correct_biases(dense, net, x)),
    Arm("REPAIR", closed=lambda dense, net, masks, x: repair(dense, net, x)),
    Arm("ridge, layer by layer", closed=reconstruct),
    Arm("head refitted", closed=_refit),
    Arm("STARFISH", Aligned()),
    Arm("STARFISH + biases", Aligned(), trainable=survivors_and_biases),
    Arm("STARFISH + logits", Aligned(hidden_and_logits)),
    Arm("STARFISH, head refitted", closed=_refit, after="STARFISH"),
    Arm("MSE", Aligned(method="mse")),
    Arm("MSE + logits", Aligned(hidden_and_logits, "mse")),
    Arm("last hidden", Aligned(last_hidden)),
    Arm("block-wise MSE", Aligned(method="mse", block=layer)),
    Arm("distillation", Distilled()),
    Arm("distillation + biases", Distilled(), trainable=survivors_and_biases),
    Arm("distillation, head refitted", closed=_refit, after="distillation"),
    Arm("labels", Labelled()),
    Arm("labels + biases", Labelled(), trainable=survivors_and_biases),
    Arm("labels, head refitted", closed=_refit, after="labels"),
)
"""Methods compared; those with `after` follow the method that they start from."""

Main = Literal[
    "ridge, layer by layer",
    "STARFISH",
    "STARFISH + logits",
    "STARFISH, head refitted",
    "distillation",
    "distillation, head refitted",
    "labels",
]  # fmt: skip
Name = Literal[
    Main, "biases corrected", "REPAIR", "head refitted", "STARFISH + biases", "MSE",
    "MSE + logits", "last hidden", "block-wise MSE", "distillation + biases", "labels + biases",
    "labels, head refitted",
]  # fmt: skip

MAIN: tuple[Main, ...] = get_args(Main)
"""Methods that are compared where there is no room for all, and drawn as curves."""

RIVALS = {
    "STARFISH": ("distillation", "labels"),
    "STARFISH + biases": ("distillation + biases", "labels + biases"),
    "STARFISH + logits": ("distillation", "labels"),
    "STARFISH, head refitted": ("distillation, head refitted", "labels, head refitted"),
}
"""The faithful method and its named extensions, each with rivals that train the same."""


def chosen(names: Sequence[str], among: Sequence[Arm] = ARMS) -> tuple[Arm, ...]:
    """The methods of these names, in the order of all.

    Raises:
        ValueError: one starts from another that is not chosen.

    Example:
        >>> chosen(["STARFISH, head refitted"])
        Traceback (most recent call last):
        ValueError: methods has STARFISH, head refitted and must have STARFISH, where that starts
    """
    for arm in among:
        if arm.name in names and arm.after is not None and arm.after not in names:
            raise ValueError(f"methods has {arm.name} and must have {arm.after}, where that starts")
    return tuple(arm for arm in among if arm.name in names)


FOLD = Arm("neurons folded", closed=lambda dense, net, masks, x: fold_neurons(dense, masks, x))
"""For masks of whole neurons only."""

STRUCTURED = (
    *chosen(MAIN),
    Arm("STARFISH, next pre-activations", Aligned(next_preactivations)),
    FOLD,
)
"""Methods compared where whole neurons are pruned too."""
