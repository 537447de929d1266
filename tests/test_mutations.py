"""Two hundred and more mutated inputs: read as what they are, said, or refused in one sentence.

Each mutation says what the mutant means: the original, or nothing. Whatever is read without a word
must mean that; errors are `UsageError` or `ValueError` alone, and one sentence. Seeds are fixed.
"""

import io
import warnings
from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from experiments.data.images import load_images
from experiments.data.texts import load_texts
from experiments.errors import UsageError
from tests.files import empty_cache as empty_cache  # a fixture, for every test here
from theory.checks import check_points
from theory.networks import TwoLayerReLU
from theory.unlearning.checks import check_forget


def outcome(call: Callable[[], Any], error: type[Exception]) -> tuple[Any, list[str]]:
    """What a call gives and the warnings it gives it with; None where it refuses properly."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            found = call()
        except error as refusal:  # any other fails the test
            message = str(refusal)
            assert message and "\n" not in message and len(message) < 500
            found = None
    return found, [str(each.message) for each in caught]


# ---------------------------------------------------------------- files of images

RNG = np.random.default_rng(0)
IMAGES = {
    "x_train": RNG.integers(1, 256, (12, 7, 6, 3), np.uint8),
    "y_train": np.arange(12) % 3,
    "x_test": RNG.integers(1, 256, (6, 7, 6, 3), np.uint8),
    "y_test": np.arange(6) % 3,
}


def pixels(change: Callable[[Any], Any]) -> Callable[[dict], dict]:
    return lambda arrays: {k: change(v) if k[0] == "x" else v for k, v in arrays.items()}


def labels(change: Callable[[Any], Any]) -> Callable[[dict], dict]:
    return lambda arrays: {k: change(v) if k[0] == "y" else v for k, v in arrays.items()}


SAME = {
    "float64": pixels(lambda x: x / 255),
    "float32": pixels(lambda x: (x / 255).astype(np.float32)),
    "big-endian": pixels(lambda x: (x / 255).astype(">f8")),
    "Fortran's order": pixels(lambda x: np.asfortranarray(x)),
    "not contiguous": pixels(lambda x: np.repeat(x, 2, axis=2)[:, :, ::2]),
    "rounded up": pixels(lambda x: np.where(x == 255, 1.0000001, x / 255)),
    "channels first": pixels(lambda x: np.moveaxis(x, -1, 1)),
    "alpha": pixels(lambda x: np.concatenate([x, 0 * x[..., :1] + 255], axis=-1)),
    "column": labels(lambda y: y[:, None]),
    "whole floats": labels(lambda y: y.astype(np.float32)),
    "small unsigned": labels(lambda y: y.astype(np.uint8)),
    "big-endian labels": labels(lambda y: y.astype(">i4")),
    "from 1": labels(lambda y: y + 1),
    "tens": labels(lambda y: 10 * y),
    "large labels": labels(lambda y: y + 10**9),
    "more arrays": lambda arrays: arrays | {"x_valid": np.zeros(5)},
}
"""What means the same."""

NOTHING = {
    "bytes as floats": pixels(lambda x: x.astype(float)),
    "bytes as integers": pixels(lambda x: x.astype(int)),
    "-1 to 1": pixels(lambda x: x / 127.5 - 1),
    "standardised": pixels(lambda x: (x - x.mean()) / x.std()),
    "divided twice": pixels(lambda x: x / 255**2),
    "bits as bytes": pixels(lambda x: (x > 127).astype(np.uint8)),
    "percent": pixels(lambda x: x / 2.55),
    "NaN": pixels(lambda x: np.where(x > 200, np.nan, x / 255)),
    "complex": pixels(lambda x: x + 0j),
    "strings": pixels(lambda x: x.astype(str)),
    "records": pixels(lambda x: x.view([("red", "u1"), ("green", "u1"), ("blue", "u1")])),
    "half seen": pixels(lambda x: np.concatenate([x, x[..., :1] // 2], axis=-1)),
    "two colours": pixels(lambda x: x[..., :2]),
    "one image": pixels(lambda x: x[0]),
    "none": pixels(lambda x: x[:0]),
    "six axes": pixels(lambda x: x[:, None, None]),
    "transposed": pixels(lambda x: x.T),
    "black": pixels(lambda x: 0 * x),
    "one black": pixels(lambda x: x * (np.arange(len(x)) > 0)[:, None, None, None].astype("u1")),
    "one-hot": labels(lambda y: np.eye(3)[y]),
    "names": labels(lambda y: np.array(["cat", "dog", "eel"])[y]),
    "bytes of names": labels(lambda y: np.array([b"cat", b"dog", b"eel"])[y]),
    "dates": labels(lambda y: y.astype("M8[D]")),
    "objects": labels(lambda y: y.astype(object)),
    "probabilities": labels(lambda y: y / 2 + 0.1),
    "unknown": labels(lambda y: y - 1),
    "NaN labels": labels(lambda y: np.where(y > 1, np.nan, y)),
    "huge labels": labels(lambda y: y * 1e300),
    "complex labels": labels(lambda y: y + 0j),
    "one class": labels(lambda y: 0 * y),
    "one label": labels(lambda y: y[:1]),
    "a scalar": labels(lambda y: y[0]),
    "swapped": lambda a: a | {"x_train": a["y_train"], "y_train": a["x_train"]},
    "test for train": lambda a: a | {"x_train": a["x_test"]},
    "another side": lambda a: a | {"x_test": a["x_test"][:, :5]},
    "new class": lambda a: a | {"y_test": a["y_test"] + 1},
    "no labels": lambda a: {k: v for k, v in a.items() if k[0] == "x"},
    "other keys": lambda a: {k.replace("x_", "X_"): v for k, v in a.items()},
    "unnamed": lambda a: {f"arr_{i}": v for i, v in enumerate(a.values())},
}
"""What is no set, or might be two."""


def is_the_set(images) -> bool:
    return all(
        np.allclose(
            np.asarray(found, float), IMAGES[key] / (255 if key[0] == "x" else 1), atol=1e-6
        )
        for key, found in images._asdict().items()
        if key != "name"
    )


@pytest.mark.parametrize("name", [*SAME, *NOTHING])
def test_mutated_arrays(tmp_path, name):
    file = tmp_path / "mine.npz"
    np.savez(file, **(SAME | NOTHING)[name](IMAGES))
    content = file.read_bytes()
    images, _ = outcome(lambda: load_images(str(file)), UsageError)
    assert is_the_set(images) if name in SAME else images is None
    assert file.read_bytes() == content


def mutate(content: bytearray, rng: np.random.Generator, kind: int, cut: int, more: int) -> None:
    """Change bytes at one to three places: one another, fewer than ``cut`` out, or ``more`` in."""
    for _ in range(rng.integers(1, 4)):
        at = int(rng.integers(len(content)))
        match kind:
            case 0 | 1:
                content[at] = rng.integers(256)
            case 2:
                del content[at : at + int(rng.integers(1, cut))]
            case _:
                content[at:at] = rng.bytes(int(rng.integers(1, more)))


@pytest.mark.parametrize("seed", range(40))
def test_mutated_bytes_of_an_archive(tmp_path, seed):
    """What the archive's checksums do not guard is read as it was, or refused."""
    rng = np.random.default_rng(seed)
    packed = io.BytesIO()
    (np.savez if seed % 2 else np.savez_compressed)(packed, **IMAGES)
    content = bytearray(packed.getvalue())
    mutate(content, rng, seed % 4, cut=200, more=20)
    file = tmp_path / "mine.npz"
    file.write_bytes(content)
    images, _ = outcome(lambda: load_images(str(file)), UsageError)
    assert images is None or is_the_set(images)


