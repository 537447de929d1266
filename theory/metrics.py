"""How good a classifier is: by its labels and by its confidence.

All take logits (n, classes) and a class for each row, (n,). They raise ValueError for other shapes,
for labels that are no integers and, unless these are traced, for labels that are no classes. Where
a logit is NaN they are NaN, as a network that diverged is neither right nor wrong.
"""

from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Integer

from theory.checks import as_floats, check_classes, check_counts


def _checked(
    logits: Any, y: Any
) -> tuple[Float[Array, "n classes"], Integer[Array, " n"], Float[Array, ""]]:
    """Both as arrays, and 1 or where a logit is NaN that."""
    logits = as_floats("logits", logits)
    if logits.ndim != 2:
        raise ValueError(f"logits have shape {logits.shape} and must have (n, classes)")
    known = jnp.where(jnp.isnan(logits).any(), jnp.nan, jnp.ones((), logits.dtype))
    return logits, check_classes("labels", y, *logits.shape), known


def accuracy(logits: Any, y: Any) -> Float[Array, ""]:
    """The share of rows whose largest logit is at the label.

    Example:
        >>> float(accuracy(jnp.array([[1.0, 0.0], [2.0, 3.0]]), jnp.array([0, 0])))
        0.5
    """
    logits, y, known = _checked(logits, y)
    return known * jnp.mean(jnp.argmax(logits, axis=-1).astype(y.dtype) == y, dtype=logits.dtype)


def negative_log_likelihood(logits: Any, y: Any) -> Float[Array, ""]:
    """Mean of −log p(label), in nats.

    Example:
        >>> round(float(negative_log_likelihood(jnp.zeros((1, 10)), jnp.array([3]))), 4)
        2.3026
    """
    logits, y, _ = _checked(logits, y)
    log_p = jax.nn.log_softmax(logits)
    return -jnp.mean(jnp.take_along_axis(log_p, y[:, None], axis=-1))


def calibration_error(logits: Any, y: Any, bins: int = 15) -> Float[Array, ""]:
    """Expected calibration error: mean gap of confidence and accuracy, over bins of confidence.

    Args:
        logits: of every row.
        y: classes.
        bins: of equal width in [0, 1].

    Raises:
        ValueError: no bins, besides what all refuse.

    Source: Guo, Pleiss, Sun, Weinberger, "On calibration of modern neural networks" (2017).

    Example:
        >>> round(float(calibration_error(jnp.array([[0.0, 99.0]]), jnp.array([0]))), 4)
        1.0
    """
    check_counts(bins=bins)
    logits, y, known = _checked(logits, y)
    p = jax.nn.softmax(logits)
    confidence, right = jnp.max(p, axis=-1), jnp.argmax(p, axis=-1).astype(y.dtype) == y
    at = jnp.minimum((confidence * bins).astype(int), bins - 1)
    gaps = jnp.zeros(bins, p.dtype).at[at].add(right.astype(p.dtype) - confidence)
    return known * jnp.sum(jnp.abs(gaps)) / len(y)
