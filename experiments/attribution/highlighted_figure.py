"""A highlighted text for print: the figure beside the page of `highlighted`."""

import matplotlib.pyplot as plt
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.font_manager import FontProperties, findfont, get_font
from matplotlib.patches import Rectangle
from matplotlib.textpath import TextToPath

from experiments.attribution.highlighted import (
    INK,
    LEVEL,
    LONGEST,
    TOP,
    Highlighted,
    Marks,
    marks,
    shade,
    shorten,
)
from experiments.plots.style import STYLE
from experiments.results import report, store

DRAWN = 80
"""Words of a text shown."""

# Lengths are in points, of which an inch has 72; y grows downwards.
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
    ("word", 0.0, "", True, f"agreement beyond chance, level {LEVEL} over all words"),
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
    """The text under every method: its first `DRAWN` words, two methods abreast.

    Raises:
        AssertionError: as `marks`.

    Example:
        >>> import numpy as np
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