# ---------------------------------------------------------------- files of texts

TEXTS = {
    "French": "C'était très beau, à la française, où l'été naît.",
    "Chinese": "这部电影非常好看，演员的表演也很出色。",
    "Russian": "Этот фильм мне очень понравился, игра актёров великолепна.",
    "English": "A well-made film: it’s “great” – really…",
    "Korean": "이 영화는 정말 재미있었습니다. 배우들의 연기도 훌륭했습니다.",
    "Greek": "Η ταινία ήταν πολύ ωραία και οι ηθοποιοί εξαιρετικοί.",
}
ANY = ("utf-8", "utf-8-sig", "utf-16", "utf-32", "utf-16-le", "utf-16-be", "gb18030")
ENCODINGS = {
    "French": (*ANY, "latin-1", "cp1252", "cp850"),
    "Chinese": (*ANY, "gb2312"),
    "Russian": (*ANY, "koi8-r", "cp1251", "gb2312"),
    "English": (*ANY, "cp1252", "mac_roman"),
    "Korean": (*ANY, "cp949", "iso2022_kr"),
    "Greek": (*ANY, "cp1253", "iso8859_7"),
}


def read_one(tmp_path, content: bytes) -> tuple[str | None, list[str]]:
    """How the first of ten texts is read."""
    for part in ("negative", "positive"):
        (tmp_path / part).mkdir()
        for i in range(5):
            (tmp_path / part / f"{i}.txt").write_text(f"{part} text {i}")
    (tmp_path / "negative" / "0.txt").write_bytes(content)
    texts, said = outcome(lambda: load_texts(str(tmp_path)), UsageError)
    if texts is None:
        return None, said
    known = {f"{part} text {i}" for part in ("negative", "positive") for i in range(5)}
    (found,) = {*texts.train_texts, *texts.test_texts} - known
    return found, said


