"""The theorems of this room: bounds from literals, laws from NumPy, and faults that are caught."""

from dataclasses import replace
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from theory.attacks import mesoscopic
from theory.attacks.mesoscopic import SmoothNetwork, change, happened, worst_change
from theory.attacks.settings import Smooth
from theory.attacks.theorems import (
    almost_linear,
    boxed_distance,
    gradient_ratio,
    linear_distance,
    off_subspace_change,
    off_subspace_gradient,
    paper_change,
    paper_gradient,
)
from theory.theorem import verify

KEY = jax.random.key(0)
SETTINGS = Smooth(d=40, ell=30, width=25, samples=6, sharpness=3.0, beta=0.4, radius=0.7, trials=3)

play = jax.jit(mesoscopic.play, static_argnums=0)


def on_trial(module, settings=SETTINGS):
    """One trial, compiled."""
    return jax.jit(partial(module.trial, settings))(KEY)


def numpy_scene(settings=SETTINGS):
    """A trained scene, and what NumPy finds in it: slopes at x₀ and Ŵ."""
    scene = play(settings, KEY)
    w, x0 = np.asarray(scene.after.w), np.asarray(scene.x0)
    slope = 0.4 + 0.6 / (1 + np.exp(-3 * (w @ x0)))
    return scene, slope, w[:, :30]


def failure_of(theorem, part, settings):
    """The failure probability that a part of a theorem claims."""
    return theorem.parts[part].failure(settings)


def test_bounds_are_those_of_the_statements():
    scene, slope, off = numpy_scene()
    trial = on_trial(off_subspace_change)
    key_scene = jax.random.split(KEY)[0]
    off_drawn = np.asarray(play(SETTINGS, key_scene).after.w)[:, :30]
    norm = np.linalg.norm(off_drawn, 2)
    # L = (1 − β)κ/4 = .45, t of δ = .05 is 2.4477.
    assert trial.predicted["change"] == pytest.approx(0.45 * 0.7 / 5 * norm**2)
    assert trial.measured["‖Ŵ‖"] == pytest.approx(norm)
    assert trial.predicted["‖Ŵ‖"] == pytest.approx((5 + 30**0.5 + 2.4477468) / 40**0.5)

    trial = on_trial(off_subspace_gradient)
    gradient = (slope * np.asarray(scene.after.u)) @ off
    assert trial.measured["size"] == pytest.approx(gradient @ gradient)
    assert trial.measured["law"] == pytest.approx(gradient @ gradient * 25 * 40 / (slope @ slope))
    assert trial.predicted["size"] == pytest.approx(0.16 * 30 / 80)

    trial = on_trial(paper_gradient)
    assert trial.measured == pytest.approx(np.linalg.norm(gradient))
    assert trial.predicted == pytest.approx(0.4 * (1 - 2 * (np.log(20) / 40) ** 0.5) ** 0.5)

    trial = on_trial(paper_change)
    right = 20 * 0.45 * 0.7 * ((np.log(500) / 30) ** 0.5 + np.log(20) / 25)
    assert trial.predicted["worst v"] == trial.predicted["random v"] == pytest.approx(right)
    assert trial.measured["random v"] < trial.measured["worst v"]

    settings = gradient_ratio.Settings(
        **{name: getattr(SETTINGS, name) for name in vars(SETTINGS)}, sizes=(12, 13, 14, 15, 16, 18)
    )
    trial = on_trial(gradient_ratio, settings)
    spread = (5 + 30**0.5 + 2.4477468) ** 2 / (25 * 40 * 30) ** 0.5
    assert trial.predicted["ratio"] == pytest.approx(2**0.5 * 0.45 * 0.7 / 0.4 * spread)
    failure = failure_of(gradient_ratio.theorem, "ratio", settings)
    assert failure == pytest.approx(0.05 + np.exp(-30 / 16))
    size = failure_of(off_subspace_gradient.theorem, "size", SETTINGS)
    assert size == pytest.approx(np.exp(-30 / 16))


def test_the_paper_example_is_falsified_as_the_notes_say():
    """d = 400, ℓ = 100, m = 2000, δ = .05: the bound is .455, and the gradient shorter."""
    settings = Smooth(d=400, ell=100, width=2000, steps=5)
    trial = on_trial(paper_gradient, settings)
    assert trial.predicted == pytest.approx(0.455, abs=5e-4)
    assert float(trial.measured) < 0.42


