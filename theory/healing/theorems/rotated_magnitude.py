"""H7: on a rotated P magnitude prunes blindly: what was learned shrinks, and noise leaks onto P.

The companion of H4 for a uniformly random P of dimension d − ℓ, independent of the data's
coordinates in it. Training moved the weights on P and left those off P as drawn, N(0, σ²). Of one
neuron's weights w ∈ R^d magnitude prunes a share, together e. With q = ‖e‖²/‖w‖² in (0, 1),

  e = q·w + √(q − q²)·‖w‖·ξ, and ‖Π_{P^⊥}w‖²/σ² ~ χ²_ℓ:

whatever training did, ξ in coordinates of P and P^⊥ is uniform on the unit sphere of w^⊥, and
independent of Π_P w, Π_{P^⊥}w and q. So what was learned and the noise lose the same share q, but
for a coordinate T = ⟨ξ, Π_P w⟩‖w‖/(‖Π_P w‖‖Π_{P^⊥}w‖) of a uniform direction of R^{d−1}; and on
P, across w, there is an error with ‖Π_{P′}ξ‖² ~ Beta((d−ℓ−1)/2, ℓ/2), P′ = P ∩ w^⊥, whose size is
that of all of w, noise included. Of ‖e‖², qρ + (1 − q)(d − ℓ − ρ)/(d − 1) is on P on average, with
ρ = ‖Π_P w‖²/‖w‖²: near (d − ℓ)/d for small q, be there much to lose or little.

Proof. Let R be orthogonal, uniform (Haar), its first d − ℓ columns B spanning P. Data x = Bc give
every w_iᵀB steps that depend on these, the c, labels and u alone. As W(0)R is Gaussian given R,
y = Rᵀw is independent of R, and its part off P is N(0, σ²I_ℓ). The mask reads w = Ry. Let Q be
orthogonal with Qy = y: RQ has the law of R given y, and the same w, e and q. So the part of Rᵀe
across y, whose norm is √(q − q²)‖w‖, has a direction that no such Q changes in law, given (y, w):
it is uniform on the sphere of y^⊥, of dimension d − 1. P′ has d − ℓ − 1 of these dimensions, and
⟨ξ, Π_P w⟩ is the coordinate along the part of Π_P w across w, of length ‖Π_P w‖‖Π_{P^⊥}w‖/‖w‖. ∎

The mask of another neuron depends on other parts of R: this is said of one at a time, pruned by
rows. Where axes span P, magnitude tells large weights on P from small ones off it: the control.
"""

from dataclasses import dataclass

import jax
import jax.numpy as jnp
import numpy as np
from scipy import stats

from theory.claims import Law
from theory.geometry import off_by_rounding
from theory.healing.masks import magnitude, smallest_of_rows
from theory.healing.theorems import frozen_noise
from theory.healing.theorems.frozen_noise import MOVED, rotated_or_axes, separated
from theory.isotropy import chi_square
from theory.networks import two_layer_relu
from theory.settings import Positive, ProperShare
from theory.theorem import Choice, Control, Theorem, Trial
from theory.training import train_to_margin


@dataclass(frozen=True)
class Settings(frozen_noise.Settings):
    """As in H4, pruned by magnitude."""

    d: int = 12
    ell: int = 8
    width: int = 20
    samples: int = 20
    share: ProperShare = 0.5
    """share of the neuron's weights that is pruned"""
    scale: Positive = 0.5
    """standard deviation σ of the hidden weights at the start, in units of 1/√d"""

    @property
    def sigma(self) -> float:
        """σ."""
        return self.scale * self.d**-0.5


def signal_cdf(values: np.ndarray, settings: Settings, wider: float = 0.0) -> np.ndarray:
    """Of 1 + ``wider`` times a coordinate of a uniform direction of R^{d−1}."""
    shape = (settings.d - 2) / 2
    return stats.beta.cdf((1 + values / (1 + wider)) / 2, shape, shape)


