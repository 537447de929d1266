"""Where each dataset comes from, and how its official archive becomes the files we keep.

Nothing downloaded is trusted: an archive is opened only after its hash is checked, tar members are
read in place and never extracted, and CIFAR's pickles go through `read_pickle`, which builds
arrays and plain values and refuses everything else.
"""

import codecs
import gzip
import io
import json
import os
import pickle
import tarfile
import tempfile
from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from experiments.errors import UsageError

# Seconds to connect and to wait for the next bytes: a machine without network hears of it soon,
# a slow server may still take minutes over a large archive.
TIMEOUT = (5, 30)


class Source(NamedTuple):
    """One dataset on the network and in the cache."""

    files: tuple[str, ...]
    """the names it has in the cache, or in a folder of the user's own"""
    urls: dict[str, str]
    """each address, with its hash as algorithm:hexadecimal"""
    convert: Callable[[Sequence[Path], Path], None]
    """reads the archives, in the order of `urls`, and writes `files` into the folder given"""


def fetch(source: Source, cache: Path) -> None:
    """Download a dataset, check it, convert it, and only then put its files into the cache.

    Raises:
        UsageError: there is no network, the server sends something else, or the cache cannot be
            written.
    """
    # A fifth of a second to import, and needed only by who downloads. Pooch announces each
    # download on stderr; stdout stays clean.
    import pooch
    import requests

    files = " and ".join(source.files)
    instead = f"put {files} in a folder and pass --data DIR"
    downloader = pooch.HTTPDownloader(progressbar=False, timeout=TIMEOUT)
    try:
        cache.mkdir(parents=True, exist_ok=True)
        # Inside the cache, so that os.replace never crosses file systems and stays atomic.
        with tempfile.TemporaryDirectory(dir=cache, prefix="download-") as staging:
            # Pooch's Downloader protocol names other arguments than its downloaders do.
            options: Any = {"path": staging, "downloader": downloader}
            archives = [
                Path(pooch.retrieve(url, known_hash, fname=url.rsplit("/", 1)[-1], **options))
                for url, known_hash in source.urls.items()
            ]
            converted = Path(staging) / "converted"
            converted.mkdir()
            source.convert(archives, converted)
            for name in source.files:
                os.replace(converted / name, cache / name)
    except requests.RequestException as error:
        if error.response is not None:  # "404 not found", which pooch leaves open
            error.response.close()
        raise UsageError(
            f"{files} could not be downloaded ({type(error).__name__}): "
            f"{instead}, or connect to the network once."
        ) from error
    except ValueError as error:  # pooch's word for a hash that differs
        raise UsageError(
            f"What was downloaded for {files} is not the published file "
            f"(a login page of the network, perhaps): {instead}, or try another network."
        ) from error
    except OSError as error:
        raise UsageError(
            f"The cache {cache} cannot be written ({error}): make room there, or {instead}."
        ) from error


def convert_mnist(archives: Sequence[Path], folder: Path) -> None:
    """Keep Keras's mnist.npz as it is."""
    (archive,) = archives
    os.replace(archive, folder / "mnist.npz")


def convert_fashion_mnist(archives: Sequence[Path], folder: Path) -> None:
    """Turn train images, train labels, test images, test labels in IDX format into one npz."""
    names = ("x_train", "y_train", "x_test", "y_test")
    arrays = dict(zip(names, map(_read_idx, archives), strict=True))
    np.savez(folder / "fashion_mnist.npz", **arrays)


def _read_idx(file: Path) -> np.ndarray:
    # IDX: two zero bytes, 8 for "unsigned byte", the number of axes, their lengths as big-endian
    # 32-bit integers, the entries.
    content = gzip.decompress(file.read_bytes())
    axes = content[3]
    shape = np.frombuffer(content, ">i4", count=axes, offset=4)
    return np.frombuffer(content, np.uint8, offset=4 + 4 * axes).reshape(shape)


def convert_cifar10(archives: Sequence[Path], folder: Path) -> None:
    """Turn the "python version" of CIFAR-10 into one npz of (n, 32, 32, 3) images."""
    (archive,) = archives
    batches = {}
    with tarfile.open(archive, "r:gz") as members:
        for member in members:
            name = member.name.rsplit("/", 1)[-1]
            if name == "test_batch" or name.startswith("data_batch_"):
                batches[name] = read_pickle(_read_member(members, member))
    test = batches.pop("test_batch")
    train = [batches[name] for name in sorted(batches)]
    np.savez(
        folder / "cifar10.npz",
        # A row holds the red plane, the green plane, the blue plane.
        x_train=_channels_last(np.concatenate([batch[b"data"] for batch in train])),
        y_train=np.concatenate([np.array(batch[b"labels"], np.uint8) for batch in train]),
        x_test=_channels_last(test[b"data"]),
        y_test=np.array(test[b"labels"], np.uint8),
    )


def _channels_last(rows: np.ndarray) -> np.ndarray:
    return rows.reshape(-1, 3, 32, 32).transpose(0, 2, 3, 1)


