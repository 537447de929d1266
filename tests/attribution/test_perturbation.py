"""LIME and kernel SHAP against linear models, exact Shapley values and hostile models."""

import itertools
import math
import subprocess
import sys

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from experiments.attribution.scoring import PerturbedSettings
from experiments.errors import UsageError
from theory.attribution import gradient_times_input, occlusion
from theory.attribution.perturbation import BATCH, SAMPLES_PER_WORD, kernel_shap, lime

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
    return float(1 / (1 + information))


@pytest.mark.slow
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


def test_kernel_shap_is_shapleys_value_where_all_masks_are_tried():
    words = 6
    found = kernel_shap(nonlinear, words, 2**words, seed=0)
    # A weighted least squares solution of 62 equations.
    np.testing.assert_allclose(found, shapley(nonlinear, words), atol=1e-10)
    assert found[0] == pytest.approx(found[1], abs=1e-10)  # symmetric words
    assert found[2] == pytest.approx(found[3], abs=1e-10)
    assert found[-1] == pytest.approx(0, abs=1e-10)  # a word without a part
    whole, none = nonlinear(np.ones((1, words), bool))[0], nonlinear(np.zeros((1, words), bool))[0]
    assert found.sum() == pytest.approx(whole - none)


def test_kernel_shap_adds_up_when_it_samples_too():
    value, a = linear(20)
    found = kernel_shap(lambda masks: value(masks) ** 2, 20, 200, seed=1)
    assert found.sum() == pytest.approx((a.sum() + 2) ** 2 - 4)


@pytest.mark.parametrize(("words", "seed"), [(7, 219), (9, 360), (9, 2259), (12, 2213), (12, 3724)])
def test_kernel_shap_is_exact_where_the_masks_drawn_leave_it_open(words, seed):
    """The seeds of which SHAP warns, of 4000 for each number of words from 5 to 12."""
    value, a = linear(words)
    found = kernel_shap(value, words, SAMPLES_PER_WORD * words, seed)
    np.testing.assert_allclose(found, a, atol=1e-12)


@METHODS
def test_seeds_reproduce_and_numpys_state_stays(method):
    np.random.seed(5)
    before = np.random.get_state()[1].copy()  # pyright: ignore
    one, same, other = (method(nonlinear, 12, 200, seed) for seed in (0, 0, 1))
    assert np.array_equal(one, same) and not np.array_equal(one, other)
    assert np.array_equal(before, np.random.get_state()[1])  # pyright: ignore


@METHODS
def test_models_are_called_with_one_shape(method):
    shapes = set()

    def value(masks):
        shapes.add(masks.shape)
        return masks.sum(axis=1).astype(float)

    method(value, 7, 300, 0)
    assert shapes == {(BATCH, 7)}


@METHODS
def test_few_words_and_constant_models(method):
    assert method(nonlinear, 0, 100, 0).shape == (0,)
    value, a = linear(1)
    (found,) = method(value, 1, 100, 0)
    assert np.sign(found) == np.sign(a[0])
    assert np.abs(method(lambda masks: np.full(len(masks), 3.0), 5, 100, 0)).max() < 1e-12


@METHODS
def test_what_cannot_be_explained_is_one_sentence(method):
    with pytest.raises(ValueError, match="samples is 39 and must be at least 40"):
        method(nonlinear, 10, SAMPLES_PER_WORD * 10 - 1, 0)
    with pytest.raises(ValueError, match="finite logits"):
        method(lambda masks: np.full(len(masks), np.nan), 5, 100, 0)


@pytest.mark.parametrize("library", ["lime.lime_text", "shap"])
def test_a_library_is_missed_before_anything_is_trained(library, monkeypatch):
    monkeypatch.setitem(sys.modules, library, None)
    PerturbedSettings(perturbed=None).require_libraries()
    with pytest.raises(UsageError, match="pip install"):
        PerturbedSettings().require_libraries()


def test_too_few_samples_are_refused_with_the_settings():
    assert PerturbedSettings(dataset="imdb", perturbed=SAMPLES_PER_WORD * 250)
    with pytest.raises(ValueError, match="perturbed is 999, .* need 1000"):
        PerturbedSettings(dataset="imdb", perturbed=SAMPLES_PER_WORD * 250 - 1)


@pytest.mark.parametrize("samples", [SAMPLES, 16 * SAMPLES])
def test_lime_falls_short_of_a_linear_model_by_its_ridge(samples):
    value, a = linear(32)
    found = lime(value, 32, samples, seed=1)
    # The design drawn differs from the expected one, by less than a tenth at 1000 samples.
    assert 1 - found @ a / (a @ a) == pytest.approx(ridge_shrinkage(32, samples), rel=0.2)


@pytest.mark.parametrize("words", [2, 3, 6])
def test_kernel_shap_of_any_game_is_the_shapley_value_where_all_masks_fit(words):
    table = np.random.default_rng(words).normal(size=2**words)

    def value(masks):
        return table[masks @ 2 ** np.arange(words)]

    # A weighted least squares with as many unknowns as words: rounding only.
    assert np.max(np.abs(kernel_shap(value, words, 64, seed=0) - shapley(value, words))) < 1e-13


@METHODS
@pytest.mark.parametrize("kept", [0, 3])
def test_a_refused_model_leaves_no_trace(method, kept, capfd):
    """Where only some texts are bad, SHAP is stopped halfway, or would print that it was."""
    before = np.random.get_state()
    with pytest.raises(ValueError, match="finite logits"):
        method(lambda masks: np.where(masks.sum(axis=1) == kept, np.inf, 1.0), 6, SAMPLES, seed=0)
    assert all(map(np.array_equal, before, np.random.get_state()))
    assert capfd.readouterr() == ("", "")


@pytest.mark.slow
def test_in_a_fresh_process_nothing_is_printed_and_no_warning_is_an_error(environment):
    program = """
from theory.attribution.perturbation import kernel_shap, lime
for method in (lime, kernel_shap):
    method(lambda masks: masks.sum(axis=1, dtype=float), 20, 200, 0)
"""
    command = [sys.executable, "-W", "error", "-c", program]
    result = subprocess.run(command, capture_output=True, text=True, env=environment)
    assert (result.returncode, result.stdout, result.stderr) == (0, "", "")
