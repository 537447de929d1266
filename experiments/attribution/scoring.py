"""Every method's scores of a set of texts, the model-free ones through their libraries."""

from dataclasses import dataclass
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from numpy.typing import NDArray

from experiments.attribution.corpus import TextSettings
from experiments.attribution.perturbation import (
    BATCH,
    SAMPLES_PER_WORD,
    kernel_shap,
    lime,
    require_libraries,
)
from theory.attribution.copies import Kind
from theory.attribution.scores import (
    ENSEMBLE,
    SINGLE,
    Explained,
    explain_texts,
    untrained_agreement,
)
from theory.settings import Count

PERTURBATION = ("LIME", "kernel SHAP")
"""Methods that look at the explained copy's outputs alone."""

METHODS = (*SINGLE, *PERTURBATION, *ENSEMBLE)
"""All methods, in the order of figures and tables."""


@dataclass(frozen=True)
class PerturbedSettings(TextSettings):
    """Texts that LIME and kernel SHAP explain as well."""

    perturbed: Count | None = 1000
    """evaluations of the model per text by LIME and kernel SHAP; None leaves them out"""

    def __post_init__(self):
        super().__post_init__()
        needed = SAMPLES_PER_WORD * self.sizes.tokens
        if self.perturbed is not None and self.perturbed < needed:
            raise ValueError(
                f"perturbed is {self.perturbed}, and texts of {self.sizes.tokens} words need "
                f"{needed}, {SAMPLES_PER_WORD} a word; give None to leave out LIME and SHAP"
            )

    def require_libraries(self) -> None:
        """Before anything is trained.

        Raises:
            UsageError: LIME or SHAP is wanted and not installed.
        """
        if self.perturbed is not None:
            require_libraries()


def tried(perturbed: int | None) -> tuple[str, ...]:
    """The methods, without the model-free ones where these are left out.

    Example:
        >>> tried(None) == (*SINGLE, *ENSEMBLE)
        True
    """
    return tuple(m for m in METHODS if perturbed is not None or m not in PERTURBATION)


STEPS = {"flat": 1, "sum": 1, "max": 1, "lstm": 256}
"""Steps of integrated gradients at first; one is exact for networks without biases."""

COMPLETE = 1e-3
"""The gap of integrated gradients up to which steps are doubled, relative to the logits."""

MOST_STEPS = 1024
"""Steps at which doubling ends, whatever the gap is then."""

_explain = jax.jit(explain_texts, static_argnames="steps")
_untrained_agreement = jax.jit(untrained_agreement, static_argnames=("kind", "width", "copies"))


def score(kind: Kind, copies: Any, table, ids: NDArray[np.int32], key) -> Explained:
    """All methods but the model-free ones.

    Args:
        kind: of classifier.
        copies: with a leading axis; the first is explained.
        table: the embedding, (V + 1, d).
        ids: texts (K, T).
        key: of SmoothGrad's noise.

    Returns:
        NumPy arrays with a leading axis of texts.
    """
    steps = STEPS[kind]
    while True:
        found = jax.device_get(_explain(copies, table, jnp.asarray(ids), key, steps))
        if found.gap.max() <= COMPLETE or steps == 1 or steps >= MOST_STEPS:
            return found
        steps *= 2


def untrained_scores(
    settings: TextSettings, kind: Kind, x, copies: int, sets: int, key
) -> Float[np.ndarray, "sets words"]:
    """Agreement's scores by chance: of all words of one text, for sets of untrained copies.

    The directions of a maximum over words are not uniform even then, which makes the p-values of
    uniform directions too small; those of the other kinds are, up to what these scores show.

    Args:
        settings: sizes.
        kind: of classifier.
        x: the embedded text (T, d).
        copies: of a set, as many as explain the text.
        sets: sets of copies, independent of each other as their words are not.
        key: of the copies.
    """
    words = np.any(np.asarray(x) != 0, axis=1)
    keys, width = jax.random.split(key, sets), settings.hidden(kind)
    scores = _untrained_agreement(kind, x, keys, width=width, copies=copies)
    return np.asarray(scores)[:, words]


@jax.jit
def _masked(net, table, row, masks):
    return net(jnp.where(masks[:, :, None], table[row][None], 0))


def score_perturbed(
    copies: Any, table, ids: NDArray[np.int32], samples: int | None
) -> dict[str, NDArray[np.float64]]:
    """LIME and kernel SHAP of the first copy, removed words being replaced by padding.

    Args:
        copies: with a leading axis.
        table: the embedding, (V + 1, d).
        ids: texts (K, T).
        samples: perturbed texts for each text; no scores at all for None.

    Returns:
        By name, scores (K, T) towards the predicted class, 0 at padding.

    Raises:
        UsageError: the libraries are not installed.
    """
    if samples is None:
        return {}
    net = jax.tree.map(lambda leaf: leaf[0], copies)
    scores = {name: np.zeros(ids.shape) for name in PERTURBATION}
    for k, row in enumerate(ids):
        words = np.flatnonzero(row)

        def value(masks: NDArray[np.bool_], row=row, words=words) -> NDArray[np.float64]:
            keep = np.zeros((len(masks), len(row)), bool)
            keep[:, words] = masks
            return np.asarray(_masked(net, table, row, keep), float)

        whole = value(np.ones((BATCH, len(words)), bool))[0]
        towards = 1 if whole >= 0 else -1
        for name, method in zip(PERTURBATION, (lime, kernel_shap), strict=True):
            scores[name][k, words] = towards * method(value, len(words), samples, k)
    return scores
