"""Input that would give a plausible wrong answer: metrics, training, networks and healing refuse it
in one sentence, or are NaN where a network may have diverged."""

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import optax
import pytest

from theory.healing import (
    apply_masks,
    correct_biases,
    cosine,
    cosine_distance,
    distance,
    fold_neurons,
    gap_closed,
    heal,
    linear_cka,
    magnitude,
    masked_descent,
    n_of_m,
    normalised_mse,
    reconstruct,
    recovered,
    refit_head,
    repair,
    smallest,
    smallest_of_all,
    smallest_of_rows,
    sparsity,
    wanda,
)
from theory.metrics import accuracy, calibration_error, negative_log_likelihood
from theory.networks import MLP, Linear, affine, mlp, two_layer_relu
from theory.training import (
    cross_entropy,
    descend,
    train,
    train_classifiers,
    train_in_span,
    train_to_margin,
)
from theory.training.mini_batch import watch

KEY = jax.random.key(0)
SGD = optax.sgd(0.1)


@pytest.fixture(autouse=True)
def unchecked(monkeypatch):
    """As for users, to whom the type checker of the tests does not speak first."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


def refused(call, said):
    with pytest.raises(ValueError, match=said) as refusal:
        call()
    assert "\n" not in str(refusal.value) and len(str(refusal.value)) < 250


# ---------------------------------------------------------------- metrics

Z = jnp.array([[2.0, 0.0, 1.0], [0.0, 1.0, 3.0]])
Y = jnp.array([0, 2])
METRICS = pytest.mark.parametrize("metric", [accuracy, negative_log_likelihood, calibration_error])


@METRICS
@pytest.mark.parametrize(
    ("logits", "y", "said"),
    [
        (Z, Y[:1], r"labels have shape \(1,\) and must have \(2,\)"),
        (Z, jax.nn.one_hot(Y, 3), "one-hot"),
        (Z, Y.astype(float), "must be integers"),
        (Z, jnp.array([-1, 2]), "must be classes from 0 to 2"),
        (Z, jnp.array([0, 7]), "must be classes from 0 to 2"),
        (Z[0], Y[:1], r"logits have shape \(3,\)"),
        (Z[None], Y, r"logits have shape \(1, 2, 3\)"),
    ],
)
def test_labels_that_are_no_classes_of_the_rows(metric, logits, y, said):
    refused(lambda: metric(logits, y), said)
    if "from" not in said:  # values are not there when a program is compiled
        refused(lambda: jax.jit(metric)(logits, y), said)


@METRICS
def test_metrics_of_a_network_that_diverged_are_nan_and_columns_and_integers_are_read(metric):
    for index in ((0, 0), (1, 2)):
        assert np.isnan(metric(Z.at[index].set(jnp.nan), Y))
        assert np.isnan(jax.jit(metric)(Z.at[index].set(jnp.nan), Y))
    assert metric(Z, Y[:, None]) == metric(Z.astype(int), Y) == metric(Z, Y)
    assert float(accuracy(Z.astype(int), Y)) == 1


@pytest.mark.parametrize("bins", [0, -1, 1.5])
def test_confidence_needs_bins(bins):
    refused(lambda: calibration_error(Z, Y, bins), "bins is .* an integer of at least 1")


# ---------------------------------------------------------------- training

NETS = jax.vmap(lambda key: mlp(key, (3, 4, 2)))(jax.random.split(KEY, 2))
X = jax.random.normal(KEY, (8, 3))
CLASSES = jnp.arange(8) % 2


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"y": 2 * CLASSES - 1}, "must be classes from 0 to 1"),
        ({"y": CLASSES + 1}, "must be classes from 0 to 1"),
        ({"y": CLASSES[:3]}, r"labels have shape \(3,\) and must have \(8,\)"),
        ({"x": X[:0], "y": CLASSES[:0]}, "at least 1 row"),
        ({"batch": 0}, "batch is 0"),
        ({"batch": -1}, "batch is -1"),
        ({"steps": -1}, "steps is -1"),
    ],
)
def test_classifiers_do_not_train_on_what_is_no_data(changes, said):
    options = {"x": X, "y": CLASSES, "steps": 2, "batch": 4} | changes
    refused(lambda: train_classifiers(NETS, jax.random.split(KEY, 2), **options), said)


def test_cross_entropy_of_no_class():
    net = mlp(KEY, (3, 4, 2))
    refused(lambda: cross_entropy(net, (X, CLASSES - 1)), "must be classes from 0 to 1")
    refused(lambda: cross_entropy(net, (X, CLASSES[:1])), r"shape \(1,\)")


def loss(w, data):
    return jnp.mean((data[0] @ w - data[1]) ** 2)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({"data": (X, jnp.ones(3))}, r"data must be arrays .* shapes \[\(8, 3\), \(3,\)\]"),
        ({"data": (X[:0], jnp.ones(0))}, "at least 1 row"),
        ({"data": (X, jnp.ones(()))}, "one first axis"),
        ({"batch": 0}, "batch is 0"),
        ({"steps": -1}, "steps is -1"),
        ({"steps": 1.5}, "steps is 1.5"),
    ],
)
def test_descent_takes_no_rows_that_are_not_there(changes, said):
    options = {"data": (X, jnp.ones(8)), "optimizer": SGD, "steps": 2, "batch": 4} | changes
    data, w = options.pop("data"), jnp.ones(3)
    refused(lambda: descend(loss, w, data, **options), said)
    refused(lambda: watch(loss, w, data, jnp.sum, epochs=2, **options), said)
    refused(lambda: masked_descent(loss, w, jnp.ones(3, bool), data, **options), said)
    refused(lambda: jax.jit(lambda w: descend(loss, w, data, **options))(w), said)


def test_epochs_are_counted():
    data = (X, jnp.ones(8))
    options = {"optimizer": SGD, "epochs": -1, "steps": 1, "batch": 4}
    refused(lambda: watch(loss, jnp.ones(3), data, jnp.sum, **options), "epochs is -1")


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"margin": jnp.nan}, "margin is nan"),
        ({"steps": float("nan")}, "steps is nan"),
        ({"steps": -1}, "steps is -1"),
    ],
)
def test_training_that_would_end_before_its_first_step(options, said):
    net, y = two_layer_relu(KEY, 3, 5), jnp.where(X[:, 0] > 0, 1.0, -1.0)
    refused(lambda: train(net, X, y, **{"optimizer": SGD, "steps": 3} | options), said)
    refused(lambda: train_in_span(net, X, y, **{"optimizer": SGD, "steps": 3} | options), said)
    refused(lambda: train_to_margin(net, X, y, **options), said)


def test_rates_and_forms_that_are_none():
    net, y = two_layer_relu(KEY, 3, 5), jnp.where(X[:, 0] > 0, 1.0, -1.0)
    for rate in (-0.1, 0.0, float("nan"), float("inf")):
        refused(
            lambda rate=rate: train_to_margin(net, X, y, learning_rate=rate), "learning_rate is"
        )
    options = {"optimizer": SGD, "steps": 1, "form": "grams"}
    refused(lambda: train_in_span(net, X, y, **options), "form is 'grams' and must be one of")


# ---------------------------------------------------------------- networks


def test_copies_are_called_by_vmap():
    copies = jax.vmap(lambda key: two_layer_relu(key, 3, 3))(jax.random.split(KEY, 3))
    refused(lambda: copies(X[:3]), "TwoLayerReLU has more axes than one network.* by jax.vmap")
    lines = jax.vmap(Linear)(jnp.ones((3, 3)))
    refused(lambda: lines(X[:3]), "Linear has more axes than one network.* by jax.vmap")
    refused(lambda: NETS(X), "call copies of a network by jax.vmap")
    assert jax.vmap(lambda net: net(X))(copies).shape == (3, 8)


@pytest.mark.parametrize("bias", [jnp.ones(1), jnp.ones((8, 4)), jnp.ones((1, 4)), 1.0])
def test_a_bias_is_one_number_for_each_output(bias):
    refused(lambda: affine(X, jnp.ones((4, 3)), bias), r"weights \(4, 3\) and a bias")
    refused(lambda: MLP((jnp.ones((4, 3)),), (bias,))(X), r"weights \(4, 3\) and a bias")


# ---------------------------------------------------------------- how states compare

A = jax.random.normal(jax.random.key(1), (9, 4)) + 1
B = jnp.tanh(A @ jax.random.normal(jax.random.key(2), (4, 4)))
SCALES = pytest.mark.parametrize(
    ("kind", "scale"),
    [
        (jnp.float16, 300),
        (jnp.float16, 1e-4),
        (jnp.float32, 1e-25),
        (jnp.float32, 1e22),
        (jnp.float64, 1e-200),
        (jnp.float64, 1e200),
    ],
)


def scaled(h, kind, scale):
    return (scale * h).astype(kind)


@SCALES
@pytest.mark.parametrize("similarity", [linear_cka, cosine])
def test_similarities_see_no_scale_whatever_the_type(similarity, kind, scale):
    found = similarity(scaled(A, kind, scale), scaled(B, kind, scale))
    rounding = 0.02 if kind == jnp.float16 else 1e-5
    assert abs(float(found) - float(similarity(A, B))) < rounding


@pytest.mark.parametrize("similarity", [linear_cka, cosine])
def test_similarities_of_what_is_not_finite_are_nan(similarity):
    for value in (jnp.nan, jnp.inf):
        bad = A.at[2, 1].set(value)
        for pair in ((bad, A), (A, bad), (bad, bad), (bad, 0 * A)):
            assert np.isnan(similarity(*pair))
            assert np.isnan(jax.jit(similarity)(*pair))


@pytest.mark.parametrize(("a", "b"), [(A[:1], A[:1]), (A[:0], A[:0]), (A, A[:4]), (A[0], A[0])])
def test_alignment_of_kernels_needs_two_rows(a, b):
    refused(lambda: linear_cka(a, b), "of the same n rows, at least 2")


@pytest.mark.parametrize("measure", [cosine, cosine_distance, normalised_mse, distance])
def test_states_are_not_broadcast(measure):
    for other in (A[:1], A[0], A[:, :1]):
        refused(lambda other=other: measure(A, other), "states have shapes")
        refused(lambda other=other: jax.jit(measure)(A, other), "states have shapes")


@pytest.mark.parametrize("measure", [cosine_distance, normalised_mse])
@pytest.mark.parametrize(
    ("kind", "scale"),
    [(jnp.float16, 300), (jnp.float32, 1e22), (jnp.float64, 1e-200), (jnp.float64, 1e200)],
)
def test_a_distance_whose_squares_leave_the_range_is_not_zero(measure, kind, scale):
    a, b = scaled(A, kind, scale), scaled(B, kind, scale)
    for pair in ((a, b), (a, a)):
        assert not np.isfinite(measure(*pair)) and not np.isfinite(jax.jit(measure)(*pair))
    assert scale < 1 or not np.isfinite(measure(a, scaled(B, kind, 1)))
    assert float(measure(0 * A, 0 * A)) == 0


def test_layers_of_other_names_and_unknown_methods():
    refused(lambda: distance({"a": A, "b": B}, {"b": A, "c": B}), "give the same layers")
    refused(lambda: distance([A, B], [A]), "give the same layers")
    unknown = lambda: distance(A, B, "cosine")  # pyright: ignore[reportArgumentType]  # noqa: E731
    refused(unknown, "method is 'cosine' and must be 'starfish' or 'mse'")
    assert distance([A, B], (B, A)) == distance((A, B), (B, A))


def test_healing_does_not_end_at_once_where_states_overflow():
    net = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), mlp(KEY, (3, 4, 2)))
    kept = smallest(magnitude(net.weights[0]), 0.5)
    masks = MLP((kept, None), (None, None))  # pyright: ignore[reportArgumentType]
    x = scaled(X, jnp.float32, 1e22)

    def states(net, x):
        return net.preactivations(x)

    refused(lambda: heal(states, net, net, masks, x, steps=3), "the loss is not finite")


@pytest.mark.parametrize("share", [75.0, -0.1, jnp.inf])
def test_accuracies_are_shares(share):
    good, bad = jnp.array([0.5, 0.6]), jnp.array([0.5, share])
    for call in (
        lambda: gap_closed(bad, good, good),
        lambda: gap_closed(good, bad, good),
        lambda: gap_closed(good, good, bad),
        lambda: recovered(bad, good),
        lambda: recovered(good, bad),
    ):
        refused(call, "must be shares from 0 to 1")
    assert np.isnan(recovered(jnp.array(jnp.nan), good[0]))


# ---------------------------------------------------------------- masks and scores

W = jax.random.normal(KEY, (3, 4))


@pytest.mark.parametrize(
    ("mask", "said"),
    [
        (jnp.ones((1, 4), bool), r"a mask has shape \(1, 4\), its weights \(3, 4\)"),
        (jnp.ones((), bool), r"a mask has shape \(\)"),
        (jnp.full((3, 4), jnp.nan), "other values than 0 and 1"),
        (jnp.full((3, 4), 2, jnp.uint8), "other values than 0 and 1"),
    ],
)
def test_masks_are_zeros_and_ones_of_the_shape_of_weights(mask, said):
    refused(lambda: apply_masks(W, mask), said)
    options = {"optimizer": SGD, "steps": 1, "batch": 4}
    data = jnp.ones((2, 4))
    call = lambda: masked_descent(lambda w, x: jnp.mean(x @ w.T), W, mask, data, **options)  # noqa: E731
    refused(call, said)
    if "shape" in said:
        refused(lambda: jax.jit(apply_masks)(W, mask), said)
    else:
        refused(lambda: sparsity({"w": mask, "b": None}), said)


def test_weights_have_no_sparsity():
    refused(lambda: sparsity([jnp.ones((3, 4), bool), W]), "other values than 0 and 1")


@pytest.mark.parametrize(
    "prune",
    [
        lambda scores: smallest(scores, 0.5),
        lambda scores: smallest_of_all(scores, 0.5),
        lambda scores: smallest_of_rows(scores, 0.5),
        lambda scores: n_of_m(scores, 2, 4),
    ],
)
def test_scores_have_an_order(prune):
    refused(lambda: prune([W.at[0, 1].set(jnp.nan), W]), "scores are NaN")
    kept = prune([W.at[0, 1].set(jnp.inf), W])
    assert kept[0][0, 1] == 1


@pytest.mark.parametrize(("n", "m"), [(1.5, 4), (2, 4.0), (True, 4)])
def test_groups_are_counted(n, m):
    refused(lambda: n_of_m(W, n, m), "must be an integer")


@pytest.mark.parametrize(
    ("x", "said"),
    [
        (jnp.ones(4), r"inputs \(4,\)"),
        (jnp.ones((5, 1)), r"inputs \(5, 1\)"),
        (jnp.ones((0, 4)), r"inputs \(0, 4\)"),
        (jnp.ones((5, 4)).at[0, 0].set(jnp.nan), "not finite"),
    ],
)
def test_wanda_reads_rows_of_inputs(x, said):
    refused(lambda: wanda(W, x), said)
    refused(lambda: wanda(W.at[0, 0].set(jnp.nan), jnp.ones((5, 4))), "not finite")


# ---------------------------------------------------------------- closed forms

NET = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), mlp(KEY, (3, 4, 2)))
KEPT = MLP((jnp.ones((4, 3), bool).at[0].set(False), None), (None, None))  # pyright: ignore
CORRECTIONS = {
    "biases": lambda x: correct_biases(NET, NET, x),
    "repair": lambda x: repair(NET, NET, x),
    "head": lambda x: refit_head(NET, NET, x),
    "ridge": lambda x: reconstruct(NET, NET, KEPT, x),
    "fold": lambda x: fold_neurons(NET, KEPT, x),
}


@pytest.mark.parametrize("name", CORRECTIONS)
@pytest.mark.parametrize("shape", [(3,), (1, 8, 3), (8, 1)])
def test_corrections_read_rows_of_inputs(name, shape):
    x = jnp.ones(shape, jnp.float32)
    refused(lambda: CORRECTIONS[name](x), r"inputs have shape .* and must have \(n, 3\)")
    refused(lambda: jax.jit(CORRECTIONS[name])(x), "inputs have shape")


@pytest.mark.parametrize("name", ["repair", "head", "ridge"])
def test_corrections_whose_squares_overflow(name):
    refused(lambda: CORRECTIONS[name](scaled(X, jnp.float32, 1e20)), "overflow|leave the range")
