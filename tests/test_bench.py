"""The comparisons compare the same maths, drop what was disturbed, and add to their history.

No test looks at a clock: what is timed here takes microseconds.
"""

import json
import os
import subprocess
import sys
import time
from functools import partial

import jax
import numpy as np
import pytest

from experiments import effort, machine
from experiments.bench import (
    defence,
    jax_arms,
    kernels,
    proof,
    rates,
    span,
    suite,
    theorems,
    timing,
    torch_arms,
    training,
    verification,
)
from experiments.bench.comparisons import COMPARISONS
from experiments.bench.problems import Problem, Ready, Shape, as_numpy, descend, problem
from experiments.bench.timing import Repeat
from theory.theorem import Trial

SHAPE = Shape(6, 9, 5)
STEPS = 20


def silent(done, what):
    pass


@pytest.fixture
def quick(monkeypatch):
    """Everything as small as it can be, and no process but this one."""
    monkeypatch.setattr(timing, "SHORTEST", 1e-9)
    monkeypatch.setattr(timing, "ROUNDS", 3)
    monkeypatch.setattr(rates, "SIDE", {"cpu": 16})
    monkeypatch.setattr(rates, "COPIED", {"cpu": 4096})
    monkeypatch.setattr(training, "SHAPES", (SHAPE,))
    monkeypatch.setattr(training, "NETWORKS", {"cpu": 2})
    monkeypatch.setattr(training, "SIZES", {"cpu": (1, 2)})
    for steps in ("STEPS", "DRAWN_STEPS", "FULL_STEPS"):
        monkeypatch.setattr(training, steps, 3)
    monkeypatch.setattr(training, "_process", lambda code: Ready(lambda: None))
    monkeypatch.setattr(torch_arms, "installed", lambda: False)
    monkeypatch.setattr(span, "DIMENSIONS", (8, 1024))


def arms(*chosen):
    return {name: arm for group in chosen for name, arm in group.items()}


def test_every_arm_of_this_package_is_numpys_loop():
    found = proof.prove(arms(training.GRAM, training.FULL), SHAPE, STEPS)
    assert found < 1e-12  # rounding of 20 steps at 1e-16


def test_every_arm_of_pytorch_is_numpys_loop():
    pytest.importorskip("torch")
    found = proof.prove(arms(training.TORCH_GRAM, training.TORCH_FULL), SHAPE, STEPS)
    assert found < 1e-12


def wrong_sign(given, steps):
    return jax_arms.in_span(given._replace(rate=-given.rate), steps)


def one_step_fewer(given, steps):
    return jax_arms.in_span(given, steps - 1)


def all_gates_open(given, steps):
    """The gradient of a linear network."""
    w, u, x, y, rate = given
    for _ in range(steps):
        q = y * jax.numpy.einsum("km,kmd,knd->kn", u, w, x)
        slope = jax.nn.sigmoid(-q) * y / x.shape[1]
        w = w + rate[:, None, None] * jax.numpy.einsum("km,kn,knd->kmd", u, slope, x)
    return w


def rate_a_millionth_off(given, steps):
    return jax_arms.in_span(given._replace(rate=given.rate * (1 + 5e-6)), steps)


def not_a_number(given, steps):
    return jax_arms.in_span(given, steps) * np.nan


@pytest.mark.parametrize(
    "fault", [wrong_sign, one_step_fewer, all_gates_open, rate_a_millionth_off, not_a_number]
)
def test_a_planted_fault_is_refused_before_anything_is_timed(quick, monkeypatch, fault):
    faulty = {**training.GRAM, "faulty": jax_arms.arm(fault)}
    monkeypatch.setattr(training, "GRAM", faulty)
    monkeypatch.setattr(training, "compare", lambda *_: pytest.fail("timed"))
    monkeypatch.setattr(rates, "rates", lambda: rates.Rates(1.0, 1.0, []))
    with pytest.raises(proof.Unequal, match="faulty"):
        training.training(silent)


