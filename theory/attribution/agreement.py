"""Agreement of gradient directions across independently trained copies.

For word t of a text and copies m = 1..M of a classifier, g_mt is the gradient of copy m's logit
with respect to the word's embedding. The agreement of the word is the mean over pairs of copies of
|cos(g_it, g_jt)| (arXiv 2311.13454). What training never touched is random in every copy and
agrees at chance; what it has learned agrees better.

Chance is the law of the same mean for M independent uniform directions. Its pairs are pairwise but
not jointly independent, so for M > 2 it is simulated; for two copies cos² ~ Beta(½, (d − 1)/2).
"""

from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import betainc, gammaln
from jaxtyping import Array, Float, Key

from theory.checks import as_floats, finite, traced

SAMPLES = 10_000
"""Draws of chance by default: p-values from 1e-4."""


class AgreementScores(NamedTuple):
    """The agreement of every word.

    Attributes:
        score: mean over pairs of |cos|.
        cosine: mean over pairs of cos, which sees whether directions agree in sign as well.
        norm: mean over copies of ‖g_mt‖ / max_s ‖g_ms‖.
    """

    score: Float[Array, " words"]
    cosine: Float[Array, " words"]
    norm: Float[Array, " words"]


class Agreement(NamedTuple):
    """The agreement of every word, and how likely it is by chance.

    Attributes:
        score, cosine, norm: as in `AgreementScores`.
        p_value: probability of a score at least as large by chance.
    """

    score: Float[Array, " words"]
    cosine: Float[Array, " words"]
    norm: Float[Array, " words"]
    p_value: Float[Array, " words"]

    def _repr_html_(self) -> str:
        from theory.display import card

        return card(self)


def pair_cosines(gradients: Float[Array, "models words d"]) -> Float[Array, "pairs words"]:
    """cos(g_it, g_jt) for all pairs i < j; 0 where a gradient is zero and has no direction.

    Example:
        >>> cosines = pair_cosines(jnp.array([[[1.0, 0.0]], [[1.0, 1.0]], [[0.0, 0.0]]]))
        >>> bool(jnp.allclose(cosines[:, 0], jnp.array([0.5**0.5, 0.0, 0.0])))
        True
    """
    _, units = _polar(gradients)
    cosines = jnp.einsum("iwd,jwd->ijw", units, units)
    i, j = jnp.triu_indices(len(gradients), 1)
    return cosines[i, j]


def _polar(gradients: Array) -> tuple[Array, Array]:
    """Lengths and directions, 0 where there is no direction.

    The squares of coordinates near 1e-22 or 1e22 leave the range of single precision, and the
    gradients of a recurrent network come as small.
    """
    largest = jnp.max(jnp.abs(gradients), axis=-1, keepdims=True)
    scaled = gradients / jnp.where(largest > 0, largest, 1)
    lengths = jnp.linalg.norm(scaled, axis=-1, keepdims=True)
    return (largest * lengths)[..., 0], scaled / jnp.where(lengths > 0, lengths, 1)


def chance_scores(
    key: Key[Array, ""], models: int, d: int, samples: int = SAMPLES
) -> Float[Array, " samples"]:
    """The score of words whose directions are independent and uniform.

    Args:
        key: a typed JAX key.
        models: number of copies.
        d: dimension of the embedding.
        samples: number of draws.

    Raises:
        ValueError: no draws.

    Example:
        >>> scores = chance_scores(jax.random.key(0), models=4, d=64)
        >>> bool(jnp.abs(scores.mean() - expected_chance(64)) < 1e-3)
        True
    """
    if samples < 1:
        raise ValueError(f"samples is {samples} and must be at least 1")
    # The draws are the words of a text without meaning.
    directions = jax.random.normal(key, (models, samples, d))
    return jnp.mean(jnp.abs(pair_cosines(directions)), axis=0)


def expected_chance(d: int) -> Float[Array, ""]:
    """E|cos| of two uniform directions in R^d, Γ(d/2)/(√π Γ((d+1)/2)), about √(2/(πd)).

    The line at 1/√d, which is the root mean square, lies above it.

    Example:
        >>> round(float(expected_chance(64)), 4)
        0.1001
    """
    half = jnp.asarray(d / 2, float)
    return jnp.exp(gammaln(half) - gammaln(half + 0.5)) / jnp.sqrt(jnp.pi)


