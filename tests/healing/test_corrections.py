"""Closed forms against NumPy's dense solvers, one output and one layer at a time."""

from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from theory.healing import (
    apply_masks,
    correct_biases,
    fold_neurons,
    magnitude,
    reconstruct,
    refit_head,
    repair,
    smallest,
)
from theory.healing.corrections import RIDGE
from theory.healing.least_squares import masked_ridge, ridge_around
from theory.networks import MLP, mlp

WIDTHS = (6, 9, 7, 4)
N = 30
TREE: Any = MLP  # of masks too
CLOSE = 1e-5  # conjugate gradients stop at a relative residual of 1e-6


@pytest.fixture(scope="module")
def dense():
    return mlp(jax.random.key(0), WIDTHS)


@pytest.fixture(scope="module")
def x():
    return jax.random.normal(jax.random.key(1), (N, WIDTHS[0]))


@pytest.fixture(scope="module")
def masks(dense):
    """Half of the hidden weights, and one neuron that lost all of its."""
    first, *rest = smallest(magnitude(dense.weights[:-1]), 0.5)
    return TREE((first.at[2].set(0), *rest, None), (None,) * 3)


@pytest.fixture(scope="module")
def pruned(dense, masks):
    return apply_masks(dense, masks)


@pytest.fixture(scope="module")
def removed():
    """Masks that remove neurons 1 and 4 of the first hidden layer and 0 of the second."""
    masks = [np.ones(shape, np.uint8) for shape in ((9, 6), (7, 9), (4, 7))]
    masks[0][[1, 4]] = 0
    masks[1][:, [1, 4]] = 0
    masks[1][0] = 0
    masks[2][:, 0] = 0
    return TREE(tuple(map(jnp.asarray, masks)), (None,) * 3)


def relu(h):
    return np.maximum(h, 0)


def preactivations(net, x):
    """NumPy's, layer by layer."""
    layers, h = [], np.asarray(x)
    for weight, bias in zip(net.weights, net.biases, strict=True):
        layers.append(h @ np.asarray(weight).T + np.asarray(bias))
        h = relu(layers[-1])
    return layers


def typical(x):
    return np.mean(np.sum(np.asarray(x) ** 2, axis=0))


def ridge_of_rows(x, z, mask, ridge):
    """Every output by a solver of its own, on the inputs that its mask leaves."""
    x, z, mask = (np.asarray(array) for array in (x, z, mask))
    weights = np.zeros(mask.shape)
    for j, row in enumerate(mask):
        at = np.flatnonzero(row)
        part = x[:, at]
        system = part.T @ part + ridge * np.eye(len(at))
        weights[j, at] = np.linalg.solve(system, part.T @ z[:, j])
    return weights


# One layer


@pytest.mark.parametrize("n", [40, 5, 1])
@pytest.mark.parametrize("ridge", [1e-3, 1.0, 1e6])
def test_masked_ridge_is_numpys_output_by_output(n, ridge):
    key_x, key_z, key_m = jax.random.split(jax.random.key(n), 3)
    x, z = jax.random.normal(key_x, (n, 12)), jax.random.normal(key_z, (n, 5))
    mask = jax.random.bernoulli(key_m, 0.5, (5, 12)).astype(jnp.uint8).at[0].set(0).at[1].set(1)
    expected = ridge_of_rows(x, z, mask, ridge)
    weights = masked_ridge(x, z, mask, ridge, tolerance=1e-12)
    np.testing.assert_allclose(weights, expected, atol=1e-9 * np.abs(expected).max())
    assert not np.any(np.asarray(weights)[np.asarray(mask) == 0].view(np.uint64))
    assert np.array_equal(weights, masked_ridge(x, z, mask.astype(bool), ridge, 1e-12))
    loose = masked_ridge(x, z, mask, ridge) - expected
    # A relative residual of 1e-6 in the system of least eigenvalue λ.
    assert jnp.linalg.norm(loose) <= 1e-6 * jnp.linalg.norm(x.T @ z) / ridge


def test_masked_ridge_without_a_ridge_to_speak_of():
    """Enough inputs: least squares. Too few: the interpolant of least norm."""
    key_x, key_z = jax.random.split(jax.random.key(2))
    full = jnp.ones((2, 6), jnp.uint8)
    for n in (20, 3):
        x, z = jax.random.normal(key_x, (n, 6)), jax.random.normal(key_z, (n, 2))
        weights = masked_ridge(x, z, full, 1e-10, tolerance=1e-13)
        least = np.linalg.lstsq(np.asarray(x), np.asarray(z))[0].T
        np.testing.assert_allclose(weights, least, atol=1e-8)


