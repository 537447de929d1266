"""Formulas within words, typeset: italic variables, scripts, radicals with their bar.

Statements are written as Unicode text, which a terminal shows as it is. Here they become HTML that
breaks into lines like any other and needs neither a script nor a font.
"""

import re

from markupsafe import Markup, escape

# A subscript or superscript: in braces (which may hold braces once more), or bare where it can be
# nothing else: a number, letters after a symbol, one character. Thus gradient_ascent stays whole.
SCRIPT = (
    r"(?P<place>[_^])(?:\{(?P<braces>(?:[^{}]|\{[^{}]*\})+)\}"
    r"|(?P<bare>[−-]?\d+|(?<![A-Za-z]{2}[_^])[a-z]+|\w(?![A-Za-z])|⌈[^⌉]*⌉|[⊥∞*+−]))"
)

PRODUCTS = "md|mn|mM|LR|uc|uC|aR|qw|MGM|MW|MX|XM|XMw|XW"
"""Letters side by side in statements that are factors, and no word or name."""

# A letter by itself, a lowercase Greek one anywhere, or a product. It is not part of a name (S2,
# 2-D, e.g.), the end of a genitive, or a unit (30 s). Its accent and its prime go with it.
VARIABLE = (
    rf"(?P<variable>(?:(?<![A-Za-z])(?:{PRODUCTS})(?![A-Za-z])|[α-ωϕŴℓ]"
    r"|(?<![A-Za-z'’.-])(?!(?<=\d[ \u202f])s\b)[A-Za-z](?![A-Za-z0-9]|-\d|\.\w))[\u0300-\u036f]?)"
    r"(?P<prime>'(?![A-Za-z]))?"
)

FORMULA = re.compile(f"{SCRIPT}|{VARIABLE}|(?P<root>√)")

# What a radical covers where no parentheses say it: a number, or a symbol with its scripts, and
# with a sum what is summed.
COVERED = re.compile(r"\d+|(?:Σ_\{[^}]*\})?[^\W\d_](?:[_^](?:\{[^}]*\}|\w)|[²₀-₉])*")

RELATION = re.compile(r" (?=[=≠≤≥<>~∈⊂∝] )")
"""The space before a relation, where no line ends: it ends after it."""

INDICES = re.compile(r"[ijkmr]{2}")
"""A bare script that is two variables, and no word such as ``op``."""


def maths(text: str) -> Markup:
    """Escaped text with its variables in italics, TeX's ``_`` and ``^`` as scripts, and radicals.

    Example:
        >>> print(maths("a law of gradient_ascent: ‖W_⊥‖_op^{k/2}"))
        a law of gradient_ascent: ‖<i>W</i><sub>⊥</sub>‖<sub>op</sub><sup><i>k</i>/2</sup>
        >>> print(maths("√(m/2)"))
        √<span class="root"><i class="hush">(</i><i>m</i>/2<i class="hush">)</i></span>
    """
    pieces, end = [], 0
    text = RELATION.sub("\u00a0", text)
    while match := FORMULA.search(text, end):
        pieces.append(escape(text[end : match.start()]))
        shown, end = _typeset(text, match)
        pieces.append(shown)
    return Markup("").join([*pieces, escape(text[end:])])


def _typeset(text: str, match: re.Match[str]) -> tuple[Markup, int]:
    """What a match becomes, and where in the text it ends: a radical reaches further."""
    if match["place"]:
        tag = {"_": "sub", "^": "sup"}[match["place"]]
        bare = match["bare"]
        inner = Markup(f"<i>{bare}</i>") if bare and INDICES.fullmatch(bare) else None
        inner = inner or maths(match["braces"] or bare)
        return Markup(f"<{tag}>{inner}</{tag}>"), match.end()
    if match["root"]:
        return _radical(text, match.end())
    if match["variable"] in "aA" and _is_article(text[match.end() :]):
        return escape(match[0]), match.end()
    prime = "′" if match["prime"] else ""
    return Markup("<i>{}</i>{}").format(match["variable"], prime), match.end()


def _is_article(rest: str) -> bool:
    """Whether the letter a, before the rest of a text, is a word: no operator follows its space."""
    return re.match(r"\s+[^\s=≤≥<>~∈∝+−·/±×]", rest) is not None


def _radical(text: str, start: int) -> tuple[Markup, int]:
    """The radical whose sign ends at ``start``, and where what it covers ends.

    Its parentheses are there for who copies or hears it, or has no style sheet; else the bar says
    as much.
    """
    if text.startswith("(", start):
        depth = 0
        for end in range(start, len(text)):
            depth += {"(": 1, ")": -1}.get(text[end], 0)
            if depth == 0:
                hush = Markup('<i class="hush">{}</i>').format
                inner = hush("(") + maths(text[start + 1 : end]) + hush(")")
                return Markup('√<span class="root">{}</span>').format(inner), end + 1
    elif covered := COVERED.match(text, start):
        inner = Markup('<span class="root">{}</span>').format(maths(covered[0]))
        return Markup("√") + inner, covered.end()
    return Markup("√"), start
