"""Real files through the real loader: the formats it reads, and ways to be bad."""

import io
import pickle
import subprocess
import sys

import numpy as np
import pytest
import sklearn
from hypothesis import given
from hypothesis import strategies as st

from experiments.data.downloads import IMDB
from experiments.data.images import load_images
from experiments.data.registry import fingerprint
from experiments.data.texts import load_texts
from experiments.errors import UsageError
from tests.files import Trap, keras, npz, real, refusal
from tests.files import empty_cache as empty_cache  # a fixture, for every test here

# ---------------------------------------------------------------- images


def test_digits_are_split_by_class_and_the_same_every_time():
    first, second = load_images("digits"), load_images("digits")
    assert first.x_train.shape == (1437, 8, 8) and first.x_test.shape == (360, 8, 8)
    assert first.x_train.dtype == np.float64 and first.y_train.dtype == np.int64
    assert first.x_train.min() == 0 and first.x_train.max() == 1
    for one, other in zip(first[1:], second[1:], strict=True):
        np.testing.assert_array_equal(one, other)
    whole = np.bincount(first.y_train) + np.bincount(first.y_test)
    assert np.abs(np.bincount(first.y_test) - whole / 5).max() <= 1
    # No image is in both parts, and none is lost.
    both = np.concatenate([first.x_train, first.x_test]).reshape(1797, -1)
    assert len(np.unique(both, axis=0)) == 1797


@pytest.mark.parametrize("shape", [(5,), (3, 2), (4, 3, 2)])
def test_own_file_of_bytes(tmp_path, shape):
    arrays = keras(shape)
    (tmp_path / "mine.npz").write_bytes(npz(shape=shape))
    images = load_images(str(tmp_path / "mine.npz"))
    assert images.name == "mine"
    np.testing.assert_array_equal(images.x_train, arrays["x_train"] / 255)
    np.testing.assert_array_equal(images.y_test, arrays["y_test"])
    assert images.x_test.shape == (4, *shape)
    assert images.x_train.dtype == images.x_test.dtype == np.float64
    assert images.y_train.dtype == images.y_test.dtype == np.int64


def test_own_file_of_floats_and_a_column_of_classes(tmp_path):
    x = np.linspace(0, 1, 36, dtype=np.float32).reshape(6, 3, 2)
    y = np.arange(6).reshape(6, 1)
    (tmp_path / "mine.npz").write_bytes(npz(x_train=x, y_train=y))
    images = load_images(str(tmp_path / "mine.npz"))
    np.testing.assert_array_equal(images.x_train, x.astype(np.float64))
    np.testing.assert_array_equal(images.y_train, np.arange(6))


def pixels(value) -> np.ndarray:
    x = np.full((6, 3, 2), 0.5)
    x[3, 1, 1] = value
    return x


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"y_test": None}, "no y_test"),
        ({"x_train": None, "x_test": None}, "no x_train and no x_test"),
        ({"x_train": np.zeros(6, np.uint8)}, "x_train of shape (6,)"),
        ({"x_train": np.zeros((6, 1, 1, 1, 1), np.uint8)}, "x_train of shape"),
        ({"x_train": np.zeros((0, 3, 2), np.uint8)}, "x_train of shape (0, 3, 2)"),
        ({"x_test": np.zeros((4, 3, 3), np.uint8)}, "(3, 2) to train, (3, 3) to test"),
        ({"x_train": pixels(np.nan)}, "NaN or infinity in x_train"),
        ({"x_train": pixels(np.inf)}, "NaN or infinity in x_train"),
        ({"x_train": pixels(255.0)}, "x_train between 0.5 and 255"),
        ({"x_train": pixels(-0.1)}, "x_train between -0.1 and 0.5"),
        ({"x_train": np.ones((6, 3, 2), int)}, "x_train of type int64"),
        ({"x_train": np.full((6, 3, 2), "a")}, "x_train of type <U1"),
        ({"y_train": np.arange(5)}, "y_train of shape (5,) for 6 images"),
        ({"y_train": np.eye(6, dtype=int)}, "y_train of shape (6, 6) for 6 images"),
        ({"y_train": np.arange(6.0)}, "y_train of type float64"),
        ({"y_train": np.ones(6, bool)}, "y_train of type bool"),
        ({"y_train": np.arange(6) - 1}, "has -1 in y_train"),
        ({"y_train": np.full(6, 2**64 - 1, np.uint64)}, "has -1 in y_train"),
        ({"y_train": np.array([0, 1, 2, 0, 1, None])}, "cannot be read"),  # would need a pickle
    ],
)
def test_bad_arrays_are_refused(tmp_path, changes, words):
    file = tmp_path / "mine.npz"
    file.write_bytes(npz(**changes))
    message = refusal(load_images, str(file))
    assert str(file) in message and words in message and "replace it" in message


def npy() -> bytes:
    file = io.BytesIO()
    np.save(file, np.zeros(3))
    return file.getvalue()


def no_array_inside() -> bytes:
    import zipfile

    file = io.BytesIO(npz(x_train=None))
    with zipfile.ZipFile(file, "a") as archive:
        archive.writestr("x_train.npy", b"hello")
    return file.getvalue()


@pytest.mark.parametrize(
    "content",
    [b"", b"not a zip", npz()[:200], npz()[:-30], npy(), no_array_inside()],
    ids=["empty", "text", "truncated", "end lost", "npy", "no array inside"],
)
def test_files_that_are_no_npz_are_refused(tmp_path, content):
    file = tmp_path / "mine.npz"
    file.write_bytes(content)
    assert str(file) in refusal(load_images, str(file))
    assert "no file" in refusal(load_images, str(tmp_path / "absent.npz"))
    assert "no file" in refusal(load_images, f"{tmp_path}/.npz")


GOOD = npz()


