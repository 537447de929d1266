"""The search for worst cases, on inequalities whose worst case is known."""

import json
import sys
from dataclasses import replace
from itertools import islice
from pathlib import Path

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.results.catalog import entries, select
from experiments.results.worst import recheck, words
from tests.problems import Toy, gaussian, make, wide
from theory.claims import AtLeast, AtMost, Law
from theory.theorem import Search, Trial, as_margin, by_part, verify
from theory.worst import hunt

DIMENSION = 20
KEY = jax.random.key(0)


def start(settings, key):
    """A random vector."""
    return {"w": jax.random.normal(key, (DIMENSION,))}


def norms(settings, scene, xp=jnp):
    """‖w‖₁ ≤ factor·√n·‖w‖₂ and ‖w‖₁ ≥ ‖w‖₂, for ‖w‖₂ ≥ 1.

    The worst cases are entries of equal size, and a single entry.
    """
    one, two = xp.sum(xp.abs(scene["w"])), xp.sqrt(xp.sum(scene["w"] ** 2))
    return Trial(
        {"above": one, "below": one},
        {"above": settings.factor * DIMENSION**0.5 * two, "below": two},
        {"‖w‖₂ ≥ 1": two - 1},
    )


def random(settings, key):
    scene = start(settings, key)
    return norms(settings, {"w": 3 * scene["w"]})


SEARCHED = [e.name for e in entries() if e.kind == "theorem" and e.load().search is not None]
SCENES = 8


def agree(found, expected):
    """Numbers by name; 1e-12 is rounding of what is 0, and 1e-8 the solver of the multipliers.

    A network that is zero at a point has no slack, whoever computes it.
    """
    assert found.keys() == expected.keys()
    for name, value in found.items():
        right = pytest.approx(float(expected[name]), rel=1e-8, abs=1e-12, nan_ok=True)
        assert value == right, name


@pytest.mark.parametrize(
    "name",
    [pytest.param(name, marks=[pytest.mark.slow] * (i > 2)) for i, name in enumerate(SEARCHED)],
)
def test_a_trial_of_a_scene_is_what_numpy_computes(name):
    search = select("theorem", (name,))[0].load().search

    def one(key):
        scene = search.start(search.settings, key)
        return scene, search.trial(search.settings, scene)

    run = jax.jit(lambda keys: jax.lax.map(one, keys))
    scenes, trials = jax.device_get(run(jax.random.split(KEY, SCENES)))
    met = []
    for i in range(SCENES):
        scene, trial = jax.tree.map(lambda leaf, i=i: leaf[i], (scenes, trials))
        with np.errstate(all="ignore"):
            again = search.check(search.settings, scene)
        margins = {name: as_margin(np.asarray(m)) for name, m in trial.assumptions.items()}
        met.append(trial.given and all(margin >= 0 for margin in margins.values()))
        if met[-1]:
            assert again.given
            agree(by_part(trial.measured), by_part(again.measured))
            agree(by_part(trial.predicted), by_part(again.predicted))
            agree(margins, again.assumptions)
    assert sum(met) > SCENES / 2


def theorem(factor):
    return replace(
        make("norms", {"above": AtMost(), "below": AtLeast()}, random, random, factor=factor),
        search=Search(
            Toy(factor=factor),
            start,
            norms,
            lambda settings, scene: norms(settings, scene, np),
        ),
    )


def worst(theorem, part, **options):
    return list(islice(hunt(theorem, part, KEY, restarts=4, **options), 4))[-1]


@pytest.mark.slow
@pytest.mark.parametrize("part", ["above", "below"])
def test_it_finds_the_worst_case(part):
    found = worst(theorem(1.0), part)
    assert 0.999 < found.ratio <= 1 + 1e-12
    w = np.sort(np.abs(found.scene["w"]))
    assert np.linalg.norm(w) >= 1
    if part == "above":
        assert w == pytest.approx(np.full(DIMENSION, w[0]), rel=0.05)
    else:
        assert w[:-1] == pytest.approx(np.zeros(DIMENSION - 1), abs=0.05 * w[-1])


def test_a_false_lemma_that_random_trials_verify_is_falsified():
    false = theorem(0.97)
    assert verify(false, false.presets["smoke"]).status == "verified"
    found = worst(false, "above")
    assert found.ratio > 1.02
    # What was found is a counter-example by NumPy too.
    assert false.search is not None
    again = false.search.check(false.search.settings, found.scene)
    assert again.measured["above"] / again.predicted["above"] == pytest.approx(found.ratio)


def test_where_no_assumption_can_hold_nothing_is_found():
    def impossible(settings, scene):
        trial = norms(settings, scene)
        return trial._replace(assumptions={"never": -jnp.ones(())})

    lemma = theorem(1.0)
    assert lemma.search is not None
    lemma = replace(lemma, search=lemma.search._replace(trial=impossible))
    assert worst(lemma, "above").ratio == -np.inf


def test_it_goes_on_where_it_stopped():
    first = worst(theorem(1.0), "above", generations=5)
    later = worst(theorem(1.0), "above", generations=5, states=first.states)
    assert first.ratio <= later.ratio
    assert int(later.states.generation_counter[0]) == 2 * int(first.states.generation_counter[0])
    at_once = list(islice(hunt(theorem(1.0), "above", KEY, restarts=4, generations=5), 8))[-1]
    assert at_once.ratio == later.ratio
    assert jax.tree.map(lambda a, b: bool((a == b).all()), at_once.scene, later.scene) == {
        "w": True
    }


