"""The experiments on single steps at their smoke presets, and numbers of each by NumPy."""

from dataclasses import replace
from typing import Any

import jax
import matplotlib.pyplot as plt
import numpy as np
import pytest
import xarray as xr
from scipy import stats

from experiments.errors import UsageError
from experiments.unlearning import correlation, generalisation, many_points, margins
from experiments.unlearning.guarantee import worst_ratios
from theory.sampling import gaussian_mixture
from theory.unlearning.near_orthogonal import NORM_SLACK
from theory.unlearning.scene import draw_gaussian, draw_gram, draw_mixture, train_scene

KEY = jax.random.key(3)
ROUNDING = 1 + 1e-10
"""Of margins near 1 in the slackness, which is a thousand times smaller."""


OUTCOMES: dict[str, tuple[Any, xr.Dataset]] = {}


def outcome(module) -> tuple[Any, xr.Dataset]:
    """Settings and data of a smoke preset, run once."""
    experiment = module.experiment
    if experiment.name not in OUTCOMES:
        settings = experiment.presets["smoke"]
        data = experiment.run(settings, KEY, lambda fraction, what: None)
        OUTCOMES[experiment.name] = settings, data
    return OUTCOMES[experiment.name]


def by_numpy(settings, scene, k: int) -> dict[str, Any]:
    """The step on the first k points and its certificate, from the multipliers, in NumPy."""
    trained = jax.jit(lambda scene: train_scene(settings, scene))(scene)
    x, y = np.asarray(scene.x), np.asarray(scene.y)
    weights, u = np.asarray(trained.explained.weights), np.asarray(trained.network.u)
    w = np.asarray(trained.network.w) / float(trained.explained.scale)

    def terms(points, which):
        return np.einsum("j,jr,r,rd->jd", u, weights[:, which], y[which], points)

    gone, kept = slice(0, k), slice(k, None)
    seen = np.linalg.lstsq(x[kept].T, x[gone].T, rcond=None)[0].T @ x[kept]
    proof = w - terms(x[gone] - seen, gone)
    after = w - terms(x[gone], gone)
    cosine = np.sum(after * proof) / np.linalg.norm(after) / np.linalg.norm(proof)
    amplitudes = np.linalg.norm(u[:, None] * weights[:, gone], axis=0)
    return {
        "margins": np.stack([y * (np.maximum(x @ v.T, 0) @ u) for v in (w, after, proof)]),
        "epsilon": np.linalg.norm(proof - terms(x[kept], kept)),
        "tau": 1 - cosine,
        "distance": np.linalg.norm(terms(seen, gone)),
        "sum": amplitudes @ np.linalg.norm(seen, axis=1),
    }


@pytest.mark.slow
def test_margins_by_numpy():
    settings, data = outcome(margins)
    scene = draw_mixture(settings, settings.mean_norm, jax.random.split(KEY, 3)[0])
    found = by_numpy(settings, scene, 1)["margins"]
    expected = found / found[:, 1:].min(axis=1, keepdims=True)
    three = ["trained", "after", "certificate"]
    measured = margins.in_units(data.margins.sel(data="mixture").isel(trial=0))
    np.testing.assert_allclose(measured.sel(network=three), expected, rtol=1e-6)
    tables = margins.summary(data, settings).tables
    assert max(tables["certificate_retained_change_max"].values()) < 1e-12
    forgotten = tables["forgotten_mean"]
    assert forgotten["mixture"]["after"] > 0.1 > abs(forgotten["gaussian"]["after"])


@pytest.mark.slow
def test_correlation_by_numpy():
    settings, data = outcome(correlation)
    key = jax.random.split(jax.random.fold_in(KEY, 0), settings.trials)[0]
    phi = settings.correlations[-1]
    expected = by_numpy(settings, draw_gram(settings, phi, NORM_SLACK, key), 1)
    gram = correlation.of_kind(data, correlation.Data.GRAM)
    one = gram.sel(value=phi).isel(trial=0)
    for name in ("epsilon", "tau"):
        assert one.certificate.sel(quantity=name) == pytest.approx(expected[name], rel=1e-6)
    assert one.distance == pytest.approx(expected["distance"], rel=1e-6)
    assert (gram.inner <= gram.value).all()


