"""`report`: every verdict and every figure on one HTML page that asks for nothing from anywhere.

The template beside this file holds the words and the looks; this module shapes the JSON of
`verify` and `run` for it. The page depends on its arguments and the pictures only, so the same
results give the same page.
"""

import base64
import math
import re
from itertools import groupby
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined, Template
from markupsafe import Markup, escape

from experiments.results import verdict_table
from experiments.results.catalog import known, room
from experiments.results.gallery import FIGURE, PAGE
from experiments.results.verdicts import summary_json

NONE = "–"
INFINITE = 3e38
"""From here on a number stands for an infinity, which JSON cannot hold."""

EXPONENT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


def render(verdicts: list[dict[str, Any]], results: list[dict[str, Any]], folder: Path) -> str:
    """The page as a string.

    Args:
        verdicts: as `verification.verify_all` gives them.
        results: as `gallery.run` gives them, the content of each ``result.json``.
        folder: where the figures are, in ``folder/NAME/figure.png``, and perhaps a
            ``page.html``, which is embedded where it can run nothing.
    """
    figures = [result | _files(folder / result["experiment"]) for result in results]
    return template(Path(__file__).with_suffix(".html")).render(
        verdicts=verdicts,
        summary=summary_json(verdicts),
        caption=verdict_table.caption(verdicts),
        sections=_sections(verdicts, figures),
        runs=_distinct({"preset": x["preset"], "seed": x["seed"]} for x in verdicts + results),
        environments=_distinct(x["environment"] for x in verdicts + results),
    )


def template(path: Path) -> Template:
    """A template of this project, with the functions of this module as filters.

    It escapes all values, and a missing one is an error.
    """
    environment = Environment(
        loader=FileSystemLoader(path.parent),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=StrictUndefined,
    )
    environment.filters |= {
        "block": block,
        "evidence": verdict_table.evidence,
        "part_evidence": verdict_table.part_evidence,
        "maths": maths,
        "number": number,
        "scale": scale,
    }
    return environment.get_template(path.name)


def _sections(verdicts: list[dict], figures: list[dict]) -> list[dict[str, Any]]:
    """Theorems and figures by system, in the order in which the systems come."""
    sections: dict[str, dict[str, Any]] = {}
    said = {entry.name: entry for entry in known() if entry.kind == "theorem"}
    entries = [
        ("theorems", v["system"], v | {"proof": said[name].document if name in said else ""})
        for v in verdicts
        for name in [v["theorem"]]
    ]
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


def _files(folder: Path) -> dict[str, str | None]:
    """The figure as a data URI, and the page beside it; None where there is no file."""
    figure, page = folder / FIGURE, folder / PAGE
    return {
        "image": f"data:image/png;base64,{base64.b64encode(figure.read_bytes()).decode()}"
        if figure.is_file()
        else None,
        "page": page.read_text(encoding="utf-8") if page.is_file() else None,
    }


def number(value: Any, digits: int = 3) -> str:
    """A number of so many significant digits, a string, null, or a list of them, for reading.

    Example:
        >>> number(None), number(2.2e-12), number(0.1353352), number(12345), number([1, 2.5])
        ('–', '2.2\u202f×\u202f10⁻¹²', '0.135', '12\u202f345', '1, 2.5')
    """
    match value:
        case None:
            return NONE
        case bool():
            return "yes" if value else "no"
        case int():
            return _grouped(f"{value:,}") if abs(value) >= 10_000 else _minus(str(value))
        case float():
            return _float(value, digits)
        case list():
            texts = [
                f"({number(x, digits)})" if isinstance(x, list) else number(x, digits)
                for x in value
            ]
            if len(texts) > 12:
                texts = [*texts[:8], "…", f"{texts[-1]} ({len(texts)} values)"]
            return ", ".join(texts) or NONE
    return str(value)


def _float(value: float, digits: int) -> str:
    if abs(value) >= INFINITE:
        return "∞" if value > 0 else "−∞"
    # Rounded to the digits asked for, but never to tens or hundreds; a final zero stays where it
    # is the result of rounding.
    text = f"{value:.0f}" if 10 ** (digits - 1) <= abs(value) < 1e6 else f"{value:.{digits}g}"
    if "." in text or abs(value) < 10 ** (digits - 1):
        text = text if float(text) == value else f"{value:#.{digits}g}".rstrip(".")
    mantissa, _, power = text.partition("e")
    if power:
        mantissa += f"\u202f×\u202f10{str(int(power)).translate(EXPONENT)}"
    elif abs(value) >= 10_000 and "." not in mantissa:
        mantissa = _grouped(f"{int(mantissa):,}")
    return _minus(mantissa if value else "0")


def _grouped(text: str) -> str:
    return _minus(text.replace(",", "\u202f"))  # a narrow space: a comma is read two ways


def _minus(text: str) -> str:
    return text.replace("-", "−")


# A subscript or superscript: in braces (which may hold braces once more), or bare where it can be
# nothing else: a number, letters after a symbol, one character. Thus gradient_ascent stays whole.
SCRIPT = re.compile(
    r"([_^])(?:\{((?:[^{}]|\{[^{}]*\})+)\}"
    r"|([−-]?\d+|(?<![A-Za-z]{2}[_^])[a-z]+|\w(?![A-Za-z])|[⊥∞*+−]))"
)


def maths(text: str) -> Markup:
    """Escaped text with TeX's ``_`` and ``^`` as subscripts and superscripts.

    Example:
        >>> print(maths("W_⊥ < e^{−ℓ/16}, ‖W‖_op, gradient_ascent"))
        W<sub>⊥</sub> &lt; e<sup>−ℓ/16</sup>, ‖W‖<sub>op</sub>, gradient_ascent
    """
    pieces, end = [], 0
    for match in SCRIPT.finditer(text):
        tag = {"_": "sub", "^": "sup"}[match[1]]
        inner = maths(match[2]) if match[2] else escape(match[3])
        pieces += [escape(text[end : match.start()]), Markup(f"<{tag}>{inner}</{tag}>")]
        end = match.end()
    return Markup("").join([*pieces, escape(text[end:])])


def scale(part: dict[str, Any]) -> dict[str, Any] | None:
    """Where min, median and max of measured / predicted lie on a logarithmic axis around 1.

    In percent of the axis, 1 being at 50; with the decades shown on each side, and the side of 1 on
    which a trial of this part violates the claim. None without a positive ratio.

    Example:
        >>> ratios = {"min": 0.1, "median": 1.0, "max": 10.0}
        >>> scale({"tightness": ratios, "kind": "AtMost"})
        {'min': 0.0, 'median': 50.0, 'max': 100.0, 'low': '10⁻¹', 'high': '10¹', 'fails': 'right'}
    """
    ratios = part["tightness"]
    if ratios is None or ratios["max"] <= 0:
        return None
    logs = {name: math.log10(x) if x > 0 else -math.inf for name, x in ratios.items()}
    decades = max(1, *(math.ceil(abs(x) - 1e-9) for x in logs.values() if math.isfinite(x)))
    side = {"AtLeast": "left", "AtMost": "right", "Identity": "right"}
    return {
        # What is 0 or below is infinitely far left: at the end of the axis.
        **{name: round(max(0.0, 50 + 50 * x / decades), 2) for name, x in logs.items()},
        "low": f"10{str(-decades).translate(EXPONENT)}",
        "high": f"10{str(decades).translate(EXPONENT)}",
        "fails": side.get(part["kind"]),
    }


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
