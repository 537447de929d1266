"""Real files through the real loader: the formats it reads, and ways to be bad."""

import io
import pickle
import subprocess
import sys
import zipfile
from dataclasses import replace

import jax
import numpy as np
import pytest
import sklearn
from hypothesis import given
from hypothesis import strategies as st

from experiments import machine
from experiments.attacks.images import experiment as image_experiment
from experiments.classifiers import scene_of
from experiments.data.downloads import IMDB
from experiments.data.images import load_images
from experiments.data.registry import fingerprint
from experiments.data.texts import load_texts
from experiments.errors import UsageError
from experiments.healing import transformer
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


@pytest.mark.parametrize("shape", [(5,), (3, 2), (4, 3, 3)])
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


def black(*which: int) -> np.ndarray:
    x = keras()["x_train"]
    x[[*which]] = 0
    return x


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
        ({"x_test": np.full((4, 3, 3), 9, np.uint8)}, "(3, 2) to train, (3, 3) to test"),
        ({"x_train": pixels(np.nan)}, "NaN or infinity in x_train"),
        ({"x_train": pixels(np.inf)}, "NaN or infinity in x_train"),
        ({"x_train": pixels(255.0)}, "x_train between 0.5 and 255: divide it by 255"),
        ({"x_train": pixels(-0.1)}, "x_train between -0.1 and 0.5: if it goes from -1 to 1"),
        ({"x_train": pixels(-2.1)}, "x_train between -2.1 and 0.5: scale it to [0, 1]"),
        ({"x_train": pixels(1.1)}, "x_train between 0.5 and 1.1: divide it by 255"),
        ({"x_train": np.ones((6, 3, 2), np.uint8)}, "no pixel above 0.0039 in x_train"),
        ({"x_train": pixels(0.5) / 255}, "no pixel above 0.002 in x_train"),
        ({"x_train": black(0)}, "1 black images, all 0, in x_train, first number 0: leave"),
        ({"x_train": black(1, 4)}, "only black images, all 0, of class 1 in x_train: leave"),
        ({"x_train": np.ones((6, 3, 2), int)}, "x_train of type int64: if 255 is white"),
        ({"x_train": np.ones((6, 3, 2), complex)}, "x_train of type complex128"),
        ({"x_train": np.ones((6, 8, 8, 2))}, "x_train of shape (6, 8, 8, 2), which has not 1 or 3"),
        ({"x_train": np.full((6, 8, 8, 4), 0.5)}, "an alpha channel in x_train: blend it"),
        ({"x_train": np.full((6, 3, 2), "a")}, "x_train of type <U1"),
        ({"y_train": np.arange(5)}, "y_train of shape (5,) for 6 images"),
        ({"y_train": np.ones((6, 6), int)}, "y_train of shape (6, 6) for 6 images"),
        ({"y_train": np.eye(6, dtype=int)}, "one-hot rows in y_train: give classes, y.argmax"),
        ({"y_train": np.array([*"catdog"])}, "strings in y_train, the first of them 'c': give"),
        ({"y_train": np.arange(6.0) / 2}, "0.5 in y_train, which is no class"),
        ({"y_train": np.full(6, np.nan)}, "nan in y_train, which is no class"),
        ({"y_train": np.arange(6) + 0j}, "y_train of type complex128"),
        ({"y_train": np.arange(6) - 1}, "has -1 in y_train, which often means"),
        ({"y_test": np.arange(4) - 1}, "has -1 in y_test"),
        ({"y_test": np.arange(4)}, "has class 3 in y_test and none of it in y_train"),
        ({"y_train": np.ones(6, int), "y_test": np.ones(4, int)}, "only images of class 1"),
        ({"y_train": np.full(6, 2**64 - 1, np.uint64)}, "has 18446744073709551615 in y_train"),
        ({"y_train": np.array([0, 1, 2, 0, 1, None])}, "has Python objects in y_train"),
    ],
)
def test_bad_arrays_are_refused(tmp_path, changes, words):
    file = tmp_path / "mine.npz"
    file.write_bytes(npz(**changes))
    before, message = file.read_bytes(), refusal(load_images, str(file))
    assert str(file) in message and words in message and len(message) < 400
    assert file.read_bytes() == before
    if ":" not in words:
        assert "replace it by an npz file of x_train" in message or "give" in message


def test_arrays_of_other_names_are_listed(tmp_path):
    arrays = keras()
    other = {f"{part}_{what}": arrays[f"{xy}_{part}"] for part in ("train", "test")
             for xy, what in (("x", "images"), ("y", "labels"))}  # fmt: skip
    np.savez(tmp_path / "mine.npz", **other)
    message = refusal(load_images, str(tmp_path / "mine.npz"))
    assert "no x_train and no y_train and no x_test and no y_test" in message
    assert "it holds train_images, train_labels, test_images, test_labels: replace" in message


def loaded(tmp_path, warning: str | None = None, **changes):
    """The images of a changed file, and that the loader says this, or nothing."""
    file = tmp_path / "mine.NPZ"
    file.write_bytes(npz(**changes))
    if warning is None:
        return load_images(str(file))
    with pytest.warns(UserWarning) as caught:
        images = load_images(str(file))
    assert all(str(file) in str(each.message) and warning in str(each.message) for each in caught)
    return images


def test_colours_that_come_first_go_last(tmp_path):
    images = loaded(tmp_path, "its colours go last", shape=(3, 6, 5))
    wanted = keras((3, 6, 5))["x_train"].transpose(0, 2, 3, 1) / 255
    np.testing.assert_array_equal(images.x_train, wanted)
    assert images.x_test.shape == (4, 6, 5, 3)
    grey = loaded(tmp_path, "its colours go last", shape=(1, 6, 5))
    np.testing.assert_array_equal(grey.x_train, keras((1, 6, 5))["x_train"][:, 0] / 255)
    assert loaded(tmp_path, shape=(6, 5, 1)).x_train.shape == (6, 6, 5)


