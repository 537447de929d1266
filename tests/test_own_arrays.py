"""Arrays of other frameworks: taken where they can mean one thing, one sentence where they cannot.

What they mean is compared with the same arrays laid out as documented.
"""

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import optax
import pytest

import theory
from theory.checks import as_floats, check_points
from theory.geometry import as_subspace, numerical_rank, span
from theory.networks import Linear, TwoLayerReLU, affine, two_layer_relu
from theory.subspace import certified_radius, off_subspace_gradient, universal_direction
from theory.training import train, train_in_span, train_to_margin
from theory.unlearning import certificate, gradient_ascent, kkt, retrain, train_to_large_margin

W = np.array([[1.0, 2.0, 3.0], [4.0, 5.0, 6.0]])
U = np.array([1.0, -1.0])
X = np.array([[1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])


@pytest.fixture
def unchecked(monkeypatch):
    """As for users, to whom the type checker of the tests does not speak first."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)


@pytest.mark.parametrize(
    ("w", "u"),
    [
        (W, U),
        (W.tolist(), U.tolist()),
        (W.astype(int), U.astype(np.float32)),
        (W, U[None, :]),  # PyTorch's second layer
        (W, U[:, None]),
        (W.T, U[:, None]),  # Flax's kernels
        (W.T, U),
        (jnp.asarray(W), jnp.asarray(U)),
    ],
)
def test_weights_of_any_framework_are_one_network(w, u):
    net = TwoLayerReLU(w, u)
    assert np.array_equal(net.w, W) and np.array_equal(net.u, U)
    assert jnp.issubdtype(net.w.dtype, jnp.floating)
    assert np.asarray(net(X.tolist())).tolist() == [1.0 - 4.0, 2.0 - 5.0]
    assert isinstance(net, TwoLayerReLU) and net._replace(u=net.u).u is net.u


def test_a_square_matrix_is_taken_as_documented_or_refused():
    square = np.array([[1.0, 2.0], [3.0, 4.0]])
    for u in (U, U[None, :]):
        assert np.array_equal(TwoLayerReLU(square, u).w, square)
    with pytest.raises(ValueError, match="u is a column, as in Flax"):
        TwoLayerReLU(square, U[:, None])


@pytest.mark.parametrize("w", [[1, 2], [[1, 2]], [[1.0], [2.0]]])
def test_a_linear_layer_is_one_predictor(w):
    assert Linear(w).w.tolist() == [1.0, 2.0] and float(Linear(w)([3, 4])) == 11


@pytest.mark.parametrize(
    ("w", "u", "message"),
    [
        (W, np.ones(5), r"w has shape \(2, 3\) and u has shape \(5,\): give"),
        (W[0], U, r"w has shape \(3,\)"),
        (W, np.ones((2, 2)), r"u has shape \(2, 2\)"),
        (W[None], U, r"w has shape \(1, 2, 3\)"),
        (W, 1.0, r"u has shape \(\)"),
        (W + 0j, U, "w is complex: give real numbers"),
        (W, ["a", "b"], "u has the type <U1"),
        (W, [object(), None], "u has the type object"),
        ([[1, 2], [3]], U, "w cannot be read as an array"),
        (W.astype("m8[s]"), U, "w has the type timedelta64"),
        (jax.random.split(jax.random.key(0), 2), U, "w has the type key"),
    ],
)
def test_what_is_no_network_is_one_sentence(w, u, message):
    with pytest.raises(ValueError, match=message) as caught:
        TwoLayerReLU(w, u)
    assert "\n" not in str(caught.value)


class Locked:
    """A tensor whose framework will not give it away."""

    def __array__(self, dtype=None, copy=None):
        raise RuntimeError("Can't call numpy() on Tensor that requires grad.")


def test_a_tensor_that_cannot_be_read_says_why():
    with pytest.raises(ValueError, match="w cannot be read as an array: Can't call numpy"):
        TwoLayerReLU(Locked(), U)


def test_a_network_is_a_pytree_whose_leaves_may_be_anything():
    net = TwoLayerReLU(W, U)
    names = [jax.tree_util.keystr(path) for path, _ in jax.tree_util.tree_leaves_with_path(net)]
    assert names == [".w", ".u"]
    assert jax.tree.map(lambda _: "train", net) == TwoLayerReLU._make(("train", "train"))
    copies = jax.tree.map(lambda leaf: jnp.stack([leaf, 2 * leaf]), net)
    assert jax.vmap(lambda one: one(jnp.asarray(X)))(copies)[1].tolist() == [-12.0, -12.0]
    assert np.array_equal(TwoLayerReLU(*copies).w, copies.w)  # an axis of copies in front
    assert jax.jit(lambda w, u: TwoLayerReLU(w, u))(W.T, U[:, None]).w.shape == (2, 3)


def test_points_of_another_dimension_are_one_sentence():
    for net in (TwoLayerReLU(W, U), Linear(W[0])):
        with pytest.raises(ValueError, match=r"takes points of 3 numbers, and .* shape \(2, 2\)"):
            net(np.ones((2, 2)))


def test_kernels_of_flax_in_a_deep_network_are_one_sentence(unchecked):
    with pytest.raises(ValueError, match="the transpose of Flax's kernels"):
        affine(jnp.ones((1, 2)), jnp.ones((2, 5)), jnp.ones(5))


# ---------------------------------------------------------------- training data


def problem():
    key_x, key_net = jax.random.split(jax.random.key(0))
    x = jax.random.normal(key_x, (4, 9))
    return two_layer_relu(key_net, 9, 20), x, jnp.array([1.0, -1.0, 1.0, -1.0])


FORMS = {
    "arrays": lambda x, y: (x, y),
    "NumPy": lambda x, y: (np.asarray(x), np.asarray(y)),
    "lists": lambda x, y: (x.tolist(), y.tolist()),
    "integer labels": lambda x, y: (x, np.asarray(y, np.int8)),
    "a column of labels": lambda x, y: (x, np.asarray(y)[:, None]),
}


@pytest.mark.parametrize("form", FORMS)
def test_training_data_of_any_form_are_the_same(form):
    net, x, y = problem()
    data = FORMS[form](x, y)
    rule = optax.sgd(0.1)
    for call in (
        lambda *data: train_to_margin(net, *data).network.w,
        lambda *data: train_in_span(net, *data, optimizer=rule, steps=3).network.w,
        lambda *data: train(net, *data, optimizer=rule, steps=3).network.w,
        lambda *data: train_to_large_margin(net, data[0], data[1], 2.0).network.w,
        lambda *data: numerical_rank(data[0]),
        lambda *data: span(data[0], 4).basis,
    ):
        assert np.array_equal(call(*data), call(x, y))


@pytest.mark.parametrize(
    ("x", "y", "message"),
    [
        (X, [True, False], "Labels are true and false"),
        (X, np.array([True, True]), "Labels are true and false"),
        (X, [0, 1], "Label 0 is 0 and must be -1 or"),
        (X, [1, 255], "Label 1 is 255"),
        (X + 0j, [1, -1], "x is complex"),
        (X, [1j, -1], "y is complex"),
        (X, ["1", "-1"], "y has the type"),
        (X.reshape(2, 3, 1), [1, -1], "they must be .n, d. and .n,."),
        (X, np.ones((1, 2)), "they must be .n, d. and .n,."),
    ],
)
def test_training_data_that_might_mean_something_else_are_refused(x, y, message):
    for call in (check_points, lambda x, y: train_to_margin(TwoLayerReLU(W, U), x, y)):
        with pytest.raises(ValueError, match=message) as caught:
            call(x, y)
        assert "\n" not in str(caught.value)


def test_networks_that_do_not_fit_their_training_are_one_sentence(unchecked):
    net, x, y = problem()
    with pytest.raises(ValueError, match="takes points of 9 numbers"):
        train_to_margin(net, x[:, :5], y)
    with pytest.raises(ValueError, match="takes points of 9 numbers"):
        train_to_large_margin(net, x[:, :5], y, 1.0)
    with pytest.raises(ValueError, match="Linear and must be a TwoLayerReLU: `train`"):
        train_to_margin(Linear(np.zeros(9)), x, y)  # pyright: ignore[reportArgumentType]

    class Net(TwoLayerReLU):
        def __call__(self, x):
            return jnp.stack([super().__call__(x)] * 2, axis=-1)

    jax.tree_util.register_pytree_node(Net, lambda n: (tuple(n), None), lambda _, n: Net._make(n))
    with pytest.raises(ValueError, match=r"gives shape \(4, 2\) for 4 points"):
        train(Net(*net), x, y, optimizer=optax.sgd(0.1), steps=1)


# ---------------------------------------------------------------- what is asked of a network


def test_what_to_forget_may_be_a_mask():
    start, x, y = problem()
    net = train_to_large_margin(start, x, y, 50.0).network
    lists = x.tolist(), np.asarray(y)[:, None].astype(int)
    for mask in (np.array([False, True, False, True]), [False, True, False, True]):
        for call in (gradient_ascent, lambda *args: certificate(*args).network):
            assert np.array_equal(call(net, *lists, mask).w, call(net, x, y, (1, 3)).w)
        again = retrain(start, *lists, mask, 5.0).network
        assert np.array_equal(again.w, retrain(start, x, y, [1, 3], 5.0).network.w)
    assert np.array_equal(kkt(net, *lists).multipliers, kkt(net, x, y).multipliers)


@pytest.mark.parametrize(
    ("forget", "message"),
    [
        (np.array([True, False]), r"mask of shape \(2,\), and there are 4 points"),
        (True, r"mask of shape \(\), and there are 4 points"),
        (np.zeros(4, bool), "No point is to be forgotten"),
        (np.ones(4, bool), "All 4 points"),
        (1.5, r"forget is \[1.5\], which are no indices"),
        ([0, np.nan], "which are no indices"),
        (np.inf, "which are no indices"),
        ("1", "forget has the type"),
        (None, "forget has the type object"),
        ({1}, "forget has the type object"),
        ([[0], [1]], r"forget has shape \(2, 1\)"),
        (1j, "forget is complex"),
        (-1, "Point -1 is not there"),
    ],
)
def test_what_is_no_choice_of_points_is_one_sentence(forget, message):
    net, x, y = problem()
    with pytest.raises(ValueError, match=message) as caught:
        gradient_ascent(net, x, y, forget)
    assert "\n" not in str(caught.value)


def test_a_basis_may_be_a_subspace_and_must_be_orthonormal():
    net, x, _ = problem()
    plane = span(x, 4)
    found = off_subspace_gradient(net, x, plane.basis)
    assert np.array_equal(off_subspace_gradient(net, x.tolist(), plane), found)
    radius = certified_radius(net, x, plane)
    assert np.array_equal(certified_radius(net, x.tolist(), np.asarray(plane.basis)), radius)
    assert np.array_equal(universal_direction(net, plane.basis), universal_direction(net, plane))
    for basis, message in (
        (plane.basis.T, "must have its vectors in columns"),
        (2 * plane.basis, "not orthonormal"),
        (plane.basis.at[0, 0].set(jnp.nan), "not orthonormal"),
        (np.asarray(plane.basis) + 0j, "basis is complex"),
        (jnp.ones(9), r"basis has shape \(9,\)"),
    ):
        for call in (off_subspace_gradient, certified_radius):
            with pytest.raises(ValueError, match=message):
                call(net, x, basis)
    empty = plane.basis.at[:, 2].set(0)  # what `orthonormalise` leaves of a dependent column
    assert as_subspace(empty, 9).dim == 4


def test_outputs_of_shape_one_are_one_number():
    net, x, _ = problem()
    plane = span(x, 4).basis
    column = off_subspace_gradient(lambda point: net(point)[..., None], x, plane)
    assert np.array_equal(column, off_subspace_gradient(net, x, plane))
    with pytest.raises(ValueError, match=r"gives shape \(20,\) for one point"):
        off_subspace_gradient(lambda point: net.w @ point, x, plane)


def test_gradients_of_copies_are_real_and_have_three_axes():
    gradients = jax.random.normal(jax.random.key(0), (3, 2, 5))
    found = theory.attribution.agreement(gradients, samples=99)
    again = theory.attribution.agreement(gradients.tolist(), samples=99)
    assert np.array_equal(found.score, again.score)
    assert np.array_equal(found.p_value, again.p_value)
    for wrong, message in (
        (np.asarray(gradients) + 0j, "gradients is complex"),
        (gradients[0], r"gradients have shape \(2, 5\)"),
        (np.asarray(gradients).astype(str), "gradients has the type"),
    ):
        with pytest.raises(ValueError, match=message):
            theory.attribution.agreement(wrong)
    assert theory.attribution.holm([0.01, 0.04]).tolist() == [0.02, 0.04]
    for wrong in ([1.5], [-0.1], [[0.1]], 0.1, ["a"], [1j]):
        with pytest.raises(ValueError, match="p_values"):
            theory.attribution.holm(wrong)
    with pytest.raises(ValueError, match="score has shape"):
        theory.attribution.calibrate(0.5, [[0.1]])


def test_half_precision_stays_what_it_is():
    assert as_floats("w", np.ones(2, np.float16)).dtype == np.float16
    assert as_floats("w", jnp.ones(2, jnp.bfloat16)).dtype == jnp.bfloat16
    assert as_floats("w", np.asarray(jnp.ones(2, jnp.bfloat16))).dtype == jnp.bfloat16
    assert as_floats("w", np.ones(2, np.longdouble)).dtype == jnp.zeros(0).dtype
    assert as_floats("w", [True]).dtype == jnp.zeros(0).dtype