def test_changes_and_gradients_are_those_of_autodiff():
    scene, _, _ = numpy_scene()
    net, x0 = scene.after, scene.x0
    v = jax.random.normal(KEY, (30,))
    slope = jax.grad(lambda x: net(x))
    np.testing.assert_allclose(net.gradient(x0, 30), slope(x0)[:30], rtol=1e-10)
    both = slope(x0.at[:30].add(v)) - slope(x0)
    np.testing.assert_allclose(change(net, x0, v), both[:30], rtol=1e-9, atol=1e-12)


def test_the_activation_is_as_smooth_as_it_says_and_no_smoother():
    net = SmoothNetwork(jnp.eye(1), jnp.ones(1), 0.4, 3.0)
    bend = jax.vmap(jax.grad(jax.grad(lambda x: net(jnp.array([x])))))(jnp.linspace(-5.0, 5.0, 201))
    assert float(bend.max()) == pytest.approx(SETTINGS.smoothness, rel=1e-12) and bend.min() >= 0
    slopes = net.slopes(jnp.linspace(-9.0, 9.0, 50)[:, None])
    assert float(slopes.min()) == pytest.approx(0.4, abs=1e-9) and slopes.max() <= 1


def test_ascent_finds_the_largest_change_of_a_small_step():
    """There the change is linear in v, and its worst is a singular value."""
    scene, slope, off = numpy_scene()
    small = 1e-4
    bend = 3 / 0.6 * (slope - 0.4) * (1 - slope)
    hessian = off.T @ ((np.asarray(scene.after.u) * bend)[:, None] * off)
    found = worst_change(scene.after, scene.x0, small, jax.random.normal(KEY, (30,)), rounds=200)
    assert float(found) / small == pytest.approx(np.linalg.norm(hessian, 2), rel=1e-3)


def test_rates_are_singular_values_whatever_the_padding():
    settings = gradient_ratio.Settings(trials=1)
    shapes = jnp.array([[20, 7], [9, 12]])
    wide = gradient_ratio.rates(settings, KEY, shapes, (20, 12), 1.0)
    assert wide.shape == (2,) and np.all(np.isfinite(wide)) and np.all(wide > 0)
    one = gradient_ratio.rates(settings, KEY, jnp.array([[20, 12]]), (20, 12), 1.0)
    key_w, key_z, _, _ = jax.random.split(jax.random.split(KEY, 1)[0], 4)
    w = np.asarray(jax.random.normal(key_w, (20, 12))) / 20**0.5  # d = ℓ + dim P = 20
    s = 1 / (1 + np.exp(-2 * np.asarray(jax.random.normal(key_z, (20,)))))
    hessian = w.T @ ((s * (1 - s) / 20**0.5)[:, None] * w)  # 4L = 1
    size = np.sqrt(np.sum((0.5 + 0.5 * s) ** 2 / 20) * 12 / 20)
    assert float(one[0]) == pytest.approx(np.linalg.norm(hessian, 2) / size, rel=1e-6)


def test_what_must_have_happened_is_measured():
    idle = replace(SETTINGS, samples=400, steps=1)
    margins = happened(idle, play(idle, KEY))
    assert [name for name, margin in margins.items() if margin < 0] == ["loss fell by a fiftieth"]


@pytest.mark.parametrize(
    ("theorem", "patched", "fault"),
    [
        (linear_distance, "theory.attacks.distances.DUAL", {"linf": "l2", "l2": "l1", "l1": "l1"}),
        (almost_linear, "theory.attacks.distances.DUAL", {"linf": "linf", "l2": "l1"}),
        (boxed_distance, f"{boxed_distance.__name__}.to_plane_in_box", lambda g, a, x, box: g / 9),
    ],
    ids=["wrong dual norm", "wrong dual norm, bent", "no rooms"],
)
def test_planted_faults_are_caught(theorem, patched, fault, monkeypatch):
    monkeypatch.setattr(patched, fault)
    settings = replace(theorem.theorem.presets["smoke"], trials=5)
    assert verify(theorem.theorem, settings).status == "falsified"
