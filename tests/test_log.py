"""What is said of work while it goes on: lines where nobody watches, --verbose and --log."""

import json
import time

import pytest
from own import changed

from experiments.command import progress


@pytest.fixture
def bound(tmp_path, monkeypatch):
    """A theorem of one's own, in a folder of its own."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "bound.py").write_text(changed(), encoding="utf-8")
    return tmp_path


def wait_for_lines(capsys, count: int) -> list[str]:
    lines, limit = [], time.monotonic() + 60
    while len(lines) < count and time.monotonic() < limit:
        time.sleep(0.01)
        lines += capsys.readouterr().err.splitlines()
    return lines


def test_a_silence_is_broken(capsys, monkeypatch):
    monkeypatch.setattr(progress, "SILENCE", 0.02)
    with progress.bar("work") as told:
        assert wait_for_lines(capsys, 2)[1].startswith("work: 0% after 0 s, begun")
        told(0.05, "a twentieth")  # too little for a line of its own
        assert wait_for_lines(capsys, 2)[1].endswith(" s, a twentieth")
        told(1.0, "all")
    capsys.readouterr()
    time.sleep(0.1)
    assert capsys.readouterr().err == ""


def test_without_a_silence_there_are_a_few_lines(capsys):
    with progress.bar("work") as told:
        for done in range(1000):
            told((done + 1) / 1000, "a step")
    lines = capsys.readouterr().err.splitlines()
    assert len(lines) == progress.LINES and lines[-1].startswith("work: 100%")


def test_stdout_has_json_alone_and_stderr_and_the_log_the_rest(bound, cli):
    options = ("--preset", "smoke", "--json", "--verbose", "--log", "log.txt")
    result = cli("verify", "bound.py", *options, cwd=bound)
    assert len(json.loads(result.stdout)["verdicts"]) == 1
    written = (bound / "log.txt").read_text(encoding="utf-8").splitlines()
    assert {*written} <= {*result.stderr.splitlines()}
    assert any("experiments.command.logs: jit(" in line for line in written)
    seconds = [line for line in written if "experiments.results.trials: mine.bound, " in line]
    assert len(seconds) == 2
    assert all("trace" in line and "compile" in line and "run" in line for line in seconds)
    again = cli("verify", "bound.py", "--preset", "smoke", "--log", "log.txt", cwd=bound)
    added = (bound / "log.txt").read_text(encoding="utf-8").splitlines()[len(written) :]
    assert sum("its trials are kept" in line for line in added) == 2
    assert "experiments." not in again.stderr


def test_an_experiment_says_its_cells(bound, in_process):
    assert in_process("new", "experiment", "growth").returncode == 0
    run = ("run", "growth.py", "--sizes", 10, 40, "--trials", 20)
    said = in_process(*run, "--verbose").stderr
    assert "experiments.results.parts: n 10: " in said
    assert "its data are kept" in in_process(*run, "--verbose").stderr
    assert "experiments." not in in_process(*run).stderr


def test_a_log_that_cannot_be_written_is_one_sentence(bound, in_process):
    result = in_process("verify", "bound.py", "--log", "no/such/folder/log.txt")
    assert result.returncode == 2
    assert result.stderr.startswith("relu-theory: --log no/such/folder/log.txt cannot be written")
