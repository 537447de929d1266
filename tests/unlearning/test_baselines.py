"""The baselines do what their papers say, and the experiment compares them on images."""

from collections.abc import Callable
from dataclasses import replace
from typing import get_args

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import pytest
from scipy import stats

from experiments.errors import UsageError
from experiments.unlearning import baselines as experiment_module
from experiments.unlearning.baselines_figure import membership
from experiments.unlearning.images import Method, Settings, load_problem, training_set
from theory.networks import TwoLayerReLU, two_layer_relu
from theory.unlearning.baselines import (
    BASELINES,
    MARGIN,
    fine_tune,
    neg_grad,
    neg_grad_plus,
    newton_step,
    random_labels,
    scrub,
    sparse,
)
from theory.unlearning.margin import train_to_large_margin
from theory.unlearning.membership import auc_terms

KEY = jax.random.key(4)
FORGET = (0, 3)
KEPT = np.array([1, 2, 4, 5])


@pytest.fixture(scope="module")
def trained() -> tuple:
    """A network with random points at margin 30: (network, x, y)."""
    x = jax.random.normal(jax.random.fold_in(KEY, 0), (6, 12)) / 12**0.5
    y = jnp.array([1.0, -1.0] * 3)
    start = two_layer_relu(jax.random.fold_in(KEY, 1), d=12, width=9, scale=0.05)
    return train_to_large_margin(start, x, y, margin=30.0).network, x, y


def after(method: Callable[..., TwoLayerReLU], trained: tuple, **options) -> TwoLayerReLU:
    """A network that has forgotten."""
    return method(*trained, FORGET, **options)


def loss(net, x, y, chosen) -> float:
    q = y * net(x)
    return float(jnp.sum(jax.nn.softplus(-q)[jnp.array(chosen)]))


@pytest.mark.slow
def test_newton_step_is_the_dense_solution(trained):
    net, x, y = (jax.tree.map(np.asarray, part) for part in trained)
    temperature = (y * (net.u @ np.maximum(net.w @ x.T, 0))).min() / MARGIN
    w = net.w / temperature
    z = w @ x.T
    q = y * (net.u @ np.maximum(z, 0))
    gradients = np.einsum("j,ji,id->ijd", net.u, z > 0, x).reshape(len(x), -1)
    slope = 1 / (1 + np.exp(q))
    damping = (slope @ q) / (w**2).sum()
    curvature = (slope * (1 - slope))[KEPT]
    hessian = (gradients[KEPT].T * curvature) @ gradients[KEPT] + damping * np.eye(w.size)
    forgotten = -(slope * y)[list(FORGET)] @ gradients[list(FORGET)]
    expected = temperature * (w + np.linalg.solve(hessian, forgotten).reshape(w.shape))
    np.testing.assert_allclose(after(newton_step, trained).w, expected, rtol=1e-8, atol=1e-9)


@pytest.mark.parametrize("method", [m for n, m in BASELINES.items() if n != "Newton step"])
def test_no_steps_change_nothing(trained, method):
    end = after(method, trained, steps=0)
    np.testing.assert_allclose(end.w, trained[0].w, rtol=1e-14)


@pytest.mark.parametrize("method", BASELINES.values(), ids=list(BASELINES))
def test_scale_is_kept(trained, method):
    """The baselines see the network at one temperature, so they commute with its scale."""
    net, x, y = trained
    forget = jax.jit(lambda net: method(net, x, y, FORGET))
    larger = forget(net._replace(w=3 * net.w))
    np.testing.assert_allclose(larger.w, 3 * forget(net).w, rtol=1e-6, atol=1e-8)
    assert (larger.u == net.u).all()


def test_ascent_raises_the_loss_of_the_forgotten(trained):
    net, x, y = trained
    for method in (neg_grad, neg_grad_plus, scrub, newton_step):
        assert loss(after(method, trained), x, y, FORGET) > loss(net, x, y, FORGET) + 1e-12
    plus = after(neg_grad_plus, trained)
    assert loss(plus, x, y, KEPT) < loss(after(neg_grad, trained), x, y, KEPT)


def test_fine_tuning_raises_the_retained_margins(trained):
    net, x, y = trained
    end = after(fine_tune, trained)
    assert (y * end(x))[KEPT].min() > 1.05 * (y * net(x))[KEPT].min()


def test_random_labels_end_near_the_output_zero(trained):
    net, x, y = trained
    end = after(random_labels, trained, steps=400)
    assert (jnp.abs(end(x)) / (y * net(x)))[jnp.array(FORGET)].max() < 0.1
    assert (y * end(x))[KEPT].min() > 0.3 * float((y * net(x)).min())


def test_sparse_makes_zeros_and_keeps_the_retained(trained):
    _, x, y = trained
    end = after(sparse, trained)
    assert (end.w == 0).sum() > (after(fine_tune, trained).w == 0).sum()
    assert (y * end(x))[KEPT].min() > 0


def test_scrub_leaves_the_teacher_on_the_forgotten_only(trained):
    net, x, y = trained
    ratio = np.asarray(after(scrub, trained)(x) / net(x))
    assert ratio[list(FORGET)].max() < 0.8
    assert ratio[KEPT].min() > 0.9


def test_bad_indices_are_refused(trained):
    for method in BASELINES.values():
        with pytest.raises(ValueError, match="Point 6 is not there"):
            method(*trained, 6)


