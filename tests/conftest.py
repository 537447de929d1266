"""Numerics as the command line sets them, one cache of compiled programs, and the CLI itself."""

import os
import subprocess
import sys
import tempfile
import warnings
from collections.abc import Callable
from pathlib import Path

import pytest

from experiments.command.runtime import collect_seldom
from experiments.effort import compile_quickly

# One empty cache of compiled programs for all processes of a session: they inherit it. What
# another session, or a user, compiled is never used.
CACHE = "JAX_COMPILATION_CACHE_DIR"
if "PYTEST_XDIST_WORKER" not in os.environ:
    SESSION = tempfile.TemporaryDirectory()
    os.environ |= {CACHE: SESSION.name, "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0.2"}

compile_quickly(0)  # tests compile much and run little

import jax  # noqa: E402

collect_seldom()

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_default_matmul_precision", "highest")
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")

ROOT = Path(__file__).parent.parent


SMOKE = {"smoke_out", "few_out"}
"""The fixtures that put theorems on trial."""


def is_example(item: pytest.Item) -> bool:
    """Whether it is the example of a docstring."""
    return isinstance(item, pytest.DoctestItem)


@pytest.hookimpl(tryfirst=True)  # xdist reads the groups in the same hook
def pytest_collection_modifyitems(items):
    """Tests that share what is slow to make go to one process: those of a file, unless they say."""
    # The example of a private name is that of the function it compiles, and runs there.
    items[:] = [item for item in items if "._" not in item.name]
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            together = "smoke" if SMOKE & {*item.fixturenames} else str(item.path)
            # Examples of all files are of few shapes: what JAX compiles for one serves others.
            together = "examples" if is_example(item) else together
            item.add_marker(pytest.mark.xdist_group(together))
    # What takes longest begins first, or one process would wait for it at the end.
    items.sort(key=lambda item: (not SMOKE & {*item.fixturenames}, not is_example(item)))


@pytest.fixture(scope="session")
def environment(tmp_path_factory) -> dict[str, str]:
    """The environment of a user who has kept nothing yet."""
    cache = str(tmp_path_factory.mktemp("cache"))
    return os.environ | {"XDG_CACHE_HOME": cache, "PYTHONPATH": str(ROOT)}


@pytest.fixture(scope="session")
def cli(environment) -> Callable[..., subprocess.CompletedProcess]:
    """Run `relu-theory` as a user does."""

    def run(*args, env: dict[str, str] | None = None, **options):
        command = [sys.executable, "-m", "experiments", *map(str, args)]
        return subprocess.run(
            command, capture_output=True, text=True, env=environment | (env or {}), **options
        )

    return run


@pytest.fixture
def in_process(capsys, monkeypatch) -> Callable[..., subprocess.CompletedProcess]:
    """What `relu-theory` answers, without a process of its own: for what computes nothing."""
    from experiments.command.cli import main

    monkeypatch.setattr(warnings, "showwarning", warnings.showwarning)  # main replaces it

    def run(*args):
        with pytest.raises(SystemExit) as stop:
            main([str(arg) for arg in args])
        printed = capsys.readouterr()
        return subprocess.CompletedProcess(
            args, int(str(stop.value.code)), printed.out, printed.err
        )

    return run


FEW = (
    *("attacks.boxed-distance", "attacks.paper-gradient", "attribution.training-input-law"),
    *("healing.masked-ridge", "subspace.flip-scaling", "subspace.gradient-law"),
    *("unlearning.closed-form", "unlearning.linear", "unlearning.two-layer-gaussian"),
)
"""Theorems of every room, status and kind of claim, which are put on trial wherever tests run; all
others are where slow tests do too."""


@pytest.fixture(scope="session")
def few_out(cli, tmp_path_factory) -> Path:
    """A folder in which `verify --preset smoke` has run on `FEW` theorems."""
    out = tmp_path_factory.mktemp("few")
    result = cli("verify", *FEW, "--preset", "smoke", "--out", out)
    assert result.returncode == 0, result.stdout + result.stderr
    return out


@pytest.fixture(scope="session")
def smoke_out(cli, tmp_path_factory) -> Path:
    """A folder in which `verify --preset smoke` has run."""
    out = tmp_path_factory.mktemp("smoke")
    result = cli("verify", "--preset", "smoke", "--out", out)
    assert result.returncode == 0, result.stdout + result.stderr
    return out
