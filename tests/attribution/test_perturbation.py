"""LIME and kernel SHAP against linear models, exact Shapley values and hostile models."""

import itertools
import math
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.attribution.perturbation import BATCH, SAMPLES_PER_WORD, kernel_shap, lime
from experiments.errors import UsageError
from theory.attribution import gradient_times_input, occlusion

METHODS = pytest.mark.parametrize("method", [lime, kernel_shap])
SAMPLES = 1000


@pytest.fixture(scope="module", autouse=True)
def libraries():
    """Seconds to import, so only for who runs these tests."""
    pytest.importorskip("lime")
    pytest.importorskip("shap")


def linear(words: int, seed: int = 0):
    """A linear model of the words, and its coefficients."""
    a = np.random.default_rng(seed).normal(size=words)
    return lambda masks: masks @ a + 2.0, a


def nonlinear(masks):
    """Words 0 and 1 play the same part, words 2 and 3 only act together, the last has none."""
    first, second, third, fourth = masks[:, :4].T.astype(float)
    rest = masks[:, 4:-1] @ np.linspace(-2, 1, masks.shape[1] - 5)
    return np.maximum(first + second + 3 * third * fourth + rest - 0.5, 0) + first * second


def shapley(value, words: int):
    """Shapley values by their definition: the mean gain of a word over all orders of joining."""
    total = np.zeros(words)
    for order in itertools.permutations(range(words)):
        kept = np.zeros((1, words), bool)
        for word in order:
            before = value(kept)[0]
            kept[0, word] = True
            total[word] += value(kept)[0] - before
    return total / math.factorial(words)


def ridge_shrinkage(words: int, samples: int) -> float:
    """By how much LIME's penalty of 1 shrinks contrasts of a linear model, in expectation."""
    share = np.arange(words) / words  # of words kept, uniform: 1 to all of them are removed
    weight = np.exp(-((100 * (1 - np.sqrt(share)) / 25) ** 2) / 2)
    # Masks that keep a share p vary by p(1 − p) words/(words − 1) along every contrast.
    information = samples * np.mean(weight * share * (1 - share)) * words / (words - 1)
    return 1 / (1 + information)


def test_on_a_linear_logit_every_method_gives_its_shares():
    words, d = 12, 5
    x, a = jax.random.normal(jax.random.key(0), (2, words, d))

    def logit(x):
        return jnp.sum(a * x) + 1.5

    batched = jax.jit(jax.vmap(lambda mask: logit(jnp.where(mask[:, None], x, 0))))
    shares = np.asarray(jnp.sum(a * x, axis=1))
    # Sums of 60 products of order one, and a solve with 12 unknowns: a few hundred roundings.
    for exact in (
        gradient_times_input(logit, x),
        occlusion(logit, x),
        kernel_shap(batched, words, SAMPLES, seed=0),
    ):
        assert np.max(np.abs(exact - shares)) < 1e-13
    error = np.max(np.abs(lime(batched, words, SAMPLES, seed=0) - shares))
    # The shrinkage is that of an expected design; the one drawn differs from it by a little.
    assert 0 < error < 1.5 * ridge_shrinkage(words, SAMPLES) * np.max(np.abs(shares))