def leak_cdf(values: np.ndarray, settings: Settings, t: float = 0.0) -> np.ndarray:
    """Of Beta((d−ℓ−1)/2, ℓ(1 + t)/2)."""
    on = settings.d - settings.ell - 1
    return stats.beta.cdf(values, on / 2, settings.ell * (1 + t) / 2)


def trial(settings: Settings, key, rotated: Choice = True) -> Trial:
    """Measured: ‖Π_{P^⊥}w‖²/σ², T and ‖Π_{P′}ξ‖² of the first neuron.

    Predicted: their means ℓ, 0 and (d−ℓ−1)/(d−1), for comparison only.
    """
    key_p, key_x, key_rule, key_net = jax.random.split(key, 4)
    d, dim = settings.d, settings.d - settings.ell
    subspace = rotated_or_axes(rotated, key_p, d, dim)
    coordinates, y = separated(key_x, key_rule, settings.samples, dim)
    x = coordinates @ subspace.basis.T
    start = two_layer_relu(key_net, d, settings.width, settings.sigma)
    trained = train_to_margin(start, x, y, settings.margin, steps=settings.steps)
    on_p, off_p = subspace.project, subspace.reject

    w = trained.network.w[0]
    kept = smallest_of_rows(magnitude(w[None]), settings.share)[0]
    e = jnp.where(kept == 0, w, 0)
    square = w @ w
    q = e @ e / square
    xi = (e - q * w) / jnp.sqrt((q - q**2) * square)
    signal, noise = jnp.linalg.norm(on_p(w)), jnp.linalg.norm(off_p(w))
    along = on_p(w) / signal
    leak = on_p(xi) - (xi @ along) * along

    def moved(part):
        return jnp.linalg.norm(part(trained.network.w - start.w)) / jnp.linalg.norm(part(start.w))

    def mean(value):
        return jnp.full((), value, x.dtype)

    on = jnp.sum(subspace.basis**2, axis=1)  # the diagonal of Π_P
    allowed = off_by_rounding(x)
    return Trial(
        measured={
            "noise": (noise / settings.sigma) ** 2,
            "signal": (xi @ along) * jnp.sqrt(square) / noise,
            "leak": leak @ leak,
        },
        predicted={
            "noise": mean(settings.ell),
            "signal": mean(0.0),
            "leak": mean((dim - 1) / (d - 1)),
        },
        assumptions={
            "no axis in P or across it": jnp.min(on * (1 - on)) - allowed,
            "training points in P": allowed - jnp.max(subspace.off_share(x)),
            "margin reached": trained.margin - settings.margin,
            "moved on P": moved(on_p) - MOVED,
            "W_⊥ kept": allowed - moved(off_p),
            "some of w pruned, not all": jnp.minimum(q, 1 - q) - allowed,
        },
    )


theorem = Theorem(
    name="healing.rotated-magnitude",
    statement="P uniform, N trained on P to the margin with W_⊥ as drawn, e the part of a neuron w "
    "pruned by magnitude, q = ‖e‖²/‖w‖², ξ = (e − qw)/(√(q−q²)‖w‖)",
    label="H7",
    provenance="derived",
    claim={
        "noise": chi_square(lambda settings: settings.ell, "‖Π_{P⊥}w‖²/σ² ~ χ²_ℓ", 0.075),
        "signal": Law(
            signal_cdf,
            0.075,
            "T = ⟨ξ, Π_P w⟩‖w‖/(‖Π_P w‖‖Π_{P⊥}w‖): a coordinate of a uniform direction of R^{d−1}",
            {"scale": signal_cdf},
        ),
        "leak": Law(
            leak_cdf,
            0.075,
            "‖Π_{P′}ξ‖² ~ Beta((d−ℓ−1)/2, ℓ/2), P′ = P ∩ w⊥",
            {"ℓ": leak_cdf},
        ),
    },
    presets={
        "smoke": Settings(trials=118),
        "course": Settings(trials=1200),
        "paper": Settings(d=60, ell=45, width=50, samples=30, trials=2000),
    },
    trial=trial,
    control=Control(
        name="P spanned by axes",
        numbers={"rotated": False},
    ),
)
