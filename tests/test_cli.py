"""The command line as a user meets it: contract, bad input, interruption, concurrency."""

import importlib
import json
import os
import shutil
import signal
import subprocess
import sys
import time
from importlib.metadata import version
from pathlib import Path

import numpy as np
import pytest
from conftest import FEW, ROOT

from experiments import machine
from experiments.command import minutes
from experiments.errors import UsageError
from experiments.results import standing
from experiments.results.catalog import KINDS, entries, select
from experiments.results.standing import STAMPS
from experiments.results.verdicts import succeeded

PART_KEYS = {"name", "statement", "violations", "violation_bound", "tightness"}
VERDICT_KEYS = {
    "expected": str,
    "parts": list,
    "precision": str,
    "theorem": str,
    "system": str,
    "source": dict,
    "claim": dict,
    "status": str,
    "trials": int,
    "violations": int | None,
    "violation_bound": float | None,
    "alpha": float,
    "tightness": dict | None,
    "assumptions": list,
    "control": dict,
    "settings": dict,
    "preset": str,
    "seed": int,
    "seconds": dict,
    "environment": dict,
}
ONE = "subspace.large-gradient"


def refuse(constant):
    raise AssertionError(f"{constant} in JSON")


def test_catalog_agrees_with_what_is_imported():
    for entry in entries():
        loaded = entry.load()
        assert loaded.name == entry.name
        assert (loaded.label, loaded.provenance) == (
            entry.source["label"],
            entry.source["provenance"],
        )
        paper = loaded.paper or importlib.import_module(f"theory.{entry.system}").PAPER
        assert (paper.key, paper.arxiv) == (entry.source["paper"], entry.source["arxiv"])
        assert entry.title == getattr(loaded, "statement", None) or entry.title == loaded.title


def test_list_and_help_import_neither_jax_nor_matplotlib(cli):
    code = (
        "import sys; from experiments.command.cli import main\n"
        "try: main(sys.argv[1:])\n"
        "except SystemExit as stop: assert stop.code == 0\n"
        "assert not {'jax', 'matplotlib'} & set(sys.modules), 'imported'"
    )
    for args in (["list"], ["list", "--json"], ["--help"], ["verify", "--help"]):
        result = subprocess.run(
            [sys.executable, "-c", code, *args], capture_output=True, text=True, cwd=Path.cwd()
        )
        assert result.returncode == 0, result.stderr


def test_list_json_names_everything(in_process):
    rows = json.loads(in_process("list", "--json").stdout)
    assert {row["name"] for row in rows} == {entry.name for entry in entries()}
    assert {"name", "system", "kind", "paper", "label"} <= set(rows[0])
    assert {row["kind"] for row in rows} == {"theorem", "experiment"}
    taken = minutes.recorded()
    for row in rows:
        assert row["minutes"] == taken[row["kind"]].get(row["name"])
    known = {(row["kind"], row["name"]) for row in rows}
    assert {(kind, name) for kind in KINDS for name in taken[kind]} <= known


def test_minutes_of_theorems_are_those_of_their_verdicts(few_out, tmp_path):
    shutil.copytree(few_out / "verdicts" / "smoke-0", tmp_path / "verdicts" / "course-0")
    found = minutes.of_theorems(tmp_path)
    assert found.keys() == {*FEW} and all(0 < taken < 10 for taken in found.values())


def test_verify_json_keeps_the_contract(cli, few_out):
    result = cli("verify", *FEW, "--preset", "smoke", "--json", "--out", few_out)
    assert result.returncode == 0, result.stderr
    output = json.loads(result.stdout, parse_constant=refuse)
    assert set(output) == {"verdicts", "summary"}
    assert {verdict["theorem"] for verdict in output["verdicts"]} == {*FEW}
    statuses = {verdict["status"] for verdict in output["verdicts"]}
    assert statuses >= {"verified", "consistent", "falsified", "not applicable"}
    for verdict in output["verdicts"]:
        for key, kind in VERDICT_KEYS.items():
            assert isinstance(verdict[key], kind), (verdict["theorem"], key)
        assert set(verdict["source"]) == {"paper", "arxiv", "label", "provenance"}
        assert set(verdict["claim"]) == {"kind", "delta"}
        assert set(verdict["control"]) == {"name", "breaks", "detected"}
        for part in verdict["parts"]:
            assert PART_KEYS <= set(part), verdict["theorem"]
        assert {"trace", "compile", "run"} == set(verdict["seconds"])
        assert {"python", "jax", "device", "x64", "matmul_precision"} == set(verdict["environment"])
        assert all(set(a) == {"name", "holds", "margin"} for a in verdict["assumptions"])
        assert verdict["tightness"] is None or set(verdict["tightness"]) == {
            "min",
            "median",
            "max",
        }


