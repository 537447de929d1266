"""What an attack ascends: per-sample losses of logits, defined for every number of classes.

All take logits ``(n, K)`` and are larger the closer a sample is to the wrong side. Infinite logits
count as the largest finite ones, so that no difference of two of them is NaN; a NaN stays one.
"""

from collections.abc import Callable
from typing import Literal

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Integer

Loss = Literal["ce", "dlr", "margin"]
"""Cross-entropy, difference of logits ratio, or margin."""

Logits = Float[Array, "n classes"]
Classes = Integer[Array, " n"]
Values = Float[Array, " n"]

TINY = 1e-12
"""What keeps the denominators of the ratios positive, as in the reference."""


def wide(z: Logits) -> Logits:
    """Half precision as single; all else as it is.

    Example:
        >>> wide(jnp.ones((1, 2), jnp.bfloat16)).dtype
        dtype('float32')
    """
    return z.astype(jnp.float32) if jnp.finfo(z.dtype).bits < 32 else z


def bounded(z: Logits) -> Logits:
    """Logits with ±∞ as large finite numbers, of which any sum of four is finite.

    Example:
        >>> z = bounded(jnp.array([[jnp.inf, 0.0, -jnp.inf]]))
        >>> bool(jnp.isfinite(z[0, 0] - z[0, 2]))
        True
    """
    most = float(jnp.finfo(z.dtype).max) / 8
    return jnp.clip(z, -most, most)


def of_class(z: Logits, y: Classes) -> Values:
    """The logit of a class in every row.

    Example:
        >>> of_class(jnp.array([[1.0, 2.0], [3.0, 4.0]]), jnp.array([1, 0])).tolist()
        [2.0, 3.0]
    """
    return jnp.take_along_axis(z, y[:, None], axis=1)[:, 0]


def without(z: Logits, y: Classes) -> Logits:
    """Logits with that of one class −∞.

    Example:
        >>> without(jnp.array([[1.0, 2.0]]), jnp.array([1])).tolist()
        [[1.0, -inf]]
    """
    is_y = jnp.arange(z.shape[1], dtype=y.dtype)[None] == y[:, None]
    return jnp.where(is_y, -jnp.inf, z)


def misclassified(z: Logits, y: Classes) -> Bool[Array, " n"]:
    """Whether the first of the largest logits is another than the label's; never if one is NaN.

    Example:
        >>> z = jnp.array([[1.0, 2.0], [2.0, 1.0], [jnp.nan, 1.0]])
        >>> misclassified(z, jnp.zeros(3, int)).tolist()
        [True, False, False]
    """
    return (jnp.argmax(z, axis=1).astype(y.dtype) != y) & ~jnp.any(jnp.isnan(z), axis=1)


def cross_entropy(z: Logits, y: Classes) -> Values:
    """−log p(y), in nats.

    Example:
        >>> round(float(cross_entropy(jnp.zeros((1, 2)), jnp.array([1]))[0]), 4)
        0.6931
    """
    return -of_class(jax.nn.log_softmax(bounded(z)), y)


def margin(z: Logits, y: Classes) -> Values:
    """max_{i≠y} z_i − z_y: positive only if misclassified, and then unless logits are tied.

    Example:
        >>> margin(jnp.array([[1.0, 4.0, 2.0]]), jnp.array([1])).tolist()
        [-2.0]
    """
    z = bounded(z)
    # By its index: the derivative of a maximum would be shared out among tied logits.
    return of_class(z, jnp.argmax(without(z, y), axis=1).astype(y.dtype)) - of_class(z, y)


def dlr(z: Logits, y: Classes) -> Values:
    r"""The difference of logits ratio, which neither a shift nor a scale of the logits changes.

    .. math:: -(z_y - \max_{i≠y} z_i) / (z_{π1} - z_{π3} + 10^{-12}), \quad z_{π1} ≥ z_{π2} ≥ …

    Positive if and only if misclassified, ties apart. The gradient flows through the denominator.

    Args:
        z: logits of at least 3 classes.
        y: labels.

    Source: Croce and Hein 2020 (arXiv 2003.01690), equation 6.

    Example:
        >>> round(float(dlr(jnp.array([[1.0, 5.0, 3.0]]), jnp.array([1]))[0]), 6)
        -0.5
    """
    top = jax.lax.top_k(bounded(z), 3)[0]
    return margin(z, y) / (top[:, 0] - top[:, 2] + TINY)


def targeted_cross_entropy(z: Logits, y: Classes, target: Classes) -> Values:
    """log p(target); the label does not matter.

    Example:
        >>> z = jnp.zeros((1, 2))
        >>> round(float(targeted_cross_entropy(z, jnp.array([1]), jnp.array([0]))[0]), 4)
        -0.6931
    """
    return -cross_entropy(z, target)


def targeted_margin(z: Logits, y: Classes, target: Classes) -> Values:
    """z_t − z_y.

    Example:
        >>> z = jnp.array([[1.0, 4.0, 2.0]])
        >>> targeted_margin(z, jnp.array([1]), jnp.array([0])).tolist()
        [-3.0]
    """
    z = bounded(z)
    return of_class(z, target) - of_class(z, y)


def targeted_dlr(z: Logits, y: Classes, target: Classes) -> Values:
    r"""The difference of logits ratio towards one class.

    .. math:: -(z_y - z_t) / (z_{π1} - ½(z_{π3} + z_{π4}) + 10^{-12})

    Where it is positive the sample is misclassified, as the target or as a third class.

    Args:
        z: logits of at least 4 classes.
        y: labels.
        target: the class aimed at in every row.

    Source: Croce and Hein 2020 (arXiv 2003.01690), equation 7.

    Example:
        >>> z = jnp.array([[1.0, 5.0, 3.0, 1.0]])
        >>> round(float(targeted_dlr(z, jnp.array([1]), jnp.array([2]))[0]), 6)
        -0.5
    """
    top = jax.lax.top_k(bounded(z), 4)[0]
    # Halves before the sum, which is finite then as well.
    below = top[:, 2] / 2 + top[:, 3] / 2
    return targeted_margin(z, y, target) / (top[:, 0] - below + TINY)


UNTARGETED: dict[str, Callable[[Logits, Classes], Values]] = {
    "ce": cross_entropy,
    "dlr": dlr,
    "margin": margin,
}
TARGETED: dict[str, Callable[[Logits, Classes, Classes], Values]] = {
    "ce": targeted_cross_entropy,
    "dlr": targeted_dlr,
    "margin": targeted_margin,
}


def defined(loss: Loss, classes: int, targeted: bool) -> Loss:
    """The loss that an attack uses: the margin where there are too few classes for a ratio.

    Args:
        loss: the one asked for.
        classes: K.
        targeted: whether a class is aimed at, which takes 4 classes for a ratio and not 3.

    Example:
        >>> defined("dlr", 3, targeted=False), defined("dlr", 3, targeted=True)
        ('dlr', 'margin')
    """
    return "margin" if loss == "dlr" and classes < 3 + targeted else loss
