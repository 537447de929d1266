"""APGD: iterate by iterate NumPy's, and what users report."""

from functools import partial

import jax
import jax.numpy as jnp
import jaxtyping
import numpy as np
import pytest
from attacks import reference
from attacks.reference import compiled

from theory.attacks import apgd
from theory.attacks.ascent import advance, ascend, begin, checkpoints, of_logits, windows
from theory.attacks.balls import Ball
from theory.attacks.losses import TARGETED, UNTARGETED
from theory.networks import mlp

D, CLASSES, STEPS = 6, 5, 100
EPS = {"linf": 0.15, "l2": 0.3}
# In a small round ball the ascent ends where the loss is flat: points 1e-8 apart have the same
# loss to rounding, and which of them is the best, where it starts again, is chance.
FOLLOWED = {"linf": 0.15, "l2": 1.2}
KEY = jax.random.key(0)


def network(kind, rng):
    """A network of the reference, and its logits in JAX."""
    net = getattr(reference, kind)(rng, D, CLASSES)
    if kind == "Affine":
        return net, lambda x: x @ net.a.T + jnp.broadcast_to(net.c, (len(x), CLASSES))
    return (
        net,
        lambda x: (
            jax.nn.relu(x @ net.w.T + jnp.broadcast_to(net.b, (len(x), len(net.b))))
            @ jnp.asarray(net.a.T)
        ),
    )


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("kind", ["Affine", "TwoLayer"])
@pytest.mark.parametrize(
    ("loss", "targeted"), [("ce", False), ("dlr", False), ("dlr", True)], ids=str
)
def test_it_is_numpys_point_by_point(norm, kind, loss, targeted):
    rng, n = np.random.default_rng(3), 8
    net, f = network(kind, rng)
    x = rng.uniform(size=(n, D))
    z = np.array([net.logits(row) for row in x])
    y, target = (np.argsort(-z)[:, i] for i in (0, 2))
    ball = Ball(jnp.asarray(x), FOLLOWED[norm], norm, (0.0, 1.0))
    start = ball.draw(jax.random.split(KEY, n))
    classes = (jnp.asarray(y), jnp.asarray(target)) if targeted else (jnp.asarray(y),)
    loss_of = (TARGETED if targeted else UNTARGETED)[loss]

    evaluate = of_logits(f, lambda z: loss_of(z, *classes))

    @jax.jit
    def follow(start):
        def one(state, at):
            return advance(evaluate, classes[0], ball, at[0], at[1], state, False), (
                state.x,
                state.step,
            )

        begun = begin(start, ball, start.dtype, jnp.ones(n, bool))
        return jax.lax.scan(one, begun, (jnp.arange(STEPS + 1), windows(STEPS)))

    end, (points, sizes) = follow(start)
    all_halvings = 0
    for i in range(n):
        visited, losses, halvings, fooled = reference.apgd(
            net, x[i], y[i], np.asarray(start[i]), FOLLOWED[norm], norm, loss,
            target[i] if targeted else None,
        )  # fmt: skip
        np.testing.assert_allclose(points[:, i], visited, atol=1e-9, rtol=0)
        size = np.append(np.asarray(sizes[1:, i]), end.step[i])
        assert np.flatnonzero(size[1:] < size[:-1]).tolist() == [at - 1 for at in halvings]
        assert bool(end.found[i]) == (fooled is not None)
        if fooled is not None:
            np.testing.assert_allclose(end.adversarial[i], fooled, atol=1e-9, rtol=0)
        all_halvings += len(halvings)
    assert all_halvings > n  # or they would not have been compared
    assert end.gradients.tolist() == [STEPS + 1] * n
    # The loop that is compiled for users takes the same steps.
    looped = ascend(evaluate, classes[0], ball, start, STEPS, jnp.ones(n, bool), False)
    np.testing.assert_allclose(looped.best, end.best, atol=1e-9, rtol=0)


def test_checkpoints_are_integers():
    assert checkpoints(100) == [22, 41, 57, 70, 80, 87, 93, 99]
    assert checkpoints(50) == [11, 21, 30, 38, 45]
    assert checkpoints(1) == [1] and checkpoints(2) == [1, 2]


@pytest.fixture(scope="module")
def scene():
    """Inputs on which an untrained network is right by its own labels."""
    net = mlp(jax.random.key(1), (D, 32, CLASSES))
    x = jax.random.uniform(jax.random.key(2), (30, D))
    return net, x, net.logits(x).argmax(1)


