"""Names that a reader chose: short, printable, and beside points where there is room for them."""

from collections.abc import Iterable

import numpy as np
from matplotlib.axes import Axes
from matplotlib.font_manager import findfont, get_font
from matplotlib.transforms import Bbox
from numpy.typing import ArrayLike

LONGEST = 40
"""Characters of a word shown."""

SIDES = (
    *((0, (5, 0), "left", "center"), (0, (-5, 0), "right", "center")),
    *((1, (0, 3), side, "bottom") for side in ("center", "left", "right")),
    (-1, (0, -3), "center", "top"),
)
"""Where a name may stand: at a point or an end of its bar, how far off, and its alignment."""


def shorten(text: str, longest: int = LONGEST) -> str:
    """The text on one line, cut after so many characters.

    Example:
        >>> shorten("one\\ntwo"), shorten("abcdef", 3), shorten(" ", 3)
        ('one two', 'abc…', '␣')
    """
    text = " ".join(text.split()) or "␣"
    return text if len(text) <= longest else text[:longest] + "…"


def printable(text: str, longest: int) -> str:
    """The text as `shorten` leaves it, with U+FFFD for what the figures' font lacks.

    Example:
        >>> printable("naïve \U0001f984", 40)
        'naïve �'
    """
    has = get_font(findfont("DejaVu Sans")).get_char_index
    return "".join(char if has(ord(char)) else "\ufffd" for char in shorten(text, longest))


def write_names(
    ax: Axes,
    x: ArrayLike,
    y: ArrayLike,
    spread: ArrayLike,
    names: Iterable[tuple[int, str]],
    most: int,
) -> None:
    """Write names where no bar, no straight line and no other name is in the way.

    Args:
        ax: panel, already laid out.
        x, y: points.
        spread: half the length of their vertical bars.
        names: of some points, the important ones first; each name is written once.
        most: names written, at most.
    """
    x, y, spread = (np.asarray(values, float) for values in (x, y, spread))
    low, high = (ax.transData.transform(np.column_stack([x, y + e * spread])) for e in (-1, 1))
    taken = [Bbox(corners) for corners in np.stack([low - 3, high + 3], axis=1)]
    taken += [line.get_window_extent() for line in ax.lines if np.size(line.get_xdata()) == 2]
    written = set()
    for i, text in names:
        if text in written or len(written) == most:
            continue
        for end, shift, ha, va in SIDES:
            look = {"ha": ha, "va": va, "fontsize": 6, "parse_math": False}
            at = x[i], y[i] + end * spread[i]
            name = ax.annotate(text, at, shift, textcoords="offset points", **look)
            box = name.get_window_extent()
            inside = ax.bbox.contains(*box.min) and ax.bbox.contains(*box.max)
            if inside and not box.count_overlaps(taken):
                taken.append(box)
                written.add(text)
                break
            name.remove()
