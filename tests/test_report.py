"""The HTML page: complete, escaped, asking for nothing, and readable by a machine's idea of it."""

import re
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import pytest

from experiments.results import cards, gallery, report
from experiments.results.catalog import select
from theory import display
from theory.display.text import scale

VOID = {"meta", "link", "img", "br", "wbr"}
INLINE = {"a", "b", "code", "em", "i", "span", "strong", "sub", "sup", "wbr"}
ENVIRONMENT = {
    "python": "3.12.1",
    "jax": "0.10.2",
    "device": "1 × cpu",
    "x64": True,
    "matmul_precision": "highest",
}
SOURCE = {
    "paper": "melamed2023subspace",
    "label": "Theorem 4.1",
    "provenance": "paper",
    "arxiv": "2303.00783",
}
LAW = {"distance": 0.0421, "p_value": 0.311, "radius": 0.0743, "detectable": 0.1486}
SCALING = {
    "exponent": -0.5094,
    "low": -0.5562,
    "high": -0.4627,
    "held_out": -0.0029,
    "held_out_low": -0.0829,
    "held_out_high": 0.0772,
}


def part(**changes: Any) -> dict[str, Any]:
    """A part of a verdict."""
    return {
        "name": "statement",
        "statement": "the quantity is at most 1",
        "kind": "AtMost",
        "delta": 0.05,
        "status": "verified",
        "violations": 0,
        "violation_bound": 0.0499,
        "tightness": {"min": 0.2, "median": 0.5, "max": 0.9},
        "vacuous": False,
        "detail": {},
        "seen": {},
        "worst": None,
    } | changes


def verdict(name: str, *parts: dict[str, Any], **changes: Any) -> dict[str, Any]:
    """A verdict as `verify --json` prints it."""
    first = parts[0] if parts else part()
    return {
        "theorem": name,
        "system": name.partition(".")[0],
        "statement": f"the quantity of {name} is at most 1",
        "source": SOURCE,
        "claim": {"kind": first["kind"], "delta": first["delta"]},
        "status": first["status"],
        "expected": "verified",
        "parts": list(parts) or [first],
        "trials": 135,
        "skipped": 0,
        "violations": first["violations"],
        "violation_bound": first["violation_bound"],
        "alpha": 0.001,
        "tightness": first["tightness"],
        "assumptions": [{"name": "no decay", "holds": True, "margin": 0.0}],
        "control": {
            "name": f"decay ignored in {name}",
            "breaks": ["no decay"],
            "detected": True,
        },
        "settings": {"trials": 135, "d": 58, "scale": None, "learning_rate": 0.0625},
        "preset": "course",
        "seed": 7,
        "seconds": {"trace": 0.25, "compile": 1.25, "run": 0.5},
        "precision": "float64",
        "environment": ENVIRONMENT,
    } | changes


def result(name: str, **changes: Any) -> dict[str, Any]:
    """The content of a ``result.json``."""
    return {
        "experiment": name,
        "title": f"what {name} shows",
        "source": SOURCE | {"provenance": "derived"},
        "preset": "course",
        "settings": {"trials": 135, "sizes": [4, 8]},
        "command": f"relu-theory run {name}",
        "seed": 7,
        "environment": ENVIRONMENT,
        "key": "0123456789abcdef0123",
        "summary": {
            "sentences": [f"{name} falls by half."],
            "tables": {"slope": -0.5, "early": {"p": 0.1, "n": 3}, "late": {"p": None, "n": 4}},
        },
    } | changes


UNCOUNTED: dict[str, Any] = {"delta": None, "violations": None, "violation_bound": None}
VERDICTS = [
    verdict("subspace.bound"),
    verdict(
        "subspace.law",
        part(
            kind="Law",
            detail=LAW,
            seen={"distance": 0.1486, "ℓ": 0.21, "σ²": None},
            status="inconclusive",
            **UNCOUNTED,
        ),
        expected="inconclusive",
    ),
    verdict(
        "subspace.growth",
        part(kind="Scaling", detail=SCALING, status="consistent", **UNCOUNTED),
        expected="consistent",
    ),
    verdict("unlearning.wrong", part(status="falsified", violations=90, violation_bound=0.77)),
    verdict(
        "unlearning.outside",
        status="not applicable",
        expected="not applicable",
        source=SOURCE | {"provenance": "recalled", "label": "Lemma 9"},
        assumptions=[{"name": "few points", "holds": False, "margin": -0.25}],
        control={"name": "more points", "breaks": [], "detected": None},
    ),
    verdict(
        "unlearning.loose",
        part(name="ε", statement="ε ≤ 1"),
        part(
            name="τ",
            delta=0,
            seen={"violation rate": 0.05},
            vacuous=True,
            tightness={"min": 1e-12, "median": 1e-9, "max": 1e-7},
        ),
    ),
    verdict(
        "healing.blind",
        part(tightness=None),
        skipped=135,
        assumptions=[],
        control={"name": "nothing broken", "breaks": [], "detected": False},
    ),
]


