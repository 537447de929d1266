"""A text with its words highlighted by every method, side by side: figure D of arXiv 2311.13454.

`page` is one HTML page that asks for nothing and runs nothing, `highlighted_figure.draw` the same
for print. Both show a method's scores relative to its own largest, mark the words it ranks highest,
and outline the words on which copies agree more than by chance. Texts and names may hold anything:
they are shown as text, and what no page or font can show becomes U+FFFD.
"""

import re
import unicodedata
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from matplotlib.colors import to_hex, to_rgb
from numpy.typing import NDArray
from scipy.stats import rankdata

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

LONGEST = 40
"""Characters of a word shown on the page; in print half as many."""

UNFIT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
"""What HTML forbids, or UTF-8 cannot encode."""


class Highlighted(NamedTuple):
    """One text of T words and what every method says of it.

    Attributes:
        words: in order.
        methods: (T,) finite scores by the method's name, larger where a word matters more;
            negative ones of signed methods count against the predicted class.
        p_value: (T,) agreement's p-values.
        adjusted: (T,) the same, corrected for all words of the text.
        facts: short label -> value, about the text and the networks.
    """

    words: tuple[str, ...]
    methods: dict[str, NDArray[np.float64]]
    p_value: NDArray[np.float64]
    adjusted: NDArray[np.float64]
    facts: dict[str, Any]


class Marks(NamedTuple):
    """How one method's words look, each (T,).

    Attributes:
        rank: 1 for the largest score; equal scores share the better rank.
        top: the `TOP` largest of the positive scores, words of equal score together.
        strength: score / largest |score|; 0 where all scores are.
        significant: outlined; nowhere but for `AGREEMENT`.
    """

    rank: NDArray[np.int64]
    top: NDArray[np.bool_]
    strength: NDArray[np.float64]
    significant: NDArray[np.bool_]


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


def marks(shown: Highlighted, method: str) -> Marks:
    """Ranks, strengths and marks of one method's words.

    Raises:
        AssertionError: if an array is not of shape (T,), or not finite.

    Example:
        >>> scores, ones = np.array([0.0, 2.0, -1.0]), np.ones(3)
        >>> shown = Highlighted(("a", "b", "c"), {"any": scores}, ones, ones, {})
        >>> found = marks(shown, "any")
        >>> found.rank.tolist(), found.top.tolist(), found.strength.tolist()
        ([2, 1, 3], [False, True, False], [0.0, 1.0, -0.5])
    """
    scores = shown.methods[method]
    for array in (scores, shown.p_value, shown.adjusted):
        assert array.shape == (len(shown.words),) and np.isfinite(array).all(), method
    rank = rankdata(-scores, method="min").astype(np.int64)
    largest = np.abs(scores).max(initial=0)
    return Marks(
        rank=rank,
        top=(rank <= TOP) & (scores > ROUNDING * largest),
        strength=scores / largest if largest > 0 else scores,
        significant=(shown.adjusted <= LEVEL) & (method == AGREEMENT),
    )


def shorten(text: str, longest: int) -> str:
    """The text on one line, cut after so many characters.

    Example:
        >>> shorten("one\\ntwo", 40), shorten("abcdef", 3), shorten(" ", 3)
        ('one two', 'abc…', '␣')
    """
    text = " ".join(text.split()) or "␣"
    return text if len(text) <= longest else text[:longest] + "…"


def _direction(words: tuple[str, ...]) -> str:
    """Whether more letters run right to left: isolated words do not decide it in a browser."""
    kinds = Counter(unicodedata.bidirectional(char) for word in words for char in word[:LONGEST])
    return "rtl" if kinds["R"] + kinds["AL"] > kinds["L"] else "ltr"


def page(shown: Highlighted, title: str, note: str) -> str:
    """The text under every method as a self-contained HTML page without scripts.

    A word's tooltip holds its score and rank, its p-value and the adjusted one; a table at the end
    holds the same for keyboards, touch and screen readers.

    Args:
        shown: the text and its scores.
        title: the heading.
        note: a sentence or two below it.

    Raises:
        AssertionError: as `marks`.

    Example:
        >>> one = np.ones(1)
        >>> html = page(Highlighted(("<b>",), {"any": one}, one, one, {}), "A text", "")
        >>> "<b>" in html, "<bdi>&lt;b&gt;</bdi>" in html
        (False, True)
    """
    texts = [shorten(word, LONGEST) for word in shown.words]
    methods = [
        {"name": name, "scores": scores.tolist(), "largest": float(np.abs(scores).max(initial=0))}
        | marks(shown, name)._asdict()
        for name, scores in shown.methods.items()
    ]
    html = report.template(Path(__file__).with_suffix(".html")).render(
        title=title,
        note=note,
        facts=store.jsonable(shown.facts),
        texts=texts,
        lengths=[len(word) for word in shown.words],
        methods=methods,
        p_value=shown.p_value.tolist(),
        adjusted=shown.adjusted.tolist(),
        direction=_direction(shown.words),
        agreement=AGREEMENT if AGREEMENT in shown.methods else None,
        ink=INK,
        shade=shade,
        longest=LONGEST,
        level=LEVEL,
        top=TOP,
    )
    return UNFIT.sub("\ufffd", html)
