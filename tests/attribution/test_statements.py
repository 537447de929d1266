"""Every bound, law, δ and threshold of the theorems on attribution once more, in NumPy."""

import itertools
from functools import partial
from typing import Any

import jax
import numpy as np
import pytest
from scipy import stats

from theory.attribution.scene import draw_copies, draw_scene
from theory.attribution.settings import Settings
from theory.attribution.theorems import (
    calibrated_agreement,
    family_wise_error,
    mean_gradient,
    off_span_cosine,
    rotated_copies,
    shuffled_labels,
    signed_agreement,
    training_input_law,
)
from theory.networks import two_layer_relu
from theory.sampling import gaussian_points

EPS = 2.0**-52
KEY = jax.random.key(3)
# D = 8, ℓ = 5, η = 4/2.
SMALL = {"tokens": 2, "d": 4, "samples": 3, "width": 12, "margin": 0.5, "steps": 2000, "trials": 1}


def parts(module) -> Any:
    """The claims of a theorem by part."""
    return module.theorem.claim


def on_trial(module, settings) -> Any:
    """One trial, compiled, as NumPy arrays."""
    found = jax.device_get(jax.jit(partial(module.theorem.trial, settings))(KEY))
    assert set(found.measured) == set(found.predicted) == set(parts(module))
    return found


def descend(w, u, x, y, rate, decay, margin, steps):
    """Descent on the mean logistic loss with weight decay, until the margin."""
    step = 0
    while True:
        z = x @ w.T
        q = y * (np.maximum(z, 0) @ u)
        if q.min() >= margin or step == steps:
            return w, step, q.min()
        slope = -y / (1 + np.exp(q)) / len(y)
        w = w - rate * (u[:, None] * (np.where(z.T > 0, slope, 0) @ x) + decay * w)
        step += 1


class Copies:
    """The copies of a trial, drawn as there and trained here."""

    def __init__(self, settings, keys, rate, decay=0.0):
        self.scene = draw_scene(settings, keys[0])
        self.x, self.y = np.array(self.scene.x), np.array(self.scene.y)
        self.net = draw_copies(settings, keys[1])
        self.start, self.u = np.array(self.net.w), np.array(self.net.u)
        q, _ = np.linalg.qr(self.x.T)
        self.on, self.off = q @ q.T, np.eye(len(q)) - q @ q.T
        ends = [
            descend(w, u, self.x, self.y, rate, decay, settings.margin, settings.steps)
            for w, u in zip(self.start, self.u, strict=True)
        ]
        self.end = np.array([end for end, _, _ in ends])
        self.steps = np.array([steps for _, steps, _ in ends])
        self.margin = min(margin for _, _, margin in ends)

    def gradients(self):
        """∇N_m at the first text."""
        active = self.end @ self.x[0] > 0
        return np.einsum("mi,mid->md", active * self.u, self.end), active.sum(axis=1)

    def axes(self, count):
        """Directions off P next to the first axes."""
        return np.linalg.qr(self.off[:, :count])[0]

    def moved(self):
        """‖Π_P(W(T) − W(0))‖/‖Π_P W(0)‖, the least."""
        return min(
            np.linalg.norm((b - a) @ self.on) / np.linalg.norm(a @ self.on)
            for a, b in zip(self.start, self.end, strict=True)
        )


def apart(w):
    """The least relative distance of two, less a half."""
    pairs = [(i, j) for i in range(len(w)) for j in range(i + 1, len(w))]
    return min(np.linalg.norm(w[i] - w[j]) / np.linalg.norm(w[i]) for i, j in pairs) - 0.5


def check(found, expected):
    assert set(found) == set(expected)
    for name, value in expected.items():
        assert float(found[name]) == pytest.approx(float(value), rel=1e-9, abs=1e-12), name


def trained_on(copies, settings):
    """The assumptions of trained copies; what rounding leaves is compared as rounding."""
    return {
        "ℓ = D − rank": 0,
        "margin reached": copies.margin - settings.margin,
        "moved on P": copies.moved() - 0.1,
    }