@pytest.mark.slow
def test_theorem_4_1_is_drawn_only_where_it_applies():
    settings, data = outcome(correlation)
    gram = correlation.of_kind(data, correlation.Data.GRAM)
    bounds = correlation.theorem_bounds(settings, gram).sel(quantity="epsilon")
    assert bounds.value.values.tolist() == [1e-6, 1e-5]  # of four, up to 1.25e-5
    epsilon_d = 4 * 5 * 40 * 1e-5
    one = {"trial": 0, "value": 1e-5}
    expected = gram.epsilon_gates.sel(one) * (1 + 9 * epsilon_d / (5 - 9 * epsilon_d))
    assert bounds.sel(one) == pytest.approx(expected + 23 * epsilon_d / 5**0.5)
    broken = gram.assign(epsilon_gates=xr.full_like(gram.epsilon_gates, 1.1))
    assert np.isinf(correlation.theorem_bounds(settings, broken)).all()
    none = replace(settings, correlations=(1e-3, 5e-2))
    beyond = data.isel(value=data.value.values > 1e-4)
    plt.close(correlation.draw(beyond, none))
    assert correlation.summary(beyond, none).tables["theorem"]["networks_within_phi"] == 0


@pytest.mark.slow
def test_no_bound_of_the_certificate_is_exceeded():
    _, data = outcome(correlation)
    for kind in correlation.Data:
        ratios = worst_ratios(correlation.of_kind(data, kind))
        assert max(ratios.values()) <= ROUNDING
        assert ratios["epsilon"] > 0.5
    _, data = outcome(many_points)
    assert max(worst_ratios(data).values()) <= ROUNDING
    assert (data.best <= data.certificate.sel(quantity="epsilon") * (1 + 1e-7)).all()


@pytest.mark.slow
def test_many_points_by_numpy():
    settings, data = outcome(many_points)
    scene = draw_gaussian(settings, jax.random.split(KEY, settings.trials)[0])
    k = settings.forgotten[-1]
    expected, one = by_numpy(settings, scene, k), data.sel(trial=0, k=k)
    epsilon = one.sel(quantity="epsilon")
    assert epsilon.certificate == pytest.approx(expected["epsilon"], rel=1e-6)
    assert epsilon.bound - one.before == pytest.approx(expected["distance"], rel=1e-6)
    assert one.looser - one.before == pytest.approx(expected["sum"], rel=1e-6)
    np.testing.assert_allclose(one.margins, expected["margins"][1], atol=1e-7)
    smallest = many_points.split_margins(data)["smallest"].sel(trial=0, k=k)
    assert smallest == one.margins[k:].min()


@pytest.mark.slow
def test_linear_accuracy_by_scipy():
    settings, data = outcome(generalisation)
    m, d = settings.samples, settings.d
    key = jax.random.split(jax.random.split(KEY, settings.trials)[0], 3)[0]
    drawn = gaussian_mixture(key, m, d, settings.separation * d**-0.25)
    x, y, mean = (np.asarray(array) for array in (drawn.x, drawn.y, drawn.mean))

    def accuracy(w):
        return 1 - stats.norm.sf(np.sqrt(d) * w @ mean / np.linalg.norm(w))

    # All points are support vectors, so the widest margin is the interpolation of least norm.
    multipliers = np.linalg.solve(x @ x.T, y)
    assert (multipliers * y > 0).all()
    after = multipliers.copy()
    after[0] = 0
    again = np.linalg.solve(x[1:] @ x[1:].T, y[1:])
    by_descent = generalisation.accuracy(data.signal).sel(trial=0)
    assert by_descent.sel(fraction=0.0) == pytest.approx(accuracy(multipliers @ x), abs=2e-3)
    assert by_descent.sel(fraction=1.0) == pytest.approx(accuracy(after @ x), abs=2e-3)
    retrained = generalisation.accuracy(data.signal_retrained).sel(trial=0)
    assert retrained == pytest.approx(accuracy(again @ x[1:]), abs=2e-3)
    assert np.abs(generalisation.z_scores(data, settings)).max() < 4.5
    ends = data.signal.sel(fraction=[0.0, 4.0])
    np.testing.assert_allclose(data.signal_drawn[:, [0, -1]], ends)


@pytest.mark.parametrize(
    ("module", "changes", "message"),
    [
        (correlation, {"correlations": (0.09,)}, "positive definite"),
        (many_points, {"forgotten": (11,)}, "samples/2"),
        (generalisation, {"fractions": (0.0, 2.0)}, "through 1"),
        (generalisation, {"fractions": (0.5, 1.0)}, "from 0"),
    ],
)
def test_fields_that_do_not_go_together(module, changes, message):
    with pytest.raises(ValueError, match=message):
        module.Settings(**changes)


@pytest.mark.slow
def test_networks_that_cannot_fit_their_points_are_refused():
    settings = replace(margins.experiment.presets["smoke"], d=2, steps=200)
    with pytest.raises(UsageError, match="did not reach the margin asked for"):
        margins.run(settings, KEY, lambda *_: None)
