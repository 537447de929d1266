"""Tables of methods as one HTML page without scripts."""

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

from experiments.results.report import template


class Table(NamedTuple):
    """One table.

    Attributes:
        caption: above it.
        columns: headings.
        rows: whether the row is marked, and its cells: text, a number, None, or
            ``[centre, low, high]``.
    """

    caption: str
    columns: tuple[str, ...]
    rows: Sequence[tuple[bool, Sequence[Any]]]


def tables_page(title: str, note: str, tables: Sequence[Table]) -> str:
    """The page.

    Example:
        >>> "<td>0.5" in tables_page("T", "n", [Table("c", ("a",), [(True, [[0.5, 0.4, 0.6]])])])
        True
    """
    return template(Path(__file__).with_suffix(".html")).render(
        title=title, note=note, tables=tables
    )
