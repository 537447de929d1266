"""What runs leave behind: nothing computed is lost, nothing shown is of another run."""

import json
import multiprocessing
import random
import shlex
import warnings
from pathlib import Path

import numpy as np
import pytest
import toy
import xarray
from PIL import Image

from experiments.command.cli import parse_run
from experiments.errors import UsageError
from experiments.experiment import Experiment
from experiments.results import gallery, store
from experiments.results.catalog import Entry, select

NAME = "toy.means"
ENTRY = Entry(
    name=NAME,
    kind="experiment",
    title="Means",
    source={"paper": "none", "arxiv": "", "label": "none", "provenance": "derived"},
    module="toy",
    path=Path(toy.__file__),
)


def silent(done, what):
    pass


def run(out, seed=0, formats=(), **changes):
    return gallery.run(ENTRY, gallery.Run(toy.Toy(**changes), "smoke", seed), out, silent, formats)


@pytest.fixture
def counted(monkeypatch) -> list:
    """One item for every time that the experiment really runs."""
    experiment: Experiment = ENTRY.load()
    found = []

    def run(*args):
        found.append(args)
        return experiment.run(*args)

    counting = Experiment(**{**vars(experiment), "run": run})
    monkeypatch.setattr(Entry, "load", lambda _: counting)
    return found


def shown(out) -> dict:
    return json.loads((out / NAME / gallery.RESULT).read_text())


def test_an_earlier_run_is_shown_again_without_computing(tmp_path, counted):
    first = run(tmp_path)
    files = {path.name: path.read_bytes() for path in (tmp_path / NAME).iterdir()}
    run(tmp_path, trials=41)
    run(tmp_path, seed=3)
    assert shown(tmp_path)["seed"] == 3
    assert run(tmp_path) == first
    assert {path.name: path.read_bytes() for path in (tmp_path / NAME).iterdir()} == files
    assert len(counted) == 3
    assert len(list((tmp_path / "runs" / NAME).iterdir())) == 3


def test_data_without_their_runs_are_filed_before_others_take_their_place(tmp_path, counted):
    """A gallery is committed without the folder of runs."""
    first = run(tmp_path)
    for path in (tmp_path / "runs" / NAME).iterdir():
        path.unlink()
    run(tmp_path, seed=1)
    assert run(tmp_path) == first
    assert len(counted) == 2


