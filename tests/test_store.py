"""The store: what is read is what was written, or nothing."""

import json
import random
import warnings

import numpy as np
import pytest

from experiments.errors import UsageError
from experiments.results import store
from experiments.results.catalog import entries

ARRAYS = {"a": np.linspace(0, 1, 150).reshape(50, 3), "b": np.arange(5)}


def test_round_trip(tmp_path):
    store.save(tmp_path / "x.npz", ARRAYS, {"margin": float("inf"), "name": "ℓ"})
    stored = store.load(tmp_path / "x.npz")
    assert stored is not None
    arrays, description = stored
    assert description == {"margin": None, "name": "ℓ"}
    assert {name: array.tolist() for name, array in arrays.items()} == {
        name: array.tolist() for name, array in ARRAYS.items()
    }
    assert [path.name for path in tmp_path.iterdir()] == ["x.npz"]


def test_nothing_there_is_none(tmp_path):
    assert store.load(tmp_path / "x.npz") is None


def test_flipped_bytes_are_noticed_or_harmless(tmp_path):
    path = tmp_path / "x.npz"
    store.save(path, ARRAYS, {"x": 1})
    good, rng = path.read_bytes(), random.Random(0)
    damaged = 0
    for _ in range(500):
        content = bytearray(good)
        for _ in range(rng.choice([1, 2, 5])):
            content[rng.randrange(len(content))] = rng.randrange(256)
        path.write_bytes(content)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            stored = store.load(path)
        if stored is None:
            damaged += 1
        else:
            assert all(np.array_equal(stored[0][name], ARRAYS[name]) for name in ARRAYS)
    assert damaged > 250


def test_a_failed_write_leaves_the_old_file_and_no_other(tmp_path, monkeypatch):
    path = tmp_path / "x.txt"
    store.write_atomically(path, "old")

    def fail(handle):
        raise RuntimeError("stop")

    monkeypatch.setattr(store.os, "fsync", fail)
    with pytest.raises(RuntimeError):
        store.write_atomically(path, "new")
    assert path.read_text() == "old"
    assert [p.name for p in tmp_path.iterdir()] == ["x.txt"]


def test_only_ordinary_files_are_replaced(tmp_path):
    (tmp_path / "folder").mkdir()
    with pytest.raises(UsageError, match="no ordinary file"):
        store.write_atomically(tmp_path / "folder", "text")


def test_json_has_no_infinity():
    text = store.to_json({"a": float("inf"), "b": np.array([1.0, np.nan]), "c": np.float32(2)})
    assert json.loads(text) == {"a": None, "b": [1.0, None], "c": 2.0}


def test_keys_depend_on_settings_seed_code_and_name():
    one, two = entries()[:2]
    settings, course = (one.load().presets[preset] for preset in ("smoke", "course"))
    keys = {
        store.result_key(one.name, "code", settings, 0, arm="theorem"),
        store.result_key(one.name, "code", settings, 1, arm="theorem"),
        store.result_key(one.name, "code", settings, 0, arm="control"),
        store.result_key(one.name, "code", course, 0, arm="theorem"),
        store.result_key(one.name, "other", settings, 0, arm="theorem"),
        store.result_key(two.name, "code", settings, 0, arm="theorem"),
    }
    assert len(keys) == 6
    assert store.result_key(one.name, "code", settings, 0, arm="theorem") in keys
