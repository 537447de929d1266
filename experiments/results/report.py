"""`report`: every verdict and every figure on one HTML page that asks for nothing from anywhere.

The template beside this file holds the words and the looks; this module shapes the JSON of
`verify` and `run` for it. The page depends on its arguments and the pictures only, so the same
results give the same page.
"""

from itertools import groupby
from pathlib import Path
from typing import Any

from jinja2 import Template

from experiments.results import cards, verdict_table
from experiments.results.catalog import Kind, room
from experiments.results.verdicts import summary_json
from theory import display
from theory.display import number


def render(verdicts: list[dict[str, Any]], results: list[dict[str, Any]], folder: Path) -> str:
    """The page as a string.

    Args:
        verdicts: as `verification.verify_all` gives them.
        results: as `gallery.run` gives them, the content of each ``result.json``.
        folder: where the figures are, in ``folder/NAME/figure.png``, and perhaps a
            ``page.html``, which is embedded where it can run nothing.
    """
    figures = [cards.figure_facts(result, folder) for result in results]
    return template(Path(__file__).with_suffix(".html")).render(
        verdicts=verdicts,
        summary=summary_json(verdicts),
        caption=verdict_table.caption(verdicts),
        sections=_sections(verdicts, figures),
        runs=_distinct({"preset": x["preset"], "seed": x["seed"]} for x in verdicts + results),
        environments=_distinct(x["environment"] for x in verdicts + results),
        style=display.style(),
        link=link,
    )


def template(path: Path) -> Template:
    """A template of this project, with the functions of this module as filters."""
    filters = {
        "block": block,
        "estimate": estimate,
        "evidence": verdict_table.evidence,
        "part_evidence": verdict_table.part_evidence,
    }
    return display.template(path, **filters)


def link(kind: Kind, name: str) -> str:
    """The address of a card on the page."""
    return f"#{kind}-{name}"


def _sections(verdicts: list[dict], figures: list[dict]) -> list[dict[str, Any]]:
    """Theorems and figures by system, in the order in which the systems come."""
    sections: dict[str, dict[str, Any]] = {}
    entries = [("theorems", v["system"], cards.theorem_facts(v)) for v in verdicts]
    entries += [("figures", f["experiment"].partition(".")[0], f) for f in figures]
    for kind, system, shown in entries:
        empty = {"name": system, "title": room(system).title, "theorems": [], "figures": []}
        sections.setdefault(system, empty)[kind].append(shown)
    for section in sections.values():
        section["claims"] = _claims(section["figures"])
    return list(sections.values())


def _claims(figures: list[dict]) -> list[dict[str, Any]]:
    """The lines that experiments put under "claims", by number, and whose figure shows more."""
    lines = [
        line | {"experiment": one["experiment"]}
        for one in figures
        for line in one["summary"]["tables"].get("claims", [])
    ]
    return sorted(lines, key=lambda line: line["claim"])


def _distinct(values) -> list[dict[str, Any]]:
    """Each value once, in the order of its first appearance."""
    found = list(values)
    return [value for i, value in enumerate(found) if value not in found[:i]]


def estimate(value: Any) -> str:
    """A number as it is read; three are an estimate and its interval where the first lies within.

    Example:
        >>> estimate([0.5, 0.25, 1.0]), estimate([1, 2, 3]), estimate(0.5)
        ('0.5 [0.25, 1]', '1, 2, 3', '0.5')
    """
    match value:
        case [int() | float() as x, int() | float() as low, int() | float() as high] if (
            low <= x <= high
        ):
            return f"{number(x)} [{number(low)}, {number(high)}]"
    return number(value)


def block(values: dict[str, Any] | list[Any]) -> dict[str, Any]:
    """A JSON object, or a list, laid out for reading: plain values, tables, and objects within it.

    Neighbouring objects with the same keys, and a list of such objects, become one table.

    Example:
        >>> laid = block({"n": 3, "early": {"a": 1, "b": 2}, "late": {"a": 3, "b": 4}})
        >>> laid["values"], laid["tables"][0]["head"], laid["tables"][0]["rows"]
        ([('n', 3)], ['early', 'late'], [('a', [1, 3]), ('b', [2, 4])])
    """
    items = list(values.items() if isinstance(values, dict) else enumerate(values, 1))
    plain = [(_words(name), value) for name, value in items if _flat(value)]
    nested = [(name, value) for name, value in items if not _flat(value)]
    tables, inner = [], []
    for keys, neighbours in groupby(nested, key=lambda item: _columns(item[1])):
        group = list(neighbours)
        if keys is None:
            inner += [(_words(name), block(value)) for name, value in group]
        elif isinstance(group[0][1], list):
            tables += [
                _table(_words(name), keys, list(enumerate(value, 1))) for name, value in group
            ]
        elif len(group) == 1:
            inner.append((_words(group[0][0]), block(group[0][1])))
        else:
            tables.append(_table("", keys, group))
    return {"values": plain, "tables": tables, "inner": inner}


def _columns(value: Any) -> tuple[str, ...] | None:
    """The keys of an object of plain values, or those that all objects of a list share."""
    objects = value if isinstance(value, list) else [value]
    keys = tuple(objects[0]) if isinstance(objects[0], dict) else None
    alike = all(
        isinstance(o, dict) and tuple(o) == keys and all(map(_flat, o.values())) for o in objects
    )
    return keys if alike else None


def _table(title: str, keys: tuple[str, ...], objects: list[tuple[Any, dict]]) -> dict[str, Any]:
    """Objects as columns, or as rows where there are more of them than keys: tall, not wide."""
    names = [_words(name) for name, _ in objects]
    if len(objects) <= len(keys):
        rows = [(_words(key), [item[key] for _, item in objects]) for key in keys]
        return {"title": title, "head": names, "rows": rows}
    rows = [(name, list(item.values())) for name, (_, item) in zip(names, objects, strict=True)]
    return {"title": title, "head": [_words(key) for key in keys], "rows": rows}


def _flat(value: Any) -> bool:
    """Whether a value holds no object."""
    return all(map(_flat, value)) if isinstance(value, list) else not isinstance(value, dict)


def _words(name: Any) -> str:
    return str(name).replace("_", " ")
