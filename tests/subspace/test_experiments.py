"""The figures of the subspace system, at their smoke presets: what they draw is what is true."""

import io
import json
import os
from dataclasses import replace
from math import inf
from pathlib import Path

import jax
import jax.numpy as jnp
import matplotlib
import matplotlib.pyplot as plt
import numpy as np
import pytest

from experiments.errors import UsageError
from experiments.experiment import Experiment
from experiments.plots import estimates
from experiments.subspace import gradient_law, images, mitigation, real_data, scaling
from experiments.subspace.padded import padded_scene
from theory.networks import TwoLayerReLU, two_layer_relu
from theory.statistics import ALPHA
from theory.subspace.scene import Scene, train_scene
from theory.subspace.settings import Settings
from theory.theorem import Source

matplotlib.use("Agg")

KEY = jax.random.key(2)
MODULES = {
    "gradient_law": gradient_law,
    "scaling": scaling,
    "mitigation": mitigation,
    "real_data": real_data,
}


def silent(fraction: float, what: str) -> None:
    assert 0 <= fraction <= 1 and what


def execute(experiment: Experiment, settings) -> tuple:
    """Run, and send the arrays through a file, as the command line does before it draws."""
    buffer = io.BytesIO()
    np.savez_compressed(buffer, allow_pickle=False, **experiment.run(settings, KEY, silent))
    assert buffer.tell() < 1e6
    buffer.seek(0)
    with np.load(buffer, allow_pickle=False) as saved:
        return settings, dict(saved)


@pytest.fixture(scope="module")
def outcomes() -> dict[str, tuple]:
    """Settings and arrays of every smoke preset, run once."""
    return {
        name: execute(module.experiment, module.experiment.presets["smoke"])
        for name, module in MODULES.items()
    }


@pytest.mark.parametrize("name", MODULES)
def test_smoke_preset_draws_and_sums_up(outcomes, name):
    settings, arrays = outcomes[name]
    experiment = MODULES[name].experiment
    figure = experiment.draw(arrays, settings)
    figure.savefig(io.BytesIO())
    assert all(ax.get_xlabel() or ax.get_ylabel() or ax.get_title() for ax in figure.axes[:1])
    plt.close(figure)
    assert json.loads(json.dumps(experiment.summary(arrays, settings), allow_nan=False))
    assert isinstance(experiment.source, Source)
    assert set(experiment.presets) == {"smoke", "course", "paper"}


def test_gradient_law_holds_at_all_times_and_only_off_the_subspace(outcomes):
    settings, arrays = outcomes["gradient_law"]
    summary = gradient_law.experiment.summary(arrays, settings)
    for time in ("init", "half", "end"):
        assert summary[time]["status"] == "verified"
        assert summary[time]["p_value_if_variance_10_percent_off"] < ALPHA
    assert summary["init"]["distance_on_subspace"] < summary["radius"]
    assert summary["end"]["distance_on_subspace"] > 0.5
    assert 0 < summary["half"]["steps_median"] < summary["end"]["steps_median"]


def test_scaling_finds_the_exponents_and_nothing_near_them(outcomes):
    settings, arrays = outcomes["scaling"]
    summary = scaling.experiment.summary(arrays, settings)
    for name, exponent in (("d", -0.5), ("ell", 0.5), ("width", 0.0)):
        fit = summary[name]
        assert fit["low"] < exponent < fit["high"]
        assert fit["high"] - fit["low"] < 0.15
        assert fit["held_out_low"] < 0 < fit["held_out_high"]


def test_no_flip_is_nearer_than_certified(outcomes):
    settings, arrays = outcomes["scaling"]
    for sweep in scaling.sweeps(settings)[:2]:
        certified = np.concatenate(scaling.flips(arrays, sweep, "certified"))
        for name in ("along_gradient", "universal"):
            assert (np.concatenate(scaling.flips(arrays, sweep, name)) > certified).all()


