"""U8, linear: the exact test error of an unlearned predictor on a Gaussian mixture.

On x = yμ + N(0, I_d/d), y = ±1, a linear predictor w' that was learned and unlearned on other
points errs with probability Q(√d⟨w', μ⟩/‖w'‖), Q the upper tail of the standard Gaussian.

Proof. Given w', y⟨w', x⟩ = ⟨w', μ⟩ + y⟨w', z⟩ with z ~ N(0, I_d/d) independent of w' and y, and
y⟨w', z⟩ ~ N(0, ‖w'‖²/d). The predictor errs where the sum is negative. ∎

So the number of errors k on N fresh points is Bin(N, p) given w', with p known. If F is its
distribution function and V is uniform, then U = F(k − 1) + V·(F(k) − F(k − 1)) is uniform on [0, 1]
given w', hence without: one law for all predictors (the randomised integral transform). It is the
law of any predictor that has not seen the fresh points, unlearned or not; that unlearning keeps the
error is another statement. A point that is no support vector is forgotten for nothing: draws with
λ_r below a tenth of the largest multiplier are no trials.

‖μ‖ = c·d^{−1/4} keeps the error away from 0 and ½: a trained predictor is near Σ_i y_i x_i, whose
signal ⟨w, μ⟩√d/‖w‖ is then about c²√m.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.special import betainc
from jax.scipy.stats import norm
from jaxtyping import Array, Float, Key

from theory import settings as foundation
from theory.claims import Law
from theory.networks import Linear
from theory.sampling import gaussian_mixture, mixture_points
from theory.settings import Count, NonNegative, Positive, Sample
from theory.theorem import Control, Number, Theorem, Trial
from theory.unlearning.gradient_ascent import gradient_ascent
from theory.unlearning.kkt import kkt
from theory.unlearning.margin import train_to_large_margin
from theory.unlearning.steps import step_taken

VARIANCE_OFF = 0.05
"""By how much the fresh points' variance may differ from what is believed: over 7 of its errors."""


@dataclass(frozen=True)
class Settings(foundation.Settings):
    """A linear predictor on a Gaussian mixture, which forgets one point."""

    d: Count = 500
    """input dimension"""
    samples: Sample = 20
    """training points m, of which one is forgotten and one at least is kept"""
    separation: NonNegative = 0.5
    """c: the mean has norm c·d^(-1/4)"""
    margin: Positive = 100.0
    """train until every y_i N(x_i) is at least this"""
    fresh: Count = 500
    """test points N"""

    def __post_init__(self):
        super().__post_init__()
        if self.samples >= self.d:
            raise ValueError(
                f"samples is {self.samples} and must be below d = {self.d}, so that the points "
                "can be separated"
            )


def binomial_cdf(k: Float[Array, ""], n: Float[Array, ""], p: Float[Array, ""]) -> Float[Array, ""]:
    """P(Bin(n, p) ≤ k) for a whole number −1 ≤ k ≤ n, by the incomplete beta function.

    Example:
        >>> k, n, p = jnp.array([0.0, 1.0, 2.0]), jnp.array(2.0), jnp.array(0.5)
        >>> jax.vmap(lambda k: binomial_cdf(k, n, p))(k).round(4).tolist()
        [0.25, 0.75, 1.0]
    """
    inside = betainc(jnp.maximum(n - k, 1), jnp.maximum(k + 1, 1), 1 - p)
    return jnp.where(k < 0, 0, jnp.where(k >= n, 1, inside))


def signal(w: Float[Array, " d"], mean: Float[Array, " d"]) -> Float[Array, ""]:
    """√d⟨w, μ⟩/‖w‖, of which Φ is the exact accuracy of a linear predictor on the mixture.

    Example:
        >>> float(signal(jnp.array([2.0, 0, 0, 0]), jnp.array([0.5, 1, 0, 0])))
        1.0
    """
    return len(mean) ** 0.5 * (w @ mean) / jnp.linalg.norm(w)


def trial(settings: Settings, key: Key[Array, ""], noise: Number = 1.0) -> Trial:
    """Measured: the integral transform of the number of errors. Predicted: ½, its mean.

    The noise of the fresh points is ``noise`` times what is believed.
    """
    key_data, key_fresh, key_v = jax.random.split(key, 3)
    d = settings.d
    data = gaussian_mixture(key_data, settings.samples, d, settings.separation * d**-0.25)
    start = Linear(jnp.zeros(d, data.x.dtype))
    trained = train_to_large_margin(start, data.x, data.y, settings.margin)
    net = trained.network
    explained = kkt(net, data.x, data.y)
    w = gradient_ascent(net, data.x, data.y, 0, explained=explained).w
    step = explained.scale * explained.multipliers[0] * data.y[0] * data.x[0]

    fresh = mixture_points(key_fresh, data.mean, settings.fresh)
    centres = fresh.y[:, None] * data.mean[None, :]
    x = centres + noise * (fresh.x - centres)
    variance = jnp.sum((x - centres) ** 2) / settings.fresh  # d times that of a coordinate
    errors = jnp.sum(fresh.y * (x @ w) < 0).astype(w.dtype)

    p = norm.sf(signal(w, data.mean))
    n = jnp.asarray(settings.fresh, w.dtype)
    below, upto = binomial_cdf(errors - 1, n, p), binomial_cdf(errors, n, p)
    return Trial(
        measured=below + jax.random.uniform(key_v, dtype=w.dtype) * (upto - below),
        predicted=jnp.full((), 0.5, w.dtype),
        assumptions={
            "margin reached": trained.margin / settings.margin - 1,
            "noise N(0, I/d)": VARIANCE_OFF - jnp.abs(variance - 1),
        }
        | step_taken(net.w, w, step),
        given=explained.multipliers[0] >= 0.1 * jnp.max(explained.multipliers),
    )


theorem = Theorem(
    name="unlearning.mixture-error",
    statement="linear, x = ±μ + N(0, I/d) fresh: errors of the unlearned w' on N points "
    "~ Bin(N, Q(√d⟨w', μ⟩/‖w'‖)), where λ_r ≥ .1λ_max",
    label="U8 (the exact error behind Theorem 5.1)",
    provenance="derived",
    claim=Law(cdf=lambda values, settings: np.clip(values, 0, 1), resolution=0.075),
    presets={
        "smoke": Settings(d=200, fresh=200, trials=40),
        "course": Settings(d=500, fresh=500, trials=800),
        "paper": Settings(d=2000, fresh=1000, trials=2000),
    },
    trial=trial,
    control=Control(
        name="noise 1.25 times as large",
        numbers={"noise": 1.25},
    ),
)