def exact_p_value(cosine: Float[Array, "*shape"], d: int) -> Float[Array, "*shape"]:
    """P(|cos| ≥ |c|) of two uniform directions in R^d, d ≥ 2, by cos² ~ Beta(½, (d − 1)/2).

    Example:
        >>> round(float(exact_p_value(jnp.array(0.5), 3)), 4)  # uniform on the sphere
        0.5
    """
    a, b = jnp.asarray((d - 1) / 2, cosine.dtype), jnp.asarray(0.5, cosine.dtype)
    return betainc(a, b, jnp.clip(1 - cosine**2, 0, 1))


def p_values(
    score: Float[Array, "*shape"], chance: Float[Array, " samples"]
) -> Float[Array, "*shape"]:
    """(1 + #{chance ≥ score})/(1 + B): uniform, up to its grid, where the score is by chance too.

    Args:
        score: of words; one that is not finite has none, NaN.
        chance: B independent scores of a word that shows nothing learned, from `chance_scores`. For
            classifiers whose gradients have no uniform direction at initialisation, `calibrate`.

    Raises:
        ValueError: no scores by chance, or some that are not finite, unless they are traced.

    Example:
        >>> p_values(jnp.array([0.9, 0.1]), jnp.array([0.2, 0.3, 0.4])).tolist()
        [0.25, 1.0]
    """
    _check_chance(chance)
    below = jnp.searchsorted(jnp.sort(chance), score, side="left").astype(score.dtype)
    p_value = (1 + len(chance) - below) / (1 + len(chance))
    return jnp.where(jnp.isfinite(score), p_value, jnp.nan)


def _check_chance(chance: Array) -> None:
    if len(chance) == 0:
        raise ValueError("there are no scores by chance to compare with")
    if not traced(chance) and not finite(chance):
        raise ValueError("scores by chance have entries that are not finite")


class Calibrated(NamedTuple):
    """p-values of the words of one text.

    Attributes:
        p_value: of each word by itself.
        adjusted: the largest family-wise error at which the word is not rejected.
    """

    p_value: Float[Array, " words"]
    adjusted: Float[Array, " words"]


def calibrate(score: Any, chance: Any) -> Calibrated:
    """p-values of a text's scores against those of untrained copies at the same text.

    The words of one set of copies share its networks, so that the sets, not their words, are the
    independent draws. A word is compared with itself in every set; all words together with the
    largest score of every set, which bounds the family-wise error whatever their dependence.

    Args:
        score: of the words, (words,); one that is not finite has no p-value, NaN.
        chance: of the same words, (sets, words), B sets of as many untrained copies; no p-value is
            below 1/(1 + B).

    Raises:
        ValueError: chance is of another number of words, empty, or not finite, unless traced.

    References:
        Westfall, Young, "Resampling-based multiple testing", 1993, single-step maxT.

    Example:
        >>> chance = jnp.array([[0.2, 0.5], [0.3, 0.6], [0.1, 0.7]])
        >>> found = calibrate(jnp.array([0.4, 0.65]), chance)
        >>> found.p_value.tolist(), found.adjusted.tolist()
        ([0.25, 0.5], [1.0, 0.5])
    """
    score, chance = as_floats("score", score), as_floats("chance", chance)
    if score.ndim != 1:
        raise ValueError(f"score has shape {score.shape} and must have one axis, (words,)")
    if chance.ndim != 2 or chance.shape[1:] != score.shape:
        raise ValueError(
            f"chance has shape {chance.shape} and must have a row for every set of copies, with "
            f"the {len(score)} words of the text"
        )
    _check_chance(chance)
    return Calibrated(
        jax.vmap(p_values, in_axes=(0, 1))(score, chance), p_values(score, chance.max(axis=1))
    )