@pytest.mark.parametrize(
    ("language", "encoding"), [(name, each) for name in TEXTS for each in ENCODINGS[name]]
)
def test_encodings(tmp_path, language, encoding):
    """Read as it was, or refused; other than UTF-8 with a word.

    UTF-7 and HZ are not among them: they are ASCII, and nothing tells them from it.
    """
    text = TEXTS[language]
    found, said = read_one(tmp_path, text.encode(encoding))
    if found is not None:
        # DOS had accents where Windows has signs; the word is all that the user gets.
        assert found == text or encoding == "cp850"
        assert any("0.txt" in each for each in said) != encoding.startswith("utf-8")


@pytest.mark.parametrize("seed", range(40))
def test_mutated_bytes_of_a_text(tmp_path, seed):
    """Without a word only what is UTF-8, and no control character among it."""
    rng = np.random.default_rng(seed)
    content = bytearray(
        [*TEXTS.values()][seed % len(TEXTS)].encode(("utf-8", "utf-16", "utf-16-le")[seed % 3])
    )
    mutate(content, rng, seed % 4, cut=9, more=9)
    found, said = read_one(tmp_path, bytes(content))
    if found is not None and not any("0.txt" in each for each in said):
        assert found == content.decode("utf-8-sig")
    assert found is None or not set(found) & {*map(chr, range(9)), "\x7f", "\x1b"}


# ---------------------------------------------------------------- arrays

W, U = np.arange(1.0, 13.0).reshape(4, 3), np.array([1.0, -2.0, 3.0, -4.0])
POINTS = np.array([[1.0, 0.5, -2.0], [0.0, 1.0, 0.0], [2.0, -1.0, 1.0], [-1.0, -1.0, 5.0]])
SIGNS = np.array([1.0, -1.0, -1.0, 1.0])

FORMS: tuple[Callable[[np.ndarray], Any], ...] = (
    *(lambda a: a, lambda a: a.T, lambda a: a[None], lambda a: a[..., None], lambda a: a.tolist()),
    *(lambda a: a.astype(np.float32), lambda a: a.astype(np.int8), jnp.asarray),
    *(lambda a: a + 0j, lambda a: a.astype(str), lambda a: a.astype(object), lambda a: a[:-1]),
    *(lambda a: a.ravel(), lambda a: a > 0, lambda a: a * np.nan, lambda a: a.astype("m8[s]")),
    *(lambda a: None, lambda a: "array", lambda a: {"a": a}, lambda a: [[1.0], a.tolist()]),
)


def mutant(rng, *arrays: np.ndarray) -> list[Any]:
    """Each array in a form drawn at random, or left alone."""
    return [FORMS[rng.integers(len(FORMS))](a) if rng.random() < 0.7 else a for a in arrays]


@pytest.mark.parametrize("seed", range(60))
def test_mutated_arrays_of_networks_and_data(seed):
    """A network or data of the numbers given, or a ValueError."""
    rng = np.random.default_rng(seed)
    w, u = mutant(rng, W, U)
    net, _ = outcome(lambda: TwoLayerReLU(w, u), ValueError)
    if net is not None:
        numbers = np.asarray(w, float), np.asarray(u, float)
        wanted = numbers[0] if numbers[0].shape[0] == numbers[1].size else numbers[0].T
        np.testing.assert_array_equal(net.w, wanted)
        np.testing.assert_array_equal(net.u, numbers[1].ravel())
    x, y = mutant(rng, POINTS, SIGNS)
    data, _ = outcome(lambda: check_points(x, y), ValueError)
    if data is not None:
        np.testing.assert_array_equal(data[0], np.asarray(x, float))
        np.testing.assert_array_equal(data[1], np.asarray(y, float).ravel())
        assert set(np.asarray(data[1]).tolist()) <= {-1.0, 1.0} and data[1].shape == (len(x),)
    chosen = np.flatnonzero(rng.random(4) < 0.5)
    mask = np.isin(np.arange(4), chosen)
    for given in (*mutant(rng, chosen), *mutant(rng, mask)):
        found, _ = outcome(lambda given=given: check_forget(given, 4), ValueError)
        if found is not None:
            asked = np.asarray(given)
            wanted = np.flatnonzero(asked) if asked.dtype == bool else np.atleast_1d(asked)
            assert list(found) == wanted.astype(float).tolist()
