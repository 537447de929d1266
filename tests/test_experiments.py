"""One battery over all experiments: a new entry is tested by being there."""

import json
import math
import shlex
from dataclasses import replace
from html.parser import HTMLParser
from typing import Any, NamedTuple

import matplotlib.figure
import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray
from tracing import entered

from experiments.experiment import Experiment
from experiments.results import closure, gallery, store
from experiments.results.catalog import Entry, entries

EXPERIMENTS = [entry for entry in entries() if entry.kind == "experiment"]


class Done(NamedTuple):
    """An experiment that has run at smoke."""

    entry: Entry
    experiment: Experiment
    out: Any
    entered: set
    figure: matplotlib.figure.Figure
    backends: set[str]
    result: dict[str, Any]
    data: xarray.Dataset
    settings: Any


LONG = {
    *("attacks.almost-linearity", "attacks.budget", "attacks.images", "attacks.rank"),
    *("attacks.target-distance", "energy.gauge", "energy.histograms", "energy.margin"),
    *("dimples.adversarial-training", "dimples.on-off", "dimples.phases", "dimples.wrong-labels"),
    *("dimples.regularisation", "energy.robustness", "energy.sweep", "energy.zero-shot"),
    *("attribution.faithfulness", "healing.calibration", "healing.frozen-noise"),
    *("subspace.mitigation", "unlearning.margins", "unlearning.multipliers"),
    *("unlearning.step-size-linear", "unlearning.trajectory"),
    *("attribution.dead-directions", "attribution.highlight", "attribution.planted"),
    *("attribution.scatter", "healing.sparsity", "healing.states", "healing.structures"),
    *("healing.transformer", "subspace.chessboard", "subspace.diagonal", "subspace.real-data"),
    *("subspace.scaling", "unlearning.baselines", "unlearning.correlation"),
    *("unlearning.generalisation", "unlearning.many-points", "unlearning.step-size"),
}
"""Those that take more than four seconds at smoke, nearly all of them compiling."""


def each(entry):
    """Those of a system go to one process, because they share compiled programs."""
    marks = [pytest.mark.xdist_group(f"experiments of {entry.system}")]
    return pytest.param(
        entry, id=entry.name, marks=marks + [pytest.mark.slow] * (entry.name in LONG)
    )


@pytest.fixture(scope="module", params=map(each, EXPERIMENTS))
def done(request, tmp_path_factory):
    entry, out = request.param, tmp_path_factory.mktemp("out")
    experiment, found, figures = entry.load(), set(), []

    def traced(*args):
        with entered() as names:
            data = experiment.run(*args)
        found.update(names)
        return data

    def drawn(*args):
        figures.append(experiment.draw(*args))
        return figures[0]

    settings, backend = experiment.presets["smoke"], plt.get_backend()
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("XDG_CACHE_HOME", str(out / "cache"))  # no copies of an earlier run
        patch.setattr(Entry, "load", lambda _: replace(experiment, run=traced, draw=drawn))
        asked = gallery.Run(settings, "smoke", 0)
        result = gallery.run(entry, asked, out, lambda done, what: None)
    stored = store.load_data(out / entry.name / gallery.DATA)
    assert stored is not None
    backends = {backend, plt.get_backend()}
    return Done(entry, experiment, out, found, figures[0], backends, result, stored[0], settings)


def test_what_a_run_enters_is_in_its_closure(done):
    assert (done.experiment.run.__module__, "run") in done.entered
    # What keeps the cells of a run that is stopped gives them back as they were.
    kept = {at for at in done.entered if at[0].startswith("experiments.results.")}
    assert done.entered - kept <= closure.reach(done.entry).keys()


def test_it_leaves_its_files(done):
    folder = done.out / done.entry.name
    pages = {gallery.PAGE} if done.experiment.page else set()
    files = {gallery.DATA, gallery.RESULT, gallery.FIGURE} | pages
    assert {path.name for path in folder.iterdir()} == files
    assert len(list((done.out / "runs" / done.entry.name).iterdir())) == 1


