"""A set of texts as numbers: words, labels ±1, the words that decide where that is known."""

from dataclasses import dataclass
from math import inf
from typing import NamedTuple, get_args

import jax
import numpy as np
from numpy.typing import NDArray

from experiments.data.scripts import TELL_TALE
from experiments.data.texts import load_texts
from experiments.data.words import TOKENISERS, Vocabulary, build_vocabulary
from experiments.errors import UsageError
from theory import settings as foundation
from theory.attribution.copies import Kind
from theory.attribution.embedding import ppmi_embedding, random_embedding
from theory.sampling import planted_texts

RATES = {"flat": 0.03, "sum": 0.03, "max": 0.1, "lstm": 0.01}
"""Step sizes with which each kind learns the planted texts and the reviews."""


class Sizes(NamedTuple):
    """What suits a set of texts, for the fields of `TextSettings` of the same names."""

    tokens: int
    vocabulary: int
    d: int
    ppmi: bool
    samples: int
    epochs: int
    batch: int


SIZES = {
    "planted": Sizes(32, 500, 64, False, 4000, 15, 64),
    "scripts": Sizes(64, 500, 64, False, 2000, 15, 64),
    "rt_polarity": Sizes(32, 4000, 32, True, 8528, 8, 64),
    "imdb": Sizes(250, 1000, 32, True, 25_000, 10, 128),
}
"""A folder of one's own is taken for reviews as in imdb."""


