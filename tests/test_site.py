"""The site has a page for everything, and no number that is not stored."""

import json
import pkgutil
import re
import subprocess
import sys
from html import unescape
from pathlib import Path
from urllib.parse import unquote

import pytest
from conftest import ROOT

import theory
from experiments.results import cards
from experiments.results.catalog import SYSTEMS, entries
from theory.display import number

DOCS = ROOT / "docs"
sys.path.insert(0, str(DOCS))
import reference  # noqa: E402
import site_pages  # noqa: E402

WRITTEN = sorted(
    path for path in DOCS.rglob("*.md") if {"generated", "changes", "build"}.isdisjoint(path.parts)
)


def test_every_theorem_has_a_stored_verdict_and_the_catalog_its_order():
    verdicts = site_pages.stored_verdicts()
    assert list(verdicts) == [entry.name for entry in entries() if entry.kind == "theorem"]
    systems = list(dict.fromkeys(verdict["system"] for verdict in verdicts.values()))
    assert systems == list(SYSTEMS)


def test_every_experiment_has_its_figure_in_the_gallery():
    shown = {entry.name for system in SYSTEMS for entry, _ in site_pages.results_of(system)}
    assert shown == {entry.name for entry in entries() if entry.kind == "experiment"}


@pytest.mark.parametrize("system", SYSTEMS)
def test_a_system_has_its_story_and_links_to_all_its_theorems(system):
    verdicts = site_pages.stored_verdicts()
    page = site_pages.system_page(system, verdicts)
    assert (DOCS / "stories" / f"{system}.md").exists()
    for name, verdict in verdicts.items():
        assert (f"theorems/{name}.html" in page) == (verdict["system"] == system)


def test_the_card_of_a_theorem_has_its_stored_numbers():
    for name, verdict in site_pages.stored_verdicts().items():
        page = site_pages.theorem_page(name, verdict)
        stored = [verdict["trials"], verdict["alpha"]][:1]
        for part in verdict["parts"]:
            tightness = part["tightness"] or {}
            stored += [*tightness.values(), part["violation_bound"]]
        for value in stored:
            assert value is None or number(value) in page, f"{name}: {value}"


def test_every_public_name_has_its_place_in_the_reference():
    pages = {module: reference.page(module) for module in reference.MODULES}
    for info in pkgutil.walk_packages(theory.__path__, "theory."):
        if ".theorems" in info.name:
            continue
        page = pages[".".join(info.name.split(".")[:2])]
        for name in reference.public(info.name):
            assert f'id="{info.name}.{name}"' in page, f"{info.name}.{name}"


def test_what_is_written_by_hand_has_no_measured_number():
    for path in WRITTEN:
        text = re.sub(
            r"```.*?```|`[^`]*`|\]\([^)]*\)", "", path.read_text("utf-8"), flags=re.DOTALL
        )
        found = re.findall(r"(?<![\w.])\d*\.\d+(?![\w.]*\d)|\d+ ?%", text)
        found = [one for one in found if one not in ("3.11",)]
        assert not found, f"{path.name} says {found}: numbers come from stored results"


def headings(page: str) -> list[int]:
    """The levels of the headings of a page, of its Markdown and of its HTML."""
    html = re.sub(r"```\{dropdown\}.*", "", page, flags=re.DOTALL)
    found = re.findall(r"^(#+) |<h(\d)", html, re.MULTILINE)
    return [len(marks) or int(level) for marks, level in found]


def test_headings_come_in_order_and_names_once(tmp_path):
    verdicts = site_pages.stored_verdicts()
    pages = [site_pages.theorem_page(name, verdict) for name, verdict in verdicts.items()]
    pages += [site_pages.gallery_page(system, tmp_path / system) for system in SYSTEMS]
    pages += [reference.page(module) for module in reference.MODULES]
    for page in pages:
        levels = headings(page)
        assert levels[0] == 1 and levels.count(1) == 1, page[:60]
        steps = zip(levels, levels[1:], strict=False)
        assert all(later <= level + 1 for level, later in steps), (page[:60], levels)
        names = re.findall(r'\sid="([^"]*)"', page)
        assert len(names) == len(set(names)), page[:60]


