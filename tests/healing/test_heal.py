"""Alignment against closed forms, masked descent against NumPy, and what healing promises."""

import inspect
from functools import partial
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from optax import contrib
from scipy import stats

from theory.healing import (
    apply_masks,
    cosine_distance,
    heal,
    magnitude,
    normalised_mse,
    smallest,
)
from theory.healing.alignment import FLOOR, distance
from theory.healing.descent import masked_descent
from theory.healing.heal import align, block_states
from theory.networks import MLP, mlp
from theory.training.updates import ANNEALED, annealed_adam

WIDTHS = (6, 10, 8, 4)
N = 12
METHODS = pytest.mark.parametrize("method", ["starfish", "mse"])
TREE: Any = MLP  # of masks and booleans too
SGD = optax.sgd(0.1)
NO_STEP = optax.sgd(0.0)


def hidden(net, x):
    return tuple(jax.nn.relu(h) for h in net.preactivations(x)[:-1])


def pruning(net, share):
    """Masks of the hidden layers by magnitude; the head stays whole."""
    layers = len(net.weights)
    masks = (*smallest(magnitude(net.weights[:-1]), share), None)
    return TREE(masks, (None,) * layers)


@pytest.fixture(scope="module")
def net():
    """A network with a dead neuron in each hidden layer."""
    drawn = mlp(jax.random.key(0), WIDTHS)
    biases = tuple(b.at[0].set(-100.0) for b in drawn.biases[:-1])
    return drawn._replace(biases=(*biases, drawn.biases[-1]))


@pytest.fixture(scope="module")
def masks(net):
    return pruning(net, 0.5)


@pytest.fixture(scope="module")
def x():
    return jax.random.normal(jax.random.key(1), (N, WIDTHS[0]))


@pytest.fixture(scope="module")
def rows():
    """Two states that are like each other, without rows of zeros."""
    state, noise = jax.random.normal(jax.random.key(2), (2, 5, 3, 7))
    return state, state + noise


def equal(one, other):
    return jax.tree.all(jax.tree.map(np.array_equal, one, other))


# The distances


def test_cosine_distance_is_one_minus_the_cosine(rows):
    h, target = map(np.asarray, rows)
    dots = np.sum(h * target, axis=-1)
    norms = np.linalg.norm(h, axis=-1) * np.linalg.norm(target, axis=-1)
    assert abs(cosine_distance(*rows) - np.mean(1 - dots / norms)) < 10 * FLOOR


def test_normalised_mse_is_numpys(rows):
    h, target = map(np.asarray, rows)
    expected = np.mean((h - target) ** 2) / np.mean(target**2)
    assert abs(normalised_mse(*rows) - expected) < 1e-14
    # Predicting 0 costs 1, and nothing to predict is no division by 0.
    assert abs(normalised_mse(0 * rows[0], rows[1]) - 1) < 1e-14
    assert float(normalised_mse(rows[0], 0 * rows[1])) > 0


@pytest.mark.parametrize("scale", [0.1, 7.0])
def test_cosine_distance_sees_no_scale(rows, scale):
    h, target = rows
    plain = cosine_distance(h, target)
    # ε is a millionth of the target's mean square, 1e-4 of the state's when that is 10 times less.
    assert abs(cosine_distance(h, scale * target) - plain) < 1e-4
    assert abs(cosine_distance(scale * h, target) - plain) < 1e-4
    assert abs(cosine_distance(scale * h, scale * target) - plain) < 1e-14
    assert abs(normalised_mse(scale * h, scale * target) - normalised_mse(h, target)) < 1e-14


def test_rows_of_zeros_cost_nothing_a_half_or_push_towards_the_target():
    h = jnp.array([[0.0, 0.0], [3.0, 4.0]])
    assert float(cosine_distance(h, h)) == 0
    assert abs(cosine_distance(h, h.at[0].set(h[1])) - 1 / 4) < FLOOR
    assert abs(cosine_distance(h.at[0].set(h[1]), h) - 1 / 4) < 10 * FLOOR
    gradient = jax.grad(cosine_distance)(h, h.at[0].set(h[1]))
    epsilon = FLOOR * 25
    expected = -h[1] / np.sqrt(25 + epsilon) / np.sqrt(epsilon) / 2
    np.testing.assert_allclose(gradient[0], expected, rtol=1e-12)
    dead = jnp.zeros((2, 2))
    assert float(cosine_distance(dead, dead)) == 0 and 0 < float(cosine_distance(h, dead)) <= 1 / 2
    assert np.isfinite(jax.grad(cosine_distance)(dead, dead)).all()


