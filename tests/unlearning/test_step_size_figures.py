"""The figures of the step size, the multipliers and the trajectory, at their smoke presets."""

import io
import json
from dataclasses import replace

import jax
import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest
from scipy.optimize import nnls

from experiments.unlearning import multipliers, step_size, step_size_linear, trajectory
from experiments.unlearning.step_size_scene import draw_gaussian
from theory.ensemble import ensemble
from theory.theorem import Source
from theory.unlearning.scene import train_scene

matplotlib.use("Agg")

KEY = jax.random.key(2)
MODULES = {
    "step_size": step_size,
    "step_size_linear": step_size_linear,
    "multipliers": multipliers,
    "trajectory": trajectory,
}


def silent(fraction: float, what: str) -> None:
    assert 0 <= fraction <= 1 and what


@pytest.fixture(scope="session")
def outcomes() -> dict[str, tuple]:
    """Settings, arrays that went through a file, and summary of every smoke preset, run once."""
    found = {}
    for name, module in MODULES.items():
        settings = module.experiment.presets["smoke"]
        buffer = io.BytesIO()
        np.savez_compressed(
            buffer, allow_pickle=False, **module.experiment.run(settings, KEY, silent)
        )
        buffer.seek(0)
        with np.load(buffer, allow_pickle=False) as saved:
            arrays = dict(saved)
        found[name] = settings, arrays, module.experiment.summary(arrays, settings)
    return found


@pytest.mark.parametrize("name", MODULES)
def test_smoke_preset_draws_and_sums_up(outcomes, name):
    settings, arrays, summary = outcomes[name]
    experiment = MODULES[name].experiment
    figure = experiment.draw(arrays, settings)
    figure.savefig(io.BytesIO())
    plt.close(figure)
    assert json.loads(json.dumps(summary, allow_nan=False))
    assert all(np.isfinite(values).all() for values in arrays.values())
    assert isinstance(experiment.source, Source)
    assert experiment.name.partition(".")[2].replace("-", "_") == name
    assert set(experiment.presets) == {"smoke", "course", "paper"}


def test_the_v_curve_has_its_tip_at_the_step_and_stays_in_the_sandwich(outcomes):
    settings, arrays, summary = outcomes["step_size"]
    shape = len(settings.dims), settings.trials, len(settings.fractions)
    for name in ("frozen", "honest", "naive", "lower", "upper"):
        assert arrays[name].shape == shape
    assert summary["outside_band"] == 0
    assert summary["certificate_over_bound_max"] <= 1 + step_size.ROUNDING
    for entry in summary["by_dimension"]:
        assert entry["tip_within_tolerance"]
        # At margin 100 instead of 1000 everything is ten times further from its limit.
        assert entry["frozen_at_1_max"] <= 0.2
        assert entry["band_width_max"] <= 20 / entry["d"]
        assert entry["frozen_at_1_mean"] < 0.1 * entry["naive_at_1_mean"]


def test_frozen_stationarity_before_the_step_is_that_of_plain_least_squares(outcomes):
    settings, arrays, _ = outcomes["step_size"]
    d = settings.dims[0]

    @jax.jit
    def networks(keys):
        def one(key):
            scene = draw_gaussian(settings, float(d), key)
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
        measured = arrays["frozen"][0, i, 0]
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
    x = jax.jit(jax.vmap(lambda key: draw_gaussian(settings, 200.0, key).x))(keys)
    gram = np.asarray(x @ x.swapaxes(1, 2))
    n = gram.shape[1]
    off = gram[:, ~np.eye(n, dtype=bool)]
    assert gram.mean(axis=0) == pytest.approx(np.eye(n), abs=0.01)
    assert off.var() == pytest.approx(1 / 200, rel=0.05)
    assert np.diagonal(gram, axis1=1, axis2=2).var() == pytest.approx(2 / 200, rel=0.1)