@pytest.mark.parametrize(
    ("status", "expected", "detected", "passes"),
    [
        ("verified", "verified", True, True),
        ("not applicable", "not applicable", None, True),
        ("not applicable", "verified", None, False),
        ("falsified", "verified", None, False),
        ("verified", "inconclusive", True, False),
        ("verified", "verified", False, False),
    ],
)
def test_what_is_not_as_expected_fails(status, expected, detected, passes):
    found = {"status": status, "expected": expected, "control": {"detected": detected}}
    fine = {"status": "verified", "expected": "verified", "control": {"detected": True}}
    assert succeeded([fine, found, fine]) is passes


def test_a_second_call_computes_nothing(cli, few_out):
    stamps = {path: path.stat().st_mtime_ns for path in few_out.glob("trials/*/*.npz")}
    assert len(stamps) >= 2 * len(FEW)
    first = cli("verify", *FEW, "--preset", "smoke", "--json", "--out", few_out).stdout
    second = cli("verify", *FEW, "--preset", "smoke", "--json", "--out", few_out).stdout
    assert first == second
    after = {path: path.stat().st_mtime_ns for path in few_out.glob("trials/*/*.npz")}
    assert {path: after[path] for path in stamps} == stamps


def test_another_seed_compiles_nothing(cli, tmp_path):
    kept = {
        "JAX_COMPILATION_CACHE_DIR": str(tmp_path / "programs"),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
    }
    asked = ("verify", "energy.gauge", "--preset", "smoke", "--verbose", "--out", tmp_path)
    said = [cli(*asked, "--seed", seed, env=kept).stderr for seed in (1, 2)]
    assert ["compiled in" in text for text in said] == [True, False]


def test_rows_come_in_order_and_a_log_is_short(cli, few_out):
    names = [entry.name for entry in select("theorem", FEW)]
    (few_out / "verdicts" / "smoke-0" / STAMPS).unlink()  # so that they are judged again
    result = cli("verify", *FEW, "--preset", "smoke", "--out", few_out)
    first = [line.split()[0] for line in result.stdout.splitlines() if line.strip()]
    assert [word for word in first if word in names] == names
    lines = result.stderr.splitlines()
    assert 1 < len(lines) <= 11
    assert lines[-1].startswith("verify: 100%")


def test_what_stands_is_shown_without_jax(environment, few_out):
    """And as if it had been judged again: the table, the JSON and the exit code."""
    code = "import sys; sys.argv = {}; from experiments.command.cli import main\n"
    code += "try: main()\nfinally: print('jax' in sys.modules, file=sys.stderr)"
    for words in ((), ("--json",)):
        args = ["relu-theory", "verify", *FEW, "--preset", "smoke", "--out", str(few_out)]
        command = [sys.executable, "-c", code.format([*args, *words])]
        options = {"capture_output": True, "text": True, "env": environment}
        shown = [subprocess.run(command, **options)]
        (few_out / "verdicts" / "smoke-0" / STAMPS).unlink()
        shown += [subprocess.run(command, **options) for _ in range(2)]
        assert [result.stderr.split()[-1] for result in shown] == ["False", "True", "False"]
        assert shown[0].stdout == shown[1].stdout == shown[2].stdout
        assert {result.returncode for result in shown} == {0}