def test_an_opaque_alpha_channel_is_left_out(tmp_path):
    x = {key: keras((6, 5, 4))[key] for key in ("x_train", "x_test")}
    for each in x.values():
        each[..., 3] = 255
    images = loaded(tmp_path, "opaque alpha channel", **x)
    np.testing.assert_array_equal(images.x_train, x["x_train"][..., :3] / 255)


def test_flat_images_are_vectors(tmp_path):
    images = loaded(tmp_path, shape=(784,))
    np.testing.assert_array_equal(images.x_train, keras((784,))["x_train"] / 255)


def test_what_rounding_left_beyond_0_and_1_is_cut(tmp_path):
    x = pixels(1.0000001)
    x[0, 0, 0] = -1e-7
    images = loaded(tmp_path, x_train=x)
    assert images.x_train.max() == 1 and images.x_train.min() == 0
    assert loaded(tmp_path, x_train=pixels(0.1) > 0.3).x_train.sum() == 35


@pytest.mark.parametrize(
    ("y", "y_test", "wanted", "warning"),
    [
        (np.array([0.0, 1, 2, 0, 1, 2]), [0, 1, 2, 0], [0, 1, 2, 0, 1, 2], None),
        (np.arange(6) % 2 == 1, [False, True] * 2, [0, 1, 0, 1, 0, 1], None),
        (np.arange(6) % 2 * 2 - 1, [-1, 1, 1, 1], [0, 1, 0, 1, 0, 1], "the classes -1, 1: in this"),
        (np.arange(6) % 2 * 2.0 - 1, [-1, 1, 1, 1], [0, 1, 0, 1, 0, 1], "are called 0 to 1."),
        (np.array([8, 3, 3, 8, 5, 5]), [3, 3, 5, 5], [2, 0, 0, 2, 1, 1], "the classes 3, 5, 8"),
        (np.arange(1, 7), [1, 2, 3, 6], [0, 1, 2, 3, 4, 5], "are called 0 to 5."),
    ],
)
def test_labels_become_classes_from_0_without_a_gap(tmp_path, y, y_test, wanted, warning):
    images = loaded(tmp_path, warning, y_train=y, y_test=np.array(y_test))
    assert images.y_train.tolist() == wanted and images.y_train.dtype == np.int64
    numbers = dict(zip(np.asarray(y, float).tolist(), wanted, strict=True))
    assert images.y_test.tolist() == [numbers[float(label)] for label in y_test]


def test_black_test_images_are_named(tmp_path):
    x = keras()["x_test"]
    x[2] = 0
    assert (
        len(loaded(tmp_path, "1 black images, all 0, in x_test, first number 2", x_test=x)[3]) == 4
    )


def claiming(shape: str, held: bytes) -> bytes:
    """A file whose x_train claims a shape."""
    header = f"{{'descr': '|u1', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    file = io.BytesIO(npz(x_train=None))
    with zipfile.ZipFile(file, "a") as archive:
        prefix = b"\x93NUMPY\x01\0" + len(header).to_bytes(2, "little")
        archive.writestr("x_train.npy", prefix + header + held)
    return file.getvalue()


@pytest.mark.parametrize(
    "shape", ["(1000000000000, 28, 28)", "(6, -3, 2)", "(-6, -3, 2)", f"({2**63}, 2)", "(6, 3, 3)"]
)
def test_what_a_header_claims_is_checked_before_memory_is_taken(tmp_path, monkeypatch, shape):
    (tmp_path / "mine.npz").write_bytes(claiming(shape, b"x" * 36))
    monkeypatch.setattr(np, "load", None)  # is not reached
    message = refusal(load_images, str(tmp_path / "mine.npz"))
    assert f"claims x_train of shape {shape}, but holds 36 bytes" in message


def test_what_would_not_fit_into_memory_is_not_read(tmp_path, monkeypatch):
    (tmp_path / "mine.npz").write_bytes(claiming("(6, 3, 2)", b"x" * 36))
    assert load_images(str(tmp_path / "mine.npz")).x_train.shape == (6, 3, 2)
    monkeypatch.setattr(machine, "memory_gb", lambda: 1e-9)
    assert "GiB of memory: give fewer images" in refusal(load_images, str(tmp_path / "mine.npz"))


def test_a_folder_called_as_a_file_is_no_file(tmp_path, monkeypatch):
    (tmp_path / "mnist.npz").mkdir()
    for call in (load_images, fingerprint):
        assert "is a folder: give the file itself" in refusal(call, str(tmp_path / "mnist.npz"))
    monkeypatch.setenv("RELU_THEORY_DATA", str(tmp_path))
    for call in (load_images, fingerprint):
        assert "mnist.npz is a folder" in refusal(call, "mnist")


def test_networks_of_images_refuse_vectors_before_they_train(tmp_path):
    (tmp_path / "mine.npz").write_bytes(npz(shape=(16,)))
    name, key = str(tmp_path / "mine.npz"), jax.random.key(0)
    attacked = image_experiment.presets["smoke"]
    assert "the CNN needs images" in refusal(scene_of, replace(attacked, dataset=name), key, key)
    healed = replace(transformer.experiment.presets["smoke"], dataset=name)
    assert "cut from images" in refusal(transformer.run, healed, key, lambda *_: None)


def npy() -> bytes:
    file = io.BytesIO()
    np.save(file, np.zeros(3))
    return file.getvalue()


def no_array_inside() -> bytes:
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
