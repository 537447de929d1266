"""Programs kept from one call to the next: equal to those compiled anew, and never another's."""

import subprocess
import sys
from dataclasses import replace

import jax
import numpy as np
import pytest
from jax.experimental.compilation_cache import compilation_cache

from experiments import effort
from experiments.results import executables
from tests.problems import BANK, SPECTRAL
from theory.theorem import simulate

TOY, _ = BANK["loose bound"]
SETTINGS = TOY.presets["smoke"]


@pytest.fixture
def folder(tmp_path):
    """An empty folder of programs, beside an empty cache of JAX's own."""
    before = jax.config.jax_compilation_cache_dir  # pyright: ignore[reportAttributeAccessIssue]
    jax.config.update("jax_compilation_cache_dir", str(tmp_path))
    compilation_cache.reset_cache()
    yield tmp_path / "relu-theory"
    jax.config.update("jax_compilation_cache_dir", before)
    compilation_cache.reset_cache()


def was_traced(*asked):
    return executables.ready(*asked).compiled.seconds["trace"] > 0


@pytest.mark.parametrize("theorem", [TOY, SPECTRAL], ids=lambda theorem: theorem.name)
def test_a_program_that_was_kept_gives_the_same_numbers(folder, theorem):
    """Bit for bit, as one whose numbers come from LAPACK does too."""
    settings = theorem.presets["smoke"]
    asked = theorem, settings, "control", "code"
    (new, calls), (kept, known) = executables.ready(*asked), executables.ready(*asked)
    assert calls == known == (theorem is SPECTRAL)
    assert new.seconds["trace"] > 0 == kept.seconds["trace"]
    one, other = (simulate(theorem, settings, 5, "control", ready) for ready in (new, kept))
    one, other = one._replace(seconds={}), other._replace(seconds={})
    jax.tree.map(np.testing.assert_array_equal, one, other)


def test_what_a_program_depends_on_finds_it(folder, monkeypatch):
    """Other settings, code, arm or compiler options make another program; a seed does not."""
    asked = TOY, SETTINGS, "theorem", "code"
    assert was_traced(*asked)
    assert not was_traced(*asked)
    assert was_traced(TOY, replace(SETTINGS, trials=301), "theorem", "code")
    assert was_traced(TOY, SETTINGS, "theorem", "other code")
    assert was_traced(TOY, SETTINGS, "control", "code")
    monkeypatch.setattr(effort, "_asked", [0])
    monkeypatch.setattr(effort, "measured", lambda: {("smoke", TOY.name): {0: 9.0, 1: 1.0}})
    assert was_traced(*asked)
    monkeypatch.setenv("XLA_FLAGS", "--xla_backend_optimization_level=2")
    assert was_traced(*asked)


def test_a_file_that_is_not_whole_is_made_again(folder):
    asked = TOY, SETTINGS, "theorem", "code"
    assert was_traced(*asked)
    (kept,) = folder.iterdir()
    for content in (kept.read_bytes()[:-100], b""):
        kept.write_bytes(content)
        assert was_traced(*asked)
        assert not was_traced(*asked)


@pytest.mark.parametrize("theorem", [TOY, SPECTRAL], ids=lambda theorem: theorem.name)
def test_what_jax_found_in_its_cache_is_not_kept_and_runs(folder, theorem):
    """On a CPU it would lose functions that it calls, which shows when it runs."""
    settings = theorem.presets["smoke"]
    asked = theorem, settings, "theorem", "code"
    before = jax.config.jax_persistent_cache_min_compile_time_secs  # pyright: ignore[reportAttributeAccessIssue]
    jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
    try:
        new, _ = executables.ready(*asked)
        (kept,) = folder.iterdir()
        kept.unlink()
        jax.clear_caches()
        hits = executables._found_by_jax()
        found, _ = executables.ready(*asked)
    finally:
        jax.config.update("jax_persistent_cache_min_compile_time_secs", before)
    assert executables._found_by_jax() > hits and not list(folder.iterdir())
    one, other = (simulate(theorem, settings, 0, "theorem", ready) for ready in (new, found))
    assert np.array_equal(one.measured["statement"], other.measured["statement"])


def test_a_program_is_written_once(folder):
    """JAX keeps what is compiled before and after, and nothing meanwhile."""
    name = "jax_persistent_cache_min_compile_time_secs"
    before = getattr(jax.config, name)
    jax.config.update(name, 0.0)

    def compile_anew(number):
        jax.jit(lambda x: x + number).lower(1.0).compile()
        return len([path for path in folder.parent.iterdir() if path.name.startswith("jit_")])

    try:
        outside = compile_anew(1)
        with pytest.raises(KeyError), executables.kept_once():
            assert was_traced(TOY, SETTINGS, "theorem", "code")
            assert outside == compile_anew(2) > 0
            raise KeyError
        assert compile_anew(3) > outside
        jax.config.update("jax_enable_compilation_cache", False)
        with executables.kept_once():
            assert getattr(jax.config, name) == 0.0
    finally:
        jax.config.update("jax_enable_compilation_cache", True)
        jax.config.update(name, before)
    assert len(list(folder.iterdir())) == 1


def test_nothing_is_kept_without_a_folder_or_in_one_that_cannot_be_written(folder):
    folder.write_text("no folder")
    assert was_traced(TOY, SETTINGS, "theorem", "code")
    folder.unlink()
    jax.config.update("jax_enable_compilation_cache", False)
    try:
        assert was_traced(TOY, SETTINGS, "theorem", "code")
    finally:
        jax.config.update("jax_enable_compilation_cache", True)
    assert not folder.exists()


TWO_AT_ONCE = """
import sys
from pathlib import Path
from experiments.command.runtime import configure
configure("float64", None, 3)
from experiments.results.trials import Program, run_all
from tests.problems import SPECTRAL
settings, out = SPECTRAL.presets["smoke"], Path(sys.argv[1])
arms = [Program(SPECTRAL, settings, 0, {arm: out / arm}, "code") for arm in ("theorem", "control")]
assert [arm for arm, _ in run_all(arms, out, lambda *_: None)] == ["theorem", "control"]
"""


@pytest.mark.slow
def test_programs_that_call_lapack_do_not_wait_for_each_other(tmp_path):
    """Each runs while the other does; without a lock they were seen to wait for ever."""
    command = [sys.executable, "-c", TWO_AT_ONCE, str(tmp_path)]
    subprocess.run(command, check=True, timeout=120)


ONE_KEPT = """
import sys
from experiments.command.runtime import configure
configure("float64", None, 3)
import jax
jax.config.update("jax_compilation_cache_dir", sys.argv[1])
from experiments.results import executables
from tests.problems import SPECTRAL
from theory.theorem import simulate
settings = SPECTRAL.presets["smoke"]
ready, _ = executables.ready(SPECTRAL, settings, "theorem", "code")
simulate(SPECTRAL, settings, 0, "theorem", ready)
print(ready.seconds["trace"] > 0)
"""


def test_a_kept_program_finds_lapack_in_a_process_that_traced_nothing(tmp_path):
    """There it ended the process by a segmentation fault."""
    command = [sys.executable, "-c", ONE_KEPT, str(tmp_path)]
    for traced in ("True", "False"):
        done = subprocess.run(command, capture_output=True, text=True)
        assert (done.returncode, done.stdout.strip()) == (0, traced), done.stderr
