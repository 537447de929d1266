"""What the cards of theorems and figures say beyond the stored results: read from their files."""

import base64
import re
from functools import cache
from pathlib import Path
from typing import Any

from experiments.results.catalog import Entry, Kind, known
from experiments.results.explanation import field_docs
from experiments.results.gallery import FIGURE, PAGE


def theorem_facts(verdict: dict[str, Any]) -> dict[str, Any]:
    """A verdict with its title, symbols, proof and the experiments beside it."""
    entry = _entries("theorem").get(verdict["theorem"])
    if entry is None:  # stored before its file went
        return verdict | {"title": verdict["theorem"], "symbols": (), "proof": "", "shown_by": ()}
    return verdict | {
        "title": title(entry),
        "symbols": _symbols(entry, verdict["settings"]),
        "proof": entry.document,
        "shown_by": [one for one, beside in _beside().items() if entry.name in beside],
    }


def figure_facts(result: dict[str, Any], folder: Path) -> dict[str, Any]:
    """An experiment's result with its picture, its page, a caption and the theorems beside it."""
    entry = _entries("experiment").get(result["experiment"])
    files = _files(folder / result["experiment"])
    return result | files | {
        "anchor": result["experiment"],
        "caption": " ".join(entry.document.partition("\n\n")[2].partition("\n\n")[0].split())
        if entry
        else "",
        "theorems": _beside().get(result["experiment"], ()),
    }  # fmt: skip


def _entries(kind: Kind) -> dict[str, Entry]:
    return {entry.name: entry for entry in known() if entry.kind == kind}


def title(entry: Entry) -> str:
    """The first sentence of a theorem's file, without the label before it.

    Example:
        >>> from experiments.results.catalog import select
        >>> title(select("theorem", ("subspace.large-gradient",))[0])
        'The gradient off the subspace is large'
    """
    first = " ".join(entry.document.partition("\n\n")[0].split())
    words = re.sub(rf"^{re.escape(_code(entry))}[^:]{{0,40}}: ", "", first).rstrip(".")
    return words[:1].upper() + words[1:] or entry.name


def _code(theorem: Entry) -> str:
    """The first word of a theorem's label, by which it is spoken of: S3."""
    return theorem.source["label"].partition(" ")[0].strip(",")


def _symbols(entry: Entry, settings: dict[str, Any]) -> list[tuple[str, Any, str]]:
    """Name, value and meaning of the settings that say what they mean."""
    said = field_docs(type(next(iter(entry.load().presets.values()))))
    return [(name, value, said.get(name, "")) for name, value in settings.items()]


@cache
def _beside() -> dict[str, tuple[str, ...]]:
    """The theorems that each experiment is about: those that its file imports or names."""
    theorems = _entries("theorem")
    return {
        name: tuple(one for one, theorem in theorems.items() if _names(experiment, theorem))
        for name, experiment in _entries("experiment").items()
    }


def _names(experiment: Entry, theorem: Entry) -> bool:
    """Whether an experiment's file imports a theorem, or its words have the theorem's label."""
    if experiment.system != theorem.system:
        return False
    code = _code(theorem)
    coded = re.search(r"\d", code) is not None  # that of one's own theorem is a plain word
    words = f"{experiment.document} {experiment.source['label']} {experiment.title}"
    named = re.search(rf"(?<!\w){re.escape(code)}(?![\w′″'])", words) is not None
    return (coded and named) or theorem.module in experiment.path.read_text(encoding="utf-8")


def _files(folder: Path) -> dict[str, str | None]:
    """The figure as a data URI, and the page beside it; None where there is no file."""
    figure, page = folder / FIGURE, folder / PAGE
    return {
        "image": f"data:image/png;base64,{base64.b64encode(figure.read_bytes()).decode()}"
        if figure.is_file()
        else None,
        "page": page.read_text(encoding="utf-8") if page.is_file() else None,
    }
