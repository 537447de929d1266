"""The text that is explained, and the copies that explain it."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, NamedTuple

import jax
import numpy as np
from numpy.typing import NDArray

from experiments.attribution.corpus import SMOKE, TextSettings
from experiments.attribution.training import Prepared, logits_of
from experiments.data.words import warn_of_runs
from experiments.errors import UsageError
from theory.attribution.copies import Kind
from theory.attribution.texts import untrained_scores
from theory.settings import Bound, Count

FEWEST = 3
"""Copies that must agree on the class of a text, the least from which the paper explains."""


@dataclass(frozen=True)
class ChosenSettings(TextSettings):
    """One text, and copies of a classifier to explain."""

    dataset: str = "scripts"
    text: str | None = None
    """the text to explain; a test text when None"""
    which: Count = 1
    """which of the test texts that enough copies get right, counted from 1"""
    # With fewer, no p-value reaches .05.
    chance: Annotated[int, Bound(at_least=19)] = 999
    """sets of untrained copies B behind the p-values, which are at least 1/(1 + B)"""


SMALL = SMOKE | {"dataset": "planted", "copies": 4, "epochs": 8, "chance": 99}
"""Settings of the smallest run."""

LARGE: dict[str, Any] = dict(
    dataset="imdb", tokens=500, vocabulary=1000, samples=25_000, d=64, width=512, epochs=5,
    learning_rate=0.001,
)  # fmt: skip
"""Settings of a run as large as the paper's, for an LSTM."""


class Chosen(NamedTuple):
    """A text and its copies.

    Attributes:
        ids: numbers of its words, padding on the right (T,).
        words: the words, without padding.
        copies: those that agree on the class; the first one is explained.
        agreeing: how many these are.
        predicted: the class, ±1.
        label: the true class, ±1, or None for a text of one's own.
        left_out: words of the text that are unknown or beyond ``tokens``.
        before: how many of ``words`` stand before each of these.
    """

    ids: NDArray[np.int32]
    words: tuple[str, ...]
    copies: Any
    agreeing: int
    predicted: int
    label: int | None
    left_out: tuple[str, ...]
    before: tuple[int, ...]

    def by_chance(self, settings: ChosenSettings, kind: Kind, table, key) -> NDArray[np.float64]:
        """`untrained_scores` of the text by as many copies as agree, (sets, words)."""
        sets, width = settings.chance, settings.hidden(kind)
        return untrained_scores(kind, table[self.ids], self.agreeing, sets, key, width)


def choose(settings: ChosenSettings, prepared: Prepared) -> Chosen:
    """Find the text and the copies that agree on it: on its label, or on the majority's class.

    Raises:
        UsageError: the text has no known word, too few copies agree, or there is no such text.
    """
    corpus = prepared.corpus
    if settings.text is not None:
        found = settings.words_of(settings.text)
        ids = corpus.vocabulary.encode([found], settings.sizes.tokens)[0]
        if not ids.any():
            raise UsageError(
                f"The text has none of the {len(corpus.vocabulary.words) - 1} words that the "
                f"classifiers know from {settings.dataset}: give another, or raise vocabulary."
            )
        outputs = logits_of(prepared.copies, prepared.table, ids[None])[:, 0]
        warn_of_runs("The text", [settings.text])
        label = None
        predicted = 1 if (outputs > 0).sum() * 2 > len(outputs) else -1
    else:
        outputs = logits_of(prepared.copies, prepared.table, corpus.x_test)
        enough = ((outputs > 0) == (corpus.y_test > 0)[None, :]).sum(axis=0) >= FEWEST
        candidates = np.flatnonzero(enough & (corpus.x_test > 0).any(axis=1))
        if settings.which > len(candidates):
            raise UsageError(
                f"which is {settings.which}, but {len(candidates)} test texts have a known word "
                f"and are classified rightly by {FEWEST} copies: lower it, or train longer."
            )
        index = candidates[settings.which - 1]
        ids, label, outputs = corpus.x_test[index], int(corpus.y_test[index]), outputs[:, index]
        predicted = label
        found = None if corpus.texts is None else settings.words_of(corpus.texts[index])
    agree = np.flatnonzero((outputs > 0) == (predicted > 0))
    if len(agree) < FEWEST:
        raise UsageError(
            f"Only {len(agree)} of {len(outputs)} copies agree on the class of this text, and "
            f"agreement needs {FEWEST}: raise copies, or choose another text."
        )
    words, copies = corpus.vocabulary.decode(ids), jax.tree.map(lambda x: x[agree], prepared.copies)
    gaps = left_out(words if found is None else found, words)
    return Chosen(ids, tuple(words), copies, len(agree), predicted, label, *gaps)


def left_out(found: Sequence[str], kept: Sequence[str]) -> tuple[tuple[str, ...], tuple[int, ...]]:
    """The words of a text that `Vocabulary.encode` did not keep, and how many kept precede each.

    Example:
        >>> left_out(["a", "very", "good", "film", "indeed"], ["a", "good"])
        (('very', 'film', 'indeed'), (1, 2, 2))
    """
    words, before, done = [], [], 0
    for word in found:
        if done < len(kept) and word == kept[done]:
            done += 1
        else:
            words.append(word)
            before.append(done)
    return tuple(words), tuple(before)
