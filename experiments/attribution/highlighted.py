"""A text with its words highlighted by every method, side by side: figure D of arXiv 2311.13454.

`page` is one HTML page that asks for nothing and runs nothing, `draw` the same for print. Both show
a method's scores relative to its own largest, mark the words it ranks highest, and outline the
words on which copies agree more than by chance. Texts and names may hold anything: they are shown
as text, and what no page or font can show becomes U+FFFD.
"""

import re
import unicodedata
from collections import Counter
from pathlib import Path
from typing import Any, NamedTuple

import matplotlib.pyplot as plt
import numpy as np
from matplotlib.axes import Axes
from matplotlib.colors import to_hex, to_rgb
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.patches import Rectangle
from matplotlib.textpath import TextToPath
from numpy.typing import NDArray
from scipy.stats import rankdata

from experiments import report, store
from experiments.experiment import STYLE
from experiments.panels import BLUE, VERMILION

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

DRAWN = 80
"""Words of a text shown in print."""

UNFIT = re.compile("[\x00-\x08\x0b-\x1f\x7f-\x9f\ud800-\udfff\ufdd0-\ufdef\ufffe\uffff]")
"""What HTML forbids, or UTF-8 cannot encode."""


class Highlighted(NamedTuple):
    """One text of T words and what every method says of it.

    Attributes:
        words: in order.
        methods: (T,) finite scores by the method's name, larger where a word matters more;
            negative ones of signed methods count against the predicted class.
        p_value: (T,) agreement's p-values.
        adjusted: (T,) the same after Holm.
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


# Print: lengths are in points, of which an inch has 72; y grows downwards.
WIDTH, MARGIN, GAP, LINE = 7.2 * 72, 8.0, 20.0, 13.0
COLUMN = (WIDTH - 2 * MARGIN - GAP) / 2
COLUMNS = MARGIN, MARGIN + COLUMN + GAP
QUIET = "0.35"
BODY, RANK, HEADING = (
    FontProperties(family="DejaVu Sans", size=size, weight=weight)
    for size, weight in ((7.68, "normal"), (4.8, "bold"), (8.64, "bold"))
)
"""Sizes of 16, 10 and 18 pixels in the PNG: in between, hinting makes words up to 4 % too wide."""

LEGEND = (
    ("for", 1.0, "", False, "background: score / strongest |score|"),
    ("against", -1.0, "", False, "the same, against the predicted class"),
    ("word", 1.0, "1", False, f"with rank: the {TOP} largest positive scores"),
    ("word", 0.0, "", True, f"agreement beyond chance at level {LEVEL} (Holm)"),
)


def printable(text: str, longest: int) -> str:
    """The text on one line, cut, with U+FFFD for what the figure's font lacks.

    Example:
        >>> printable("naïve \U0001f984", 40)
        'naïve �'
    """
    font = get_font(findfont(BODY))
    text = shorten(text, longest)
    return "".join(char if font.get_char_index(ord(char)) else "\ufffd" for char in text)


def _extent(text: str, rank: str = "") -> float:
    """How wide a word with its rank is."""
    widths = (
        TextToPath().get_text_width_height_descent(piece, font, ismath=False)[0]
        for piece, font in ((text, BODY), (rank, RANK))
    )
    return sum(widths) + 0.5 * bool(rank)


def _places(x: float, y: float, width: float, extents: list[float]) -> list[tuple[float, float]]:
    """Where pieces of these extents go, one after another in lines of this width."""
    places, start = [], x
    for extent in extents:
        if x > start and x + extent > start + width:
            x, y = start, y + LINE
        places.append((x, y))
        x += extent + 4.6
    return places


def _word(
    ax: Axes, x: float, y: float, text: str, strength: float, rank: str, outlined: bool
) -> None:
    """One word with its background, and a line below it, rank and outline where it has them."""
    end = x + _extent(text)
    ax.add_patch(
        Rectangle(
            (x - 1.5, y - 8),
            _extent(text, rank) + 3,
            11,
            facecolor=shade(strength),
            edgecolor=INK if outlined else "none",
            lw=0.8,
        )
    )
    ax.text(x, y, text, fontproperties=BODY, color=INK, parse_math=False)
    if rank:
        ax.text(end + 0.5, y - 2.6, rank, fontproperties=RANK, color=INK)
        ax.plot([x, end], [y + 1.5, y + 1.5], color=INK, lw=0.9)
    elif strength < 0:
        ax.plot([x, end], [y + 1.5, y + 1.5], color=INK, lw=0.9, ls=":", alpha=-strength)


def _panel(
    ax: Axes, x: float, y: float, method: str, words: tuple[str, ...], found: Marks
) -> float:
    """The text under one method, and the y below it."""
    ax.text(x, y, printable(method, LONGEST), fontproperties=HEADING, parse_math=False)
    texts = [printable(word, LONGEST // 2) for word in words[:DRAWN]]
    ranks = [str(rank) if top else "" for rank, top in zip(found.rank, found.top, strict=True)]
    more = len(words) - DRAWN
    rest = f"… and {more} more words" if more > 0 else ""
    extents = [*map(_extent, texts, ranks), _extent(rest)]
    *places, last = _places(x + 1.5, y + 1.3 * LINE, COLUMN, extents)
    for i, place in enumerate(places):
        strength, outlined = float(found.strength[i]), bool(found.significant[i])
        _word(ax, *place, texts[i], strength, ranks[i], outlined)
    ax.text(*last, rest, fontproperties=BODY, color=QUIET)
    return last[1] + 1.8 * LINE


def draw(shown: Highlighted) -> Figure:
    """The text under every method for print: its first `DRAWN` words, two methods abreast.

    Raises:
        AssertionError: as `marks`.

    Example:
        >>> one = np.ones(1)
        >>> figure = draw(Highlighted(("word",), {"any": one}, one, one, {"data set": "none"}))
        >>> [text.get_text() for text in figure.axes[0].texts[:3]]
        ['data set: none', 'any', 'word']
        >>> plt.close(figure)
    """
    facts = [f"{label}: {report.number(x)}" for label, x in store.jsonable(shown.facts).items()]
    facts = [printable(fact, 2 * LONGEST) for fact in facts]
    panels = [(name, shown.words, marks(shown, name)) for name in shown.methods]
    with plt.style.context(STYLE):
        figure = plt.figure()
        # Not layout="none" above: saving would set the engine back to None, the style's own one.
        figure.set_layout_engine("none")
        ax = figure.add_axes((0, 0, 1, 1))
        y = MARGIN + 8
        places = _places(MARGIN, y, WIDTH - 2 * MARGIN, [_extent(fact) + 8 for fact in facts])
        for fact, place in zip(facts, places, strict=True):
            ax.text(*place, fact, fontproperties=BODY, color=QUIET, parse_math=False)
            y = place[1] + 1.8 * LINE
        for row in range(0, len(panels), 2):
            pair = zip(COLUMNS, panels[row : row + 2], strict=False)
            y = max(_panel(ax, x, y, *panel) for x, panel in pair)
        for i, (text, strength, rank, outlined, meaning) in enumerate(LEGEND):
            x = COLUMNS[i % 2]
            _word(ax, x + 1.5, y, text, strength, rank, outlined)
            ax.text(x + 38, y, meaning, fontproperties=BODY, color=QUIET)
            y += LINE * (i % 2)
        ax.set(xlim=(0, WIDTH), ylim=(y, 0))
        ax.axis("off")
        figure.set_size_inches(WIDTH / 72, y / 72)
    return figure
