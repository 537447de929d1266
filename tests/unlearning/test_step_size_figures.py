"""The experiments on the step size, the multipliers and the trajectory, at their smoke presets."""

from dataclasses import replace
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
import pytest
import xarray as xr
from scipy.optimize import nnls

from experiments.unlearning import multipliers, step_size, step_size_linear, trajectory
from experiments.unlearning.step_size_scene import ROUNDING
from theory.ensemble import ensemble
from theory.unlearning.scene import draw_gaussian_in_span, train_scene
from theory.unlearning.vcurve import stay_positive

KEY = jax.random.key(2)


OUTCOMES: dict[str, tuple[Any, xr.Dataset, dict[str, Any]]] = {}


def outcome(module) -> tuple[Any, xr.Dataset, dict[str, Any]]:
    """Settings, data and numbers of a smoke preset, run once."""
    experiment = module.experiment
    if experiment.name not in OUTCOMES:
        settings = experiment.presets["smoke"]
        data = experiment.run(settings, KEY, lambda fraction, what: None)
        OUTCOMES[experiment.name] = settings, data, experiment.summary(data, settings).tables
    return OUTCOMES[experiment.name]


@pytest.mark.slow
def test_the_v_curve_has_its_tip_at_the_step_and_stays_in_the_sandwich():
    _, _, tables = outcome(step_size)
    assert tables["outside_band"] == 0
    assert tables["certificate_over_bound_max"] <= 1 + ROUNDING
    by_dimension = tables["by_dimension"]
    assert all(by_dimension["tip_within_tolerance"].values())
    # At margin 100 instead of 1000 everything is ten times further from its limit.
    assert max(by_dimension["frozen_at_1_max"].values()) <= 0.2
    for d, width in by_dimension["band_width_max"].items():
        assert width <= 20 / int(d)
        assert by_dimension["frozen_at_1_mean"][d] < 0.1 * by_dimension["naive_at_1_mean"][d]


@pytest.mark.slow
def test_frozen_stationarity_before_the_step_is_that_of_plain_least_squares():
    settings, data, _ = outcome(step_size)
    d = settings.dims[0]

    @jax.jit
    def networks(keys):
        def one(key):
            scene = draw_gaussian_in_span(settings, float(d), key)
            return scene, train_scene(settings, scene)

        return ensemble(one, keys)

    keys = jax.random.split(jax.random.fold_in(KEY, d), settings.trials)
    scenes, trained = jax.device_get(networks(keys))
    pattern = trained.explained.snapped.pattern
    for i in range(settings.trials):
        x, y = scenes.x[i, 1:], scenes.y[i, 1:]
        w, u = trained.network.w[i], trained.network.u[i]
        margins = y * (np.maximum(x @ w.T, 0) @ u)
        gates, kinks = pattern.gates[i, :, 1:], pattern.kinks[i, :, 1:]
        measured = data.frozen.sel(d=d, trial=i, fraction=0.0)
        assert measured == pytest.approx(clarke_distance(w / margins.min(), u, x, y, gates, kinks))


def clarke_distance(w, u, x, y, gates, kinks) -> float:
    """The distance of w from the cone of Clarke gradients, μ ≤ λ by one slack per kink.

    A column for λ_k holds the gates off kinks, one for each μ_jk the kink's; λ_k − μ_jk − s = 0
    with s ≥ 0 is enforced by rows of large weight.
    """
    columns, owners = [], []
    for k in range(len(x)):
        columns.append(np.outer(u * gates[:, k], y[k] * x[k]).ravel())
        owners.append((k, None))
    for j, k in zip(*np.nonzero(kinks), strict=True):
        row = np.zeros_like(w)
        row[j] = u[j] * y[k] * x[k]
        columns.append(row.ravel())
        owners.append((k, j))
    free = owners[len(x) :]
    weight = 1e3
    rows = np.zeros((len(free), len(owners) + len(free)))
    for i, (k, _) in enumerate(free):
        rows[i, k], rows[i, len(x) + i], rows[i, len(owners) + i] = weight, -weight, -weight
    matrix = np.hstack([np.array(columns).T, np.zeros((w.size, len(free)))])
    solution, _ = nnls(np.vstack([matrix, rows]), np.append(w.ravel(), np.zeros(len(free))))
    return float(np.linalg.norm(w.ravel() - matrix @ solution))


