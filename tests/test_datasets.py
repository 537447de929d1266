"""Real files through the real loader: the official formats in miniature, and ways to be bad."""

import gzip
import hashlib
import io
import json
import os
import pickle
import struct
import subprocess
import sys
import tarfile
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from experiments.datasets import _load, _read_rt_polarity, load_images, load_texts
from experiments.downloads import SOURCES, Source, fetch, read_pickle
from experiments.errors import UsageError

REAL = os.environ.get("RELU_THEORY_DATA")
real_data = pytest.mark.skipif(not REAL, reason="RELU_THEORY_DATA names no folder of real data")


@pytest.fixture(autouse=True)
def cache(monkeypatch, tmp_path_factory) -> Path:
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


@pytest.fixture
def server(tmp_path):
    """A folder, and the address at which it is served."""

    class Quiet(SimpleHTTPRequestHandler):
        def log_message(self, format, *args):
            pass

    folder = tmp_path / "served"
    folder.mkdir()
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(Quiet, directory=folder)) as running:
        thread = threading.Thread(target=running.serve_forever, args=(0.01,))
        thread.start()
        yield folder, f"http://127.0.0.1:{running.server_port}"
        running.shutdown()
        thread.join()


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


def jsonl(rows) -> bytes:
    return gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode())


def reviews(word: str, count=10) -> list[dict]:
    return [{"text": f"{word} {i}", "label": i % 2} for i in range(count)]


def tar(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w:gz") as archive:
        for name, content in members.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
    return file.getvalue()


def serve(server, name: str, archives: list[bytes]) -> Source:
    """The real source of `name`, with these archives and their hashes in place of its own."""
    folder, address = server
    urls = {}
    for i, content in enumerate(archives):
        (folder / f"archive{i}").write_bytes(content)
        urls[f"{address}/archive{i}"] = "sha256:" + hashlib.sha256(content).hexdigest()
    return SOURCES[name]._replace(urls=urls)


def refusal(call, *args) -> str:
    """The one sentence with which `call` refuses."""
    with pytest.raises(UsageError) as caught:
        call(*args)
    assert "\n" not in str(caught.value)
    return str(caught.value)


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


class Trap:
    """Once unpickled, leaves a file behind."""

    def __init__(self, file: Path):
        self.file = file

    def __reduce__(self):
        return Path.touch, (self.file,)


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


# ---------------------------------------------------------------- texts


def test_texts_of_a_folder(tmp_path):
    train, test = reviews("première"), reviews("line\nbreak\x85\u2028", 12)
    (tmp_path / "imdb_train.jsonl.gz").write_bytes(jsonl(train))
    (tmp_path / "imdb_test.jsonl.gz").write_bytes(jsonl(test))
    texts = load_texts("imdb", tmp_path)
    assert texts.train_texts == [row["text"] for row in train]
    assert texts.test_texts == [row["text"] for row in test]
    assert texts.y_test.tolist() == [0, 1] * 6 and texts.y_test.dtype == np.int64


def test_rt_polarity_is_split_by_label_and_the_same_every_time(tmp_path):
    (tmp_path / "rt_polarity.jsonl.gz").write_bytes(jsonl(reviews("film", 100)))
    texts = load_texts("rt_polarity", tmp_path)
    assert (len(texts.train_texts), len(texts.test_texts)) == (80, 20)
    assert texts.y_train.sum() == 40 and texts.y_test.sum() == 10
    assert len({*texts.train_texts, *texts.test_texts}) == 100
    # Each text kept its own label.
    assert [int(text.split()[1]) % 2 for text in texts.test_texts] == texts.y_test.tolist()
    assert load_texts("rt_polarity", tmp_path).test_texts == texts.test_texts


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "fewer than five"),
        (b"plain text", "BadGzipFile"),
        (jsonl(reviews("film"))[:-9], "EOFError"),
        (jsonl(reviews("film"))[:30] + b"\0" + jsonl(reviews("film"))[31:], "cannot be read"),
        (gzip.compress(b'{"text": "\xff", "label": 1}\n'), "UnicodeDecodeError"),
        (gzip.compress(b'{"text": "a", "label"\n'), "line 1"),
        (gzip.compress(b"[" * 100_000), "line 1"),
        (gzip.compress(b"1" * 10_000), "line 1"),
        (jsonl([*reviews("film"), ["text", 1]]), "line 11"),
        (jsonl([*reviews("film"), {"text": "a"}]), "line 11"),
        (jsonl([{"text": 1, "label": 1}]), "line 1"),
        (jsonl([{"text": "a", "label": 2}]), "line 1"),
        (jsonl([{"text": "a", "label": True}]), "line 1"),
        (jsonl([{"text": "a", "label": 1.0}]), "line 1"),
        (jsonl([{"text": "a", "label": float("nan")}]), "line 1"),
        (jsonl([{"text": "a", "label": 1}] * 20), "fewer than five"),
    ],
)
def test_bad_texts_are_refused(tmp_path, content, words):
    file = tmp_path / "rt_polarity.jsonl.gz"
    file.write_bytes(content)
    message = refusal(load_texts, "rt_polarity", tmp_path)
    assert str(file) in message and words in message and "replace it" in message
    assert file.read_bytes() == content


