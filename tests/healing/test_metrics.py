"""Metrics against scikit-learn, NumPy and sums done by hand."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from sklearn.metrics import accuracy_score, log_loss
from sklearn.metrics.pairwise import cosine_similarity

from theory.healing.metrics import cosine, gap_closed, linear_cka, recovered
from theory.metrics import accuracy, calibration_error, negative_log_likelihood

N, CLASSES = 50, 4
TYPES = pytest.mark.parametrize("kind", [jnp.int32, jnp.uint8])


@pytest.fixture(scope="module")
def logits():
    return 3 * jax.random.normal(jax.random.key(0), (N, CLASSES))


@pytest.fixture(scope="module")
def y():
    return jax.random.randint(jax.random.key(1), (N,), 0, CLASSES)


@pytest.fixture(scope="module")
def states():
    a = jax.random.normal(jax.random.key(2), (N, 6)) + 2
    b = jnp.tanh(a @ jax.random.normal(jax.random.key(3), (6, 9))) - 1
    return a, b


@TYPES
def test_accuracy_and_likelihood_are_scikit_learns(logits, y, kind):
    p = np.asarray(jax.nn.softmax(logits))
    right = accuracy_score(y, p.argmax(axis=1))
    assert 0 < right < 1 and abs(accuracy(logits, y.astype(kind)) - right) < 1e-15
    expected = log_loss(y, p, labels=range(CLASSES))
    assert abs(negative_log_likelihood(logits, y.astype(kind)) - expected) < 1e-12


def test_likelihood_of_confident_mistakes_does_not_overflow():
    loss = negative_log_likelihood(jnp.array([[0.0, 2000.0]]), jnp.array([0]))
    assert abs(loss - 2000) < 1e-12


@TYPES
def test_calibration_error_by_hand(kind):
    """Confidences .9, .9, .6 and .6, all right, and 1, wrong."""
    p = jnp.array([[0.9, 0.1], [0.9, 0.1], [0.6, 0.4], [0.6, 0.4], [0.0, 1.0]])
    y = jnp.zeros(5, kind)
    logits = jnp.log(jnp.maximum(p, 1e-300))
    # Of four bins the third holds .6, twice .4 too low; the last .9 and 1, in sum .8 too high.
    assert abs(calibration_error(logits, y, bins=4) - (0.8 + 0.8) / 5) < 1e-12
    # In one bin the confidence is .8 in the mean, and 4 of 5 are right.
    assert abs(calibration_error(logits, y, bins=1)) < 1e-12


def test_calibration_error_is_numpys(logits, y):
    p = np.asarray(jax.nn.softmax(logits))
    confidence, right = p.max(axis=1), p.argmax(axis=1) == np.asarray(y)
    expected = 0.0
    for low in range(15):
        inside = (confidence >= low / 15) & (confidence < (low + 1) / 15 + (low == 14))
        if inside.any():
            expected += inside.mean() * abs(right[inside].mean() - confidence[inside].mean())
    assert abs(calibration_error(logits, y) - expected) < 1e-14


def test_cosine_is_scikit_learns_and_zero_at_rows_of_zeros(states):
    a, b = states[0], states[1][:, :6]
    similarities = np.diag(cosine_similarity(a, b))
    assert abs(cosine(a, b) - similarities.mean()) < 1e-14
    assert abs(cosine(7 * a, 0.1 * b) - similarities.mean()) < 1e-14
    assert abs(cosine(a, -a) + 1) < 1e-14
    silent = cosine(a.at[:10].set(0), b.at[5:15].set(0))
    assert abs(silent - similarities[15:].sum() / N) < 1e-14
    tokens = cosine(a.reshape(10, 5, 6), b.reshape(10, 5, 6))
    assert abs(tokens - similarities.mean()) < 1e-14
    assert float(cosine(0 * a, 0 * b)) == 0


def gram_cka(a, b):
    """Kornblith et al., equation 4: HSIC of centred Gram matrices, normalised."""
    n = len(a)
    centring = np.eye(n) - 1 / n
    grams = [np.asarray(h) @ np.asarray(h).T for h in (a, b)]

    def hsic(k, m):
        return np.trace(k @ centring @ m @ centring) / (n - 1) ** 2

    one, other = grams
    return hsic(one, other) / np.sqrt(hsic(one, one) * hsic(other, other))


def test_linear_cka_is_that_of_gram_matrices(states):
    a, b = states
    value = linear_cka(a, b)
    assert 0.05 < value < 0.95 and abs(value - gram_cka(a, b)) < 1e-12
    assert abs(linear_cka(a[:4], b[:4]) - gram_cka(a[:4], b[:4])) < 1e-12  # fewer rows than columns
    assert abs(linear_cka(b, a) - value) < 1e-14
    assert abs(linear_cka(a, a) - 1) < 1e-14


def test_linear_cka_sees_no_rotation_scale_or_shift_but_stretching(states):
    a, b = states
    rotation = np.linalg.qr(np.random.default_rng(0).normal(size=(6, 6)))[0]
    moved = -7 * a @ jnp.asarray(rotation) + 3
    assert abs(linear_cka(moved, b) - linear_cka(a, b)) < 1e-12
    assert abs(linear_cka(moved, a) - 1) < 1e-12
    stretched = a * jnp.arange(1.0, 7)[None]
    assert abs(linear_cka(stretched, b) - linear_cka(a, b)) > 1e-3


@pytest.mark.slow
def test_linear_cka_of_what_does_not_vary_is_zero():
    """0.1 less the mean of 13 times 0.1 is not 0, and points the same way in every state."""
    n = 13
    constant, other = jnp.full((n, 3), 0.1), jnp.full((n, 4), 0.3)
    varied = jax.random.normal(jax.random.key(4), (n, 5))
    for kind in (jnp.float32, jnp.float64):
        a, b, c = (h.astype(kind) for h in (constant, other, varied))
        assert (
            float(linear_cka(a, b)) == float(linear_cka(a, c)) == float(linear_cka(0 * c, c)) == 0
        )


def test_gap_closed():
    healed = jnp.array([0.75, 0.4, 0.8, 0.5, 0.5, 0.5])
    pruned = jnp.array([0.5, 0.5, 0.5, 0.5, 0.5, 0.6])
    retrained = jnp.array([1.0, 1.0, 0.75, 0.9, 0.5, 0.5])
    expected = [0.5, -0.2, 1.2, 0.0, np.nan, np.nan]
    np.testing.assert_allclose(gap_closed(healed, pruned, retrained), expected, atol=1e-15)


def test_recovered():
    shares = recovered(jnp.array([0.45, 0.9, 0.95, 0.0, 0.1]), jnp.array([0.9, 0.9, 0.9, 0.9, 0.0]))
    np.testing.assert_allclose(shares, [0.5, 1, 0.95 / 0.9, 0, np.nan], atol=1e-15)
