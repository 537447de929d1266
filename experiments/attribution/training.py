"""Copies of a classifier trained on a set of texts; long trainings are kept and resumed.

Training is in single precision whatever the rest is in: a gradient step needs no more, and the
copies of an LSTM are trained for minutes, not seconds.
"""

import hashlib
from enum import IntEnum
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float

from experiments.attribution.corpus import Corpus, TextSettings, embed, load_corpus
from experiments.errors import UsageError
from experiments.experiment import Progress
from experiments.results import store
from experiments.results.closure import closure, digest
from theory.attribution.copies import (
    Kind,
    Training,
    begin,
    draw_batches,
    draw_untrained,
    logits,
    optimizer,
    train_epoch,
)
from theory.keys import named


class Drawn(IntEnum):
    """What is drawn for a set of texts with its key, and then for the training with its own.

    What an experiment draws beside a prepared set is numbered by itself, from 5.
    """

    INITIAL = 0
    TEXTS = 1
    EMBEDDING = 2
    TRAINING = 3
    SHUFFLED_LABELS = 4


BUCKETS = 4
"""Lengths to which batches of an LSTM's texts are cut, so that less padding is computed."""

_epoch = jax.jit(train_epoch, static_argnames=("optimizer", "sizes"))
_batches = jax.jit(draw_batches, static_argnames=("batch", "sizes"))
_logits = jax.jit(logits)
untrained = jax.jit(draw_untrained, static_argnames=("kind", "words", "d", "width"))

# An optimiser is a static argument: the same one must come back for the same program.
_optimizer = cache(optimizer)


def train(
    settings: TextSettings,
    kind: Kind,
    corpus: Corpus,
    table: Float[np.ndarray, "vocabulary_and_padding d"],
    key,
    progress: Progress,
    keep: bool,
) -> Any:
    """Train all copies together, epoch by epoch; their arrays get a leading axis of copies.

    Args:
        settings: sizes, rates and epochs.
        kind: of classifier.
        corpus: the texts.
        table: the embedding.
        key: of initialisation and order of the texts.
        progress: told after every epoch.
        keep: keep the state after every epoch in the user's cache, and go on from there; not
            where several processes train together, whose caches may differ.

    Raises:
        UsageError: weights are no longer finite.
    """
    n, words = corpus.x_train.shape
    batch = min(settings.sizes.batch, n)
    epochs = settings.passes(kind)
    rule = _optimizer(kind, settings.rate(kind), epochs * (n // batch))
    width = settings.hidden(kind)
    keys = jax.random.split(named(key, Drawn.INITIAL), settings.copies)
    state = begin(untrained(kind, keys, words=words, d=settings.sizes.d, width=width), rule)
    parts = BUCKETS if kind == "lstm" and words >= 64 else 1
    sizes = tuple(-(-words * (i + 1) // parts) for i in range(parts))
    ids, y = jnp.asarray(corpus.x_train), jnp.asarray(corpus.y_train)
    keep = keep and jax.process_count() == 1
    done, path = 0, _path(settings, kind, corpus, table, key) if keep else None
    if path is not None:
        state, done = _resume(path, state)
    for epoch in range(done, epochs):
        progress(epoch / epochs, f"{settings.copies} copies, {kind}, epoch {epoch + 1}")
        batches = _batches(jax.random.fold_in(key, epoch + 1), ids, batch=batch, sizes=sizes)
        state, losses = _epoch(state, table, ids, y, batches, optimizer=rule, sizes=sizes)
        jax.block_until_ready(losses)
        if not all(jnp.isfinite(leaf).all() for leaf in jax.tree.leaves(state.copies)):
            raise UsageError(
                f"The training of {kind} diverged in epoch {epoch + 1}: lower learning_rate, which "
                f"is {settings.rate(kind)}."
            )
        if path is not None:
            leaves = {f"leaf{i}": np.asarray(x) for i, x in enumerate(jax.tree.leaves(state))}
            store.save(path, leaves, {"epochs": epoch + 1})
    return state.copies


def _path(settings: TextSettings, kind: Kind, corpus: Corpus, table, key) -> Path:
    """Where the copies of exactly this training are kept."""
    import pooch

    sizes = settings.sizes._replace(epochs=settings.passes(kind))
    rates = settings.rate(kind), settings.hidden(kind), settings.copies, sizes
    # What computes the copies, without what keeps them.
    used = ("untrained", "begin", "BUCKETS", "_optimizer", "_batches", "_epoch")
    code = digest(closure((__name__, name) for name in used))
    found = hashlib.sha256(repr((kind, *rates, store.environment(), code)).encode())
    for array in (corpus.x_train, corpus.y_train, table, jax.random.key_data(key)):
        found.update(np.asarray(array).tobytes())
    return Path(pooch.os_cache("relu-theory")) / "copies" / f"{found.hexdigest()[:20]}.npz"


def _resume(path: Path, state: Training) -> tuple[Training, int]:
    stored = store.load(path)
    if stored is None:
        return state, 0
    arrays, description = stored
    leaves, structure = jax.tree.flatten(state)
    kept = [jnp.asarray(arrays[f"leaf{i}"]) for i in range(len(leaves))]
    return jax.tree.unflatten(structure, kept), description["epochs"]


def logits_of(copies: Any, table, ids) -> Float[np.ndarray, "copies n"]:
    """The logit of every copy for every text."""
    return np.asarray(_logits(copies, table, jnp.asarray(ids)))


def accuracy(copies: Any, table, ids, y) -> Float[np.ndarray, " copies"]:
    """The share of texts that each copy gets right."""
    outputs = logits_of(copies, table, ids)
    return np.mean((outputs > 0) == (np.asarray(y) > 0), axis=1)


class Prepared(NamedTuple):
    """A set of texts with trained copies, in the floating point of the session.

    Attributes:
        corpus: the texts.
        table: the embedding (V + 1, d).
        copies: with a leading axis; the first one is explained.
        accuracy: of each copy on the test texts.
    """

    corpus: Corpus
    table: Float[Array, "vocabulary_and_padding d"]
    copies: Any
    accuracy: Float[np.ndarray, " copies"]


def prepare(
    settings: TextSettings,
    kind: Kind,
    key,
    progress: Progress = lambda *_: None,
    position: int | None = None,
    shuffled: bool = False,
) -> Prepared:
    """Load the texts, embed their words, train copies; those of real texts are kept.

    Args:
        settings: everything that matters.
        kind: of classifier.
        key: of all that is random.
        progress: told after every epoch.
        position: as of `load_corpus`.
        shuffled: train on labels that have nothing to do with the texts.
    """
    progress(0.0, f"loading {settings.dataset}")
    corpus = load_corpus(settings, named(key, Drawn.TEXTS), position)
    table = embed(settings, corpus, named(key, Drawn.EMBEDDING))
    if shuffled:
        y = jax.random.permutation(named(key, Drawn.SHUFFLED_LABELS), corpus.y_train)
        corpus = corpus._replace(y_train=np.asarray(y))
    keep = settings.dataset != "planted"
    copies = train(settings, kind, corpus, table, named(key, Drawn.TRAINING), progress, keep)
    right = accuracy(copies, table, corpus.x_test, corpus.y_test)
    return Prepared(corpus, *doubled(table, copies), right)


def doubled(table: Any, copies: Any) -> tuple[Array, Any]:
    """Embedding and copies in the floating point of the session, in which they are explained."""
    return jax.tree.map(lambda leaf: jnp.asarray(leaf, float), (table, copies))