class Page(HTMLParser):
    """A page taken apart: its elements with attributes, its text, and whether tags match."""

    def __init__(self, page: str):
        super().__init__()
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.open: list[str] = []
        self.pieces: list[str] = []
        self.style = ""
        self.feed(page)
        self.close()
        assert not self.open
        self.text = " ".join("".join(self.pieces).split())

    def handle_starttag(self, tag, attrs):
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        self.pieces.append("" if tag in INLINE else " ")
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag
        self.pieces.append("" if tag in INLINE else " ")

    def handle_data(self, data):
        if self.open and self.open[-1] == "style":
            self.style += data
        else:
            self.pieces.append(data)

    def attributes(self, name: str) -> list[str]:
        return [attributes[name] for _, attributes in self.elements if name in attributes]


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    """Results with one figure."""
    path = tmp_path_factory.mktemp("results")
    (path / "subspace.figure").mkdir()
    (path / "subspace.figure" / "figure.png").write_bytes(b"PNG")
    return path


@pytest.fixture(scope="module")
def html(folder) -> str:
    return report.render(VERDICTS, [result("subspace.figure"), result("healing.lost")], folder)


@pytest.fixture(scope="module")
def page(html) -> Page:
    return Page(html)


def test_asks_for_nothing(page):
    for tag, attributes in page.elements:
        assert tag not in {"script", "iframe", "object", "embed", "base", "form", "video", "audio"}
        for name, value in attributes.items():
            assert not name.startswith("on") and name not in {"srcset", "background", "action"}
            if (tag, name) == ("a", "href"):
                assert value.startswith(("#", "https://arxiv.org/abs/"))
                continue
            assert "://" not in value
            if name in {"src", "href"}:
                assert value.startswith("data:")
    assert not any(word in page.style for word in ("url(", "@import", "http"))
    assert "://" not in page.text


@pytest.mark.parametrize("v", VERDICTS, ids=lambda v: v["theorem"])
def test_every_verdict_is_complete(page, v):
    words = [v["theorem"], v["statement"], v["status"], v["control"]["name"], v["source"]["paper"]]
    words += [v["source"]["label"], v["source"]["provenance"], f"arXiv {v['source']['arxiv']}"]
    words += [assumption["name"] for assumption in v["assumptions"]]
    assert [word for word in words if word not in page.text] == []
    assert f"#theorem-{v['theorem']}" in page.attributes("href")


@pytest.mark.parametrize(
    "words",
    [
        "1 ✗ falsified",
        "5 of 6 controls detected",
        "A true statement is falsified with probability at most α = 0.001",
        "distance to the law 0.0421",
        "the true law is at most off by 0.116",
        "distance that would have shown ≥ 0.149",
        "relative change of ℓ that would have shown ≥ 0.21",
        "relative change of σ² that would have shown none",
        "violation rate that would have shown ≥ 0.05",
        "without “no decay” the claim is found to be false",
        "says nothing: the theorem's own trials are not applicable",
        "fitted exponent −0.509",
        "−0.0829 … 0.0772",
        "except with probability δ = 0.05",
        "violations 90",
        "violation rate at most 0.0499 allowed: δ 0.05",
        "min 0.2 median 0.5 max 0.9",
        "trials 135 skipped 0",
        "paper: seen in the paper or its code",
        "missed by 0.25",
        "few points missed by 0.25",
        "vacuous",
        "nothing broken does not count: it breaks no measured assumption",
        "min – median – max –",
        "None to measure.",
        "skipped 135",
        "scale – learning rate 0.0625",
        "1.25 s compiling, 0.5 s running",
        "Preset course, seed 7.",
        "Python 3.12.1, JAX 0.10.2, 1 × cpu, float64",
        "Unlearning by gradient ascent",
    ],
)
def test_what_a_reader_must_see(page, words):
    assert " ".join(words.split()) in page.text


def test_links_lead_somewhere_and_names_are_unique(page):
    names = page.attributes("id")
    assert len(names) == len(set(names))
    targets = [href[1:] for href in page.attributes("href") if href.startswith("#")]
    assert set(targets + page.attributes("aria-labelledby")) <= set(names)


def test_accessible(page):
    levels = [int(tag[1]) for tag, _ in page.elements if tag[0] == "h" and tag[1:].isdigit()]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(later <= level + 1 for level, later in zip(levels, levels[1:], strict=False))
    assert ("html", {"lang": "en"}) in page.elements
    assert all("scope" in attributes for tag, attributes in page.elements if tag == "th")
    assert all(attributes["alt"] for tag, attributes in page.elements if tag == "img")


