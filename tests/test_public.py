"""Public names are documented, files have one subject, and theory stays pure."""

import ast
import importlib
import inspect
import os
import pkgutil
from pathlib import Path

import pytest

import experiments
import theory

ROOT = Path(__file__).parent.parent
MODULES = [
    info.name
    for package in (theory, experiments)
    for info in pkgutil.walk_packages(package.__path__, package.__name__ + ".")
    if not info.name.endswith("__main__")
]


@pytest.mark.parametrize("name", MODULES)
def test_every_public_name_has_a_docstring(name):
    module = importlib.import_module(name)
    assert module.__doc__ or not Path(str(module.__file__)).read_text(encoding="utf-8").strip()
    for public, value in vars(module).items():
        own = getattr(value, "__module__", None) == name
        documented = inspect.isfunction(value) or inspect.isclass(value)
        if own and documented and not public.startswith("_"):
            assert value.__doc__, f"{name}.{public}"


PURE = [
    path
    for path in sorted((ROOT / "theory").rglob("*.py"))
    if path.parent.name != "display"  # reads its own template, to show results in a notebook
]


@pytest.mark.parametrize("path", PURE, ids=str)
def test_theory_does_no_input_or_output(path):
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import | ast.ImportFrom):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            names += [node.module or ""] if isinstance(node, ast.ImportFrom) else []
            for name in names:
                assert name.split(".")[0] in {
                    *("jax", "jaxtyping", "numpy", "optax", "scipy", "theory"),
                    *("collections", "dataclasses", "enum", "functools", "math", "time", "typing"),
                    *("inspect", "itertools", "types", "zlib"),
                    *("evosax", "lime", "shap", "contextlib", "warnings"),
                }, f"{path.name} imports {name}"
        if isinstance(node, ast.Call):
            assert ast.unparse(node.func) not in {"print", "open", "jax.config.update"}


@pytest.mark.skipif("PYTEST_XDIST_WORKER" not in os.environ, reason="there is one process")
def test_what_tests_share_is_made_by_one_process(request):
    """xdist says the group after the name of a test; without it each test goes anywhere."""
    assert request.node.nodeid.endswith(f"@{request.path}")
