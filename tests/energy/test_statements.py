"""The theorems of this room: bounds from literals, certificates by hand, faults that are caught."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from theory.energy import dual
from theory.energy.directions import slope_of
from theory.energy.linear import Pair, pair
from theory.energy.settings import Budgeted, Local, Many
from theory.energy.theorems import (
    best_constant,
    clean_points,
    free_gauge,
    gauge,
    many_classes,
    two_classes,
)
from theory.theorem import verify

KEY = jax.random.key(0)


def logits_and_step(scene: Pair, radius: float):
    """A pair in NumPy: margins before and after a step of a length along Σ e_k g_k."""
    z, g = np.asarray(scene.z), np.asarray(scene.g)
    e = np.exp(z) / np.exp(z).sum()
    step = radius * (e @ g) / np.linalg.norm(e @ g)
    after = z + g @ step
    return z[0] - z[1], after[0] - after[1]


def by_hand(margin, g_t, g_h):
    """A pair of one dimension."""
    return Pair(jnp.array([margin, 0.0]), jnp.array([[g_t], [g_h]]))


def test_the_step_is_numpys():
    scene = pair(KEY, 5, margin=-0.7, ratio=0.4, cosine=-0.3, slope=2.0)
    assert float(scene.margin) == pytest.approx(-0.7)
    assert float(scene.u) == pytest.approx(0.4 * np.exp(0.7))
    g = np.asarray(scene.g)
    assert np.linalg.norm(g, axis=1) == pytest.approx([2.0, 0.8])
    assert g[0] @ g[1] == pytest.approx(-0.3 * 1.6)
    before, after = logits_and_step(scene, 0.9)
    assert float(scene.after(scene.step(0.9))) == pytest.approx(after)
    # Δ = ε‖g_t‖[(1 + uc) − ρ(u + c)]/√(1 + u² + 2uc)
    u = 0.4 * np.exp(0.7)
    change = 1.8 * ((1 - 0.3 * u) - 0.4 * (u - 0.3)) / np.sqrt(1 + u**2 - 0.6 * u)
    assert after - before == pytest.approx(change)


def test_e1_is_as_stated():
    """k = 2, C = 2 are the paper's: at u = .4 < ½ a point is restored, and by how much at least."""
    for cosine in (-1.0, -0.5, 0.0, 0.5, 1.0):
        scene = pair(KEY, 4, margin=-1.5, ratio=0.4 * np.exp(-1.5), cosine=cosine)
        before, after = logits_and_step(scene, 2 * 1.5)
        assert before == pytest.approx(-1.5) and after - before >= 3 * 0.6 * (1 - 1e-12)
        assert after > 0
    trial = two_classes.trial(Budgeted(), KEY)
    assert trial.measured["corrected"] > 0 == trial.predicted["corrected"]
    assert trial.measured["bound"] >= trial.predicted["bound"] > 0
    half = two_classes.trial(Budgeted(), KEY, budget=0.5)
    missed = [name for name, margin in half.assumptions.items() if margin < 0]
    assert missed == ["ε ≥ k|r|/‖g_t‖"]
    assert float(half.assumptions["ε ≥ k|r|/‖g_t‖"]) == pytest.approx(-0.5)


def test_e2_certificates_fail_in_double_precision():
    """u = 1.01/C, parallel gradients, |r| = 10⁻³: not restored for any k, although C′u < 1."""
    for k in (1.01, 1.5, 2.0, 5.0, 50.0):
        c, r = k / (k - 1), -1e-3
        ratio = 1.01 / c * np.exp(r)
        scene = by_hand(r, 1.0, ratio)
        assert float(scene.u) * c / 1.02 < 1
        before, after = logits_and_step(scene, k * 1e-3)
        assert before < 0 and after < 0
        assert after == pytest.approx(1e-3 * (k - 1) * (1 - 1.01 * np.exp(r)), rel=1e-9)
        inside = by_hand(r, 1.0, 0.99 / c * np.exp(r))
        assert logits_and_step(inside, k * 1e-3)[1] > 0
    trial = best_constant.trial(Local(), KEY)
    assert trial.measured["not corrected"] < 0 == trial.predicted["not corrected"]