@pytest.mark.parametrize("measure", [cosine_distance, normalised_mse])
def test_gradients_are_finite_differences(measure, rows):
    h, target = rows
    direction = jax.random.normal(jax.random.key(3), h.shape)
    step = 1e-5  # the error is step², 1e-10, and rounding over the step, 1e-11
    ends = (measure(h + s * step * direction, target) for s in (1, -1))
    slope = jnp.sum(jax.grad(measure)(h, target) * direction)
    assert abs(next(ends) - next(ends) - 2 * step * slope) < 2 * step * 1e-8
    assert abs(slope) > 1e-3


def test_distance_is_the_mean_over_layers_however_states_are_kept(rows):
    h, target = rows
    two = (cosine_distance(h, target) + cosine_distance(h[0], -h[0])) / 2
    assert abs(distance([h, h[0]], [target, -h[0]]) - two) < 1e-15
    assert abs(distance({"a": h, "b": h[0]}, {"a": target, "b": -h[0]}) - two) < 1e-15
    assert distance(h, target) == cosine_distance(h, target)
    assert distance(h, target, "mse") == normalised_mse(h, target)
    with pytest.raises(ValueError):
        distance([h, h], [target])


@pytest.mark.parametrize("kind", [jnp.float16, jnp.bfloat16])
@METHODS
def test_half_precision_neither_overflows_nor_underflows(rows, method, kind):
    state, target = rows
    exact = distance(state, target, method)
    for scale in (1e-3, 3e2):  # squares leave float16's range of 6e-8 to 6e4
        state, target = ((scale * h).astype(kind) for h in rows)
        half = distance(state, target, method)
        assert half.dtype == jnp.float32
        assert abs(float(half) - float(exact)) < 0.02  # 8 bits of bfloat16 are 4e-3


@METHODS
def test_at_the_dense_network_loss_and_gradient_are_zero(net, x, method):
    x = x.at[0].set(0)
    silent = net._replace(biases=tuple(0 * b for b in net.biases))  # row 0 of every state is 0
    for network in (net, silent):
        targets = hidden(network, x)

        def loss(params, targets=targets):
            return distance(hidden(params, x), targets, method)

        value, gradient = jax.value_and_grad(loss)(network)
        assert value == 0
        assert all(not np.asarray(leaf).any() for leaf in jax.tree.leaves(gradient))


@METHODS
def test_at_the_all_ones_mask_healing_starts_at_zero(net, x, method):
    everything = jax.tree.map(jnp.ones_like, pruning(net, 0.0))
    healed = heal(hidden, net, net, everything, x, method, optimizer=SGD, steps=3)
    assert jnp.max(healed.history) < 1e-28  # rounding squared, as jit may fuse
    for one, other in zip(healed.params.weights, net.weights, strict=True):
        np.testing.assert_allclose(one, other, atol=1e-14)


# Masked descent


def test_masked_descent_is_a_numpy_loop():
    """Least squares by momentum with weight decay, in batches that wrap."""
    keys = jax.random.split(jax.random.key(4), 3)
    x, w, z = (jax.random.normal(k, s) for k, s in zip(keys, ((7, 5), (3, 5), (7, 3)), strict=True))
    masks = smallest(magnitude(w), 0.4)
    rate, decay, momentum, batch = 0.05, 0.1, 0.9, 3
    healed = masked_descent(
        lambda w, data: jnp.mean((data[0] @ w.T - data[1]) ** 2),
        w,
        masks,
        (x, z),
        optimizer=optax.chain(optax.add_decayed_weights(decay), optax.sgd(rate, momentum)),
        steps=20,
        batch=batch,
    )
    X, Z, kept = np.asarray(x), np.asarray(z), np.asarray(masks)
    W = np.asarray(w) * kept
    velocity, history = np.zeros_like(W), []
    for step in range(20):
        at = [(step * batch + i) % 7 for i in range(batch)]
        error = X[at] @ W.T - Z[at]
        history.append(np.mean(error**2))
        gradient = 2 * error.T @ X[at] / error.size * kept
        velocity = momentum * velocity + gradient + decay * W
        W = W - rate * velocity
    np.testing.assert_allclose(healed.params, W, atol=1e-13)
    np.testing.assert_allclose(healed.history, history, rtol=1e-12)