def test_a_card_links_to_the_figure_that_the_gallery_has(tmp_path):
    shown = "".join(site_pages.gallery_page(system, tmp_path / system) for system in SYSTEMS)
    for name, verdict in site_pages.stored_verdicts().items():
        page = site_pages.theorem_page(name, verdict)
        for system, anchor in re.findall(r'href="\.\./gallery/(\w+)\.html#([^"]+)"', page):
            assert f'id="{anchor}"' in shown and anchor.startswith(f"experiment-{system}.")


def test_what_the_site_links_to_is_there(tmp_path):
    (tmp_path / "there.html").write_text('<h1 id="a"></h1>', encoding="utf-8")
    links = "there.html", "there.html#a", "#b", "https://x.org/y", "gone.html", "there.html#gone"
    html = '<p id="b">' + "".join(f'<a href="{link}">' for link in links)
    (tmp_path / "page.html").write_text(html, encoding="utf-8")
    assert dead_links(tmp_path) == ["page.html: gone.html", "page.html: there.html#gone"]


def dead_links(folder: Path) -> list[str]:
    """Addresses on the pages of a folder that lead to no file, or to no place in it."""
    pages = {path: path.read_text("utf-8") for path in sorted(folder.rglob("*.html"))}
    names = {path: set(re.findall(r'\sid="([^"]*)"', text)) for path, text in pages.items()}
    dead = []
    for page, text in pages.items():
        for link in re.findall(r'<[a-z]+\s[^>]*?(?:href|src)="([^"]*)"', text):
            address, _, anchor = unquote(unescape(link)).partition("#")
            if re.match(r"\w+:", address):
                continue
            target = (page.parent / address.partition("?")[0]).resolve() if address else page
            if not target.is_file() or (anchor and anchor not in names.get(target, {anchor})):
                dead.append(f"{page.relative_to(folder)}: {link}")
    return dead


@pytest.mark.slow
def test_the_site_builds_without_a_warning_and_asks_for_nothing(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "sphinx", "-W", "--keep-going", "-q", "-b", "html", DOCS, tmp_path],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0, done.stderr
    for page in tmp_path.rglob("*.html"):
        text = page.read_text("utf-8")
        asked = re.findall(r'<(?:img|script|iframe|source)[^>]*\ssrc="(https?:[^"]*)"', text)
        asked += re.findall(r'<link[^>]*rel="stylesheet"[^>]*href="(https?:[^"]*)"', text)
        assert not asked, f"{page.name} asks for {asked}"
    assert dead_links(tmp_path) == []
    gallery = list((tmp_path / "_static" / "gallery").rglob("result.json"))
    assert len(gallery) >= 50 and all(json.loads(path.read_text("utf-8")) for path in gallery)


def test_what_is_false_as_printed_is_said_to_be_expected():
    verdict = site_pages.stored_verdicts()["attacks.paper-gradient"]
    page = site_pages.theorem_page("attacks.paper-gradient", verdict)
    assert re.search(r'falsified</span> <span class="small">as expected', page)


def test_every_data_set_has_its_own_picture(tmp_path):
    for system in SYSTEMS:
        page = site_pages.gallery_page(system, tmp_path / system)
        pictures = re.findall(r'<img src="([^"]*)"', page)
        assert len(pictures) == len(set(pictures)) > 0, system


def test_a_card_says_where_its_statement_comes_from_and_what_its_symbols_mean():
    verdicts = site_pages.stored_verdicts()
    words = {"derived": "proved in this project", "recalled": "form from memory"}
    for name, verdict in verdicts.items():
        page = site_pages.theorem_page(name, verdict)
        for provenance, said in words.items():
            assert (said in page) == (verdict["source"]["provenance"] == provenance), name
        facts = cards.theorem_facts(verdict)
        assert all(one.startswith(f"{verdict['system']}.") for one in facts["shown_by"]), name
        meanings = {symbol: meaning for symbol, _, meaning in facts["symbols"]}
        assert meanings["trials"].startswith("independent trials"), name


def test_theorems_and_experiments_link_to_each_other():
    theorem = cards.theorem_facts(site_pages.stored_verdicts()["subspace.gradient-law"])
    assert "subspace.gradient-law" in theorem["shown_by"]
    folder = ROOT / "figures" / "subspace"
    stored = json.loads((folder / "subspace.gradient-law" / "result.json").read_text("utf-8"))
    figure = cards.figure_facts(stored, folder)
    assert "subspace.gradient-law" in figure["theorems"]
    assert figure["caption"].startswith("Training moves the gradient inside P away from its law")
