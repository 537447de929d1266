"""Copies against a loop that trains one by one, embeddings against loops, facts of all scores."""

import inspect

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy import stats

from theory.attribution.copies import (
    begin,
    draw_batches,
    draw_classifier,
    logits,
    optimizer,
    train_epoch,
)
from theory.attribution.embedding import cooccurrences, ppmi_embedding, random_embedding
from theory.attribution.scores import ENSEMBLE, SINGLE, explain
from theory.sampling import planted_texts
from theory.statistics import ALPHA

WORDS, D, V, COPIES = 8, 6, 20, 3


@pytest.fixture(scope="module")
def texts():
    planted = planted_texts(jax.random.key(0), 50, WORDS, V)
    lengths = jnp.where(jnp.arange(50) % 3 == 0, 4, 5)[:, None].at[0].set(4).at[1].set(WORDS)
    ids = jnp.where(jnp.arange(WORDS)[None, :] >= lengths, 0, planted.ids)
    return planted._replace(ids=ids)


@pytest.fixture(scope="module")
def table():
    return random_embedding(jax.random.key(1), V, D)


def draw(kind):
    keys = jax.random.split(jax.random.key(2), COPIES)
    return jax.vmap(lambda key: draw_classifier(kind, key, words=WORDS, d=D, width=4))(keys)


def test_planted_words_decide_and_decoys_do_not():
    texts = planted_texts(jax.random.key(3), 4000, WORDS, V, tells=2)
    ids, y, target = (np.array(a) for a in texts)
    assert (target.sum(axis=1) == 1).all()
    told = ids[target]
    assert set(told[y > 0]) == {1, 2} and set(told[y < 0]) == {3, 4}
    assert ((ids <= 4).sum(axis=1) == 1).all()
    decoy = (ids >= 5) & (ids <= 6)
    assert (decoy.sum(axis=1) == 1).all()
    counts = [[(ids[y == sign] == word).sum() for word in (5, 6)] for sign in (-1, 1)]
    assert np.asarray(stats.chi2_contingency(counts)[1]) > ALPHA  # its p-value
    places = target.sum(axis=0)
    assert stats.chisquare(places).pvalue > ALPHA
    fixed = planted_texts(jax.random.key(3), 10, WORDS, V, position=5)
    assert np.array(fixed.target)[:, 5].all()


@pytest.mark.parametrize("arguments", [{"vocabulary": 4}, {"words": 1}, {"tells": 0}])
def test_texts_that_cannot_be_planted(arguments):
    sizes = {"words": WORDS, "vocabulary": V} | arguments
    with pytest.raises(ValueError, match="vocabulary is"):
        planted_texts(jax.random.key(0), 5, **sizes)


@pytest.mark.slow
def test_batches_hold_texts_once_and_cut_no_word(texts):
    sizes = (4, WORDS)
    batches = draw_batches(jax.random.key(4), texts.ids, 8, sizes)
    used = np.array(batches.texts)
    assert used.shape == (6, 8) and len(np.unique(used)) == 48
    lengths = np.array((texts.ids > 0).sum(axis=1))
    for rows, bucket in zip(used, np.array(batches.bucket), strict=True):
        longest = lengths[rows].max()
        assert sizes[bucket] >= longest
        assert bucket == 0 or sizes[bucket - 1] < longest
    assert set(np.array(batches.bucket)) == {0, 1}


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["sum", "lstm"])
def test_an_epoch_is_a_loop_over_copies_and_batches(kind, texts, table):
    rule = optimizer(kind, 0.05, steps=12)
    sizes = (4, WORDS)
    batches = draw_batches(jax.random.key(4), texts.ids, 8, sizes)
    copies = draw(kind)
    state, losses = jax.jit(train_epoch, static_argnames=("optimizer", "sizes"))(
        begin(copies, rule), table, texts.ids, texts.y, batches, optimizer=rule, sizes=sizes
    )

    @jax.jit
    def step(net, inner, rows):
        def loss(net):
            return jnp.mean(jnp.log1p(jnp.exp(-texts.y[rows] * net(table[texts.ids[rows]]))))

        value, gradient = jax.value_and_grad(loss)(net)
        with jax.numpy_dtype_promotion("standard"):
            updates, inner = rule.update(gradient, inner, net)
        return optax.apply_updates(net, updates), inner, value

    for m in range(COPIES):
        net = jax.tree.map(lambda leaf, m=m: leaf[m], copies)
        inner, values = rule.init(net), []
        for rows in batches.texts:
            net, inner, value = step(net, inner, rows)
            values.append(float(value))
        ours = jax.tree.map(lambda leaf, m=m: leaf[m], state.copies)
        for a, b in zip(jax.tree.leaves(ours), jax.tree.leaves(net), strict=True):
            np.testing.assert_allclose(a, b, atol=1e-12)
        assert float(losses[m]) == pytest.approx(np.mean(values))


def test_logits_are_those_of_each_copy(texts, table):
    copies = draw("max")
    found = logits(copies, table, texts.ids, batch=16)
    net = jax.tree.map(lambda leaf: leaf[1], copies)
    np.testing.assert_allclose(found[1], net(table[texts.ids]), atol=1e-12)


