"""What every statement says, once more in NumPy from literals: bounds, δ, thresholds, laws.

One trial of each theorem, small, with a network trained as the trial's own: everything that is
compared is computed here again, and no constant is imported.
"""

from collections.abc import Mapping
from math import exp, inf, log
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy import stats

from theory.geometry import Subspace
from theory.networks import TwoLayerReLU, mlp, two_layer_relu
from theory.subspace.scene import draw_scene, points_in, train_scene
from theory.subspace.settings import Settings
from theory.subspace.theorems import (
    any_descent,
    bounded_gradient,
    certified_radius,
    decayed_gradient,
    farther_flips,
    flip_scaling,
    frozen_weights,
    gradient_law,
    large_gradient,
    operator_norm,
    small_initialisation,
    trained_output,
    trained_radius,
    two_points,
    universal_flip,
    weight_decay,
)
from theory.theorem import WHOLE, Theorem, by_part
from theory.training import hidden_layer_only, train, train_in_span

KEY = jax.random.key(7)
SIGMA, MARGIN = 0.4, 0.5
ROUNDING = 1e4 * 2.0**-52


def tiny(kind: Any = Settings, **changes: Any) -> Any:
    """Settings of a network of 6 neurons on 3 points of a subspace of 4 dimensions of R^12."""
    sizes = {"d": 12, "ell": 8, "width": 6, "samples": 3, "scale": 0.4, "margin": 0.5, "steps": 40}
    return kind(**sizes | changes)


class Play(NamedTuple):
    """A trained scene in NumPy: weights before and after, data, a basis of P."""

    w0: np.ndarray
    u0: np.ndarray
    w: np.ndarray
    u: np.ndarray
    x: np.ndarray
    y: np.ndarray
    x0: np.ndarray
    basis: np.ndarray
    steps: Any


def play(settings, key=KEY, change=lambda scene: scene, train_output=False) -> Play:
    @jax.jit
    def run(key):
        scene = change(draw_scene(settings, key))
        trained = train_scene(settings, scene, train_output)
        start, end = scene.network, trained.network
        plane = scene.subspace.basis
        return start.w, start.u, end.w, end.u, scene.x, scene.y, scene.x0, plane, trained.steps

    return Play(*map(np.asarray, run(key)))


def off(p: Play, x: np.ndarray) -> np.ndarray:
    return x - x @ p.basis @ p.basis.T


def output(w, u, x) -> np.ndarray:
    return np.maximum(x @ w.T, 0) @ u


def off_gradient(p: Play, x) -> np.ndarray:
    return off(p, np.where(p.w @ x > 0, p.u, 0) @ p.w)


def common(p: Play, eta_lambda=0.0, sigma=SIGMA, margin=MARGIN, kept=1.0) -> dict[str, float]:
    """Margins of the assumptions of all."""
    q0, q = (p.y * output(w, u, p.x) for w, u in ((p.w0, p.u0), (p.w, p.u)))
    moved = np.linalg.norm((p.w - kept * p.w0) @ p.basis) / np.linalg.norm(p.w0 @ p.basis)
    margins = {
        "training points in P": ROUNDING,
        "x₀ in P": ROUNDING,
        "no weight decay": ROUNDING - (1 - (1 - eta_lambda) ** 2),
        "W(0) of variance σ²": 6 * (2 / p.w0.size) ** 0.5 - abs((p.w0**2).mean() / sigma**2 - 1),
        "moved on P by a fiftieth": moved - 0.02,
    }
    if margin < inf:
        return margins | {"margin reached": q.min() - margin}
    fell = np.log1p(np.exp(-q)).mean() / np.log1p(np.exp(-q0)).mean()
    return margins | {"loss fell by a tenth": 0.9 - fell}


def agree(theorem, settings, measured, predicted, assumptions) -> None:
    """One trial of the theorem is what is computed here; what is None here is not looked at."""
    trial = jax.jit(lambda key: theorem.trial(settings, key))(KEY)
    for name, found, wanted in (
        ("measured", by_part(trial.measured), measured),
        ("predicted", by_part(trial.predicted), predicted),
        ("assumptions", trial.assumptions, assumptions),
    ):
        assert found.keys() == wanted.keys()
        for part, value in wanted.items():
            if value is not None:
                close = pytest.approx(value, rel=1e-9, abs=1e-13)
                assert np.asarray(found[part], float) == close, (name, part)