def test_e3_certificate_loses_a_clean_point_in_double_precision():
    """d = 1, g_t = 1, g_h = 2, r = ln 5, ε = 2r: from 1.609 to −1.609."""
    scene = by_hand(np.log(5), 1.0, 2.0)
    before, after = logits_and_step(scene, 2 * np.log(5))
    assert before == pytest.approx(1.6094379) and after == pytest.approx(-1.6094379)
    assert float(scene.after(scene.step(2 * np.log(5)))) == pytest.approx(-1.6094379)
    for cosine in (-1.0, 0.0, 1.0):  # ρ = .9 loses nothing, and gains at least .1ε‖g_t‖
        safe = pair(KEY, 4, margin=0.2, ratio=0.9, cosine=cosine)
        before, after = logits_and_step(safe, 0.7)
        assert after - before >= 0.07 * (1 - 1e-9)
    trial = clean_points.trial(Budgeted(), KEY)
    bound, kept = (trial.measured[name] >= trial.predicted[name] for name in ("bound", "kept"))
    assert bound and kept and trial.predicted["bound"] > 0 == trial.predicted["kept"]


def test_e4_certificate_is_one_classifier_with_two_fates():
    """g = ±1, r = −1, ε = 1: from −1 to −3; in the gauge of gradients 2 and 0 from −1 to 1."""
    symmetric, moved = by_hand(-1.0, 1.0, -1.0), by_hand(-1.0, 2.0, 0.0)
    x = jnp.linspace(-2, 2, 9)[:, None]
    differences = [f.logits(x)[:, 0] - f.logits(x)[:, 1] for f in (symmetric, moved)]
    np.testing.assert_allclose(differences[0], differences[1], atol=1e-15)
    assert logits_and_step(symmetric, 1.0) == pytest.approx((-1, -3))
    assert logits_and_step(moved, 1.0) == pytest.approx((-1, 1))
    steps = [f.step(1.0, steps=3, alpha=0.5) for f in (symmetric, moved)]
    assert [float(step[0]) for step in steps] == pytest.approx([-1, 1])
    trial = gauge.trial(Budgeted(), KEY, lean=0.5)
    missed = [name for name, margin in trial.assumptions.items() if margin < 0]
    assert missed == ["g_h = −g_t"]
    # g_h = −g_t/2 changes by 1.5 in place of 2 with its sign, or the other way.
    assert trial.measured["moved"] > 0.1 * trial.predicted["moved"] / 64


def test_e6_is_sharp_on_its_extremal_scenes():
    """Just inside all are restored, just outside none is."""
    settings = Many(classes=4)
    keys = jax.random.split(KEY, 200)
    kinds = jax.vmap(lambda key: jax.random.bernoulli(jax.random.split(key)[0]))(keys)
    run = jax.jit(jax.vmap(lambda key, edge: many_classes.trial(settings, key, edge), (0, None)))
    for edge, restored in ((0.999, True), (1.001, False)):
        trial = run(keys, edge)
        worst = np.asarray(trial.measured["restored"])[~np.asarray(kinds)]
        assert np.all((worst > 0) == restored)
    sharp = np.asarray(trial.measured["growth"] / trial.predicted["growth"])[~np.asarray(kinds)]
    assert np.all(sharp >= 1 - 1e-12) and np.all(sharp < 1 + 1e-3)


def test_e1_for_ten_classes_would_be_false():
    """Why E6 has the losers' part: two of them, each too small to win, turn the step round."""
    z = np.array([0.0, 1e-4, -0.01, -0.01])
    e = np.exp(z) / np.exp(z).sum()
    g = np.array([[1.0, 0], [0.4, 0], [-0.75, 0.8], [-0.75, -0.8]])
    step = e @ g / np.linalg.norm(e @ g)
    u = e[1] * 0.4 / e[0]
    after = z + 2e-4 * g @ step  # k = 2, C = 2, u < ½
    assert 2 * u < 1 and after[0] < after.max()
    one = many_classes.Scene(jnp.asarray(z), jnp.asarray(g))
    of = many_classes.weights(many_classes.Local(one.z[None], one.g[None]), jnp.zeros(1, int))
    assert many_classes.condition(of, jnp.array([2e-4]))[0, 1:].max() > 1


