"""The official archives in miniature, served by this machine, through the real downloads."""

import gzip
import hashlib
import io
import pickle
import struct
import tarfile
import threading
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import pytest

from experiments.data.downloads import Source, fetch, read_pickle
from experiments.data.images import load_images
from experiments.data.registry import SETS, find
from experiments.data.texts import _read_rt_polarity, load_texts
from tests.files import Trap, keras, npz, refusal
from tests.files import empty_cache as empty_cache  # a fixture, for every test here


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
    source = SETS[name].source
    assert source is not None
    return source._replace(urls=urls)


def assert_loads(name: str, arrays: dict[str, np.ndarray]) -> None:
    images = load_images(name)
    for part, x in arrays.items():
        np.testing.assert_array_equal(getattr(images, part), x / 255 if "x_" in part else x)


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
    assert_loads("fashion_mnist", arrays)


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

    def batch(part, rows=slice(None)):
        planes = arrays[f"x_{part}"][rows].transpose(0, 3, 1, 2).reshape(-1, 3072)
        return python2_pickle(planes, arrays[f"y_{part}"][rows].tolist())

    folder = "cifar-10-batches-py"
    members = {f"{folder}/batches.meta": b"never opened", f"{folder}/test_batch": batch("test")}
    for i in (5, 1, 2, 4, 3):  # the archive's order is not the images' order
        members[f"{folder}/data_batch_{i}"] = batch("train", slice(2 * i - 2, 2 * i))
    fetch(serve(server, "cifar10", [tar(members)]), cache)
    assert_loads("cifar10", arrays)


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
    called = b"os\nsystem", b"builtins\neval", b"numpy\nload", b"numpy.core.multiarray\nscalar"
    for name in called:
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


def ten(line: str) -> bytes:
    return "".join(map(line.format, range(10))).encode("latin-1")


RT_POLARITY = tar(
    {
        "rt-polaritydata.README.1.0.txt": b"",
        "rt-polaritydata/rt-polarity.pos": ten("café\x85 {} \n"),
        "rt-polaritydata/rt-polarity.neg": ten("bad {} \n"),
    }
)


def test_rt_polarity_is_read_as_latin_1(server, cache):
    fetch(serve(server, "rt_polarity", [RT_POLARITY]), cache)
    texts = load_texts("rt_polarity")
    found = dict(
        zip(texts.train_texts + texts.test_texts, [*texts.y_train, *texts.y_test], strict=True)
    )
    assert found == {f"bad {i}": 0 for i in range(10)} | {f"café\x85 {i}": 1 for i in range(10)}


@pytest.mark.parametrize("damaged", [None, b"", RT_POLARITY[:50]], ids=["lacking", "empty", "cut"])
def test_what_the_cache_lacks_or_has_damaged_is_downloaded(server, cache, damaged):
    file = cache / "rt_polarity.jsonl.gz"
    if damaged is not None:
        file.write_bytes(damaged)
    source = serve(server, "rt_polarity", [RT_POLARITY])
    assert len(find(source, _read_rt_polarity).train_texts) == 16
    (server[0] / "archive0").unlink()  # from now on only the cache can answer
    assert len(find(source, _read_rt_polarity).train_texts) == 16


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
