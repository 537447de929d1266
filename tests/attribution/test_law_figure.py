"""The law experiment: what it measures, its figure from arrays alone, and settings refused."""

import json
from dataclasses import replace

import jax
import numpy as np
import pytest
from matplotlib import pyplot as plt

from experiments.attribution import law
from experiments.results import store
from theory.attribution.scene import draw_copies, draw_scene


@pytest.fixture(scope="module")
def outcome():
    settings = law.experiment.presets["smoke"]
    return settings, law.experiment.run(settings, jax.random.key(0), lambda *_: None)


def test_smoke_preset_draws_and_sums_up(outcome):
    settings, arrays = outcome
    pairs = settings.copies * (settings.copies - 1) // 2
    assert arrays["off"].shape == arrays["on"].shape == (settings.trials, 3, pairs)
    assert all(np.isfinite(array).all() for array in arrays.values())
    summary = json.loads(store.to_json(law.experiment.summary(arrays, settings)))
    assert all(summary[name]["margin_min"] >= settings.margin for name in law.RECIPES)
    figure = law.experiment.draw(arrays, settings)
    assert len(figure.axes) == 3
    plt.close(figure)


def test_copies_agree_on_the_span_and_not_off_it(outcome):
    _, arrays = outcome
    for recipe in (0, 1):  # on shuffled labels just as well
        assert arrays["on"][:, recipe].mean() > 0.7
        assert np.abs(arrays["off"][:, recipe]).mean() < 0.2


def test_the_mean_of_copies_falls_as_one_over_the_root_of_their_number():
    """Of a sum over √M the exponent is 0, of a sum ½; of the mean of Adam's copies above −½."""
    settings = replace(law.experiment.presets["smoke"], trials=40)
    arrays = law.experiment.run(settings, jax.random.key(1), lambda *_: None)
    summary = law.experiment.summary(arrays, settings)
    for name in ("descent", "descent, labels shuffled"):
        centre, low, high = summary[name]["average_exponent"]
        assert low < -0.5 < high
        assert high - low < 0.1
    assert summary["Adam"]["average_exponent"][1] > -0.5


def test_labels_count_as_equivalent_only_if_the_interval_says_so(outcome):
    settings, arrays = outcome
    found = []
    for shift, noise in ((0.0, 0.0), (0.04, 0.0), (-0.06, 0.0), (0.0, 0.2)):
        on = np.full_like(arrays["on"], 0.9)
        on[:, 1] += shift + noise * np.resize([1, -1], settings.trials)[:, None]
        summary = law.experiment.summary(arrays | {"on": on}, settings)
        found.append(summary["on the span, shuffled labels − true ones"])
    assert [each["equivalent"] for each in found] == [True, True, False, False]
    assert found[2]["cosine_difference"] == pytest.approx([-0.06] * 3)


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
    scene = law.learnable(draw_scene(settings, jax.random.key(3)))
    score = np.array(scene.x)[:, ::2].sum(axis=1)
    assert abs(float(scene.y.sum())) <= 1
    assert score[np.array(scene.y) > 0].min() >= score[np.array(scene.y) < 0].max()


@pytest.mark.parametrize(
    ("changes", "message"),
    [({"copies": 1}, "copies is 1"), ({"adam_rate": 0.0}, "adam_rate"), ({"samples": 600}, "ell")],
)
def test_settings_that_make_no_sense(changes, message):
    with pytest.raises(ValueError, match=message):
        law.Settings(**changes)
