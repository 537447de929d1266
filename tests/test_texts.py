"""Sets of texts through the real loader: the files it reads, and ways to be bad."""

import gzip
import json
import os
from pathlib import Path

import numpy as np
import pytest

from experiments.data.downloads import IMDB, RT_POLARITY
from experiments.data.registry import fingerprint
from experiments.data.texts import load_texts
from tests.files import empty_cache as empty_cache  # a fixture, for every test here
from tests.files import real, refusal


def jsonl(rows) -> bytes:
    return gzip.compress("".join(json.dumps(row) + "\n" for row in rows).encode(), mtime=0)


def reviews(word: str, count=10) -> list[dict]:
    return [{"text": f"{word} {i}", "label": i % 2} for i in range(count)]


# ---------------------------------------------------------------- published sets


@pytest.fixture
def mine(tmp_path, monkeypatch) -> Path:
    """A folder of the user's own data."""
    monkeypatch.setenv("RELU_THEORY_DATA", str(tmp_path))
    return tmp_path


def test_texts_of_a_folder(mine):
    train, test = reviews("première"), reviews("line\nbreak\x85\u2028", 12)
    (mine / "imdb_train.jsonl.gz").write_bytes(jsonl(train))
    (mine / "imdb_test.jsonl.gz").write_bytes(jsonl(test))
    texts = load_texts("imdb")
    assert texts.train_texts == [row["text"] for row in train]
    assert texts.test_texts == [row["text"] for row in test]
    assert texts.y_test.tolist() == [0, 1] * 6 and texts.y_test.dtype == np.int64


def test_rt_polarity_is_split_by_label_and_the_same_every_time(mine):
    (mine / "rt_polarity.jsonl.gz").write_bytes(jsonl(reviews("film", 100)))
    texts = load_texts("rt_polarity")
    assert (len(texts.train_texts), len(texts.test_texts)) == (80, 20)
    assert texts.y_train.sum() == 40 and texts.y_test.sum() == 10
    assert len({*texts.train_texts, *texts.test_texts}) == 100
    # Each text kept its own label.
    assert [int(text.split()[1]) % 2 for text in texts.test_texts] == texts.y_test.tolist()
    assert load_texts("rt_polarity").test_texts == texts.test_texts


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "fewer than five"),
        (b"plain text", "BadGzipFile"),
        (jsonl(reviews("film"))[:-9], "EOFError"),
        (jsonl(reviews("film"))[:30] + b"\0" + jsonl(reviews("film"))[31:], "cannot be read"),
        (gzip.compress(b'{"text": "\xff", "label": 1}\n', mtime=0), "UnicodeDecodeError"),
        (gzip.compress(b'{"text": "a", "label"\n', mtime=0), "line 1"),
        (gzip.compress(b"[" * 100_000, mtime=0), "line 1"),
        (gzip.compress(b"1" * 10_000, mtime=0), "line 1"),
        (jsonl([*reviews("film"), ["text", 1]]), "line 11"),
        (jsonl([*reviews("film"), {"text": "a"}]), "line 11"),
        (jsonl([{"text": 1, "label": 1}]), "line 1"),
        *((jsonl([{"text": "a", "label": y}]), "line 1") for y in (2, True, 1.0, float("nan"))),
        (jsonl([{"text": "a", "label": 1}] * 20), "fewer than five"),
    ],
)
def test_bad_texts_are_refused(mine, content, words):
    file = mine / "rt_polarity.jsonl.gz"
    file.write_bytes(content)
    message = refusal(load_texts, "rt_polarity")
    assert str(file) in message and words in message and "replace it" in message
    assert file.read_bytes() == content


def test_half_a_set_is_an_error(mine):
    (mine / "imdb_train.jsonl.gz").write_bytes(jsonl(reviews("film")))
    assert str(mine / "imdb_test.jsonl.gz") in refusal(load_texts, "imdb")