def axes(p: Play, g: np.ndarray) -> dict[str, Any]:
    """‖g‖², of its parts along the first four axes and along every other one."""
    chosen = ([0, 1, 2, 3], [0, 2, 4, 6])
    first, other = (np.linalg.qr(off(p, np.eye(12)[which]).T)[0] for which in chosen)
    along = off(p, np.eye(12)[0])
    return {
        "norm": g @ g,
        "first half": ((g @ first) ** 2).sum(),
        "every other": ((g @ other) ** 2).sum(),
        "axis": g @ along / np.linalg.norm(along),
    }


MEANS = {"norm": 8, "first half": 4, "every other": 4, "axis": 1}


def laws_are_right(theorem, more=()) -> None:
    values, settings = np.linspace(-3, 30, 12), tiny()
    assert theorem.parts.keys() == {*MEANS, *more}
    for name, law in parts(theorem).items():
        dof = {"norm": 8, "first half": 4, "every other": 4}.get(name)
        claimed = stats.norm.cdf(values) if dof is None else stats.chi2.cdf(values, dof)
        assert law.cdf(values, settings) == pytest.approx(claimed, rel=1e-12)
        wider = stats.norm.cdf(values / 1.5**0.5)
        wider = wider if dof is None else stats.chi2.cdf(values / 1.5, dof)
        assert law.families["σ²"](values, settings, 0.5) == pytest.approx(wider, rel=1e-12)
        if dof is not None:
            more_of_them = stats.chi2.cdf(values, 1.5 * dof)
            found = law.families["ℓ"](values, settings, 0.5)
            assert found == pytest.approx(more_of_them, rel=1e-12)
        assert law.resolution == 0.17


def failures(theorem, settings) -> dict[str, float]:
    return {name: claim.failure(settings) for name, claim in parts(theorem).items()}


def parts(theorem: Theorem) -> Mapping[str, Any]:
    return theorem.parts


def ulps(theorem) -> float:
    return parts(theorem)[WHOLE].ulps


@pytest.fixture(scope="module")
def small() -> Play:
    return play(tiny())


def k(p: Play) -> int:
    return int((p.w @ p.x0 > 0).sum())


def test_large_and_bounded_gradient(small):
    settings = tiny()
    norm = np.linalg.norm(off_gradient(small, small.x0))
    for theorem, factor in (
        (large_gradient.theorem, (k(small) * 8 / (2 * 6)) ** 0.5),
        (bounded_gradient.theorem, (2 * k(small) * 8 / 6) ** 0.5),
    ):
        agree(theorem, settings, {WHOLE: norm}, {WHOLE: 0.4 * factor}, common(small))
        assert failures(theorem, Settings(d=90, ell=80)) == {WHOLE: pytest.approx(exp(-5))}


@pytest.mark.slow
def test_small_initialisation():
    beta = 0.05 / 12**0.5
    settings = tiny(scale=beta)
    p = play(settings)
    measured = np.linalg.norm(off_gradient(p, p.x0))
    bound = beta * (2 * k(p) * 8 / 6) ** 0.5
    margins = common(p, sigma=beta) | {"β ≤ 0.1/√d": 1.0}
    theorem = small_initialisation.theorem
    agree(theorem, settings, {WHOLE: measured}, {WHOLE: bound}, margins)
    assert failures(theorem, Settings(d=90, ell=80)) == {WHOLE: pytest.approx(exp(-5))}
    for scale, small_enough in ((0.0999, True), (0.1001, False)):
        settings = tiny(scale=scale / 12**0.5, steps=1)
        found = theorem.trial(settings, KEY).assumptions["β ≤ 0.1/√d"]
        assert bool(found) is small_enough


def test_decayed_gradient():
    settings = tiny(margin=inf, learning_rate=0.3, weight_decay=0.05)
    p, left = play(settings), 0.985**40
    norm, scale = np.linalg.norm(off_gradient(p, p.x0)), 0.4 * left * (k(p) / 6) ** 0.5
    margins = common(p, margin=inf, kept=left)
    del margins["no weight decay"]
    margins |= {"a step leaves 1 − ηλ of W": ROUNDING, "|c_T| at most 0.9": 0.9 - left}
    theorem = decayed_gradient.theorem
    bounds = {"below": scale * 4**0.5, "above": scale * 16**0.5}
    agree(theorem, settings, {"below": norm, "above": norm}, bounds, margins)
    tail = pytest.approx(exp(-5))
    assert failures(theorem, Settings(d=90, ell=80)) == {"below": tail, "above": tail}


