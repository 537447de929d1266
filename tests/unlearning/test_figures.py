"""Four figures of the unlearning system at their smoke presets, and one number of each by NumPy."""

import io
import json
from dataclasses import replace
from typing import Any

import jax
import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
from scipy import stats

from experiments.errors import UsageError
from experiments.unlearning import correlation, generalisation, many_points, margins
from theory.sampling import gaussian_mixture
from theory.theorem import Source
from theory.unlearning.scene import draw_gaussian, train_scene

matplotlib.use("Agg")

KEY = jax.random.key(3)
MODULES = {
    "margins": margins,
    "correlation": correlation,
    "many_points": many_points,
    "generalisation": generalisation,
}
ROUNDING = 1 + 1e-10
"""Of margins near 1 in the slackness, which is a thousand times smaller."""


def silent(fraction: float, what: str) -> None:
    assert 0 <= fraction <= 1 and what


@pytest.fixture(scope="module")
def outcomes() -> dict[str, tuple]:
    """Settings and arrays of every smoke preset, the arrays through a file as before drawing."""
    out = {}
    for name, module in MODULES.items():
        settings, buffer = module.experiment.presets["smoke"], io.BytesIO()
        np.savez(buffer, allow_pickle=False, **module.experiment.run(settings, KEY, silent))
        buffer.seek(0)
        with np.load(buffer, allow_pickle=False) as saved:
            out[name] = settings, dict(saved)
    return out


@pytest.mark.parametrize("name", MODULES)
def test_smoke_preset_draws_and_sums_up(outcomes, name):
    settings, arrays = outcomes[name]
    experiment = MODULES[name].experiment
    assert all(np.isfinite(array).all() for array in arrays.values())
    assert all(len(array) == settings.trials for array in arrays.values())
    figure = experiment.draw(arrays, settings)
    figure.savefig(io.BytesIO())
    plt.close(figure)
    assert json.loads(json.dumps(experiment.summary(arrays, settings), allow_nan=False))
    assert isinstance(experiment.source, Source)
    assert set(experiment.presets) == {"smoke", "course", "paper"}
    assert all(array.min() >= settings.margin for k, array in arrays.items() if "reached" in k)


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


def test_margins_by_numpy(outcomes):
    settings, arrays = outcomes["margins"]
    scene = margins.draw_mixture(settings, settings.mean_norm, jax.random.split(KEY, 3)[0])
    expected = margins.in_units(by_numpy(settings, scene, 1)["margins"])
    measured = margins.in_units(arrays["margins"][0, 1])
    np.testing.assert_allclose(measured[:3], expected, rtol=1e-6)
    summary = margins.experiment.summary(arrays, settings)
    for data in ("gaussian", "mixture"):
        assert summary[data]["certificate_retained_change_max"] < 1e-12
    assert summary["mixture"]["forgotten_mean"]["after"] > 0.1
    assert abs(summary["gaussian"]["forgotten_mean"]["after"]) < 0.1
    assert arrays["margins"].shape == (3, 2, 4, settings.samples)


def test_correlation_by_numpy(outcomes):
    settings, arrays = outcomes["correlation"]
    key = jax.random.split(jax.random.fold_in(KEY, 0), settings.trials)[0]
    phi = settings.correlations[-1]
    expected = by_numpy(settings, correlation.draw_gram(settings, phi, key), 1)
    for name in ("epsilon", "tau", "distance"):
        assert arrays[f"gram_{name}"][0, -1] == pytest.approx(expected[name], rel=1e-6)
    assert (arrays["gram_inner"] <= np.array(settings.correlations)[None, :]).all()


def test_theorem_4_1_is_drawn_only_where_it_applies(outcomes):
    settings, arrays = outcomes["correlation"]
    gram = correlation.of_kind(arrays, "gram")
    bounds = correlation.theorem_bounds(settings, gram)
    assert bounds["epsilon"].shape == (3, 2)  # 1e-6 and 1e-5 of four, up to 1.25e-5
    epsilon_d = 4 * 5 * 40 * 1e-5
    expected = gram["epsilon_gates"][0, 1] * (1 + 9 * epsilon_d / (5 - 9 * epsilon_d))
    assert bounds["epsilon"][0, 1] == pytest.approx(expected + 23 * epsilon_d / 5**0.5)
    broken = gram | {"epsilon_gates": np.full_like(gram["epsilon_gates"], 1.1)}
    assert np.isinf(correlation.theorem_bounds(settings, broken)["delta"]).all()
    none = replace(settings, correlations=(1e-3, 1e-2))
    small = {k: v[:, :2] if k.startswith("gram") else v for k, v in arrays.items()}
    plt.close(correlation.experiment.draw(small, none))
    assert correlation.experiment.summary(small, none)["U2"]["networks_within_phi"] == 0


