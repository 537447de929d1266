"""The linear theorems, Lyu and Li's and the mixture's, part by part against NumPy and SciPy."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from scipy import optimize, stats

from theory.networks import TwoLayerReLU
from theory.sampling import mixture_points
from theory.theorem import simulate
from theory.unlearning.linear import Settings, exact_bound, plant, unlearn
from theory.unlearning.theorems import (
    linear,
    linear_exact,
    linear_set,
    mixture_error,
    slackness_decay,
    stationarity_angle,
)

SEEDS = 12

CONTROLS = [linear, linear_exact, linear_set, slackness_decay, stationarity_angle]


def conditions(w, x, y, lam):
    """λ, ε, δ and smallest margin at smallest margin one, of these multipliers of w."""
    q = y * (x @ w)
    lam = lam / q.min()
    epsilon = np.linalg.norm(w / q.min() - (lam * y) @ x)
    return lam, epsilon, np.max(lam * (q / q.min() - 1)), q.min()


@pytest.fixture(scope="module", params=[1, 3])
def unlearned(request):
    """Planted predictors of 10 points, and what unlearning makes of them, as NumPy arrays."""
    forgotten = request.param

    def one(key):
        planted = plant(Settings(samples=10), key)
        result = unlearn(planted, forgotten)
        return planted, result, exact_bound(result)

    keys = jax.random.split(jax.random.key(0), SEEDS)
    return forgotten, jax.device_get(jax.jit(lambda keys: jax.lax.map(one, keys))(keys))


def test_the_plant_is_what_it_says(unlearned):
    _, (planted, result, _) = unlearned
    along = []
    for x, y, w, lam in zip(*planted._replace(network=planted.network.w), strict=True):
        q = y * (x @ w)
        residual = w - (lam * y) @ x
        assert q.min() == pytest.approx(1, rel=1e-12)
        assert lam.min() > 0
        assert np.linalg.norm(residual) == pytest.approx(0.3, rel=1e-12)
        along.append(np.abs(x @ residual).max())
        # No multipliers leave less than the best ones, which need not be those planted.
        assert optimize.nnls((y[:, None] * x).T, w)[1] <= 0.3 * (1 + 1e-12)
        assert np.max(lam * (q - 1)) <= 0.5
    assert max(along) > 0.2  # against a point, nearly all of it
    assert (result.phi <= Settings(samples=10).phi).all()
    assert (result.psi <= 0.1).all()


def test_every_part_of_the_exact_bound(unlearned):
    forgotten, (planted, result, bound) = unlearned
    for seed in range(SEEDS):
        x, y, w = planted.x[seed], planted.y[seed], planted.network.w[seed]
        lam, epsilon, delta, _ = conditions(w, x, y, planted.multipliers[seed])
        step = (lam[:forgotten] * y[:forgotten]) @ x[:forgotten]
        _, epsilon_after, delta_after, smallest = conditions(
            w - step, x[forgotten:], y[forgotten:], lam[forgotten:]
        )
        assert result.after.stationarity[seed] == pytest.approx(epsilon_after, rel=1e-10)
        assert result.after.slackness[seed] == pytest.approx(delta_after, abs=1e-12)

        gram = x @ x.T
        phi = np.abs(gram - np.diag(np.diag(gram))).max()
        shift = lam[:forgotten].sum() * phi
        kappa = 1 / (1 - shift)
        assert smallest >= 1 - shift
        assert bound.epsilon[seed] == pytest.approx(kappa * epsilon, rel=1e-10)
        exact = kappa**2 * (delta + 2 * lam.max() * shift)
        assert bound.delta[seed] == pytest.approx(exact, rel=1e-10)
        assert epsilon_after <= kappa * epsilon * (1 + 1e-12)
        assert delta_after <= exact * (1 + 1e-12)
        psi = np.abs(np.diag(gram) - 1).max()
        most = (1 + delta + epsilon * (1 + psi) ** 0.5) / (1 - psi - len(x) * phi)
        assert lam.max() <= most


def test_the_exact_bound_is_sharp_in_kappa(unlearned):
    """Without κ, ε₁ alone is exceeded by some: margins do shrink. The bound is not slack."""
    _, (_, result, bound) = unlearned
    grown = result.after.stationarity / result.before.stationarity
    assert grown.max() > 1.0005
    assert (result.after.stationarity / bound.epsilon).min() > 0.98


def test_the_recalled_constants_are_looser_than_the_exact_ones():
    """U1 from U1', on a grid of everything it allows."""
    m, e_d, epsilon, delta = np.meshgrid(
        [2, 3, 5, 10, 100], [1e-3, 0.03, 0.1], [0, 0.25, 0.5], [0, 0.25, 0.5], indexing="ij"
    )
    phi = e_d / (4 * m)
    largest = (1 + delta + epsilon * 1.1**0.5) / (0.9 - m * phi)
    kappa = 1 / (1 - largest * phi)
    share = 1 + e_d / (m - e_d)
    assert (kappa <= share).all()
    exact = kappa**2 * (delta + 2 * largest**2 * phi)
    assert (exact <= delta * share + 3 * e_d / m).all()


