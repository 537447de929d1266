"""What the tests of data sets and of downloads share: files in miniature, and an empty cache."""

import io
import os
from pathlib import Path

import numpy as np
import pytest

from experiments.errors import UsageError

# Before a test's empty cache takes it away.
REAL = os.environ.get("RELU_THEORY_DATA")


@pytest.fixture(name="cache", autouse=True)
def empty_cache(monkeypatch, tmp_path_factory) -> Path:
    """An empty cache for every test, no folder of data, and no network but this machine."""
    home = tmp_path_factory.mktemp("home")
    monkeypatch.delenv("RELU_THEORY_DATA", raising=False)
    for variable in ("HOME", "XDG_CACHE_HOME", "LOCALAPPDATA"):
        monkeypatch.setenv(variable, str(home))
    for variable in ("http_proxy", "https_proxy", "HTTP_PROXY", "HTTPS_PROXY", "all_proxy"):
        monkeypatch.setenv(variable, "http://127.0.0.1:9")  # the discard port: nobody answers
    for variable in ("no_proxy", "NO_PROXY"):
        monkeypatch.setenv(variable, "127.0.0.1")
    import pooch

    folder = Path(pooch.os_cache("relu-theory"))
    assert folder.is_relative_to(home)
    folder.mkdir(parents=True)
    return folder


def keras(shape=(3, 2), train=6, test=4, **changes) -> dict:
    """Random arrays in Keras's layout; an array given as None is left out."""
    rng = np.random.default_rng(0)
    arrays = {
        "x_train": rng.integers(0, 256, (train, *shape), np.uint8),
        "y_train": np.arange(train, dtype=np.uint8) % 3,
        "x_test": rng.integers(0, 256, (test, *shape), np.uint8),
        "y_test": np.arange(test, dtype=np.uint8) % 3,
        **changes,
    }
    return {key: value for key, value in arrays.items() if value is not None}


def npz(**changes) -> bytes:
    file = io.BytesIO()
    np.savez(file, **keras(**changes))
    return file.getvalue()


class Trap:
    """Once unpickled, leaves a file behind."""

    def __init__(self, file: Path):
        self.file = file

    def __reduce__(self):
        return Path.touch, (self.file,)


def refusal(call, *args) -> str:
    """The one sentence with which `call` refuses."""
    with pytest.raises(UsageError) as caught:
        call(*args)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def real(*files: str) -> Path:
    """The folder of real data; skips the test where it lacks one of these files."""
    if not REAL:
        pytest.skip("RELU_THEORY_DATA names no folder of real data")
    for file in files:
        if not (Path(REAL) / file).exists():
            pytest.skip(f"{file} is not in RELU_THEORY_DATA")
    return Path(REAL)
