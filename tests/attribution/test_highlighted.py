"""Highlighted text: what is marked and how, and that hostile text stays text."""

import re
from html.parser import HTMLParser

import numpy as np
import pytest
from matplotlib.colors import to_rgb
from xarray import Dataset

from experiments.attribution import highlighted
from experiments.attribution.highlighted import INK, TOP, marks, shade

HOSTILE = (
    *("<script>alert(1)</script>", '"><img src=x onerror=alert(1)>', "' onclick='x", "a&b &amp;"),
    *("</style></title></p>", "--><!--", "<bdi>", "{{ 7*7 }}", "{% raw %}", "javascript:alert(1)"),
    *("🦄", "👩\u200d👩\u200d👧", "שלום", "مرحبا", "\u202eevil", "汉字", "e" + "\u0301" * 30),
    *("nul\x00l", "\x1b[31mred", "\x85", "lone\ud800", "\udfff", "\ufffe", "$x^2$", r"\frac{", "_"),
    *("", " \n\t", "one\ttwo", "a\u2028b", "x" * 1_000_000, "W" * 60),
)


def text(words=("a", "b", "c", "d"), p_value=None, **methods) -> Dataset:
    """A text under methods whose scores are given as lists."""
    p = np.linspace(0.001, 0.9, len(words)) if p_value is None else np.array(p_value, float)
    by_word = {
        "text": np.array([*words], object),
        "p_value": p,
        "adjusted": np.minimum(1, len(p) * p),
    }
    scores = {"score": (("method", "word"), np.array([*methods.values()], float))}
    by_word = {name: ("word", values) for name, values in by_word.items()}
    return Dataset(by_word | scores, {"method": [*methods]})


def hostile() -> Dataset:
    """Hostile words under methods, one of a hostile name."""
    scores = np.random.default_rng(0).normal(size=len(HOSTILE))
    bad = {"<script>\x00\ud800$": scores}
    return text(HOSTILE, agreement=np.abs(scores), signed=scores, zero=0 * scores, **bad)


FACTS = {word[:50]: word[:50] for word in HOSTILE} | {"none": None}


class Page(HTMLParser):
    """A page taken apart: elements, attributes, and the words of each panel."""

    VOID = ("meta", "link", "br")

    def __init__(self, html: str):
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.panels: list[list[dict[str, str]]] = []
        self.data: list[str] = []
        self.feed(html)
        self.close()
        assert not self.open

    def handle_starttag(self, tag, attrs):
        attributes = {name: value or "" for name, value in attrs}
        self.elements.append((tag, attributes))
        if attributes.get("class") == "panel":
            self.panels.append([])
        if "title" in attributes:
            self.panels[-1].append(attributes | {"text": "", "rank": ""})
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag):
        assert self.open.pop() == tag

    def handle_data(self, data):
        self.data.append(data)
        if "p" in self.open and self.open[-1] in ("bdi", "sup") and self.panels:
            self.panels[-1][-1][{"bdi": "text", "sup": "rank"}[self.open[-1]]] += data


def read(shown: Dataset, facts=None) -> Page:
    return Page(highlighted.page(shown, facts or {}, "A text", ""))


def clean(word: str) -> str:
    """What a reader sees of a word: one line, at most 40 characters, no character unfit."""
    line = " ".join(word.split()) or "␣"
    line = line if len(line) <= 40 else line[:40] + "…"
    return re.sub("[\x00-\x1f\x7f-\x9f\ud800-\udfff\ufffe]", "\ufffd", line)


def test_ties_share_a_rank_and_the_largest_positive_scores_are_marked():
    found = marks(text(any=[0.5, 2.0, 0.5, -3.0])).sel({"method": "any"})
    assert found["rank"].values.tolist() == [2, 1, 2, 4]
    assert found.top.values.tolist() == [True, True, True, False]
    np.testing.assert_allclose(found.strength, [1 / 6, 2 / 3, 1 / 6, -1])
    many = marks(text("x" * 40, any=[*range(40, 0, -1)]))
    assert np.flatnonzero(many.top).tolist() == list(range(TOP))
    tied = marks(text("x" * 40, any=[2.0] * 14 + [1.0] * 3 + [0.0] * 23))
    assert np.flatnonzero(tied.top).tolist() == list(range(17))  # not 15 of words that are equal


@pytest.mark.parametrize("scores", [[0.0] * 4, [-0.0] * 4, [-1.0, -2.0, -3.0, -4.0]])
def test_nothing_is_marked_where_nothing_counts_for_the_class(scores):
    shown = text(any=scores)
    assert not marks(shown).top.any()
    (words,) = read(shown).panels
    assert not any(word["rank"] for word in words)


@pytest.mark.parametrize("factor", [5e-324, 1e-300, 1e300])
def test_scores_of_any_size_give_strengths_up_to_one(factor):
    found = marks(text(any=[factor, 0, -factor, factor]))
    assert found.strength.values.tolist() == [[1, 0, -1, 1]]


@pytest.mark.parametrize("wrong", [[np.nan, 0, 0, 0], [np.inf, 0, 0, 0]])
@pytest.mark.parametrize("name", ["score", "p_value", "adjusted"])
def test_only_finite_numbers(name, wrong):
    shown = text(any=[0, 0, 0, 0])
    with pytest.raises(AssertionError):
        highlighted.page(shown.assign({name: shown[name] + np.array(wrong)}), {}, "", "")