def test_gradient_law(small):
    g = off_gradient(small, small.x0) * (6 / k(small)) ** 0.5 / 0.4
    theorem = gradient_law.theorem
    agree(theorem, tiny(), axes(small, g), MEANS, common(small))
    laws_are_right(theorem)
    # A decay of 0.025 is noticed by the assumption, and it alone knows.
    settings = tiny(learning_rate=0.5, weight_decay=0.05)
    trial = jax.jit(lambda key: theorem.trial(settings, key))(KEY)
    assert float(trial.assumptions["no weight decay"]) == pytest.approx(0.975**2 - 1)


def test_trained_output():
    settings = tiny()
    p = play(settings, train_output=True)
    active = np.where(p.w @ p.x0 > 0, p.u, 0)
    g = off_gradient(p, p.x0) / (0.4 * np.linalg.norm(active))
    moved = np.linalg.norm(p.u - p.u0) / np.linalg.norm(p.u0) - 0.5
    margins = common(p) | {"u moved by a half": moved}
    agree(trained_output.theorem, settings, axes(p, g), MEANS, margins)
    laws_are_right(trained_output.theorem)


def test_two_points():
    settings = tiny()
    key_scene, key_point, _ = jax.random.split(KEY, 3)
    p = play(settings, key_scene)
    x1 = np.asarray(points_in(key_point, Subspace(jnp.asarray(p.basis)), 1)[0])
    a, b = off_gradient(p, p.x0), off_gradient(p, x1)
    s0, s1 = p.w @ p.x0 > 0, p.w @ x1 > 0
    c, k0, k1 = (s0 & s1).sum(), s0.sum(), s1.sum()
    assert 0 < c < k1
    g = (b - c / k0 * a) / (0.4 * ((k1 - c**2 / k0) / 6) ** 0.5)
    measured = axes(p, g) | {"along a": a @ g / np.linalg.norm(a)}
    margins = common(p) | {"one W at both points": ROUNDING}
    agree(two_points.theorem, settings, measured, MEANS | {"along a": 1}, margins)
    laws_are_right(two_points.theorem, more=["along a"])


def uncorrelated(p: Play) -> float:
    g = off(p, p.w0)
    g = g / np.linalg.norm(g, axis=1, keepdims=True)
    cosines = [(g[i] @ g[j]) ** 2 for i in range(len(g)) for j in range(i)]
    return 1 + 6 * (2 / len(cosines)) ** 0.5 - (12 - p.basis.shape[1]) * np.mean(cosines)


def test_operator_norm(small):
    settings = tiny(operator_norm.NormSettings, t=1.5)
    measured = np.linalg.svd(off(small, small.w))[1][0]
    bound = 0.4 * (6**0.5 + 8**0.5 + 1.5)
    margins = common(small) | {"rows of W_⊥ uncorrelated": uncorrelated(small)}
    theorem = operator_norm.theorem
    agree(theorem, settings, {WHOLE: measured}, {WHOLE: bound}, margins)
    assert failures(theorem, settings) == {WHOLE: pytest.approx(exp(-1.125))}


def test_universal_flip():
    settings = tiny(universal_flip.FlipSettings, delta=0.2)
    key_scene, key_points = jax.random.split(KEY)
    p = play(settings, key_scene)
    g, s = off(p, p.w), np.sign(p.u)
    v = s @ g
    others = points_in(key_points, Subspace(jnp.asarray(p.basis)), 64)
    fallen = []
    for x in (*p.x, *np.asarray(others)):
        value = output(p.w, p.u, x)
        opposing = ((p.w @ x > 0) & (s == -np.sign(value))).sum()
        if opposing and value:
            alpha = (1 + 1e-6) * 4 * 6**0.5 * abs(value) / (opposing * 0.16 * 8)
            moved = output(p.w, p.u, x - np.sign(value) * alpha * v)
            fallen.append(np.sign(value) * (value - moved) / abs(value))
    measured = {"gain": (s * (g @ v)).min(), "length": v @ v, "flip": min(fallen)}
    predicted = {"gain": 0.16 * 8 / 4, "length": 2 * 6 * 0.16 * 8, "flip": 1.000001}
    margins = common(p) | {
        "ℓ ≥ 16(m−1)ln(m/δ)": 8 - 16 * 5 * log(6 / 0.2),
        "rows of W_⊥ uncorrelated": uncorrelated(p),
    }
    theorem = universal_flip.theorem
    agree(theorem, settings, measured, predicted, margins)
    wide = universal_flip.FlipSettings(d=90, ell=80, width=3, delta=0.2)
    total = pytest.approx(4 * exp(-5) + 0.2)
    assert failures(theorem, wide) == dict.fromkeys(("gain", "length", "flip"), total)


