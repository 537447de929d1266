"""Words and vocabularies: what parts words, hostile text, order, and round trips."""

import time

import numpy as np
import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from experiments.data.texts import load_texts
from experiments.data.words import TOKENISERS, Vocabulary, build_vocabulary, tokenise_script
from experiments.data.words import tokenise_review as review
from tests.files import real, refusal

# Hypothesis's own text has no lone surrogates, which JSON's escapes can bring in.
ANY_TEXT = st.text(st.characters(exclude_categories=()))


# ---------------------------------------------------------------- words of reviews


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", []),
        (" \t\n\r\x85\u2028", []),
        ("Good GOOD gOOd", ["good"] * 3),
        ("good.Bad,ugly", ["good", "bad", "ugly"]),
        ("one<br />two<br/>three<BR>four<br  />", ["one", "two", "three", "four"]),
        ("<brave> a<b", ["brave", "a", "b"]),
        ("<script>alert('x')</script>", ["script", "alert", "x", "script"]),
        ("don't don’t 'quoted'", ["dont", "dont", "quoted"]),
        ("the 1990s, 10/10, m4trix, 3½ stars, ٣", ["the", "s", "mtrix", "stars"]),
        ("well-made snake_case", ["well", "made", "snake", "case"]),
        ("CAFÉ Ünder ñ", ["café", "ünder", "ñ"]),
        ("סרט טוב, فيلم جيد", ["סרט", "טוב", "فيلم", "جيد"]),
        ("映画 🎬👍🏽 good👍film", ["映画", "good", "film"]),
        ("फिल्म बहुत अच्छी।", ["फिल्म", "बहुत", "अच्छी"]),
        ("ภาพยนตร์ดี", ["ภาพยนตร์ดี"]),
        ("فِيلْمٌ جَمِيلٌ", ["فِيلْمٌ", "جَمِيلٌ"]),
        ("cafe\u0301 café \u0301x", ["café", "café", "x"]),
        ("می\u200cخواهم", ["می\u200cخواهم"]),
        ("ℹ\ufe0f ❤\ufe0f good\u20e3", ["ℹ", "good"]),
        ("nul\0nul \0", ["nul", "nul"]),
        ("lone\ud800surrogate\udfff", ["lone", "surrogate"]),
        ("\u202eright\u202c \ufeffmark", ["right", "mark"]),
    ],
)
def test_words_of_a_review(text, words):
    assert review(text) == words


@given(ANY_TEXT)
@example("x<br />y")
def test_words_of_a_review_are_words_again(text):
    words = review(text)
    assert all(words) and review(" ".join(words)) == words


# ---------------------------------------------------------------- tokens of scripts


@pytest.mark.parametrize(
    ("text", "tokens"),
    [
        ("", []),
        ("Get-ChildItem -Recurse", ["get-childitem", "-recurse"]),
        ("$x1=$env:TEMP+'\\a22.txt'", ["$x*", "$env", "temp", "a**", "txt"]),
        ("[int]3.14", ["int", "*", "**"]),
        ("snake_case # é", ["snake", "case"]),
        ("<script>", ["script"]),
        ("a٣", ["a*"]),
        ("nul\0nul \ud800 🎬 שלום", ["nul", "nul"]),
    ],
)
def test_tokens_of_a_script(text, tokens):
    assert tokenise_script(text) == tokens


@given(ANY_TEXT)
def test_tokens_of_a_script_are_tokens_again(text):
    tokens = tokenise_script(text)
    assert set("".join(tokens)) <= set("abcdefghijklmnopqrstuvwxyz*$-")
    assert all(tokens) and tokenise_script(" ".join(tokens)) == tokens


