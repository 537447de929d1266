"""Attribution methods against closed forms, finite differences and each other."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from theory.attribution.methods import (
    gradient,
    gradient_times_input,
    integrated_gradients,
    occlusion,
    present,
    seed_averaged,
    smooth_grad,
    span_share,
)
from theory.attribution.scores import explain
from theory.geometry import random_subspace
from theory.networks import SumReLU, mlp, two_layer_relu

WORDS, D = 8, 6
PADDING = jnp.arange(WORDS) >= 6


@pytest.fixture(scope="module")
def x():
    text = jax.random.normal(jax.random.key(0), (WORDS, D))
    return jnp.where(PADDING[:, None], 0, text)


@pytest.fixture(scope="module")
def a():
    return jax.random.normal(jax.random.key(1), (WORDS, D))


@pytest.fixture(scope="module")
def linear(a):
    return lambda x: jnp.sum(a * x)


@pytest.fixture(scope="module")
def relu():
    net = two_layer_relu(jax.random.key(2), WORDS * D, 256)
    return lambda x: net(x.ravel())


@pytest.fixture(scope="module")
def biased():
    net = mlp(jax.random.key(3), (WORDS * D, 64, 64, 1))
    return lambda x: net(x.ravel())


def test_on_a_linear_model_all_methods_are_its_coefficients(linear, a, x):
    def methods(x):
        attributions, gap = integrated_gradients(linear, x, steps=3)
        shares = gradient_times_input(linear, x), occlusion(linear, x), attributions
        smooth = smooth_grad(linear, x, jax.random.key(4), noise=2.0, samples=5)
        return shares, gap, gradient(linear, x), smooth

    found, gap, slope, smooth = jax.jit(methods)(x)
    shares = np.sum(np.multiply(a, x), axis=1)
    for attributions in found:
        assert np.abs(attributions - shares).max() < 1e-14
    assert abs(gap) < 1e-14
    assert np.array_equal(slope, a)
    assert np.abs(np.subtract(smooth, a)).max() < 1e-14


def test_gradient_against_finite_differences(relu, x):
    step = 1e-6 * jnp.eye(WORDS * D).reshape(-1, WORDS, D)
    slopes = jax.vmap(lambda s: relu(x + s) - relu(x - s))(step).reshape(WORDS, D) / 2e-6
    # Piecewise linear: the only error is rounding.
    assert np.abs(np.subtract(slopes, gradient(relu, x))).max() < 1e-8


def test_without_biases_one_step_from_padding_is_exact(relu, x):
    """logit(αx) = α logit(x): the gradient is constant along the path."""

    def both(x):
        return integrated_gradients(relu, x, steps=1), gradient_times_input(relu, x)

    (attributions, gap), product = jax.jit(both)(x)
    assert abs(gap) < 1e-14
    assert np.abs(np.subtract(attributions, product)).max() < 1e-14


@pytest.mark.slow
@pytest.mark.parametrize("name", ["relu", "biased"])
def test_integrated_gradients_complete_across_kinks(name, x, request):
    logit = request.getfixturevalue(name)
    baseline = jax.random.normal(jax.random.key(5), (WORDS, D))
    difference = logit(x) - logit(baseline)
    gaps = [integrated_gradients(logit, x, baseline, steps).gap for steps in (8, 1024)]
    assert jnp.abs(gaps[1]) < 1e-3 * jnp.abs(difference)
    assert jnp.abs(gaps[0]) > jnp.abs(gaps[1])


@pytest.mark.slow
def test_integrated_gradients_of_a_cubic(x):
    """∫ 3α²x²·x dα = x³, and halving the cells of the midpoint rule quarters its error."""
    cubes = jnp.sum(x**3, axis=1)
    errors = []
    for steps in (50, 100):
        attributions, gap = integrated_gradients(lambda x: jnp.sum(x**3), x, steps=steps)
        errors.append(float(jnp.max(jnp.abs(attributions - cubes))))
        assert gap == pytest.approx(float(jnp.sum(attributions) - cubes.sum()), abs=1e-12)
    assert errors[1] < 1e-3
    assert errors[0] / errors[1] == pytest.approx(4, rel=0.1)


@pytest.mark.slow
@pytest.mark.parametrize("width", [1e-2, 1e-4, 1e-6])
def test_integrated_gradients_complete_across_a_jump(width, x, a):
    """A logit that jumps by 1 within this share of the path, as that of an LSTM may."""
    path = jnp.sum(a * x)

    def jump(x):
        return jax.nn.sigmoid((jnp.sum(a * x) / path - 0.5371) / width)

    attributions, gap = integrated_gradients(jump, x, steps=256)
    assert jnp.abs(gap) < 1e-3
    assert np.abs(np.subtract(attributions, jnp.sum(a * x, axis=1) / path)).max() < 1e-2


def test_smooth_grad_averages_and_keeps_padding(x):
    """The gradient of ½‖x‖² is x: noise averages out, and padding is given none."""
    smooth = smooth_grad(lambda x: jnp.sum(x**2) / 2, x, jax.random.key(6), 0.5, 4000)
    error = jnp.abs(smooth - x)
    assert jnp.max(error[PADDING]) == 0
    assert 0 < jnp.max(error[~PADDING]) < 6 * 0.5 / np.sqrt(4000)


def test_padding_gets_nothing(biased, x):
    assert np.array_equal(present(x), ~PADDING)

    def scores(x):
        return (
            gradient_times_input(biased, x),
            occlusion(biased, x),
            integrated_gradients(biased, x, steps=4).attributions,
        )

    for found in jax.jit(scores)(x):
        assert np.array_equal(np.asarray(found) != 0, ~PADDING)


@pytest.mark.slow
def test_methods_compile_and_take_batches(relu, x):
    texts = jnp.stack([x, 2 * x[::-1]])
    for method in (gradient, gradient_times_input, occlusion, integrated_gradients):
        batched = jax.jit(jax.vmap(lambda text, method=method: method(relu, text)))(texts)
        one = method(relu, texts[1])
        for ours, theirs in zip(jax.tree.leaves(batched), jax.tree.leaves(one), strict=True):
            assert np.abs(np.subtract(ours[1], theirs)).max() < 1e-13


def test_seed_average_shrinks_what_copies_do_not_share():
    shared = jnp.ones((WORDS, D))
    noise = jax.random.normal(jax.random.key(7), (400, WORDS, D))
    mean = seed_averaged(shared[None] + noise)
    assert mean.shape == (WORDS, D)
    assert np.abs(np.subtract(mean, shared)).max() < 5.5 / np.sqrt(400)


def test_span_share_is_pythagorean():
    plane = random_subspace(jax.random.key(8), 40, 7)
    g = jax.random.normal(jax.random.key(9), (3, 5, 40))
    share = span_share(g, plane.basis)
    assert share.shape == (3, 5)
    assert np.abs(np.subtract(share + plane.off_share(g) ** 2, 1)).max() < 1e-14
    assert np.abs(np.subtract(span_share(plane.project(g), plane.basis), 1)).max() < 1e-14
    assert jnp.max(span_share(plane.reject(g), plane.basis)) < 1e-28
    assert span_share(jnp.zeros(40), plane.basis) == 0


def test_averages_over_nothing_are_refused(linear, x):
    with pytest.raises(ValueError, match="steps is 0"):
        integrated_gradients(linear, x, steps=0)
    with pytest.raises(ValueError, match="samples is 0"):
        smooth_grad(linear, x, jax.random.key(0), 0.1, 0)


METHODS = {
    "gradient": gradient,
    "gradient_times_input": gradient_times_input,
    "integrated_gradients": lambda logit, x: integrated_gradients(logit, x, steps=2),
    "occlusion": occlusion,
    "smooth_grad": lambda logit, x: smooth_grad(logit, x, jax.random.key(0), 0.1, 2),
    "explain": lambda logit, x: explain(
        jax.vmap(lambda key: SumReLU(two_layer_relu(key, D, 5)))(
            jax.random.split(jax.random.key(0), 2)
        ),
        *(x, jax.random.key(1)),
        steps=1,
    ),
}


@pytest.mark.parametrize("name", METHODS)
def test_what_is_no_text_is_refused(name, linear, x):
    """A gate is closed at a NaN: the gradient there would be 0, and so would be the score."""
    for wrong, says in (
        (x.at[1, 0].set(jnp.nan), "the words of the text have entries that are not finite"),
        (x.at[1, 0].set(jnp.inf), "not finite"),
        (x[None], r"the text has shape \(1, 8, 6\) and must have \(words, d\)"),
        (x[:0], "of at least one word"),
    ):
        with pytest.raises(ValueError, match=says):
            METHODS[name](linear, wrong)
    jax.make_jaxpr(lambda x: METHODS[name](linear, x))(x)


@pytest.mark.parametrize(
    ("baseline", "says"),
    [
        (jnp.ones((1, D)), r"the baseline has shape \(1, 6\) and must have \(8, 6\)"),
        (jnp.full((WORDS, D), jnp.nan), "the words of the baseline have entries"),
    ],
    ids=range(2),
)
def test_a_baseline_is_a_text_of_the_same_shape(linear, x, baseline, says):
    with pytest.raises(ValueError, match=says):
        integrated_gradients(linear, x, baseline, 4)


@pytest.mark.parametrize("noise", [float("nan"), -0.1, float("inf")])
def test_noise_that_is_no_deviation_is_refused(linear, x, noise):
    with pytest.raises(ValueError, match="noise is .* and must be at least 0 and finite"):
        smooth_grad(linear, x, jax.random.key(0), noise, 4)


def test_span_share_of_what_is_small_and_of_what_is_no_number():
    plane = random_subspace(jax.random.key(8), 40, 7)
    g = jax.random.normal(jax.random.key(9), (5, 40)).astype(jnp.float32)
    basis = plane.basis.astype(jnp.float32)
    whole = span_share(g, basis)
    for scale in (1e-25, 1e25):
        scaled = span_share(g * jnp.float32(scale), basis)
        np.testing.assert_allclose(scaled, whole, rtol=1e-5)
    for wrong in (jnp.nan, jnp.inf):
        found = span_share(g.at[1, 0].set(wrong), basis)
        assert np.isnan(found).tolist() == [False, True, False, False, False]
        np.testing.assert_array_equal(np.delete(found, 1), np.delete(whole, 1))


@pytest.mark.parametrize(
    ("basis", "says"),
    [
        (2 * jnp.eye(4)[:, :2], "not orthonormal"),
        (jnp.ones((4, 2)), "not orthonormal"),
        (jnp.eye(3), r"basis has shape \(3, 3\)"),
    ],
    ids=range(3),
)
def test_a_basis_that_is_none_is_refused(basis, says):
    with pytest.raises(ValueError, match=says):
        span_share(jnp.ones(4), basis)
