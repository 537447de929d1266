"""Several processes on this machine as one run: the same verdicts, and an end if one dies."""

import json
import shutil
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
import xarray

from experiments.results.store import load_data

NAMES = ("subspace.large-gradient", "unlearning.linear", "unlearning.linear-exact")


@pytest.fixture
def start(environment, tmp_path):
    """Start one of two processes of a run, each with a folder of its own."""
    with socket.socket() as free:
        free.bind(("localhost", 0))
        address = f"localhost:{free.getsockname()[1]}"

    def run(process: int, *words: str) -> subprocess.Popen:
        words = words or ("verify", *NAMES, "--json")
        command = [sys.executable, "-m", "experiments", *words, "--preset", "smoke"]
        command += ["--out", str(tmp_path / str(process)), "--coordinator", address]
        return subprocess.Popen(
            [*command, "--processes", "2", "--process", str(process)],
            env=environment,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    return run


def without_times(output: str) -> list[dict]:
    return [v | {"seconds": None} for v in json.loads(output)["verdicts"]]


def test_two_processes_give_the_verdicts_of_one(start, cli, tmp_path):
    """On folders of their own, which in the end hold the same."""
    both = [start(process) for process in (0, 1)]
    outputs = [process.communicate(timeout=300) for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    alone = cli("verify", *NAMES, "--preset", "smoke", "--json", "--out", tmp_path / "alone")
    assert without_times(outputs[0][0]) == without_times(alone.stdout)
    assert outputs[1][0] == ""
    kept = [
        {path.relative_to(tmp_path / str(process)) for path in tmp_path.glob(f"{process}/**/*.npz")}
        for process in (0, 1)
    ]
    assert kept[0] == kept[1] and len(kept[0]) == 2 * len(NAMES)


def data(out: Path) -> xarray.Dataset:
    stored = load_data(out / "subspace.gradient-law" / "data.nc")
    assert stored is not None
    return stored[0]


@pytest.mark.slow
def test_two_processes_run_an_experiment_as_one(start, cli, tmp_path):
    """Each trains half of the networks; the data of all, and what is printed, are those of one."""
    words = ("run", "subspace.gradient-law")
    both = [start(process, *words) for process in (0, 1)]
    outputs = [process.communicate(timeout=300) for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    alone = cli(*words, "--preset", "smoke", "--out", tmp_path / "alone")
    assert outputs[0][0] == alone.stdout and outputs[1][0] == ""
    right = data(tmp_path / "alone")
    assert data(tmp_path / "0").equals(right) and data(tmp_path / "1").equals(right)
    # Where one process has the result and the other has not, both run again.
    shutil.rmtree(tmp_path / "1")
    both = [start(process, *words) for process in (0, 1)]
    outputs = [process.communicate(timeout=300) for process in both]
    assert [process.returncode for process in both] == [0, 0], outputs
    assert data(tmp_path / "1").equals(right)


# Where process 0 lives on, JAX needs its 20 s to find the other dead.
@pytest.mark.parametrize("dies", [0, pytest.param(1, marks=pytest.mark.slow)])
def test_a_dead_process_ends_the_other_and_the_next_run_goes_on(start, tmp_path, dies):
    both = [start(process) for process in (0, 1)]
    limit = time.monotonic() + 120
    while len(list(tmp_path.glob("*/trials/*/*.npz"))) < 2 and time.monotonic() < limit:
        time.sleep(0.02)
    both[dies].send_signal(signal.SIGKILL)
    both[dies].communicate(timeout=60)
    _, said = both[1 - dies].communicate(timeout=60)
    assert both[1 - dies].returncode != 0
    assert said.splitlines()[-1].startswith("relu-theory: a process of this run died")
    before = {path: path.stat().st_mtime_ns for path in tmp_path.glob("*/trials/*/*.npz")}
    again = [start(process) for process in (0, 1)]
    outputs = [process.communicate(timeout=300) for process in again]
    assert [process.returncode for process in again] == [0, 0], outputs
    assert len(json.loads(outputs[0][0])["verdicts"]) == len(NAMES)
    assert all(path.stat().st_mtime_ns == stamp for path, stamp in before.items())


@pytest.mark.parametrize(
    ("options", "word"),
    [
        (["--coordinator", "localhost:1234"], "--process"),
        (["--processes", "2", "--process", "0"], "--coordinator"),
        (["--coordinator", "localhost", "--processes", "2", "--process", "0"], "HOST:PORT"),
        (["--coordinator", "localhost:1", "--processes", "2", "--process", "2"], "from 0 to 1"),
        (["--coordinator", "auto", "--process", "0"], "by itself"),
    ],
)
def test_what_cannot_be_joined_is_one_sentence(in_process, tmp_path, options, word):
    result = in_process("verify", NAMES[0], "--out", tmp_path / "out", *options)
    assert result.returncode == 2
    assert word in result.stderr and "Traceback" not in result.stderr
    assert not (tmp_path / "out").exists()
