"""How good a classifier is: by its labels and by its confidence."""

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Integer


def accuracy(logits: Float[Array, "n classes"], y: Integer[Array, " n"]) -> Float[Array, ""]:
    """The share of rows whose largest logit is at the label.

    Example:
        >>> float(accuracy(jnp.array([[1.0, 0.0], [2.0, 3.0]]), jnp.array([0, 0])))
        0.5
    """
    return jnp.mean(jnp.argmax(logits, axis=-1).astype(y.dtype) == y, dtype=logits.dtype)


def negative_log_likelihood(
    logits: Float[Array, "n classes"], y: Integer[Array, " n"]
) -> Float[Array, ""]:
    """Mean of −log p(label), in nats.

    Example:
        >>> round(float(negative_log_likelihood(jnp.zeros((1, 10)), jnp.array([3]))), 4)
        2.3026
    """
    log_p = jax.nn.log_softmax(logits)
    return -jnp.mean(jnp.take_along_axis(log_p, y[:, None], axis=-1))


def calibration_error(
    logits: Float[Array, "n classes"], y: Integer[Array, " n"], bins: int = 15
) -> Float[Array, ""]:
    """Expected calibration error: mean gap of confidence and accuracy, over bins of confidence.

    Args:
        logits: of every row.
        y: classes.
        bins: of equal width in [0, 1].

    Source: Guo, Pleiss, Sun, Weinberger, "On calibration of modern neural networks" (2017).

    Example:
        >>> round(float(calibration_error(jnp.array([[0.0, 99.0]]), jnp.array([0]))), 4)
        1.0
    """
    p = jax.nn.softmax(logits)
    confidence, right = jnp.max(p, axis=-1), jnp.argmax(p, axis=-1).astype(y.dtype) == y
    at = jnp.minimum((confidence * bins).astype(int), bins - 1)
    gaps = jnp.zeros(bins, p.dtype).at[at].add(right.astype(p.dtype) - confidence)
    return jnp.sum(jnp.abs(gaps)) / len(y)