def test_verdicts_stand_until_anything_changes(cli, tmp_path, monkeypatch):
    chosen = select("theorem", (ONE,))
    result = cli("verify", ONE, "--preset", "smoke", "--json", "--out", tmp_path)
    asked = {"precision": "float64", "devices": None}

    def found(**changed):
        return standing.standing(chosen, "smoke", 0, tmp_path, **asked | changed)

    assert found() == json.loads(result.stdout)["verdicts"]
    assert found(devices=2) is None and found(precision="float32") is None
    (trials, *_) = tmp_path.glob("trials/*/*.npz")
    (verdict,) = tmp_path.glob("verdicts/*/*.json")
    for path in (trials, verdict):
        content, status = path.read_bytes(), path.stat()
        path.write_bytes(content[:-1] + b" ")
        assert found() is None
        path.write_bytes(content)
        os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))
        assert found() is not None
    stamps = verdict.parent / STAMPS
    stamps.write_text(stamps.read_text()[:-4])
    assert found() is None
    standing.keep(chosen, "smoke", 0, tmp_path, **asked)
    searched = tmp_path / "worst" / ONE / "statement.npz"
    searched.parent.mkdir(parents=True)
    searched.touch()
    assert found() is None
    standing.keep(chosen, "smoke", 0, tmp_path, **asked)
    monkeypatch.setattr(standing, "_code", lambda: ["other sources"])
    assert found() is None


def test_a_damaged_result_is_computed_again_with_a_warning(cli, tmp_path):
    command = ("verify", ONE, "--preset", "smoke", "--out", tmp_path, "--json")
    tightness = json.loads(cli(*command).stdout)["verdicts"][0]["tightness"]
    (path,) = tmp_path.glob("trials/*/theorem-*.npz")
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 2])
    result = cli(*command)
    assert result.returncode == 0
    assert "damaged" in result.stderr
    assert json.loads(result.stdout)["verdicts"][0]["tightness"] == tightness
    assert np.load(path)["measured: statement"].size > 0


def test_globs_systems_and_names_select(cli):
    assert [entry.name for entry in select("theorem", (ONE,))] == [ONE]
    assert select("theorem", ("subspace",)) == select("theorem", ("subspace.*",))
    with pytest.raises(UsageError, match="subspace.large-gradient"):
        select("theorem", ("subspace.large-gradent",))


BAD = {
    "unknown theorem": (["verify", "subspace.larg-gradient"], "subspace.large-gradient"),
    "unknown experiment": (["run", "subspace.diagnal"], "subspace.diagonal"),
    "theorem given to run": (["run", ONE], "verify"),
    "unknown preset": (["verify", "--preset", "medium"], "course"),
    "unknown command": (["prove"], "verify"),
    "negative size": (["run", "subspace.gradient-law", "--width", "-3"], "width"),
    "size that is no integer": (["run", "subspace.gradient-law", "--width", "2.5"], "width"),
    "ell too large": (["run", "subspace.gradient-law", "--ell", "80", "--d", "60"], "ell is 80"),
    "no trials": (["run", "subspace.gradient-law", "--trials", "0"], "trials is 0"),
    "several experiments": (["run", "subspace"], "run one of subspace.chessboard"),
    "no experiment": (["run", "--preset", "smoke"], "Missing"),
    "seed too large": (["verify", ONE, "--seed", str(2**63)], "seed"),
    "damaged data": (["run", "subspace.real-data", "--dataset", "README.npz"], "README.npz"),
    "negative seed": (["verify", ONE, "--seed", "-1"], "seed"),
    "no devices": (["verify", ONE, "--devices", "0"], "devices"),
    "no such data folder": (["verify", ONE, "--data", "no/such/folder"], "no/such/folder"),
    "no such data set": (["run", "subspace.real-data", "--dataset", "minst"], "mnist"),
}

REAL = ("unknown theorem", "unknown preset", "negative size", "no devices", "damaged data")
"""Those asked in a process of their own: one of each place that refuses."""


@pytest.mark.parametrize("name", BAD)
def test_bad_usage_is_one_sentence_and_exit_2(cli, in_process, tmp_path, name):
    args, word = BAD[name]
    out = ["--out", tmp_path / "out"] if args[0] in ("verify", "run") else []
    result = (cli if name in REAL else in_process)(*args, *out)
    assert result.returncode == 2, result.stderr
    assert word in result.stderr
    assert "Traceback" not in result.stderr
    assert result.stdout == ""
    assert not [path for path in tmp_path.glob("out/**/*") if path.is_file()]