def test_reduced_data_have_the_law_of_gaussian_points():
    settings = replace(step_size.experiment.presets["smoke"], d=200, smaller=())
    keys = jax.random.split(KEY, 2000)
    x = jax.jit(jax.vmap(lambda key: draw_gaussian_in_span(settings, 200.0, key).x))(keys)
    gram = np.asarray(x @ x.swapaxes(1, 2))
    n = gram.shape[1]
    off = gram[:, ~np.eye(n, dtype=bool)]
    assert gram.mean(axis=0) == pytest.approx(np.eye(n), abs=0.01)
    assert off.var() == pytest.approx(1 / 200, rel=0.05)
    assert np.diagonal(gram, axis1=1, axis2=2).var() == pytest.approx(2 / 200, rel=0.1)


def test_linear_v_curve_is_exact():
    settings, _, tables = outcome(step_size_linear)
    assert tables["relative_error_max"] <= ROUNDING
    by_dimension = tables["by_dimension"]
    assert set(by_dimension["outside_band"].values()) == {0}
    assert max(by_dimension["epsilon_at_1_max"].values()) < 1e-7
    near, far = map(str, settings.dims)
    angles = by_dimension["angle_to_retrained_at_1"]
    assert angles[far] < angles[near] / 3
    certificate = by_dimension["angle_to_certificate_at_1"]
    assert angles[far] == pytest.approx(certificate[far], rel=0.2)


def test_a_multiplier_that_would_turn_negative_is_seen():
    x = jnp.array([[1.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]])
    y, fractions = jnp.array([1.0, 1.0, -1.0]), jnp.array([0.0, 0.5, 1.0])
    # At t = 0 the third multiplier is 1 − 2, at t = ½ it is 1 − 1, at t = 1 it is 1.
    positive = stay_positive(x, y, jnp.array([2.0, 1.0, 1.0]), fractions)
    assert positive.tolist() == [False, False, True]


def test_closed_form_multipliers_converge_like_one_over_the_margin():
    settings, _, tables = outcome(multipliers)
    # A fifth of the course preset's margin, so five times its errors.
    assert tables["error_max_at_last"] <= 0.01
    assert tables["spread_max_at_last"] <= 0.025
    for name in ("error", "spread"):
        low, high = tables[f"{name}_exponent_interval"]
        assert low < -1 < high
    assert tables["support_vectors_fewest"] == settings.samples
    assert tables["margin_reached"] >= 1


def test_the_conditions_of_lyu_and_li_along_training():
    _, data, tables = outcome(trajectory)
    assert tables["smoothed_margin_consistent"]
    assert tables["slack_over_bound_max"] <= 1
    assert (data.smoothed <= data.gamma).all()
    assert (data.steps.diff("margin") > 0).all()
    assert tables["margin_reached"] >= 1
    assert (data.clarke <= data.epsilon + 0.05).all()
    first, last = data.clarke.median("trial")[[0, -1]]
    assert last < 0.2 * first


@pytest.mark.parametrize(
    ("module", "changes", "message"),
    [
        (step_size, {"d": 1000}, "must stay below d"),
        (step_size, {"smaller": (10,)}, "must exceed samples"),
        (step_size, {"fractions": (0.0, 2.0)}, "include 1"),
        (multipliers, {"margins": (10.0, 2000.0)}, "must stay below margin"),
        (trajectory, {"start": 2.0}, "must lie between"),
        (trajectory, {"d": 10}, "must exceed samples"),
    ],
)
def test_fields_that_do_not_go_together(module, changes, message):
    with pytest.raises(ValueError, match=message):
        module.Settings(**changes)
