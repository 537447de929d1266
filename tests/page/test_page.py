"""The page as a file: what it holds, what it asks for, and its settings."""

import re

import numpy as np
import pytest

from experiments import page as room
from tests.page.node import FOLDER, evaluate


def test_the_page_is_whole_and_asks_for_nothing():
    text = room.page()
    assert text == room.page()
    assert not re.findall(r"""(?:src|href)\s*=\s*["'](?!data:)""", text)
    assert "@import" not in text and "fetch(" not in text and "XMLHttpRequest" not in text
    assert set(re.findall(r"https?://[^\"'\s<]*", text)) == {"http://www.w3.org/2000/svg"}
    assert not re.findall(r"^(?:import|export)\b", text, re.MULTILINE)
    assert "default-src 'none'" in text


def test_every_module_is_in_the_page_after_those_it_needs():
    order = (*room.MODULES, "address")
    assert {*order, "widget"} == {path.stem for path in FOLDER.glob("*.js")}
    for name in (*order, "widget"):
        source = (FOLDER / f"{name}.js").read_text(encoding="utf-8")
        imports = room.IMPORT.findall(source)
        assert source.count("\nimport ") == len(imports), name
        for names, other in imports:
            assert other in order and (name == "widget" or order.index(other) < order.index(name))
            there = (FOLDER / f"{other}.js").read_text(encoding="utf-8")
            wanted = set(re.findall(r"\w+", names))
            assert wanted <= set(room.EXPORT.findall(there)), (name, other)


def test_every_slider_has_a_setting_and_every_setting_an_input():
    names = evaluate("return Object.keys(settings.SETTINGS);")
    inputs = re.findall(r'<input [^>]*\bname="(\w+)"', room.markup())
    assert sorted(names) == sorted(inputs)
    for name in names:
        assert f'<label for="{name}">' in room.markup()


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ("", {}),
        ("#d=100&ell=20&seed=4294967295", {"d": 100, "ell": 20, "seed": 4294967295}),
        ("#scale=0.35&weight_decay=0.07&fraction=1.05", None),
        ("#d=20&ell=90", {"d": 20, "ell": 18}),  # ℓ leaves P its two dimensions
        ("#d=1e9&width=0&seed=-3", {"d": 150, "width": 10}),
        ("#d=NaN&ell=&width=Infinity&scale=abc&__proto__=1&other=2", {}),
        ("#d=57.6&learning_rate=4.2", {"d": 58, "learning_rate": 4}),
    ],
)
def test_settings_are_those_of_the_address(given, expected):
    script = """
    const found = settings.read(given.hash);
    return {found, again: settings.read("#" + settings.written(found)),
            defaults: settings.read("")};
    """
    answer = evaluate(script, hash=given)
    assert answer["again"] == answer["found"]
    if expected is None:
        expected = {"scale": 0.35, "weight_decay": 0.07, "fraction": 1.05}
    assert answer["found"] == answer["defaults"] | expected


def test_sigma_and_the_step_are_in_units_of_the_dimension():
    script = "return settings.derived(settings.complete(given));"
    answer = evaluate(script, d=25, scale=0.5, learning_rate=2, weight_decay=0.01)
    assert (answer["sigma"], answer["rate"], answer["decay"]) == (0.1, 0.08, 0.01)


@pytest.mark.parametrize("weight_decay", [0, 0.1])
def test_the_law_panel_measures_what_it_draws(weight_decay):
    """Means of 120 networks through training: those of c²χ²_ℓ, within six standard errors."""
    script = """
    const all = settings.derived(settings.complete(given));
    const panel = new law.Law(all);
    for (const _ of panel.prepare());
    const found = [];
    for (let t = 0; t < 3; t++) {
      panel.advance(10);
      found.push(panel.members.map(({squared, training}) => [squared.off, training.c]));
    }
    return {found, svg: panel.draw(chart.LIGHT), says: panel.says()};
    """
    answer = evaluate(script, d=30, ell=20, width=20, seed=3, weight_decay=weight_decay)
    for members in answer["found"]:
        scaled = [squared / c**2 for squared, c in members]
        assert abs(sum(scaled) / len(scaled) - 20) < 6 * (40 / len(scaled)) ** 0.5
    assert (answer["found"][-1][0][1] < 1) == (weight_decay > 0)
    assert "20.0" in answer["says"] or weight_decay


def test_the_boundary_is_where_the_flips_are():
    """Theory's distances to first order, and what is frozen, on a network that is wide in ℓ."""
    script = """
    const all = settings.derived(settings.complete(given));
    const panel = new diagonal.Diagonal(all);
    panel.advance(300);
    return {...panel.distances(), drift: panel.drift(), steps: panel.steps};
    """
    answer = evaluate(script, d=150, ell=140, width=30, seed=1)
    assert answer["steps"] == 300 and answer["drift"] < 1e-12
    for measured, predicted in zip(answer["measured"], answer["predicted"], strict=True):
        # Of the noise 1/√ℓ and of gates that change on the way there is some.
        assert 0.6 < measured / predicted < 1.6


def test_the_flips_have_the_exponent_of_theory():
    script = """
    const panel = new flips.Flips(settings.derived(settings.complete(given)));
    for (const _ of panel.prepare());
    return {exponent: panel.exponent(), sizes: panel.found.map(({ell}) => ell),
            ratio: panel.found.map((one) => panel.firstOrder(one) / panel.theory(one.ell))};
    """
    answer = evaluate(script, d=60, width=40, seed=2)
    assert answer["sizes"][0] == 4 and answer["sizes"][-1] == 58
    # 24 networks each, whose k/m and χ²_ℓ/ℓ scatter by up to .7: a ratio by .07, the slope by .1.
    assert abs(answer["exponent"] - 1) < 0.4
    assert np.abs(np.log(answer["ratio"])).max() < 0.3
    assert abs(np.log(answer["ratio"]).mean()) < 0.15


def test_numbers_and_ticks_for_reading():
    script = """
    return [[0, 1.234, -0.01234, 99.96, 1.7e-14, -3e6, Infinity].map(chart.number),
            chart.ticks(0, 95, 5), chart.ticks(-0.8, 0.8, 4)];
    """
    numbers, ticks, both = evaluate(script)
    assert numbers[:4] == ["0", "1.23", "−0.012", "100.0"]
    assert numbers[4:] == ["1.7 × 10⁻¹⁴", "−3.0 × 10⁶", "∞"]
    assert ticks == [0, 20, 40, 60, 80]
    assert both == pytest.approx([-0.5, 0, 0.5])
