"""Programs kept from one call to the next: equal to those compiled anew, and never another's."""

from dataclasses import replace

import jax
import numpy as np
import pytest

from experiments.results import executables
from tests.problems import BANK
from theory.healing.theorems import loss_floor
from theory.theorem import simulate

TOY, _ = BANK["loose bound"]
SETTINGS = TOY.presets["smoke"]


@pytest.fixture
def folder(tmp_path):
    """An empty folder of programs, where JAX has its cache."""
    before = jax.config.jax_compilation_cache_dir
    jax.config.update("jax_compilation_cache_dir", str(tmp_path))
    yield tmp_path / "relu-theory"
    jax.config.update("jax_compilation_cache_dir", before)


def was_traced(*asked):
    return executables.ready(*asked).seconds["trace"] > 0


@pytest.mark.parametrize("theorem", [TOY, loss_floor.theorem], ids=lambda theorem: theorem.name)
def test_a_program_that_was_kept_gives_the_same_numbers(folder, theorem):
    """Bit for bit, as one whose numbers come from LAPACK does too."""
    settings = theorem.presets["smoke"]
    asked = theorem, settings, "control", "code"
    new, kept = executables.ready(*asked), executables.ready(*asked)
    assert new.seconds["trace"] > 0 == kept.seconds["trace"]
    one, other = (simulate(theorem, settings, 5, "control", ready) for ready in (new, kept))
    assert one._replace(seconds={}).measured.keys() == other.measured.keys()
    jax.tree.map(
        np.testing.assert_array_equal, one._replace(seconds={}), other._replace(seconds={})
    )
    assert ("lapack" in new.call.as_text()) == ("lapack" in kept.call.as_text())


def test_what_a_program_depends_on_finds_it(folder, monkeypatch):
    """Other settings, code, arm or compiler options make another program; a seed does not."""
    asked = TOY, SETTINGS, "theorem", "code"
    assert was_traced(*asked)
    assert not was_traced(*asked)
    assert was_traced(TOY, replace(SETTINGS, trials=301), "theorem", "code")
    assert was_traced(TOY, SETTINGS, "theorem", "other code")
    assert was_traced(TOY, SETTINGS, "control", "code")
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