class _ArrayUnpickler(pickle.Unpickler):
    # An array is rebuilt by three of numpy's functions, under the module names of numpy 1 or 2;
    # protocol 2 writes bytes as a call of _codecs.encode.
    allowed = {
        ("numpy.core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
        ("numpy._core.multiarray", "_reconstruct"): np.empty(0).__reduce__()[0],
        ("numpy", "ndarray"): np.ndarray,
        ("numpy", "dtype"): np.dtype,
        ("_codecs", "encode"): codecs.encode,
    }

    def find_class(self, module_name: str, global_name: str, /) -> Any:
        try:
            return self.allowed[module_name, global_name]
        except KeyError:
            raise pickle.UnpicklingError(
                f"a data file asks for {module_name}.{global_name}, which is not an array"
            ) from None


def read_pickle(content: bytes) -> Any:
    """Read a pickle of numpy arrays, dicts, lists, strings and numbers; run nothing else.

    It may be of Python 2, whose strings come out as bytes.

    Raises:
        pickle.UnpicklingError: the pickle names any other function or class, or is damaged.

    Example:
        >>> read_pickle(pickle.dumps({b"labels": [3, 8]}))
        {b'labels': [3, 8]}
    """
    return _ArrayUnpickler(io.BytesIO(content), encoding="bytes").load()


def convert_imdb(archives: Sequence[Path], folder: Path) -> None:
    """Turn aclImdb's one file per review into one line per review, in the order of file names."""
    (archive,) = archives
    reviews = {"train": [], "test": []}
    with tarfile.open(archive, "r:gz") as members:
        for member in members:
            match member.name.split("/"):
                case [_, ("train" | "test") as part, ("neg" | "pos") as label, name]:
                    text = _read_member(members, member).decode("utf-8")
                    reviews[part].append((label, name, text))
    for part, found in reviews.items():
        rows = ((text, int(label == "pos")) for label, _, text in sorted(found))
        _write_texts(folder / f"imdb_{part}.jsonl.gz", rows)


def convert_rt_polarity(archives: Sequence[Path], folder: Path) -> None:
    """Turn rt-polarity.neg and rt-polarity.pos into one file, negative sentences first."""
    (archive,) = archives
    rows = []
    with tarfile.open(archive, "r:gz") as members:
        for label, ending in enumerate(("neg", "pos")):
            content = _read_member(members, f"rt-polaritydata/rt-polarity.{ending}")
            # Split bytes, not text: str.splitlines would also break at latin-1's \x85.
            lines = (line.strip() for line in content.split(b"\n"))
            rows.extend((line.decode("latin-1"), label) for line in lines if line)
    _write_texts(folder / "rt_polarity.jsonl.gz", rows)


def _write_texts(file: Path, rows: Iterable[tuple[str, int]]) -> None:
    with gzip.open(file, "wt", encoding="utf-8") as lines:
        for text, label in rows:
            print(json.dumps({"text": text, "label": label}, ensure_ascii=False), file=lines)


def _read_member(archive: tarfile.TarFile, member: tarfile.TarInfo | str) -> bytes:
    content = archive.extractfile(member)
    assert content is not None, f"{member} is not a file"
    return content.read()


_GOOGLE = "https://storage.googleapis.com"
_FASHION = "https://raw.githubusercontent.com/zalandoresearch/fashion-mnist/master/data/fashion"

MNIST = Source(
    ("mnist.npz",),
    {
        f"{_GOOGLE}/tensorflow/tf-keras-datasets/mnist.npz": "sha256:"
        "731c5ac602752760c8e48fbffcf8c3b850d9dc2a2aedcf2cc48468fc17b673d1"
    },
    convert_mnist,
)
FASHION_MNIST = Source(
    ("fashion_mnist.npz",),
    {
        f"{_FASHION}/train-images-idx3-ubyte.gz": "md5:8d4fb7e6c68d591d4c3dfef9ec88bf0d",
        f"{_FASHION}/train-labels-idx1-ubyte.gz": "md5:25c81989df183df01b3e8a0aad5dffbe",
        f"{_FASHION}/t10k-images-idx3-ubyte.gz": "md5:bef4ecab320f06d8554ea6380940ec79",
        f"{_FASHION}/t10k-labels-idx1-ubyte.gz": "md5:bb300cfdad3c16e7a12a480ee83cd310",
    },
    convert_fashion_mnist,
)
CIFAR10 = Source(
    ("cifar10.npz",),
    {
        "https://www.cs.toronto.edu/~kriz/cifar-10-python.tar.gz": "sha256:"
        "6d958be074577803d12ecdefd02955f39262c83c16fe9348329d7fe0b5c001ce"
    },
    convert_cifar10,
)
_STANFORD = "https://ai.stanford.edu/~amaas/data/sentiment"
IMDB = Source(
    ("imdb_train.jsonl.gz", "imdb_test.jsonl.gz"),
    {f"{_STANFORD}/aclImdb_v1.tar.gz": "md5:7c2ac02c03563afcf9b574c7e56c153a"},
    convert_imdb,
)
RT_POLARITY = Source(
    ("rt_polarity.jsonl.gz",),
    {
        f"{_GOOGLE}/seldon-datasets/sentence_polarity_v1/rt-polaritydata.tar.gz": "sha256:"
        "a05befe52aafda71d458d188a1c54506a998b1308613ba76bbda2e5029409ce9"
    },
    convert_rt_polarity,
)
