"""The sanity checks: what is undefined stays out, what cannot fail is no test; positions."""

import jax
import numpy as np
import pytest
import xarray as xr
from matplotlib import pyplot as plt

from experiments.attribution import sanity
from theory.attribution.ranking import position_share


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
    assert position_share(scores, words) == pytest.approx(expected, rel=1e-12)


@pytest.mark.slow
def test_constant_scores_have_no_rank_correlation(outcome, monkeypatch):
    settings, _ = outcome
    monkeypatch.setattr(sanity, "adebayo", lambda *_: float("nan"))
    data = sanity.experiment.run(settings, jax.random.key(0), lambda *_: None)
    assert data.rho.isnull().all()
    assert (data.undefined == settings.texts).all()


@pytest.mark.slow
def test_undefined_correlations_are_left_out_and_counted(outcome):
    settings, data = outcome
    data = data.isel(trial=[0, 1, 0]).assign_coords(trial=range(3))
    data = data.assign(rho=xr.full_like(data.rho, 0.5), undefined=xr.full_like(data.undefined, 0))
    (anew, shuffled), first, third = sanity.RANDOMISED, sanity.METHODS[0], sanity.METHODS[2]
    one = {"trial": 0, "randomised": anew, "method": first}  # one trial of three
    every = {"randomised": shuffled, "method": third}
    for where in (one, every):
        data.rho.loc[where] = np.nan
        data.undefined.loc[where] = settings.texts
    tables = sanity.experiment.summary(data, settings).tables
    rho = tables["rho"]["sum"]
    assert rho[anew][first] == [0.5, 0.5, 0.5]  # a ρ of 0 would make it 1/3
    assert np.isnan(rho[shuffled][third]).all()
    for name, counts in (("texts", (settings.texts, 3 * settings.texts)), ("trials", (1, 3))):
        found = tables[f"undefined_{name}"]["sum"]
        assert (found[anew][first], found[shuffled][third]) == counts
        assert sum(sum(row.values()) for row in found.values()) == sum(counts)
    plt.close(sanity.experiment.draw(data, settings))


def test_a_gradient_that_is_nowhere_is_no_test_passed(outcome):
    settings, data = outcome
    shown = []
    for value in (0.0, np.nan, 0.1):
        changed = data.assign(padding=xr.full_like(data.padding, value))
        summary = sanity.experiment.summary(changed, settings)
        measured = summary.tables["agreement_at_padding"]["sum"]
        assert np.isfinite(measured).all() == (value == 0.1)
        assert ("sum" in summary.sentences[1]) == (value != 0.1)
        figure = sanity.experiment.draw(changed, settings)
        shown.append([text.get_text() for ax in figure.axes for text in ax.texts])
        plt.close(figure)
    assert shown == [["no gradient at padding"], ["no padding"], []]


@pytest.mark.parametrize("accuracy", [0.55, 0.95])
def test_a_kind_near_chance_is_called_no_evidence(outcome, accuracy):
    settings, data = outcome
    changed = data.assign(accuracy=xr.full_like(data.accuracy, accuracy))
    summary = sanity.experiment.summary(changed, settings)
    assert summary.tables["near_chance_so_no_evidence"]["sum"] == (accuracy < 0.6)
    assert ("sum" in summary.sentences[0]) == (accuracy < 0.6)
    figure = sanity.experiment.draw(changed, settings)
    title = figure.axes[0].get_title()
    assert f"test accuracy {accuracy}" in title and ("no evidence" in title) == (accuracy < 0.6)
    plt.close(figure)
