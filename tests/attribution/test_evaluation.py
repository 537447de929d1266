"""Evaluation against scikit-learn, brute force and planted explanations."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats
from sklearn.metrics import average_precision_score, roc_auc_score

from theory.attribution.methods import gradient_times_input, occlusion
from theory.attribution.ranking import (
    adebayo,
    auroc,
    average_precision,
    kendall_tau,
    pointing_game,
)
from theory.attribution.removal import delete, deletion_curve, eraser, insertion_curve, pad

RANKED = (pointing_game, auroc, average_precision)
WORDS, D, REAL = 24, 5, 20
PLANTED = (3, 11)


@pytest.fixture(scope="module")
def x():
    """20 words, then padding."""
    text = jax.random.normal(jax.random.key(0), (WORDS, D))
    return jnp.where((jnp.arange(WORDS) < REAL)[:, None], text, 0)


@pytest.fixture(scope="module")
def direction(x):
    """A direction in which the planted words are large and every other word is zero."""
    onehot = jnp.zeros(WORDS).at[jnp.array(PLANTED)].set(1)
    return jnp.linalg.lstsq(x, onehot)[0]


@pytest.fixture(scope="module")
def planted():
    """p = σ(6·(number of planted words) − 3), as a linear model of each word's first coordinate."""
    text = jax.random.normal(jax.random.key(1), (WORDS, D)).at[:, 0].set(0)
    text = text.at[jnp.array(PLANTED), 0].set(1)
    text = jnp.where((jnp.arange(WORDS) < REAL)[:, None], text, 0)
    return text, lambda x: jax.nn.sigmoid(6 * jnp.sum(x[:, 0]) - 3)


def smooth(x):
    """A probability that depends on every word, and on where it stands."""
    position = jnp.linspace(0.5, 1.5, x.shape[0])
    return jax.nn.sigmoid(position @ jnp.sin(x).sum(axis=1))


@pytest.mark.parametrize("levels", [3, 10, 10**6])
def test_areas_equal_scikit_learn(levels):
    """With 3 and 10 levels most scores are tied."""
    rng = np.random.default_rng(levels)
    for _ in range(50):
        scores = rng.integers(levels, size=30) / levels
        target = rng.random(30) < 0.2
        target[rng.integers(30)] = True
        assert auroc(scores, target) == pytest.approx(roc_auc_score(target, scores), abs=1e-12)
        reference = average_precision_score(target, scores)
        assert average_precision(scores, target) == pytest.approx(reference, abs=1e-12)


def test_ground_truth_measures_take_either_kind_of_array():
    scores, target = np.array([0.1, 0.9, 0.4]), np.array([False, True, False])
    for measure in RANKED:
        assert measure(scores, target) == measure(jnp.array(scores), jnp.array(target)) == 1
        assert measure(-scores, target) < 1


def test_a_constant_explanation_is_at_chance():
    target = np.arange(10) < 3
    assert pointing_game(np.ones(10), target) == pytest.approx(0.3)
    assert auroc(np.ones(10), target) == 0.5
    assert average_precision(np.ones(10), target) == pytest.approx(0.3)


@pytest.mark.parametrize("value", [np.inf, np.nan, 9.0, -9.0])
def test_padding_is_never_scored(value):
    """Whatever stands at padding, the measures are those of the words alone."""
    rng = np.random.default_rng(0)
    scores, reference, words = rng.normal(size=12), rng.normal(size=12), np.arange(12) >= 4
    target = rng.random(12) < 0.5
    masked = np.where(words, scores, value)
    for measure in RANKED:
        assert measure(masked, target, words) == measure(scores[4:], target[4:])
    for measure in (kendall_tau, adebayo):
        assert measure(masked, reference, words) == measure(scores[4:], reference[4:])


def test_undefined_measures_are_nan_and_bad_scores_are_refused():
    scores, none = np.array([1.0, 2.0]), np.array([False, False])
    assert np.isnan(auroc(scores, none)) and np.isnan(auroc(scores, ~none))
    assert np.isnan(average_precision(scores, none))
    assert np.isnan(kendall_tau(scores, np.ones(2))) and np.isnan(adebayo(np.ones(2), scores))
    with pytest.raises(ValueError, match="finite"):
        auroc(np.array([1.0, np.nan]), ~none)
    with pytest.raises(ValueError, match="no words"):
        pointing_game(scores, none, none)


def test_rank_correlations_against_scipy():
    rng = np.random.default_rng(1)
    for levels in (4, 10**6):
        a, b = rng.integers(levels, size=(2, 25)) / 1.0
        assert kendall_tau(a, b) == pytest.approx(stats.kendalltau(a, b)[0], abs=1e-12)
        assert adebayo(a, b) == pytest.approx(stats.spearmanr(a, b)[0], abs=1e-12)


def test_leave_one_out_agrees_with_gradient_times_input_on_a_linear_model(x, direction):
    def logit(x):
        return jnp.sum(x @ direction)

    real = np.arange(WORDS) < REAL
    assert kendall_tau(occlusion(logit, x), gradient_times_input(logit, x), real) == 1


def test_removal_operators():
    x = jnp.arange(1.0, 6.0)[:, None]
    removed = jnp.array([False, True, False, True, False])
    assert pad(x, removed).ravel().tolist() == [1, 0, 3, 0, 5]
    assert delete(x, removed).ravel().tolist() == [1, 3, 5, 0, 0]
    nothing = jnp.zeros(5, bool)
    assert np.array_equal(delete(x, nothing), x) and np.array_equal(pad(x, nothing), x)
    assert not delete(x, ~nothing).any()