def test_linear_v_curve_is_exact(outcomes):
    settings, arrays, summary = outcomes["step_size_linear"]
    shape = len(settings.dims), settings.trials, len(settings.fractions)
    assert arrays["measured"].shape == arrays["exact"].shape == shape
    assert summary["relative_error_max"] <= step_size_linear.ROUNDING
    for entry in summary["by_dimension"]:
        assert entry["outside_band"] == 0
        assert entry["epsilon_at_1_max"] < 1e-7
    near, far = summary["by_dimension"]
    assert far["angle_to_retrained_at_1"] < near["angle_to_retrained_at_1"] / 3
    assert far["angle_to_retrained_at_1"] == pytest.approx(
        far["angle_to_certificate_at_1"], rel=0.2
    )


def test_a_multiplier_that_would_turn_negative_is_seen():
    x, y = np.array([[1.0, 1.0, 0.0], [1.0, 0.0, 0.0], [0.0, 1.0, 0.0]]), np.array([1.0, 1.0, -1.0])
    fractions = np.array([0.0, 0.5, 1.0])
    # At t = 0 the third multiplier is 1 − 2, at t = ½ it is 1 − 1, at t = 1 it is 1.
    positive = step_size_linear.stay_positive(x, y, np.array([2.0, 1.0, 1.0]), fractions)
    assert positive.tolist() == [False, False, True]


def test_closed_form_multipliers_converge_like_one_over_the_margin(outcomes):
    settings, arrays, summary = outcomes["multipliers"]
    shape = settings.trials, len(settings.stops), settings.samples
    assert arrays["solver"].shape == arrays["closed"].shape == arrays["raw_step"].shape == shape
    # A fifth of the course preset's margin, so five times its errors.
    assert summary["error_max_at_last"] <= 0.01
    assert summary["spread_max_at_last"] <= 0.025
    for name in ("error", "spread"):
        low, high = summary[f"{name}_exponent_interval"]
        assert low < -1 < high
    assert summary["support_vectors_fewest"] == settings.samples
    assert summary["margin_reached"] >= 1


def test_the_conditions_of_lyu_and_li_along_training(outcomes):
    settings, arrays, summary = outcomes["trajectory"]
    assert arrays["epsilon"].shape == (settings.trials, settings.stops)
    assert summary["smoothed_margin_consistent"]
    assert summary["slack_over_bound_max"] <= 1
    assert (arrays["smoothed"] <= arrays["gamma"]).all()
    assert (np.diff(arrays["steps"], axis=1) > 0).all()
    assert summary["margin_reached"] >= 1
    assert (arrays["clarke"] <= arrays["epsilon"] + 0.05).all()
    assert np.median(arrays["clarke"][:, -1]) < 0.2 * np.median(arrays["clarke"][:, 0])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: step_size.Settings(trials=1), "trials is 1"),
        (lambda: step_size.Settings(smaller=(1000, 100)), "must increase and stay below d"),
        (lambda: step_size.Settings(d=1000), "must increase and stay below d"),
        (lambda: step_size.Settings(smaller=(10,)), "must exceed samples"),
        (lambda: step_size.Settings(fractions=(0.0, 2.0)), "include 1"),
        (lambda: step_size.Settings(fractions=(-1.0, 1.0)), "must not be negative"),
        (lambda: multipliers.Settings(trials=1), "trials is 1"),
        (lambda: multipliers.Settings(margins=(10.0, 2000.0)), "must increase"),
        (lambda: multipliers.Settings(margins=()), "must increase"),
        (lambda: trajectory.Settings(trials=1), "trials is 1"),
        (lambda: trajectory.Settings(start=2.0), "must lie between"),
        (lambda: trajectory.Settings(stops=1), "at least 2"),
        (lambda: trajectory.Settings(d=10), "must exceed samples"),
    ],
)
def test_settings_that_make_no_sense(make, message):
    with pytest.raises(ValueError, match=message):
        make()
