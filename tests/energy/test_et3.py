"""ET3: NumPy's, on what users give it, and what it costs."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest

from theory.attacks.survivors import as_tree
from theory.energy import climb, energy, et3
from theory.energy.et3 import Defended
from theory.networks import conv_net, mlp

KEY = jax.random.key(0)
D, CLASSES = 12, 5


@pytest.fixture(scope="module")
def net():
    net = mlp(KEY, (D, 16, CLASSES))
    return net._replace(weights=(net.weights[0], 4 * net.weights[1]))


@pytest.fixture(scope="module")
def images():
    return jax.random.uniform(jax.random.key(1), (7, D))


def reference(net, x, radius, size, steps, norm, box, normalised):
    """ET3 of one row in plain NumPy, in the order of the published code."""
    (w, a), (b, c) = ([np.asarray(part) for part in parts] for parts in (net.weights, net.biases))
    change = np.zeros_like(x)
    low, high = box
    for _ in range(steps):
        h = w @ (x + change) + b
        z = a @ np.maximum(h, 0) + c
        e = np.exp(z - z.max())
        gradient = -((e / e.sum()) @ a * (h > 0)) @ w
        change = change - size * gradient / (np.linalg.norm(gradient) if normalised else 1)
        change = np.clip(x + change, low, high) - x
        if norm == "l2":
            length = np.linalg.norm(change)
            change = change * min(1, radius / length)
        else:
            change = np.clip(change, -radius, radius)
    return np.clip(x + change, low, high)


@pytest.mark.parametrize("normalised", [True, False])
@pytest.mark.parametrize("norm", ["l2", "linf"])
def test_it_is_numpys(net, images, norm, normalised):
    options = {"radius": 0.3, "step_size": 0.2, "steps": 4, "norm": norm, "normalised": normalised}
    after = et3(net.logits, images, **options)
    options["size"] = options.pop("step_size")
    right = [reference(net, np.asarray(x), **options, box=(0.0, 1.0)) for x in images]
    np.testing.assert_allclose(after, right, atol=1e-12)
    moved = np.abs(after - images)
    length = np.linalg.norm(moved, axis=1) if norm == "l2" else moved.max(axis=1)
    assert np.all(length <= 0.3 * (1 + 1e-12)) and np.any(length > 0.29)
    assert np.all(energy(net.logits(after)) < energy(net.logits(images)))


def test_gradients_flow_through_it_and_past_it(net, images):
    """Against finite differences, away from kinks; with identity gradients those at its output."""
    by = Defended(net.logits, 0.3, 0.1, steps=3, box=None)
    direction = jax.random.normal(jax.random.key(2), images.shape)

    def along(f, t):
        return jnp.sum(f(images + t * direction)[:, 0])

    slope = jax.grad(lambda t: along(by, t))(0.0)
    finite = (along(by, 1e-6) - along(by, -1e-6)) / 2e-6
    assert float(slope) == pytest.approx(float(finite), rel=1e-5)
    past = Defended(net.logits, 0.3, 0.1, steps=3, box=None, backward="identity")
    np.testing.assert_array_equal(past(images), by(images))
    found = jax.grad(lambda x: jnp.sum(past(x)[:, 0]))(images)
    right = jax.grad(lambda x: jnp.sum(net.logits(x)[:, 0]))(by.transform(images))
    np.testing.assert_allclose(found, right, atol=1e-12)


def test_without_a_radius_it_is_the_classifier_alone_with_its_gradients(net, images):
    """On the ends of the box too, where a clipped derivative would be a half or none."""
    x = jnp.round(images)
    alone = Defended(net.logits, 0.3, 0.1).alone()
    np.testing.assert_array_equal(alone(x), net.logits(x))
    found, right = (jax.grad(lambda x, f=f: jnp.sum(f(x)[:, 1]))(x) for f in (alone, net.logits))
    np.testing.assert_allclose(found, right, atol=1e-12)


def test_rows_without_a_slope_stay_and_the_others_do_not(net, images):
    """Constant logits, a NaN in one row, logits of ±∞, a slope of 1e-30 in single precision."""
    assert np.array_equal(et3(lambda x: 0 * x, images, 0.3, 0.3), images)
    x = images.at[2, 0].set(jnp.nan)
    after = et3(net.logits, x, 0.3, 0.3)
    assert np.array_equal(after[2], x[2], equal_nan=True)
    np.testing.assert_array_equal(
        np.delete(after, 2, 0), np.delete(et3(net.logits, images, 0.3, 0.3), 2, 0)
    )
    infinite = et3(lambda x: net.logits(x).at[0, 0].set(jnp.inf), images, 0.3, 0.3)
    assert np.array_equal(infinite[0], images[0]) and not np.array_equal(infinite[1], images[1])
    small = images.astype(jnp.float32)
    tiny = et3(lambda x: jnp.float32(1e-30) * x, small, 0.3, 0.3)
    assert np.all(np.linalg.norm(tiny - small, axis=1) > 0.1)
    defended = Defended(lambda x: 0 * x[:, :2], 0.3, 0.1)
    assert np.all(jax.grad(lambda x: jnp.sum(defended(x)))(images) == 0)


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"x": 2 * np.ones((2, 3))}, "outside the box from 0 to 1"),
        ({"x": np.ones((2, 3), int)}, "must be floating-point"),
        ({"x": np.ones(3)}, r"give \(n, ...\)"),
        ({"radius": 0}, "radius is 0 and must be positive and finite"),
        ({"radius": float("nan")}, "radius is nan and must be positive"),
        ({"step_size": -1.0}, "step_size is -1.0 and must be positive"),
        ({"steps": 0}, "steps is 0 and must be an integer of at least 1"),
        ({"direction": "random"}, "the direction 'random' needs a key"),
        ({"logits": lambda x: x[:, 0]}, "logits have shape"),
        ({"radius": np.ones(2)}, r"radius has shape \(2,\) and must be one number"),
        ({"step_size": "0.1"}, "step_size is '0.1' and must be a number"),
    ],
    ids=range(11),
)
def test_bad_input_is_named(changed, says):
    given = {"logits": lambda x: x, "x": np.ones((2, 3)), "radius": 0.1, "step_size": 0.1}
    with pytest.raises(ValueError, match=says):
        et3(**(given | changed))


@pytest.mark.parametrize(
    ("changed", "says"),
    [
        ({"norm": "Linf"}, "norm is 'Linf' and must be one of"),
        ({"backward": "Identity"}, "backward is 'Identity' and must be one of"),
        ({"steps": -1}, "steps is -1 and must be an integer"),
        ({"radius": float("nan")}, "radius is nan and must be at least 0 and finite"),
        ({"radius": -1.0}, "radius is -1.0 and must be at least 0"),
        ({"radius": jnp.ones(7)}, r"radius has shape \(7,\) and must be one number"),
        ({"step_size": float("inf")}, "step_size is inf and must be at least 0 and finite"),
        ({"box": (1.0, 0.0)}, "its lowest value must be below its highest"),
    ],
    ids=range(8),
)
def test_a_defence_that_cannot_be_is_named(net, images, changed, says, monkeypatch):
    """When it is made if its program depends on it, and else when it is called or attacked."""
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # which users do not have
    given = {"logits": net.logits, "radius": 0.1, "step_size": 0.1} | changed
    with pytest.raises(ValueError, match=says):
        Defended(**given)(images)
    with pytest.raises(ValueError, match=says):
        climb("unrolled", Defended(**given), KEY, images, jnp.zeros(7, int), steps=1)


def test_a_defence_is_a_pytree_whatever_its_leaves(net, images):
    by = Defended(net.logits, 0.3, 0.1)
    radii = jnp.array([0.1, 0.2])
    each = jax.vmap(lambda radius: replace(by, radius=radius)(images))(radii)
    np.testing.assert_allclose(each[1], replace(by, radius=0.2)(images), atol=1e-12)
    slope = jax.grad(lambda by: jnp.sum(by(images)[:, 0]))(replace(by, logits=as_tree(net.logits)))
    assert isinstance(slope, Defended)  # of which the radius may be negative, or 0


@pytest.mark.parametrize("norm", ["l2", "linf"])
@pytest.mark.parametrize("wrong", [np.nan, np.inf])
def test_a_row_that_is_not_finite_stays(net, images, norm, wrong):
    x = images.at[2, 0].set(wrong)
    after = et3(net.logits, x, 0.3, 0.3, norm=norm, box=None)
    np.testing.assert_array_equal(after[2], x[2])
    right = et3(net.logits, images, 0.3, 0.3, norm=norm, box=None)
    np.testing.assert_array_equal(np.delete(after, 2, 0), np.delete(right, 2, 0))


@pytest.mark.parametrize("shape", [(5,), (1, 2, 5)])
def test_the_energy_is_of_rows_of_logits(shape):
    with pytest.raises(ValueError, match="must have two axes"):
        energy(jnp.ones(shape))


def test_controls_go_where_they_say(net, images):
    options = {"radius": 0.2, "step_size": 0.2, "steps": 1, "box": None}
    up = et3(net.logits, images, direction="ascent", **options)
    down = et3(net.logits, images, **options)
    np.testing.assert_allclose(up - images, images - down, atol=1e-12)

    def shifted(x):
        return net.logits(x) + 9 * x[:, :1]

    same = [et3(f, images, direction="centred", **options) for f in (net.logits, shifted)]
    np.testing.assert_allclose(same[0], same[1], atol=1e-12)
    assert not np.allclose(et3(shifted, images, **options), down, atol=1e-3)
    surer = net.logits(et3(net.logits, images, direction="pseudo-label", **options))
    label = net.logits(images).argmax(1)
    p = [jax.nn.softmax(z)[np.arange(len(z)), label] for z in (surer, net.logits(images))]
    assert np.all(p[0] > p[1])
    random = [et3(net.logits, images, direction="random", key=KEY, **options) for _ in range(2)]
    np.testing.assert_array_equal(random[0], random[1])
    np.testing.assert_allclose(np.linalg.norm(random[0] - images, axis=1), 0.2)


def test_pictures_keep_their_shape_and_one_program_serves_all_numbers():
    net = conv_net(KEY, 8, (1, 4, 8), 3)
    x = jax.random.uniform(KEY, (4, 8, 8), jnp.float32)
    calls = []

    def logits(x):
        calls.append(x.shape)
        return net.logits(x.reshape(len(x), -1).astype(float))

    first = et3(logits, x, 0.2, 0.1)
    traced = len(calls)
    second = et3(logits, x, 0.4, 0.3)
    assert first.shape == x.shape and first.dtype == x.dtype and not np.allclose(first, second)
    assert len(calls) == traced


def test_it_costs_one_forward_and_one_backward_pass_a_step(net, images):
    """Counted in matrix products of the program: 2 layers forward and 2 back, a loop body once."""
    program = jax.make_jaxpr(lambda x: et3(net.logits, x, 0.2, 0.1, steps=5))(images)
    assert str(program).count("dot_general") == 4


def test_it_works_inside_programs_of_traced_networks(net, images):
    """Under jit, vmap over networks and grad, as training would have it."""

    def after(net, x):
        return et3(net.logits, x, radius=0.3, step_size=0.2)

    right = after(net, images)
    inside = jax.jit(after)(net, images)
    np.testing.assert_allclose(inside, right, atol=1e-12)
    two = jax.tree.map(lambda leaf: jnp.stack([leaf, leaf]), net)
    each = jax.vmap(lambda net: after(net, images))(two)
    np.testing.assert_allclose(each[1], right, atol=1e-12)
    slope = jax.grad(lambda net: jnp.sum(after(net, images)))(net)
    assert float(jnp.abs(slope.weights[0]).max()) > 0