# ---------------------------------------------------------------- where it looks


def test_unknown_names_are_told_the_known_ones(tmp_path):
    assert "did you mean mnist" in refusal(load_images, "mnits")
    assert "did you mean fashion_mnist" in refusal(load_images, "Fashion-MNIST")
    assert "digits, mnist, fashion_mnist, cifar10, a path" in refusal(load_images, "xyzzy")
    assert "digits" in refusal(load_images, "imdb")
    assert "did you mean imdb" in refusal(load_texts, "imbd")
    assert "imdb, rt_polarity" in refusal(load_texts, "")


def test_a_folder_that_does_not_exist_is_refused(tmp_path, monkeypatch):
    absent = tmp_path / "absent"
    for load, name in ((load_images, "digits"), (load_images, "mnist"), (load_texts, "imdb")):
        message = refusal(load, name, absent)
        assert "--data" in message and str(absent) in message
    monkeypatch.setenv("RELU_THEORY_DATA", str(absent))
    assert "RELU_THEORY_DATA" in refusal(load_images, "mnist")
    assert load_images("digits").name == "digits"  # needs no folder


def test_flag_then_variable_then_cache(tmp_path, monkeypatch, cache):
    folders = [tmp_path / "flag", tmp_path / "variable", cache]
    for count, folder in enumerate(folders, 5):
        folder.mkdir(exist_ok=True)
        (folder / "mnist.npz").write_bytes(npz(shape=(28, 28), train=count))
    monkeypatch.setenv("RELU_THEORY_DATA", str(folders[1]))
    assert len(load_images("mnist", folders[0]).x_train) == 5
    assert len(load_images("mnist").x_train) == 6
    (folders[1] / "mnist.npz").unlink()
    assert len(load_images("mnist").x_train) == 7
    monkeypatch.setenv("RELU_THEORY_DATA", "")
    assert len(load_images("mnist").x_train) == 7


def test_a_bad_file_of_the_users_is_an_error_though_the_cache_is_good(tmp_path, cache):
    (cache / "mnist.npz").write_bytes(npz(shape=(28, 28)))
    file = tmp_path / "mnist.npz"
    file.write_bytes(b"torn")
    assert str(file) in refusal(load_images, "mnist", tmp_path)
    assert file.read_bytes() == b"torn"
    file.write_bytes(npz(shape=(8, 8)))
    assert "(8, 8), where mnist has (28, 28)" in refusal(load_images, "mnist", tmp_path)


def test_half_a_set_is_an_error(tmp_path):
    (tmp_path / "imdb_train.jsonl.gz").write_bytes(jsonl(reviews("film")))
    assert str(tmp_path / "imdb_test.jsonl.gz") in refusal(load_texts, "imdb", tmp_path)


def test_without_network_the_user_hears_what_to_do(capsys, cache):
    for load, name in ((load_images, "cifar10"), (load_texts, "imdb")):
        message = refusal(load, name)
        assert "--data DIR" in message and "connect" in message
        assert all(file in message for file in SOURCES[name].files)
    assert capsys.readouterr().out == ""
    assert list(cache.iterdir()) == []


# ---------------------------------------------------------------- downloads


def test_mnist_is_kept_as_it_comes(server, cache, capsys):
    content = npz(shape=(28, 28))
    fetch(serve(server, "mnist", [content]), cache)
    assert [file.name for file in cache.iterdir()] == ["mnist.npz"]
    assert (cache / "mnist.npz").read_bytes() == content
    assert load_images("mnist").x_train.shape == (6, 28, 28)
    assert capsys.readouterr().out == ""


