"""S6 and S7 as the paper means them, more robust: flips off P are as far as 1/β and 1/c_T.

Proof. By S5 no z ∈ P^⊥ shorter than r = |N(x₀)|/‖W_⊥‖_op flips x₀, for ‖u‖ = 1. Begun at
N(0, β²I) the weights off P are a frozen Gaussian m×ℓ matrix of deviation β, with decay one of
deviation σ|c_T| (S7). Davidson and Szarek (2001) bound its norm by β(√m + √ℓ + t), and by
σ|c_T|(√m + √ℓ + t), but for probability e^{−t²/2}. So r, and every flip, is at least
|N(x₀)|/(β(√m + √ℓ + t)): at a given |N(x₀)| it grows as 1/β, and likewise as 1/|c_T|. ∎
"""

from dataclasses import replace
from math import exp

import jax
import jax.numpy as jnp
import optax

from theory.claims import AtLeast
from theory.geometry import off_by_rounding
from theory.subspace.assumptions import (
    assumptions,
    left_by_decay,
    rows_uncorrelated,
    smallest,
    stated_decay,
)
from theory.subspace.flip import certified_radius, nearest_flip, universal_direction
from theory.subspace.gradient import off_subspace_gradient
from theory.subspace.scene import draw_scene, parallel_rows, train_scene, with_decay_factor
from theory.subspace.theorems.operator_norm import NormSettings
from theory.theorem import Choice, Control, Theorem, Trial

LEFT = 0.2
"""c_T, what decay leaves of the weights off P."""


def trial(settings: NormSettings, key, parallel: Choice = False) -> Trial:
    """Measured: the nearest flip found and `certified_radius`, at small β and after decay.

    Predicted: |N(x₀)|/(β(√m + √ℓ + t)) with β the settings' scale; |N(x₀)|/(σ|c_T|(√m + √ℓ + t))
    with σ = 1/√d.
    """
    decayed = with_decay_factor(replace(settings, scale=None), LEFT)
    measured, predicted, margins, given = {}, {}, {}, jnp.asarray(True)
    for name, used in (("β", settings), ("c_T", decayed)):
        key, key_z = jax.random.split(jax.random.fold_in(key, len(measured)))
        scene = draw_scene(used, key)
        scene = optax.tree.where(parallel, parallel_rows(scene), scene)
        trained = train_scene(used, scene)
        net, x0, plane = trained.network, scene.x0, scene.subspace
        gradient = off_subspace_gradient(net, x0, plane.basis)
        random = plane.reject(jax.random.normal(key_z, (8, used.d)))
        named = jnp.stack([gradient, universal_direction(net, plane)])
        found = nearest_flip(net, x0, plane, jnp.concatenate([named, -named, random]))
        left = left_by_decay(used, trained)
        spread = used.width**0.5 + used.ell**0.5 + settings.t
        bound = jnp.abs(net(x0)) / (used.sigma * jnp.abs(left) * spread)
        measured |= {f"flip, {name}": found, f"radius, {name}": certified_radius(net, x0, plane)}
        predicted |= {f"flip, {name}": bound, f"radius, {name}": bound}
        given = given & jnp.isfinite(found)
        own = {"rows of W_⊥ uncorrelated": rows_uncorrelated(scene)}
        if used is decayed:
            own |= stated_decay(used, used, scene, trained)
            own["|c_T| at most a fifth"] = LEFT + off_by_rounding(left) - jnp.abs(left)
        else:
            own |= assumptions(used, scene, trained)
        margins = smallest(margins, own)
    return Trial(measured, predicted, margins, given)


def failure(settings: NormSettings) -> float:
    """e^{−t²/2}."""
    return exp(-(settings.t**2) / 2)


def small(ell: int, t: float, trials: int) -> NormSettings:
    """β = 0.1/√d."""
    d = ell + 10
    return NormSettings(ell=ell, d=d, t=t, scale=0.1 / d**0.5, trials=trials)


theorem = Theorem(
    name="subspace.farther-flips",
    statement="each with probability ≥ 1 − e^{−t²/2}, u_i = ±1/√m, at x₀ ∈ P, trained on points of "
    "P: begun at N(0, β²I) without decay, or at N(0, σ²I) with decay, c_T = (1−ηλ)^T",
    label="S6, S7 (the robust side of Theorems 6.1 and 6.2)",
    provenance="derived",
    claim={
        "flip, β": AtLeast(failure, says="nearest flip found ≥ |N(x₀)|/(β(√m + √ℓ + t))"),
        "radius, β": AtLeast(failure, says="certified radius ≥ |N(x₀)|/(β(√m + √ℓ + t))"),
        "flip, c_T": AtLeast(failure, says="nearest flip found ≥ |N(x₀)|/(σ|c_T|(√m + √ℓ + t))"),
        "radius, c_T": AtLeast(failure, says="certified radius ≥ |N(x₀)|/(σ|c_T|(√m + √ℓ + t))"),
    },
    presets={
        "smoke": small(32, 2.0, 68),
        "course": small(48, 2.5, 160),
        "paper": small(74, 3.1, 850),
    },
    trial=trial,
    control=Control(
        name="parallel rows of W_⊥",
        numbers={"parallel": True},
    ),
)