@pytest.mark.parametrize("norm", ["linf", "l2"])
@pytest.mark.parametrize("kind", [jnp.float32, jnp.float64])
def test_examples_are_in_ball_and_box_and_fool_in_double_precision(scene, norm, kind):
    net, x, y = scene
    x = x.astype(kind)
    narrow = jax.tree.map(lambda leaf: leaf.astype(kind), net)
    found = apgd(narrow.logits, KEY, x, y, eps=EPS[norm], norm=norm, steps=20)
    assert 3 < int(found.success.sum()) < 30
    assert found.inputs.shape == x.shape and found.inputs.dtype == kind
    moved = np.asarray(found.inputs, np.float64) - np.asarray(x, np.float64)
    order = np.inf if norm == "linf" else 2
    far = np.linalg.norm(moved, ord=order, axis=1)
    assert far.max() <= EPS[norm] + 4 * np.finfo(kind).eps
    assert float(found.inputs.min()) >= 0 and float(found.inputs.max()) <= 1
    assert np.array_equal(far > 0, found.success)
    again = net.logits(found.inputs.astype(jnp.float64)).argmax(1) != y
    assert np.array_equal(again, found.success)


@pytest.mark.parametrize("norm", ["linf", "l2"])
def test_without_room_inputs_come_back_bit_for_bit(scene, norm):
    net, x, y = scene
    x = x.at[0, 0].set(-0.0)
    y = net.logits(x).argmax(1)
    found = apgd(net.logits, KEY, x, y, eps=0.0, norm=norm, steps=20)
    assert np.asarray(found.inputs).tobytes() == np.asarray(x).tobytes()
    assert not found.success.any()


def test_counted_evaluations_are_the_calls_and_batches_do_not_matter(scene):
    net, x, y = scene
    calls = []

    def counted(x):
        jax.debug.callback(lambda z: calls.append(len(z)), net.logits(x))
        return net.logits(x)

    one = apgd(counted, KEY, x, y, eps=0.15, steps=20, batch=1)
    jax.effects_barrier()
    assert len(calls) == int(one.forwards.sum())
    assert np.array_equal(one.forwards, one.gradients + 1)
    lost = ~one.success
    assert np.all(np.asarray(one.gradients)[lost] == 21) and np.all(one.gradients[~lost] <= 21)
    other = apgd(net.logits, KEY, x, y, eps=0.15, steps=20, batch=7)
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        np.testing.assert_allclose(a, b, atol=1e-12)


def test_one_program_for_all_networks_and_radii_of_a_shape(scene):
    net, x, y = scene
    from theory.attacks.apgd import _apgd

    apgd(net.logits, KEY, x, y, eps=0.1, steps=20)
    before = compiled(_apgd)
    other = mlp(jax.random.key(5), (D, 32, CLASSES))
    apgd(other.logits, KEY, x, y, eps=0.2, steps=20, box=(-1.0, 2.0))
    assert compiled(_apgd) == before


def test_a_random_start_that_succeeds_counts():
    x, y = jnp.full((4, 2), 0.5) + jnp.array([[1e-9, 0.0]] * 4), jnp.zeros(4, int)
    found = apgd(lambda x: x - 0.2, KEY, x, y, eps=0.1, steps=10)
    assert found.gradients.min() == 1 and found.success.all()


def test_misclassified_inputs_are_counted_and_left_alone(scene):
    net, x, y = scene
    wrong = jnp.arange(30) < 4
    found = apgd(net.logits, KEY, x, jnp.where(wrong, (y + 1) % CLASSES, y), eps=0.15, steps=20)
    assert np.array_equal(found.misclassified, wrong)
    assert not found.gradients[:4].any() and np.array_equal(found.inputs[:4], x[:4])


def test_a_nan_row_stays_and_is_counted_and_others_do_not_see_it(scene):
    net, x, y = scene
    whole = apgd(net.logits, KEY, x, y, eps=0.15, steps=20)
    found = apgd(net.logits, KEY, x.at[3, 1].set(jnp.nan), y, eps=0.15, steps=20)
    assert np.array_equal(found.invalid, jnp.arange(30) == 3) and not found.success[3]
    assert np.isnan(found.inputs[3, 1]) and np.array_equal(found.inputs[3, 2:], x[3, 2:])
    rest = np.arange(30) != 3
    np.testing.assert_allclose(found.inputs[rest], whole.inputs[rest], atol=1e-12)


def test_constant_logits_and_tiny_gradients():
    x, y = jax.random.uniform(KEY, (3, 2)).astype(jnp.float32), jnp.zeros(3, int)
    flat = apgd(lambda x: 0 * x, KEY, x, y, steps=10)
    assert not flat.success.any() and float(flat.zero_share) == 1
    x = jnp.array([[0.55, 0.5]] * 3, jnp.float32)
    for norm in ("linf", "l2"):
        found = apgd(lambda x: 1e-30 * x, KEY, x, y, eps=0.1, norm=norm, loss="margin", steps=20)
        assert found.success.all() and float(found.zero_share) == 0


