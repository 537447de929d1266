"""Do attributions rank the right words? Ground truth, agreement with another ranking, sanity.

Scores are one number per word, larger for words that matter more; sign and norm are the caller's
choice. Padding, the zero vector, is never scored, selected or counted. All are ranks on the host,
and NaN where the answer is undefined.
"""

import numpy as np
from jaxtyping import Array, Bool, Float
from scipy import stats

Scores = Float[Array | np.ndarray, " words"]
Mask = Bool[Array | np.ndarray, " words"]


def _of_words(words: Mask | None, scores: Scores, *others: Scores | Mask) -> list[np.ndarray]:
    """The entries at the words that are not padding, of scores (finite) and of what goes along."""
    arrays = [np.asarray(a) for a in (scores, *others)]
    if words is not None:
        arrays = [a[np.asarray(words)] for a in arrays]
    if not arrays[0].size:
        raise ValueError("the text has no words")
    if not all(np.isfinite(a).all() for a in arrays):
        raise ValueError("scores of words must be finite")
    return arrays


def pointing_game(scores: Scores, target: Mask, words: Mask | None = None) -> float:
    """Is the word of largest score a target? Of tied words, one is drawn: the probability of yes.

    Args:
        scores: one per word.
        target: the words that decide the label.
        words: the words that are not padding; all when None.

    Raises:
        ValueError: if there are no words, or a score is not finite.

    References:
        Zhang, Lin, Brandt, Shen, Sclaroff, 2016 (arXiv 1608.00507).

    Example:
        >>> pointing_game(np.array([1.0, 3.0, 3.0]), np.array([False, True, False]))
        0.5
    """
    score, hit = _of_words(words, scores, target)
    return float(hit[score == score.max()].mean())


def auroc(scores: Scores, target: Mask, words: Mask | None = None) -> float:
    """P(target above other) + ½P(tie): the area under the ROC curve over the words of a text.

    Arguments and errors as for `pointing_game`.

    Returns:
        The area, NaN where the words are all targets or none is.

    Example:
        >>> auroc(np.array([1.0, 3.0, 3.0]), np.array([False, True, False]))
        0.75
    """
    score, hit = _of_words(words, scores, target)
    hits = int(hit.sum())
    misses = hit.size - hits
    if not hits or not misses:
        return float("nan")
    # Mann and Whitney: the mean rank of the targets, less its smallest value.
    return float((stats.rankdata(score)[hit].mean() - (hits + 1) / 2) / misses)


def judged(
    scores: Float[np.ndarray, "texts words"],
    target: Bool[np.ndarray, "texts words"],
    words: Bool[np.ndarray, "texts words"],
) -> tuple[float, float]:
    """The mean over texts of `pointing_game` and of `auroc`, whose arguments are rows of these.

    Example:
        >>> judged(np.array([[1.0, 3.0, 3.0]]), np.eye(3, dtype=bool)[1:2], np.ones((1, 3), bool))
        (0.5, 0.75)
    """
    texts = list(zip(scores, target, words, strict=True))
    pointing, area = (
        float(np.mean([judge(*text) for text in texts])) for judge in (pointing_game, auroc)
    )
    return pointing, area


def average_precision(scores: Scores, target: Mask, words: Mask | None = None) -> float:
    """The mean, over the targets, of the precision among the words scored at least as high.

    Arguments and errors as for `pointing_game`.

    Returns:
        The average precision, NaN where no word is a target.

    Example:
        >>> average_precision(np.array([1.0, 3.0, 3.0]), np.array([False, True, False]))
        0.5
    """
    score, hit = _of_words(words, scores, target)
    if not hit.any():
        return float("nan")
    above = stats.rankdata(-score, method="max")[hit]
    return float((stats.rankdata(-score[hit], method="max") / above).mean())


def position_share(
    scores: Float[np.ndarray, "texts words"], words: Bool[np.ndarray, "texts words"]
) -> float:
    """The share of the scores' variance that lies between positions.

    By chance it is about (positions − 1)/(words − 1), because every position's mean is fitted.

    Example:
        >>> position_share(np.array([[1.0, 2.0], [1.0, 2.0]]), np.ones((2, 2), bool))
        1.0
    """
    whole = scores[words].mean()
    counts = words.sum(axis=0)
    means = np.where(words, scores, 0).sum(axis=0) / np.maximum(counts, 1)
    between = (counts * (means - whole) ** 2).sum()
    within = ((scores - means) ** 2)[words].sum()
    return float(between / (between + within)) if between + within > 0 else 0.0


def kendall_tau(scores: Scores, reference: Scores, words: Mask | None = None) -> float:
    """Kendall's τ_b of the scores with a reference, such as leave-one-out (`occlusion`).

    Args:
        scores: one per word.
        reference: the scores to agree with.
        words: the words that are not padding; all when None.

    Returns:
        τ_b in [−1, 1], NaN where either is constant.

    Raises:
        ValueError: if there are no words, or a score is not finite.

    Example:
        >>> round(kendall_tau(np.array([1.0, 2.0, 3.0]), np.array([1.0, 3.0, 2.0])), 3)
        0.333
    """
    ours, theirs = _of_words(words, scores, reference)
    if not np.ptp(ours) or not np.ptp(theirs):
        return float("nan")
    return float(np.asarray(stats.kendalltau(ours, theirs))[0])


def adebayo(scores: Scores, randomised: Scores, words: Mask | None = None) -> float:
    """Spearman's ρ of the attributions of a model with those of a randomised one.

    Near 1, the attribution shows the text or the architecture, not what the model learned.

    Args:
        scores: of the trained model.
        randomised: of the same model with fresh parameters, or trained on shuffled labels.
        words: the words that are not padding; all when None.

    Returns:
        ρ in [−1, 1], NaN where either is constant.

    Raises:
        ValueError: if there are no words, or a score is not finite.

    References:
        Adebayo, Gilmer, Muelly, Goodfellow, Hardt, Kim, 2018 (arXiv 1810.03292).

    Example:
        >>> round(adebayo(np.array([1.0, 2.0, 3.0]), np.array([1.0, 3.0, 2.0])), 3)
        0.5
    """
    trained, fresh = _of_words(words, scores, randomised)
    if not np.ptp(trained) or not np.ptp(fresh):
        return float("nan")
    return float(np.asarray(stats.spearmanr(trained, fresh))[0])
