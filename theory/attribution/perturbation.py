"""LIME and kernel SHAP: how much each word of a text matters, by evaluating it without some words.

Both fit a linear function of the words' presence to the model's outputs. The libraries of their
authors do it; here a text is only its number of words, and a model is a function of which words
are kept. Both methods see the model's raw output, a logit and not a probability, as the gradients
and occlusion do.
"""

import warnings
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Int32
from numpy.typing import NDArray

Value = Callable[[NDArray[np.bool_]], NDArray[np.float64]]
"""From masks of the words kept, (rows, words), to the model's output for each, (rows,)."""

BATCH = 256
"""Rows of every array of masks that a `Value` is called with.

A jitted model compiles once per shape, and the libraries ask for one row, for two, for all samples.
"""

SAMPLES_PER_WORD = 4
"""Samples that a text needs, per word.

Kernel SHAP draws masks in pairs, a mask and its complement, and a pair is one equation: below two
samples per word the fit has no unique solution, and SHAP returns errors as large as the values. For
linear models of 5 to 12 words, 4000 seeds each, 244 of 32 000 fits were wrong at 3 samples per word
and 5, each with SHAP's own warning, at 4: these are fitted to twice as many. LIME's ridge would
hide the same lack.
"""

SINGULAR = "Linear regression equation is singular"
"""How SHAP's warning of a fit without a unique solution begins."""


def lime(value: Value, words: int, samples: int, seed: int) -> NDArray[np.float64]:
    """The coefficients of LIME's local linear model of a text.

    `LimeTextExplainer` explains a text of numbered words: the masks drawn (a uniform number of
    words removed), the weights (an exponential kernel of width 25 on 100 × the cosine distance) and
    the ridge regression with penalty 1 are LIME's own. Ours are the raw output in place of a
    probability, and that each word gets its coefficient, without selection.

    The ridge shrinks: of a linear model, with masks of weight w that keep a share p of the words,
    by about 1/(1 + samples·mean(w p(1 − p))), 1% at 32 words and 1000 samples, and by 80% for a
    text of one word, because a text without words has almost no weight.

    Args:
        value: the model as a function of the words kept; called with `BATCH` rows at a time.
        words: words of the text.
        samples: evaluations of the model, at least `SAMPLES_PER_WORD` per word.
        seed: from 0 to 2³² − 1.

    Returns:
        One coefficient per word, (words,) float64.

    Raises:
        ImportError: LIME is not installed.
        ValueError: there are too few samples, or an output is not finite.

    References:
        Ribeiro, Singh, Guestrin, 2016 (arXiv 1602.04938).
    """
    if words == 0:
        return np.zeros(0)
    _check(words, samples)
    from lime.lime_text import LimeTextExplainer

    def outputs(texts: list[str]) -> NDArray[np.float64]:
        masks = np.zeros((len(texts), words), bool)
        for mask, text in zip(masks, texts, strict=True):
            mask[[int(word) for word in text.split()]] = True
        return _evaluate(value, masks)[:, None]  # one column per class

    explainer = LimeTextExplainer(feature_selection="none", random_state=seed)
    text = " ".join(map(str, range(words)))
    explanation = explainer.explain_instance(text, outputs, labels=(0,), num_samples=samples)
    coefficients = dict(explanation.local_exp[0])  # by word, numbered as they appear
    return np.array([coefficients[word] for word in range(words)])


def kernel_shap(value: Value, words: int, samples: int, seed: int) -> NDArray[np.float64]:
    """Shapley values of the game in which words join a text, estimated by kernel SHAP.

    `shap.KernelExplainer` against a background of no words, without selection of words. The
    values add up to value(all words) − value(none), also when sampled. They are exact for a linear
    model, and for every model where `samples` reaches 2^words − 2, all masks there are. SHAP
    rounds values below 1e-10 to 0.

    Arguments, returns and errors as of `lime`; samples are doubled where the masks drawn do not
    determine the values. NumPy's global state, from which SHAP draws, is left as it was.

    References:
        Lundberg, Lee, 2017 (arXiv 1705.07874).
    """
    if words == 0:
        return np.zeros(0)
    _check(words, samples)
    from shap import KernelExplainer

    # SHAP prints to stdout where a model fails on the background, so it has to fail here before.
    _evaluate(value, np.zeros((1, words), bool))
    state = np.random.get_state()
    np.random.seed(seed)
    try:
        explainer = KernelExplainer(lambda rows: _evaluate(value, rows > 0), np.zeros((1, words)))
        with warnings.catch_warnings():
            warnings.filterwarnings("error", SINGULAR)
            return explainer.shap_values(np.ones(words), nsamples=samples, l1_reg=0, silent=True)
    except UserWarning as warning:
        if not str(warning).startswith(SINGULAR):
            raise
        # The least squares solution that SHAP would return is not the Shapley values.
        return kernel_shap(value, words, 2 * samples, seed)
    finally:
        np.random.set_state(state)


def _evaluate(value: Value, masks: NDArray[np.bool_]) -> NDArray[np.float64]:
    padded = np.pad(masks, ((0, -len(masks) % BATCH), (0, 0)))
    batches = [value(batch) for batch in padded.reshape(-1, BATCH, masks.shape[1])]
    outputs = np.concatenate(batches, dtype=np.float64)[: len(masks)]
    if not np.isfinite(outputs).all():
        raise ValueError(
            "LIME and SHAP need finite logits, and the model's are not for a text without some of "
            "its words"
        )
    return outputs


def import_libraries() -> None:
    """Import LIME and SHAP, which takes seconds.

    Raises:
        ImportError: one of them is not installed, or does not load.
    """
    with warnings.catch_warnings():
        # What the libraries' own code is warned of as it loads is nothing its user can mend.
        warnings.simplefilter("ignore")
        import lime.lime_text  # noqa: F401
        import shap  # noqa: F401


def _check(words: int, samples: int) -> None:
    import_libraries()
    if samples < SAMPLES_PER_WORD * words:
        raise ValueError(
            f"samples is {samples} and must be at least {SAMPLES_PER_WORD * words} for a text of "
            f"{words} words"
        )


METHODS = {"LIME": lime, "kernel SHAP": kernel_shap}
"""By their names in figures and tables."""


@jax.jit
def _masked(net, table, row, masks):
    return net(jnp.where(masks[:, :, None], table[row][None], 0))


def perturbed_scores(
    net: Any,
    table: Float[Array, "vocabulary_and_padding d"],
    ids: Int32[np.ndarray, "texts words"],
    samples: int,
) -> dict[str, NDArray[np.float64]]:
    """`METHODS` of a classifier on several texts, removed words being replaced by padding.

    Args:
        net: the classifier.
        table: the embedding.
        ids: texts.
        samples: perturbed texts for each text.

    Returns:
        By name, scores (texts, words) towards the predicted class, 0 at padding.

    Raises:
        ImportError, ValueError: as of `lime`.
    """
    scores = {name: np.zeros(ids.shape) for name in METHODS}
    for k, row in enumerate(ids):
        words = np.flatnonzero(row)

        def value(masks: NDArray[np.bool_], row=row, words=words) -> NDArray[np.float64]:
            keep = np.zeros((len(masks), len(row)), bool)
            keep[:, words] = masks
            return np.asarray(_masked(net, table, row, keep), float)

        whole = value(np.ones((BATCH, len(words)), bool))[0]
        towards = 1 if whole >= 0 else -1
        for name, method in METHODS.items():
            scores[name][k, words] = towards * method(value, len(words), samples, k)
    return scores