@pytest.mark.parametrize(
    ("arm", "draw"),
    [
        (jax_arms.arm(jax_arms.drawn_in_span), training.drawn_by_jax),
        (torch_arms.arm(torch_arms.drawn_gram), training.drawn_by_torch),
    ],
    ids=["JAX", "PyTorch"],
)
def test_drawn_networks_are_those_of_the_theory_and_are_trained(arm, draw):
    if draw is training.drawn_by_torch:
        pytest.importorskip("torch")
    given = problem(Shape(4, 100, 50), 3, "float64")
    drawn = draw(given)
    trained = as_numpy(arm(given, STEPS).run())
    proof.apart("drawn", trained, descend(drawn, STEPS), drawn.w)
    assert np.array_equal(drawn.x, given.x)
    assert np.abs(drawn.u**2 - 1 / 50).max() < 1e-12 and len(np.unique(drawn.u)) == 2
    scaled = drawn.w * 100**0.5  # 15 000 numbers N(0, 1): six standard errors
    assert abs(scaled.mean()) < 6 / 15_000**0.5
    assert abs((scaled**2).mean() - 1) < 6 * (2 / 15_000) ** 0.5


def test_ways_that_differ_are_refused():
    ways = {"one": Ready(lambda: (np.ones(3), np.zeros(2)))}
    equal = ways | {"other": Ready(lambda: (np.ones(3) + 1e-9, np.zeros(2)))}
    assert 0 < proof.agree(equal) < 1e-8
    for wrong in ((np.full(3, 1.001), np.zeros(2)), (np.ones(3), np.full(2, np.nan))):
        with pytest.raises(proof.Unequal, match="one and other"):
            proof.agree(ways | {"other": Ready(lambda wrong=wrong: wrong)})


def test_trials_agree_but_for_rounding():
    """An identity's residuals and the margins of assumptions are rounding and differ freely."""

    def way(residual, value):
        measured = {"identity": np.full(4, residual), "law": np.full(4, value)}
        predicted = {"identity": np.ones(4), "law": np.full(4, value)}
        return Ready(lambda: Trial(measured, predicted, {"none moved": np.full(4, residual)}))

    one = way(1e-16, 2.0)
    assert proof.agree(theorems.compared({"one": one, "other": way(3e-16, 2.0)})) < 1e-15
    with pytest.raises(proof.Unequal):
        proof.agree(theorems.compared({"one": one, "other": way(1e-16, 2.001)}))


def test_noisy_repeats_are_dropped_and_counted():
    quiet, noisy = Repeat(1.0, timing.WAITED / 2), Repeat(9.0, 2 * timing.WAITED)
    found = timing.measured([quiet, noisy, quiet, quiet, noisy])
    assert (found["median"], found["high"], found["repeats"], found["dropped"]) == (1, 1, 3, 2)
    assert not found["noisy"] and found["waited"] == 2 * timing.WAITED


def test_where_all_is_noisy_all_counts_and_is_said():
    found = timing.measured([Repeat(1.0, 0.5), Repeat(2.0, 0.5), Repeat(3.0, 0.0)])
    assert (found["repeats"], found["dropped"], found["noisy"]) == (3, 0, True)
    unknown = timing.measured([Repeat(1.0, None)] * 3)
    assert (unknown["noisy"], unknown["waited"]) == (False, None)


def test_a_ratio_is_of_rounds_in_which_both_were_quiet():
    slow = [Repeat(4.0, 0.0), Repeat(40.0, 0.5), Repeat(4.0, 0.0), Repeat(4.0, 0.0)]
    slow, quick = [*slow, Repeat(4.0, 0.0)], [*[Repeat(2.0, 0.0)] * 4, Repeat(20.0, 0.5)]
    assert timing.ratio(slow, quick) == {"median": 2, "low": 2, "high": 2, "coverage": 0.75}


def test_a_noisy_way_is_repeated_until_enough_are_quiet(monkeypatch):
    script = iter([Repeat(1.0, 0.0), *[Repeat(1.0, 1.0)] * 3, *[Repeat(1.0, 0.0)] * 99])
    monkeypatch.setattr(timing, "_repeat", lambda way, calls: next(script))
    (repeats,) = timing.interleaved({"way": lambda: None}, seconds=1e9).values()
    assert [repeat.noisy for repeat in repeats] == [True] * 3 + [False] * timing.ROUNDS


def test_ways_take_turns_and_each_round_begins_with_another(monkeypatch):
    monkeypatch.setattr(timing, "SHORTEST", 1e-9)
    called = []
    ways = {name: partial(called.append, name) for name in "abc"}
    timing.interleaved(ways, seconds=0)
    assert "".join(called[-9:]) == "abcbcacab"


