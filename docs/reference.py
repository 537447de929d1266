"""Reference pages from docstrings, in the house's own form of them."""

import importlib
import inspect
import pkgutil
import re
from collections.abc import Iterator
from textwrap import dedent
from typing import Any

from markupsafe import Markup

import theory
from theory.display import prose

WITHIN_EXPERIMENTS = ("experiment", "cells", "plots", "lessons")
"""What an experiment of one's own, or a lesson, takes from `experiments`."""

MODULES = (
    "theory",
    *sorted(f"theory.{info.name}" for info in pkgutil.iter_modules(theory.__path__)),
    *(f"experiments.{name}" for name in WITHIN_EXPERIMENTS),
)
"""What has a page of its own; modules within a package are on its page."""


def public(module: str) -> dict[str, Any]:
    """The public functions and classes of a module, those that it exports from others too."""
    found = importlib.import_module(module)
    package = module.partition(".")[0]
    exports = hasattr(found, "__path__")
    return {
        name: value
        for name, value in vars(found).items()
        if not name.startswith("_")
        and (inspect.isfunction(value) or inspect.isclass(value))
        and (value.__module__ == module or (exports and value.__module__.startswith(f"{package}.")))
    }


def within(module: str) -> Iterator[str]:
    """The modules within a package but for theorems, which have pages of their own."""
    path = getattr(importlib.import_module(module), "__path__", ())
    for info in pkgutil.walk_packages(path, f"{module}."):
        if module != "theory" and ".theorems" not in info.name:
            yield info.name


def page(module: str) -> str:
    """A page in Markdown with the reference of a module, and of a room's modules below it."""
    found = importlib.import_module(module)
    lines = [f"# {module}", "", _prose(found.__doc__ or ""), ""]
    lines += [_entry(module, name, value, "h2") for name, value in public(module).items()]
    for inner in within(module):
        if names := public(inner):
            lines += [f"\n## {inner}\n", _prose(importlib.import_module(inner).__doc__ or "")]
            lines += [_entry(inner, name, value, "h3") for name, value in names.items()]
    return "\n".join(lines) + "\n"


def _entry(module: str, name: str, value: Any, tag: str) -> str:
    kind = "class" if inspect.isclass(value) else ""
    html = Markup(
        '<section class="api" id="{full}"><{tag}>{name} <small>{kind}</small></{tag}>'
        '<pre class="signature">{signature}</pre>{body}</section>'
    ).format(
        full=f"{module}.{name}", name=name, kind=kind, tag=tag, signature=_signature(name, value),
        body=document(inspect.getdoc(value) or ""),
    )  # fmt: skip
    return f"\n```{{raw}} html\n{html}\n```\n"


def _signature(name: str, value: Any) -> str:
    try:
        signature = str(inspect.signature(value))
    except ValueError:
        return name
    short = re.sub(
        r"(?:jaxtyping|jaxlib\._jax|collections\.abc|typing|theory[\w.]*)\.(?=\w)", "", signature
    )
    short = re.sub(r"<function [^>]*?(\w+)(?:\.<locals>)? at 0x\w+>", r"\1", short)
    return name + re.sub(r" at 0x\w+", "", short)


SECTION = re.compile(r"^(Args|Returns|Raises|Yields|Attributes|Example|References):\s*$")


def document(text: str) -> Markup:
    """A docstring as HTML: paragraphs, tables of names, examples as they are.

    Example:
        >>> print(document("One line.\\n\\nRaises:\\n    KeyError: never"))
        <p>One line.</p><p class="rubric">Raises</p><dl><dt>KeyError</dt><dd>never</dd></dl>
    """
    parts, section, lines = [], "", []
    for line in [*text.splitlines(), "End:"]:
        match = SECTION.match(line)
        if match or line == "End:":
            parts.append(_section(section, dedent("\n".join(lines)).strip("\n")))
            section, lines = match[1] if match else "", []
        else:
            lines.append(line)
    return Markup("").join(parts)


def _section(name: str, text: str) -> Markup:
    if not text.strip():
        return Markup("")
    if name.startswith("Example"):
        return Markup('<p class="rubric">Example</p><pre>{}</pre>').format(text)
    items = re.findall(r"^([\w*, ().]+): (.*(?:\n[ \t]+.*)*)", text, re.MULTILINE)
    if name in ("Args", "Attributes", "Raises") and items:
        rows = Markup("").join(
            Markup("<dt>{}</dt><dd>{}</dd>").format(key, prose(" ".join(words.split())))
            for key, words in items
        )
        return Markup('<p class="rubric">{}</p><dl>{}</dl>').format(name, rows)
    heading = Markup('<p class="rubric">{}</p>').format(name) if name else Markup("")
    return heading + Markup("").join(
        Markup("<p>{}</p>").format(prose(" ".join(paragraph.split())))
        for paragraph in text.split("\n\n")
        if paragraph.strip()
    )


def _prose(text: str) -> str:
    return f"\n```{{raw}} html\n{document(text)}\n```\n" if text else ""
