"""Numbers and words as they are read: significant digits, signs, what docstrings mark."""

import math
import re
from typing import Any

from markupsafe import Markup

from theory.display.formulas import maths

NONE = "–"
INFINITE = 3e38
"""From here on a number stands for an infinity, which JSON cannot hold."""

EXPONENT = str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹")


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


MARKED = re.compile(r"``(.+?)``|`([^`\n]+)`|(?<![\w*^_])\*(\w[^*\n]*)\*(?![\w*])", re.DOTALL)
"""Code in one or two backticks, and a stressed word."""


def prose(text: str) -> Markup:
    """`maths`, and what docstrings mark: ``*stress*`` and names in backticks.

    Example:
        >>> print(prose("they *do* move: see `scale` and W_⊥"))
        they <em>do</em> move: see <code>scale</code> and <i>W</i><sub>⊥</sub>
    """
    pieces, end = [], 0
    for match in MARKED.finditer(text):
        code = match[1] or match[2]
        inner = Markup("<code>{}</code>" if code else "<em>{}</em>").format(code or maths(match[3]))
        pieces += [maths(text[end : match.start()]), inner]
        end = match.end()
    return Markup("").join([*pieces, maths(text[end:])])


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
    logs = {name: _log(x) for name, x in ratios.items()}
    decades = max([1, *(math.ceil(abs(x) - 1e-9) for x in logs.values() if math.isfinite(x))])
    side = {"AtLeast": "left", "AtMost": "right", "Identity": "right"}
    return {
        # What is infinitely far left or right is at the end of the axis.
        **{name: round(min(max(0.0, 50 + 50 * x / decades), 100.0), 2) for name, x in logs.items()},
        "low": f"10{str(-decades).translate(EXPONENT)}",
        "high": f"10{str(decades).translate(EXPONENT)}",
        "fails": side.get(part["kind"]),
    }


def _log(ratio: float) -> float:
    """Its decimal logarithm: −∞ of what is 0 or below, ∞ of what stands for an infinity."""
    if ratio >= INFINITE:
        return math.inf
    return math.log10(ratio) if ratio > 0 else -math.inf