def test_same_results_same_page(html, folder):
    again = report.render(VERDICTS, [result("subspace.figure"), result("healing.lost")], folder)
    assert again == html


def test_a_searched_part_says_what_the_search_found(folder):
    found = {"ratio": 0.93, "violated": False, "seconds": 60.0, "generations": 500}
    says = "no violation; the constant could be lowered to at most 0.93 of its value"
    page = report.render([verdict("subspace.one", part(worst=found | {"says": says}))], [], folder)
    assert says in page and ">0.93<" in page and "60 s" in page
    page = report.render([verdict("subspace.one", part())], [], folder)
    assert "searched for" not in page


def test_hostile_text_stays_text(folder):
    hostile = "<script>alert(1)</script>\"'&_{<u>}"
    tricky = verdict(
        "subspace.x",
        statement=hostile,
        source=dict.fromkeys(SOURCE, hostile),
        status=hostile,
        assumptions=[{"name": hostile, "holds": False, "margin": -1.0}],
        control={"name": hostile, "breaks": [hostile], "detected": True},
        settings={hostile: hostile},
        preset=hostile,
        environment=dict.fromkeys(ENVIRONMENT, hostile),
    )
    shown = {"sentences": [hostile], "tables": {hostile: [{hostile: hostile}]}}
    title = result("a.b", title=hostile, summary=shown)
    page = Page(report.render([tricky], [title], folder))
    assert not {"script", "u"} & {tag for tag, _ in page.elements}
    assert page.text.count("<script>alert(1)</script>") >= 10


def test_picture_or_a_note(page):
    assert page.attributes("src") == ["data:image/png;base64,UE5H"]
    assert "No picture: figure.png is not in the results folder of healing.lost" in page.text


HOSTILE_PAGE = """<!DOCTYPE html><html lang="en"><head><title>'"</title></head><body>
<p title="&quot;&amp;">a &lt;b&gt;</p><script>alert(1)</script></iframe></body></html>"""


def test_a_page_beside_the_figure_is_shown_where_it_can_run_nothing(tmp_path):
    (tmp_path / "a.b").mkdir()
    (tmp_path / "a.b" / gallery.PAGE).write_text(HOSTILE_PAGE, encoding="utf-8")
    page = Page(report.render([], [result("a.b"), result("healing.lost")], tmp_path))
    (frame,) = [attributes for tag, attributes in page.elements if tag == "iframe"]
    assert frame == {
        "sandbox": "",  # which forbids scripts, forms, pop-ups, and the origin of the report
        "srcdoc": HOSTILE_PAGE,
        "title": "Page of a.b: what a.b shows",
    }
    assert "script" not in {tag for tag, _ in page.elements}
    (policy,) = page.attributes("content")[1:2]
    assert policy == "default-src 'none'; img-src data:; style-src 'unsafe-inline'"


def test_nothing_at_all(tmp_path):
    assert "How to read a verdict" in Page(report.render([], [], tmp_path)).text


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (True, "yes"),
        (0, "0"),
        (-0.0, "0"),
        (-3, "−3"),
        (1149, "1149"),
        (1.0016, "1.00"),
        (99.96, "100"),
        (1234.5, "1234"),
        (45678.9, "45\u202f679"),
        (1e6, "1\u202f×\u202f10⁶"),
        (-1.7976931348623157e308, "−∞"),
        ([], "–"),
        ([[1, 2], [None]], "(1, 2), (–)"),
        (list(range(20)), "0, 1, 2, 3, 4, 5, 6, 7, …, 19 (20 values)"),
        ("smoke-test", "smoke-test"),
    ],
)
def test_number(value, text):
    assert display.number(value) == text


def test_settings_are_not_rounded():
    assert display.number(12345.678, digits=15) == "12345.678"
    assert display.number(0.1, digits=15) == "0.1"