@pytest.mark.parametrize("damage", ["cut", "empty", "no file of ours", "one bit"])
def test_a_damaged_file_is_noticed_and_made_again(tmp_path, counted, damage):
    result = run(tmp_path, seed=2)
    path = tmp_path / NAME / gallery.DATA
    content = path.read_bytes()
    (kept,) = (tmp_path / "runs" / NAME).iterdir()
    spoiled = {
        "cut": content[: len(content) // 2],
        "empty": b"",
        "no file of ours": b"not a file",
        "one bit": content[:700] + bytes([content[700] ^ 1]) + content[701:],
    }[damage]
    for paths, computed in (([path], 1), ([path, kept], 2)):
        for one in paths:
            one.write_bytes(spoiled)
        with pytest.warns(UserWarning, match="damaged"):
            assert run(tmp_path, seed=2) == result
        assert path.read_bytes() == content
        assert len(counted) == computed


def test_figures_of_damaged_data_come_from_the_run_that_was_shown(tmp_path, counted):
    """Not from the defaults of a preset."""
    result = run(tmp_path, seed=2, trials=41)
    (tmp_path / NAME / gallery.DATA).write_bytes(b"damaged")
    with pytest.warns(UserWarning, match="damaged"):
        assert gallery.redraw(ENTRY, None, 0, tmp_path, silent) == "computed"
    assert shown(tmp_path) == result
    assert len(counted) == 1  # the data were kept besides


def test_formats_are_made_on_request_and_never_of_an_earlier_run(tmp_path):
    run(tmp_path, formats=("svg", "pdf"))
    folder = tmp_path / NAME
    assert (folder / "figure.svg").read_bytes().startswith(b"<?xml")
    assert (folder / "figure.pdf").read_bytes().startswith(b"%PDF")
    run(tmp_path, seed=1)
    assert {path.name for path in folder.iterdir()} == {
        *(gallery.DATA, gallery.RESULT, gallery.FIGURE)
    }
    assert (folder / gallery.FIGURE).read_bytes()[25] == 3  # the PNG's colours are of a palette


@pytest.mark.parametrize(
    ("name", "preset", "seed", "changes"),
    [
        ("subspace.gradient-law", "course", 0, {}),
        ("subspace.gradient-law", "smoke", 7, {"trials": 12, "weight_decay": 0.5, "scale": None}),
        ("subspace.gradient-law", "paper", 1, {"margin": float("inf"), "learning_rate": 1e-3}),
        ("attribution.filter", "smoke", 2, {"ppmi": True, "kinds": ("flat", "lstm")}),
        ("attribution.highlight", "course", 0, {"text": 'it\'s "new" ℓ', "perturbed": None}),
        ("healing.sparsity", "course", 0, {"methods": ("STARFISH, head refitted", "STARFISH")}),
    ],
)
def test_the_command_of_a_result_makes_the_same_run(name, preset, seed, changes):
    (entry,) = select("experiment", (name,))
    base = entry.load().presets[preset]
    asked = gallery.Run(type(base)(**{**vars(base), **changes}), preset, seed)
    options, made = parse_run(shlex.split(gallery.command(entry, asked))[2:])
    assert gallery.Run(made, options.preset, options.common.seed) == asked


def test_other_settings_than_the_presets_are_not_called_a_preset(tmp_path):
    assert run(tmp_path)["preset"] == "smoke"
    assert run(tmp_path, trials=6)["preset"] is None


def test_what_json_has_not_is_restored(tmp_path):
    """Tuples and infinities of the settings."""
    run(tmp_path, sizes=(3, 5, 6), margin=float("inf"))
    before = shown(tmp_path)
    assert before["settings"]["margin"] is None
    assert gallery.redraw(ENTRY, None, 0, tmp_path, silent) == "redrawn"
    assert shown(tmp_path) == before


def test_a_folder_that_cannot_be_written_to_is_named_before_anything_runs(tmp_path, counted):
    (tmp_path / NAME).write_text("kept")
    with pytest.raises(UsageError, match="Cannot write to"):
        run(tmp_path)
    assert not counted and (tmp_path / NAME).read_text() == "kept"


def _both(out):
    run(out)


@pytest.mark.slow
def test_two_processes_in_one_folder(tmp_path):
    context = multiprocessing.get_context("spawn")
    both = [context.Process(target=_both, args=(tmp_path,)) for _ in range(2)]
    for process in both:
        process.start()
    for process in both:
        process.join()
    assert [process.exitcode for process in both] == [0, 0]
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert store.load_data(tmp_path / NAME / gallery.DATA) is not None
    assert not list(tmp_path.glob("**/.*"))


DATA = xarray.Dataset(
    {
        "score": (("trial", "kind"), np.array([[0.1, np.nan], [np.inf, -0.0]])),
        "word": (("trial",), np.array(["ℓ", ""])),
        "given": (("kind",), np.array([True, False])),
        "count": ((), 3),
        "pixels": (("trial",), np.array([0, 255], np.uint8)),
    },
    {"trial": [0, 1], "kind": ["sum", "mäx"]},
)


def test_data_come_back_as_they_were(tmp_path):
    path = tmp_path / "data.nc"
    store.save_data(path, DATA, {"margin": float("inf"), "name": "ℓ"})
    content = path.read_bytes()
    stored = store.load_data(path)
    assert stored is not None
    assert stored[0].identical(DATA)
    assert {name: stored[0][name].dtype for name in DATA} == {
        name: DATA[name].dtype for name in DATA
    }
    assert stored[1] == {"margin": None, "name": "ℓ"}
    store.save_data(path, DATA, {"margin": float("inf"), "name": "ℓ"})
    assert path.read_bytes() == content
    with xarray.open_dataset(path) as opened:
        assert float(opened.score.sel(trial=0, kind="sum")) == 0.1
    assert store.load_data(tmp_path / "none.nc") is None


def test_flipped_bytes_never_reach_the_library(tmp_path):
    path, rng = tmp_path / "data.nc", random.Random(0)
    store.save_data(path, DATA, {})
    good = path.read_bytes()
    for _ in range(300):
        content = bytearray(good)
        for _ in range(rng.choice([1, 2, 5])):
            content[rng.randrange(len(content))] ^= rng.randrange(1, 256)
        path.write_bytes(content[: rng.choice([len(content), rng.randrange(len(content))])])
        with pytest.warns(UserWarning, match="damaged"):
            assert store.load_data(path) is None


def test_a_thin_line_keeps_its_colour_beside_thick_ones_of_a_like_colour():
    """A legend would name the wrong one: 63 of 255 off with a palette by median cut."""
    import io

    import matplotlib.pyplot as plt
    from matplotlib.colors import to_rgb
    from PIL import Image

    from experiments.plots.style import COLOURS, ORANGE

    figure, ax = plt.subplots()
    ax.imshow(np.random.default_rng(0).random((40, 40)), cmap="viridis", alpha=0.3)
    for i, colour in enumerate(COLOURS):
        ax.axhline(5 * i, color=ORANGE, lw=3)
        ax.plot([3, 6], [5 * i + 2, 5 * i + 2], color=colour, lw=1.5)
    pixels = np.asarray(Image.open(io.BytesIO(gallery.png(figure))).convert("RGB")).astype(float)
    plt.close(figure)
    for colour in COLOURS:
        off = np.abs(pixels - 255 * np.array(to_rgb(colour))).max(axis=-1).min()
        assert off <= 8, colour


def test_a_figure_for_a_talk_stands_beside_that_for_print(tmp_path):
    run(tmp_path)
    folder = tmp_path / NAME
    printed = (folder / "figure.png").read_bytes()
    gallery.redraw(ENTRY, None, 0, tmp_path, silent, ("svg",), "talk")
    assert (folder / "figure.png").read_bytes() == printed
    assert (folder / "talk.svg").exists()
    with Image.open(folder / "talk.png") as talk, Image.open(folder / "figure.png") as figure:
        assert talk.width > 1.7 * figure.width
    gallery.redraw(ENTRY, None, 0, tmp_path, silent)
    assert not list(folder.glob("talk.*")) and not (folder / "figure.svg").exists()
