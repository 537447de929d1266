"""The generated pages of the site: systems, theorems, gallery, lessons, reference.

Everything on them is read from the catalog, from ``figures/`` and from docstrings when the site is
built; only the stories and how-tos are written by hand.
"""

import json
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bundle
import reference
from markupsafe import Markup

from experiments.command import minutes
from experiments.page import page
from experiments.results import cards, report
from experiments.results.catalog import SYSTEMS, Entry, entries, room
from theory import display

HERE = Path(__file__).parent
FIGURES = HERE.parent / "figures"
VERDICTS = FIGURES / "verdicts.json"

SHOWN = ("figure.png", "page.html", "result.json", "data.nc")
"""What the site has of each experiment of the gallery."""


def write(folder: Path) -> None:
    """Write all generated pages and what they show."""
    shutil.rmtree(folder, ignore_errors=True)
    static = folder / "static"
    static.mkdir(parents=True)
    (static / "cards.css").write_text(display.style(), encoding="utf-8")
    (static / "playground.html").write_text(page(), encoding="utf-8")
    verdicts = stored_verdicts()
    for system in SYSTEMS:
        _save(folder / "systems" / f"{system}.md", system_page(system, verdicts))
        _save(folder / "gallery" / f"{system}.md", gallery_page(system, static / "gallery"))
    for name, verdict in verdicts.items():
        _save(folder / "theorems" / f"{name}.md", theorem_page(name, verdict))
    for module in reference.MODULES:
        _save(folder / "reference" / f"{module}.md", reference.page(module))
    _save(folder / "verdicts.md", verdicts_page(list(verdicts.values())))
    bundle.write(folder / "lessons", static / "lessons")


def stored_verdicts() -> dict[str, dict[str, Any]]:
    """The verdicts of the gallery by theorem, in the order of the catalog.

    Raises:
        ValueError: a theorem has no stored verdict, or a verdict no theorem.
    """
    found = {v["theorem"]: v for v in json.loads(VERDICTS.read_text("utf-8"))["verdicts"]}
    names = [entry.name for entry in entries() if entry.kind == "theorem"]
    if odd := set(names) ^ set(found):
        raise ValueError(f"figures/verdicts.json and the catalog differ in {', '.join(odd)}.")
    return {name: found[name] for name in names}


def results_of(system: str) -> Iterator[tuple[Entry, Path]]:
    """The experiments of a system, each with the folders of the gallery that show it."""
    for entry in entries():
        if entry.kind == "experiment" and entry.system == system:
            folders = (FIGURES / system).glob(f"**/{entry.name}")
            for folder in sorted(folders, key=lambda path: (len(path.parts), path)):
                if (folder / "result.json").exists() and "runs" not in folder.parts:
                    yield entry, folder


def system_page(system: str, verdicts: dict[str, dict[str, Any]]) -> str:
    """The story of a system, its theorems and its figures."""
    theirs = [cards.theorem_facts(v) for v in verdicts.values() if v["system"] == system]
    figures = {entry.name: entry.title for entry, _ in results_of(system)}
    return "\n".join([
        f"# {room(system).title}",
        f"\n```{{include}} ../../stories/{system}.md\n```\n",
        f"The lesson: [{system}](../lessons/{system}.ipynb).\n",
        "## Theorems\n",
        _html(_macro("theorem_table", theirs, _from("systems"))),
        "## Experiments\n",
        *(f"- [{what}](../gallery/{system}.md#{_anchor(name)})" for name, what in figures.items()),
        "",
    ])  # fmt: skip


def theorem_page(name: str, verdict: dict[str, Any]) -> str:
    """The card of a theorem, and its file."""
    facts = cards.theorem_facts(verdict)
    (path,) = (entry.path for entry in entries() if (entry.name, entry.kind) == (name, "theorem"))
    source = Path("../../..") / path.relative_to(HERE.parent)
    return "\n".join([
        f"# {facts['title']}\n",
        _html(_macro("theorem_card", facts, _from("theorems"), ("p", "h2"))),
        f"Put it on trial: `relu-theory verify {name}`; what it says in a terminal: "
        f"`relu-theory explain {name}`.\n",
        "````{dropdown} Its file: all that is said above, as a program",
        f"```{{literalinclude}} {source}\n:language: python\n```\n````\n",
    ])  # fmt: skip


def gallery_page(system: str, static: Path) -> str:
    """The figures of a system with all their numbers."""
    lines = [f"# Figures: {room(system).title}\n"]
    for entry, folder in results_of(system):
        result = json.loads((folder / "result.json").read_text("utf-8"))
        place = Path(*folder.relative_to(FIGURES).parts)
        copy = static / place
        copy.mkdir(parents=True)
        for name in SHOWN:
            if (folder / name).exists():
                shutil.copy(folder / name, copy / name)
        address = f"../../_static/gallery/{place}"
        data = "" if folder.parent == FIGURES / system else folder.parent.name
        facts = cards.figure_facts(result, folder.parent) | {
            "image": f"{address}/figure.png",
            "anchor": entry.name + (data and f"-{data}"),
        }
        lines += [
            f"({_anchor(facts['anchor'])})=",
            f"## {entry.title}{data and f', {data}'}\n",
            _html(_macro("figure_card", facts, _from("gallery"), ("p", "h3"))),
            f'<a href="{address}/result.json">The result</a>, '
            f'<a href="{address}/data.nc">its data</a>'
            + (f', <a href="{address}/page.html">its page</a>' if facts["page"] else "")
            + f".{_took(entry, result)}\n",
        ]
    return "\n".join(lines)


def _took(entry: Entry, result: dict[str, Any]) -> str:
    """How long a result of the course preset took, where that was measured."""
    found = minutes.recorded()
    took = found["experiment"].get(entry.name)
    if took is None or result["preset"] != "course":
        return ""
    return f" It took {display.number(took, 2)} minutes of one core of an {found['machine']}."


def verdicts_page(verdicts: list[dict[str, Any]]) -> str:
    """All verdicts in a table."""
    shown = [cards.theorem_facts(v) for v in verdicts]
    return "\n".join([
        "# All verdicts\n",
        report.verdict_table.caption(verdicts) + "\n",
        _html(_macro("theorem_table", shown, _from(""))),
    ])  # fmt: skip


def _macro(name: str, *args: Any) -> Markup:
    module = report.template(HERE.parent / "experiments" / "results" / "cards.html").module
    looks = "rt" if name == "theorem_table" else "rt titled"  # a page's heading is the title
    return Markup(f'<div class="{looks}">{getattr(module, name)(*args)}</div>')


def _from(folder: str) -> Any:
    """The addresses of cards, as seen from a folder of the generated pages."""
    up = "../" if folder else ""

    def link(kind: str, name: str) -> str:
        system = name.partition(".")[0]
        if kind == "theorem":
            return f"{up}theorems/{name}.html"
        return f"{up}gallery/{system}.html#experiment-{name}"

    return link


def _anchor(name: str) -> str:
    return "figure-" + name.replace(".", "-")


def _html(html: str) -> str:
    return f"\n```{{raw}} html\n{html}\n```\n"


def _save(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")