@pytest.mark.parametrize(
    ("text", "html"),
    [
        ("Σ_{i∈S}u_{i,T}²", "Σ<sub>*i*∈*S*</sub>*u*<sub>*i*,*T*</sub>²"),
        ("e^{−m^{1/2}}", "*e*<sup>−*m*<sup>1/2</sup></sup>"),
        ("χ²_ℓ, P^⊥, 10^−6", "*χ*²<sub>*ℓ*</sub>, *P*<sup>⊥</sup>, 10<sup>−6</sup>"),
        ("gradient_ascent of a_{", "gradient_ascent of *a*_{"),
        ("W_ij, M_rj, ‖W‖_op", "*W*<sub>*ij*</sub>, *M*<sub>*rj*</sub>, ‖*W*‖<sub>op</sub>"),
        # An article is no variable; neither is a unit, a genitive, a part of a name.
        ("a v, a χ² law, A test", "a *v*, a *χ*² law, A test"),
        ("a = ⟨a, b⟩/‖a‖", "*a*\u00a0= ⟨*a*, *b*⟩/‖*a*‖"),
        ("30 s, w.p. 1, θ's W, S2 in 2-D, 1e-6", "30 s, w.p. 1, *θ*&#39;s *W*, S2 in 2-D, 1e-6"),
        ("ℓ'(x', w̃) on 2md", "*ℓ*′(*x*′, *w̃*) on 2*md*"),
        # A line ends after a relation, not before it.
        ("d < m <n> d", "*d*\u00a0&lt; *m* &lt;*n*&gt; *d*"),
        ("c_T√k + √2L", "*c*<sub>*T*</sub>√[*k*] + √[2]*L*"),
        ("√(2(k + 1)) (k)", "√[{(}2(*k* + 1){)}] (*k*)"),
        ("√Σ_{i∈S}u_{i,T}²√d", "√[Σ<sub>*i*∈*S*</sub>*u*<sub>*i*,*T*</sub>²]√[*d*]"),
        ("√√(k)", "√√[{(}*k*{)}]"),
        ("√(k, √, √{", "√(*k*, √, √{"),
    ],
)
def test_maths(text, html):
    html = re.sub(r"\*(.+?)\*", r"<i>\1</i>", html)
    html = re.sub(r"\{([()])\}", r'<i class="hush">\1</i>', html)
    html = html.replace("[", '<span class="root">').replace("]", "</span>")
    assert display.maths(text) == html


def test_prose_is_escaped():
    html = display.prose("`<b>` ``<i>`` *x<u>* W_{<s>} <p>")
    assert html.count("&lt;") == 5
    assert not {f"<{tag}>" for tag in "busp"} & set(re.findall(r"<\w+>", html))


def test_scale_without_a_logarithm():
    assert scale({"tightness": None, "kind": "Identity"}) is None
    zero = {"min": 0.0, "median": 0.0, "max": 0.0}
    assert scale({"tightness": zero, "kind": "Identity"}) is None
    placed = scale({"tightness": zero | {"max": 1e-3}, "kind": "Identity"})
    assert placed is not None
    assert (placed["min"], placed["median"], placed["max"]) == (0, 0, 0)


@pytest.mark.parametrize("infinite", [float("inf"), 1.7976931348623157e308])
def test_what_is_infinite_lies_at_the_end_of_the_axis(infinite):
    placed = scale({"tightness": {"min": 0.1, "median": 1.0, "max": infinite}, "kind": "AtLeast"})
    assert placed is not None
    assert (placed["min"], placed["median"], placed["max"], placed["high"]) == (0, 50, 100, "10¹")
    placed = scale({"tightness": {"min": 0.0, "median": 0.0, "max": infinite}, "kind": "AtLeast"})
    assert placed is not None and (placed["median"], placed["max"]) == (0, 100)


def test_nested_numbers():
    laid = report.block(
        {"rows": [{"a": 1}, {"a": 2}], "deep": {"x": {"y": 1}}, "mixed": [1, {"z": 2}]}
    )
    assert laid["tables"] == [{"title": "rows", "head": ["a"], "rows": [("1", [1]), ("2", [2])]}]
    assert [name for name, _ in laid["inner"]] == ["deep", "mixed"]
    assert laid["inner"][1][1]["values"] == [("1", 1)]


def test_claims_stand_in_one_table_by_number(tmp_path):
    line = {"measured": "a share", "effect": [0.5, 0.4, 0.6], "null": 0.0, "says": "supported"}
    lines = [line | {"claim": f"{n}: claim {n}", "beside": f"beside {n}"} for n in (3, 1, 2)]
    results = [
        result("dimples.b", summary={"sentences": [], "tables": {"claims": lines[:2]}}),
        result("dimples.a", summary={"sentences": [], "tables": {"claims": lines[2:]}}),
    ]
    text = Page(report.render([], results, tmp_path)).text
    table = text[text.index("The data say") :]
    assert table.index("1: claim 1") < table.index("2: claim 2") < table.index("3: claim 3")
    assert "0.5 [0.4, 0.6]" in table and "dimples.a" in table and "beside 2" in table


def test_a_plain_word_as_a_label_names_no_theorem():
    (theorem,) = select("theorem", ("subspace.large-gradient",))
    (experiment,) = select("experiment", ("subspace.scaling",))
    own = {"label": "own"}
    theorem, experiment = theorem._replace(source=own), experiment._replace(source=own)
    assert not cards._names(experiment, theorem)


def test_a_card_has_the_proof(folder):
    page = Page(report.render([verdict("subspace.large-gradient")], [], folder))
    assert "the lemma of Laurent and Massart" in page.text