def test_no_bound_of_the_certificate_is_exceeded(outcomes):
    settings, arrays = outcomes["correlation"]
    for kind in ("gram", "mixture"):
        ratios = correlation.worst_ratios(correlation.of_kind(arrays, kind))
        assert max(ratios.values()) <= ROUNDING
        assert ratios["epsilon"] > 0.5
    settings, arrays = outcomes["many_points"]
    summary = many_points.experiment.summary(arrays, settings)
    assert max(summary["worst_ratio"].values()) <= ROUNDING
    assert (arrays["best"] <= arrays["epsilon"] * (1 + 1e-7)).all()


def test_many_points_by_numpy(outcomes):
    settings, arrays = outcomes["many_points"]
    scene = draw_gaussian(settings, jax.random.split(KEY, settings.trials)[0])
    expected = by_numpy(settings, scene, settings.forgotten[-1])
    before = arrays["before"][0]
    assert arrays["epsilon"][0, -1] == pytest.approx(expected["epsilon"], rel=1e-6)
    assert arrays["epsilon_bound"][0, -1] - before == pytest.approx(expected["distance"], rel=1e-6)
    assert arrays["looser_bound"][0, -1] - before == pytest.approx(expected["sum"], rel=1e-6)
    np.testing.assert_allclose(arrays["margins"][0, -1], expected["margins"][1], atol=1e-7)
    parts = many_points.split_margins(arrays, settings)
    assert parts["smallest"][0, -1] == arrays["margins"][0, -1, 3:].min()


def test_linear_accuracy_by_scipy(outcomes):
    settings, arrays = outcomes["generalisation"]
    m, d = settings.samples, settings.d
    key = jax.random.split(jax.random.split(KEY, settings.trials)[0], 3)[0]
    data = gaussian_mixture(key, m, d, settings.separation * d**-0.25)
    x, y, mean = (np.asarray(array) for array in (data.x, data.y, data.mean))

    def accuracy(w):
        return 1 - stats.norm.sf(np.sqrt(d) * w @ mean / np.linalg.norm(w))

    # All points are support vectors, so the widest margin is the interpolation of least norm.
    multipliers = np.linalg.solve(x @ x.T, y)
    assert (multipliers * y > 0).all()
    after = multipliers.copy()
    after[0] = 0
    again = np.linalg.solve(x[1:] @ x[1:].T, y[1:])
    by_descent = stats.norm.cdf(arrays["linear_signal"][0])
    assert by_descent[0] == pytest.approx(accuracy(multipliers @ x), abs=2e-3)
    assert by_descent[1] == pytest.approx(accuracy(after @ x), abs=2e-3)
    retrained = stats.norm.cdf(arrays["linear_signal_retrained"][0])
    assert retrained == pytest.approx(accuracy(again @ x[1:]), abs=2e-3)
    assert np.abs(generalisation.z_scores(arrays, settings)).max() < 4.5
    np.testing.assert_allclose(arrays["linear_curve"][:, [0, -1]], arrays["linear_signal"][:, ::2])
    assert arrays["relu_correct"].shape == (4, 3)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: margins.Settings(trials=1), "trials is 1"),
        (lambda: margins.Settings(mean_norm=0.0), "mean_norm"),
        (lambda: correlation.Settings(trials=1), "trials is 1"),
        (lambda: correlation.Settings(correlations=(1e-2, 1e-3)), "must be positive and increase"),
        (lambda: correlation.Settings(mean_norms=()), "must be positive and increase"),
        (lambda: correlation.Settings(correlations=(0.09,)), "positive definite"),
        (lambda: many_points.Settings(forgotten=(3, 2)), "must increase"),
        (lambda: many_points.Settings(forgotten=(0, 2)), "at least 1"),
        (lambda: many_points.Settings(forgotten=(11,)), "samples/2"),
        (lambda: many_points.Settings(trials=1), "trials is 1"),
        (lambda: generalisation.Settings(fractions=(0.0, 2.0)), "through 1"),
        (lambda: generalisation.Settings(separation=-1.0), "separation"),
        (lambda: generalisation.Settings(trials=1), "trials is 1"),
    ],
)
def test_settings_that_make_no_sense(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_networks_that_cannot_fit_their_points_are_refused():
    settings = replace(margins.experiment.presets["smoke"], d=2, steps=2000)
    with pytest.raises(UsageError, match="did not reach the margin asked for"):
        margins.run(settings, KEY, lambda *_: None)
