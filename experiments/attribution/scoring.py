"""All methods that score the words of texts, and the model-free ones where they are wanted."""

from dataclasses import dataclass
from typing import Any

import jax
import numpy as np
from numpy.typing import NDArray

from experiments.attribution.corpus import TextSettings
from experiments.errors import UsageError
from theory.attribution import perturbation
from theory.attribution.scores import ENSEMBLE, SINGLE
from theory.settings import Count

METHODS = (*SINGLE, *perturbation.METHODS, *ENSEMBLE)
"""All methods, in the order of figures and tables."""


@dataclass(frozen=True)
class PerturbedSettings(TextSettings):
    """Texts that LIME and kernel SHAP explain as well."""

    perturbed: Count | None = 1000
    """evaluations of the model per text by LIME and kernel SHAP; None leaves them out"""

    def __post_init__(self):
        super().__post_init__()
        each = perturbation.SAMPLES_PER_WORD
        needed = each * self.sizes.tokens
        if self.perturbed is not None and self.perturbed < needed:
            raise ValueError(
                f"perturbed is {self.perturbed}, and texts of {self.sizes.tokens} words need "
                f"{needed}, {each} a word; give None to leave out LIME and SHAP"
            )

    def require_libraries(self) -> None:
        """Before anything is trained.

        Raises:
            UsageError: LIME or SHAP is wanted and not installed.
        """
        if self.perturbed is None:
            return
        try:
            perturbation.import_libraries()
        except ImportError as error:
            # The reason as well: installed beside a numpy too new for it, numba does not load.
            raise UsageError(
                f"LIME and SHAP are not installed ({error}): pip install 'relu-theory[explain]', "
                "or leave them out with --perturbed None."
            ) from error


def tried(perturbed: int | None) -> tuple[str, ...]:
    """The methods, without the model-free ones where these are left out.

    Example:
        >>> tried(None) == (*SINGLE, *ENSEMBLE)
        True
    """
    return tuple(m for m in METHODS if perturbed is not None or m not in perturbation.METHODS)


def score_perturbed(
    copies: Any, table, ids: NDArray[np.int32], samples: int | None
) -> dict[str, NDArray[np.float64]]:
    """`perturbed_scores` of the first copy, none at all for None samples.

    Raises:
        UsageError: the outputs of the copy are not finite.
    """
    net = jax.tree.map(lambda leaf: leaf[0], copies)
    try:
        return {} if samples is None else perturbation.perturbed_scores(net, table, ids, samples)
    except ValueError as error:
        raise UsageError(
            f"{error}: train it otherwise, or leave them out with --perturbed None."
        ) from error