def test_masked_ridge_in_any_units_in_single_precision():
    """Fourth powers of 1e-12 are 0 in float32."""
    key_x, key_z = jax.random.split(jax.random.key(6))
    x, z = jax.random.normal(key_x, (9, 6)), jax.random.normal(key_z, (9, 2))
    x, z = x.astype(jnp.float32), z.astype(jnp.float32)
    mask = jnp.ones((2, 6), jnp.uint8).at[0, 1].set(0)
    weights = masked_ridge(x, z, mask, 0.5)
    for unit, size in ((1e-12, 1e9), (1e12, 1e-15)):
        scaled = masked_ridge(unit * x, size * z, mask, 0.5 * unit**2)
        np.testing.assert_allclose(scaled * unit / size, weights, atol=1e-5)


def test_ridge_around_is_numpys_and_moves_nothing_that_no_input_sees():
    keys = jax.random.split(jax.random.key(3), 3)
    shapes = ((4, 7), (3, 7), (4, 3))
    x, start, z = (jax.random.normal(k, s) for k, s in zip(keys, shapes, strict=True))
    X, S, Z, ridge = np.asarray(x), np.asarray(start), np.asarray(z), 0.3
    expected = np.linalg.solve(X.T @ X + ridge * np.eye(7), X.T @ Z + ridge * S.T).T
    weights = ridge_around(start, x, z, ridge)
    np.testing.assert_allclose(weights, expected, atol=CLOSE)
    unseen = np.eye(7) - np.linalg.pinv(X) @ X
    np.testing.assert_allclose((np.asarray(weights) - S) @ unseen, 0, atol=1e-12)
    np.testing.assert_allclose(ridge_around(start, x, z, 1e9), start, atol=1e-7)


# All layers


def test_correct_biases_gives_the_means_of_the_dense_network(dense, pruned, x):
    healed = correct_biases(dense, pruned, x)
    for now, then in list(zip(preactivations(healed, x), preactivations(dense, x), strict=True))[
        :2
    ]:
        np.testing.assert_allclose(now.mean(axis=0), then.mean(axis=0), atol=1e-14)
    assert all(a is b for a, b in zip(healed.weights, pruned.weights, strict=True))
    assert healed.biases[-1] is pruned.biases[-1]


def test_repair_gives_means_and_deviations_of_the_dense_network(dense, pruned, masks, x):
    healed = repair(dense, pruned, x)
    for layer in (0, 1):
        now, then = (preactivations(net, x)[layer] for net in (healed, dense))
        np.testing.assert_allclose(now.mean(axis=0), then.mean(axis=0), atol=1e-13)
        varies = np.asarray(jnp.any(masks.weights[layer], axis=1))
        spread = now.std(axis=0)[varies], then.std(axis=0)[varies]
        np.testing.assert_allclose(*spread, rtol=1e-12)
        # One scale for each neuron, which it would have to have had in NumPy.
        h = relu(preactivations(healed, x)[layer - 1]) if layer else np.asarray(x)
        weak = h @ np.asarray(pruned.weights[layer]).T
        scale = np.where(varies, then.std(axis=0) / np.where(varies, weak.std(axis=0), 1), 1)
        expected = np.asarray(pruned.weights[layer]) * scale[:, None]
        np.testing.assert_allclose(healed.weights[layer], expected, rtol=1e-12)
    assert healed.weights[-1] is pruned.weights[-1]


def test_repair_scales_no_rounding():
    """Neurons on inputs that are all alike have no deviation but that of rounding."""
    dense = mlp(jax.random.key(4), WIDTHS)
    x = jnp.full((13, WIDTHS[0]), 0.1)  # 13 times 0.1 is not 1.3
    constant = dense._replace(
        weights=tuple(0.3 * w for w in dense.weights), biases=tuple(b + 0.7 for b in dense.biases)
    )
    healed = repair(dense, constant, x)
    assert np.array_equal(healed.weights[0], constant.weights[0])
    now, then = (preactivations(net, x) for net in (healed, dense))
    np.testing.assert_allclose(now[1], then[1], atol=1e-14)


def test_reconstruct_is_numpys_from_layer_to_layer(dense, pruned, masks, x):
    """The second layer stays whole, the head does not."""
    head = smallest(magnitude(dense.weights[-1]), 0.5)
    masks = masks._replace(weights=(masks.weights[0], None, head))
    healed = reconstruct(dense, pruned, masks, x)
    h = np.asarray(x)
    for layer, mask in enumerate(masks.weights):
        bias, weight = np.asarray(dense.biases[layer]), np.asarray(pruned.weights[layer])
        if mask is not None:
            target = preactivations(dense, x)[layer] - bias
            weight = ridge_of_rows(h, target, mask, RIDGE * typical(h))
        np.testing.assert_allclose(healed.weights[layer], weight, atol=CLOSE)
        h = relu(h @ weight.T + bias)
    assert healed.weights[1] is pruned.weights[1]
    assert all(a is b for a, b in zip(healed.biases, pruned.biases, strict=True))