def rounded(assumptions, *names):
    """The assumptions without those of rounding, whose thresholds are 10⁴ε."""
    left = dict(assumptions)
    for name in names:
        assert float(left.pop(name)) == pytest.approx(1e4 * EPS, rel=0.02)
    return left


VALUES = np.linspace(0.02, 0.98, 9)
KEPT = "training texts in P", "W_⊥ kept"


def same(cdf, law, values=VALUES, **options):
    np.testing.assert_allclose(cdf(values, **options), law(values), rtol=1e-12)


def test_off_span_cosine():
    settings = Settings(**SMALL, weight_decay=0.01)
    found = on_trial(off_span_cosine, settings)
    key_scene, key_copies = jax.random.split(KEY)
    copies = Copies(settings, (key_scene, jax.random.split(key_copies, 2)), 2.0, 0.01)
    one, other = copies.gradients()[0] @ copies.off
    axis = copies.axes(1)[:, 0]

    def cosine(a, b):
        return (a @ b) ** 2 / (a @ a) / (b @ b)

    assert copies.steps.min() > 0
    measured = {"cos²": cosine(one, other), "axis": cosine(one, axis), "decay": 0}
    check(found.measured, measured)
    shrunk = (1 - 2.0 * 0.01) ** copies.steps[:, None, None] * copies.start @ copies.off
    np.testing.assert_allclose(copies.end @ copies.off, shrunk, atol=1e-12)
    scale = np.linalg.norm(copies.start @ copies.off)
    check(found.predicted, {"cos²": 1 / 5, "axis": 1 / 5, "decay": scale})
    assumed = {"copies drawn apart": apart(copies.start @ copies.off)}
    check(rounded(found.assumptions, KEPT[0]), assumed | trained_on(copies, settings))
    claim = parts(off_span_cosine)
    for part in ("cos²", "axis"):
        assert claim[part].resolution == 0.075
        same(claim[part].cdf, stats.beta(0.5, 2).cdf, settings=settings)
        np.testing.assert_allclose(
            claim[part].families["ℓ"](VALUES, settings, 0.4), stats.beta(0.5, 3).cdf(VALUES)
        )
    assert claim["decay"].ulps == 4096 and claim["decay"].failure(settings) == 0


def isotropic(claim, settings):
    """The laws of a standard Gaussian of R^5, Q of dimension 2."""
    wide, centred = 10 * VALUES, 4 * VALUES - 2
    norm, axis, half = (claim[part] for part in ("norm", "axis", "half"))
    assert norm.resolution == axis.resolution == half.resolution == 0.075
    for law, values, cdf in (
        (norm, wide, stats.chi2(5)),
        (axis, centred, stats.norm()),
        (half, VALUES, stats.beta(1, 1.5)),
    ):
        np.testing.assert_allclose(law.cdf(values, settings), cdf.cdf(values), rtol=1e-12)
    for law, name, values, cdf in (
        (norm, "ℓ", wide, stats.chi2(6)),
        (norm, "σ²", wide, stats.chi2(5, scale=1.2)),
        (axis, "σ²", centred, stats.norm(scale=1.2**0.5)),
    ):
        np.testing.assert_allclose(law.families[name](values, settings, 0.2), cdf.cdf(values))
    rng = np.random.default_rng(0)
    g = rng.normal(size=(200_000, 5)) ** 2 * [1.5, 1.5, 1, 1, 1]
    drawn = g[:, :2].sum(axis=1) / g.sum(axis=1)
    claimed = half.families["variance on Q"](VALUES, settings, 0.5)
    np.testing.assert_allclose(claimed, np.mean(drawn[:, None] <= VALUES, axis=0), atol=0.005)