def test_area_is_mann_whitney_and_its_error_delongs():
    rng = np.random.default_rng(0)
    a, b = rng.integers(0, 9, (2, 40)) + np.array([[1], [0]])
    terms = auc_terms(a.astype(float), b.astype(float))
    statistic = stats.mannwhitneyu(a, b).statistic
    assert terms.mean() == pytest.approx(statistic / 40**2)
    assert auc_terms(np.ones((3, 2)), np.ones((3, 2))).tolist() == [[0.5, 0.5]] * 3
    # Unit Gaussians one apart: Φ(1/√2).
    a, b = rng.normal(1, 1, (3000,)), rng.normal(0, 1, (3000,))
    terms = auc_terms(a, b)
    error = terms.std(ddof=1) / 3000**0.5
    assert terms.mean() == pytest.approx(stats.norm.cdf(0.5**0.5), abs=4 * error)
    repeats = [auc_terms(rng.normal(1, 1, 50), rng.normal(0, 1, 50)).mean() for _ in range(400)]
    assert np.std(repeats) == pytest.approx(error * (3000 / 50) ** 0.5, rel=0.2)


@pytest.fixture(scope="module")
def outcome() -> tuple:
    """Settings and data of the experiment: the three methods that are not of one kind."""
    methods = "NegGrad", "gradient ascent", "certificate"
    settings = Settings(methods=methods, trials=3, samples=6, width=20, test=20)
    return settings, experiment_module.run(settings, KEY, lambda fraction, what: None)


def test_every_baseline_may_be_asked_for():
    assert get_args(Method) == ("gradient ascent", "certificate", *BASELINES)


@pytest.mark.slow
def test_experiment_judges_every_method(outcome):
    settings, data = outcome
    tables = experiment_module.summary(data, settings).tables
    assert list(tables["distance"]) == ["original", "retrained", *settings.methods]
    assert min(tables["seconds"].values()) > 0
    assert tables["certificate_violations"] == 0
    assert tables["certificate_worst_ratio"] < 1 + 1e-6
    assert tables["distance"]["retrained"][0] < 1e-12
    epsilons = {method: found[0] for method, found in tables["epsilon"].items()}
    assert min(epsilons, key=epsilons.__getitem__) == "retrained"
    assert {found[0] for found in tables["membership_auc"]["retrained"].values()} == {0.5}


@pytest.mark.slow
def test_a_network_that_misclassifies_is_counted_not_hidden(outcome):
    settings, data = outcome
    broken = data.copy(deep=True)
    for name in ("distance", "certificate_distance", "epsilon", "forget_margins"):
        broken[name].loc[{"method": "NegGrad"}] = np.nan
        broken[name].loc[{"method": "certificate", "trial": 0}] = np.nan
    tables = experiment_module.summary(broken, settings).tables
    missed = tables["networks_misclassifying_retained"]
    assert (missed["NegGrad"], missed["certificate"]) == (3, 1)
    assert np.isinf(tables["distance"]["NegGrad"][0])
    assert np.isfinite(tables["distance"]["certificate"][0])
    assert np.isnan(membership(broken).centre.sel({"method": "NegGrad"})).all()
    plt.close(experiment_module.draw(broken, settings))


@pytest.mark.parametrize("forget", [1, 2, 3])
def test_training_sets_share_what_is_forgotten_and_draw_the_rest(forget):
    settings = Settings(samples=7, forget=forget)
    problem = load_problem(settings, KEY)
    draw = jax.jit(lambda key: training_set(settings, problem, key))
    (x, y), (other, _) = (jax.device_get(draw(jax.random.key(i))) for i in (0, 1))
    assert y.tolist() == [-1, 1, -1, 1, -1, 1, -1]
    assert (x[:forget] == other[:forget]).all()
    assert not (x[forget:] == other[forget:]).all(axis=1).any()
    assert len(np.unique(x, axis=0)) == 7
    for i in range(forget, 7):
        assert np.equal(problem.pools[i % 2], x[i]).all(axis=1).any()
    everything = np.concatenate([problem.forgotten, *problem.pools])
    np.testing.assert_allclose(everything.mean(axis=0), 0, atol=1e-12)
    assert (everything**2).sum() / len(everything) == pytest.approx(1)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": (3, 12)}, "digits has no class 12: choose from"),
        ({"samples": 400}, "fewer than the 200 that samples asks for"),
        ({"dataset": "digit"}, "did you mean digits"),
    ],
)
def test_images_that_are_not_there(changes, message):
    with pytest.raises(UsageError, match=message):
        load_problem(replace(Settings(), **changes), KEY)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"classes": (3, 3)}, "different ones"),
        ({"methods": ("SCRUB", "SCRUB")}, "different ones"),
        ({"forget": 15}, "must leave at least two"),
    ],
)
def test_fields_that_do_not_go_together(changes, message):
    with pytest.raises(ValueError, match=message):
        replace(Settings(), **changes)


@pytest.mark.slow
def test_networks_that_do_not_learn_are_refused(outcome):
    broken = outcome[1].copy(deep=True)
    broken.distance.loc[{"method": "retrained", "trial": 1}] = np.nan
    with pytest.raises(UsageError, match="raise width or scale"):
        experiment_module.check_trained(broken)
