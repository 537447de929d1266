"""The law experiment: what it measures and what it calls the same."""

from dataclasses import replace

import jax
import numpy as np
import pytest
import xarray as xr

from experiments.attribution import law
from theory.attribution.scene import draw_copies, draw_scene, learnable


@pytest.fixture(scope="module")
def outcome():
    settings = law.experiment.presets["smoke"]
    return settings, law.experiment.run(settings, jax.random.key(0), lambda *_: None)


@pytest.mark.slow
def test_every_pair_of_copies_is_measured_after_training(outcome):
    settings, data = outcome
    pairs = settings.copies * (settings.copies - 1) // 2
    assert data.off.shape == data.on.shape == (settings.trials, 3, pairs)
    assert all(np.isfinite(each).all() for each in data.values())
    smallest = law.experiment.summary(data, settings).tables["margin_min"]
    assert all(smallest[name] >= settings.margin for name in law.RECIPES)


def test_copies_agree_on_the_span_and_not_off_it(outcome):
    _, data = outcome
    for recipe in (law.TRUE, law.SHUFFLED):  # on shuffled labels just as well
        assert data.on.sel(recipe=recipe).mean() > 0.7
        assert abs(data.off.sel(recipe=recipe)).mean() < 0.2


@pytest.mark.slow
def test_the_mean_of_copies_falls_as_one_over_the_root_of_their_number():
    """Of a sum over √M the exponent is 0, of a sum ½; of the mean of Adam's copies above −½."""
    settings = replace(law.experiment.presets["smoke"], trials=40)
    data = law.experiment.run(settings, jax.random.key(1), lambda *_: None)
    exponents = law.experiment.summary(data, settings).tables["average_exponent"]
    for recipe in (law.TRUE, law.SHUFFLED):
        _, low, high = exponents[recipe]
        assert low < -0.5 < high
        assert high - low < 0.1
    assert exponents[law.ADAM][1] > -0.5


def test_labels_count_as_equivalent_only_if_the_interval_says_so(outcome):
    settings, data = outcome
    found = []
    for shift, noise in ((0.0, 0.0), (0.04, 0.0), (-0.06, 0.0), (0.0, 0.2)):
        on = xr.full_like(data.on, 0.9)
        signs = np.resize([1, -1], settings.trials)[:, None]
        on.loc[{"recipe": law.SHUFFLED}] += shift + noise * signs
        tables = law.experiment.summary(data.assign(on=on), settings).tables
        found.append(tables["on the span, shuffled labels − true ones"])
    assert [each["equivalent"] for each in found] == [True, True, False, False]
    assert found[2]["cosine_difference"] == pytest.approx([-0.06] * 3)


@pytest.mark.slow
def test_before_training_nothing_agrees_on_the_span_either():
    settings = law.experiment.presets["smoke"]
    scene = draw_scene(settings, jax.random.key(0))
    copies = draw_copies(settings, jax.random.split(jax.random.key(1), 40))
    gradients = jax.vmap(lambda net: jax.grad(lambda x: net(x))(scene.x[0]))(copies)
    on = np.array(scene.span.project(gradients))
    units = on / np.linalg.norm(on, axis=1, keepdims=True)
    cosines = (units @ units.T)[np.triu_indices(40, 1)]
    assert abs(cosines.mean()) < 0.1


def test_labels_are_balanced_and_decided_by_the_text(outcome):
    settings, _ = outcome
    scene = learnable(draw_scene(settings, jax.random.key(3)))
    score = np.array(scene.x)[:, ::2].sum(axis=1)
    assert abs(float(scene.y.sum())) <= 1
    assert score[np.array(scene.y) > 0].min() >= score[np.array(scene.y) < 0].max()
