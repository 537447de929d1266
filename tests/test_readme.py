"""The README says what is so: its code runs, its commands parse, its numbers are stored results."""

import json
import re
import shlex
from collections import Counter

import jax
import jax.numpy as jnp
import pytest
from conftest import ROOT

from experiments.command.cli import parse, parse_run
from experiments.results.catalog import entries
from theory.theorem import Theorem, expected

TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
CODE = re.findall(r"```python\n(.*?)```", TEXT, re.DOTALL)
COMMANDS = re.findall(r"^relu-theory ([^#\n]*)", TEXT, re.MULTILINE)


def test_it_is_short():
    assert TEXT.count("\n") <= 150


@pytest.mark.slow
def test_its_code_runs():
    """In the order in which it stands, given what a user has."""
    w1 = jax.random.normal(jax.random.key(2), (8, 1000))
    dense = {"w1": w1, "w2": jnp.ones((1, 8)), "b1": jnp.zeros(8)}
    names = {
        "gradients": jax.random.normal(jax.random.key(3), (5, 4, 16)),
        "dense": dense,
    }
    for block in CODE:
        exec(block, names)
    assert names["off"].shape == (30, 1000) and names["radius"].shape == (30,)
    assert names["proof"].epsilon < 0.1 and names["conditions"].multipliers.shape == (30,)
    assert names["significant"].shape == (4,)
    assert int((names["healed"].params["w1"] == 0).sum()) == 7200


@pytest.mark.parametrize("command", COMMANDS)
def test_its_commands_parse(command):
    words = shlex.split(command)
    if words[0] == "run":
        options, settings = parse_run(words[1:])
        assert (options.name, settings is not None) == (words[1], True)
    else:
        assert callable(parse(words))


def stored(path: str) -> dict:
    text = (ROOT / "figures" / path / "result.json").read_text(encoding="utf-8")
    return json.loads(text)["summary"]["tables"]


def area(kind, position, method):
    return stored("attribution/attribution.planted")["score"][kind][position][method]["AUROC"][0]


def healed(share, method, what):
    return stored("healing/mnist/healing.sparsity")[f"{share} %"]["methods"][method][what][0]


def ahead(share):
    found = stored("healing/mnist/healing.sparsity")[f"{share} %"]["points_ahead_of_rivals"]
    return found["STARFISH, distillation"][0]


SPECIFIC = [(kind, place) for kind in ("sum", "max", "lstm") for place in ("random", "fixed")]
AREAS = [("flat", "fixed"), *SPECIFIC]
NUMBERS = [
    (
        "(AUROC .93 to 1.00)",
        lambda: [f(area(k, f"{p} position", "agreement") for k, p in AREAS) for f in (min, max)],
        2,
    ),
    (
        "(.98 against .57",
        lambda: [
            area("flat", "random position", method) for method in ("|gradient×input|", "agreement")
        ],
        2,
    ),
    ("recovers 98.8 %", lambda: [100 * healed(90, "STARFISH", "recovered")], 1),
    (".6 points more than distillation", lambda: [ahead(90)], 1),
    (
        "with 240 images",
        lambda: [stored("healing/mnist/healing.sparsity")["calibration_images"]],
        0,
    ),
]


@pytest.mark.parametrize(("words", "numbers", "digits"), NUMBERS, ids=[row[0] for row in NUMBERS])
def test_its_numbers_are_stored_results(words, numbers, digits):
    assert words in " ".join(TEXT.split())
    said = [float(number) for number in re.findall(r"\d*\.?\d+", words)]
    assert said == pytest.approx(numbers(), abs=0.5 * 10**-digits + 1e-9)


def test_its_counts_are_those_that_the_course_expects():
    statuses = {}
    for entry in entries():
        if entry.kind == "theorem":
            theorem: Theorem = entry.load()
            status = expected(theorem, theorem.presets["course"], "course", "float64")
            statuses.setdefault(entry.system, Counter())[status] += 1
    undecided = ("not applicable", "falsified")
    judged = sum(n for found in statuses.values() for s, n in found.items() if s not in undecided)
    assert f"All {judged} controls that count" in TEXT
    for system, found in statuses.items():
        (row,) = [line for line in TEXT.splitlines() if line.startswith(f"| `{system}`")]
        last = row.split("|")[-2]
        counts = re.findall(r"(\d+) (verified|consistent|not applicable|falsified)", last)
        assert {status: int(count) for count, status in counts} == found
