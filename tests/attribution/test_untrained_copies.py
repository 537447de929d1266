"""p-values of words on which nothing was learned are uniform, for every kind of classifier."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import stats

from theory import statistics
from theory.attribution import agreement, agreement_scores, p_values, random_embedding
from theory.attribution.copies import Kind, draw_classifier
from theory.attribution.scores import word_gradients
from theory.attribution.texts import untrained_scores

pytestmark = pytest.mark.slow

# Words of one text share their copies, so each text has its own and gives one word. With so many,
# a law that is `LawTest.detectable` = .09 off or more is rejected with probability 1 − ALPHA.
TEXTS = 2000
WORDS, D, WIDTH = 8, 16, 64
CHANCE = 199
"""Scores by chance drawn anew for every text: p-values share nothing, on a grid of 1/200."""


def untrained_words(kind: Kind, copies: int):
    """Texts (TEXTS, WORDS, D), and at one word of each the gradients (TEXTS, copies, 1, D)."""

    def one(inputs):
        key, word = inputs
        key_x, key_copies = jax.random.split(key)
        x = random_embedding(key_x, WORDS, D)[1:]
        nets = jax.vmap(lambda key: draw_classifier(kind, key, words=WORDS, d=D, width=WIDTH))(
            jax.random.split(key_copies, copies)
        )
        return x, word_gradients(nets, x)[:, word][:, None]

    keys = jax.random.split(jax.random.key(0), TEXTS)
    return jax.jit(lambda inputs: jax.lax.map(one, inputs, batch_size=50))(
        (keys, jnp.arange(TEXTS) % WORDS)
    )


def chance_p_values(gradients) -> np.ndarray:
    """Of each word against uniform directions: by the exact law for two copies, else simulated."""

    def one(inputs):
        word, key = inputs
        return agreement(word, key=key, samples=CHANCE).p_value[0]

    keys = jax.random.split(jax.random.key(1), TEXTS)
    return np.asarray(
        jax.jit(lambda inputs: jax.lax.map(one, inputs, batch_size=50))((gradients, keys))
    )


@pytest.mark.parametrize("copies", [2, 5])
@pytest.mark.parametrize("kind", ["flat", "sum", "lstm"])
def test_p_values_are_uniform_where_directions_are(kind, copies):
    _, gradients = untrained_words(kind, copies)
    found = statistics.test_law(chance_p_values(gradients), stats.uniform.cdf)
    assert found.p_value > statistics.ALPHA, found


def test_a_maximum_over_words_needs_calibration_by_untrained_copies():
    """Its directions are not uniform: plain p-values are too small, calibrated ones are right."""
    x, gradients = untrained_words("max", 5)
    plain = chance_p_values(gradients)
    assert statistics.test_law(plain, stats.uniform.cdf).p_value < statistics.ALPHA
    assert statistics.violation_bounds(int((plain <= 0.05).sum()), TEXTS)[0] > 0.05
    scores = jax.vmap(agreement_scores)(gradients).score[:, 0]
    calibrated = np.zeros(TEXTS)
    for i, key in enumerate(jax.random.split(jax.random.key(2), TEXTS)):
        chance = untrained_scores("max", x[i], 5, CHANCE, key, WIDTH)
        calibrated[i] = p_values(scores[i], jnp.asarray(chance[:, i % WORDS]))
    found = statistics.test_law(calibrated, stats.uniform.cdf)
    assert found.p_value > statistics.ALPHA, found