def agreement_scores(gradients: Any) -> AgreementScores:
    """How far the copies agree on the direction of each word's gradient.

    Args:
        gradients: ∂ logit_m/∂e_t (models, words, d), of at least two copies on one shared
            embedding. A word where one is not finite has no score, cosine or norm: they are NaN,
            and the others' as without it.

    Raises:
        ValueError: for fewer than two copies or a single dimension, where nothing can disagree;
            for another shape, or what are no real numbers.

    Example:
        >>> found = agreement_scores(jnp.array([[[1.0, 0.0]], [[-1.0, 0.0]]]))
        >>> found.score.tolist(), found.cosine.tolist(), found.norm.tolist()
        ([1.0], [-1.0], [1.0])
    """
    gradients = as_floats("gradients", gradients)
    if gradients.ndim != 3:
        raise ValueError(
            f"gradients have shape {gradients.shape} and must have (models, words, d): one for "
            "each copy and each word."
        )
    models, _, d = gradients.shape
    if models < 2:
        raise ValueError(f"There is {models} copy of the classifier; agreement needs at least two.")
    if d < 2:
        raise ValueError("The embedding has one dimension, in which all directions agree.")
    cosines = pair_cosines(gradients)
    norms, _ = _polar(gradients)
    # A word without a number in one copy has none itself, and leaves the others theirs in all.
    whole = jnp.isfinite(norms).all(axis=0)
    largest = jnp.max(jnp.where(whole, norms, 0), axis=1, keepdims=True, initial=0)
    return AgreementScores(
        score=jnp.mean(jnp.abs(cosines), axis=0),
        cosine=jnp.mean(cosines, axis=0),
        norm=jnp.mean(norms / jnp.where(largest > 0, largest, 1), axis=0),
    )


def agreement(
    gradients: Any,
    *,
    key: Key[Array, ""] | None = None,
    samples: int | None = None,
) -> Agreement:
    """The scores of `agreement_scores` with their p-values against uniform directions.

    Args:
        gradients: as of `agreement_scores`.
        key: for the simulation of chance; a fixed one when None, so that a text gets the same
            p-values every time.
        samples: draws of chance, B; a p-value is at least 1/(1 + B). Holm's correction over W
            words at level α needs B ≥ W/α; enough for 5 % when None, and at least `SAMPLES`.

    Raises:
        ValueError: as `agreement_scores`; ``samples`` is below 1.

    Example:
        >>> gradients = jax.random.normal(jax.random.key(0), (5, 3, 64)).at[:, 0].add(1.0)
        >>> found = agreement(gradients, samples=999)
        >>> found.score.shape, bool(found.p_value[0] == 1e-3)
        ((3,), True)
    """
    gradients = as_floats("gradients", gradients)
    found = agreement_scores(gradients)
    models, words, d = gradients.shape
    if models == 2:
        p_value = exact_p_value(found.score, d)
    else:
        key = jax.random.key(0) if key is None else key
        samples = max(SAMPLES, 20 * words) if samples is None else samples
        chance = chance_scores(key, models, d, samples).astype(found.score.dtype)
        p_value = p_values(found.score, chance)
    return Agreement(*found, p_value)


def small_norm(
    found: Agreement | AgreementScores,
    quantile: float | Float[Array, ""] = 0.5,
    words: Any = None,
) -> Float[Array, " words"]:
    """The published filter: the score where the norm is at most its quantile, elsewhere 0.

    It is the least justified step of the method, and can discard the words that decide.

    Args:
        found: from `agreement` or `agreement_scores`.
        quantile: the share of the words that is kept; all pass at 1.
        words: the words that are not padding, over which the quantile is taken, (words,) of true
            and false; all when None.

    Raises:
        ValueError: for a quantile outside [0, 1], or words of another shape or type.

    Example:
        >>> ones = jnp.ones(3)
        >>> small_norm(AgreementScores(ones, ones, jnp.array([0.1, 0.2, 1.0]))).tolist()
        [1.0, 1.0, 0.0]
    """
    if not traced(quantile) and not 0 <= np.asarray(quantile) <= 1:
        raise ValueError(f"quantile is {quantile} and must be from 0 to 1")
    norm = found.norm
    if words is not None:
        words = jnp.asarray(words)
        if words.shape != norm.shape or words.dtype != bool:
            raise ValueError(
                f"words are {words.dtype} of shape {words.shape} and must be true or false, of "
                f"shape {norm.shape}"
            )
        norm = jnp.where(words, norm, jnp.nan)
    passed = found.norm <= jnp.nanquantile(norm, quantile)
    return jnp.where(passed | jnp.isnan(found.norm), found.score, 0)