@dataclass(frozen=True)
class TextSettings(foundation.Settings):
    """Texts, their embedding, and copies of a classifier trained on them."""

    dataset: str = "planted"
    """planted, scripts, rt_polarity, imdb, or a folder of negative/*.txt and positive/*.txt"""
    tokens: int | None = None
    """words T of a text, longer ones are cut; what suits the set when None"""
    vocabulary: int | None = None
    """words V that the classifiers know, the most frequent; what suits the set when None"""
    d: int | None = None
    """dimension of a word's embedding, shared by all copies; what suits the set when None"""
    ppmi: bool | None = None
    """embed words by their neighbours (PPMI, SVD), not at random; what suits the set when None"""
    samples: int | None = None
    """training texts n, at most as many as the set has; what suits the set when None"""
    epochs: int | None = None
    """passes over the training texts; what suits set and kind when None"""
    batch: int | None = None
    """texts of a training step; what suits the set when None"""
    width: int = 64
    """neurons m of the two-layer networks; an LSTM has half as many hidden units in each layer"""
    copies: int = 5
    """copies M of the classifier, independently initialised; the first one is explained"""
    learning_rate: float | None = None
    """step size at the start; what suits the kind of classifier when None"""

    def __post_init__(self):
        super().__post_init__()
        if self.copies < 3:
            raise ValueError(
                f"copies is {self.copies}; the agreement of copies needs at least 3 of them"
            )
        if self.learning_rate is not None and not 0 < self.learning_rate < inf:
            raise ValueError(f"learning_rate is {self.learning_rate} and must be positive")
        if self.d == 1:
            raise ValueError("d is 1, a dimension in which all directions agree; give at least 2")

    @property
    def sizes(self) -> Sizes:
        """The sizes, with what suits the set filled in.

        Example:
            >>> TextSettings(tokens=100).sizes[:3]
            (100, 500, 64)
        """
        suited = SIZES.get(self.dataset, SIZES["imdb"])
        given = {name: getattr(self, name) for name in Sizes._fields}
        return suited._replace(**{name: x for name, x in given.items() if x is not None})

    def rate(self, kind: Kind) -> float:
        """The step size of a kind of classifier."""
        return RATES[kind] if self.learning_rate is None else self.learning_rate

    def passes(self, kind: Kind) -> int:
        """Passes over the training texts; an LSTM, trained by Adam, needs half as many.

        Example:
            >>> TextSettings().passes("lstm"), TextSettings(epochs=15).passes("lstm")
            (7, 15)
        """
        halved = kind == "lstm" and self.epochs is None
        return self.sizes.epochs // 2 if halved else self.sizes.epochs

    def hidden(self, kind: Kind) -> int:
        """Neurons, or hidden units of an LSTM's layer."""
        return max(1, self.width // 2) if kind == "lstm" else self.width


@dataclass(frozen=True)
class ComparedSettings(TextSettings):
    """Several kinds of classifiers, each explained on several texts, on several data sets."""

    kinds: tuple[Kind, ...] = get_args(Kind)
    """classifiers: flat, sum, max, lstm"""
    texts: int = 40
    """test texts explained, of each data set"""
    trials: int = 5
    """data sets, each with its own texts, embedding and copies"""

    def __post_init__(self):
        super().__post_init__()
        if not self.kinds:
            raise ValueError("kinds is empty; give one of flat, sum, max, lstm")
        for name in ("texts", "trials"):
            if getattr(self, name) < 2:
                raise ValueError(f"{name} is {getattr(self, name)}; an interval needs at least 2")


class Corpus(NamedTuple):
    """Encoded texts: rows of word numbers, 0 being padding on the right.

    Attributes:
        vocabulary: the words.
        x_train, y_train: texts (n, T) and labels ±1 (n,), float32 for training.
        x_test, y_test: the same for testing.
        target: the words that decide each test text (m, T); None where nobody knows.
    """

    vocabulary: Vocabulary
    x_train: NDArray[np.int32]
    y_train: NDArray[np.float32]
    x_test: NDArray[np.int32]
    y_test: NDArray[np.float32]
    target: NDArray[np.bool_] | None


def load_corpus(settings: TextSettings, key, position: int | None = None) -> Corpus:
    """Load and encode a set of texts, its training texts shuffled and cut to ``samples``.

    Args:
        settings: which set, and how its texts become numbers.
        key: of the planted texts, and of the order of others.
        position: where the word that decides a planted text stands; anywhere when None.

    Raises:
        UsageError: as of `load_texts`; or no text has a known word.
    """
    if settings.dataset == "planted":
        return _planted(settings, key, position)
    texts = load_texts(settings.dataset)
    tokenise = TOKENISERS["script" if settings.dataset == "scripts" else "review"]
    vocabulary = build_vocabulary(map(tokenise, texts.train_texts), settings.sizes.vocabulary)
    train, test = (
        vocabulary.encode(map(tokenise, part), settings.sizes.tokens)
        for part in (texts.train_texts, texts.test_texts)
    )
    order = np.asarray(jax.random.permutation(jax.random.fold_in(key, 0), len(train)))
    order = order[: settings.sizes.samples]
    shuffle = np.asarray(jax.random.permutation(jax.random.fold_in(key, 1), len(test)))
    target = None
    if settings.dataset == "scripts":
        telling = [i for i, word in enumerate(vocabulary.words) if word in TELL_TALE]
        target = np.isin(test[shuffle], telling)
    return Corpus(
        vocabulary,
        train[order],
        _signs(texts.y_train[order]),
        test[shuffle],
        _signs(texts.y_test[shuffle]),
        target,
    )


def _signs(y: NDArray[np.int64]) -> NDArray[np.float32]:
    return np.where(y > 0, 1, -1).astype(np.float32)


def _planted(settings: TextSettings, key, position: int | None) -> Corpus:
    if position is not None and not 0 <= position < settings.sizes.tokens:
        raise UsageError(
            f"There is no position {position} in texts of {settings.sizes.tokens} words: give one "
            f"from 0 to {settings.sizes.tokens - 1}."
        )
    parts = []
    for part, count in enumerate((settings.sizes.samples, max(100, settings.sizes.samples // 8))):
        part_key = jax.random.fold_in(key, part)
        try:
            texts = planted_texts(
                part_key, count, settings.sizes.tokens, settings.sizes.vocabulary, position=position
            )
        except ValueError as error:
            raise UsageError(f"Such texts cannot be planted: {error}.") from error
        parts.append([np.asarray(array) for array in texts])
    (x_train, y_train, _), (x_test, y_test, target) = parts
    # Words 1 and 2 decide, 3 and 4 are decoys: see `planted_texts`.
    names = ("", "tell+", "tell−", "decoy1", "decoy2")
    words = (*names, *(f"w{i}" for i in range(len(names), settings.sizes.vocabulary + 1)))
    return Corpus(
        Vocabulary(words),
        x_train,
        y_train.astype(np.float32),
        x_test,
        y_test.astype(np.float32),
        target,
    )


def decided(corpus: Corpus, count: int) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """The first test texts in which a word decides, and which of their words do.

    Args:
        corpus: one whose deciding words are known.
        count: texts at most.
    """
    assert corpus.target is not None
    rows = np.flatnonzero(corpus.target.any(axis=1))[:count]
    return corpus.x_test[rows], corpus.target[rows]


def embed(settings: TextSettings, corpus: Corpus, key) -> NDArray[np.float32]:
    """The table that all copies share, shape (V + 1, d), its first row 0.

    Raises:
        UsageError: the texts have too few words for so many dimensions.
    """
    vocabulary = len(corpus.vocabulary.words) - 1
    if not settings.sizes.ppmi:
        return np.asarray(random_embedding(key, vocabulary, settings.sizes.d), np.float32)
    if settings.sizes.d > vocabulary:
        raise UsageError(
            f"The texts have {vocabulary} words, too few to embed in {settings.sizes.d} "
            "dimensions: lower d or raise vocabulary."
        )
    return ppmi_embedding(corpus.x_train, vocabulary, settings.sizes.d).astype(np.float32)