@pytest.mark.parametrize(("n", "batch"), [(7, 3), (6, 3), (4, 32), (5, 5), (1, 2)])
def test_batches_take_the_next_rows_and_start_over(n, batch):
    size = min(n, batch)
    healed = masked_descent(
        lambda w, rows: jnp.sum(2.0**rows) + 0 * jnp.sum(w),
        jnp.ones(2),
        jnp.array([0, 1], jnp.uint8),
        jnp.arange(n, dtype=float),
        optimizer=SGD,
        steps=8,
        batch=batch,
    )
    taken = [sum(2 ** ((step * size + i) % n) for i in range(size)) for step in range(8)]
    assert healed.history.tolist() == taken  # powers of 2 tell which rows they are the sum of


def test_optimisers_see_no_gradient_of_pruned_weights():
    """Clipping divides by the norm of the gradient of what is left: (3, 4), not (3, 4, 12)."""
    healed = masked_descent(
        lambda w, x: jnp.sum(w * jnp.mean(x, axis=0)),
        jnp.zeros(3),
        jnp.array([1, 1, 0], jnp.uint8),
        jnp.array([[3.0, 4.0, 12.0]]),
        optimizer=optax.chain(optax.clip_by_global_norm(1.0), optax.sgd(1.0)),
        steps=1,
        batch=1,
    )
    np.testing.assert_allclose(healed.params, [-0.6, -0.8, 0], atol=1e-15)


OPTIMIZERS = {
    "adam": optax.adam(1e-2),
    "adamw": optax.adamw(1e-2, weight_decay=0.3),
    "momentum": optax.sgd(1e-2, momentum=0.9),
    "lion": optax.lion(1e-2, weight_decay=0.1),
    "muon": contrib.muon(1e-2),
    "noisy": optax.noisy_sgd(1e-2, key=0),
}


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_pruned_weights_are_zero_to_the_bit(net, masks, x, name):
    """Also where the pruned network has NaN there, which no product with 0 would remove."""
    poisoned = jax.tree.map(
        lambda leaf, mask: leaf if mask is None else jnp.where(mask == 1, leaf, jnp.nan),
        net,
        masks,
    )
    healed = heal(
        hidden, net, poisoned, masks, x, optimizer=OPTIMIZERS[name], steps=5, batch=5
    ).params
    for layer, (weight, mask) in enumerate(zip(healed.weights[:-1], masks.weights, strict=False)):
        gone = np.asarray(mask) == 0
        assert not np.any(np.asarray(weight)[gone].view(np.uint64))
        assert np.any(np.asarray(weight)[~gone] != np.asarray(net.weights[layer])[~gone])
    assert equal(healed.biases, net.biases) and np.array_equal(healed.weights[-1], net.weights[-1])


@METHODS
def test_a_step_descends_on_the_distance_of_all_layers_end_to_end(net, masks, x, method):
    """The first layer is moved by the error of the second as well, on the first batch."""
    net = net._replace(biases=tuple(jnp.clip(b, 0.1, 1) for b in net.biases))  # no row of zeros
    pruned = apply_masks(net, masks)
    rate, batch = 0.1, 5
    healed = heal(
        hidden, net, pruned, masks, x, method, optimizer=optax.sgd(rate), steps=1, batch=batch
    ).params

    def cost(h, target):
        if method == "mse":
            return jnp.mean((h - target) ** 2) / jnp.mean(target**2)
        norms = jnp.linalg.norm(h, axis=1) * jnp.linalg.norm(target, axis=1)
        return 1 - jnp.mean(jnp.sum(h * target, axis=1) / norms)

    def loss(weights):
        states = hidden(MLP((*weights, net.weights[-1]), net.biases), x[:batch])
        first, second = map(cost, states, hidden(net, x[:batch]))
        return (first + second) / 2

    gradients = jax.jit(jax.grad(loss))(pruned.weights[:-1])
    for layer, gradient in enumerate(gradients):
        step = (healed.weights[layer] - pruned.weights[layer]) / -rate
        expected = np.asarray(gradient) * np.asarray(masks.weights[layer])
        assert np.abs(expected).max() > 1e-3
        np.testing.assert_allclose(step, expected, atol=1e-5)  # ε is 1e-6 of squared norms


def test_annealed_adam_falls_as_a_cosine_and_stays():
    steps, rate = 8, 0.3
    optimizer = annealed_adam(rate, steps)
    state, moved = optimizer.init([jnp.zeros(())]), []
    with jax.numpy_dtype_promotion("standard"):
        for _ in range(steps + 3):
            update, state = optimizer.update([jnp.ones(())], state)
            moved += [-float(leaf) for leaf in jax.tree.leaves(update)]
    # Where the gradient is constant, Adam's step is its rate.
    count = np.minimum(np.arange(steps + 3), steps)
    share = ANNEALED + (1 - ANNEALED) * (1 + np.cos(np.pi * count / steps)) / 2
    np.testing.assert_allclose(moved, rate * share, rtol=1e-5)  # shares are in single precision


