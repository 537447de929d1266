"""The sums over gated neurons against a loop over pairs in NumPy, and against autograd."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax import export

from theory.kernels import gated, gated_sum, relu_sum
from theory.networks import TwoLayerReLU

SHAPES = {
    "plain": (40, 24, 3),
    "ragged": (37, 13, 3),
    "one row": (1, 13, 3),
    "one neuron": (37, 1, 3),
    "one coordinate": (37, 13, 1),
    "last few": (37, 13, gated.FEW),
    "many coordinates": (37, 13, gated.FEW + 1),
    "no coordinates": (5, 3, 0),
    "no points": (0, 13, 3),
    "no neurons": (37, 0, 3),
    "nothing": (0, 0, 3),
}
cases = pytest.mark.parametrize(
    ("shape", "dtype"),
    [(shape, "float64") for shape in SHAPES.values()] + [(SHAPES["ragged"], "float32")],
    ids=[*SHAPES, "float32"],
)

ULPS = 200
"""Machine epsilons of the largest sum of absolute terms: sums of at most 24 terms of 9 products."""


def problem(shape, dtype):
    """Small integers over four: products and gates are exact, and some are exactly zero."""
    n, m, d = shape
    rng = np.random.default_rng(0)
    draws = [rng.integers(-3, 4, size) / 4 for size in ((n, d), (m, d), (m,))]
    return [draw.astype(dtype) for draw in draws]


def by_pairs(x, w, v):
    """Values and gradients, and the number of pairs at a kink."""
    values, rows, kinks = np.zeros(len(x)), np.zeros(x.shape), 0
    for i, point in enumerate(x):
        for j, neuron in enumerate(w):
            z = sum(float(a) * float(b) for a, b in zip(point, neuron, strict=True))
            kinks += z == 0
            if z > 0:
                values[i] += v[j] * z
                rows[i] += v[j] * neuron
    return values, rows, kinks


def close(found, expected, dtype):
    expected = np.asarray(expected)
    assert found.dtype == dtype and found.shape == expected.shape
    atol = ULPS * np.finfo(dtype).eps * max(1.0, np.abs(expected).max(initial=0))
    np.testing.assert_allclose(np.asarray(found), expected, rtol=0, atol=atol)


@cases
def test_the_sums_are_those_over_all_pairs(shape, dtype):
    x, w, v = problem(shape, dtype)
    values, rows, kinks = by_pairs(x, w, v)
    assert kinks or not x.size or not len(w) or len(x) == 1 or len(w) == 1
    given = [jnp.asarray(part) for part in (x, w, v)]
    sums = [relu_sum, gated.by_matmuls, *[gated.by_neurons] * (shape[2] > 0)]
    found = jax.jit(lambda *given: (gated_sum(*given), [each(*given) for each in sums]))(*given)
    close(found[0], rows, dtype)
    for one in found[1]:
        close(one, values, dtype)


@cases
def test_derivatives_are_those_of_autograd(shape, dtype):
    x, w, v = (jnp.asarray(part) for part in problem(shape, dtype))
    weights = jnp.linspace(-1, 2, len(x), dtype=dtype)

    def dense(x, w, v):
        return weights @ TwoLayerReLU(w, v)(x)

    def by_sums(x, w, v):
        return weights @ relu_sum(x, w, v)

    slopes = [jax.grad(values, argnums=(0, 1, 2)) for values in (by_sums, dense)]
    found, expected = jax.jit(lambda *given: [slope(*given) for slope in slopes])(x, w, v)
    for one, other in zip(found, expected, strict=True):
        close(one, other, dtype)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_blocks_and_chunks_that_are_ragged_cover_all_points(dtype):
    x, w, v = problem((100_003, 13, 3), dtype)
    assert len(x) > gated.BLOCK and len(x) * len(w) > gated.GATES
    z = x @ w.T
    given = [jnp.asarray(part) for part in (x, w, v)]
    close(gated.by_neurons(*given), np.maximum(z, 0) @ v, dtype)
    close(gated.by_matmuls(*given), np.maximum(z, 0) @ v, dtype)
    close(gated_sum(*given), np.where(z > 0, v, 0) @ w, dtype)


def test_a_neuron_at_its_kink_is_off():
    x, w, v = jnp.array([[1.0, 0.0], [0.0, 0.0]]), jnp.array([[0.0, 2.0]]), jnp.ones(1)
    assert relu_sum(x, w, v).tolist() == [0, 0]
    assert gated_sum(x, w, v).tolist() == [[0, 0], [0, 0]]
    assert jax.grad(lambda x: relu_sum(x, w, v).sum())(x).tolist() == [[0, 0], [0, 0]]


@pytest.mark.parametrize("sums", [gated.by_neurons, gated.by_matmuls, gated_sum])
def test_a_point_that_is_no_number_gives_none(sums):
    x = jnp.array([[1.0, 1.0], [jnp.nan, 1.0]])
    found = sums(x, jnp.array([[1.0, 2.0], [3.0, -1.0]]), jnp.ones(2))
    assert np.isnan(found).reshape(2, -1).all(axis=1).tolist() == [False, True]
    assert np.isfinite(found[0]).all()


def test_a_batch_of_networks_is_the_networks_one_by_one():
    x, w, v = (jnp.asarray(part) for part in problem((37, 13, 3), "float64"))
    nets = jnp.stack([w, -w]), jnp.stack([v, v])
    found = jax.vmap(relu_sum, in_axes=(None, 0, 0))(x, *nets)
    expected = jnp.stack([relu_sum(x, *net) for net in zip(*nets, strict=True)])
    close(found, expected, "float64")


def test_arguments_share_their_dtype():
    x, w, v = jnp.ones((2, 3)), jnp.ones((4, 3), jnp.float32), jnp.ones(4)
    for sums in (relu_sum, gated_sum):
        with pytest.raises(TypeError, match="float32"):
            sums(x, w, v)


@pytest.mark.parametrize(("x", "v"), [((2, 3), (1,)), ((2, 3), (4, 1)), ((3,), (4,))], ids=str)
@pytest.mark.parametrize("sums", [relu_sum, gated_sum])
def test_arguments_of_other_shapes_are_refused(sums, x, v):
    with pytest.raises(ValueError, match=r"must be \(n, d\), \(m, d\) and \(m,\)"):
        sums(jnp.ones(x), jnp.ones((4, 3)), jnp.ones(v))


@pytest.mark.parametrize("platform", ["cpu", "cuda", "tpu"])
def test_it_lowers_for_every_platform(platform):
    given = (jax.ShapeDtypeStruct(size, jnp.float32) for size in ((37, 3), (13, 3), (13,)))

    def both(x, w, v):
        return jax.value_and_grad(lambda x: relu_sum(x, w, v).sum())(x)

    program = export.export(jax.jit(both), platforms=[platform])(*given)
    assert program.platforms == (platform,)


@pytest.mark.parametrize("sums", [relu_sum, gated_sum])
def test_memory_is_free_of_the_number_of_gates(sums):
    n, m = 100_000, 1000
    given = (jax.ShapeDtypeStruct(size, jnp.float32) for size in ((n, 3), (m, 3), (m,)))
    memory = jax.jit(sums).lower(*given).compile().memory_analysis()
    assert memory is not None
    # Gates of one chunk, and what the products of matrices hold beside them; all would be 400 MB.
    assert memory.temp_size_in_bytes < 8 * 4 * gated.GATES