def test_gradients_that_vanish_are_reported(scene):
    """Cross-entropy of logits times 10⁴ in single precision is flat; the ratio is not."""
    net, x, y = (leaf for leaf in scene)
    net = jax.tree.map(lambda leaf: leaf.astype(jnp.float32), net)
    x = x.astype(jnp.float32)
    large = lambda x: 1e4 * net.logits(x)  # noqa: E731
    assert float(apgd(large, KEY, x, y, eps=0.01, loss="ce", steps=20).zero_share) > 0.5
    assert float(apgd(large, KEY, x, y, eps=0.01, loss="dlr", steps=20).zero_share) == 0


def test_probabilities_are_warned_about(scene):
    net, x, y = scene
    with pytest.warns(UserWarning, match="as softmax makes it"):
        apgd(lambda x: jax.nn.softmax(net.logits(x)), KEY, x, y, steps=2)


def test_labels_of_any_integer_and_of_one_column(scene):
    net, x, y = scene
    attack = partial(apgd, net.logits, KEY, x, eps=0.15, steps=20)
    for same in (y.astype(jnp.uint8), y[:, None], np.asarray(y)):
        assert np.array_equal(attack(same).inputs, attack(y).inputs)


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda x, y: {"y": jax.nn.one_hot(y, CLASSES)}, r"one-hot: give classes, use argmax"),
        (lambda x, y: {"y": y[:3]}, r"labels have shape \(3,\) and must have \(30,\)"),
        (lambda x, y: {"y": y.astype(float)}, "labels have type float64 and must be integers"),
        (lambda x, y: {"y": y + CLASSES}, "labels must be classes from 0 to 4"),
        (lambda x, y: {"x": 2 * x}, r"outside the box from 0 to 1: scale them, or give the box"),
        (lambda x, y: {"x": (255 * x).astype(jnp.uint8)}, "type uint8 and must be floating"),
        (
            lambda x, y: {"y": (y - CLASSES).astype(jnp.uint64)},
            "labels must be classes from 0 to 4",
        ),
        (lambda x, y: {"eps": -0.1}, "eps is -0.1 and must be at least 0"),
        (lambda x, y: {"eps": jnp.ones(30)}, r"eps has shape \(30,\) and must be one number"),
        (lambda x, y: {"eps": "0.1"}, "eps is '0.1' and must be a number"),
        (lambda x, y: {"box": 1.0}, "box is 1.0: give two numbers"),
        (lambda x, y: {"box": (0.0, 0.5, 1.0)}, "give two numbers"),
        (lambda x, y: {"box": (1.0, 0.0)}, "its lowest value must be below its highest"),
        (lambda x, y: {"logits": lambda x: jnp.round(x).astype(int)}, "logits have type int64"),
        (lambda x, y: {"steps": 0}, "steps is 0 and must be an integer of at least 1"),
        (lambda x, y: {"targets": y}, "target 0 is . the label itself"),
    ],
)
def test_what_cannot_be_is_refused_in_one_sentence(scene, change, said, monkeypatch):
    monkeypatch.setattr(jaxtyping.config, "jaxtyping_disable", True)  # which users do not have
    net, x, y = scene
    with pytest.raises(ValueError, match=said.replace(". the", "., the")):
        apgd(**({"logits": net.logits, "key": KEY, "x": x, "y": y} | change(x, y)))


def test_the_radius_may_be_traced_where_the_inputs_are_not(scene):
    net, x, y = scene
    found = jax.jit(lambda eps: apgd(net.logits, KEY, x, y, eps, steps=5).success)(0.15)
    np.testing.assert_array_equal(found, apgd(net.logits, KEY, x, y, 0.15, steps=5).success)


def test_outside_the_box_without_one(scene):
    net, x, y = scene
    found = apgd(net.logits, KEY, x + 3, net.logits(x + 3).argmax(1), eps=0.5, box=None, steps=20)
    assert found.success.any() and float(found.inputs.max()) > 1


@pytest.mark.parametrize(("classes", "targeted", "used"), [(2, 0, "margin"), (3, 1, "margin")])
def test_few_classes_take_the_margin_and_say_so(classes, targeted, used):
    x = jnp.eye(classes) / 2
    y = jnp.arange(classes)
    targets = (y + 1) % classes if targeted else None
    found = apgd(lambda x: x, KEY, x, y, eps=0.4, targets=targets, steps=20)
    assert found.loss == used and found.success.all()