@pytest.mark.slow
@pytest.mark.parametrize(("kind", "close"), [(jnp.float16, 2e-3), (jnp.bfloat16, 2e-2)])
def test_half_precision_heals_as_single_does(net, masks, x, kind, close):
    """Up to the rounding of weights and states, by Adam, whose ε is 0 in float16."""

    def healed(kind):
        cast = partial(jax.tree.map, lambda leaf: leaf.astype(kind))
        return heal(hidden, cast(net), cast(net), masks, cast(x), steps=200)

    half, single = healed(kind), healed(jnp.float32)
    assert {leaf.dtype for leaf in jax.tree.leaves(half.params)} == {jnp.dtype(kind)}
    for weight, mask in zip(half.params.weights[:-1], masks.weights, strict=False):
        assert not np.asarray(weight)[np.asarray(mask) == 0].any()
    assert single.history[-1] < single.history[0] / 2
    np.testing.assert_allclose(half.history, single.history, atol=close)


def test_steps_below_the_spacing_of_half_precision_add_up():
    """64 steps of 2⁻¹², an eighth of the spacing of bfloat16 at 1 and more."""
    moved = masked_descent(
        lambda w, x: jnp.sum(w * jnp.mean(x, axis=0)),
        jnp.ones(2, jnp.bfloat16),
        jnp.array([1, 0], jnp.uint8),
        -jnp.ones((1, 2), jnp.bfloat16),
        optimizer=optax.sgd(2.0**-12),
        steps=64,
        batch=1,
    )
    assert moved.params.tolist() == [1 + 2.0**-6, 0]


# What is trained


def changed(healed, net, masks):
    start = apply_masks(net, masks)
    return jax.tree.map(lambda a, b: not bool(np.array_equal(a, b)), healed.params, start)


@pytest.mark.parametrize(
    ("trainable", "moves"),
    [
        (None, TREE((True, True, False), (False,) * 3)),
        (TREE(True, False), TREE((True, True, False), (False,) * 3)),
        (True, TREE((True, True, False), (True, True, False))),
        (TREE((False, True, True), False), TREE((False, True, False), (False,) * 3)),
        (TREE((np.False_,) * 3, (np.True_,) * 3), TREE((False,) * 3, (True, True, False))),
    ],
    ids=["none", "weights", "all", "second", "biases"],
)
def test_trainable_is_a_prefix_and_pruned_weights_stay_pruned(net, masks, x, trainable, moves):
    """The head has no gradient, as no state depends on it."""
    healed = heal(hidden, net, net, masks, x, optimizer=SGD, steps=2, trainable=trainable)
    assert changed(healed, net, masks) == moves
    for weight, mask in zip(healed.params.weights[:-1], masks.weights, strict=False):
        assert not np.asarray(weight)[np.asarray(mask) == 0].any()


def test_blocks_are_trained_each_by_itself(net, masks, x):
    """Healing the second block of both is healing the second layer alone, on the dense input."""

    def block(layer, params, h):
        out = h @ params.weights[layer].T
        return jax.nn.relu(out + jnp.broadcast_to(params.biases[layer], out.shape))

    blocks = [partial(block, layer) for layer in (0, 1)]
    both = heal(
        partial(block_states, blocks),
        net,
        net,
        masks,
        (x, hidden(net, x)[0]),
        optimizer=optax.sgd(0.2),  # each block is half of the mean over blocks
        steps=4,
        batch=5,
    )
    second = heal(blocks[1], net, net, masks, hidden(net, x)[0], optimizer=SGD, steps=4, batch=5)
    np.testing.assert_allclose(both.params.weights[1], second.params.weights[1], atol=1e-14)
    assert not np.array_equal(both.params.weights[0], second.params.weights[0])


# Whether it heals


