"""The page's mathematics against `theory`, and its random numbers against their laws."""

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
from scipy import stats

from tests.page.node import evaluate
from theory.geometry import Subspace, orthonormalise
from theory.networks import TwoLayerReLU
from theory.subspace.flip import flip_distance, flips_along_gradient, universal_direction
from theory.subspace.gradient import active, off_subspace_gradient
from theory.training import hidden_layer_only, train, train_in_span
from theory.unlearning.gradient_ascent import gradient_ascent
from theory.unlearning.kkt import kkt
from theory.unlearning.margin import train_to_large_margin
from theory.unlearning.pattern import snap
from theory.unlearning.vcurve import v_curve

NET = "const {d, width} = given, net = {w: F(given.w), u: F(given.u), width, d};"
POINTS = "const x = F(given.x), y = F(given.y);"


@pytest.fixture(scope="module")
def scene():
    """Fixed arrays: 6 points of a subspace of dimension 8 of R^20, and a network of width 12."""
    rng = np.random.default_rng(3)
    basis = np.linalg.qr(rng.normal(size=(20, 8)))[0]
    x = rng.normal(size=(6, 8)) @ basis.T
    x *= 20**0.5 / np.linalg.norm(x, axis=1, keepdims=True)
    w, u = rng.normal(size=(12, 20)) / 20**0.5, rng.choice([-1.0, 1.0], 12) / 12**0.5
    y = rng.choice([-1.0, 1.0], 6)
    arrays = {"w": w, "u": u, "x": x, "y": y, "basis": basis.T}
    return {name: jnp.asarray(value) for name, value in arrays.items()} | {"d": 20, "width": 12}


def network(scene):
    return TwoLayerReLU(scene["w"], scene["u"])


def close(found, expected):
    """Both sides sum the same numbers in double precision, in another order."""
    np.testing.assert_allclose(found, np.asarray(expected).ravel(), rtol=1e-9, atol=1e-12)


@pytest.mark.parametrize("decay", [0.0, 0.3])
def test_descent_is_that_of_theory(scene, decay):
    """In full dimension and in the span, as many steps, with weight decay and without."""
    script = f"""{NET}{POINTS}
    const span = new network.InSpan(structuredClone(net), x, y);
    for (let t = 0; t < 40; t++) {{
      network.step(net, x, y, 0.2, {decay});
      span.advance(0.2, {decay}, Infinity);
    }}
    return {{w: net.w, span: span.network().w, c: span.c, margin: Math.min(...span.margins()),
             gradient: span.gradient(x.subarray(0, d)).gradient}};
    """
    found = evaluate(script, **scene)
    optimizer = optax.chain(optax.add_decayed_weights(decay), optax.sgd(0.2))
    arguments = (network(scene), scene["x"], scene["y"])
    full = train(*arguments, optimizer=hidden_layer_only(optimizer), steps=40)
    span = train_in_span(*arguments, optimizer=optimizer, steps=40)
    close(found["w"], full.network.w)
    close(found["span"], span.network.w)
    close(found["margin"], span.margin)
    close(found["gradient"], jax.grad(lambda x: span.network(x))(scene["x"][0]))
    close(found["c"], (1 - 0.2 * decay) ** 40)


def test_descent_stops_at_the_margin(scene):
    script = f"""{NET}{POINTS}
    const span = new network.InSpan(structuredClone(net), x, y);
    let steps = 0;
    while (span.advance(0.2, 0, 1));
    while (network.step(net, x, y, 0.2, 0, 1)) steps += 1;
    return {{steps: [steps, span.steps], w: span.network().w}};
    """
    found = evaluate(script, **scene)
    trained = train_in_span(
        network(scene), scene["x"], scene["y"], optimizer=optax.sgd(0.2), steps=1000, margin=1.0
    )
    assert found["steps"] == [int(trained.steps)] * 2
    close(found["w"], trained.network.w)


def test_off_subspace_gradients_and_flips_are_those_of_theory(scene):
    script = f"""{NET}{POINTS}
    const basis = F(given.basis), v = network.universalDirection(net, basis);
    const at = (i) => {{
      const point = network.row(x, i, d), value = network.outputs(net, point)[0];
      const {{gradient, active}} = network.gradient(net, point);
      const off = network.reject(gradient, basis);
      const toward = (z) => z.map((e) => -Math.sign(value) * e);
      return [value, active, off, network.flipDistance(net, point, toward(off)),
              network.flipDistance(net, point, toward(v)), network.flipDistance(net, point, v)];
    }};
    return {{v, points: Array.from(y, (_, i) => at(i)), values: network.outputs(net, x)}};
    """
    found = evaluate(script, **scene)
    net, x, basis = network(scene), scene["x"], scene["basis"].T
    close(found["values"], net(x))
    v = universal_direction(net, Subspace(basis))
    close(found["v"], v)
    flips, off = flips_along_gradient(net, x, basis), off_subspace_gradient(net, x, basis)
    for i, (value, count, gradient, along, universal, other) in enumerate(found["points"]):
        close(value, net(x[i]))
        assert count == int(active(net, x[i]).sum())
        close(gradient, off[i])
        expected = (
            flips.distance[i],
            flip_distance(net, x[i], -jnp.sign(net(x[i])) * v),
            flip_distance(net, x[i], v),
        )
        # JSON has no infinity.
        for one, there in zip((along, universal, other), expected, strict=True):
            close(np.inf if one is None else one, there)


