"""Networks that draw at random: attacked by the mean of several draws, judged on others."""

from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
from jaxtyping import Array, Float, Integer, Key

from theory.attacks.losses import misclassified, wide

Random = Callable[[Key[Array, ""], Any], Float[Array, "n classes"]]
"""``logits(key, x)``, another draw for another key."""


def averaged(logits: Random, keys: Key[Array, " draws"]) -> Callable[[Any], Any]:
    """The mean log-probabilities over draws, as a function that any attack here takes.

    Args:
        logits: of a batch, by key.
        keys: of the draws, the same at every step: an attack compares losses of its steps.

    Source: expectation over transformation, Athalye et al. 2018 (arXiv 1707.07397).

    Example:
        >>> noisy = lambda key, x: x + jax.random.normal(key, x.shape)
        >>> keys = jax.random.split(jax.random.key(0), 3)
        >>> averaged(noisy, keys)(jnp.zeros((2, 4))).shape
        (2, 4)
    """

    def mean(x):
        drawn = jax.lax.map(lambda key: jax.nn.log_softmax(wide(logits(key, x))), keys)
        return jnp.mean(drawn, axis=0)

    return mean


def misclassified_share(
    logits: Random,
    keys: Key[Array, " draws"],
    x: Float[Array, "n ..."],
    y: Integer[Array, " n"],
) -> Float[Array, " n"]:
    """Of the draws the share in which each input is misclassified.

    Args:
        logits: of a batch, by key.
        keys: of the draws; others than the attack saw.
        x, y: inputs and labels.

    Example:
        >>> coin = lambda key, x: jnp.where(jax.random.bernoulli(key), x, -x)
        >>> keys = jax.random.split(jax.random.key(0), 1000)
        >>> share = misclassified_share(coin, keys, jnp.array([[1.0, 0.0]]), jnp.array([0]))
        >>> bool(abs(share[0] - 0.5) < 0.1)
        True
    """
    wrong = jax.lax.map(lambda key: misclassified(logits(key, x), y), keys)
    return jnp.mean(wrong, axis=0)