@pytest.mark.parametrize("module", [training_input_law, mean_gradient])
def test_laws_off_the_span(module):
    count = 1 if module is training_input_law else 3
    more = {} if count == 1 else {"copies": 3}
    settings = module.Settings(**SMALL, **more)
    found = on_trial(module, settings)
    key_scene, key_copies = jax.random.split(KEY)
    copies = Copies(settings, (key_scene, jax.random.split(key_copies, count)), 2.0)
    gradients, active = copies.gradients()
    # σ = 1/√8 and u_i² = 1/12.
    g = (gradients @ copies.off).mean(axis=0) * np.sqrt(12 * 8 * count**2 / active.sum())
    seen = g @ copies.axes(2)
    check(
        {name: abs(value) for name, value in found.measured.items()},
        {"norm": g @ g, "axis": abs(seen[0]), "half": seen @ seen / (g @ g)},
    )
    assert float(found.measured["axis"]) * (g @ copies.off[0]) > 0
    check(found.predicted, {"norm": 5, "axis": 0, "half": 2 / 5})
    expected = trained_on(copies, settings)
    if count > 1:
        expected["copies drawn apart"] = apart(copies.start @ copies.off)
    check(rounded(found.assumptions, *KEPT), expected)
    isotropic(parts(module), settings)


def test_shuffled_labels():
    settings = Settings(**SMALL | {"tokens": 8, "margin": 1.0})
    found = on_trial(shuffled_labels, settings)
    key_scene, key_copies, _ = jax.random.split(KEY, 3)
    copies = Copies(settings, (key_scene, jax.random.split(key_copies, 2)), 0.5)
    gradients, _ = copies.gradients()
    active = copies.end @ copies.x[0] > 0
    learned = np.einsum("mi,mid->md", active * copies.u, copies.end - copies.start)
    c = np.linalg.lstsq(copies.x.T, learned.T)[0].T
    lengths = np.linalg.norm(copies.x, axis=1)
    unit = copies.x / lengths[:, None]
    rho = np.linalg.norm(unit @ unit.T - np.eye(3))

    def angle(a, b):
        return np.arccos(a @ b / np.linalg.norm(a) / np.linalg.norm(b))

    phi = angle(*np.abs(c * lengths))
    rest = gradients @ copies.on - learned
    share = np.linalg.norm(rest, axis=1) / np.linalg.norm(learned, axis=1)
    bound = 2 * np.arctan(np.sqrt((1 + rho) / (1 - rho)) * np.tan(phi / 2))
    assert rho < 1 and share.max() < 1
    check(found.measured, {"signs": (copies.y * c).min(), "angle": angle(*gradients @ copies.on)})
    check(found.predicted, {"signs": 0, "angle": bound + np.arcsin(share).sum()})
    assumed = {"same labels": 0, "ρ < 1": 1 - rho, "ε < 1": 1 - share.max()}
    assumed |= {"copies drawn apart": apart(copies.start)} | trained_on(copies, settings)
    check(rounded(found.assumptions, *KEPT), assumed)


def mean_cosine(gradients):
    unit = gradients / np.linalg.norm(gradients, axis=1, keepdims=True)
    pairs = [abs(unit[i] @ unit[j]) for i in range(len(unit)) for j in range(i)]
    return np.mean(pairs)


def drawn_by_chance(copies, d):
    """The score of Gaussian directions, drawn as they are."""
    g = np.random.default_rng(1).normal(size=(50_000, copies, d))
    g /= np.linalg.norm(g, axis=2, keepdims=True)
    pairs = [np.abs((g[:, i] * g[:, j]).sum(axis=1)) for i in range(copies) for j in range(i)]
    return np.mean(pairs, axis=0)


def by_chance(claim, settings):
    """Uniform p-values, and scores as of Gaussian directions."""
    drawn = drawn_by_chance(settings.copies, settings.d)
    for larger, cdf in ((1, claim["score"].cdf), (1.3, claim["score"].families["scale"])):
        options = () if larger == 1 else (0.3,)
        empirical = np.mean(larger * drawn[:, None] <= VALUES, axis=0)
        np.testing.assert_allclose(cdf(VALUES, settings, *options), empirical, atol=0.012)
    np.testing.assert_allclose(claim["p"].cdf(VALUES, settings), VALUES)
    np.testing.assert_allclose(claim["p"].families["exponent"](VALUES**2, settings, 1.0), VALUES)
    assert claim["p"].resolution == claim["score"].resolution == 0.075