@pytest.mark.slow
@pytest.mark.parametrize("remove", [pad, delete])
def test_perfect_explanations_beat_random_ones(planted, remove):
    x, probability = planted
    perfect = jnp.zeros(WORDS).at[jnp.array(PLANTED)].set(1)
    noise = jax.random.uniform(jax.random.key(2), (50, WORDS))

    def measures(scores):
        deletion = deletion_curve(probability, x, scores, remove).area
        insertion = insertion_curve(probability, x, scores, remove).area
        return *eraser(probability, x, scores, remove=remove), deletion, insertion

    best, random = measures(perfect), jax.vmap(measures)(noise)
    for good, others, sign in zip(best, random, (1, -1, -1, 1), strict=True):
        assert jnp.all(sign * (good - others) >= 0)
        assert sign * (good - others.mean()) > 0.1


def test_eraser_by_hand(planted):
    """20 words: the fractions are 1, 1, 2, 4 and 10 words; one planted word gives σ(3)."""
    x, probability = planted
    perfect = jnp.zeros(WORDS).at[jnp.array(PLANTED)].set(1)
    none, one, two = (float(jax.nn.sigmoid(z)) for z in (-3.0, 3.0, 9.0))
    comprehensiveness, sufficiency = eraser(probability, x, perfect)
    assert comprehensiveness == pytest.approx((2 * (two - one) + 3 * (two - none)) / 5)
    assert sufficiency == pytest.approx(2 * (two - one) / 5)


@pytest.mark.parametrize("remove", [pad, delete])
def test_all_words_are_sufficient_and_left_padding_stays(x, remove):
    """Padding on the left holds the words in place: it is no word, so it is not deleted."""
    scores = jax.random.normal(jax.random.key(7), (WORDS,))
    comprehensiveness, sufficiency = eraser(smooth, x[::-1], scores, (1.0,), remove)
    assert sufficiency == pytest.approx(0, abs=1e-14)
    assert comprehensiveness == pytest.approx(float(smooth(x[::-1])) - 0.5, abs=1e-14)


@pytest.mark.parametrize("remove", [pad, delete])
def test_deletion_and_insertion_mirror_each_other(x, remove):
    """Inserting the best k words is deleting the n − k worst."""
    scores = jax.random.normal(jax.random.key(3), (WORDS,))
    down = deletion_curve(smooth, x, -scores, remove)
    up = insertion_curve(smooth, x, scores, remove)
    forward = down.probability[: REAL + 1]
    assert np.abs(np.subtract(forward, up.probability[: REAL + 1][::-1])).max() < 1e-15
    assert down.area == pytest.approx(float(up.area), abs=1e-14)
    assert down.area == pytest.approx(np.trapezoid(forward, dx=1 / REAL), abs=1e-14)
    assert forward[0] == pytest.approx(float(smooth(x)), abs=1e-14)
    assert forward[-1] == pytest.approx(0.5, abs=1e-14)  # the empty text
    assert jnp.ptp(down.probability[REAL:]) == jnp.ptp(up.probability[REAL:]) == 0


def test_deletion_removes_in_order_of_the_score(x):
    scores = jax.random.normal(jax.random.key(4), (WORDS,))
    curve = deletion_curve(smooth, x, scores).probability
    left = np.array(x)
    for k, word in enumerate(np.argsort(-np.asarray(scores[:REAL]))):
        assert curve[k] == pytest.approx(float(smooth(jnp.array(left))), abs=1e-14)
        left[word] = 0


@pytest.mark.parametrize("curve", [deletion_curve, insertion_curve])
@pytest.mark.parametrize("steps", [1, 3, REAL - 1, REAL, WORDS, 1000])
def test_a_curve_of_fewer_steps_is_the_whole_one_where_it_stops(x, curve, steps):
    scores = jax.random.normal(jax.random.key(8), (WORDS,))
    whole, found = jax.jit(
        lambda x: [curve(smooth, x, scores, steps=some) for some in (None, steps)]
    )(x)
    whole, found = jax.device_get((whole, found))
    k = np.floor(np.linspace(0, REAL, min(steps, REAL) + 1) + 1e-9).astype(int)
    assert len(found.probability) == min(steps, WORDS) + 1
    assert np.abs(np.subtract(found.probability[: len(k)], whole.probability[k])).max() < 1e-15
    assert found.area == pytest.approx(np.trapezoid(whole.probability[k], k / REAL), abs=1e-14)


def test_a_curve_needs_a_step(x):
    with pytest.raises(ValueError, match="steps is 0 and must be at least 1"):
        deletion_curve(smooth, x, x[:, 0], steps=0)


@pytest.mark.parametrize("value", [1e9, jnp.inf, -1e9, jnp.nan])
def test_padding_is_never_selected(x, value):
    scores = jax.random.normal(jax.random.key(5), (WORDS,))
    masked = jnp.where(jnp.arange(WORDS) < REAL, scores, value)
    for measure in (eraser, deletion_curve, insertion_curve):
        for ours, theirs in zip(
            measure(smooth, x, masked), measure(smooth, x, scores), strict=True
        ):
            assert np.array_equal(ours, theirs)


def test_measures_compile_and_take_batches(x):
    texts = jnp.stack([x, jnp.zeros_like(x)])
    scores = jax.random.normal(jax.random.key(6), (2, WORDS))
    for measure in (eraser, deletion_curve, insertion_curve):
        batched = jax.jit(jax.vmap(lambda x, s, measure=measure: measure(smooth, x, s)))
        ours, theirs = batched(texts, scores), measure(smooth, x, scores[0])
        for batch, one in zip(ours, theirs, strict=True):
            assert np.abs(np.subtract(batch[0], one)).max() < 1e-14
            assert np.isfinite(batch).all()  # the empty text too