def test_padding_changes_nothing():
    small = Settings(d=20, ell=12, width=8)

    @jax.jit
    def both(key):
        sizes = {"d": jnp.array(20.0), "ell": jnp.array(12.0), "width": jnp.array(8.0)}
        padded = padded_scene(Settings(), (11, 27), key, **sizes)
        scene = Scene(
            padded.subspace._replace(basis=padded.subspace.basis[:20, :8]),
            padded.x[:, :20],
            padded.y,
            padded.x0[:20],
            TwoLayerReLU(padded.network.w[:8, :20], padded.network.u[:8]),
        )
        return scene, train_scene(small, padded), train_scene(small, scene)

    scene, wide, narrow = both(KEY)
    assert np.allclose(np.linalg.norm(scene.x, axis=-1), 20**0.5)
    assert np.allclose(scene.x @ scene.subspace.basis @ scene.subspace.basis.T, scene.x)
    assert np.allclose(abs(scene.network.u), 8**-0.5)
    assert int(wide.steps) == int(narrow.steps) > 0
    assert np.allclose(wide.network.w[:8, :20], narrow.network.w)
    assert not wide.network.w[8:].any() and not wide.network.w[:, 20:].any()


def test_mitigation_shrinks_the_gradient_as_the_weights(outcomes):
    settings, arrays = outcomes["mitigation"]
    columns = mitigation.columns(arrays, settings)
    for column in columns.values():
        ratio = mitigation.squared_ratio(column, settings)
        assert (ratio.low < 1).all() and (1 < ratio.high).all()
        np.testing.assert_allclose(column.arrays["factor"], np.tile(column.factor, (6, 1)), 1e-12)
        assert (column.arrays["steps"] == settings.steps).all()
    # Gradient flow is not what descent does: at ηλT = 6 and T = 100 it leaves 21 % more.
    decay = columns["decay"]
    assert decay.flow[-1] / decay.factor[-1] == pytest.approx(1.206, abs=0.001)


def test_mitigation_makes_flips_longer_on_a_task_that_is_learnt(outcomes):
    settings, arrays = outcomes["mitigation"]
    columns = mitigation.columns(arrays, settings)
    for column, direction in ((columns["scale"], -1), (columns["decay"], 1)):
        flips = np.median(column.arrays["flip"], axis=0)
        assert (direction * np.diff(flips) > 0).all()
        assert column.arrays["accuracy"].mean(axis=0).min() > 0.7


def trained_on_images(settings) -> tuple[images.Problem, TwoLayerReLU]:
    """The problem and the network of the pictures, built again."""
    problem = images.load_problem(settings, jax.random.fold_in(KEY, 0))
    (key,) = jax.random.split(jax.random.fold_in(KEY, 3), 1)
    placed = problem.settings

    @jax.jit
    def network(key):
        start = two_layer_relu(key, placed.d, placed.width, placed.sigma)
        return train_scene(placed, Scene(*problem.data, problem.data.x[0], start)).network

    return problem, network(key)


def check_pictures(settings, arrays) -> None:
    """The images drawn flip at their stated norm, not before, and orthogonally to all images."""
    problem, net = trained_on_images(settings)
    x = np.asarray(problem.data.x)
    w, u = np.asarray(net.w), np.asarray(net.u)

    def output(point):
        return np.maximum(w @ point, 0) @ u

    assert len(arrays["shown"]) == settings.pictures
    for index, pixels, step in zip(
        arrays["shown"], arrays["pixels"], arrays["perturbation"], strict=True
    ):
        z = step.ravel() * problem.unit
        np.testing.assert_allclose(pixels.ravel() * problem.unit, x[index], atol=1e-12)
        np.testing.assert_allclose(x @ z, 0, atol=1e-10 * len(z))
        before, after = output(x[index]), output(x[index] + z)
        assert np.sign(before) == arrays["y"][index] == -np.sign(after)
        np.testing.assert_allclose([before, after], [arrays[n][index] for n in ("before", "after")])
        assert np.linalg.norm(z) == pytest.approx(real_data.PAST * arrays["distance"][index])
        assert np.sign(output(x[index] + z * 0.998)) == np.sign(before)