def test_text_is_readable_on_every_background():
    def luminance(colour):
        rgb = np.array(to_rgb(colour))
        linear = np.where(rgb <= 0.04045, rgb / 12.92, ((rgb + 0.055) / 1.055) ** 2.4)
        return linear @ [0.2126, 0.7152, 0.0722]

    for strength in np.linspace(-1, 1, 41):
        contrast = (luminance(shade(strength)) + 0.05) / (luminance(INK) + 0.05)
        assert contrast > 6.7  # WCAG asks for 4.5
    assert shade(0) == "#ffffff"


def test_tooltips_hold_score_rank_and_p_values():
    shown = text(p_value=[0.0125, 0.5, 0.25, 1.0], agreement=[0.75, 0.1, 0.2, 0.3], b=[0, -2, 1, 0])
    agreement, other = read(shown).panels
    assert (
        agreement[0]["title"]
        == "agreement 0.75, rank 1 of 4\nagreement: p = 0.0125, over all words 0.05"
    )
    assert other[1]["title"] == "b −2, rank 4 of 4\nagreement: p = 0.5, over all words 1"
    assert [word["rank"] for word in agreement] == ["1", "4", "3", "2"]
    assert [word["rank"] for word in other] == ["", "", "1", ""]


def test_marks_are_more_than_colour():
    shown = text(p_value=[0.0125, 0.0126, 1, 1], agreement=[1, 0.5, 0, 0.1], signed=[1, 0.5, 0, -1])
    agreement, signed = ([word["class"].split() for word in words] for words in read(shown).panels)
    assert agreement == [["w", "top", "significant"], ["w", "top"], ["w"], ["w", "top"]]
    assert signed == [["w", "top"], ["w", "top"], ["w"], ["w", "against"]]
    assert "outlined: 1 of 4 words" in " ".join("".join(read(shown).data).split())
    style = "".join(read(shown).data)
    for name, declaration in (
        ("top bdi", "underline"),
        ("against", "dotted"),
        ("significant", "outline"),
    ):
        assert re.search(rf"\.{name} {{[^}}]*{declaration}", style)


def test_backgrounds_are_the_strengths():
    (words,) = read(text(any=[2.0, 1.0, 0.0, -2.0])).panels
    found = [re.findall(r"background:(#\w+)", word.get("style", "")) for word in words]
    assert found == [[shade(1)], [shade(0.5)], [], [shade(-1)]]


def test_the_table_holds_every_number():
    page = read(text(("one", "two"), p_value=[0.125, 0.25], first=[0.5, 1.5], second=[-3, 4]))
    rows = " ".join("".join(page.data).partition("All numbers")[2].split())
    assert "1one0.5 (2)−3 (2)0.1250.25" in rows
    assert "2two1.5 (1)4 (1)0.250.5" in rows


def test_hostile_text_stays_text():
    shown = hostile()
    html = highlighted.page(shown, FACTS, "".join(HOSTILE[:30]), "".join(HOSTILE[:30]))
    html.encode()  # no lone surrogate is left
    assert not re.search("[\x00-\x08\x0b-\x1f\x7f-\x9f\ufffe]", html)
    page = Page(html)
    allowed = "html head meta link title style body div header h1 p dl dt dd bdi main section h2 h3"
    allowed += " span sup i details summary table thead tbody tr th td footer"
    assert {tag for tag, _ in page.elements} <= set(allowed.split())
    for tag, attributes in page.elements:
        assert not any(name.startswith("on") or name in ("src", "action") for name in attributes)
        assert "href" not in attributes or (tag, attributes["href"]) == ("link", "data:,")
        assert re.fullmatch(
            r"(background:#\w{6}(;text-decoration-color:#\w{8})?)?", attributes.get("style", "")
        )
    assert len(page.panels) == shown.sizes["method"]
    for words in page.panels:
        assert [word["text"] for word in words] == [clean(word) for word in HOSTILE]
    policy = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"
    assert policy in [attributes.get("content") for _, attributes in page.elements]


def test_a_long_word_is_cut_and_its_length_kept():
    html = highlighted.page(text(["y" * 1_000_000], any=[1.0]), {}, "", "")
    assert len(html) < 20_000
    ((word,),) = Page(html).panels
    assert word["text"] == "y" * 40 + "…"
    assert "1\u202f000\u202f000 characters long" in word["title"]


@pytest.mark.parametrize("count", [1, 500])
def test_texts_of_any_length(count):
    scores = np.linspace(-1, 1, count)
    shown = text([f"word{i}" for i in range(count)], agreement=np.abs(scores), signed=scores)
    assert [len(words) for words in read(shown).panels] == [count, count]
    assert len(highlighted.page(shown, {}, "", "")) < 600 * count + 20_000


def test_the_direction_of_the_text():
    for words, direction in ((("שלום", "עולם", "film"), "rtl"), (("film", "of", "שלום"), "ltr")):
        page = read(text(words, any=[1, 2, 3]))
        assert [a["dir"] for tag, a in page.elements if tag == "p" and "dir" in a] == [direction]


def test_accessible():
    page = read(hostile(), FACTS)
    levels = [int(tag[1]) for tag, _ in page.elements if re.fullmatch(r"h\d", tag)]
    assert levels[0] == 1 and levels.count(1) == 1
    assert all(later <= level + 1 for level, later in zip(levels, levels[1:], strict=False))
    assert ("html", {"lang": "en"}) in page.elements
    assert all("scope" in attributes for tag, attributes in page.elements if tag == "th")
    names = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    labels = [a["aria-labelledby"] for _, a in page.elements if "aria-labelledby" in a]
    assert len(names) == len(set(names)) and set(labels) <= set(names)