@pytest.mark.parametrize("part", ["statement", "other"])
def test_what_has_no_bound_is_refused(part):
    with pytest.raises(ValueError, match="no bound"):
        next(hunt(make("law", Law(lambda v, s: v), gaussian, wide), part, KEY))


def test_numpy_has_the_last_word():
    false = theorem(0.97)
    found = worst(false, "above")
    assert false.search is not None
    ratio, violated = recheck(false, false.search, "above", found.scene)
    assert violated and ratio == pytest.approx(found.ratio)
    # A scene that the assumptions exclude is no counter-example, whatever its ratio.
    short = {"w": found.scene["w"] / np.linalg.norm(found.scene["w"]) / 2}
    assert recheck(false, false.search, "above", short) == (None, False)
    # Nor is what a strategy holds that has met no scene.
    nowhere = {"w": np.full(DIMENSION, np.nan)}
    assert recheck(false, false.search, "above", nowhere) == (None, False)


@pytest.mark.parametrize(
    ("kind", "ratio", "violated", "says"),
    [
        ("AtMost", 0.93, False, "lowered to at most .93 of its value"),
        ("AtLeast", 0.8, False, "raised to at most 1.25 of its value"),
        ("AtMost", 0.9999, False, "no violation; the bound is attained"),
        ("AtMost", 1.2, True, "counter-example: falsified"),
        ("AtMost", None, False, "no scene met the assumptions"),
    ],
)
def test_what_a_search_says(kind, ratio, violated, says):
    found = {"kind": kind, "ratio": ratio, "violated": violated}
    assert says in words(found | {"random_max": None})
    assert says in words(found | {"random_max": 0.5})


def test_random_trials_may_be_worse_than_what_a_search_finds():
    found = {"kind": "AtMost", "ratio": 0.93, "violated": False, "random_max": 0.98}
    assert "at most .98" in words(found)


ONE = "healing.masked-ridge"


@pytest.mark.slow
def test_the_command_goes_on_and_its_certificates_are_shown(cli, tmp_path):
    command = ("worst", ONE, "--preset", "smoke", "--out", tmp_path, "--json")
    first = cli(*command, "--seconds", 0.1)
    assert first.returncode == 0, first.stderr
    cases = json.loads(first.stdout)["worst"]
    assert [case["part"] for case in cases] == ["lower", "upper"]
    for case in cases:
        assert {"theorem", "part", "ratio", "random_max", "violated", "certificate"} <= set(case)
        assert case["theorem"] == ONE and not case["violated"] and 0 < case["ratio"] <= 1 + 1e-9
        with np.load(case["certificate"]) as scene:
            assert scene["scene['x']"].shape == (2, 8)
    stamps = {case["certificate"]: Path(case["certificate"]).stat().st_mtime_ns for case in cases}
    assert cli(*command, "--seconds", 0.1).stdout == first.stdout
    assert stamps == {path: Path(path).stat().st_mtime_ns for path in stamps}

    longer = json.loads(cli(*command, "--seconds", cases[0]["seconds"] + 0.1).stdout)["worst"]
    assert longer[0]["generations"] > cases[0]["generations"]
    assert longer[0]["ratio"] >= cases[0]["ratio"]
    # The verdict shows it beside the random trials.
    verdicts = cli("verify", ONE, "--preset", "smoke", "--out", tmp_path, "--json").stdout
    shown = json.loads(verdicts)["verdicts"][0]["parts"]
    assert [part["worst"]["ratio"] for part in shown] == [case["ratio"] for case in longer]
    # One that is damaged is no evidence, and no reason to fail.
    Path(longer[0]["certificate"]).write_bytes(b"not an archive")
    again = cli("verify", ONE, "--preset", "smoke", "--out", tmp_path, "--json")
    assert again.returncode == 0 and "is damaged" in again.stderr
    shown = json.loads(again.stdout)["verdicts"][0]["parts"]
    assert [part["worst"] is None for part in shown] == [True, False]


def test_without_the_library_one_sentence_says_what_to_install(in_process, tmp_path, monkeypatch):
    monkeypatch.setitem(sys.modules, "evosax", None)
    result = in_process("worst", ONE, "--preset", "smoke", "--out", tmp_path)
    assert result.returncode == 2 and result.stderr.count("\n") == 1
    assert "pip install 'relu-theory[worst]'" in result.stderr


@pytest.mark.parametrize(
    ("args", "says"),
    [
        (["subspace.gradient-law"], "subspace.gradient-law cannot be searched"),
        (["attribution"], "cannot be searched"),
        ([ONE, "--seconds", "0"], "must be above 0"),
        ([ONE, "--seconds", "nan"], "must be above 0"),
        ([ONE, "--precision", "float32"], "needs float64"),
        (["healing.masked-rigde"], "did you mean"),
    ],
)
def test_what_cannot_be_searched_is_one_sentence(in_process, tmp_path, args, says):
    result = in_process("worst", *args, "--out", tmp_path)
    assert result.returncode == 2
    assert says in result.stderr and result.stderr.count("\n") == 1
    assert not list(tmp_path.iterdir())