def test_an_unwritable_output_folder_is_named(cli, tmp_path):
    (tmp_path / "file").write_text("kept")
    result = cli("verify", ONE, "--preset", "smoke", "--out", tmp_path / "file" / "out")
    assert result.returncode == 2
    assert "Cannot write" in result.stderr
    assert "Traceback" not in result.stderr
    assert (tmp_path / "file").read_text() == "kept"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_one_sentence(cli, tmp_path):
    """A tiny limit on file size stands for a full disk: writes fail in the same way."""
    code = (
        "import resource, signal, sys; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\n"
        "resource.setrlimit(resource.RLIMIT_FSIZE, (1000, 1000))\n"
        "from experiments.command.cli import main; main(sys.argv[1:])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code, "verify", ONE, "--preset", "smoke", "--out", str(tmp_path)],
        capture_output=True,
        text=True,
    )
    assert result.returncode == 2
    assert "Cannot write" in result.stderr
    assert "Traceback" not in result.stderr


def wait_for(condition, process, seconds=120):
    limit = time.monotonic() + seconds
    while not condition() and process.poll() is None and time.monotonic() < limit:
        time.sleep(0.02)


def test_kill_and_resume(cli, environment, tmp_path):
    """kill -9 once three results are there: the next call keeps them and reads no half file."""
    names = [f"subspace.{name}" for name in ("large-gradient", "bounded-gradient", "operator-norm")]
    verify = ("verify", *names, "--preset", "smoke", "--json")
    command = [sys.executable, "-m", "experiments", *verify]
    out = tmp_path / "out"
    process = subprocess.Popen(
        [*command, "--out", str(out)],
        env=environment,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    wait_for(lambda: len(list(out.glob("trials/*/*.npz"))) >= 3, process)
    process.send_signal(signal.SIGKILL)
    process.wait()
    before = {path: path.stat().st_mtime_ns for path in out.glob("trials/*/*.npz")}
    assert 3 <= len(before) < 2 * len(names)
    result = cli(*verify, "--out", out)
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout)["summary"]["theorems"] == len(names)
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in before.items())


@pytest.mark.slow
def test_two_at_once_share_a_folder(environment, tmp_path):
    command = [sys.executable, "-m", "experiments", "verify", ONE, "--preset", "smoke", "--json"]
    both = [
        subprocess.Popen(
            [*command, "--out", str(tmp_path)], env=environment, stdout=subprocess.PIPE, text=True
        )
        for _ in range(2)
    ]
    outputs = [json.loads(process.communicate()[0]) for process in both]
    assert [process.returncode for process in both] == [0, 0]
    one, two = (output["verdicts"][0] for output in outputs)
    assert one["tightness"] == two["tightness"]
    assert not list(tmp_path.glob("**/.*"))


@pytest.mark.slow
def test_float32_and_three_devices(cli, tmp_path):
    """Three CPU devices give the numbers of one, though they cannot share 118 keys equally."""
    verdicts = []
    for devices in (1, 3):
        result = cli(
            *("verify", ONE, "--preset", "smoke", "--json", "--precision", "float32"),
            *("--devices", devices, "--out", tmp_path),
        )
        assert result.returncode == 0, result.stderr
        verdicts.append(json.loads(result.stdout)["verdicts"][0])
    one, two = verdicts
    assert one["environment"]["x64"] is False
    assert two["environment"]["device"].startswith("3")
    assert one["trials"] == two["trials"] == 118
    assert one["tightness"]["median"] == pytest.approx(two["tightness"]["median"], rel=1e-3)


@pytest.fixture(scope="module")
def finished(cli, tmp_path_factory):
    """A folder with one finished experiment."""
    out = tmp_path_factory.mktemp("run")
    result = cli("run", "subspace.gradient-law", "--preset", "smoke", "--out", out)
    assert result.returncode == 0, result.stderr
    return out, json.loads(result.stdout, parse_constant=refuse)


def test_run_leaves_its_files_and_prints_its_summary(finished):
    out, summary = finished
    folder = out / "subspace.gradient-law"
    assert {path.name for path in folder.iterdir()} == {"result.json", "data.nc", "figure.png"}
    result = json.loads((folder / "result.json").read_text(), parse_constant=refuse)
    assert result["summary"] == summary
    assert result["preset"] == "smoke"
    assert result["command"] == "relu-theory run subspace.gradient-law --preset smoke"


