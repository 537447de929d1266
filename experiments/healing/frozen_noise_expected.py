"""What to expect of masks on networks trained in P, by approximation, for `frozen_noise`.

Take the weights on P for independent N(0, τ²), τ² their measured mean square; τ = σ if nothing was
learned. Let F be the distribution function of |g|, g standard Gaussian, and f its density.
Magnitude prunes below the c with (ℓ/d)F(c/σ) + (1 − ℓ/d)F(c/τ) = s.

- Of what is pruned, (ℓ/d)F(c/σ)/s is off P: ℓ/d if nothing was learned.
- K rows share a threshold: 1, or all m. Redrawing the noise changes how many of its Kℓ weights
  are below c by √(2KℓF(1 − F)) in standard deviation, F = F(c/σ). The threshold moves until the
  total is right again, and a share ρ of the change is made up for on P, where what is pruned only
  grows or shrinks: ρ = a/(a + b) with the densities a = (1 − ℓ/d)f(c/τ)/τ and b = (ℓ/d)f(c/σ)/σ of
  weights at the threshold. So 2ρ√(KℓF(1 − F)/π) of K(d − ℓ) decisions on P flip.
- From a pre-activation at x ∈ P magnitude takes a part with a share e = E[g²; |g| < c/τ] of its
  variance τ²‖x‖², uncorrelated with what is left. If the output weights (Σu² = 1) are independent
  of all that, N² is ½τ²‖x‖² and (N_pruned − N)² is ½τ²‖x‖²·k(e) in the mean, k by the kernel of
  ReLU. What was learned comes on top, as a shift of the weights' means, taken to be the same for
  active and inactive neurons: pruning multiplies a small shift by 1 − E d(w·1[|w| < c])/dw = 1 − e,
  and takes e²(E N² − ½τ²‖x‖²).
- By rows, c is random: what is pruned are the k smallest of n, and e = E[g²; g among them]
  (`taken`). Wanda's are k = sd − ℓ of the n = d − ℓ on P. In rotated coordinates a weight has
  variance v² = (ℓ/d)σ² + (1 − ℓ/d)τ², of which k = sd of n = d are taken: e for the shift, e·v²/τ²
  in k(·).
"""

from dataclasses import dataclass
from typing import NamedTuple

import numpy as np
from scipy import optimize, stats

from experiments.experiment import Arrays
from theory import settings as foundation

MASKS = ("magnitude, layer", "magnitude, rows", "Wanda, rows")
ROTATED = "Wanda, rows, $P$ rotated"
LAYER, ROWS, WANDA = range(3)


@dataclass(frozen=True)
class Settings(foundation.Settings):
    """Two-layer networks on points of a subspace spanned by axes, labelled by a linear rule."""

    d: int = 60
    """input dimension"""
    ells: tuple[int, ...] = (6, 12, 18, 24, 30, 36, 42, 45, 48, 54)
    """values of ℓ = dim P^⊥, rising"""
    width: int = 50
    """neurons m"""
    samples: int = 60
    """training points n, on which masks are calibrated too, and as many test points"""
    scale: float = 1.0
    """standard deviation σ of the hidden weights at initialisation, in units of 1/√d"""
    steps: int = 3000
    """largest number of training steps"""
    margin: float = 1.0
    """stop when every y_j N(x_j) is at least this"""
    sparsities: tuple[float, ...] = (0.5, 0.75)
    """shares s of the hidden weights that are pruned"""
    trials: int = 32
    """networks of every ℓ"""

    def __post_init__(self):
        super().__post_init__()
        if not self.ells or list(self.ells) != sorted(set(self.ells)) or self.ells[-1] >= self.d:
            raise ValueError(f"ells is {self.ells} and must rise and stay below d = {self.d}")
        # Far beyond, double precision cannot solve for one threshold among weights of σ and of τ.
        if not 1e-6 <= self.scale <= 1e6:
            raise ValueError(f"scale is {self.scale} and must be between 1e-6 and 1e6")
        if np.isnan(self.margin):
            raise ValueError("margin is nan and must be a number")
        if not self.sparsities or not all(1 / self.d <= s < 1 for s in self.sparsities):
            raise ValueError(
                f"sparsities is {self.sparsities} and must be between 1/d and 1, to prune something"
            )
        if self.trials < 2:
            raise ValueError(f"trials is {self.trials} and must be at least 2 for an interval")