def test_images_flip_off_their_span(outcomes):
    settings, arrays = outcomes["real_data"]
    assert arrays["ell"] == 48
    check_pictures(settings, arrays)


def test_theory_holds_at_the_training_images(outcomes):
    settings, arrays = outcomes["real_data"]
    summary = real_data.experiment.summary(arrays, settings)
    assert summary["S1"] == "verified" and summary["S1_drift_in_epsilons"] < 32
    assert summary["S2"] == "inconclusive" and summary["S2_p_value"] > ALPHA  # 60 networks
    assert summary["S3_violations"] == 0
    assert summary["share_off_span"] == pytest.approx(summary["share_predicted"], rel=0.1)
    assert summary["margin_reached"] == 1


def test_theory_holds_on_mnist():
    folder = os.environ.get("RELU_THEORY_DATA")
    if not folder or not (Path(folder) / "mnist.npz").is_file():
        pytest.skip("needs mnist.npz in the folder $RELU_THEORY_DATA")
    smoke = real_data.experiment.presets["smoke"]
    settings = replace(
        smoke, dataset="mnist", classes=(0, 1), samples=20, trials=20, full_trials=1, pictures=2
    )
    settings, arrays = execute(real_data.experiment, settings)
    assert arrays["ell"] == 764
    check_pictures(settings, arrays)
    assert real_data.experiment.summary(arrays, settings)["S2_p_value"] > ALPHA


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": (3, 12)}, "digits has no class 12: choose from"),
        ({"samples": 400}, "fewer than the 200 that samples asks for"),
        ({"dataset": "digit"}, "did you mean digits"),
    ],
)
def test_images_that_are_not_there(changes, message):
    settings = replace(real_data.experiment.presets["smoke"], **changes)
    with pytest.raises(UsageError, match=message):
        images.load_problem(settings, KEY)


def test_images_that_span_everything(tmp_path):
    x = np.random.default_rng(0).integers(0, 256, (12, 2, 3), dtype=np.uint8)
    y = np.arange(12) % 2
    file = tmp_path / "small.npz"
    np.savez(file, x_train=x, y_train=y, x_test=x, y_test=y)
    settings = images.Settings(dataset=str(file), classes=(0, 1), samples=5)
    problem = images.load_problem(settings, KEY)
    assert problem.settings.ell == 1 and problem.shape == (2, 3)
    assert sorted(problem.data.y.tolist()) == [-1, -1, -1, 1, 1]
    with pytest.raises(UsageError, match="span all 6 dimensions.*lower samples"):
        images.load_problem(replace(settings, samples=6), KEY)


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: scaling.Settings(dims=(40, 50, 60)), "six or more increasing"),
        (lambda: scaling.Settings(ells=(8, 16, 32, 64, 100, 128)), "below d"),
        (lambda: scaling.Settings(dims=(32, 40, 50, 60, 70, 80)), "exceed ell"),
        (lambda: scaling.Settings(trials=1), "trials"),
        (lambda: mitigation.Settings(scales=(0.0, 1.0)), "must be positive"),
        (lambda: mitigation.Settings(decays=(200.0,)), "must lie in"),
        (lambda: mitigation.Settings(trials=1), "trials is 1"),
        (lambda: images.Settings(classes=(3, 3)), "two different"),
        (lambda: images.Settings(samples=1), "two images"),
        (lambda: images.Settings(pictures=0), "pictures is 0"),
    ],
)
def test_settings_that_make_no_sense(make, message):
    with pytest.raises(ValueError, match=message):
        make()


def test_medians_admit_infinity():
    interval = estimates.median_interval([[1.0, inf], [2.0, inf], [inf, 3.0], [inf, inf]])
    assert interval.centre.tolist() == [inf, inf]
    assert estimates.finite(interval.low) == [1.0, 3.0]
    assert np.isnan(interval.bars).any()  # which matplotlib leaves out, and nothing warned