def tries(p: Play, key) -> tuple[dict[str, Any], dict[str, Any], float]:
    """The parts of S5 that are computed here, and the radius."""
    w, size, value = off(p, p.w), np.linalg.norm(p.u), abs(output(p.w, p.u, p.x0))
    _, singular, right = np.linalg.svd(w)
    named = np.stack([off_gradient(p, p.x0), np.sign(p.u) @ w, right[0]])
    random = off(p, np.asarray(jax.random.normal(key, (8, 12))))
    directions = np.concatenate([named, -named, random])
    directions /= np.linalg.norm(directions, axis=1, keepdims=True)
    tried = []
    for length in (0.01, 0.1, 1.0, 10.0):
        for z in length * directions:
            change = abs(output(p.w, p.u, p.x0 + z) - output(p.w, p.u, p.x0))
            tried.append((change, size * np.linalg.norm(w @ z)))
    change, allowed = max(tried, key=lambda pair: pair[0] / pair[1])
    schatten = (singular**128).sum() ** (1 / 128)
    measured = {"change": change, "no flip": None, "radius": None, "nor less": None}
    predicted = {"change": allowed, "no flip": None, "radius": None}
    predicted |= {"nor less": value / (size * schatten)}
    return measured, predicted, value / (size * singular[0])


def radius_is_right(theorem, settings, radius) -> None:
    trial = jax.jit(lambda key: theorem.trial(settings, key))(KEY)
    assert trial.measured["radius"] == trial.measured["nor less"] == trial.predicted["no flip"]
    # The operator norm is a Schatten norm within 1e-8 of it, q a thousand power iterations old.
    assert float(trial.measured["radius"]) == pytest.approx(radius, rel=1e-8)
    assert float(trial.predicted["radius"]) == pytest.approx(radius, rel=1e-6)
    assert failures(theorem, settings) == dict.fromkeys(theorem.parts, 0)
    kinds = {name: (type(c).__name__, c.ulps) for name, c in parts(theorem).items()}
    exact = {"no flip": ("AtLeast", 64), "radius": ("AtMost", 64), "nor less": ("AtLeast", 64)}
    assert kinds == exact | {"change": ("AtMost", 16384)}


def test_certified_radius():
    settings = tiny(learning_rate=0.1)
    key_scene, key_u, key_z = jax.random.split(KEY, 3)
    larger = jax.random.uniform(key_u, (6,), minval=1, maxval=3)

    def enlarge(scene):
        net = scene.network
        return scene._replace(network=net._replace(u=net.u * larger))

    p = play(settings, key_scene, enlarge)
    measured, predicted, radius = tries(p, key_z)
    size = np.linalg.norm(p.u)
    margins = common(p) | {"z ∈ P^⊥": ROUNDING, "‖u‖ not 1": abs(size - 1) - 0.25}
    agree(certified_radius.theorem, settings, measured, predicted, margins)
    radius_is_right(certified_radius.theorem, settings, radius)


def test_trained_radius():
    settings = tiny()
    key_scene, key_z = jax.random.split(KEY)
    p = play(settings, key_scene, train_output=True)
    measured, predicted, radius = tries(p, key_z)
    moved = np.linalg.norm(p.u - p.u0) / np.linalg.norm(p.u0)
    margins = common(p) | {"z ∈ P^⊥": ROUNDING, "u moved by a half": moved - 0.5}
    agree(trained_radius.theorem, settings, measured, predicted, margins)
    radius_is_right(trained_radius.theorem, settings, radius)