def test_fashion_mnist_is_read_from_idx(server, cache):
    arrays = keras((28, 28))
    archives = [
        gzip.compress(struct.pack(f">HBB{x.ndim}i", 0, 8, x.ndim, *x.shape) + x.tobytes())
        for x in arrays.values()
    ]
    fetch(serve(server, "fashion_mnist", archives), cache)
    images = load_images("fashion_mnist")
    for name, x in arrays.items():
        np.testing.assert_array_equal(getattr(images, name), x / 255 if "x_" in name else x)


def python2_pickle(data: np.ndarray, labels: list[int]) -> bytes:
    """The bytes Python 2 and numpy 1 wrote for {"data": data, "labels": labels}."""
    dtype = b"cnumpy\ndtype\nU\x02u1K\x00K\x01\x87R(K\x03U\x01|NNN" + 2 * b"J\xff\xff\xff\xff"
    return b"".join(
        (
            b"\x80\x02}(U\x04data",
            b"cnumpy.core.multiarray\n_reconstruct\ncnumpy\nndarray\nK\x00\x85U\x01b\x87R",
            b"(K\x01" + b"".join(b"J" + struct.pack("<i", n) for n in data.shape) + b"\x86",
            dtype + b"K\x00tb\x89",
            b"T" + struct.pack("<i", data.size) + data.tobytes() + b"tb",
            b"U\x06labels](" + b"".join(b"K" + bytes([label]) for label in labels) + b"eu.",
        )
    )


def test_cifar10_is_read_from_python_2_pickles(server, cache):
    arrays = keras((32, 32, 3), train=10)
    planes = {
        name: arrays[name].transpose(0, 3, 1, 2).reshape(-1, 3072)
        for name in arrays
        if "x_" in name
    }
    labels = {name: arrays[name].tolist() for name in arrays if "y_" in name}
    folder = "cifar-10-batches-py"
    members = {
        f"{folder}/batches.meta": b"never opened",
        f"{folder}/test_batch": python2_pickle(planes["x_test"], labels["y_test"]),
    }
    for i in (5, 1, 2, 4, 3):  # the archive's order is not the images' order
        part = slice(2 * i - 2, 2 * i)
        batch = python2_pickle(planes["x_train"][part], labels["y_train"][part])
        members[f"{folder}/data_batch_{i}"] = batch
    fetch(serve(server, "cifar10", [tar(members)]), cache)
    images = load_images("cifar10")
    for name, x in arrays.items():
        np.testing.assert_array_equal(getattr(images, name), x / 255 if "x_" in name else x)


@pytest.mark.parametrize("protocol", [2, 5])
@pytest.mark.parametrize("core", [b"numpy.core", b"numpy._core"])
def test_arrays_of_numpy_1_and_2_are_read(protocol, core):
    content = pickle.dumps({b"data": np.eye(3, dtype=">f4"), "n": [1, "é"]}, protocol=2)
    content = content.replace(b"numpy._core", core)
    loaded = read_pickle(content)
    np.testing.assert_array_equal(loaded[b"data"], np.eye(3))
    assert loaded["n"] == [1, "é"]


def test_a_malicious_pickle_is_refused(tmp_path, server, cache):
    trap = tmp_path / "sprung"
    for protocol in range(pickle.HIGHEST_PROTOCOL + 1):
        with pytest.raises(pickle.UnpicklingError, match="not an array"):
            read_pickle(pickle.dumps({b"data": Trap(trap)}, protocol))
    for name in (
        b"os\nsystem",
        b"builtins\neval",
        b"numpy\nload",
        b"numpy.core.multiarray\nscalar",
    ):
        with pytest.raises(pickle.UnpicklingError, match="not an array"):
            read_pickle(b"c" + name + b"\n(S'1'\ntR.")
    archive = tar({"cifar-10-batches-py/test_batch": pickle.dumps(Trap(trap))})
    with pytest.raises(pickle.UnpicklingError):
        fetch(serve(server, "cifar10", [archive]), cache)
    assert not trap.exists() and list(cache.iterdir()) == []


