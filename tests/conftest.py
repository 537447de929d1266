"""Numerics as the command line sets them, one cache of compiled programs, and the CLI itself."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import jax
import pytest

jax.config.update("jax_enable_x64", True)
jax.config.update("jax_default_matmul_precision", "highest")
jax.config.update("jax_numpy_rank_promotion", "raise")
jax.config.update("jax_numpy_dtype_promotion", "strict")

# Tests compile much and run little, so the compiler need not try hard: a third of the time.
os.environ["XLA_FLAGS"] = " ".join(
    [
        os.environ.get("XLA_FLAGS", ""),
        "--xla_backend_optimization_level=0",
        "--xla_cpu_use_fusion_emitters=false",
    ]
)

ROOT = Path(__file__).parent.parent


def pytest_collection_modifyitems(items):
    """Tests that share what is slow to make go to one process: those of a file, unless they say."""
    for item in items:
        if item.get_closest_marker("xdist_group") is None:
            together = "smoke" if "smoke_out" in item.fixturenames else str(item.path)
            item.add_marker(pytest.mark.xdist_group(together))


@pytest.fixture(scope="session")
def environment(tmp_path_factory) -> dict[str, str]:
    """The environment of a user whose caches are empty; compiled programs are shared within it."""
    return os.environ | {
        "JAX_COMPILATION_CACHE_DIR": str(tmp_path_factory.mktemp("xla")),
        "JAX_PERSISTENT_CACHE_MIN_COMPILE_TIME_SECS": "0",
        "XDG_CACHE_HOME": str(tmp_path_factory.mktemp("cache")),
        "PYTHONPATH": str(ROOT),
    }


@pytest.fixture(scope="session")
def cli(environment) -> Callable[..., subprocess.CompletedProcess]:
    """Run `relu-theory` as a user does."""

    def run(*args, env: dict[str, str] | None = None, **options):
        command = [sys.executable, "-m", "experiments", *map(str, args)]
        return subprocess.run(
            command, capture_output=True, text=True, env=environment | (env or {}), **options
        )

    return run


@pytest.fixture(scope="session")
def smoke_out(cli, tmp_path_factory) -> Path:
    """A folder in which `verify --preset smoke` has run."""
    out = tmp_path_factory.mktemp("smoke")
    result = cli("verify", "--preset", "smoke", "--out", out)
    assert result.returncode == 0, result.stdout + result.stderr
    return out
