"""Every attribution method that needs only the networks, on one text, in one program.

Scores are one number per word, larger where the word matters more to the predicted class, and 0 at
padding. Signed methods count towards that class: their scores are multiplied by the logit's sign.
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key

from theory.attribution.agreement import agreement_scores, small_norm
from theory.attribution.methods import (
    check_text,
    gradient,
    gradient_times_input,
    integrated_gradients,
    occlusion,
    present,
    seed_averaged,
    smooth_grad,
)

SINGLE = (
    "gradient norm",
    "SmoothGrad",
    "gradient×input",
    "|gradient×input|",
    "integrated gradients",
    "occlusion",
)
"""Methods that look at the explained copy alone."""

ENSEMBLE = ("agreement", "signed agreement", "agreement, small norms", "mean norm", "mean gradient")
"""Methods that look at all copies; the third is the published one, the fourth its baseline."""

SMOOTH = 32
"""Noisy texts of SmoothGrad."""

NOISE = 0.15
"""SmoothGrad's noise, as a share of the root mean square of the text's coordinates."""

NOWHERE = 1e-6
"""Integrated gradients start at this multiple of the text: words without meaning, not padding.

At exactly 0 a word is padding, which an LSTM skips, and its logit jumps there.
"""


class Explained(NamedTuple):
    """What all methods say of one text.

    Attributes:
        scores: by name, those of `SINGLE` and `ENSEMBLE`.
        logits: of every copy.
        gap: of integrated gradients, relative to the difference of the logits.
    """

    scores: dict[str, Float[Array, " words"]]
    logits: Float[Array, " copies"]
    gap: Float[Array, ""]


def word_gradients(copies: Any, x: Float[Array, "words d"]) -> Float[Array, "copies words d"]:
    """∂ logit_m/∂x_t of every copy at every word; 0 at padding.

    Example:
        >>> from theory.networks import SumReLU, two_layer_relu
        >>> copies = jax.vmap(lambda key: SumReLU(two_layer_relu(key, 3, 8)))(
        ...     jax.random.split(jax.random.key(0), 2)
        ... )
        >>> word_gradients(copies, jnp.ones((5, 3)).at[4].set(0)).shape
        (2, 5, 3)
    """
    gradients = jax.vmap(lambda net: gradient(net, x))(copies)
    return jnp.where(present(x)[None, :, None], gradients, 0)


def ensemble_scores(
    gradients: Float[Array, "copies words d"], words: Bool[Array, " words"]
) -> dict[str, Float[Array, " words"]]:
    """The scores of `ENSEMBLE` from the gradients of all copies, 0 at padding.

    Args:
        gradients: from `word_gradients`.
        words: the words that are not padding.

    Example:
        >>> gradients = jnp.ones((3, 5, 2)).at[:, 4].set(0)
        >>> scores = ensemble_scores(gradients, jnp.arange(5) < 4)
        >>> scores["agreement"].round(3).tolist()
        [1.0, 1.0, 1.0, 1.0, 0.0]
    """
    found = agreement_scores(gradients)
    scores = {
        "agreement": found.score,
        "signed agreement": found.cosine,
        "agreement, small norms": small_norm(found, words=words),
        "mean norm": found.norm,
        "mean gradient": jnp.linalg.norm(seed_averaged(gradients), axis=-1),
    }
    return {name: jnp.where(words, score, 0) for name, score in scores.items()}


def explain(copies: Any, x: Any, key: Key[Array, ""], *, steps: int) -> Explained:
    """Score every word of a text with every method.

    Args:
        copies: classifiers with a leading axis; the first is the one explained.
        x: the embedded text, padding being zero.
        key: of SmoothGrad's noise.
        steps: of integrated gradients.

    Raises:
        ValueError: for a text that every method refuses (`theory.attribution.methods`).

    Example:
        >>> from theory.networks import SumReLU, two_layer_relu
        >>> copies = jax.vmap(lambda key: SumReLU(two_layer_relu(key, 3, 8)))(
        ...     jax.random.split(jax.random.key(0), 3)
        ... )
        >>> x = jax.random.normal(jax.random.key(1), (5, 3))
        >>> found = explain(copies, x, jax.random.key(2), steps=1)
        >>> one, other = found.scores["gradient×input"], found.scores["occlusion"]
        >>> bool(jnp.allclose(one, other, atol=1e-5))  # for a sum over words
        True
    """
    check_text(x)
    net = jax.tree.map(lambda leaf: leaf[0], copies)
    words = present(x)
    gradients = word_gradients(copies, x)
    shared = ensemble_scores(gradients, words)
    count = jnp.maximum(jnp.sum(words), 1).astype(x.dtype) * x.shape[1]
    noise = NOISE * jnp.sqrt(jnp.sum(x**2) / count)
    smooth = smooth_grad(net, x, key, noise, SMOOTH)
    integrated = integrated_gradients(net, x, NOWHERE * x, steps)
    product = gradient_times_input(net, x)
    outputs = jax.vmap(lambda net: net(x))(copies)
    towards = jnp.where(outputs[0] >= 0, 1, -1).astype(x.dtype)
    difference = jnp.abs(outputs[0] - net(NOWHERE * x))
    scores = {
        "gradient norm": jnp.linalg.norm(gradients[0], axis=-1),
        "SmoothGrad": jnp.linalg.norm(smooth, axis=-1),
        "gradient×input": towards * product,
        "|gradient×input|": jnp.abs(product),
        "integrated gradients": towards * integrated.attributions,
        "occlusion": towards * occlusion(net, x),
    }
    return Explained(
        {name: jnp.where(words, score, 0) for name, score in scores.items()} | shared,
        outputs,
        jnp.abs(integrated.gap) / jnp.where(difference > 0, difference, 1),
    )