def test_reconstruct_of_an_unpruned_network_shrinks_it_by_the_ridge_alone(dense):
    x = jax.random.normal(jax.random.key(5), (2000, WIDTHS[0]))
    everything = TREE((jnp.ones((9, 6), jnp.uint8), None, None), (None,) * 3)
    healed = reconstruct(dense, dense, everything, x)
    # White inputs have XᵀX near its mean on the diagonal, so weights shrink by 1/(1 + RIDGE).
    np.testing.assert_allclose(healed.weights[0] * (1 + RIDGE), dense.weights[0], atol=1e-3)


def test_refit_head_is_numpys(dense, pruned, x):
    healed = refit_head(dense, pruned, x)
    hidden = relu(preactivations(pruned, x)[-2])
    start, bias = np.asarray(pruned.weights[-1]), np.asarray(pruned.biases[-1])
    ridge = RIDGE * typical(hidden)
    system = hidden.T @ hidden + ridge * np.eye(WIDTHS[-2])
    logits = preactivations(dense, x)[-1] - bias
    expected = np.linalg.solve(system, hidden.T @ logits + ridge * start.T).T
    np.testing.assert_allclose(healed.weights[-1], expected, atol=CLOSE)
    assert all(a is b for a, b in zip(healed.weights[:-1], pruned.weights[:-1], strict=True))
    before, after = (
        np.sum((preactivations(net, x)[-1] - logits - bias) ** 2) for net in (pruned, healed)
    )
    assert after < before


def fold(dense, removed, x):
    """NumPy: regress the removed neurons on the others with a constant that is not penalised."""
    weights = [np.array(w) for w in dense.weights]
    biases = [np.array(b) for b in dense.biases]
    states = [relu(h) for h in preactivations(dense, x)[:-1]]
    for layer, gone in enumerate(removed):
        h = states[layer]
        stays = np.setdiff1d(np.arange(h.shape[1]), gone)
        mean, centred = h.mean(axis=0), h - h.mean(axis=0)
        ridge = RIDGE * typical(centred)
        part = centred[:, stays]
        system = part.T @ part + ridge * np.eye(len(stays))
        coefficients = np.linalg.solve(system, part.T @ centred[:, gone])
        out = weights[layer + 1]
        biases[layer + 1] = biases[layer + 1] + out[:, gone] @ (
            mean[gone] - coefficients.T @ mean[stays]
        )
        out[:, stays] += out[:, gone] @ coefficients.T
        out[:, gone] = 0
        weights[layer][gone] = 0
        biases[layer][gone] = 0
    return MLP(tuple(map(jnp.asarray, weights)), tuple(map(jnp.asarray, biases)))


