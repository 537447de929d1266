"""How hard XLA tries, by preset and by theorem; which programs start first."""

import csv
from dataclasses import replace

import pytest

from experiments import effort, machine
from experiments.bench import levels
from experiments.results import trials
from experiments.results.catalog import entries
from tests.problems import BANK
from theory.theorem import preset_of

TOY, _ = BANK["loose bound"]

SECONDS = {
    ("smoke", "quick"): {0: 1.0, 1: 2.0},
    ("smoke", "heavy"): {0: 50.0, 1: 20.0, 3: 25.0},
    ("smoke", "even"): {0: 1.0, 1: 0.95},
}


@pytest.fixture
def timed(monkeypatch):
    """A measurement, and smoke's level asked of XLA."""
    monkeypatch.setattr(effort, "measured", lambda: SECONDS)
    monkeypatch.setattr(effort, "_asked", [0])
    monkeypatch.setattr(machine, "cores", lambda: 2)


def test_a_program_gets_another_level_where_that_is_worth_it(timed, monkeypatch):
    assert effort.of_program("heavy", "smoke") == effort.options(1)
    for name, preset in (("quick", "smoke"), ("even", "smoke"), ("new", "smoke"), ("heavy", None)):
        assert effort.of_program(name, preset) == {}
    monkeypatch.setattr(effort, "_asked", [1])
    assert effort.of_program("heavy", "smoke") == {}  # as all others
    assert effort.of_program("quick", "smoke") == effort.options(0)
    monkeypatch.setattr(effort, "_asked", [])  # the user chose
    assert effort.of_program("heavy", "smoke") == {}


def test_a_users_level_is_left_alone(monkeypatch):
    monkeypatch.setattr(effort, "_asked", [])
    monkeypatch.setattr(effort, "accelerators", lambda: False)
    monkeypatch.setenv("XLA_FLAGS", "--xla_backend_optimization_level=2")
    effort.compile_quickly(0)
    assert effort._asked == []
    monkeypatch.setenv("XLA_FLAGS", "")
    effort.compile_quickly(0)
    assert effort._asked == [0]


def test_long_programs_start_first_and_others_in_their_order(timed):
    def program(name):
        theorem = replace(TOY, name=name)
        return trials.Program(theorem, theorem.presets["smoke"], 0, {}, "code")

    chosen = [program(name) for name in ("quick", "even", "heavy", "quick", "untimed")]
    assert trials._in_order(chosen) == [2, 4, 0, 1, 3]
    changed = [one._replace(settings=replace(one.settings, trials=7)) for one in chosen]
    assert trials._in_order(changed) == [0, 1, 2, 3, 4]  # nobody timed those settings


def test_the_preset_of_settings():
    assert preset_of(TOY, TOY.presets["smoke"]) == "smoke"
    assert preset_of(TOY, replace(TOY.presets["smoke"], trials=7)) is None


def test_what_is_measured_is_read_again(tmp_path, monkeypatch):
    monkeypatch.setattr(effort, "MEASURED", tmp_path / "effort.csv")
    effort.measured.cache_clear()
    assert effort.measured() == {}
    levels.record("smoke", "b", {0: (1.5, 2.0)})
    levels.record("smoke", "a", {0: (1.0, 4.0), 1: (2.0, 1.0)})
    levels.record("smoke", "b", {0: (1.25, 2.0)})
    effort.measured.cache_clear()
    found = effort.measured()
    effort.measured.cache_clear()
    assert found == {("smoke", "a"): {0: 5.0, 1: 3.0}, ("smoke", "b"): {0: 3.25}}


@pytest.mark.slow
def test_levels_are_tried_while_they_gain(theorem=TOY):
    found = levels.measure(theorem, "smoke")
    assert 0 in found and all(len(pair) == 2 and min(pair) >= 0 for pair in found.values())
    compiling, running = found[0]
    assert (1 in found) == (running > compiling)


def test_every_row_names_an_entry():
    known = {entry.name for entry in entries() if entry.kind == "theorem"}
    with effort.MEASURED.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    assert {row["theorem"] for row in rows} <= known
    assert {row["preset"] for row in rows} <= {*effort.ON_CPU}
    for (preset, _), seconds in effort.measured().items():
        assert effort.BY_PRESET[preset] in seconds  # what another level is compared with