def test_data_have_names_and_labels(done):
    for name, values in done.data.data_vars.items():
        assert not [dim for dim in values.dims if dim.startswith("dim_")], name
        assert values.dtype.kind in "fiubU", name
    labelled = [dim for dim in done.data.dims if dim in done.data.coords]
    assert labelled, "no dimension has labels"
    table = done.data.to_dataframe()
    assert len(table) == math.prod(done.data.sizes.values())
    with xarray.open_dataset(done.out / done.entry.name / gallery.DATA) as opened:
        assert set(opened.data_vars) == set(done.data.data_vars)


def test_every_axis_of_the_figure_says_what_it_shows(done):
    drawn = [ax for ax in done.figure.axes if ax.axison and ax.has_data()]
    assert drawn
    for direction in ("x", "y"):
        for ax in drawn:
            assert said(done.figure, ax, direction), (direction, ax.get_title())
    assert len(done.backends) == 1


def said(figure: matplotlib.figure.Figure, ax, direction: str) -> bool:
    """Whether an axis has a label, or tick labels in words, or shares those of another."""
    axis = getattr(ax, f"{direction}axis")
    if axis.get_label_text() or getattr(figure, f"_sup{direction}label", None):
        return True
    ticks = [text.get_text() for text in axis.get_ticklabels()]
    if any(any(c.isalpha() for c in text) for text in ticks) or not axis.get_visible():
        return True
    siblings = getattr(ax, f"get_shared_{direction}_axes")().get_siblings(ax)
    beside = [other for other in siblings if other is not ax]
    return any(
        getattr(other, f"{direction}axis").get_label_text()
        or any(
            c.isalpha()
            for text in getattr(other, f"{direction}axis").get_ticklabels()
            for c in text.get_text()
        )
        for other in beside
    ) or not len(axis.get_ticklocs())


def leaves(value: Any):
    """Every number and text of a JSON value."""
    if isinstance(value, dict):
        for item in value.values():
            yield from leaves(item)
    elif isinstance(value, list):
        for item in value:
            yield from leaves(item)
    else:
        yield value


def refuse(constant):
    raise AssertionError(f"{constant} in JSON")


def test_the_summary_is_sentences_and_numbers(done):
    text = (done.out / done.entry.name / gallery.RESULT).read_text(encoding="utf-8")
    summary = json.loads(text, parse_constant=refuse)["summary"]
    assert set(summary) == {"sentences", "tables"}
    assert summary["sentences"] or summary["tables"]
    for sentence in summary["sentences"]:
        assert sentence.endswith("."), sentence
        assert "nan" not in sentence.split() and "[nan" not in sentence, sentence
    assert any(isinstance(leaf, int | float) for leaf in leaves(summary["tables"]))


def test_it_is_drawn_again_without_running(done, monkeypatch):
    folder = done.out / done.entry.name
    before = {path.name: path.read_bytes() for path in folder.iterdir()}
    (folder / gallery.FIGURE).unlink()

    def run(*_):
        raise AssertionError("it ran")

    monkeypatch.setattr(Entry, "load", lambda _: replace(done.experiment, run=run))
    assert gallery.redraw(done.entry, None, 0, done.out, lambda *_: None) == "redrawn"
    assert {path.name: path.read_bytes() for path in folder.iterdir()} == before


class Tags(HTMLParser):
    """The tags and attributes of a page."""

    def __init__(self, text: str):
        super().__init__()
        self.tags, self.attributes = set(), {}
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.add(tag)
        self.attributes |= dict(attrs)


def test_a_page_runs_nothing_and_asks_for_nothing(done):
    if done.experiment.page is None:
        return
    page = Tags((done.out / done.entry.name / gallery.PAGE).read_text(encoding="utf-8"))
    assert "body" in page.tags and not page.tags & {"script", "iframe", "object", "embed"}
    assert not [name for name in page.attributes if name.startswith("on")]
    assert not [x for x in page.attributes.values() if x and x.startswith(("http:", "//"))]


def test_the_command_makes_the_settings_again(done):
    from experiments.command.cli import parse_run

    words = shlex.split(done.result["command"])
    assert words[:3] == ["relu-theory", "run", done.entry.name]
    options, settings = parse_run(words[2:])
    assert (options.preset, options.common.seed) == ("smoke", 0)
    assert settings == done.settings


def test_presets_are_settings_of_one_kind(done):
    presets = done.experiment.presets
    assert set(presets) == {"smoke", "course", "paper"}
    assert len({type(settings) for settings in presets.values()}) == 1
    assert np.all([hash(settings) is not None for settings in presets.values()])
