"""The page in a headless browser: driven as a reader does, and read as one does."""

import json
import re
import time
from xml.etree import ElementTree

import pytest

from experiments.page import markup, page
from experiments.page.widget import module
from tests.page.browser import chromium
from tests.page.node import evaluate

PANELS = ("diagonal", "law", "flips", "vcurve")
SMALL = "#d=30&ell=20&width=20"
READY = "document.querySelector('.panels').ariaBusy === 'false'"


@pytest.fixture(scope="module")
def browser():
    with chromium() as one:
        yield one


@pytest.fixture(scope="module")
def file(tmp_path_factory):
    path = tmp_path_factory.mktemp("page") / "relu-theory.html"
    path.write_text(page(), encoding="utf-8")
    return path


@pytest.fixture(autouse=True)
def quiet(browser):
    """Nothing starts by itself, and nothing is complained about in the end."""
    media(browser, "reduce", "light")
    browser.complaints.clear()
    browser.requests.clear()
    yield
    assert not browser.complaints


def media(browser, motion: str, scheme: str) -> None:
    features = {"prefers-reduced-motion": motion, "prefers-color-scheme": scheme}
    values = [{"name": name, "value": value} for name, value in features.items()]
    browser.call("Emulation.setEmulatedMedia", features=values)


def says(browser, panel: str) -> str:
    text = browser.evaluate(f"document.querySelector('#{panel} .says').textContent")
    return re.sub(r"\s+", " ", text)


def press(browser, key: str) -> None:
    for kind in ("keyDown", "keyUp"):
        browser.call("Input.dispatchKeyEvent", type=kind, key=key, code=key)


def click(browser, selector: str) -> None:
    browser.evaluate(f"document.querySelector('{selector}').click()")


def test_a_slider_moved_by_keys_shows_what_the_modules_compute(browser, file):
    browser.open(file, SMALL)
    browser.wait(READY)
    browser.evaluate("document.querySelector('[name=ell]').focus()")
    press(browser, "ArrowLeft")
    press(browser, "ArrowLeft")
    assert browser.evaluate("document.querySelector('output[for=ell]').textContent") == "18"
    for _ in range(5):
        click(browser, "[data-do=step]")
    browser.wait(READY)
    script = """
    const all = settings.derived(settings.complete(given));
    const panels = [new law.Law(all), new diagonal.Diagonal(all), new flips.Flips(all)];
    for (const panel of [panels[0], panels[2]]) for (const _ of panel.prepare());
    for (const panel of panels.slice(0, 2)) for (let t = 0; t < 5; t++) panel.advance(1);
    // Once more without the panel: the mean of what the networks' gradients are.
    const squared = Array.from({length: 120}, (_, i) => {
      const scene = scenes.subspaceScene(scenes.random(0, 2, i), all, 10);
      const training = new network.InSpan(scene.net, scene.x, scene.y);
      for (let t = 0; t < 5; t++) training.advance(all.rate, 0, 1);
      const {gradient, active} = network.gradient(training.network(), scene.x0);
      const off = network.reject(gradient, scene.basis);
      return network.dot(off, off) * 20 / (active * all.sigma ** 2);
    });
    const mean = squared.reduce((a, b) => a + b) / 120;
    return {mean: chart.number(mean), says: panels.map((panel) => panel.says())};
    """
    expected = evaluate(script, d=30, ell=18, width=20)
    shown = browser.evaluate("document.querySelector('#law .says b').textContent")
    assert shown == expected["mean"]
    for panel, text in zip(("law", "diagonal", "flips"), expected["says"], strict=True):
        assert says(browser, panel) == re.sub(r"</?b>", "", re.sub(r"\s+", " ", text))


def test_settings_go_to_the_address_and_come_from_it(browser, file):
    browser.open(file, SMALL)
    browser.evaluate("document.querySelector('[name=width]').focus()")
    press(browser, "ArrowRight")
    there = browser.evaluate("location.hash")
    assert "width=21" in there and "ell=20" in there and "seed=0" in there
    browser.wait(READY)
    before = [says(browser, panel) for panel in PANELS]
    browser.open(file, there)
    browser.wait(READY)
    assert [says(browser, panel) for panel in PANELS] == before
    # A changed address changes the page that is there, and what cannot be is put right.
    browser.evaluate("location.hash = '#d=40&ell=999&seed=5'")
    browser.wait("document.querySelector('[name=seed]').value === '5'")
    assert browser.evaluate("document.querySelector('[name=ell]').value") == "38"
    assert "ell=38" in browser.evaluate("location.hash")


def test_the_step_of_ascent_moves_along_the_curve(browser, file):
    browser.open(file, f"{SMALL}&fraction=1.2")
    browser.wait(READY)
    near = read_step(browser)
    browser.evaluate("document.querySelector('[name=fraction]').focus()")
    for _ in range(10):
        press(browser, "ArrowRight")
    browser.wait(READY)
    far = read_step(browser)
    assert (near[0], far[0]) == (1.2, 1.7)
    assert near[2] <= near[1] <= near[3] < far[2] <= far[1] <= far[3]
    assert "fraction=1.7" in browser.evaluate("location.hash")


