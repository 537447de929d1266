"""Theorems and experiments from files outside of this repository, as a user meets them."""

import json
import os
import re
import subprocess
import sys
import time

import numpy as np
import pandas as pd
import pytest
from conftest import ROOT
from own import FILES, MISTAKES, WRITTEN, changed

from experiments.cells import over
from experiments.command.tools import EXAMPLES
from experiments.results import battery, catalog, closure, gallery, own, parts


@pytest.fixture
def folder(tmp_path, monkeypatch):
    """An empty folder outside of the repository; what is imported from it is forgotten."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(own, "FILES", {})
    monkeypatch.setattr(catalog, "GIVEN", {})
    monkeypatch.setattr(sys, "path", [*sys.path])
    before = {*sys.modules}
    yield tmp_path
    for name in {*sys.modules} - before:
        if name.startswith("own_"):
            del sys.modules[name]
    for cached in (closure.source_file, closure._parse, closure._bare):
        cached.cache_clear()


def test_examples_are_short():
    assert WRITTEN.count("\n") <= 40
    assert all(text.count("\n") <= 40 for text, _, _ in FILES.values())


def test_four_files_get_their_verdicts(folder, cli):
    for name, (text, _, _) in FILES.items():
        (folder / f"{name}.py").write_text(text.replace("mine.bound", f"mine.{name}"), "utf-8")
    paths = [f"{name}.py" for name in FILES]
    result = cli("verify", *paths, "--json", cwd=folder)
    verdicts = json.loads(result.stdout)["verdicts"]
    for verdict, (_, status, detected) in zip(verdicts, FILES.values(), strict=True):
        assert verdict["status"] == status, verdict
        assert verdict["control"]["detected"] is detected
        assert verdict["source"]["paper"].endswith(".py")
    assert result.returncode == 1  # a false one and one that says nothing
    again = cli("verify", *paths, "--json", cwd=folder)
    assert json.loads(again.stdout)["verdicts"] == [
        verdict | {"seconds": found["seconds"]}
        for verdict, found in zip(verdicts, json.loads(again.stdout)["verdicts"], strict=True)
    ]


@pytest.mark.parametrize("name", MISTAKES)
def test_a_mistake_is_said_with_its_line(folder, in_process, name):
    text, says = MISTAKES[name]
    (folder / f"{name}.py").write_text(text, encoding="utf-8")
    result = in_process("verify", f"{name}.py", "--preset", "smoke")
    assert result.returncode == 2
    assert re.search(says, result.stderr), result.stderr
    assert "Traceback" not in result.stderr


def test_what_is_new_runs_as_it_is(folder, in_process):
    assert in_process("new", "theorem", "mine.largest-value").returncode == 0
    result = in_process("check", "largest_value.py")
    assert result.returncode == 0, result.stdout
    assert result.stdout.count("✓") == len(battery.QUICK) + len(battery.SLOW)
    assert in_process("new", "experiment", "growth").returncode == 0
    result = in_process("run", "growth.py", "--sizes", 10, 40, "--trials", 20)
    assert result.returncode == 0, result.stderr
    assert "At the largest n it is" in json.loads(result.stdout)["sentences"][0]
    result = in_process("explain", "largest_value.py")
    for words in ("δ = 0.01 takes 688", "variance 4", "trials = 1957", "e^{−t²/2}"):
        assert words in result.stdout, words


def test_new_writes_over_nothing(folder, in_process):
    (folder / "largest.py").write_text("mine", encoding="utf-8")
    result = in_process("new", "theorem", "largest")
    assert result.returncode == 2 and "largest.py is there already" in result.stderr
    assert (folder / "largest.py").read_text(encoding="utf-8") == "mine"
    for name in ("Large", "a.b.c", "../a", "", "subspace.large-gradient"):
        assert in_process("new", "theorem", name).returncode == 2
    assert [path.name for path in folder.iterdir()] == ["largest.py"]


PRESETS = "{name: Settings(trials=%d) for name in ('smoke', 'course', 'paper')}"


def with_trials(trials: int) -> tuple[tuple[str, str], ...]:
    """What is changed where presets are given."""
    return (
        ("    trial=trial,\n", f"    trial=trial,\n    presets={PRESETS % trials},\n"),
        ("from theory.claims", "from theory.settings import Count, Settings\nfrom theory.claims"),
    )


def test_check_says_what_is_wrong(folder, in_process):
    harmless = 'name="nothing broken", numbers={"scale": 1.0}'
    few = changed(*with_trials(9), ('name="variance 4", numbers={"scale": 2.0}', harmless))
    (folder / "few.py").write_text(few, encoding="utf-8")
    result = in_process("check", "few.py")
    assert result.returncode == 1
    said = " ".join(result.stdout.split())
    assert "course has 9 trials; δ = 0.01 takes 688." in said
    assert "was not detected: it breaks no measured assumption" in said


def test_a_change_anywhere_in_the_file_or_beside_it_computes_anew(folder):
    (folder / "helper.py").write_text("FACTOR = 1.0\n", encoding="utf-8")
    text = changed(("N, DELTA = 100", "from helper import FACTOR\n\nN, DELTA = 100"),
                   ("x = scale", "x = FACTOR * scale"))  # fmt: skip
    path = folder / "beside.py"

    def digest():
        for cached in (closure.source_file, closure._parse, closure._bare):
            cached.cache_clear()
        (entry,) = catalog.entries_of_file(path)
        return closure.code_digest(entry)

    path.write_text(text, encoding="utf-8")
    first = digest()
    assert digest() == first
    path.write_text(text.replace("of n standard", "of standard"), encoding="utf-8")
    assert digest() == first  # a docstring
    path.write_text(text.replace("100, 0.01", "101, 0.01"), encoding="utf-8")
    assert digest() != first
    path.write_text(text, encoding="utf-8")
    (folder / "helper.py").write_text("FACTOR = 2.0\n", encoding="utf-8")
    assert digest() != first


def test_names_are_not_taken_twice(folder, in_process):
    text = WRITTEN.replace("NAME", "subspace.large-gradient")
    (folder / "clash.py").write_text(text, encoding="utf-8")
    result = in_process("verify", "clash.py")
    assert result.returncode == 2 and "is the name of another theorem" in result.stderr
    (folder / "a").mkdir()
    (folder / "a" / "clash.py").write_text(text, encoding="utf-8")
    result = in_process("verify", "clash.py", "a/clash.py")
    assert result.returncode == 2 and "have one name" in result.stderr
    result = in_process("verify", "absent.py")
    assert result.returncode == 2 and "There is no file" in result.stderr


def test_an_installed_package_adds_what_it_has(folder, environment):
    package = folder / "bounds"
    package.mkdir()
    (package / "__init__.py").write_text("", encoding="utf-8")
    said_otherwise = changed(
        ("theorem = Theorem(", "theorem: Theorem = Theorem("),
        ('name="mine.bound"', "name=f\"bounds.{'largest'}\""),
    )
    (package / "largest.py").write_text(said_otherwise, encoding="utf-8")
    (package / "broken.py").write_text("theorem = Theorem(name=1 +)", encoding="utf-8")
    metadata = folder / "bounds-1.0.dist-info"
    metadata.mkdir()
    (metadata / "METADATA").write_text("Name: bounds\nVersion: 1.0\n", encoding="utf-8")
    (metadata / "entry_points.txt").write_text(
        "[relu_theory]\none = bounds.largest\ntwo = bounds.broken\n", encoding="utf-8"
    )
    env = environment | {"PYTHONPATH": f"{ROOT}:{folder}"}
    command = [sys.executable, "-m", "experiments", "verify", "bounds", "--json"]
    result = subprocess.run(command, capture_output=True, text=True, env=env, cwd=folder)
    assert result.returncode == 0, result.stderr
    (verdict,) = json.loads(result.stdout)["verdicts"]
    assert (verdict["theorem"], verdict["status"]) == ("bounds.largest", "verified")
    assert "broken.py is left out: SyntaxError" in result.stderr


def test_a_sweep_is_one_table_and_goes_on_where_it_stopped(folder, in_process):
    text = changed(
        *with_trials(700),
        ("(key, (N,))", "(key, (settings.n,))"),
        ("\n\ndef trial", "\n\n@dataclass(frozen=True)\nclass Settings(Settings):\n"
         "    n: Count = 100\n\n\ndef trial"),
        ("import jax\nimport", "from dataclasses import dataclass\n\nimport jax\nimport"),
    )  # fmt: skip
    (folder / "grows.py").write_text(text, encoding="utf-8")
    sweep = ("sweep", "grows.py", "--n", "10,100,10000", "--seeds", 2)
    result = in_process(*sweep)
    assert result.returncode == 0, result.stderr
    made = folder / "results" / "sweeps" / "mine.bound"
    assert {path.name for path in made.iterdir()} == {"table.csv", "sweep.json", "figure.png"}
    table = pd.read_csv(made / "table.csv")
    assert table.n.tolist() == [10, 10, 100, 100, 10000, 10000]
    assert table.seed.tolist() == [0, 1] * 3
    # The bound is that for 100: 10 000 Gaussians exceed it in 8 of 100 trials, and not in 1.
    status = table.status.tolist()
    assert status[:2] == ["verified"] * 2 and status[4:] == ["falsified"] * 2
    assert np.all(np.diff(table["measured/predicted, median"][::2]) > 0)
    kept = {path: path.stat().st_mtime_ns for path in (folder / "results").rglob("*.npz")}
    assert len(kept) == 12
    next(iter(kept)).unlink()
    assert in_process(*sweep).returncode == 0
    assert sum(path.stat().st_mtime_ns != time for path, time in kept.items()) == 1
    assert pd.read_csv(made / "table.csv").equals(table)


def test_a_sweep_of_an_experiment_has_a_row_for_each_number(folder, in_process):
    text = (EXAMPLES / "experiment.txt").read_text(encoding="utf-8").replace("NAME", "own.largest")
    (folder / "largest.py").write_text(text, encoding="utf-8")
    asked = ("--sizes", "10 100,20 200", "--trials", 30, "--seeds", 2)
    assert in_process("sweep", "largest.py", *asked).returncode == 0
    table = pd.read_csv(folder / "results" / "sweeps" / "own.largest" / "table.csv")
    assert table.quantity.tolist() == [f"mean / {n}" for n in (10, 100, 10, 100, 20, 200, 20, 200)]
    assert table.sizes.tolist() == ["10 100"] * 4 + ["20 200"] * 4
    assert np.all((table.low < table.value) & (table.value < table.high))
    result = json.loads((folder / "results" / "own.largest" / "result.json").read_text("utf-8"))
    assert result["command"].endswith("largest.py --seed 1 --trials 30 --sizes 20 200")
    assert result["preset"] is None


def test_settings_of_one_theorem_are_options(folder, in_process):
    (folder / "bound.py").write_text(changed(), encoding="utf-8")
    result = in_process("verify", "bound.py", "--json", "--trials", 1500)
    assert result.returncode == 0, result.stderr
    (verdict,) = json.loads(result.stdout)["verdicts"]
    assert verdict["trials"] == verdict["settings"]["trials"] == 1500
    for args, says in (
        (("verify", "bound.py", "subspace", "--trials", 5), "needs one theorem"),
        (("verify", "bound.py", "--width", 5), "width"),
        (("verify", "bound.py", "--trials", 0), "must be at least 1"),
        (("sweep", "bound.py"), "several values"),
        (("sweep", "bound.py", "--trials"), "has no value"),
        (("sweep", "bound.py", "--trials", "5,6", "--trials", "7"), "stands twice"),
        (("sweep", "bound.py", "--trials", "5,x"), "x"),
        (("sweep", "subspace", "--trials", "5,6"), "means several"),
        (("sweep", "subspace.gradient-law", "--trials", "5,6"), "(experiment): give one name, or"),
        (("sweep", "bound.py", "--trials", "5,6", "--seeds", 0), "--seeds is 0"),
    ):
        result = in_process(*args)
        assert result.returncode == 2, args
        assert says in result.stderr + result.stdout, (args, result.stderr)
        assert "Traceback" not in result.stderr


def test_stored_verdicts_and_results_are_exported(folder, in_process, few_out):
    result = in_process("export", "verdicts", "--out", few_out, "--table", "verdicts.csv")
    assert result.returncode == 0, result.stderr
    table = pd.read_csv(folder / "verdicts.csv")
    assert {"theorem", "part", "status", "measured/predicted, median"} <= {*table.columns}
    assert (
        table[table.theorem == "unlearning.two-layer-gaussian"].verdict.eq("not applicable").all()
    )
    gallery = ROOT / "figures" / "subspace"
    result = in_process("export", "results", "--out", gallery, "--table", "results.csv")
    assert result.returncode == 0, result.stderr
    assert {"experiment", "quantity", "value"} <= {*pd.read_csv(folder / "results.csv").columns}
    for args in (("--out", folder), ("--out", few_out, "--table", "x.txt")):
        assert in_process("export", "verdicts", *args).returncode == 2


def test_a_stopped_run_does_not_measure_again_what_it_kept(folder, monkeypatch):
    monkeypatch.setattr(parts, "WORTH", 0.0)
    text = (EXAMPLES / "experiment.txt").read_text(encoding="utf-8").replace("NAME", "own.stops")
    text = text.replace("    def cell(n):\n", "    def cell(n):\n        TOLD.append(n)\n")
    text = text.replace("def run(", "TOLD = []\n\n\ndef run(")
    (folder / "stops.py").write_text(text, encoding="utf-8")
    (entry,) = catalog.select("experiment", ("stops.py",))
    told = sys.modules.get("own_stops") or own.load("own_stops")
    asked = gallery.Run(entry.load().presets["smoke"], "smoke", 0)

    def stop(share, what):
        if what == "n 1000":
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        gallery.run(entry, asked, folder / "one", stop)
    assert told.TOLD == [10, 100]
    result = gallery.run(entry, asked, folder / "one", lambda share, what: None)
    assert told.TOLD == [10, 100, 1000]
    assert not [*folder.rglob("*.parts")]
    whole = gallery.run(entry, asked, folder / "two", lambda share, what: None)
    assert told.TOLD[3:] == [10, 100, 1000]
    assert result["summary"] == whole["summary"]
    assert result["command"].startswith(f"relu-theory run {folder / 'stops.py'}")


def test_options_come_from_a_file_too(folder, in_process):
    (folder / "bound.py").write_text(changed(), encoding="utf-8")
    (folder / "asked.toml").write_text("trials = 400\nseed = 3\njson = true\n", encoding="utf-8")
    result = in_process("verify", "bound.py", "--config", "asked.toml", "--seed", 5)
    (verdict,) = json.loads(result.stdout)["verdicts"]
    assert (verdict["trials"], verdict["seed"]) == (400, 5)
    (folder / "bad.toml").write_text("trials = [1, {}]\n", encoding="utf-8")
    (folder / "worse.toml").write_bytes(b"\xff = 1")
    for file, says in (
        (("bad.toml",), "trials must be a number"),
        (("worse.toml",), "cannot be read"),
        (("absent.toml",), "cannot be read"),
        ((), "needs a file"),
    ):
        result = in_process("verify", "bound.py", "--config", *file)
        assert result.returncode == 2 and says in result.stderr, file


def test_what_is_kept_is_listed_and_removed_by_age_and_size(folder, in_process, monkeypatch):
    monkeypatch.setenv("XDG_CACHE_HOME", str(folder / "cache"))
    old, new = folder / "results" / "trials" / "a.npz", folder / "results" / "runs" / "b.nc"
    for path, days in ((old, 40), (new, 1)):
        path.parent.mkdir(parents=True)
        path.write_bytes(bytes(1_000_000))
        then = time.time() - days * 86_400
        os.utime(path, (then, then))
    verdict = folder / "results" / "verdicts" / "smoke-0" / "a.json"
    verdict.parent.mkdir(parents=True)
    verdict.write_text("{}", encoding="utf-8")
    result = in_process("cache")
    assert "40.0 days" in result.stdout and old.exists()
    assert "removed 1 files, 1.0 megabytes" in in_process("cache", "--older", 30).stderr
    assert not old.exists() and new.exists()
    assert in_process("cache", "--most", -1).returncode == 2
    assert "removed 1 files" in in_process("cache", "--most", 0).stderr
    assert not new.exists() and verdict.exists()


def test_loops_within_a_cell_are_not_taken_for_one_another(tmp_path, monkeypatch):
    """They have the same names and labels in every cell of the loop around them."""
    monkeypatch.setattr(parts, "WORTH", 0.0)
    told = []

    def inner(outside):
        def cell(n):
            told.append((outside, n))
            return {"product": ((), outside * n)}

        return {"product": (("n",), over(cell, lambda *_: None, n=[1, 2]).product.values)}

    def run():
        with parts.kept(tmp_path / "cells"):
            return over(inner, lambda *_: None, {"n": [1, 2]}, outside=[3, 5])

    assert run().product.values.tolist() == [[3, 6], [5, 10]]
    assert told == [(3, 1), (3, 2), (5, 1), (5, 2)]
    assert not (tmp_path / "cells").exists()
