"""What an attack found, and what it cost."""

from dataclasses import dataclass, field

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Integer

from theory.attacks.survivors import Standing


@jax.tree_util.register_dataclass
@dataclass(frozen=True)
class Attacked:
    """Inputs after an attack, with the evaluations that each was charged.

    A sample is attacked until an evaluated point is misclassified, and charged until then. One
    that is misclassified already, or whose logits are NaN, is counted and not attacked. A point
    that an attack comes to and that has a NaN among its logits is no success: a classifier that
    has no logits around its inputs seems to withstand every attack.

    Attributes:
        inputs: like those given; where the attack did not succeed they are those, bit for bit.
        success: classified right before, and misclassified now.
        misclassified: before the attack.
        invalid: a logit was NaN before the attack.
        target: the class that was aimed at when it succeeded; −1 where there was none.
        runs: of ascents from a random start, the last one included: of a successful sample the
            rank of its target.
        gradients: backward passes, those of the scores of targets included.
        forwards: forward passes, those before a backward pass included.
        zero_gradients: backward passes of which every entry was 0: no direction to go.
        loss: the one used, which is the margin where there are too few classes for a ratio.
        candidates, targets: classes that were ranked, and aimed at, at most K − 1; 0 for none.

    Example:
        >>> from theory.attacks import apgd
        >>> x, y = jnp.array([[0.6, 0.5]]), jnp.array([0])
        >>> found = apgd(lambda x: x, jax.random.key(0), x, y, eps=0.2)
        >>> found.success.tolist(), found.loss
        ([True], 'margin')
    """

    inputs: Float[Array, "n ..."]
    success: Bool[Array, " n"]
    misclassified: Bool[Array, " n"]
    invalid: Bool[Array, " n"]
    target: Integer[Array, " n"]
    runs: Integer[Array, " n"]
    gradients: Integer[Array, " n"]
    forwards: Integer[Array, " n"]
    zero_gradients: Integer[Array, " n"]
    loss: str = field(metadata={"static": True})
    candidates: int = field(metadata={"static": True})
    targets: int = field(metadata={"static": True})

    @property
    def zero_share(self) -> Float[Array, ""]:
        """The share of all gradients that were 0: where it is large, gradients are masked."""
        of = jnp.maximum(jnp.sum(self.gradients), 1)
        return jnp.sum(self.zero_gradients) / of


def attacked(
    standing: Standing, x: Float[Array, "n ..."], loss: str, candidates: int = 0, targets: int = 0
) -> Attacked:
    """The result of an attack, inputs in their own shape."""
    found = standing._replace(inputs=standing.inputs.reshape(x.shape))
    return Attacked(*found, loss=loss, candidates=candidates, targets=targets)
