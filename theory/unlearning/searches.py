"""Where the worst cases of U3, U6 and U7 are looked for: any data, weights and multipliers.

U3 and U6 are searched off kinks, which their statements allow.
"""

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
from jaxtyping import Array, Float, Key

from theory.networks import TwoLayerReLU, two_layer_relu
from theory.theorem import Search, Trial
from theory.unlearning import recomputed
from theory.unlearning.certified import judged
from theory.unlearning.kkt import conditions, kkt
from theory.unlearning.lyu_li import decayed
from theory.unlearning.pattern import autograd_pattern
from theory.unlearning.planted import FreeScene, plant_free, start_free
from theory.unlearning.settings import Settings
from theory.unlearning.vcurve import FRACTIONS, sandwiched

LARGEST = 100.0
"""‖θ₀‖ of a planted network in units in which its smallest margin is one, at the most."""

SMALLEST = 1e-4
"""What is promised of a planted network, at the least."""

ASIDE = 0.1
"""The least part of a planted network that is off the span, over ‖w‖."""


def try_certificate(settings: Settings, scene: FreeScene) -> Trial:
    """U3 of any network, with any multipliers and no kinks: s = 0.

    What rounding alone would decide is no trial.

    Example:
        >>> settings = Settings(samples=3, width=4)
        >>> trial = try_certificate(settings, start_free(settings, jax.random.key(0)))
        >>> trial.predicted["margin"].item()
        1.0
    """
    x, y, net, lam = plant_free(scene)
    explained = conditions(net, x, y, lam)
    found = judged(net, x, y, explained)
    least = jnp.min(jnp.stack(list(found.predicted.values())))
    sized = jnp.linalg.norm(net.w) <= LARGEST * explained.scale
    return found._replace(given=found.given & sized & (least >= SMALLEST))


def check_certificate(settings: Settings, scene: FreeScene) -> Trial:
    """The same in NumPy, multipliers found anew by SciPy.

    Example:
        >>> settings = Settings(samples=3, width=4)
        >>> trial = check_certificate(settings, start_free(settings, jax.random.key(0)))
        >>> trial.predicted["margin"].item()
        1.0
    """
    net = recomputed.free(scene)
    (_, u, x, y, _), before = net, recomputed.conditions(net)
    w, lam, weights = before.w, before.lam, before.weights
    seen = recomputed.project(x[0], x[1:])
    gone, kept = (recomputed.terms(u, weights[:, :1], at[None], y[:1]) for at in (x[0], seen))
    proof, distance = w - gone + kept, recomputed.norm(kept)
    z = proof @ x[1:].T
    q = y[1:] * (u @ np.maximum(z, 0))
    _, anew = recomputed.nearest(proof, u, z > 0, x[1:], y[1:])
    sine = distance / recomputed.norm(proof)
    predicted = {
        "ε": before.epsilon + distance,
        "ε anew": before.epsilon + distance,
        "δ": before.delta,
        "margin": np.float64(1),
        "τ": 2 * np.sin(np.arcsin(min(sine, 1)) / 2) ** 2,
    }
    sized = recomputed.norm(w) <= LARGEST and min(predicted.values()) >= SMALLEST
    return Trial(
        {
            "ε": recomputed.norm(proof - recomputed.terms(u, weights[:, 1:], x[1:], y[1:])),
            "ε anew": anew,
            "δ": (lam[1:] * (q - 1)).max(),
            "margin": q.min(),
            "τ": recomputed.angle(w - gone, proof),
        },
        predicted,
        {"‖θ − θ₀‖ ≤ .01‖θ‖": np.float64(0.01)} | recomputed.step_taken(w, w - gone, gone),
        given=bool(lam[0] >= lam.max() / 10 and sine < 1 and sized),
    )


certificate = Search(Settings(samples=3, width=4), start_free, try_certificate, check_certificate)


class Curve(NamedTuple):
    """A network on any data, and a step.

    Attributes:
        planted: the network, whose multipliers are found anew.
        fraction: the nearest integer numbers one of `FRACTIONS`.
    """

    planted: FreeScene
    fraction: Float[Array, ""]


def start_curve(settings: Settings, key: Key[Array, ""]) -> Curve:
    """A random network and a random step.

    Example:
        >>> bool(start_curve(Settings(samples=3, width=4), jax.random.key(0)).fraction <= 7)
        True
    """
    key_planted, key_fraction = jax.random.split(key)
    last = len(FRACTIONS) - 1.0
    fraction = jax.random.uniform(key_fraction, (), float, maxval=last)
    return Curve(start_free(settings, key_planted), fraction)


def try_curve(settings: Settings, scene: Curve) -> Trial:
    """U6 of any network without kinks whose residual is not all along the points.

    Otherwise the search ends where ε(t) is 0 but for the error of the solver.

    Example:
        >>> settings = Settings(samples=3, width=4)
        >>> trial = try_curve(settings, start_curve(settings, jax.random.key(0)))
        >>> bool(trial.predicted["lower"] <= trial.measured["lower"])
        True
    """
    x, y, net, _ = plant_free(scene.planted)
    n = len(net.w)
    off = jnp.abs(net.w[:, -1]) + ASIDE / n**0.5 * jnp.linalg.norm(net.w)
    net = net._replace(w=net.w.at[:, -1].set(off))
    number = jnp.clip(jnp.round(scene.fraction), 0, len(FRACTIONS) - 1).astype(int)
    explained = kkt(net, x, y, pattern=autograd_pattern(net, x))
    return sandwiched(explained, x, y, jnp.array(FRACTIONS, x.dtype)[number])