def test_figures_redraws_without_running(cli, finished):
    out, _ = finished
    folder = out / "subspace.gradient-law"
    stamp = (folder / "data.nc").stat().st_mtime_ns
    before = (folder / "figure.png").read_bytes()
    (folder / "figure.png").unlink()
    result = cli("figures", "subspace.gradient-law", "--out", out, "--format", "svg")
    assert result.returncode == 0, result.stderr
    assert "redrawn" in result.stderr
    assert (folder / "data.nc").stat().st_mtime_ns == stamp
    assert (folder / "figure.png").read_bytes() == before
    assert (folder / "figure.svg").exists()


@pytest.mark.slow
def test_options_may_come_before_the_name(cli, finished):
    out, summary = finished
    result = cli("run", "--preset", "smoke", "--out", out, "subspace.gradient-law")
    assert result.returncode == 0, result.stderr
    assert json.loads(result.stdout) == summary


@pytest.mark.slow
def test_figures_with_a_preset_computes_that_preset(cli, finished):
    """Where what is shown is of other settings."""
    out, summary = finished
    folder = out / "subspace.gradient-law"
    args = ("subspace.gradient-law", "--preset", "smoke", "--out", out)
    changed = cli("run", *args, "--width", "7")
    assert changed.returncode == 0, changed.stderr
    assert "redrawn" in cli("figures", "subspace.gradient-law", "--out", out).stderr
    result = json.loads((folder / "result.json").read_text())
    assert (result["preset"], result["settings"]["width"]) == (None, 7)
    assert "computed" in cli("figures", *args).stderr
    result = json.loads((folder / "result.json").read_text())
    assert (result["preset"], result["summary"]) == ("smoke", summary)


def test_fields_of_the_settings_are_options(in_process):
    for args in ([], ["--help"]):
        general = in_process("run", *args)
        assert "relu-theory run" in general.stdout + general.stderr
    result = in_process("run", "subspace.gradient-law", "--help")
    assert result.returncode == 0
    assert "--weight-decay" in result.stdout
    assert "neurons m" in result.stdout


@pytest.mark.parametrize("width", [60, 80, 200])
def test_names_are_whole_at_any_width(cli, few_out, width):
    terminal = {"COLUMNS": str(width), "FORCE_COLOR": "1", "TERM": "xterm"}
    shown = cli("list", env=terminal).stdout
    assert all(entry.name in shown for entry in entries())
    shown = cli("verify", *FEW, "--preset", "smoke", "--out", few_out, env=terminal).stdout
    assert all(name in shown for name in FEW)


def test_a_closed_pipe_is_no_error(environment):
    command = f"{sys.executable} -m experiments list --json | head -n 1"
    result = subprocess.run(
        ["bash", "-c", command], capture_output=True, text=True, env=environment
    )
    assert (result.stdout, result.stderr) == ("[\n", "")


def test_version(in_process):
    said = in_process("--version").stdout
    assert said.startswith(f"relu-theory {version('relu-theory')}")
    commit = machine.commit()
    assert commit is None or f" at commit {commit}, jax " in said


@pytest.mark.parametrize("package", ["experiments", "theory"])
def test_another_package_of_our_name_is_named(environment, tmp_path, package):
    """The installed command begins with a copy of this file under a name of its own."""
    shutil.copy(ROOT / "experiments" / "command" / "first.py", tmp_path / "relu_theory_first.py")
    code = "from relu_theory_first import main; main()"
    command = [sys.executable, "-c", code, "--version"]
    env = environment | {"PYTHONPATH": f"{tmp_path}:{ROOT}"}
    options = {"capture_output": True, "text": True, "env": env, "cwd": tmp_path}
    assert subprocess.run(command, **options).stdout.startswith("relu-theory ")
    (tmp_path / package).mkdir()
    (tmp_path / package / "__init__.py").write_text("", encoding="utf-8")
    result = subprocess.run(command, **options)
    assert result.returncode == 2
    assert result.stderr.startswith(f"relu-theory: Python finds another '{package}' first")
    assert str(tmp_path / package) in result.stderr and "Traceback" not in result.stderr