def test_fold_neurons_is_numpys(dense, removed, x):
    healed = fold_neurons(dense, removed, x)
    expected = fold(dense, ([1, 4], [0]), x)
    for one, other in zip(jax.tree.leaves(healed), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(one, other, atol=CLOSE)
    assert jax.tree.all(jax.tree.map(np.array_equal, apply_masks(healed, removed), healed))
    plain = preactivations(apply_masks(dense, removed), x)[-1]
    folded, target = preactivations(healed, x)[-1], preactivations(dense, x)[-1]
    assert np.sum((folded - target) ** 2) < np.sum((plain - target) ** 2) / 2


def test_twins_fold_exactly_as_the_ridge_goes_to_zero(dense, removed, x, monkeypatch):
    """Neuron 1 is like neuron 0, and 4 is constant on all inputs."""
    weight = dense.weights[0].at[1].set(2 * dense.weights[0][0]).at[4].set(0)
    bias = dense.biases[0].at[1].set(2 * dense.biases[0][0]).at[4].set(0.3)
    twins = MLP((weight, *dense.weights[1:]), (bias, *dense.biases[1:]))
    first = TREE((removed.weights[0], None, None), (None,) * 3)
    gaps = []
    for ridge in (1e-2, 1e-4, 1e-6):
        monkeypatch.setattr("theory.healing.corrections.RIDGE", ridge)
        healed = fold_neurons(twins, first, x)
        gaps.append(np.abs(preactivations(healed, x)[-1] - preactivations(twins, x)[-1]).max())
    assert gaps[0] < 0.05 and gaps[1] < gaps[0] / 30 and gaps[2] < 1e-5


CORRECTIONS = {
    "biases": lambda dense, pruned, masks, removed, x: correct_biases(dense, pruned, x),
    "repair": lambda dense, pruned, masks, removed, x: repair(dense, pruned, x),
    "reconstruct": lambda dense, pruned, masks, removed, x: reconstruct(dense, pruned, masks, x),
    "head": lambda dense, pruned, masks, removed, x: refit_head(dense, pruned, x),
    "fold": lambda dense, pruned, masks, removed, x: fold_neurons(dense, removed, x),
}


@pytest.mark.parametrize("name", CORRECTIONS)
def test_degenerate_states_are_corrected_without_nan(dense, pruned, masks, removed, x, name):
    dead = dense._replace(biases=(dense.biases[0] - 100, *dense.biases[1:]))
    single = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), (dense, dead, pruned))
    for net, inputs in (
        (single[0], 0 * x),
        (single[0], x[:1]),
        (single[0], 0 * x[:1]),
        (single[1], x),
        (single[0], 1e-20 * x),
    ):
        start = apply_masks(net, masks) if net is single[1] else single[2]
        healed = CORRECTIONS[name](net, start, masks, removed, inputs.astype(jnp.float32))
        for leaf, like in zip(jax.tree.leaves(healed), jax.tree.leaves(net), strict=True):
            assert leaf.shape == like.shape and leaf.dtype == jnp.float32
            assert np.isfinite(leaf).all()
            assert np.abs(leaf).max() < 200  # the bias of dead neurons is −100


NAN = float("nan")


@pytest.mark.parametrize("name", CORRECTIONS)
@pytest.mark.parametrize(
    ("what", "said"),
    [
        ("inputs", "inputs have entries that are not finite"),
        ("none", "at least 1 input, but have"),
        ("dense", "the dense network has weights that are not finite"),
        ("pruned", "the pruned network has weights that are not finite"),
        ("masks", r"the mask of \.weights\[0\] has other values than 0 and 1"),
    ],
)
def test_what_has_no_closed_form_is_refused(dense, pruned, masks, removed, x, name, what, said):
    if (
        what == "pruned"
        and name == "fold"
        or what == "masks"
        and name not in ("fold", "reconstruct")
    ):
        pytest.skip("is not given any")
    bad = MLP(dense.weights, (NAN * dense.biases[0], *dense.biases[1:]))
    twos = [TREE((2 * m.weights[0], *m.weights[1:]), m.biases) for m in (masks, removed)]
    arguments = {"dense": dense, "pruned": pruned, "masks": masks, "removed": removed, "x": x}
    changes = {
        "inputs": {"x": x.at[1, 2].set(NAN)},
        "none": {"x": x[:0]},
        "dense": {"dense": bad},
        "pruned": {"pruned": bad},
        "masks": {"masks": twos[0], "removed": twos[1]},
    }[what]
    with pytest.raises(ValueError, match=said):
        CORRECTIONS[name](**arguments | changes)


def test_masked_ridge_refuses_what_it_cannot_solve():
    x, z, mask = jnp.ones((4, 3)), jnp.ones((4, 2)), jnp.ones((2, 3), jnp.uint8)
    for bad in (x[:0], x.at[0, 0].set(NAN)):
        with pytest.raises(ValueError, match="inputs"):
            masked_ridge(bad, z[: len(bad)], mask, 1.0)
    with pytest.raises(ValueError, match="inputs have entries that are not finite"):
        masked_ridge(x, NAN * z, mask, 1.0)
    with pytest.raises(ValueError, match="the mask has other values than 0 and 1"):
        masked_ridge(x, z, 2 * mask, 1.0)


def test_single_weights_are_not_folded(dense, masks, removed, x):
    """Also where all that is wrong is that a neuron is read by no one, but stays."""
    columns = removed._replace(weights=(jnp.ones((9, 6), jnp.uint8), *removed.weights[1:]))
    for wrong in (masks, columns):
        with pytest.raises(ValueError, match="only whole neurons can be folded"):
            fold_neurons(dense, wrong, x)


def test_compiled_corrections_are_the_same(dense, pruned, masks, removed, x):
    for correct in CORRECTIONS.values():
        compiled = jax.jit(correct)(dense, pruned, masks, removed, x)
        for one, other in zip(
            jax.tree.leaves(compiled),
            jax.tree.leaves(correct(dense, pruned, masks, removed, x)),
            strict=True,
        ):
            np.testing.assert_allclose(one, other, atol=CLOSE)
