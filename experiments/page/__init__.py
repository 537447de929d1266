"""The interactive page: a two-layer network drawn and trained in the browser, from one file.

The modules beside this file import each other as modules of the browser do, and run so in Node.
A page that is opened from a disk may import nothing, so here each of them becomes a function's
body, in the order in which they need each other.
"""

import re
from pathlib import Path

from markupsafe import Markup

from theory.display import template

FOLDER = Path(__file__).parent

MODULES = (
    *("network", "scenes", "cone", "unlearning", "settings"),
    *("chart", "law", "diagonal", "flips", "vcurve", "playground"),
)
"""In the order in which they need each other."""

SLIDERS = (
    ("d", "d", ", input dimension"),
    ("ell", "ℓ", ", dimensions left out"),
    ("width", "m", ", width"),
    ("scale", "σ√d", ", initial scale"),
    ("learning_rate", "ηd", ", learning rate"),
    ("weight_decay", "λ", ", weight decay"),
)
"""Name, symbol and meaning of the sliders; the seed and the step of ascent come besides."""

IMPORT = re.compile(r'^import (\{[^}]*\}) from "\./(\w+)\.js";$', re.MULTILINE)
EXPORT = re.compile(r"^export (?=(?:const|function\*?|class) (\w+))", re.MULTILINE)


def page() -> str:
    """The page, as one HTML file that asks for nothing from anywhere."""
    begun = f"{script('address')}\naddress.begin();"
    return template(FOLDER / "page.html").render(markup=Markup(markup()), script=Markup(begun))


def markup() -> str:
    """The styles and the body, which the page and a notebook share."""
    return template(FOLDER / "markup.html").render(sliders=SLIDERS)


def script(last: str) -> str:
    """All modules and a last one, in one text.

    Example:
        >>> "import" in script("address").split()
        False
    """
    return "\n".join(_enclosed(name) for name in (*MODULES, last))


def _enclosed(name: str) -> str:
    """A module as a constant of its name, an object of what it exports."""
    source = (FOLDER / f"{name}.js").read_text(encoding="utf-8")
    source = IMPORT.sub(r"const \1 = \2;", source)
    exports = ", ".join(EXPORT.findall(source))
    return f"const {name} = (() => {{\n{EXPORT.sub('', source)}return {{ {exports} }};\n}})();"
