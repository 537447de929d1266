"""From a text to the numbers of its words: two ways to find words, and a vocabulary.

A row of `Vocabulary.encode` begins with the text's first known word and is padded on the right, so
position t of a row, of its embeddings and of their gradients is word t of `Vocabulary.decode`.
"""

import re
import unicodedata
import warnings
from collections import Counter
from collections.abc import Callable, Iterable
from itertools import chain
from typing import NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from experiments.errors import UsageError

_LINE_BREAK = re.compile(r"<br\s*/?>")
# \d are the decimal digits of every script; Latin-1's fractions and exponents would pass as letters
# below. Both apostrophes, so that don't and don’t are one word.
_LEFT_OUT = re.compile(r"[\d²³¹¼½¾'’]")
# Vowels of Hindi and Thai, points of Arabic and Hebrew, and accents of their own are marks, which
# Python's \w leaves out; joiners stand within words of Persian and Hindi. What only chooses a
# picture, as most emoji do, belongs to no word; nor does what the planes beyond hold.
_MARKS = "".join(
    mark
    for mark in map(chr, range(0x20000))
    if unicodedata.category(mark) in ("Mn", "Mc") and not "\ufe00" <= mark <= "\ufe0f"
)
_WORD = re.compile(rf"[^\W\d_](?:[^\W\d_]|[{_MARKS}\u200c\u200d])*")
_DIGIT = re.compile(r"\d")
_SCRIPT_TOKEN = re.compile(r"[a-z*$-]+")


def tokenise_review(text: str) -> list[str]:
    """The words of a review: lower-case runs of letters and of marks on them, of any script.

    The HTML line breaks that IMDB's reviews contain part words; digits and apostrophes are left
    out and do not; everything else parts words. Accents are one with their letter (NFC), however
    they were typed.

    Example:
        >>> tokenise_review("Don't miss it!<br /><br />A 2nd, well-made CAFÉ film: 10/10")
        ['dont', 'miss', 'it', 'a', 'nd', 'well', 'made', 'café', 'film']
    """
    text = _LINE_BREAK.sub(" ", text.lower())
    return _WORD.findall(unicodedata.normalize("NFC", _LEFT_OUT.sub("", text)))


def tokenise_script(text: str) -> list[str]:
    """The tokens of a PowerShell script: lower case, every digit a star, runs of `[a-z*$-]`.

    Example:
        >>> tokenise_script("$Days = 14; Get-ChildItem -Path C:\\\\Logs_7")
        ['$days', '**', 'get-childitem', '-path', 'c', 'logs', '*']
    """
    return _SCRIPT_TOKEN.findall(_DIGIT.sub("*", text.lower()))


TOKENISERS: dict[str, Callable[[str], list[str]]] = {
    "review": tokenise_review,
    "script": tokenise_script,
}
"""The ways to find words, by name."""


_UNSPACED = {
    name: re.compile(f"[{characters}]")
    for name, characters in {
        "Japanese": "\u3040-\u30ff",
        "Chinese": "\u3400-\u9fff\U00020000-\U0003ffff",  # in Japanese as well, beside its own
        "Thai": "\u0e00-\u0e7f",
        "Lao": "\u0e80-\u0eff",
        "Burmese": "\u1000-\u109f",
        "Khmer": "\u1780-\u17ff",
    }.items()
}


def warn_of_runs(what: str, texts: Iterable[str]) -> None:
    """Warn of texts, at least a quarter of them in a script that puts no spaces between words.

    Example:
        >>> warn_of_runs("The text", ["a very good film, with 很好看 in it"])
    """
    counts, total = Counter(), 0
    for text in texts:
        total += len(text)
        if not text.isascii():
            counts.update({name: len(one.findall(text)) for name, one in _UNSPACED.items()})
    if 4 * counts.total() > total:
        name = next(name for name in _UNSPACED if 10 * counts[name] > counts.total())
        warnings.warn(
            f"{what} is in {name}, which puts no spaces between words: where you have put none "
            "either, a whole clause passes for one word.",
            stacklevel=2,
        )


class Vocabulary(NamedTuple):
    """The words that a model knows; a word's number is its place among them.

    Attributes:
        words: number 0 is the padding "", the words follow.

    Example:
        >>> vocabulary = Vocabulary(("", "good", "film"))
        >>> rows = vocabulary.encode([["a", "good", "film"], []], length=4)
        >>> rows.tolist()
        [[1, 2, 0, 0], [0, 0, 0, 0]]
        >>> vocabulary.decode(rows[0])
        ['good', 'film']
    """

    words: tuple[str, ...]

    def encode(self, tokens: Iterable[list[str]], length: int) -> NDArray[np.int32]:
        """Numbers of the first known words of every text, (n, length), padded with 0 on the right.

        Args:
            tokens: the words of n texts; an iterator is read once, so that `map` over many texts
                never holds the words of them all.
            length: the words kept of a text, at least 1; unknown ones do not count.
        """
        if length < 1:
            raise UsageError(f"Texts of {length} words cannot be encoded: give a length from 1 up.")
        number = {word: i for i, word in enumerate(self.words[1:], 1)}
        rows = []
        for text in tokens:
            known = [number[word] for word in text if word in number][:length]
            rows.append(np.zeros(length, np.int32))
            rows[-1][: len(known)] = known
        return np.array(rows, np.int32).reshape(len(rows), length)

    def decode(self, ids: ArrayLike) -> list[str]:
        """The words of one row of `encode`, without the padding."""
        ids = np.asarray(ids, np.int64)
        if not ((ids >= 0) & (ids < len(self.words))).all():
            raise UsageError(
                f"Numbers from {ids.min()} to {ids.max()} are not all of a vocabulary of "
                f"{len(self.words)}: decode with the one that encoded them."
            )
        return [self.words[i] for i in ids if i]


def build_vocabulary(tokens: Iterable[list[str]], size: int) -> Vocabulary:
    """The most frequent words, or all where there are fewer, alphabetical where equally frequent.

    Args:
        tokens: the words of every text; an iterator is read once.
        size: the number of words besides the padding, at least 1.

    Example:
        >>> build_vocabulary([["a", "fine", "film"], ["a", "bad", "film"]], size=3).words
        ('', 'a', 'film', 'bad')
    """
    if size < 1:
        raise UsageError(f"There is no vocabulary of {size} words: give a size from 1 up.")
    counts = Counter(chain.from_iterable(tokens))
    del counts[""]  # the padding is no word; a Counter lets delete what it has not
    ordered = sorted(counts.items(), key=lambda item: (-item[1], item[0]))
    return Vocabulary(("", *(word for word, _ in ordered[:size])))
