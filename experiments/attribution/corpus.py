"""A set of texts as numbers: words, labels ±1, the words that decide where that is known."""

from dataclasses import dataclass
from enum import IntEnum
from typing import Annotated, Any, NamedTuple, get_args

import jax
import numpy as np
from numpy.typing import NDArray

from experiments.data.scripts import TELL_TALE
from experiments.data.texts import load_texts
from experiments.data.words import TOKENISERS, Vocabulary, build_vocabulary
from experiments.errors import UsageError
from experiments.suited import filled
from theory import settings as foundation
from theory.attribution.copies import Kind
from theory.attribution.embedding import ppmi_embedding, random_embedding
from theory.keys import named
from theory.sampling import planted_texts
from theory.settings import Bound, Count, Filled, Positive, Sample

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
    tokens: Count | None = None
    """words T of a text, longer ones are cut; what suits the set when None"""
    vocabulary: Count | None = None
    """words V that the classifiers know, the most frequent; what suits the set when None"""
    d: Sample | None = None
    """dimension of a word's embedding, shared by all copies; what suits the set when None"""
    ppmi: bool | None = None
    """embed words by their neighbours (PPMI, SVD), not at random; what suits the set when None"""
    samples: Count | None = None
    """training texts n, at most as many as the set has; what suits the set when None"""
    epochs: Count | None = None
    """passes over the training texts; what suits set and kind when None"""
    batch: Count | None = None
    """texts of a training step; what suits the set when None"""
    width: Count = 64
    """neurons m of the two-layer networks; an LSTM has half as many hidden units in each layer"""
    copies: Annotated[int, Bound(at_least=3)] = 5
    """copies M of the classifier, independently initialised; the first one is explained"""
    learning_rate: Positive | None = None
    """step size at the start; what suits the kind of classifier when None"""

    @property
    def sizes(self) -> Sizes:
        """The sizes, with what suits the set filled in.

        Example:
            >>> TextSettings(tokens=100).sizes[:3]
            (100, 500, 64)
        """
        return filled(self, SIZES.get(self.dataset, SIZES["imdb"]))

    def words_of(self, text: str) -> list[str]:
        """The words of a text, found as those of the data set are."""
        if self.dataset == "planted":
            return text.split()
        return TOKENISERS["script" if self.dataset == "scripts" else "review"](text)

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

    kinds: Filled[Kind] = get_args(Kind)
    """classifiers: flat, sum, max, lstm"""
    texts: Sample = 40
    """test texts explained, of each data set"""
    trials: Sample = 5
    """data sets, each with its own texts, embedding and copies"""


SMOKE: dict[str, Any] = dict(
    tokens=8, d=8, vocabulary=30, samples=256, width=16, copies=3, epochs=2, trials=2
)
"""Settings of the smallest run of everything."""

PAPER: dict[str, Any] = dict(samples=16_000, width=256, texts=200, trials=20)
"""Settings of a run as large as a paper's, on planted texts."""


class Part(IntEnum):
    """The two parts of a set, each drawn or shuffled with a key of its own."""

    TRAIN = 0
    TEST = 1


class Corpus(NamedTuple):
    """Encoded texts: rows of word numbers, 0 being padding on the right.

    Attributes:
        vocabulary: the words.
        x_train, y_train: texts (n, T) and labels ±1 (n,), float32 for training.
        x_test, y_test: the same for testing.
        target: the words that decide each test text (m, T); None where nobody knows.
        texts: the test texts as they are; None where they are made of known words.
    """

    vocabulary: Vocabulary
    x_train: NDArray[np.int32]
    y_train: NDArray[np.float32]
    x_test: NDArray[np.int32]
    y_test: NDArray[np.float32]
    target: NDArray[np.bool_] | None
    texts: list[str] | None = None


def load_corpus(settings: TextSettings, key, position: int | None = None) -> Corpus:
    """Load and encode a set of texts, its training texts shuffled and cut to ``samples``.

    Args:
        settings: which set, and how its texts become numbers.
        key: of the planted texts, and of the order of others.
        position: where the word that decides a planted text stands; anywhere when None.
    """
    if settings.dataset == "planted":
        return _planted(settings, key, position)
    texts = load_texts(settings.dataset)
    words_of = settings.words_of
    vocabulary = build_vocabulary(map(words_of, texts.train_texts), settings.sizes.vocabulary)
    train, test = (
        vocabulary.encode(map(words_of, part), settings.sizes.tokens)
        for part in (texts.train_texts, texts.test_texts)
    )
    order, shuffle = (
        np.asarray(jax.random.permutation(named(key, part), len(ids)))
        for part, ids in ((Part.TRAIN, train), (Part.TEST, test))
    )
    order = order[: settings.sizes.samples]
    target = None
    if settings.dataset == "scripts":
        telling = [i for i, word in enumerate(vocabulary.words) if word in TELL_TALE]
        target = np.isin(test[shuffle], telling)
    y_train, y_test = (
        np.where(y > 0, 1, -1).astype(np.float32)
        for y in (texts.y_train[order], texts.y_test[shuffle])
    )
    shown = [texts.test_texts[i] for i in shuffle]
    return Corpus(vocabulary, train[order], y_train, test[shuffle], y_test, target, shown)


def _planted(settings: TextSettings, key, position: int | None) -> Corpus:
    tokens, vocabulary = settings.sizes.tokens, settings.sizes.vocabulary
    samples = {Part.TRAIN: settings.sizes.samples, Part.TEST: max(100, settings.sizes.samples // 8)}
    drawn = []
    for part, count in samples.items():
        try:
            texts = planted_texts(named(key, part), count, tokens, vocabulary, position=position)
        except ValueError as error:
            raise UsageError(f"Such texts cannot be planted: {error}.") from error
        x, y, target = map(np.asarray, texts)
        drawn.append((x, y.astype(np.float32), target))
    (x_train, y_train, _), test = drawn
    # Words 1 and 2 decide, 3 and 4 are decoys: see `planted_texts`.
    names = ("", "tell+", "tell−", "decoy1", "decoy2")
    words = (*names, *(f"w{i}" for i in range(len(names), vocabulary + 1)))
    return Corpus(Vocabulary(words), x_train, y_train, *test)


def decided(corpus: Corpus, count: int) -> tuple[NDArray[np.int32], NDArray[np.bool_]]:
    """The first test texts in which a word decides, ``count`` at most, and which words do."""
    assert corpus.target is not None
    rows = np.flatnonzero(corpus.target.any(axis=1))[:count]
    return corpus.x_test[rows], corpus.target[rows]


def embed(settings: TextSettings, corpus: Corpus, key) -> NDArray[np.float32]:
    """The table that all copies share, shape (V + 1, d), its first row alone 0.

    A word of which no neighbour says anything, as in texts of one word, is embedded at random.

    Raises:
        UsageError: the texts have too few words for so many dimensions.
    """
    vocabulary = len(corpus.vocabulary.words) - 1
    at_random = np.asarray(random_embedding(key, vocabulary, settings.sizes.d), np.float32)
    if not settings.sizes.ppmi:
        return at_random
    if settings.sizes.d > vocabulary:
        raise UsageError(
            f"The texts have {vocabulary} words, too few to embed in {settings.sizes.d} "
            "dimensions: lower d or raise vocabulary."
        )
    table = ppmi_embedding(corpus.x_train, vocabulary, settings.sizes.d).astype(np.float32)
    return np.where(table.any(axis=1, keepdims=True), table, at_random)