def test_true_targets_heal_and_shuffled_ones_do_not():
    """On inputs not used, over networks drawn anew, in paired tests at a level of 1e-4."""
    n, trials = 32, 16

    def trial(key):
        key_net, key_x, key_test, key_order = jax.random.split(key, 4)
        net = mlp(key_net, (8, 24, 24, 2))
        net = net._replace(weights=tuple(2 * w for w in net.weights))
        masks = pruning(net, 0.6)
        x, test = jax.random.normal(key_x, (n, 8)), jax.random.normal(key_test, (100, 8))
        targets = hidden(net, x)
        order = jax.random.permutation(key_order, n)

        def healed(targets):
            optimizer = annealed_adam(1e-2, 100)
            return align(
                hidden,
                net,
                masks,
                x,
                targets,
                method="starfish",
                optimizer=optimizer,
                steps=100,
                batch=16,
            ).params

        nets = apply_masks(net, masks), healed(targets), healed([h[order] for h in targets])
        return [distance(hidden(one, test), hidden(net, test)) for one in nets]

    pruned, true, shuffled = jax.jit(jax.vmap(trial))(jax.random.split(jax.random.key(5), trials))
    for better, worse in ((true, pruned), (pruned, shuffled)):
        gap: Any = stats.ttest_1samp(np.asarray(worse - better), 0, alternative="greater")
        assert gap.pvalue < 1e-4


@METHODS
@pytest.mark.parametrize("kind", ["dead layer", "zero row", "one input", "one zero input"])
def test_degenerate_states_heal_without_nan(net, masks, x, method, kind):
    net = {
        "dead layer": net._replace(biases=(net.biases[0] - 100, *net.biases[1:])),
        "zero row": net._replace(biases=tuple(0 * b for b in net.biases)),
    }.get(kind, net)
    x = {"zero row": x.at[3].set(0), "one input": x[:1], "one zero input": 0 * x[:1]}.get(kind, x)
    single = partial(jax.tree.map, lambda leaf: leaf.astype(jnp.float32))
    healed = heal(hidden, single(net), single(net), masks, single(x), method, steps=4)
    assert healed.history.shape == (4,)
    assert all(np.isfinite(leaf).all() for leaf in jax.tree.leaves(healed))


@METHODS
def test_a_dead_network_is_refused(net, masks, x, method):
    dead = net._replace(biases=tuple(b - 100 for b in net.biases))
    with pytest.raises(ValueError, match="dense network is dead"):
        heal(hidden, dead, dead, masks, x, method, steps=2)


def test_programs_are_compiled_once(net, masks, x):
    traces = []

    def states(params, x):
        traces.append(x.shape)
        return hidden(params, x)

    optimizer = optax.adam(1e-2)
    for _ in range(3):
        heal(states, net, net, masks, x, optimizer=optimizer, steps=2, batch=5)
        x, net = x + 1, jax.tree.map(lambda leaf: 2 * leaf, net)
        assert len(traces) == 3  # once for the shapes, the targets, and the step
    # Without an optimizer the default is the same one for the same number of steps.
    for _ in range(3):
        heal(states, net, net, masks, x, steps=2, batch=5)
        assert len(traces) == 5  # the shapes are known


# What is refused


FIRST = jnp.ones((10, 6))
MASK = jnp.ones((10, 6), jnp.uint8)
ROWS = jnp.ones((N, WIDTHS[0]))
WHOLE = TREE((None,) * 3, (None,) * 3)


def with_first(weight):
    """A network of the fixture's shapes whose first weights are these."""
    rest = [jnp.ones((wide, narrow)) for narrow, wide in zip(WIDTHS[1:], WIDTHS[2:], strict=False)]
    return MLP((weight, *rest), tuple(map(jnp.ones, WIDTHS[1:])))


def masked(mask):
    return TREE((mask, None, None), (None,) * 3)


