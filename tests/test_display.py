"""What a notebook shows: cards that say what a result is, and leave the notebook as it was."""

import re
import subprocess
import sys
from dataclasses import replace
from html.parser import HTMLParser

import jax
import jax.numpy as jnp
import pytest
from conftest import ROOT

import theory
import theory.display
from theory.display import number
from theory.subspace.theorems import large_gradient


class Text(HTMLParser):
    """The text of a card, without its styles."""

    def __init__(self, html: str):
        super().__init__()
        self.words, self.skips = [], False
        self.feed(html)

    def handle_starttag(self, tag, attrs):
        self.skips = tag == "style"

    def handle_endtag(self, tag):
        self.skips = False

    def handle_data(self, data):
        self.words += [] if self.skips else data.split()


def text(result) -> str:
    return " ".join(Text(result._repr_html_()).words)


@pytest.fixture(scope="module")
def trained():
    x = jax.random.normal(jax.random.key(1), (6, 40))
    y = jnp.sign(x[:, 0])
    net = theory.two_layer_relu(jax.random.key(0), d=40, width=20)
    return theory.train_to_margin(net, x, y, margin=5.0, steps=2000), x, y


def test_results_are_cards_with_their_numbers_and_dtypes(trained):
    found, x, y = trained
    conditions = theory.unlearning.kkt(found.network, x, y)
    proof = theory.unlearning.certificate(found.network, x, y, forget=2)
    assert "loss mean loss at the end." in text(found)
    assert "float64[20, 40]" in text(found)
    said = text(conditions)
    assert said.startswith("KKT") and "float64[6]" in said
    assert number(float(conditions.stationarity), 4) in said
    assert "epsilon" in text(proof) and "network" in text(proof)


def test_what_is_not_known_yet_is_shown_by_its_shape(trained):
    found, _, _ = trained
    said = []

    def inside(key, margin):
        net = theory.two_layer_relu(key, d=5, width=3)
        said.append(text(found._replace(network=net, margin=margin, steps=jax.random.key(0))))
        return margin

    jax.jit(inside)(jax.random.key(0), 1.0)
    jax.vmap(inside)(jax.random.split(jax.random.key(0), 2), jnp.ones(2))
    for words in said:
        assert "w: float64[3, 5]; u: float64[3]" in words and "key<fry>[]" in words, words


def test_a_long_list_is_cut(trained):
    said = text(trained[0]._replace(loss=list(range(100, 200))))
    assert "111 (int64); … (100 in all)" in said and "112" not in said


def test_agreement_and_healed_networks_are_cards():
    gradients = jax.random.normal(jax.random.key(0), (3, 5, 8))
    assert "p_value probability of a score" in text(theory.attribution.agreement(gradients))
    weights = {"w": jnp.ones((2, 3))}
    masks = {"w": jnp.ones((2, 3), bool)}
    x = jax.random.normal(jax.random.key(1), (4, 3))
    healed = theory.healing.heal(
        lambda params, x: [x @ params["w"].T], weights, weights, masks, x, steps=2
    )
    assert "history the loss of every step" in text(healed)


def test_a_verdict_says_what_it_rests_on():
    verdict = theory.verify(large_gradient.theorem, large_gradient.theorem.presets["smoke"])
    said = text(verdict)
    for words in (
        *("subspace.large-gradient", verdict.status, "float64", f"violations {verdict.violations}"),
        *("no weight decay", "detected: without", "α = 0.001"),
    ):
        assert words in said, f"{words} is not in {said}"


def test_a_verdict_in_single_precision_says_so():
    code = (
        "import theory; from theory.subspace.theorems.frozen_weights import theorem as t;"
        "print(theory.verify(t, t.presets['smoke'])._repr_html_())"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert "float32: what rounding decides is not applicable" in done.stdout, done.stderr


def test_a_notebook_stays_as_it_was():
    code = """
import jax, matplotlib
matplotlib.use("svg")
before = dict(jax.config.values)
rc = dict(matplotlib.rcParams)
import theory, experiments.lessons
import theory.display, experiments.results.gallery, experiments.plots.curves
assert matplotlib.get_backend() == "svg"
assert dict(jax.config.values) == before
assert dict(matplotlib.rcParams) == rc
"""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr


def luminance(colour: str) -> float:
    """By WCAG, of #rgb or #rrggbb."""
    digits = colour[1:] if len(colour) == 7 else "".join(2 * digit for digit in colour[1:])
    parts = [int(digits[i : i + 2], 16) / 255 for i in (0, 2, 4)]
    red, green, blue = (x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in parts)
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("dark", [False, True])
def test_text_stands_out_from_what_is_behind_it(dark):
    css = str(theory.display.style())
    pairs = re.findall(r"--([\w-]+): light-dark\((#\w+), (#\w+)\)", css)
    colours = {name: shades[dark] for name, *shades in pairs}
    texts = [(text, paper) for text in ("ink", "quiet", "accent") for paper in ("paper", "faint")]
    texts += [(name, f"{name}-tint") for name in ("good", "sky", "bad", "warn", "none")]
    (falsified,) = re.findall(r"\.badge\.falsified \{ color: var\(--([\w-]+)\);", css)
    for text, paper in [*texts, ("bad", "paper"), (falsified, "bad")]:
        low, high = sorted(luminance(colours[name]) for name in (text, paper))
        assert (high + 0.05) / (low + 0.05) >= 4.5, (text, paper)


def test_what_is_shown_is_escaped():
    verdict = theory.verify(large_gradient.theorem, large_gradient.theorem.presets["smoke"])
    html = replace(verdict, theorem="<b>mine</b>")._repr_html_()
    assert "&lt;b&gt;mine" in html and "<b>mine" not in html
