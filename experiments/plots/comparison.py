"""Several ways on the same networks: which of them the seeds cannot tell from the best."""

from itertools import product
from typing import NamedTuple

import jax.numpy as jnp
import numpy as np
from jaxtyping import Float
from scipy import stats

from experiments.plots.estimates import LEVEL, Interval
from theory import intervals
from theory.multiplicity import holm

DOUBT = 0.05
"""Methods whose adjusted p-value against the best is above this are as good as the best."""

ROUNDING = 1e-6
"""Of accuracies in float32; one test image is more."""


class Standing(NamedTuple):
    """How one method stands among all on one cell."""

    behind: Interval
    """the mean difference to the best method, paired by network"""
    adjusted: float
    """p-value of no difference, Student's paired test, after Holm over the methods"""
    among_best: bool
    """not told apart from the best"""


def standings(values: Float[np.ndarray, "methods trials"]) -> list[Standing]:
    """Compare every method with the one of the largest mean, on the same networks.

    Example:
        >>> values = np.array([[0.9, 0.8, 0.9], [0.8, 0.9, 0.9], [0.1, 0.2, 0.1]])
        >>> [one.among_best for one in standings(values)]
        [True, True, False]
    """
    best = int(np.argmax(values.mean(axis=1)))
    differences = values - values[best]
    varies = differences.std(axis=1) > ROUNDING
    # The same difference on every network is no doubt at all, and none is no difference.
    p = np.where((np.abs(differences) <= ROUNDING).all(axis=1), 1.0, 0.0)
    _, p[varies] = stats.ttest_1samp(differences[varies], 0, axis=1)
    others = np.arange(len(values)) != best
    adjusted = np.ones(len(values))
    adjusted[others] = np.asarray(holm(jnp.asarray(p[others])))
    return [
        Standing(Interval(*intervals.mean(gap)), float(q), bool(q > DOUBT))
        for gap, q in zip(differences, adjusted, strict=True)
    ]


def mcnemar(won: int, lost: int) -> float:
    """The p-value of McNemar's exact test, of how many cases only one and only the other has.

    Example:
        >>> mcnemar(5, 0), mcnemar(0, 0)
        (0.0625, 1.0)
    """
    return float(stats.binomtest(won, won + lost).pvalue) if won + lost else 1.0


def in_words(interval: Interval, digits: int = 1, level: float = LEVEL) -> str:
    """An interval for a sentence.

    Example:
        >>> in_words(Interval(np.array(-1.0), np.array(-2.0), np.array(0.5)))
        '−1.0 (95 % interval −2.0 to 0.5)'
    """
    centre, low, high = interval.figures(digits)
    return f"{centre} ({100 * level:.3g} % interval {low} to {high})"


def listed(interval: Interval, each: str, above: float = 0.0, none: str = "none here") -> str:
    """Where an estimate is above a value with its whole interval, for a sentence.

    ``each`` is how one is written, from its ``text`` and its labels by dimension.

    Example:
        >>> from xarray import DataArray
        >>> low = DataArray([-1.0, 0.2], dims="kind", coords={"kind": ["sum", "max"]})
        >>> listed(Interval(low + 0.2, low, low + 0.4), "{kind}, by {text}")
        'max, by 0.40 [0.20, 0.60]'
    """
    dims = interval.low.dims
    places = product(*(interval.low[dim].values.tolist() for dim in dims))
    cells = [dict(zip(dims, place, strict=True)) for place in places]
    found = [(cell, interval.sel(**cell)) for cell in cells]
    parts = [each.format(text=one.text(), **cell) for cell, one in found if one.low > above]
    return "; ".join(parts) or none