@pytest.mark.slow
@pytest.mark.parametrize("count", [3, 5, 6, 7, 12])
def test_the_interval_covers_the_median_as_often_as_it_says(count):
    rng = np.random.default_rng(count)
    draws, true = rng.exponential(size=(4000, count)), np.log(2)
    found = [timing.estimate(values) for values in draws]
    covered = np.mean([one["low"] <= true <= one["high"] for one in found])
    claimed = found[0]["coverage"]
    assert claimed == (0.95 if count >= 6 else 1 - 2.0 ** (1 - count))
    # Four standard errors; a true coverage below the claim fails more often than 1 in 30 000.
    assert covered >= claimed - 4 * (claimed * (1 - claimed) / len(draws)) ** 0.5


def test_nothing_that_makes_threads_is_imported_before_they_are_pinned():
    """By the process of a comparison; NumPy, too, makes its threads when it is imported."""
    code = (
        "import sys, os; import experiments.bench.__main__ as bench\n"
        "assert not {'numpy', 'jax', 'torch'} & set(sys.modules), 'imported'\n"
        "bench.machine.one_thread(); import numpy as np; a = np.ones((500, 500)); a @ a\n"
        "assert bench.machine.cores() == 1 or not hasattr(os, 'sched_getaffinity')\n"
        "assert not os.path.exists('/proc/self/task') or len(os.listdir('/proc/self/task')) == 1"
    )
    subprocess.run([sys.executable, "-c", code], check=True)


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="cores cannot be chosen")
def test_the_time_of_a_process_without_its_core_is_noticed():
    """Sleeping stands for another process on the core; where there are more cores it may wait."""
    before = os.sched_getaffinity(0)
    try:
        machine.one_core()
        assert timing._repeat(lambda: time.sleep(0.05), 1).noisy
    finally:
        os.sched_setaffinity(0, before)
    if len(before) > 1:
        assert timing._repeat(lambda: time.sleep(0.05), 1).waited is None


def check(rows):
    """What every comparison promises of its rows, which go through JSON."""
    assert rows
    for row in rows:
        assert row["ours"] in row["run"]
        assert set(row["speed_up"]) == set(row["run"]) - {row["ours"]}
        assert set(row["compile"]) <= set(row["run"])
        for one in (*row["run"].values(), *row["speed_up"].values()):
            assert one["low"] <= one["median"] <= one["high"]
    json.dumps(rows, allow_nan=False)
    suite.table({"toy": {"rows": rows}})


@pytest.mark.slow
@pytest.mark.parametrize("torch", [False, True], ids=["without PyTorch", "with PyTorch"])
def test_training_compares_what_is_there(quick, monkeypatch, torch):
    if torch:
        pytest.importorskip("torch")
        monkeypatch.setattr(torch_arms, "installed", lambda: True)
    rows = training.training(silent)
    check(rows)
    ways = {way for row in rows for way in row["run"]}
    assert {*training.GRAM, *training.FULL} < ways
    assert ({*training.TORCH_GRAM, *training.TORCH_FULL} < ways) is torch
    assert ("PyTorch" in ways) is torch
    sized = [row for row in rows if "sizes" in row]
    assert all(row["largest_difference"] < proof.EQUAL for row in sized)
    assert all(way["gemm_fraction"] > 0 for row in sized for way in row["run"].values())


@pytest.fixture
def results(quick) -> dict:
    """The two comparisons that have a figure, as their processes print them."""
    found = {}
    for name, rows in (
        ("throughput", training.throughput(silent)),
        ("span", span.span(silent)),
    ):
        check(rows)
        kept = {"machine": machine.facts(), "environment": {"device": "1 × cpu"}}
        found[name] = {"comparison": name, "rows": rows, "load": {}} | kept
    return json.loads(json.dumps(found))


