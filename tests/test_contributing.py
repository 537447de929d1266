"""What CONTRIBUTING shows is what one has to do: each file added alone, in a copy of the house."""

import json
import re
import shutil
import subprocess
import sys

import pytest
from conftest import ROOT

BLOCKS = re.findall(
    r"`((?:theory|experiments)/[^`]*\.py)`, whole:\n\n```python\n(.*?)```",
    (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8"),
    re.DOTALL,
)


@pytest.fixture(scope="module")
def house(tmp_path_factory, environment):
    """A copy with the two files added; calls its command line."""
    folder = tmp_path_factory.mktemp("house")
    for package in ("theory", "experiments"):
        shutil.copytree(ROOT / package, folder / package)
    for path, text in BLOCKS:
        assert not (folder / path).exists()
        (folder / path).write_text(text, encoding="utf-8")

    def call(*args):
        command = [sys.executable, "-m", "experiments", *map(str, args)]
        given = environment | {"PYTHONPATH": str(folder)}
        return subprocess.run(command, capture_output=True, text=True, env=given, cwd=folder)

    return call


def test_there_is_a_theorem_and_an_experiment_of_the_promised_length():
    (theorem, experiment) = (text.count("\n") for _, text in BLOCKS)
    assert theorem <= 90 and experiment <= 150


def test_the_theorem_is_put_on_trial(house, tmp_path):
    result = house(
        *("verify", "subspace.gaussian-point", "--preset", "smoke", "--json", "--out", tmp_path)
    )
    assert result.returncode == 0, result.stderr
    (verdict,) = json.loads(result.stdout)["verdicts"]
    assert verdict["status"] == "verified" and verdict["control"]["detected"]


def test_the_experiment_runs(house, tmp_path):
    name = "subspace.gaussian-points"
    result = house("run", name, "--preset", "smoke", "--out", tmp_path)
    assert result.returncode == 0, result.stderr
    assert "At ℓ = 32 the mean is" in json.loads(result.stdout)["sentences"][0]
    assert {path.name for path in (tmp_path / name).iterdir()} == {
        *("data.nc", "result.json", "figure.png")
    }


def test_both_are_listed(house):
    names = {row["name"] for row in json.loads(house("list", "--json").stdout)}
    assert {"subspace.gaussian-point", "subspace.gaussian-points"} <= names