def test_both_halves_of_lyu_and_li_by_numpy():
    """An untrained network, all margins made positive by its labels."""
    rng = np.random.default_rng(0)
    w, x, u = rng.normal(size=(7, 6)), rng.normal(size=(5, 6)), rng.choice([-1.0, 1.0], 7)
    z = x @ w.T
    q = np.abs(np.maximum(z, 0) @ u)
    y = np.sign(np.maximum(z, 0) @ u)
    slopes = np.exp(-q)
    per_point = (y[:, None, None] * (u[None, :, None] * (z > 0)[:, :, None])) * x[:, None, :]
    descent = np.tensordot(slopes, per_point, 1)
    norm, smallest = np.linalg.norm(w), q.min()
    lam = slopes * norm / smallest / np.linalg.norm(descent)
    cosine = (w * descent).sum() / norm / np.linalg.norm(descent)
    residual = np.linalg.norm(w / smallest - np.tensordot(lam, per_point, 1))
    assert residual == pytest.approx(norm / smallest * np.sqrt(2 * (1 - cosine)), rel=1e-10)
    assert (lam * (q / smallest - 1)).sum() <= 4 * (norm / smallest) ** 2 / (np.e * smallest)

    net = TwoLayerReLU(jnp.asarray(w), jnp.asarray(u))
    scene = stationarity_angle.Scene(jnp.asarray(x), jnp.asarray(y), net)
    loss = stationarity_angle.log_loss(net, scene)
    assert float(loss) == pytest.approx(np.log(slopes.sum()))
    gradient = jax.grad(stationarity_angle.log_loss)(net, scene).w
    assert np.asarray(gradient) == pytest.approx(-descent / slopes.sum(), abs=1e-12)


@pytest.mark.parametrize("p", [0.01, 0.2, 0.5, 0.99])
def test_the_binomial_law_is_scipys(p):
    k = np.arange(-1.0, 51)
    one = jax.vmap(lambda k: mixture_error.binomial_cdf(k, jnp.asarray(50.0), jnp.asarray(p)))
    assert np.asarray(one(jnp.asarray(k))) == pytest.approx(stats.binom.cdf(k, 50, p), abs=1e-12)


def test_the_error_of_a_predictor_on_the_mixture():
    """A quarter of a million points; the z-score of the error is within 4."""
    d, n = 4, 250_000
    mean, w = jnp.array([0.3, 0.1, -0.2, 0.0]), jnp.array([1.0, -0.5, -1.0, 2.0])
    points = mixture_points(jax.random.key(0), mean, n)
    error = float(jnp.mean(points.y * (points.x @ w) < 0))
    p = stats.norm.sf(d**0.5 * float(w @ mean) / float(jnp.linalg.norm(w)))
    assert abs(error - p) < 4 * (p * (1 - p) / n) ** 0.5


@pytest.mark.parametrize("module", CONTROLS, ids=lambda module: module.theorem.name)
def test_the_control_fires_in_every_trial(module):
    theorem = module.theorem
    control = simulate(theorem, theorem.presets["smoke"], 1, "control")
    claims = theorem.parts.items()
    violated = [c.violated(control.measured[n], control.predicted[n]) for n, c in claims]
    assert np.any(violated, axis=0).all()


@pytest.mark.parametrize(
    ("settings", "message"),
    [
        (lambda: Settings(samples=1), "at least 2"),
        (lambda: Settings(psi=1.0), "psi"),
        (lambda: Settings(epsilon_d=4.0), "epsilon_d"),
        (lambda: Settings(stationarity=0.0), "stationarity"),
        (lambda: Settings(slack=-0.1), "slack"),
        (lambda: linear_set.Settings(samples=3, forgotten=3), "forgotten"),
        (lambda: mixture_error.Settings(d=20, samples=20), "samples"),
        (lambda: mixture_error.Settings(margin=0.0), "margin"),
    ],
)
def test_settings_that_make_no_sense_are_refused(settings, message):
    with pytest.raises(ValueError, match=message):
        settings()


@pytest.mark.parametrize("module", [linear, linear_exact, linear_set], ids=lambda m: m.__name__)
def test_a_step_of_no_size_is_no_step(module):
    settings = module.theorem.presets["smoke"]
    run = jax.jit(lambda key: module.trial(settings, key, fraction=0.0).assumptions)
    missed = {name for name, margin in run(jax.random.key(0)).items() if margin < 0}
    assert missed == {"step moved w", "β = β*"}
