"""The theorems of this room and what its figures measure, where the answer is known."""

from dataclasses import replace

import jax
import numpy as np
import pytest
import xarray as xr
from scipy import stats

from experiments.dimples import line, on_off, phases
from theory.dimples.linear import draw
from theory.dimples.settings import Subspace
from theory.dimples.theorems import distances_add, random_subspace
from theory.theorem import verify

KEY = jax.random.key(0)
SETTINGS = Subspace(d=20, k=5, trials=3)


def test_d1_and_d2_are_as_stated():
    scene = draw(SETTINGS, KEY)
    g, q = np.asarray(scene.g), np.asarray(scene.basis)
    np.testing.assert_allclose(q.T @ q, np.eye(5), atol=1e-12)
    share = np.sum((q.T @ g) ** 2) / np.sum(g**2)
    trial = random_subspace.trial(SETTINGS, KEY)
    assert float(trial.measured["law"]) == pytest.approx(share, rel=1e-9)
    assert float(trial.predicted["law"]) == 5 / 20
    trial = distances_add.trial(SETTINGS, KEY)
    f = float(scene.value(scene.x[None])[0])
    assert f == pytest.approx(np.linalg.norm(g) / 2)
    assert float(trial.predicted) == pytest.approx(np.sum(g**2) / f**2)
    assert float(trial.measured) < 1e-9 * float(trial.predicted)


def test_the_law_is_beta_of_halves():
    values = np.linspace(0.05, 0.95, 7)
    right = stats.beta.cdf(values, 2.5, 7.5)
    np.testing.assert_allclose(random_subspace.beta(values, SETTINGS), right)


def test_controls_break_one_thing():
    for theorem, numbers in ((random_subspace, {"cosine": 0.1}), (distances_add, {"bend": 1.0})):
        trial = jax.jit(
            lambda key, of=theorem, numbers=numbers: of.trial(SETTINGS, key, **numbers)
        )(KEY)
        missed = [name for name, margin in trial.assumptions.items() if float(margin) < 0]
        assert len(missed) == 1
    leaning = draw(SETTINGS, KEY, cosine=0.3)
    g = np.asarray(leaning.g)
    assert float(leaning.basis[:, 0] @ g) / np.linalg.norm(g) == pytest.approx(0.3)


@pytest.mark.parametrize(
    ("theorem", "patched", "fault"),
    [
        (random_subspace, "theory.dimples.linear.SIDES", ("std", "off", "on")),
        (distances_add, "theory.dimples.linear.SIDES", ("on", "std", "off")),
        (distances_add, "theory.attacks.restricted.crossing", lambda f, x, y, end, halvings: type(
            "At", (), {"inputs": end})),
    ],
    ids=["on and off", "any and on", "no bisection"],
)  # fmt: skip
def test_planted_faults_are_caught(theorem, patched, fault, monkeypatch):
    monkeypatch.setattr(patched, fault)
    settings = replace(theorem.theorem.presets["smoke"], d=40, k=4)
    assert verify(theorem.theorem, settings).status in ("falsified", "not applicable")


def distances(std, on, off):
    values = np.array([std, on, off]).T[None, None, None]
    dims = ("basis", "k", "split", "trial", "image", "side")
    data = xr.Dataset(
        {"distance": (dims, values[None])},
        {"side": ["std", "on", "off"], "k": [4], "basis": ["PCA"], "split": ["test images"]},
    )
    return data.assign_attrs(d=16)


def test_ratios_leave_out_dropped_images_and_identities_are_one_for_linear_models():
    data = distances([1.0, 1.0, np.nan], [2.0, np.inf, np.nan], [2 / 3**0.5, 1.0, np.nan])
    assert on_off.all_found(data).values.ravel().tolist() == [True, False, False]
    assert on_off.ratio(data).values.ravel()[0] == pytest.approx(1.0)  # 2 over √(16/4)
    assert np.isnan(on_off.ratio(data).values.ravel()[1:]).all()
    assert on_off.equality(data).values.ravel()[0] == pytest.approx(1.0)


def test_null_quantiles_are_those_of_draws():
    data = distances([1.0], [1.0], [1.0])
    z = np.random.default_rng(0).standard_normal((200_000, 16)) ** 2
    drawn = np.sqrt(z.sum(axis=1) / z[:, :4].sum(axis=1)) / 2
    np.testing.assert_allclose(
        on_off.null(data, 4), np.quantile(drawn, [0.025, 0.5, 0.975]), rtol=0.02
    )


def test_phases_are_read_off_heights_and_signs():
    heights = np.array([[[0.5, np.nan], [0.1, 0.3], [0.02, 0.04], [0.1, 0.1]]])
    data = xr.Dataset(
        {
            "height": (("trial", "epoch", "position"), heights),
            "right": (("trial", "epoch"), [[0.4, 0.6, 0.8, 1.0]]),
        },
        {"epoch": range(4)},
    )
    assert line.distance(data).values.tolist() == [[1.0, 0.2, pytest.approx(0.03), 0.1]]
    found = line.phases(line.distance(data), data.right).isel(trial=0)
    numbers = [float(found[name]) for name in ("first", "least", "end")]
    assert numbers == pytest.approx([3, 0.03, 0.1])
    never = line.phases(line.distance(data), 0 * data.right).isel(trial=0)
    assert np.isnan(never["first"]) and float(never.least) == pytest.approx(0.03)


def test_distances_until_most_points_are_right():
    data = xr.Dataset(
        {
            "distance": (("trial", "epoch"), [[2.0, 1.0, 0.5, 0.1], [2.0, 4.0, 3.0, 5.0]]),
            "right": (("trial", "epoch"), [[0.1, 0.8, 0.95, 1.0], [0.1, 0.2, 0.3, 0.4]]),
            "midway": 4.0,
        },
        {"epoch": range(4)},
    )
    found = phases.phases(data)
    assert float(found.right[0]) == 2 and np.isnan(found.right[1])
    # Until epoch 2 the first came as near as .5; the second is never right, and all of it counts.
    np.testing.assert_allclose(found["of midway"], [0.125, 0.5])
    np.testing.assert_allclose(found["of the start"], [0.25, 1.0])