def drawn_nets(key, copies, d, width):
    nets = jax.vmap(lambda key: two_layer_relu(key, d, width))(jax.random.split(key, copies))
    return np.array(nets.w), np.array(nets.u)


def gradients_at(w, u, words):
    return np.einsum("mti,mid->mtd", (words @ w.mT > 0) * u[:, None], w)


def test_calibrated_agreement():
    settings = calibrated_agreement.Settings(d=6, width=8, copies=3, samples=50, trials=1)
    found = on_trial(calibrated_agreement, settings)
    key_word, key_nets, _ = jax.random.split(KEY, 3)
    word = np.array(gaussian_points(key_word, 1, 6))
    w, u = drawn_nets(key_nets, 3, 6, 8)
    gradients = gradients_at(w, u, word)[:, 0]
    k = (w[0] @ word[0] > 0).sum()
    along = gradients[0] @ word[0] / np.linalg.norm(word) * np.sqrt(8 * 6 / k)
    assert float(found.measured["score"]) == pytest.approx(mean_cosine(gradients))
    assert float(found.measured["along"]) == pytest.approx(along)
    check(found.predicted, {"p": 0.5, "score": np.sqrt(2 / (np.pi * 6)), "along": 0})
    smallest = np.linalg.norm(gradients, axis=1).min()
    assumed = {"every copy has a gradient": smallest, "copies drawn apart": apart(w)}
    check(found.assumptions, assumed | {"nothing learned": 1e4 * np.finfo(float).eps})
    claim, values = parts(calibrated_agreement), 4 * VALUES - 2
    by_chance(claim, settings)
    same(claim["along"].cdf, stats.norm.cdf, values, settings=settings)
    wider = claim["along"].families["σ²"](values, settings, 0.2)
    np.testing.assert_allclose(wider, stats.norm.cdf(values, scale=1.2**0.5))
    assert claim["along"].resolution == 0.075


def test_family_wise_error():
    settings = family_wise_error.Settings(
        d=6, width=16, copies=3, words=2, samples=60, planted=5.0, trials=1
    )
    found = on_trial(family_wise_error, settings)
    check(found.predicted, {"error": 0.05, "power": 0.05})
    claim = parts(family_wise_error)
    assert claim["error"].failure(settings) == 0.05
    # Of three pairs, each a |cos| ≥ s = 1 − 2/25 by Student's t of 5 degrees; c = ⌊.05·61/2⌋ = 1.
    s = 0.92
    q = 3 * 2 * stats.t(5).sf(s * np.sqrt(5 / (1 - s**2)))
    assert claim["power"].failure(settings) == pytest.approx(1 - (1 - q) ** 60)
    key_text, key_nets, _, key_plant = jax.random.split(KEY, 4)
    text = np.array(gaussian_points(key_text, 2, 6))
    w, u = drawn_nets(key_nets, 3, 6, 16)
    gradients = gradients_at(w, u, text)
    direction = np.array(jax.random.normal(key_plant, (6,)))
    direction /= np.linalg.norm(direction)
    first = gradients[:, 0]
    shown = first + 5 * np.linalg.norm(first, axis=1, keepdims=True) * direction
    cosines = shown @ direction / np.linalg.norm(shown, axis=1)
    assumed = {
        "every copy has a gradient": np.linalg.norm(gradients, axis=2).min(),
        "copies drawn apart": apart(w),
        "nothing learned": 1e4 * np.finfo(float).eps,
        "planted within arcsin(1/r)": cosines.min() - np.sqrt(1 - 1 / 25),
    }
    check(found.assumptions, assumed)