class Expected(NamedTuple):
    """The approximations of the module's docstring.

    Attributes:
        off: of the weights that magnitude prunes, the share off P.
        flips: of the decisions on P, those of the layer's and of the rows' magnitude that flip.
        change: root mean square of N_pruned − N in units of N's, by curve.
    """

    off: float
    flips: tuple[float, float]
    change: dict[str, float]


def relu_kernel(e: float) -> float:
    """k(e) = 2E(σ(z) − σ(z′))², z standard Gaussian, z − z′ of variance e and independent of z′.

    Example:
        >>> relu_kernel(0.0), relu_kernel(1.0), round(relu_kernel(0.01), 4)
        (0.0, 1.0, 0.0098)
    """
    r = np.sqrt(1 - e)
    angle = np.arccos(r)
    return float(2 - e - 2 * r * (np.sin(angle) + (np.pi - angle) * r) / np.pi)


def taken(n: int, k: int) -> float:
    """E[g²; |g| is among the k smallest of n], g one of n independent standard Gaussians.

    Given |g| = F⁻¹(p), the number of smaller ones is binomial.

    Example:
        >>> taken(50, 0), round(taken(50, 50), 2), round(taken(50, 25), 3)
        (0.0, 1.0, 0.077)
    """
    p = (np.arange(10_000) + 0.5) / 10_000
    return float(np.mean(stats.halfnorm.ppf(p) ** 2 * stats.binom.cdf(k - 1, n - 1, p)))


def expected(settings: Settings, ell: int, sparsity: float, moved: float, size: float) -> Expected:
    """What to expect for weights N(0, σ²) off P and N(0, (``moved``·σ)²) on P, E N² = ``size``.

    Example:
        >>> nothing_learned = expected(Settings(), 30, 0.5, 1.0, 0.5)
        >>> round(nothing_learned.off, 4), round(nothing_learned.flips[1], 4)
        (0.5, 0.0515)
    """
    law, share = stats.halfnorm, ell / settings.d

    def excess(c):
        return share * law.cdf(c) + (1 - share) * law.cdf(c / moved) - sparsity

    # In units of σ, as are all scales of weights here.
    c = float(optimize.brentq(excess, 0, 40 * max(1.0, moved)))  # pyright: ignore[reportArgumentType]
    below = law.cdf(c)
    a, b = (1 - share) * law.pdf(c / moved) / moved, share * law.pdf(c)

    def flips(rows):
        spread = np.sqrt(rows * ell * below * (1 - below) / np.pi)
        return float(2 * a / (a + b) * spread / (rows * (settings.d - ell)))

    random = min(size, settings.scale**2 * moved**2 / 2)

    def change(e, variance):
        kernel = relu_kernel(min(1.0, e * variance / moved**2))
        return float(np.sqrt((random * kernel + e**2 * (size - random)) / size))

    row = int(sparsity * settings.d + 1e-9)  # as `smallest_of_rows` rounds
    return Expected(
        off=float(share * below / sparsity),
        flips=(flips(settings.width), flips(1)),
        change={
            MASKS[LAYER]: change(stats.chi2.cdf((c / moved) ** 2, 3), moved**2),
            MASKS[WANDA]: change(taken(settings.d - ell, row - ell), moved**2),
            ROTATED: change(taken(settings.d, row), share + (1 - share) * moved**2),
        },
    )


def expectations(arrays: Arrays, settings: Settings, sparsity: float) -> list[Expected]:
    """`expected` at every ℓ, for the measured mean squares of the weights on P and of N."""
    moved = np.sqrt((arrays["moved"] ** 2).mean(axis=1))
    size = arrays["size"].mean(axis=1)
    return [
        expected(settings, ell, sparsity, *at)
        for ell, *at in zip(settings.ells, moved, size, strict=True)
    ]


def shares(settings: Settings) -> np.ndarray:
    """ℓ/d of every ℓ."""
    return np.array(settings.ells) / settings.d