@pytest.mark.parametrize(("name", "source"), [("imdb", IMDB), ("rt_polarity", RT_POLARITY)])
def test_real_texts(monkeypatch, name, source):
    monkeypatch.setenv("RELU_THEORY_DATA", str(real(*source.files)))
    texts = load_texts(name)
    assert min(map(len, texts.train_texts + texts.test_texts)) > 0
    assert abs(texts.y_train.mean() - 0.5) < 0.01 and abs(texts.y_test.mean() - 0.5) < 0.01


def test_scripts_are_balanced_and_none_is_in_both_parts():
    texts = load_texts("scripts")
    assert texts.name == "scripts"
    assert (len(texts.train_texts), len(texts.test_texts)) == (2000, 500)
    assert texts.y_train.sum() == 1000 and texts.y_test.sum() == 250
    assert len({*texts.train_texts, *texts.test_texts}) == 2500
    assert load_texts("scripts").train_texts == texts.train_texts


# ---------------------------------------------------------------- a folder of one's own


@pytest.fixture
def folder(tmp_path) -> Path:
    """Ten negative and twenty positive texts, made in another order than their names'."""
    made = tmp_path / "mine"
    for part, count in (("negative", 10), ("positive", 20)):
        (made / part).mkdir(parents=True)
        for i in reversed(range(count)):
            (made / part / f"{i:02}.txt").write_bytes(f"{part} {i}: café\r\n".encode())
    return made


def test_a_folder_is_split_by_label_and_sorted_by_file_name(folder):
    texts = load_texts(str(folder))
    assert texts.name == "mine"
    assert (len(texts.train_texts), len(texts.test_texts)) == (24, 6)
    assert texts.y_train.sum() == 16 and texts.y_test.sum() == 4
    assert texts.y_train.dtype == texts.y_test.dtype == np.int64
    for part, y in ((texts.train_texts, texts.y_train), (texts.test_texts, texts.y_test)):
        assert [text.startswith("positive") for text in part] == y.astype(bool).tolist()
        order = [(text.split()[0], int(text.split()[1][:-1])) for text in part]
        assert order == sorted(order)
    assert set(texts.train_texts + texts.test_texts) == {
        f"{part} {i}: café\r\n"
        for part, count in (("negative", 10), ("positive", 20))
        for i in range(count)
    }
    assert load_texts(str(folder)).test_texts == texts.test_texts


def test_ways_to_name_a_folder(folder, monkeypatch):
    texts = load_texts(str(folder)).train_texts
    monkeypatch.chdir(folder.parent)
    for name in ("mine", "./mine", "mine/", "mine/negative/.."):
        assert load_texts(name).name == "mine" and load_texts(name).train_texts == texts
        assert fingerprint(name) == fingerprint(str(folder))
    # A published set keeps its name, whatever folder is here.
    folder.rename("scripts")
    assert len(load_texts("scripts").train_texts) == 2000


def test_other_files_and_deeper_folders_are_left_alone(folder):
    texts, found = load_texts(str(folder)), fingerprint(str(folder))
    (folder / "README.txt").write_text("no text of the set")
    (folder / "positive" / "notes.md").write_text("nor this")
    (folder / "positive" / "deeper.txt").mkdir()
    (folder / "positive" / "deeper.txt" / "0.txt").write_text("nor this")
    os.symlink(folder, folder / "negative" / "loop")
    assert load_texts(str(folder)).train_texts == texts.train_texts
    assert fingerprint(str(folder)) == found


@pytest.mark.parametrize(
    ("content", "text"),
    [
        (b"", ""),
        ("🎬 שלום".encode(), "🎬 שלום"),
        ("\ufeffmarked".encode(), "marked"),
    ],
)
def test_utf_8_is_read_without_a_word(folder, content, text):
    (folder / "negative" / "00.txt").write_bytes(content)
    texts = load_texts(str(folder))
    assert text in texts.train_texts + texts.test_texts


FRENCH, CHINESE = "C'était très beau, à la française.", "这部电影非常好看，演员的表演也很出色。"


