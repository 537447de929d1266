"""A text with its words highlighted by every method, side by side: figure D of arXiv 2311.13454.

`page` is one HTML page that asks for nothing and runs nothing. It shows a method's scores relative
to its own largest, marks the words it ranks highest, and outlines the words on which copies agree
more than by chance. Texts and names may hold anything: they are shown as text, and what no page can
show becomes U+FFFD.

A text is a data set: ``text`` and agreement's ``p_value`` and ``adjusted`` (corrected for all words
of the text) over word, and ``score`` over method and word, larger where a word matters more;
negative ones of signed methods count against the predicted class. Where words were left out, being
unknown or too far behind, it has these ``left_words``, shown in grey, and how many words stood
``before`` each, over left.
"""

import re
import unicodedata
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from matplotlib.colors import to_hex, to_rgb
from scipy.stats import rankdata
from xarray import Dataset

from experiments.plots.names import LONGEST, shorten
from experiments.plots.style import BLUE, VERMILION
from experiments.results import report, store

TOP = 15
"""Words marked by rank, as in the paper."""

ROUNDING = 1e-9
"""Share of the largest score below which a word is not marked: what rounding leaves of 0."""

LEVEL = 0.05
"""Words whose adjusted p-value is at most this are outlined."""

AGREEMENT = "agreement"
"""The method that the p-values belong to, in whose panel words are outlined."""

INK = "#111111"
DEPTH = 0.65
"""Share of the hue in the strongest background: `INK` on it has a contrast above 6.7."""

UNFIT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
"""What HTML forbids, or UTF-8 cannot encode."""


def shade(strength: float) -> str:
    """The colour of a score in [−1, 1] relative to the strongest: blue, white at 0, vermilion.

    Example:
        >>> shade(-1.0), shade(0.0), shade(1.0)
        ('#59a3cd', '#ffffff', '#e49659')
    """
    hue = np.array(to_rgb(VERMILION if strength > 0 else BLUE))
    share = DEPTH * abs(strength)
    red, green, blue = 1 - share + share * hue
    return to_hex((red, green, blue))


def marks(data: Dataset) -> Dataset:
    """How words look, over method and word.

    Returns:
        ``rank``, 1 for the largest score, equal ones sharing the better rank; ``top``, whether it
        is among the `TOP` largest positive ones, words of equal score together; ``strength``, the
        score / largest |score|, 0 where all scores are; ``significant``, whether it is outlined.

    Raises:
        AssertionError: a number is not finite.

    Example:
        >>> words = ("word", np.ones(3))
        >>> scores = (("method", "word"), [[0.0, 2.0, -1.0]])
        >>> data = Dataset(dict(score=scores, p_value=words, adjusted=words), {"method": ["any"]})
        >>> found = marks(data).isel(method=0)
        >>> found["rank"].values.tolist(), found.top.values.tolist(), found.strength.values.tolist()
        ([2, 1, 3], [False, True, False], [0.0, 1.0, -0.5])
    """
    assert all(np.isfinite(data[name]).all() for name in ("score", "p_value", "adjusted"))
    score = data.score.transpose("method", "word")
    rank = score.copy(data=rankdata(-score, method="min", axis=1).astype(int))
    largest = abs(score).max("word")
    return Dataset(
        {
            "rank": rank,
            "top": (rank <= TOP) & (score > ROUNDING * largest),
            "strength": (score / largest).where(largest > 0, 0.0),
            "significant": (data.method == AGREEMENT) & (data.adjusted <= LEVEL),
        }
    )


def falling(scores: Any) -> np.ndarray:
    """Places of words by falling score, the first of equal ones first."""
    return np.argsort(-np.asarray(scores), kind="stable")


def _direction(words: Sequence[str]) -> str:
    """Whether more letters run right to left: isolated words do not decide it in a browser."""
    kinds = Counter(unicodedata.bidirectional(char) for word in words for char in word[:LONGEST])
    return "rtl" if kinds["R"] + kinds["AL"] > kinds["L"] else "ltr"


def page(data: Dataset, facts: Mapping[str, Any], title: str, note: str) -> str:
    """The text under every method as a self-contained HTML page without scripts.

    A word's tooltip holds its score and rank, its p-value and the adjusted one; a table at the end
    holds the same for keyboards, touch and screen readers.

    Args:
        data: the text and its scores.
        facts: short label -> value, about the text and the networks.
        title: the heading.
        note: a sentence or two below it.

    Example:
        >>> one, scores = ("word", [1.0]), (("method", "word"), [[1.0]])
        >>> words = Dataset(dict(text=("word", ["<b>"]), score=scores, p_value=one, adjusted=one))
        >>> html = page(words.assign_coords(method=["any"]), {}, "A text", "")
        >>> "<b>" in html, "<bdi>&lt;b&gt;</bdi>" in html
        (False, True)
    """
    words = data.text.values.tolist()
    found = marks(data).assign(
        name=data.method, scores=data.score, largest=abs(data.score).max("word")
    )
    methods = [{k: x.values[i] for k, x in found.items()} for i in range(data.sizes["method"])]
    gaps: list[list[str]] = [[] for _ in range(len(words) + 1)]
    if "left_words" in data:
        for word, before in zip(data.left_words.values, data.before.values, strict=True):
            gaps[before].append(shorten(str(word)))
    known = {"ink": INK, "shade": shade, "longest": LONGEST, "level": LEVEL, "top": TOP}
    html = report.template(Path(__file__).with_suffix(".html")).render(
        known | {"title": title, "note": note},
        facts=store.jsonable(facts),
        texts=[shorten(word) for word in words],
        lengths=[len(word) for word in words],
        gaps=gaps,
        methods=methods,
        p_value=data.p_value.values,
        adjusted=data.adjusted.values,
        direction=_direction(words),
        agreement=AGREEMENT if AGREEMENT in data.method else None,
    )
    return UNFIT.sub("\ufffd", html)