def test_a_basis_is_that_of_theory_where_rows_depend_on_others():
    rows = np.random.default_rng(0).normal(size=(5, 9))
    rows[3] = rows[0] - 2 * rows[1]
    found = evaluate("return network.orthonormalise(F(given.rows), 9);", rows=rows)
    close(found, orthonormalise(jnp.asarray(rows.T)).T)


@pytest.mark.parametrize("ell", [1, 2, 7, 48, 199])
def test_density_is_that_of_chi_squared(ell):
    values = np.linspace(0.1, 3, 20) * ell
    found = evaluate(
        "return given.v.map((v) => network.chiSquared(v, given.ell));", v=values, ell=ell
    )
    np.testing.assert_allclose(found, stats.chi2.pdf(values, ell), rtol=1e-9)


@pytest.fixture(scope="module")
def unlearned(scene):
    """Gaussian points and a network of small weights, as in the theorems on unlearning."""
    rng = np.random.default_rng(5)
    arrays = {
        "x": rng.normal(size=(6, 20)) / 20**0.5,
        "y": rng.choice([-1.0, 1.0], 6),
        "w": 1e-4 * rng.normal(size=(12, 20)),
        "u": scene["u"],
    }
    return {name: jnp.asarray(value) for name, value in arrays.items()} | {"d": 20, "width": 12}


@pytest.mark.parametrize("steps", [1, 60])
def test_training_to_a_large_margin_is_that_of_theory(unlearned, steps):
    script = f"""{NET}{POINTS}
    const training = new unlearning.Ascent(net, x, y, 1000);
    for (let t = 0; t < {steps}; t++) training.advance();
    return {{w: training.network().w, q: Math.min(...training.q)}};
    """
    found = evaluate(script, **unlearned)
    arguments = (network(unlearned), unlearned["x"], unlearned["y"], 1000.0)
    trained = train_to_large_margin(*arguments, steps=steps)
    close(found["w"], trained.network.w)
    close(found["q"], trained.margin)


def test_the_v_curve_is_that_of_theory(unlearned):
    """On the network that theory has trained, whose kinks are many."""
    x, y = unlearned["x"], unlearned["y"]
    net = train_to_large_margin(network(unlearned), x, y, margin=100.0).network
    script = f"""{NET}{POINTS}
    const {{net: moved, pattern}} = unlearning.snap(net, x);
    const explained = unlearning.kkt(moved, x, y, pattern);
    return {{w: moved.w, kinks: pattern.kinks, gates: pattern.gates, scale: explained.scale,
      multipliers: explained.multipliers, stationarity: explained.stationarity,
      curve: given.t.map((t) => unlearning.vCurve(explained, x, y, t))}};
    """
    t = np.array([0.0, 0.3, 0.9, 1.0, 1.2, 2.0])
    found = evaluate(script, **(unlearned | {"w": net.w, "t": t}))
    snapped, explained = snap(net, x), kkt(net, x, y)
    assert 5 < snapped.pattern.kinks.sum() < snapped.pattern.kinks.size - 5
    assert found["kinks"] == snapped.pattern.kinks.ravel().tolist()
    assert found["gates"] == snapped.pattern.gates.ravel().tolist()
    close(found["w"], snapped.network.w)
    close(found["scale"], explained.scale)
    # The solver leaves 1e-9 of the weights, and more of multipliers that hardly matter.
    np.testing.assert_allclose(found["multipliers"], explained.multipliers, rtol=1e-6)
    np.testing.assert_allclose(found["stationarity"], explained.stationarity, rtol=1e-9)
    for fraction, point in zip(t, found["curve"], strict=True):
        there = v_curve(explained, x, y, jnp.asarray(fraction))
        for name in ("epsilon", "lower", "upper", "margin"):
            np.testing.assert_allclose(point[name], getattr(there, name), rtol=1e-9, err_msg=name)
        start = snapped.network
        after = gradient_ascent(start, x, y, 0, fraction=fraction, explained=explained)
        np.testing.assert_allclose(point["net"]["w"], np.ravel(after.w), rtol=1e-9, atol=1e-9)