def test_farther_flips():
    settings, theorem = tiny(operator_norm.NormSettings, t=1.5), farther_flips.theorem
    trial = jax.jit(lambda key: theorem.trial(settings, key))(KEY)
    key_beta, _ = jax.random.split(jax.random.fold_in(KEY, 0))
    key_decay, _ = jax.random.split(jax.random.fold_in(key_beta, 2))
    decay = 3 * (1 - 0.2**0.01)
    decayed = tiny(scale=None, weight_decay=decay, margin=inf, steps=100)
    margins = []
    for name, sigma, left, p in (
        ("β", 0.4, 1.0, play(settings, key_beta)),
        ("c_T", 12**-0.5, 0.2, play(decayed, key_decay)),
    ):
        value = abs(output(p.w, p.u, p.x0))
        assert value > 0
        bound = value / (sigma * left * (6**0.5 + 8**0.5 + 1.5))
        assert float(trial.predicted[f"flip, {name}"]) == pytest.approx(bound, rel=1e-9)
        assert float(trial.predicted[f"radius, {name}"]) == pytest.approx(bound, rel=1e-9)
        radius = value / np.linalg.svd(off(p, p.w))[1][0]
        assert float(trial.measured[f"radius, {name}"]) == pytest.approx(radius, rel=1e-8)
        margins.append(common(p, 0, sigma, MARGIN if left == 1 else inf, left))
        margins[-1]["rows of W_⊥ uncorrelated"] = uncorrelated(p)
    margins[1].pop("no weight decay")
    margins[1] |= {"a step leaves 1 − ηλ of W": ROUNDING, "|c_T| at most a fifth": ROUNDING}
    names = margins[0].keys() | margins[1].keys()
    wanted = {name: min(m[name] for m in margins if name in m) for name in names}
    assert {n: float(m) for n, m in trial.assumptions.items()} == pytest.approx(wanted, abs=1e-12)
    assert failures(theorem, settings) == dict.fromkeys(theorem.parts, pytest.approx(exp(-1.125)))


def test_any_descent():
    settings, theorem = tiny(width=12), any_descent.theorem
    trial = jax.jit(lambda key: theorem.trial(settings, key))(KEY)
    key_scene, key_batch = jax.random.split(KEY)
    scene = draw_scene(settings, key_scene)
    x, y = scene.x, scene.y

    def descend(rate, mu, loss, steps, margin, masks=None):
        """Heavy ball by hand, in full dimension."""
        w, u, velocity = *map(np.asarray, scene.network), 0.0
        for step in range(steps):
            q = np.asarray(y) * output(w, u, np.asarray(x))
            if q.min() >= margin:
                break
            slope = -np.exp(-q) if loss == "exponential" else -1 / (1 + np.exp(q))
            slope = slope * np.asarray(y) / 3 * (1 if masks is None else masks[step])
            on = np.asarray(x) @ w.T > 0
            gradient = ((slope[:, None] * on) * u).T @ np.asarray(x)
            velocity = gradient + mu * velocity
            w = w - rate * velocity
        return w, u

    keys = jax.random.split(key_batch, 100)
    masks = np.asarray(jax.vmap(lambda key: jax.random.bernoulli(key, 0.5, (3,)))(keys))
    ends = {
        "exponential": descend(1 / 12, 0.0, "exponential", 40, 0.5),
        "momentum": descend(1 / 30, 0.9, "logistic", 40, 0.5),
        "SGD": descend(1 / 3, 0.0, "logistic", 100, inf, masks),
    }
    basis, x0 = np.asarray(scene.subspace.basis), np.asarray(scene.x0)
    for name, (w, u) in ends.items():
        active = w @ x0 > 0
        g = np.where(active, u, 0) @ w
        g = (g - g @ basis @ basis.T) * (12 / active.sum()) ** 0.5 / 0.4
        assert float(trial.measured[name]) == pytest.approx(g @ g, rel=1e-9)
        assert float(trial.predicted[name]) == 8
        law, values = parts(theorem)[name], np.linspace(0, 30, 9)
        assert law.cdf(values, settings) == pytest.approx(stats.chi2.cdf(values, 8))
        assert law.resolution == 0.17
    assert "no weight decay" in trial.assumptions and len(trial.assumptions) == 7