def check_curve(settings: Settings, scene: Curve) -> Trial:
    """The same in NumPy, multipliers found by SciPy.

    Example:
        >>> settings = Settings(samples=3, width=4)
        >>> trial = check_curve(settings, start_curve(settings, jax.random.key(0)))
        >>> bool(trial.predicted["lower"] <= trial.measured["lower"])
        True
    """
    w, u, x, y, _ = recomputed.free(scene.planted)
    n = len(w)
    t = FRACTIONS[int(np.clip(np.round(scene.fraction), 0, len(FRACTIONS) - 1))]
    w[:, -1] = np.abs(w[:, -1]) + ASIDE * recomputed.norm(w) / np.sqrt(n)
    gates = w @ x.T > 0
    scale = (y * (u @ np.maximum(w @ x.T, 0))).min()
    lam, epsilon = recomputed.nearest(w / scale, u, gates, x, y)
    gone = np.outer(u * gates[:, 0] * lam[0] * y[0], x[0])
    after = w / scale - t * gone
    smallest = (y * (u @ np.maximum(after @ x.T, 0)))[1:].min()
    _, found = recomputed.nearest(after / smallest, u, gates[:, 1:], x[1:], y[1:])
    off = x[0] - recomputed.project(x[0], x[1:])
    amplitude = recomputed.norm(lam[0] * gates[:, 0] * u)
    sides = {
        side: np.sqrt(epsilon**2 + ((1 - t) * amplitude * recomputed.norm(part)) ** 2) / smallest
        for side, part in (("lower", off), ("upper", x[0]))
    }
    taken = recomputed.step_taken(w / scale, after, t * gone)
    return Trial(
        {"lower": found, "upper": found},
        sides,
        {
            "retained margins positive": smallest,
            "step moved w": taken["step moved w"],
            "β = tβ*": taken["β = β*"],
        },
        given=bool(lam[0] >= lam.max() / 10),
    )


sandwich = Search(Settings(samples=3, width=4), start_curve, try_curve, check_curve)


class AnyWeights(NamedTuple):
    """Any weights, which label the points themselves.

    Attributes:
        x: points.
        network: with weights over the exponential of ``stretch``.
        stretch: a logarithm.
    """

    x: Float[Array, "samples d"]
    network: TwoLayerReLU
    stretch: Float[Array, ""]


def start_any_weights(settings: Settings, key: Key[Array, ""]) -> AnyWeights:
    """Gaussian points and a network at initialisation.

    Example:
        >>> start_any_weights(Settings(d=3, samples=2, width=4), jax.random.key(0)).x.shape
        (2, 3)
    """
    key_x, key_net = jax.random.split(key)
    x = jax.random.normal(key_x, (settings.samples, settings.d))
    network = two_layer_relu(key_net, settings.d, settings.width)
    return AnyWeights(x, network, jnp.zeros((), x.dtype))


def try_any_weights(settings: Settings, scene: AnyWeights) -> Trial:
    """U7 of these weights.

    Example:
        >>> settings = Settings(d=3, samples=2, width=4)
        >>> trial = try_any_weights(settings, start_any_weights(settings, jax.random.key(0)))
        >>> bool(trial.measured < trial.predicted)
        True
    """
    net = scene.network._replace(w=jnp.exp(scene.stretch) * scene.network.w)
    return decayed(net, scene.x, jnp.sign(net(scene.x)))


def check_any_weights(settings: Settings, scene: AnyWeights) -> Trial:
    """The same in NumPy, the largest slope divided out of all.

    Example:
        >>> settings = Settings(d=3, samples=2, width=4)
        >>> trial = check_any_weights(settings, start_any_weights(settings, jax.random.key(0)))
        >>> bool(trial.measured < trial.predicted)
        True
    """
    x, (w, u) = np.asarray(scene.x), map(np.asarray, scene.network)
    w = np.exp(scene.stretch) * w
    z = w @ x.T
    outputs = u @ np.maximum(z, 0)
    y, q = np.sign(outputs), np.abs(outputs)
    slopes = np.exp(q.min() - q)
    columns = range(len(x))
    each = [slopes[i] * y[i] * np.outer(u * (z[:, i] > 0), x[i]) for i in columns]
    gamma = q.min() / recomputed.norm(w)
    lam = slopes / (gamma * recomputed.norm(np.sum(each, axis=0)))
    return Trial(
        sum(lam[i] * (q[i] - q.min()) / q.min() for i in columns),
        (len(x) - 1) / gamma**2 / np.e / q.min(),
        {"all q_i > 0": q.min(), "|ℓ'(q)| ∝ e^{−q}": 1e-9 * q.max()},
    )


any_weights = Search(
    Settings(d=3, samples=2, width=4), start_any_weights, try_any_weights, check_any_weights
)
"""Two points: with more the bound is looser, since each adds to ‖∇ℒ‖ too, which the proof leaves
out."""