@pytest.mark.parametrize(
    ("text", "encoding", "said"),
    [
        ("this", "utf-16", "utf-16"),
        ("this", "utf-16-le", "utf-16-le"),
        ("this", "utf-16-be", "utf-16-be"),
        ("this", "utf-32", "utf-32"),
        ("café", "latin-1", "cp1252"),
        (FRENCH, "latin-1", "cp1252"),
        ("It’s “great”", "cp1252", "cp1252"),
        (CHINESE, "gb2312", "gb18030"),
        ("Этот фильм мне очень понравился", "koi8_r", "koi8_r"),
        ("Piękny film, choć żółte światło było męczące", "cp1250", "cp1250"),
    ],
)
def test_another_encoding_is_read_and_named(folder, text, encoding, said):
    file = folder / "negative" / "00.txt"
    file.write_bytes(text.encode(encoding))
    with pytest.warns(UserWarning) as caught:
        texts = load_texts(str(folder))
    assert text in texts.train_texts + texts.test_texts
    assert str(caught[0].message).startswith(f"{file} is read as {said}:")


def test_files_of_several_encodings_are_read_each_as_its_own(folder):
    wanted = {"00": (FRENCH, "latin-1"), "01": (CHINESE, "gb2312"), "02": ("thé", "latin-1")}
    for name, (text, encoding) in wanted.items():
        (folder / "positive" / f"{name}.txt").write_bytes(text.encode(encoding))
    with pytest.warns(UserWarning) as caught:
        texts = load_texts(str(folder))
    assert {text for text, _ in wanted.values()} <= {*texts.train_texts, *texts.test_texts}
    first, second = (str(each.message) for each in caught)
    assert "00.txt, with 1 more like it, is read as cp1252" in first and "gb18030" in second


def test_a_broken_byte_of_utf_8_does_not_spoil_the_rest(folder):
    (folder / "negative" / "00.txt").write_bytes(CHINESE.encode() + b"\xff" + FRENCH.encode())
    with pytest.warns(UserWarning, match="00.txt is read as UTF-8 with damage"):
        texts = load_texts(str(folder))
    assert CHINESE + "\ufffd" + FRENCH in texts.train_texts + texts.test_texts


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\0", "is no text, but binary"),
        (b"\x89PNG\r\n\x1a\n\0\0\0\rIHDR", "is no text, but binary"),
        (bytes(range(256)), "is no text, but binary"),
        (b"PK\x03\x04", "is no text, but binary"),
        (b"\x1b$B1G2h\x1b(B", "is no text, but binary"),  # ISO-2022-JP would pass for ASCII
        (b"\xff\xfet", "is no text, but binary"),
        ("很好看".encode("gb2312"), "may be any of big5"),
    ],
)
def test_what_is_no_text_or_cannot_be_told_is_refused(folder, content, words):
    file = folder / "negative" / "00.txt"
    file.write_bytes(content)
    message = refusal(load_texts, str(folder))
    assert str(file) in message and words in message and "save it as UTF-8" in message
    assert file.read_bytes() == content


def test_files_of_macos_are_skipped_and_any_case_is_txt(folder):
    texts = load_texts(str(folder))
    (folder / "negative" / "._00.txt").write_bytes(b"\0\5\x16\7Mac OS X")
    for file in list((folder / "positive").iterdir()):
        file.rename(file.with_suffix(".TXT"))
    assert load_texts(str(folder)).train_texts == texts.train_texts