@pytest.mark.slow
def test_flip_scaling():
    sizes = (4, 5, 6, 7, 8, 9)
    settings = flip_scaling.ScalingSettings(
        d=14, ell=3, sizes=sizes, stretch=2, data_dim=5, width=16, samples=2, steps=300
    )
    theorem = flip_scaling.theorem
    trial = jax.jit(lambda key: theorem.trial(settings, key))(KEY)
    shapes = [(ell, 14) for ell in sizes] + [(3, 2 * size) for size in sizes]
    found = np.concatenate([trial.measured["ℓ"], trial.measured["d"]])
    claimed = np.concatenate([trial.predicted["ℓ"], trial.predicted["d"]])
    assert claimed == pytest.approx([(d / ell) ** 0.5 for ell, d in shapes])
    margins = []
    for (ell, d), key, value in zip(shapes, jax.random.split(KEY, 12), found, strict=True):
        key_x, key_y, key_net = jax.random.split(key, 3)
        x = np.array(jax.random.normal(key_x, (2, 18)))
        x[:, :ell] = x[:, ell + 5 :] = 0
        x *= d**0.5 / np.linalg.norm(x, axis=1, keepdims=True)
        y = jax.random.rademacher(key_y, (2,), dtype=float)
        start = two_layer_relu(key_net, 18, 16, 1.0)
        w0 = np.where(np.arange(18) < d, np.asarray(start.w) / d**0.5, 0)
        trained = train_in_span(
            TwoLayerReLU(jnp.asarray(w0), start.u),
            jnp.asarray(x),
            y,
            optimizer=optax.sgd(4 / d),
            steps=300,
            margin=1.0,
        )
        w, u = (np.asarray(part) for part in trained.network)
        q = np.asarray(y) * output(w, u, x)
        x0 = x[q.argmin()]
        gradient = np.where(w @ x0 > 0, u, 0) @ w[:, :ell]
        assert value * np.linalg.norm(gradient) == pytest.approx(abs(q.min()), rel=1e-9)
        variance = (w0[:, :ell] ** 2).mean() * d
        moved = np.linalg.norm(w - w0) / np.linalg.norm(w0[:, ell : ell + 5])
        spread = 6 * (2 / (16 * ell)) ** 0.5 - abs(variance - 1)
        margins.append((q.min() - 1.0, moved - 0.02, 0, spread))
    names = ("margin reached", "moved on Q by a fiftieth", "no weight decay")
    for name, wanted in zip((*names, "W_⊥ of variance 1/d"), np.min(margins, axis=0), strict=True):
        assert float(trial.assumptions[name]) == pytest.approx(wanted, rel=1e-9, abs=1e-13)
    exponents = {name: (c.exponent, c.tolerance, c.power) for name, c in parts(theorem).items()}
    assert exponents == {"ℓ": (-0.5, 0.05, -2), "d": (0.5, 0.05, -2)}


def test_frozen_weights():
    # So short a step moves nothing that shows, and thresholds are what is left.
    settings = tiny(learning_rate=1e-14)
    start = mlp(jax.random.split(KEY, 3)[1], (12, 6, 1))
    scale = np.linalg.norm(np.asarray(start.weights[0]))
    margins = {
        "training points in P": ROUNDING,
        "optimiser linear in gradients": ROUNDING,
        "no weight decay": ROUNDING,
        "moved on P by a fiftieth": -0.02,
        "both layers and the biases moved by a hundredth": -0.01,
        "loss fell by a tenth": -0.1,
    }
    theorem = frozen_weights.theorem
    agree(theorem, settings, {WHOLE: 0}, {WHOLE: scale}, margins)
    assert ulps(theorem) == 32 and failures(theorem, settings) == {WHOLE: 0}


def test_weight_decay():
    settings = tiny(margin=inf, learning_rate=0.1, weight_decay=0.2)
    scene = draw_scene(settings, KEY)
    optimizer = optax.chain(optax.trace(0.9), optax.add_decayed_weights(0.2), optax.scale(-0.1))
    end = train(
        scene.network, scene.x, scene.y, optimizer=hidden_layer_only(optimizer), steps=40
    ).network
    parts = (*scene.network, *end, scene.x, scene.y, scene.x0, scene.subspace.basis, 40)
    p = Play._make(map(np.asarray, parts))
    left = 0.98**40
    measured = np.linalg.norm(off(p, p.w - left * p.w0))
    margins = common(p, margin=inf, kept=left)
    del margins["no weight decay"]
    margins |= {
        "a step without gradient leaves 1 − ηλ of W": ROUNDING,
        "|c_T| at most 0.9": 0.9 - left,
    }
    theorem = weight_decay.theorem
    predicted = {WHOLE: np.linalg.norm(p.w0)}
    agree(theorem, settings, {WHOLE: measured}, predicted, margins)
    assert measured < 1e-14 and ulps(theorem) == 64
    assert failures(theorem, settings) == {WHOLE: 0}