def test_imdb_is_read_from_one_file_per_review(server, cache):
    members = {"aclImdb/README": b"", "aclImdb/train/unsup/0_0.txt": b"no label"}
    for part in ("train", "test"):
        for label in ("pos", "neg"):
            members[f"aclImdb/{part}/urls_{label}.txt"] = b"http://example.org"
            for i in range(5):
                text = f"{part} {label} {i}: très <br />"
                members[f"aclImdb/{part}/{label}/{i}_7.txt"] = text.encode()
    fetch(serve(server, "imdb", [tar(members)]), cache)
    texts = load_texts("imdb")
    assert texts.train_texts[0] == "train neg 0: très <br />"
    assert texts.test_texts[-1] == "test pos 4: très <br />"
    assert texts.y_train.tolist() == texts.y_test.tolist() == [0] * 5 + [1] * 5


RT_POLARITY = tar(
    {
        "rt-polaritydata.README.1.0.txt": b"",
        "rt-polaritydata/rt-polarity.pos": "".join(f"café\x85 {i} \n" for i in range(10)).encode(
            "latin-1"
        ),
        "rt-polaritydata/rt-polarity.neg": "".join(f"bad {i} \n" for i in range(10)).encode(
            "latin-1"
        ),
    }
)


def test_rt_polarity_is_read_as_latin_1(server, cache):
    fetch(serve(server, "rt_polarity", [RT_POLARITY]), cache)
    texts = load_texts("rt_polarity")
    found = dict(
        zip(texts.train_texts + texts.test_texts, [*texts.y_train, *texts.y_test], strict=True)
    )
    assert found == {f"bad {i}": 0 for i in range(10)} | {f"café\x85 {i}": 1 for i in range(10)}


@pytest.mark.parametrize("damaged", [None, b"", RT_POLARITY[:50]])
def test_what_the_cache_lacks_or_has_damaged_is_downloaded(server, cache, damaged):
    file = cache / "rt_polarity.jsonl.gz"
    if damaged is not None:
        file.write_bytes(damaged)
    source = serve(server, "rt_polarity", [RT_POLARITY])
    assert len(_load(source, _read_rt_polarity, None).train_texts) == 16
    (server[0] / "archive0").unlink()  # from now on only the cache can answer
    assert len(_load(source, _read_rt_polarity, None).train_texts) == 16


def test_what_is_not_the_published_file_is_refused_and_leaves_nothing(server, cache):
    source = serve(server, "rt_polarity", [RT_POLARITY])
    (server[0] / "archive0").write_bytes(b"<html>Please log in</html>")
    assert "not the published file" in refusal(fetch, source, cache)
    (server[0] / "archive0").unlink()
    assert "HTTPError" in refusal(fetch, source, cache)
    assert list(cache.iterdir()) == []


def test_a_cache_that_cannot_be_written_is_reported(server, tmp_path):
    (tmp_path / "file").write_bytes(b"")
    source = serve(server, "rt_polarity", [RT_POLARITY])
    assert "cannot be written" in refusal(fetch, source, tmp_path / "file" / "cache")


def test_nothing_heavy_is_imported_before_it_is_needed():
    code = (
        "import experiments.datasets, sys; "
        "sys.exit(str({'jax', 'matplotlib', 'sklearn', 'pooch', 'requests'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True)
    assert done.stderr.strip() == "set()"


# ---------------------------------------------------------------- the real data


def real(*files: str) -> Path:
    folder = Path(REAL or "")
    for file in files:
        if not (folder / file).exists():
            pytest.skip(f"{file} is not in RELU_THEORY_DATA")
    return folder


@real_data
@pytest.mark.parametrize(("name", "shape"), [("mnist", (28, 28)), ("cifar10", (32, 32, 3))])
def test_real_images(name, shape):
    images = load_images(name, real(f"{name}.npz"))
    assert images.x_train.shape[1:] == images.x_test.shape[1:] == shape
    assert images.x_train.min() == 0 and images.x_train.max() == 1
    assert set(images.y_train) == set(images.y_test) == set(range(10))


@real_data
@pytest.mark.parametrize("name", ["imdb", "rt_polarity"])
def test_real_texts(name):
    texts = load_texts(name, real(*SOURCES[name].files))
    assert min(map(len, texts.train_texts + texts.test_texts)) > 0
    assert abs(texts.y_train.mean() - 0.5) < 0.01 and abs(texts.y_test.mean() - 0.5) < 0.01