# Changes to the arguments of a good call, and what is said of them.
REFUSED: list[tuple[str, dict[str, Any], str]] = [
    ("steps", {"steps": 0}, "steps is 0 and must be an integer of at least 1"),
    ("batch", {"batch": 0}, "batch is 0 and must be an integer of at least 1"),
    ("half a step", {"steps": 2.5}, "steps is 2.5 and must be an integer of at least 1"),
    ("half a batch", {"batch": 2.5}, "batch is 2.5 and must be an integer of at least 1"),
    ("optimizer", {"optimizer": 1e-3}, r"optimizer is 0.001: give one of optax, such as optax.ada"),
    (
        "integers",
        dict.fromkeys(("dense", "pruned"), with_first(MASK.astype(int))),
        r"\.weights\[0\] has a mask and type int64: only floating-point weights",
    ),
    (
        "types",
        {"pruned": with_first(FIRST.astype(jnp.float32))},
        r"\.weights\[0\] has type float64 in dense, float32 in pruned",
    ),
    (
        "boolean state",
        {"states": lambda net, x: hidden(net, x)[0] > 0},
        "state 0 has type bool and must be floating-point",
    ),
    (
        "no features",
        {"states": lambda net, x: hidden(net, x)[0][:, :0]},
        r"state 0 has shape \(12, 0\): .* its last at least 1 feature",
    ),
    ("a name", {"trainable": "weights"}, "trainable has weights where it must be True or False"),
    ("masks shape", {"masks": masked(MASK[:3])}, r"mask of \.weights\[0\] has shape"),
    ("masks type", {"masks": masked(FIRST)}, r"mask of \.weights\[0\] has type float64"),
    ("no masks", {"masks": WHOLE}, "no leaf has a mask"),
    ("masks alone", {"masks": (MASK,)}, "masks must have the structure of the parameters"),
    ("structure", {"pruned": (FIRST,)}, "different structures"),
    (
        "shape",
        {"pruned": with_first(FIRST.T)},
        r"\.weights\[0\] has shape \(10, 6\) in dense, \(6, 10\) in pruned",
    ),
    (
        "dense nan",
        {"dense": with_first(FIRST.at[0, 0].set(jnp.nan))},
        "the dense network has weights that are not finite",
    ),
    (
        "pruned nan",
        {"pruned": with_first(jnp.nan * FIRST)},
        "the pruned network has weights that are not finite",
    ),
    (
        "not arrays",
        dict.fromkeys(("dense", "pruned"), {"w": FIRST, "f": jax.nn.relu})
        | {"masks": {"w": MASK, "f": None}},
        r"\['f'\] is .*: give the arrays of the network alone",
    ),
    ("inputs nan", {"inputs": ROWS.at[2, 1].set(jnp.nan)}, "inputs have entries that are not fini"),
    ("inputs inf", {"inputs": ROWS.at[2, 1].set(-jnp.inf)}, "inputs have entries that are not fin"),
    ("no inputs", {"inputs": ROWS[:0]}, "arrays with one first axis of at least 1 input"),
    ("scalar", {"inputs": jnp.ones(())}, "arrays with one first axis of at least 1 input"),
    ("uneven", {"inputs": (ROWS, ROWS[:3])}, "arrays with one first axis of at least 1 input"),
    ("no states", {"states": lambda net, x: ()}, "states returned nothing to align"),
    (
        "mean state",
        {"states": lambda net, x: jnp.mean(hidden(net, x)[0], axis=0)},
        r"state 0 has shape \(10,\): its first axis must be the 12 inputs",
    ),
    (
        "pooled",
        {"states": lambda net, x: [h.T for h in hidden(net, x)]},
        r"state 0 has shape \(10, 12\): its first axis must be the 12 inputs",
    ),
    (
        "states nan",
        {"states": lambda net, x: jnp.nan * hidden(net, x)[0]},
        "the loss is not finite at the start",
    ),
    ("trainable", {"trainable": {"weights": True}}, "booleans in the structure of the parameters"),
    ("nothing", {"trainable": False}, "there is nothing to train"),
    ("method", {"method": "cosine"}, "method is 'cosine' and must be 'starfish' or 'mse'"),
]


@pytest.mark.parametrize(("changes", "said"), [pytest.param(*r[1:], id=r[0]) for r in REFUSED])
def test_what_cannot_be_healed_is_refused_in_one_sentence(net, masks, x, changes, said):
    """Without the type checker of the tests, which refuses some of it first."""
    arguments = {"states": hidden, "dense": net, "pruned": net, "masks": masks, "inputs": x}
    with pytest.raises(ValueError, match=said) as refusal:
        inspect.unwrap(heal)(**arguments | {"steps": 2, "optimizer": NO_STEP} | changes)
    assert "\n" not in str(refusal.value)


@pytest.mark.parametrize(("rate", "steps", "after"), [(1e160, 5, "[1-4]"), (np.inf, 1, "1")])
@METHODS
def test_divergence_is_an_error_also_in_the_last_step(net, masks, x, method, rate, steps, after):
    with pytest.raises(ValueError, match=f"healing diverged after {after} steps: lower the learn"):
        heal(hidden, net, net, masks, x, method, optimizer=optax.sgd(rate), steps=steps)


def test_a_rate_far_too_large_shows_in_the_losses_where_they_are_bounded(net, masks, x):
    healed = heal(hidden, net, net, masks, x, optimizer=optax.sgd(1e10), steps=20)
    assert healed.history[-1] > 2 * healed.history[0]