@given(st.integers(0, len(GOOD) - 1), st.integers(1, 255))
def test_a_flipped_byte_loads_or_is_refused(tmp_path_factory, position, change):
    file = tmp_path_factory.getbasetemp() / "flipped.npz"
    file.write_bytes(GOOD[:position] + bytes([GOOD[position] ^ change]) + GOOD[position + 1 :])
    try:
        assert load_images(str(file)).x_train.shape == (6, 3, 2)
    except UsageError:
        pass


def test_npz_is_never_unpickled(tmp_path):
    trap = tmp_path / "sprung"
    (tmp_path / "mine.npz").write_bytes(npz(y_train=np.array([Trap(trap)] * 6, object)))
    refusal(load_images, str(tmp_path / "mine.npz"))
    (tmp_path / "pickle.npz").write_bytes(pickle.dumps(Trap(trap)))
    refusal(load_images, str(tmp_path / "pickle.npz"))
    assert not trap.exists()


# ---------------------------------------------------------------- where it looks


@pytest.mark.parametrize(
    ("call", "name", "words"),
    [
        (load_images, "mnits", "did you mean mnist"),
        (load_images, "Fashion-MNIST", "did you mean fashion_mnist"),
        (load_images, "xyzzy", "digits, mnist, fashion_mnist, cifar10, a path"),
        (load_images, "imdb", "digits"),
        (load_texts, "imbd", "did you mean imdb"),
        (load_texts, "", "imdb, rt_polarity, scripts, the path"),
        (load_texts, "digits", "rt_polarity"),
        (fingerprint, "script", "did you mean scripts"),
    ],
)
def test_unknown_names_are_told_the_known_ones(call, name, words):
    assert words in refusal(call, name)


@pytest.mark.parametrize("name", ["digits", "mnist", "imdb", "scripts"])
def test_a_folder_that_does_not_exist_is_refused(tmp_path, monkeypatch, name):
    load, absent = load_images if name in ("digits", "mnist") else load_texts, tmp_path / "absent"
    monkeypatch.setenv("RELU_THEORY_DATA", str(absent))
    if name in ("digits", "scripts"):
        assert load(name).name == name  # needs no folder
    else:
        message = refusal(load, name)
        assert "RELU_THEORY_DATA" in message and str(absent) in message


def test_the_users_folder_then_the_cache(tmp_path, monkeypatch, cache):
    for count, folder in enumerate((tmp_path, cache), 6):
        (folder / "mnist.npz").write_bytes(npz(shape=(28, 28), train=count))
    monkeypatch.setenv("RELU_THEORY_DATA", str(tmp_path))
    assert len(load_images("mnist").x_train) == 6
    (tmp_path / "mnist.npz").unlink()
    assert len(load_images("mnist").x_train) == 7
    monkeypatch.setenv("RELU_THEORY_DATA", "")
    assert len(load_images("mnist").x_train) == 7


def test_a_bad_file_of_the_users_is_an_error_though_the_cache_is_good(tmp_path, monkeypatch, cache):
    monkeypatch.setenv("RELU_THEORY_DATA", str(tmp_path))
    (cache / "mnist.npz").write_bytes(npz(shape=(28, 28)))
    file = tmp_path / "mnist.npz"
    file.write_bytes(b"torn")
    assert str(file) in refusal(load_images, "mnist")
    assert file.read_bytes() == b"torn"
    file.write_bytes(npz(shape=(8, 8)))
    assert "(8, 8), where mnist has (28, 28)" in refusal(load_images, "mnist")


@pytest.mark.parametrize(
    ("load", "name", "files"),
    [(load_images, "cifar10", ("cifar10.npz",)), (load_texts, "imdb", tuple(IMDB.files))],
)
def test_without_network_the_user_hears_what_to_do(capsys, cache, load, name, files):
    message = refusal(load, name)
    assert all(words in message for words in ("--data DIR", "connect", *files))
    assert capsys.readouterr().out == ""
    assert list(cache.iterdir()) == []


def test_nothing_heavy_is_imported_before_it_is_needed():
    code = (
        "import experiments.data.texts, sys; "
        "sys.exit(str({'jax', 'matplotlib', 'sklearn', 'pooch', 'requests'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr.strip() == "set()"


# ---------------------------------------------------------------- what identifies a set


def test_the_fingerprint_follows_the_content_wherever_it_lies(tmp_path, monkeypatch, cache):
    file = tmp_path / "mnist.npz"
    file.write_bytes(npz())
    (cache / "mnist.npz").write_bytes(npz())
    found = fingerprint("mnist")
    assert found == fingerprint(str(file)) and len(found) == 64
    monkeypatch.setenv("RELU_THEORY_DATA", str(tmp_path))
    assert fingerprint("mnist") == found
    file.write_bytes(npz(train=7))
    assert fingerprint("mnist") != found
    assert "no file" in refusal(fingerprint, str(tmp_path / "absent.npz"))


def test_sets_without_files_have_a_fingerprint():
    assert fingerprint("planted") == "planted"
    assert fingerprint("digits") == f"scikit-learn {sklearn.__version__}"
    assert fingerprint("scripts") == fingerprint("scripts") and len(fingerprint("scripts")) == 64


# ---------------------------------------------------------------- the real data


@pytest.mark.parametrize(("name", "shape"), [("mnist", (28, 28)), ("cifar10", (32, 32, 3))])
def test_real_images(monkeypatch, name, shape):
    monkeypatch.setenv("RELU_THEORY_DATA", str(real(f"{name}.npz")))
    images = load_images(name)
    assert images.x_train.shape[1:] == images.x_test.shape[1:] == shape
    assert images.x_train.min() == 0 and images.x_train.max() == 1
    assert set(images.y_train) == set(images.y_test) == set(range(10))