def test_random_numbers_are_xoshiro():
    """Bits against a second implementation, from the state that the module derives."""
    found = evaluate("const draw = scenes.random(7); return Array.from({length: 50}, draw.bits);")
    mask = 2**32 - 1

    def mixed(value):
        h = (value + 0x9E3779B9) & mask
        h = ((h ^ (h >> 16)) * 0x85EBCA6B) & mask
        h = ((h ^ (h >> 13)) * 0xC2B2AE35) & mask
        return h ^ (h >> 16)

    state, s = mixed(mixed(7)), []
    for _ in range(4):
        state = mixed(state)
        s.append(state)

    def left(value, by):
        return ((value << by) | (value >> (32 - by))) & mask

    for value in found:
        assert value == left(s[1] * 5 & mask, 7) * 9 & mask
        moved = (s[1] << 9) & mask
        s[2] ^= s[0]
        s[3] ^= s[1]
        s[1] ^= s[2]
        s[0] ^= s[3]
        s[2] ^= moved
        s[3] = left(s[3], 11)


def test_random_numbers_follow_their_laws():
    script = """
    const draw = scenes.random(1, 2), other = scenes.random(2, 1);
    return {normals: draw.normals(20000), uniforms: Array.from({length: 20000}, draw.uniform),
            signs: draw.signs(20000), other: other.normals(20000)};
    """
    found = {name: np.array(values) for name, values in evaluate(script).items()}
    # By chance alone, each is refused once in a million seeds.
    assert stats.kstest(found["normals"], "norm").pvalue > 1e-6
    assert stats.kstest(found["uniforms"], "uniform").pvalue > 1e-6
    assert abs(found["signs"].mean()) < 5 / 20000**0.5
    assert abs(np.corrcoef(found["normals"], found["other"])[0, 1]) < 5 / 20000**0.5
    lagged = np.corrcoef(found["normals"][1:], found["normals"][:-1])[0, 1]
    assert abs(lagged) < 5 / 20000**0.5


def test_the_scene_is_that_of_the_theorems():
    """Points of norm √d in P, weights of variance σ², and ‖g‖² with the moments of χ²_ℓ."""
    script = """
    const d = 30, ell = 20, width = 20, sigma = 0.2;
    const scene = scenes.subspaceScene(scenes.random(0), {d, ell, width, sigma}, 6);
    const point = (i) => network.row(scene.x, i, d);
    const off = Array.from(scene.y, (_, i) => network.reject(point(i), scene.basis));
    const squared = Array.from({length: 400}, (_, i) => {
      const {net, x0, basis} = scenes.subspaceScene(scenes.random(0, i), {d, ell, width, sigma}, 2);
      const {gradient, active} = network.gradient(net, x0), g = network.reject(gradient, basis);
      return network.dot(g, g) * width / (active * sigma ** 2);
    });
    return {...scene, off, squared};
    """
    found = evaluate(script)
    x, basis = np.reshape(found["x"], (6, 30)), np.reshape(found["basis"], (10, 30))
    np.testing.assert_allclose(np.linalg.norm(x, axis=1), 30**0.5)
    np.testing.assert_allclose(basis @ basis.T, np.eye(10), atol=1e-14)
    np.testing.assert_allclose(found["off"], 0, atol=1e-13)
    assert abs(np.mean(np.square(found["net"]["w"])) / 0.2**2 - 1) < 6 * (2 / 600) ** 0.5
    np.testing.assert_allclose(np.abs(found["net"]["u"]), 20**-0.5)
    assert stats.kstest(found["squared"], stats.chi2(20).cdf).pvalue > 1e-6


def test_the_diagonal_has_seven_points_of_a_line():
    script = """
    const d = 12, scene = scenes.diagonalScene(scenes.random(4), {d, ell: 9, width: 5, sigma: 1});
    return {x: scene.x, y: scene.y, t: scene.t, basis: scene.basis};
    """
    found = evaluate(script)
    x, basis = np.reshape(found["x"], (7, 12)), np.reshape(found["basis"], (3, 12))
    in_p = x @ basis.T / 12**0.5
    np.testing.assert_allclose(in_p[:, 0], np.arange(7) / 3 - 1, atol=1e-14)
    np.testing.assert_allclose(in_p[:, 1:], [[0.5, 0.0]] * 7, atol=1e-14)
    np.testing.assert_allclose(np.linalg.norm(x, axis=1), np.linalg.norm(in_p, axis=1) * 12**0.5)
    assert found["y"] == [-1, 1, -1, 1, -1, 1, -1]
