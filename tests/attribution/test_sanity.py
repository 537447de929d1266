"""The sanity checks: what is undefined stays out, what cannot fail is no test; positions."""

import json

import jax
import numpy as np
import pytest
from matplotlib import pyplot as plt

from experiments.attribution import sanity
from experiments.results import store


@pytest.fixture(scope="module")
def outcome():
    settings = sanity.experiment.presets["smoke"]
    return settings, sanity.experiment.run(settings, jax.random.key(0), lambda *_: None)


def test_positions_weigh_as_many_words_as_they_have():
    """A slow reference: the variance of all words after each is replaced by its position's mean."""
    rng = np.random.default_rng(0)
    words = np.arange(6) < rng.integers(1, 7, size=(30, 1))  # few texts reach the last position
    scores = rng.normal(size=(30, 6)) + np.array([0, 0, 0, 0, 1, 5])
    replaced = [scores[words[:, t], t].mean() for _, t in np.argwhere(words)]
    expected = np.var(replaced) / np.var(scores[words])
    assert 0.2 < expected < 0.9
    assert sanity.position_share(scores, words) == pytest.approx(expected, rel=1e-12)


def test_constant_scores_have_no_rank_correlation(outcome, monkeypatch):
    settings, _ = outcome
    monkeypatch.setattr(sanity, "adebayo", lambda *_: float("nan"))
    arrays = sanity.experiment.run(settings, jax.random.key(0), lambda *_: None)
    assert np.isnan(arrays["rho"]).all()
    assert (arrays["undefined"] == settings.texts).all()


def test_undefined_correlations_are_left_out_and_counted(outcome):
    settings, arrays = outcome
    rho = np.full((3, *arrays["rho"].shape[1:]), 0.5)
    undefined = np.zeros(rho.shape, int)
    rho[0, 0, 0, 0] = np.nan  # one trial of three
    undefined[0, 0, 0, 0] = settings.texts
    rho[:, 0, 1, 2] = np.nan  # all of them
    undefined[:, 0, 1, 2] = settings.texts
    changed = {k: np.concatenate([v, v[:1]]) for k, v in arrays.items()}
    changed |= {"rho": rho, "undefined": undefined}
    summary = json.loads(store.to_json(sanity.experiment.summary(changed, settings)))
    anew, shuffled = (f"sum, {name}" for name in sanity.RANDOMISED)
    first, third = sanity.METHODS[0], sanity.METHODS[2]
    assert summary[anew][first] == [0.5, 0.5, 0.5]  # a ρ of 0 would make it 1/3
    assert summary[f"{anew}, undefined"] == {first: {"texts": settings.texts, "trials": 1}}
    assert summary[shuffled][third] == [None, None, None]
    assert summary[f"{shuffled}, undefined"][third]["trials"] == 3
    plt.close(sanity.experiment.draw(changed, settings))


def test_a_gradient_that_is_nowhere_is_no_test_passed(outcome):
    settings, arrays = outcome
    shown = []
    for value in (0.0, np.nan, 0.1):
        changed = arrays | {"padding": np.full_like(arrays["padding"], value)}
        measured = sanity.experiment.summary(changed, settings)["sum"]["agreement_at_padding"]
        assert isinstance(measured, list) == (value == 0.1)
        figure = sanity.experiment.draw(changed, settings)
        texts = [text.get_text() for ax in figure.axes for text in ax.texts]
        shown.append(texts)
        plt.close(figure)
    assert shown == [["no gradient\nat padding"], ["no padding"], []]


@pytest.mark.parametrize("accuracy", [0.55, 0.95])
def test_a_kind_near_chance_is_called_no_evidence(outcome, accuracy):
    settings, arrays = outcome
    changed = arrays | {"accuracy": np.full_like(arrays["accuracy"], accuracy)}
    row = sanity.experiment.summary(changed, settings)["sum"]
    assert row["near_chance_so_no_evidence"] == (accuracy < 0.6)
    figure = sanity.experiment.draw(changed, settings)
    title = figure.axes[0].get_title()
    assert f"test accuracy {accuracy}" in title and ("no evidence" in title) == (accuracy < 0.6)
    plt.close(figure)