@pytest.mark.slow
def test_results_leave_json_figures_and_a_history_that_only_grows(results, tmp_path, monkeypatch):
    monkeypatch.setattr(suite, "measure", results.get)
    history = tmp_path / suite.HISTORY
    history.write_bytes(b"damaged \xff, and without an end")
    names = tuple(results)
    for _ in range(2):
        before = history.read_bytes()
        assert suite.run(names, tmp_path) == results
        assert history.read_bytes().startswith(before)
    first, *lines = history.read_bytes().splitlines()
    assert first == b"damaged \xff, and without an end"
    assert [json.loads(line)["comparison"] for line in lines] == [*names, *names]
    assert json.loads(lines[0])["machine"]["libraries"]["jax"] == jax.__version__
    for name in names:
        assert json.loads((tmp_path / f"{name}.json").read_text()) == results[name]
        assert (tmp_path / f"{name}.png").read_bytes()[1:4] == b"PNG"
    assert len(list(tmp_path.iterdir())) == 2 * len(names) + 1


@pytest.mark.slow
def test_what_is_left_out_without_pytorch_is_one_sentence(results, tmp_path, monkeypatch, capsys):
    monkeypatch.setattr(suite, "measure", results.get)
    suite.run(("throughput",), tmp_path)
    told = capsys.readouterr().err
    assert told.count("\n") == 1 and "pip install 'relu-theory[bench]'" in told
    suite.run(("span",), tmp_path)  # has no arm of PyTorch's
    assert capsys.readouterr().err == ""


def test_a_comparison_that_fails_ends_with_its_code_and_leaves_nothing(monkeypatch, tmp_path):
    monkeypatch.setattr(suite.sys, "executable", "false")
    with pytest.raises(SystemExit) as stop:
        suite.run(("span",), tmp_path)
    assert stop.value.code == 1 and not list(tmp_path.iterdir())


def test_bad_usage_is_one_sentence_and_exit_2(in_process, tmp_path):
    (tmp_path / "file").write_text("kept")
    for args, word in ((["spam"], "span"), (["span", "--out", tmp_path / "file"], "Cannot write")):
        result = in_process("bench", *args)
        assert result.returncode == 2 and word in result.stderr
        assert result.stdout == "" and result.stderr.count("\n") == 1
    assert (tmp_path / "file").read_text() == "kept"


def test_every_comparison_is_where_the_table_says():
    modules = {"training": training, "span": span, "theorems": theorems, "kernels": kernels}
    modules |= {"verification": verification, "defence": defence}
    for comparison in COMPARISONS.values():
        assert callable(getattr(modules[comparison.module], comparison.function))


def test_phases_add_up_to_the_wall_time(quick, monkeypatch):
    phases = {"trace": 1.0, "compile": 2.0, "run": 3.0}
    monkeypatch.setattr(verification, "_verdicts", lambda *_: phases)
    monkeypatch.setattr(verification, "IMPORTS", "pass")
    found = verification.waits("a theorem", ("none",))
    for way in (verification.COLD, verification.WARM, verification.STORED):
        wall = found["run"][way]["median"]
        assert sum(found["phases"][way].values()) == pytest.approx(wall)


def test_a_commit_with_changes_is_marked(monkeypatch):
    found = machine.commit()
    assert found is None or len(found.removesuffix("+")) == 40
    monkeypatch.setattr(machine.subprocess, "run", lambda *_, **__: (_ for _ in ()).throw(OSError))
    assert machine.commit() is None


def test_a_problem_is_the_same_in_every_precision():
    one, two = (problem(SHAPE, 2, dtype) for dtype in ("float32", "float64"))
    assert all(part.dtype == "float32" for part in one)
    assert all(np.allclose(a, b, rtol=1e-6) for a, b in zip(one, two, strict=True))
    assert isinstance(one, Problem) and np.abs(two.y).max() == 1


def test_small_presets_leave_an_accelerator_alone(tmp_path, monkeypatch):
    """Unless devices are asked for. A module of a TPU's name is all that tells of one."""
    monkeypatch.setenv("JAX_PLATFORMS", "tpu")
    (tmp_path / "libtpu.py").touch()
    monkeypatch.syspath_prepend(tmp_path)
    effort.prefer_cpu("smoke", None)
    assert os.environ["JAX_PLATFORMS"] == "tpu" and effort.accelerators()
    del os.environ["JAX_PLATFORMS"]
    for preset, devices in (("paper", None), ("course", 1)):
        effort.prefer_cpu(preset, devices)
        assert "JAX_PLATFORMS" not in os.environ
    effort.prefer_cpu("smoke", None)
    assert os.environ["JAX_PLATFORMS"] == "cpu" and not effort.accelerators()
