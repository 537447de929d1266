"""Theorems whose truth is known, to put the engine itself on trial."""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
from scipy import stats

from theory.claims import AtLeast, AtMost, Identity, Law, Scaling
from theory.settings import Settings
from theory.theorem import Control, Theorem, Trial


@dataclass(frozen=True)
class Toy(Settings):
    """|z| of a Gaussian against a bound."""

    delta: float = 0.05
    factor: float = 1.0
    sizes: tuple[int, ...] = (4, 8, 16, 32, 64, 128)


def quantile(settings):
    """The exact bound: |z| exceeds it with probability δ."""
    return float(stats.norm.isf(settings.delta / 2)) * settings.factor


def gaussian(settings, key, spread=1.0):
    measured = spread * jnp.abs(jax.random.normal(key))
    bound = jnp.asarray(quantile(settings), measured.dtype)
    assumptions = {"δ < 1": 1.0 - settings.delta, "spread 1": -abs(spread - 1.0)}
    margins = {name: jnp.asarray(x, measured.dtype) for name, x in assumptions.items()}
    return Trial(measured, bound, margins)


def squared(settings, key, spread=1.0):
    """The bound that forgot a square root: |z| compared with the square of its bound's root."""
    trial = gaussian(settings, key, spread)
    return trial._replace(predicted=jnp.sqrt(trial.predicted))


def norms(settings, key, exponent=0.5):
    """‖g‖ of a Gaussian in R^n grows as √n."""
    largest = max(settings.sizes)
    noise = jax.random.normal(key, (len(settings.sizes), largest))
    sizes = jnp.asarray(settings.sizes)
    inside = jnp.arange(largest)[None, :] < sizes[:, None]
    norm = jnp.linalg.norm(jnp.where(inside, noise, 0), axis=1)
    predicted = sizes.astype(norm.dtype) ** exponent
    return Trial(norm, predicted, {"norms": jnp.asarray(True)})


def rounding(settings, key, error=0.0):
    x = jax.random.normal(key, (50,))
    norm = jnp.linalg.norm(x)
    doubled = jnp.linalg.norm(x + x) * (1 + error)
    exact = jnp.asarray(error == 0)
    return Trial(jnp.abs(doubled - 2 * norm), norm, {"no error": exact})


def spectral(settings, key, error=0.0):
    """The largest eigenvalue of zzᵀ, as LAPACK finds it, is ‖z‖²."""
    z = jax.random.normal(key, (50,))
    largest = jnp.linalg.eigvalsh(jnp.outer(z, z))[-1] * (1 + error)
    exact = jnp.asarray(error == 0)
    return Trial(jnp.abs(largest - z @ z), z @ z, {"no error": exact})


def unnoticed(trial):
    """An error of which the assumptions say nothing."""
    return trial._replace(assumptions={"no error": jnp.asarray(True)})


def unmet(settings, key):
    trial = gaussian(settings, key)
    impossible = jnp.asarray(-0.25, trial.measured.dtype)
    return trial._replace(assumptions=trial.assumptions | {"impossible": impossible})


def lower(settings, key, spread=1.0):
    """|z| is above its lower quantile."""
    trial = gaussian(settings, key, spread)
    bound = float(stats.norm.ppf(0.5 + settings.delta / 2)) * settings.factor
    return trial._replace(predicted=jnp.asarray(bound, trial.measured.dtype))


def fails(settings):
    return settings.delta


def make(name, claim, trial, control, **settings):
    return Theorem(
        name=f"toy.{name}",
        statement=name,
        label="toy",
        provenance="derived",
        claim=claim,
        presets={"smoke": Toy(trials=300, **settings)},
        trial=trial,
        control=Control(name="broken", trial=control),
    )


def wide(settings, key):
    return gaussian(settings, key, spread=4.0)


def halved(trial, below=0.1):
    """Loose bounds on both sides, or a false one below."""
    predicted = {
        "above": 2 * trial.predicted["above"],
        "below": below * trial.predicted["below"],
    }
    return trial._replace(predicted=predicted)


def tiny(settings, key):
    return lower(settings, key, spread=0.01)


SPECTRAL = make(
    "spectral", Identity(), spectral, lambda s, k: unnoticed(spectral(s, k, error=1e-9))
)
"""Both of its programs call LAPACK, as those of the suite do not."""

BANK = {
    # (theorem, statuses that are right)
    "exact bound": (make("exact", AtMost(fails), gaussian, wide), {"inconclusive", "verified"}),
    "loose bound": (make("loose", AtMost(fails), gaussian, wide, factor=2.0), {"verified"}),
    "loose lower bound": (make("lower", AtLeast(fails), lower, tiny, factor=0.1), {"verified"}),
    "vacuous bound": (
        make("vacuous", AtMost(fails), gaussian, lambda s, k: gaussian(s, k, 1e9), factor=1e7),
        {"verified"},
    ),
    "false by a missing square root": (
        make("root", AtMost(fails), squared, lambda s, k: squared(s, k, 4.0)),
        {"falsified"},
    ),
    "assumption fails": (make("unmet", AtMost(fails), unmet, wide), {"not applicable"}),
    "deterministic identity": (
        make("identity", Identity(), rounding, lambda s, k: rounding(s, k, 1e-9)),
        {"verified"},
    ),
    "false identity": (
        make("off", Identity(), lambda s, k: unnoticed(rounding(s, k, 1e-12)), wide),
        {"falsified"},
    ),
    "law": (
        make(
            "law",
            Law(lambda v, s: stats.halfnorm.cdf(v)),
            gaussian,
            lambda s, k: gaussian(s, k, 2.0),
        ),
        {"verified"},
    ),
    "law of another spread": (
        make(
            "spread",
            Law(lambda v, s: stats.halfnorm.cdf(v, scale=1.5)),
            gaussian,
            wide,
        ),
        {"falsified"},
    ),
    "two parts": (
        make(
            "parts",
            {"above": AtMost(fails, says="|z| ≤ 2q"), "below": AtLeast(fails, says="|z| ≥ q'/10")},
            lambda s, k: halved(two_parts(s, k)),
            lambda s, k: two_parts(s, k, 4.0),
        ),
        {"verified"},
    ),
    "one part of two false": (
        make(
            "half",
            {"above": AtMost(fails), "below": AtLeast(fails)},
            lambda s, k: halved(two_parts(s, k), below=100.0),
            lambda s, k: two_parts(s, k, 4.0),
        ),
        {"falsified"},
    ),
    "scaling": (
        make("scaling", Scaling(0.5, 0.05, power=2.0), norms, lambda s, k: gaussian_sizes(s, k)),
        {"consistent"},
    ),
    "scaling with a wrong exponent": (
        make("exponent", Scaling(0.6, 0.05, power=2.0), norms, lambda s, k: gaussian_sizes(s, k)),
        {"falsified"},
    ),
}


def gaussian_sizes(settings, key):
    """A quantity that does not grow at all."""
    trial = norms(settings, key)
    flat = trial.measured / trial.predicted
    return trial._replace(measured=flat, assumptions={"norms": jnp.asarray(False)})


def two_parts(settings, key, spread=1.0):
    """|z| between a lower and an upper quantile, each its own part."""
    upper, low = gaussian(settings, key, spread), lower(settings, key, spread)
    return upper._replace(
        measured={"above": upper.measured, "below": low.measured},
        predicted={"above": upper.predicted, "below": low.predicted},
    )