def test_cooccurrences_by_a_loop(texts):
    ids, window = np.array(texts.ids), 3
    expected = np.zeros((V, V), int)
    for row in ids:
        for s in range(WORDS):
            for t in range(WORDS):
                if s != t and abs(s - t) <= window and row[s] and row[t]:
                    expected[row[s] - 1, row[t] - 1] += 1
    assert np.array_equal(cooccurrences(ids, V, window), expected)


def test_ppmi_embedding_puts_words_of_one_context_together():
    """Two topics whose words never meet: cosines are 1 within a topic and 0 across."""
    rng = np.random.default_rng(0)
    rows = [rng.integers(1, 6, 12) + 5 * (i % 2) for i in range(400)]
    found = ppmi_embedding(np.array(rows, np.int32), 10, 2)
    assert (found[0] == 0).all()
    cosines = found[1:] @ found[1:].T
    assert cosines[:5, :5].min() > 0.9 and np.abs(cosines[:5, 5:]).max() < 0.2
    with pytest.raises(ValueError, match="more dimensions than"):
        ppmi_embedding(np.array(rows, np.int32), 10, 11)


@pytest.mark.parametrize(
    ("ids", "options", "says"),
    [
        ([[1, 4]], {}, "ids go from 1 to 4 and must be from 0, padding, to 3"),
        ([[-1, 2]], {}, "ids go from -1 to 2"),
        ([[[1, 2]]], {}, r"ids are int64 of shape \(1, 1, 2\)"),
        ([[1.0, 2.0]], {}, "ids are float64"),
        (np.ones((0, 3), int), {}, "ids are none"),
        ([[1, 2]], {"window": 0}, "window is 0 and must be an integer of at least 1"),
        ([[1, 2]], {"d": 0}, "d is 0 and must be an integer of at least 1"),
    ],
    ids=range(7),
)
def test_texts_that_have_no_embedding_are_refused(ids, options, says):
    with pytest.raises(ValueError, match=says):
        ppmi_embedding(np.array(ids), 3, **({"d": 2} | options))


def test_ppmi_embedding_of_full_rank_has_the_cosines_of_its_root():
    """EEᵀ = |PPMI| for E = U√Σ; rows are scaled to 1, and U's signs do not matter."""
    ids = np.random.default_rng(1).integers(1, 8, (60, 9), np.int32)
    counts = cooccurrences(ids, 7)
    margin = counts.sum(axis=1)
    ppmi = np.maximum(np.log(counts * margin.sum() / np.outer(margin, margin)), 0)
    values, vectors = np.linalg.eigh(ppmi)
    gram = vectors * np.abs(values) @ vectors.T
    scale = np.sqrt(np.diag(gram))
    found = ppmi_embedding(ids, 7, 7)[1:]
    np.testing.assert_allclose(found @ found.T, gram / np.outer(scale, scale), atol=1e-7)


def test_an_untrained_lstm_remembers_for_up_to_a_text():
    """A forget gate of bias log u forgets a share 1/(1 + u) with every word, 1 ≤ u ≤ T − 1."""
    net = draw_classifier("lstm", jax.random.key(0), words=100, d=D, width=50)
    for layer in net.layers:
        inputs, forget = np.array(layer.bias[:50]), np.array(layer.bias[50:100])
        np.testing.assert_allclose(inputs, -forget)
        spans = stats.uniform(1, 98)
        assert stats.kstest(np.exp(forget), spans.cdf).pvalue > ALPHA


def test_there_is_no_other_classifier():
    unchecked = inspect.unwrap(draw_classifier)  # the tests' type checker would refuse it first
    with pytest.raises(ValueError, match="no classifier 'gru'"):
        unchecked("gru", jax.random.key(0), words=3, d=2, width=2)


@pytest.mark.slow
def test_the_noise_of_smooth_grad_grows_with_the_text(texts, table):
    """For a homogeneous network, whose gradient then does not change at all."""
    copies, x = draw("sum"), table[texts.ids[0]]
    one, other = (explain(copies, c * x, jax.random.key(5), steps=1).scores for c in (1.0, 7.0))
    np.testing.assert_allclose(one["SmoothGrad"], other["SmoothGrad"], atol=1e-12)


SLOW = [pytest.param(kind, marks=pytest.mark.slow) for kind in ("sum", "max", "lstm")]


@pytest.mark.slow
@pytest.mark.parametrize("kind", ["flat", *SLOW])
def test_all_scores_of_one_text(kind, texts, table):
    copies, x = draw(kind), table[texts.ids[0]]
    found = explain(copies, x, jax.random.key(5), steps=64)
    assert set(found.scores) == {*SINGLE, *ENSEMBLE}
    assert all(np.isfinite(score).all() for score in found.scores.values())
    padding = np.array(texts.ids[0]) == 0
    assert padding.any()
    assert all((np.array(score)[padding] == 0).all() for score in found.scores.values())
    assert float(found.gap) < 1e-3
    exact = np.array(found.scores["gradient×input"])
    np.testing.assert_allclose(found.scores["|gradient×input|"], np.abs(exact))
    if kind != "lstm":  # logit(αx) = α logit(x)
        assert abs(exact.sum()) == pytest.approx(abs(float(found.logits[0])))
        np.testing.assert_allclose(found.scores["integrated gradients"], exact, atol=1e-5)
    if kind == "sum":
        np.testing.assert_allclose(found.scores["occlusion"], exact, atol=1e-12)
