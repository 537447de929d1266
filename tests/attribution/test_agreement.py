"""Agreement against loops, its chance against exact laws, and what must not change it."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from theory import attribution
from theory.attribution import Agreement, calibrate, holm, small_norm
from theory.attribution.agreement import chance_scores, exact_p_value, expected_chance
from theory.networks import FlatReLU, MaxReLU, SumReLU, lstm, two_layer_relu
from theory.statistics import ALPHA, violation_bounds

M, WORDS, D = 4, 6, 12

agreement = jax.jit(attribution.agreement, static_argnames="samples")


@pytest.fixture(scope="module")
def gradients():
    return jax.random.normal(jax.random.key(0), (M, WORDS, D))


def test_agrees_with_loops(gradients):
    g = np.array(gradients)
    found = agreement(gradients, samples=100)
    for t in range(WORDS):
        cosines = [
            g[i, t] @ g[j, t] / np.linalg.norm(g[i, t]) / np.linalg.norm(g[j, t])
            for i in range(M)
            for j in range(i)
        ]
        norms = [
            np.linalg.norm(g[m, t]) / max(np.linalg.norm(g[m, s]) for s in range(WORDS))
            for m in range(M)
        ]
        assert float(found.score[t]) == pytest.approx(np.abs(cosines).mean())
        assert float(found.cosine[t]) == pytest.approx(np.mean(cosines))
        assert float(found.norm[t]) == pytest.approx(np.mean(norms))


def test_a_common_rotation_and_scales_of_copies_change_nothing(gradients):
    rotation, _ = np.linalg.qr(np.random.default_rng(0).normal(size=(D, D)))
    scales = jnp.array([1e-6, 1.0, 3.0, 1e6])[:, None, None]
    one, other = agreement(gradients), agreement(scales * (gradients @ rotation))
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-12)


def test_rotations_of_each_copy_push_agreement_to_chance():
    common = jnp.broadcast_to(jax.random.normal(jax.random.key(1), (1, 500, D)), (M, 500, D))
    assert float(agreement(common).score.min()) == pytest.approx(1)
    rng = np.random.default_rng(0)
    turned = [g @ np.linalg.qr(rng.normal(size=(D, D)))[0] for g in np.array(common)]
    found = agreement(jnp.array(turned))
    # The mean over words of one set of rotations; the words are random, so it is near chance.
    assert float(found.score.mean()) == pytest.approx(float(expected_chance(D)), rel=0.05)


def test_chance_has_the_exact_mean_and_law():
    scores = np.array(chance_scores(jax.random.key(0), 2, D, 5000))
    assert scores.mean() == pytest.approx(float(expected_chance(D)), abs=4 * scores.std() / 70)
    law = stats.kstest(scores**2, stats.beta(0.5, (D - 1) / 2).cdf)
    assert law.pvalue > ALPHA
    values = jnp.linspace(0, 1, 11)
    expected = stats.beta(0.5, (D - 1) / 2).sf(np.array(values) ** 2)
    np.testing.assert_allclose(exact_p_value(values, D), expected, atol=1e-12)


def test_two_copies_have_the_exact_p_value(gradients):
    found = agreement(gradients[:2])
    np.testing.assert_allclose(found.p_value, exact_p_value(found.score, D))


@pytest.mark.slow
def test_independent_pairs_would_be_too_liberal():
    """The null of the mean over pairs has heavier tails than that of independent cosines."""
    models, pairs, samples = 8, 28, 20_000
    joint = np.array(chance_scores(jax.random.key(0), models, 16, samples))
    squares = np.random.default_rng(0).beta(0.5, 7.5, (samples, pairs))
    threshold = np.quantile(np.sqrt(squares).mean(axis=1), 0.999)
    exceeded = int((joint > threshold).sum())
    assert violation_bounds(exceeded, samples)[0] > 0.001


@pytest.mark.slow
def test_family_wise_error_of_untrained_copies_is_what_holm_promises():
    """Any of 8 words rejected at 5 %, in 400 texts: at most 5 % of them, by the exact interval."""
    texts, words, copies, d = 400, 8, 3, 16

    def smallest(key):
        key_x, key_n, key_c = jax.random.split(key, 3)
        x = jax.random.normal(key_x, (words, d))
        gradients = jax.vmap(lambda k: jax.grad(SumReLU(two_layer_relu(k, d, 32)).__call__)(x))(
            jax.random.split(key_n, copies)
        )
        return holm(agreement(gradients, key=key_c, samples=400).p_value).min()

    smallest_p = jax.jit(lambda keys: jax.lax.map(smallest, keys))(
        jax.random.split(jax.random.key(0), texts)
    )
    errors = int((smallest_p <= 0.05).sum())
    low, _ = violation_bounds(errors, texts)
    assert low <= 0.05


def test_holm_by_its_definition():
    rng = np.random.default_rng(0)
    for p in (rng.uniform(size=9), np.repeat(0.01, 4), np.array([1.0])):
        order = np.argsort(p)
        expected, worst = np.empty(len(p)), 0.0
        for rank, index in enumerate(order):
            worst = max(worst, min(1.0, (len(p) - rank) * p[index]))
            expected[index] = worst
        np.testing.assert_allclose(holm(jnp.array(p)), expected)


def test_the_published_filter_keeps_small_norms(gradients):
    found = agreement(gradients)
    kept = small_norm(found, 0.5) > 0
    assert int(kept.sum()) == WORDS // 2
    assert float(found.norm[kept].max()) < float(found.norm[~kept].min())
    assert (small_norm(found, 1.0) == found.score).all()


def test_padding_does_not_lower_the_filters_quantile():
    """The median of the four words is .25; with the three rows of padding it would be .1."""
    norm = jnp.array([0.1, 0.2, 0.3, 1.0, 0.0, 0.0, 0.0])
    found = Agreement(jnp.ones(7), jnp.ones(7), norm, jnp.ones(7))
    kept = small_norm(found, 0.5, norm > 0)
    assert kept[:4].tolist() == [1, 1, 0, 0]


def test_words_without_a_gradient_agree_with_nothing(gradients):
    found = agreement(gradients.at[:, 2].set(0))
    assert float(found.score[2]) == 0 and float(found.p_value[2]) == 1
    assert all(np.isfinite(value).all() for value in found)
    everything = agreement(0 * gradients)
    assert all(np.isfinite(value).all() for value in everything)


@pytest.mark.parametrize(
    ("shape", "message"), [((1, 3, 8), "at least two"), ((4, 3, 1), "one dimension")]
)
def test_too_little_to_disagree_is_one_sentence(shape, message):
    with pytest.raises(ValueError, match=message):
        agreement(jnp.ones(shape))


@pytest.mark.parametrize(
    "net",
    [
        FlatReLU(two_layer_relu(jax.random.key(0), 7 * D, 9)),
        SumReLU(two_layer_relu(jax.random.key(0), D, 9)),
        MaxReLU(two_layer_relu(jax.random.key(0), D, 9)),
        lstm(jax.random.key(0), D, (5, 4)),
    ],
    ids=lambda net: type(net).__name__,
)
def test_classifiers_do_not_see_padding(net):
    x = jax.random.normal(jax.random.key(1), (3, 7, D)).at[:, 5:].set(0)
    values = jax.random.normal(jax.random.key(2), (3, 2, D))
    logits = jax.jit(lambda x: net(x))
    found = logits(x)
    assert found.shape == (3,)
    np.testing.assert_allclose([logits(one) for one in x], found, atol=1e-12)
    if not isinstance(net, FlatReLU):  # which has weights of its own for every position
        np.testing.assert_allclose(logits(x[:, :5]), found, atol=1e-12)
    assert not np.allclose(logits(x.at[:, 5:].set(values)), found)


def test_lstm_by_a_loop():
    net = lstm(jax.random.key(0), D, (5,))
    x = np.array(jax.random.normal(jax.random.key(1), (6, D)))
    (layer,) = net.layers
    w, r, b = (np.array(part) for part in layer)
    h, c = np.zeros(5), np.zeros(5)
    for word in x:
        i, f, g, o = np.split(w @ word + r @ h + b, 4)
        c = c / (1 + np.exp(-f)) + np.tanh(g) / (1 + np.exp(-i))
        h = np.tanh(c) / (1 + np.exp(-o))
    assert float(net(jnp.array(x))) == pytest.approx(float(h @ np.array(net.u) + net.bias))


def test_a_word_is_compared_with_itself_and_all_words_with_the_largest():
    rng = np.random.default_rng(0)
    score, chance = rng.uniform(size=7), rng.uniform(size=(40, 7))
    found = calibrate(jnp.array(score), jnp.array(chance))
    alone = (1 + (chance >= score).sum(axis=0)) / 41
    together = (1 + (chance.max(axis=1)[:, None] >= score).sum(axis=0)) / 41
    np.testing.assert_allclose(found.p_value, alone)
    np.testing.assert_allclose(found.adjusted, together)


@pytest.mark.parametrize("scale", [1e-30, 1e30])
def test_single_precision_keeps_the_directions_of_small_and_large_gradients(gradients, scale):
    one = agreement(gradients.astype(jnp.float32), samples=99)
    other = agreement((scale * gradients).astype(jnp.float32), samples=99)
    for a, b in zip(one, other, strict=True):
        np.testing.assert_allclose(a, b, atol=1e-5)  # the rounding of float32, 32 times


def test_a_gradient_that_is_no_number_has_no_p_value(gradients):
    for copies in (2, M):
        found = agreement(gradients[:copies].at[0, 0, 0].set(jnp.nan), samples=99)
        assert np.isnan(found.p_value[0]) and np.isfinite(found.p_value[1:]).all()


def test_a_word_without_a_number_leaves_the_others_theirs(gradients):
    broken = gradients.at[1, 2, 0].set(jnp.nan)
    found = agreement(broken, samples=99)
    others = np.arange(WORDS) != 2
    without = agreement(gradients[:, others], samples=99)
    for one, other in zip(found, without, strict=True):
        assert np.isnan(one[2])
        np.testing.assert_allclose(one[others], other)
    kept = small_norm(found, 0.5)
    assert np.isnan(kept[2]) and (kept[others] == small_norm(without, 0.5)).all()


@pytest.mark.parametrize("wrong", [np.nan, np.inf, -np.inf])
def test_a_score_that_is_not_finite_has_no_p_value(wrong):
    found = calibrate(jnp.array([0.5, wrong]), jnp.full((9, 2), 0.2))
    for each in found:
        assert np.isnan(each).tolist() == [False, True]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"quantile": 1.5}, "quantile is 1.5 and must be from 0 to 1"),
        ({"quantile": float("nan")}, "quantile is nan"),
        ({"words": jnp.ones(WORDS)}, "words are float64 of shape"),
        ({"words": jnp.ones(2, bool)}, r"words are bool of shape \(2,\)"),
    ],
    ids=range(4),
)
def test_filters_that_cannot_be_are_refused(gradients, options, message):
    with pytest.raises(ValueError, match=message):
        small_norm(agreement(gradients, samples=9), **options)


@pytest.mark.parametrize(
    ("chance", "message"),
    [
        (jnp.ones((0, 4)), "no scores by chance"),
        (jnp.ones((3, 4)).at[0, 0].set(jnp.nan), "not finite"),
    ],
)
def test_scores_by_chance_that_do_not_fit_are_refused(chance, message):
    with pytest.raises(ValueError, match=message):
        calibrate(jnp.ones(4), chance)


@pytest.mark.slow
def test_holm_can_reach_every_word_by_default():
    """A thousand words that all agree: with 10 000 draws none would be significant."""
    same = jnp.ones((3, 1000, 4))
    assert (holm(agreement(same).p_value) <= 0.05).all()
    assert agreement(same[:, :0]).p_value.shape == (0,)
    with pytest.raises(ValueError, match="samples is 0"):
        agreement(same, samples=0)