@pytest.mark.slow
@pytest.mark.parametrize("name", TOKENISERS)
@pytest.mark.parametrize("part", ["a", "1", "'", "<br", "<br />", "<", "é", "\0", "\ud800"])
def test_ten_megabytes_of_one_kind_take_seconds(name, part):
    start = time.perf_counter()
    TOKENISERS[name](part * (10_000_000 // len(part)))
    # About one second; time that grew with the square of the length would be days.
    assert time.perf_counter() - start < 60


def test_one_long_word_is_one_word():
    word = "a" * 10_000_000
    assert review(word) == tokenise_script(word) == [word]
    vocabulary = build_vocabulary([[word]], size=1)
    assert vocabulary.decode(vocabulary.encode([[word]], length=2)[0]) == [word]


# ---------------------------------------------------------------- vocabularies


def test_frequent_words_come_first_and_ties_are_alphabetical():
    tokens = [["b", "c", "a"], ["c", "d"], ["é", "b", "c"], []]
    assert build_vocabulary(tokens, 100).words == ("", "c", "b", "a", "d", "é")
    assert build_vocabulary(tokens, 3).words == ("", "c", "b", "a")
    assert build_vocabulary(reversed(tokens), 3) == build_vocabulary(iter(tokens), 3)


@given(st.lists(st.lists(st.sampled_from("abcdefg"))), st.integers(1, 8))
def test_vocabulary_against_counting_by_hand(tokens, size):
    flat = [word for text in tokens for word in text]
    counted = sorted({(-flat.count(word), word) for word in flat})
    assert build_vocabulary(tokens, size).words == ("", *(word for _, word in counted[:size]))


def test_the_empty_word_is_never_a_word():
    vocabulary = build_vocabulary([["", "a", ""]], size=5)
    assert vocabulary.words == ("", "a")
    assert vocabulary.encode([["", "a", ""]], length=3).tolist() == [[1, 0, 0]]


def test_texts_without_a_word_have_a_vocabulary_of_padding():
    vocabulary = build_vocabulary([[], []], size=5)
    assert vocabulary.words == ("",)
    assert vocabulary.encode([["a"]], length=2).tolist() == [[0, 0]]


KNOWN = Vocabulary(("", "good", "bad"))


def test_unknown_words_are_dropped_before_the_text_is_cut():
    ids = KNOWN.encode([["x", "bad", "x", "good", "bad"], ["x", "y"], [], ["good"] * 9], length=2)
    assert ids.tolist() == [[2, 1], [0, 0], [0, 0], [1, 1]]
    assert ids.dtype == np.int32


@pytest.mark.parametrize("count", [0, 1, 3])
def test_shape_of_a_code(count):
    for tokens in ([["good"]] * count, iter([["good"]] * count)):
        assert KNOWN.encode(tokens, length=4).shape == (count, 4)


@given(st.lists(st.lists(st.sampled_from(["good", "bad", "x"]))), st.integers(1, 5))
def test_position_in_a_row_is_position_among_the_known_words(tokens, length):
    for text, row in zip(tokens, KNOWN.encode(tokens, length), strict=True):
        words = [word for word in text if word != "x"][:length]
        assert KNOWN.decode(row) == words
        assert [KNOWN.words[i] for i in row] == words + [""] * (length - len(words))


@given(ANY_TEXT)
def test_round_trip_of_any_text(text):
    tokens = review(text)
    vocabulary = build_vocabulary([tokens], size=len(tokens) + 1)
    ids = vocabulary.encode([tokens], length=len(tokens) + 1)
    assert vocabulary.decode(ids[0]) == tokens and ids[0, -1] == 0


def test_numbers_that_mean_nothing_are_refused():
    assert "length from 1 up" in refusal(KNOWN.encode, [["good"]], 0)
    assert "size from 1 up" in refusal(build_vocabulary, [["good"]], 0)
    assert "from 0 to 3" in refusal(KNOWN.decode, [0, 3])
    assert "from -1 to 1" in refusal(KNOWN.decode, [-1, 1])
    assert KNOWN.decode([]) == []


def test_real_reviews(monkeypatch):
    folder = real("imdb_train.jsonl.gz", "imdb_test.jsonl.gz")
    monkeypatch.setenv("RELU_THEORY_DATA", str(folder))
    texts = load_texts("imdb")
    vocabulary = build_vocabulary(map(review, texts.train_texts), size=1000)
    assert vocabulary.words[:3] == ("", "the", "and") and "br" not in vocabulary.words
    ids = vocabulary.encode(map(review, texts.test_texts), length=500)
    assert ids.shape == (len(texts.test_texts), 500)
    # Frequent words are most of any text, and none is shorter than a sentence.
    assert (ids[:, 0] > 0).all() and 100 < (ids > 0).sum(1).mean() < 300