def test_the_layout_of_acl_imdb(folder, tmp_path):
    whole = load_texts(str(folder))
    for part, short in (("negative", "neg"), ("positive", "pos")):
        (folder / part).rename(folder / short)
    assert load_texts(str(folder)).train_texts == whole.train_texts
    archive = tmp_path / "aclImdb"
    archive.mkdir()
    folder.rename(archive / "train")
    (archive / "train" / "unsup").mkdir()
    held_out = load_texts(str(archive))
    assert (held_out.name, held_out.train_texts) == ("aclImdb", whole.train_texts)
    seen = {fingerprint(str(archive))}
    for label, part in enumerate(("neg", "pos")):
        (archive / "test" / part).mkdir(parents=True)
        for i in range(5):
            (archive / "test" / part / f"{i}_{label}.txt").write_text(f"test {label}")
    texts = load_texts(str(archive))
    assert len(texts.train_texts) == 30 and texts.y_train.tolist() == [0] * 10 + [1] * 20
    assert texts.test_texts == ["test 0"] * 5 + ["test 1"] * 5
    assert texts.y_test.tolist() == [0] * 5 + [1] * 5
    assert fingerprint(str(archive)) not in seen
    (archive / "train" / "negative").mkdir()
    assert "has both negative and neg" in refusal(load_texts, str(archive))


@pytest.mark.parametrize(
    ("text", "language"),
    [
        (CHINESE, "Chinese"),
        ("この映画はとても面白かったです。", "Japanese"),
        ("หนังเรื่องนี้ดีมาก", "Thai"),
    ],
)
def test_a_script_without_spaces_is_named(folder, text, language):
    for file in folder.glob("*/*.txt"):
        file.write_text(text, encoding="utf-8")
    with pytest.warns(UserWarning, match=f"is in {language}, which puts no spaces"):
        load_texts(str(folder))


def test_a_file_name_that_is_no_utf_8_is_read(folder):
    try:
        (folder / "negative" / os.fsdecode(b"\xff.txt")).write_text("fine")
    except OSError:
        pytest.skip("this file system takes only UTF-8 names")
    assert len(load_texts(str(folder)).y_train) == 24 and len(fingerprint(str(folder))) == 64


def test_the_fingerprint_of_a_folder_follows_names_and_contents(folder):
    seen = {fingerprint(str(folder))}
    first = folder / "negative" / "00.txt"
    first.write_bytes(b"another")
    seen.add(fingerprint(str(folder)))
    first.rename(folder / "negative" / "0.txt")
    seen.add(fingerprint(str(folder)))
    (folder / "negative" / "0.txt").rename(folder / "positive" / "0.txt")
    seen.add(fingerprint(str(folder)))
    assert len(seen) == 4


def no_folder(at: Path):
    (at / "positive").rename(at / "good")


def a_file_for_a_folder(at: Path):
    no_folder(at)
    (at / "positive").write_text("no folder")


def too_few(at: Path):
    for file in list(at.glob("negative/0[4-9].txt")):
        file.unlink()


def other_endings(at: Path):
    for file in list((at / "positive").iterdir()):
        file.rename(file.with_suffix(".text"))


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (no_folder, "mine has no folder positive"),
        (a_file_for_a_folder, "mine has no folder positive"),
        (other_endings, "positive has no files *.txt"),
        (
            lambda at: [f.unlink() for f in at.glob("negative/0[4-9].txt")],
            "negative has 4 files *.txt",
        ),
        (lambda at: os.symlink(at / "absent", at / "negative/a.txt"), "a.txt cannot be read"),
        (lambda at: os.mkfifo(at / "negative/a.txt"), "a.txt is no ordinary file"),
    ],
)
def test_bad_folders_are_refused(folder, damage, words):
    damage(folder)
    message = refusal(load_texts, str(folder))
    assert words in message and str(folder) in message
    assert refusal(fingerprint, str(folder)) == message


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root reads all files")
def test_files_without_permission_are_refused(folder):
    (folder / "negative" / "00.txt").chmod(0)
    assert "00.txt cannot be read" in refusal(load_texts, str(folder))
    (folder / "negative").chmod(0)
    assert "negative cannot be read" in refusal(load_texts, str(folder))
    (folder / "negative").chmod(0o700)


def test_a_path_that_leads_nowhere_is_refused(tmp_path):
    for name in (tmp_path / "absent", "absent/", "/dev/null", "a/\0", "x/" * 10_000):
        assert "There is no folder" in refusal(load_texts, str(name))
        assert "There is no folder" in refusal(fingerprint, str(name))