def test_rotated_copies():
    settings = rotated_copies.Settings(**SMALL | {"samples": 4}, copies=3, draws=50)
    found = on_trial(rotated_copies, settings)
    key_scene, key_plant, key_copies, key_turn, _ = jax.random.split(KEY, 5)
    scene = rotated_copies.plant(settings, draw_scene(settings, key_scene), key_plant)
    starts = draw_copies(settings, jax.random.split(key_copies, 3))
    turns = np.array(rotated_copies.rotations(key_turn, 3, 4))
    gradients, tables, margins, moved = [], [], [], []
    for w, u, turn in zip(np.array(starts.w), np.array(starts.u), turns, strict=True):
        x = np.concatenate([np.array(scene.x)[:, i : i + 4] @ turn.T for i in (0, 4)], axis=1)
        end, _, margin = descend(w, u, x, np.array(scene.y), 2.0, 0.0, 0.5, 2000)
        basis = np.linalg.svd(x)[2][: np.linalg.matrix_rank(x)].T
        moved.append(np.linalg.norm((end - w) @ basis) / np.linalg.norm(w @ basis))
        gradients.append((((end @ x[0] > 0) * u) @ end)[:4])
        tables.append(x)
        margins.append(margin)
    assert float(found.measured["score"]) == pytest.approx(mean_cosine(np.array(gradients)))
    check(found.predicted, {"p": 0.5, "score": np.sqrt(2 / (np.pi * 4))})
    assumed = {
        "every copy has a gradient": np.linalg.norm(gradients, axis=1).min(),
        "copies drawn apart": apart(np.array(starts.w)),
        "tables turned apart": apart(np.array(tables)),
        "margin reached": min(margins) - 0.5,
        "moved on P": min(moved) - 0.1,
    }
    check(found.assumptions, assumed)
    by_chance(parts(rotated_copies), settings)


def test_signed_agreement():
    settings = signed_agreement.Settings(**SMALL, copies=7)
    found = on_trial(signed_agreement, settings)
    key_scene, key_copies = jax.random.split(KEY)
    copies = Copies(settings, (key_scene, jax.random.split(key_copies, 7)), 2.0)
    label = copies.y @ copies.x
    label /= np.linalg.norm(label)
    measured, agreed, gradients = {}, {}, []
    for name, b in (("dead", copies.axes(1)[:, 0]), ("learned", label)):
        a = np.array(
            [
                [(u * (w @ x > 0)) @ w @ b for x in copies.x]
                for w, u in zip(copies.end, copies.u, strict=True)
            ]
        )
        unit = a / np.linalg.norm(a, axis=1, keepdims=True)
        pairs = [(i, j) for i in range(7) for j in range(i)]
        cosines = [unit[i] @ unit[j] for i, j in pairs]
        larger = 0
        for signs in itertools.product((1, -1), repeat=6):
            s = (1, *signs)
            total = sum(s[i] * s[j] * c for (i, j), c in zip(pairs, cosines, strict=True))
            larger += total >= sum(cosines) - 1e-12
        measured[name], agreed[name] = larger / 64, np.mean(cosines)
        gradients.extend(np.linalg.norm(a, axis=1))
    check(found.measured, measured)
    check(found.predicted, {"dead": 0.5, "learned": 1 / (1 + 21 * agreed["learned"] ** 2)})
    assumed = {
        "copies drawn apart": apart(copies.start @ copies.off),
        "every copy has a gradient": min(gradients),
        # 19 over the number of pairs, squared: then the bound is 5 %.
        "copies agree enough on Σ y_j x_j": agreed["learned"] - np.sqrt(19 / 21),
    }
    assumptions = rounded(found.assumptions, KEPT[0], "b off P")
    check(assumptions, assumed | trained_on(copies, settings))
    claim = parts(signed_agreement)
    np.testing.assert_allclose(claim["dead"].cdf(VALUES, settings), VALUES)
    np.testing.assert_allclose(claim["dead"].families["exponent"](VALUES**2, settings, 1.0), VALUES)
    assert claim["dead"].resolution == 0.075 and claim["learned"].failure(settings) == 0