def read_step(browser) -> list[float]:
    """t, ε, and the two sides between which theory puts it."""
    pattern = r"t = ([\d.]+) leaves ε = ([\d.]+); theory puts it between ([\d.]+) and ([\d.]+)\."
    found = re.search(pattern, says(browser, "vcurve"))
    assert found
    return [float(text) for text in found.groups()]


def test_playing_trains_until_all_is_learned(browser, file):
    media(browser, "no-preference", "dark")
    browser.open(file, f"{SMALL}&width=60&ell=5&seed=3")
    browser.wait("document.querySelector('[data-do=play]').textContent === 'Play'")
    browser.wait("/7 of 7 points/.test(diagonal.textContent)")
    assert int(browser.evaluate("document.querySelector('[data-shown=steps]').textContent")) > 100
    click(browser, "[data-do=reset]")
    browser.wait("/After 0 steps/.test(diagonal.textContent)")


def test_panels_are_saved_as_svg(browser, file, tmp_path):
    browser.call("Browser.setDownloadBehavior", behavior="allow", downloadPath=str(tmp_path))
    browser.open(file, SMALL)
    browser.wait(READY)
    for panel in PANELS:
        click(browser, f"[data-save={panel}]")
        path, end = tmp_path / f"{panel}.svg", time.monotonic() + 30
        while not path.exists():
            assert time.monotonic() < end, f"{panel}.svg was not saved"
            time.sleep(0.05)
        root = ElementTree.fromstring(path.read_text(encoding="utf-8"))
        assert root.tag == "{http://www.w3.org/2000/svg}svg"
        assert len(root.findall(".//{*}path")) > 2
        images = [image.get("href") or "" for image in root.findall(".//{*}image")]
        assert [href.partition(",")[0] for href in images] == ["data:image/png;base64"] * (
            panel == "diagonal"
        )


@pytest.mark.parametrize("width", [400, 1400])
def test_it_is_read_at_any_width_and_by_a_screen_reader(browser, file, width):
    size = {"width": width, "height": 900, "deviceScaleFactor": 1, "mobile": width < 500}
    browser.call("Emulation.setDeviceMetricsOverride", **size)
    browser.open(file, SMALL)
    browser.wait(READY)
    assert browser.evaluate("document.documentElement.scrollWidth") <= width
    browser.call("Accessibility.enable")
    nodes = browser.call("Accessibility.getFullAXTree")["nodes"]
    named = {
        role: [n["name"]["value"] for n in nodes if n.get("role", {}).get("value") == role]
        for role in ("slider", "spinbutton", "button", "image", "region")
    }
    assert {role: len(names) for role, names in named.items()} == {
        "slider": 7,
        "spinbutton": 1,
        "button": 7,
        "image": 4,
        "region": 5,
    }
    assert all(name for names in named.values() for name in names)


def test_nothing_is_asked_for(browser, file):
    browser.open(file, SMALL)
    browser.wait(READY)
    asked = {url for url in browser.requests if not url.startswith(("about:", "data:"))}
    assert {url.partition("#")[0] for url in asked} == {file.as_uri()}


def test_a_widget_shows_the_page_and_keeps_its_settings(browser, tmp_path):
    """As a notebook does it, with a model that remembers."""
    given = {"d": 30, "ell": 48, "width": 20, "scale": 1, "learning_rate": 4}
    given |= {"weight_decay": 0, "fraction": 1, "seed": 7, "markup": markup()}
    script = f"""
    const values = {json.dumps(given)}, heard = {{}};
    window.model = {{
      get: (name) => values[name],
      set: (name, value) => {{
        if (values[name] === value) return;
        values[name] = value;
        for (const one of heard[name] ?? []) one();
      }},
      on: (event, one) => (heard[event.slice(7)] ??= []).push(one),
      save_changes: () => {{}},
    }};
    const source = new Blob([{json.dumps(module())}], {{ type: "text/javascript" }});
    const {{ default: widget }} = await import(URL.createObjectURL(source));
    window.end = widget.render({{ model, el: document.getElementById("cell") }});
    window.shown = (what) => document.getElementById("cell").shadowRoot.querySelector(what);
    """.replace("</", "<\\/")
    path = tmp_path / "notebook.html"
    text = '<meta charset="utf-8"><link rel="icon" href="data:,"><div id="cell"></div>'
    path.write_text(f'{text}<script type="module">{script}</script>', encoding="utf-8")
    browser.open(path)
    browser.wait("window.shown && shown('.panels').ariaBusy === 'false'")
    assert browser.evaluate("model.get('ell')") == 28
    browser.evaluate("shown('[name=seed]').focus()")
    press(browser, "ArrowUp")
    browser.evaluate("shown('[name=seed]').blur()")
    browser.wait("model.get('seed') === 8")
    browser.evaluate("model.set('width', 33)")
    assert browser.evaluate("shown('output[for=width]').textContent") == "33"
    browser.evaluate("end()")