def test_e5_shifts_of_the_head_are_of_the_size_that_is_allowed():
    """The tolerance is far below what the shift itself, or a moved head, would be."""
    trial = jax.jit(lambda key: free_gauge.trial(free_gauge.Settings(), key))(KEY)
    eps = float(jnp.finfo(float).eps)
    for name, size in trial.predicted.items():
        allowed = 4096 * eps * float(size)
        assert float(trial.measured[name]) <= allowed < 1e-9, name
    assert float(trial.assumptions["the head moved by a tenth"]) > 0
    moved = jax.jit(lambda key: free_gauge.trial(free_gauge.Settings(), key, 1.0))(KEY)
    assert min(float(moved.measured[name]) for name in ("Σw", "Σb", "head, Adam")) > 1e-3


def upwards(direction, f, x):
    """A wrong sign."""
    return slope_of("ascent", f, x)


@pytest.mark.parametrize(
    ("theorem", "patched", "fault"),
    [
        (two_classes, "theory.energy.linear.slope_of", upwards),
        (two_classes, "theory.energy.linear.moved", lambda slope, ball, a, n: 0.1 + ball.centre),
        (clean_points, "theory.energy.linear.slope_of", upwards),
        (gauge, "theory.energy.linear.slope_of", lambda d, f, x: lambda at: jnp.ones_like(at)),
        (many_classes, f"{many_classes.__name__}.gain", lambda of, r: 1 + 0 * of.rest),
        (free_gauge, f"{free_gauge.__name__}.DECAY", 0.0201),
    ],
    ids=["ascent", "no step down", "ascent of clean points", "any step", "no losers", "decay"],
)  # fmt: skip
def test_planted_faults_are_caught(theorem, patched, fault, monkeypatch):
    if theorem is free_gauge:  # the decay of the optimiser, not that of the bound
        monkeypatch.setattr(
            "optax.add_decayed_weights",
            lambda rate, of=free_gauge.optax.add_decayed_weights: of(fault),
        )
    else:
        monkeypatch.setattr(patched, fault)
    settings = replace(theorem.theorem.presets["smoke"], trials=20)
    assert verify(theorem.theorem, settings).status in ("falsified", "not applicable")


def test_the_prompt_tower_sees_prompts_and_the_image_tower_images():
    """100·cos by NumPy."""
    one = dual.dual_encoder(KEY, d=6, words=5, width=8, k=3)
    x = jax.random.normal(KEY, (4, 6))
    prompts = jnp.eye(5)[:3] + jnp.eye(5)[4][None]
    image, prompt = (
        np.asarray(v) for v in (one.image.logits(x), one.prompt.logits(prompts @ one.words))
    )
    cosine = (
        image @ prompt.T / np.outer(np.linalg.norm(image, axis=1), np.linalg.norm(prompt, axis=1))
    )
    np.testing.assert_allclose(dual.ZeroShot(one, prompts).logits(x), 100 * cosine, rtol=1e-10)


def test_the_contrastive_loss_is_numpys():
    """Rows and columns alike, captions that are the same sharing."""
    one = dual.dual_encoder(KEY, d=6, words=4, width=8, k=3)
    x, captions = jax.random.normal(KEY, (5, 6)), jnp.eye(4)[jnp.array([0, 1, 1, 2, 3])]
    z = np.asarray(dual.ZeroShot(one, captions).logits(x))
    target = np.eye(5)
    target[1:3, 1:3] = 0.5
    rows = z - np.log(np.exp(z).sum(axis=1, keepdims=True))
    columns = z - np.log(np.exp(z).sum(axis=0, keepdims=True))
    right = -(target * rows).sum() / 10 - (target * columns).sum() / 10
    assert float(dual.contrastive(one, (x, captions))) == pytest.approx(right)
