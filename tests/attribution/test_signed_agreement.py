"""X6: signs of copies, planted mistakes, and what |cos| says of dead directions."""

from dataclasses import replace

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from theory.attribution import directions
from theory.attribution.agreement import agreement
from theory.attribution.scene import draw_copies, draw_scene, train_copies
from theory.attribution.theorems import signed_agreement
from theory.attribution.theorems.signed_agreement import coefficients
from theory.isotropy import axes_off
from theory.networks import TwoLayerReLU
from theory.theorem import simulate, verify
from theory.training import train

SIGNED = signed_agreement.theorem
SMOKE = SIGNED.presets["smoke"]

signed_p_values = jax.jit(directions.signed_p_values)


def test_p_values_are_ranks_among_all_choices_of_signs():
    a = np.random.default_rng(0).normal(size=(5, 3, 4))
    found = np.array(signed_p_values(jnp.array(a)))
    unit = a / np.linalg.norm(a, axis=1, keepdims=True)
    for d in range(4):
        sums = [
            np.linalg.norm(np.array([1, *signs]) @ unit[:, :, d])
            for signs in np.array(np.meshgrid(*[[1, -1]] * 4)).reshape(4, -1).T
        ]
        whole = np.linalg.norm(unit[:, :, d].sum(axis=0))
        assert found[d] == np.mean(np.array(sums) >= whole - 1e-12)


def test_p_values_of_signs_drawn_anew_are_every_rank_once():
    """Exactly: over all choices of signs of the same coefficients."""
    a = jnp.array(np.random.default_rng(1).normal(size=(6, 3, 1)))
    signs = jnp.array(np.array(np.meshgrid(*[[1.0, -1.0]] * 5)).reshape(5, -1).T)
    signs = jnp.concatenate([jnp.ones((32, 1)), signs], axis=1)
    found = jax.vmap(lambda s: signed_p_values(s[:, None, None] * a)[0])(signs)
    np.testing.assert_allclose(np.sort(found), np.arange(1, 33) / 32)


def test_the_bound_holds_for_any_vectors_and_is_nearly_attained():
    rng, best = np.random.default_rng(2), 0.0
    for spread in np.geomspace(0.05, 3, 200):
        a = np.array([1.0, 0, 0])[None, :, None] + spread * rng.normal(size=(8, 3, 1))
        unit = (a / np.linalg.norm(a, axis=1, keepdims=True))[:, :, 0]
        mean = (unit @ unit.T)[np.triu_indices(8, 1)].mean()
        p = float(signed_p_values(jnp.array(a))[0])
        if mean > 0:
            bound = 1 / (1 + 28 * mean**2)
            assert p <= bound
            best = max(best, p / bound)
    assert best > 0.3


def test_a_coefficient_that_is_no_number_has_no_p_value_and_copies_must_be_few():
    a = jnp.ones((3, 2, 2)).at[1, 0, 0].set(jnp.nan)
    assert np.isnan(signed_p_values(a)).tolist() == [True, False]
    for copies in (1, 17):
        with pytest.raises(ValueError, match=f"There are {copies} copies"):
            signed_p_values(jnp.ones((copies, 2, 1)))
    with pytest.raises(ValueError, match="must be at least 7"):
        signed_agreement.Settings(copies=6)


@pytest.fixture(scope="module")
def dead():
    """The coefficients of a dead direction in trained copies of many scenes."""

    def one(key):
        key_scene, key_copies = jax.random.split(key)
        scene = draw_scene(SMOKE, key_scene)
        starts = draw_copies(SMOKE, jax.random.split(key_copies, SMOKE.copies))
        trained = train_copies(SMOKE, scene, starts)
        return coefficients(trained.network, scene.x, axes_off(scene.span, slice(1)))

    return jax.jit(lambda keys: jax.lax.map(one, keys, batch_size=40))(
        jax.random.split(jax.random.key(5), 200)
    )


def judge(p_values):
    claim = SIGNED.parts["dead"]
    return claim.judge(np.asarray(p_values), np.asarray(p_values), SMOKE).status


@pytest.mark.slow
def test_other_p_values_of_dead_directions_are_falsified(dead):
    """|cos| against uniform directions, and coefficients without their signs."""
    signed = jax.vmap(signed_p_values)(dead)[:, 0]
    assert judge(signed) != "falsified" and np.mean(signed <= 0.05) < 0.15
    across = jnp.swapaxes(dead, 2, 3)
    uniform = jax.lax.map(lambda a: agreement(a, samples=999).p_value[0], across)
    assert judge(uniform) == "falsified" and np.mean(uniform <= 0.05) > 0.5
    sizes = jax.vmap(signed_p_values)(jnp.abs(dead))[:, 0]
    assert judge(sizes) == "falsified"


@pytest.mark.slow
def test_a_reflected_start_ends_reflected():
    """Descent keeps a reflection along a dead direction; Adam does not."""
    settings = replace(SMOKE, copies=7)
    scene = draw_scene(settings, jax.random.key(0))
    b = axes_off(scene.span, slice(1))
    starts = draw_copies(settings, jax.random.split(jax.random.key(1), 1))
    mirror = jnp.eye(len(b)) - 2 * b @ b.T

    def descend(net):
        return train_copies(settings, scene, net).network.w[0]

    def adam(net):
        one = TwoLayerReLU(net.w[0], net.u[0])
        options = {"optimizer": optax.adam(1e-2), "steps": 20}
        return train(one, scene.x, scene.y, **options).network.w

    turned = starts._replace(w=starts.w @ mirror)
    for end, kept in ((descend, True), (adam, False)):
        missed = float(jnp.abs(end(turned) - end(starts) @ mirror).max())
        assert (missed < 1e-12) == kept and (missed > 1e-3) != kept


@pytest.mark.slow
def test_copies_that_share_a_start_or_learned_nothing_are_not_judged(monkeypatch):
    untrained = replace(SMOKE, steps=1, trials=5)
    verdict = verify(SIGNED, untrained)
    assert verdict.status == "not applicable"
    assert "margin reached" in [a.name for a in verdict.assumptions if not a.holds]
    draw = signed_agreement.draw_copies
    monkeypatch.setattr(
        signed_agreement,
        "draw_copies",
        lambda settings, keys: draw(settings, keys[jnp.zeros(len(keys), int)]),
    )
    verdict = verify(SIGNED, replace(SMOKE, trials=5))
    assert [a.name for a in verdict.assumptions if not a.holds] == ["copies drawn apart"]
    trials = simulate(SIGNED, replace(SMOKE, trials=118))
    assert judge(trials.measured["dead"]) == "falsified"


def test_a_bound_of_more_pairs_than_there_are_is_falsified():
    trials = simulate(SIGNED, SMOKE)
    measured, predicted = trials.measured["learned"], trials.predicted["learned"]
    claim = SIGNED.parts["learned"]
    for pairs, status in ((1, "verified"), (45, "falsified")):
        fewer = 1 / (1 + pairs * (1 / predicted - 1))
        assert claim.judge(measured, fewer, SMOKE).status == status
