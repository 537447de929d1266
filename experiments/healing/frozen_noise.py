"""How much of a mask is decided by frozen noise: magnitude against activations, on data in P.

Two-layer ReLU networks are trained on inputs from a subspace P spanned by d − ℓ of d coordinate
axes, which leaves the weights off P as they were drawn, N(0, σ²). A mask then prunes a share s: by
magnitude, of the whole layer or of every row, or by Wanda's |W_ij|·‖X_j‖ of every row.

Exact (H4): Wanda prunes the weights off P first. They are min(1, (ℓ/d)/s) of what it prunes, the
network on P is the dense one for ℓ/d ≥ s, and no decision on P depends on the noise. The control
turns the coordinates: the same networks and data, but P is no longer spanned by axes.

Approximate (`expected`): take the weights on P for independent N(0, τ²), τ² their measured mean
square; τ = σ if nothing was learned. Let F be the distribution function of |g|, g standard
Gaussian, and f its density. Magnitude prunes below the c with (ℓ/d)F(c/σ) + (1 − ℓ/d)F(c/τ) = s.

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
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import matplotlib.pyplot as plt
import numpy as np
import optax
from jaxtyping import Array
from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.lines import Line2D
from scipy import optimize, stats

from experiments.experiment import STYLE, Arrays, Experiment, Progress
from experiments.panels import BLUE, GREEN, PURPLE, VERMILION, error_bars, mean_interval
from theory import theorem as foundation
from theory.ensemble import ensemble
from theory.geometry import orthonormalise
from theory.healing.masks import apply_masks, magnitude, smallest, smallest_of_rows, wanda
from theory.networks import TwoLayerReLU, two_layer_relu
from theory.theorem import Source
from theory.training import train_in_span

MASKS = ("magnitude, layer", "magnitude, rows", "Wanda, rows")
ROTATED = "Wanda, rows, $P$ rotated"
LOOKS = {
    MASKS[0]: (BLUE, "s", 3.0, BLUE),
    MASKS[1]: (GREEN, "o", 5.5, "none"),
    MASKS[2]: (VERMILION, "D", 3.0, VERMILION),
    ROTATED: (PURPLE, "^", 3.5, PURPLE),
}
"""Colour, marker, its size and its face, of every curve."""
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
        if not 0 < self.scale < np.inf:
            raise ValueError(f"scale is {self.scale} and must be positive and finite")
        if not self.sparsities or not all(1 / self.d <= s < 1 for s in self.sparsities):
            raise ValueError(
                f"sparsities is {self.sparsities} and must be between 1/d and 1, to prune something"
            )
        if self.trials < 2:
            raise ValueError(f"trials is {self.trials} and must be at least 2 for an interval")


def trial(settings: Settings, ell, key) -> dict[str, Array]:
    """One network at ℓ = ``ell``, which may be traced; what every mask does to it.

    Returns:
        ``moved`` τ/σ; ``size`` the mean of N² at test points; ``margin`` reached; and of shape
        (sparsities, masks): ``off`` the share of the pruned weights that are off P, ``flips`` the
        share of the decisions on P that differ when the noise is redrawn, ``change``
        ‖N_pruned − N‖/‖N‖ over test points, with one more column for the rotated P.
    """
    key_p, key_x, key_rule, key_net, key_again, key_turn = jax.random.split(key, 6)
    d, n = settings.d, settings.samples
    on = jnp.argsort(jax.random.uniform(key_p, (d,))) >= ell
    points = jnp.where(on[None, :], jax.random.normal(key_x, (2 * n, d)), 0)
    points = points * (d**0.5 / jnp.linalg.norm(points, axis=1, keepdims=True))
    y = jnp.where(points @ jax.random.normal(key_rule, (d,)) > 0, 1.0, -1.0).astype(points.dtype)
    x, test = points[:n], points[n:]
    sigma = settings.scale * d**-0.5
    trained = train_in_span(
        two_layer_relu(key_net, d, settings.width, sigma),
        x,
        y[:n],
        optimizer=optax.sgd(4 / d),
        steps=settings.steps,
        margin=settings.margin,
    )
    w, u = trained.network
    again = two_layer_relu(key_again, d, settings.width, sigma).w
    redrawn = jnp.where(on[None, :], w, again)
    turn = orthonormalise(jax.random.normal(key_turn, (d, d)))
    dense = trained.network(test)

    def share(chosen, among):
        return jnp.sum(chosen & among[None, :]) / jnp.maximum(jnp.sum(chosen), 1)

    def change(weights, mask, inputs):
        pruned = TwoLayerReLU(apply_masks(weights, mask), u)
        return jnp.linalg.norm(pruned(inputs) - dense) / jnp.linalg.norm(dense)

    def at(sparsity):
        def masks(w):
            return jnp.stack(
                [
                    smallest(magnitude(w), sparsity),
                    smallest_of_rows(magnitude(w), sparsity),
                    smallest_of_rows(wanda(w, x), sparsity),
                ]
            )

        before, after = jax.lax.map(masks, jnp.stack([w, redrawn]))
        turned = smallest_of_rows(wanda(w @ turn.T, x @ turn.T), sparsity)
        decisions = settings.width * jnp.sum(on)
        return {
            "off": jnp.stack([share(mask == 0, ~on) for mask in before]),
            "flips": jnp.sum((before != after) & on[None, None, :], axis=(1, 2)) / decisions,
            "change": jnp.stack(
                [
                    *(change(w, mask, test) for mask in before),
                    change(w @ turn.T, turned, test @ turn.T),
                ]
            ),
        }

    found = [at(sparsity) for sparsity in settings.sparsities]
    return jax.tree.map(lambda *parts: jnp.stack(parts), *found) | {
        "moved": jnp.sqrt(jnp.mean(jnp.mean(w**2, axis=0), where=on)) / sigma,
        "size": jnp.mean(dense**2),
        "margin": trained.margin,
    }


def run(settings: Settings, key, progress: Progress) -> Arrays:
    """All networks; arrays of shape (ells, trials, ...)."""
    program = jax.jit(lambda ell, keys: ensemble(lambda key: trial(settings, ell, key), keys))
    found = []
    for i, ell in enumerate(settings.ells):
        progress(i / len(settings.ells), f"{settings.trials} networks with ℓ = {ell}")
        keys = jax.random.split(jax.random.fold_in(key, i), settings.trials)
        found.append(jax.device_get(program(jnp.array(ell), keys)))
    progress(1.0, "done")
    return {name: np.stack([part[name] for part in found]) for name in found[0]}


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


def draw(arrays: Arrays, settings: Settings) -> Figure:
    """One row per sparsity: the noise among the pruned, the change of N, the flips on P."""
    rows = len(settings.sparsities)
    with plt.style.context(STYLE):
        figure, axes = plt.subplots(
            rows, 3, figsize=(7.2, 1.0 + 2.3 * rows), squeeze=False, sharex=True, sharey="col"
        )
        for i, sparsity in enumerate(settings.sparsities):
            theory = expectations(arrays, settings, sparsity)
            _noise(axes[i, 0], arrays, settings, i, theory)
            _changes(axes[i, 1], arrays, settings, i, theory)
            _flips(axes[i, 2], arrays, settings, i, theory)
            for ax in axes[i]:
                ax.axvline(sparsity, color="0.6", lw=0.8, ls="-.", zorder=0)
                ax.set_title(f"$s={sparsity:g}$ pruned")
            axes[i, 0].set_ylabel("share of the pruned off $P$")
            axes[i, 1].set_ylabel(r"$\|N_\mathrm{pruned}-N\|\,/\,\|N\|$ on $P$")
            axes[i, 2].set_ylabel("share of decisions on $P$ that\nflip with the noise redrawn")
        for ax in axes[-1]:
            ax.set_xlabel(r"$\ell/d$, share of the axes off $P$")
        figure.legend(*axes[0, 1].get_legend_handles_labels(), loc="outside upper center", ncols=4)
        figure.legend(handles=_lines(), loc="outside lower center", ncols=4)
    return figure


def _lines() -> list[Line2D]:
    """What the lines without markers are."""
    styles = (
        ("-", "0.2", "exact (H4)"),
        ("--", "0.2", "approximation"),
        (":", "0.2", r"$\ell/d$, nothing learned"),
        ("-.", "0.6", r"$\ell/d=s$"),
    )
    return [Line2D([], [], ls=ls, color=colour, lw=1, label=label) for ls, colour, label in styles]


def _shares(settings: Settings) -> np.ndarray:
    return np.array(settings.ells) / settings.d


def _curves(ax: Axes, settings: Settings, names: tuple[str, ...], values: np.ndarray) -> None:
    """Measurements (ells, trials, names) with intervals over networks."""
    for j, name in enumerate(names):
        colour, marker, size, face = LOOKS[name]
        error_bars(
            ax, _shares(settings), mean_interval(values[..., j].T), fmt=marker, color=colour,
            ms=size, mfc=face, lw=1, label=name,
        )  # fmt: skip


def _line(ax: Axes, settings: Settings, name: str, values: Any, style: str = "--") -> None:
    """What theory says of a curve."""
    ax.plot(_shares(settings), values, style, color=LOOKS[name][0], lw=1, zorder=1)


def _noise(ax: Axes, arrays: Arrays, settings: Settings, i: int, theory: list[Expected]) -> None:
    _curves(ax, settings, MASKS, arrays["off"][:, :, i])
    _line(ax, settings, MASKS[LAYER], [one.off for one in theory])
    share = np.linspace(0, 1, 201)
    ax.plot(share, np.minimum(1, share / settings.sparsities[i]), color=VERMILION, lw=1, zorder=1)
    ax.plot(share, share, ":", color="0.2", lw=1, zorder=0)
    ax.set(xlim=(0, 1), ylim=(0, 1.05))
    ax.set_xticks((0, 0.25, 0.5, 0.75, 1), ("0", "¼", "½", "¾", "1"))


def _changes(ax: Axes, arrays: Arrays, settings: Settings, i: int, theory: list[Expected]) -> None:
    _curves(ax, settings, (*MASKS, ROTATED), arrays["change"][:, :, i])
    for name in theory[0].change:
        _line(ax, settings, name, [one.change[name] for one in theory])
    ax.plot([settings.sparsities[i], 1], [0, 0], color=VERMILION, lw=1, zorder=1)


def _flips(ax: Axes, arrays: Arrays, settings: Settings, i: int, theory: list[Expected]) -> None:
    _curves(ax, settings, MASKS, arrays["flips"][:, :, i])
    for j in (LAYER, ROWS):
        _line(ax, settings, MASKS[j], [one.flips[j] for one in theory])
    _line(ax, settings, MASKS[WANDA], np.zeros(len(settings.ells)), "-")


def _intervals(names: tuple[str, ...], values: np.ndarray) -> dict[str, list[float]]:
    return {name: mean_interval(values[:, j]).rounded() for j, name in enumerate(names)}


def _furthest(values: np.ndarray, expected: list[float]) -> float:
    return float(np.abs(values.mean(axis=1) - expected).max())


def _percent(values: np.ndarray) -> str:
    interval = mean_interval(100 * values)
    return f"{interval.centre:.1f} ± {interval.high - interval.centre:.1f} %"


def summary(arrays: Arrays, settings: Settings) -> dict[str, Any]:
    """By sparsity s: what masks do at the first ℓ with ℓ/d ≥ s, or the last; in words, too.

    ``furthest`` is the largest distance of a mean over networks from what was expected of it.
    """
    shares = _shares(settings)
    out: dict[str, Any] = {"sentences": [], "margin_min": float(arrays["margin"].min())}
    for i, sparsity in enumerate(settings.sparsities):
        theory = expectations(arrays, settings, sparsity)
        at = int(np.argmax(shares >= sparsity)) if shares[-1] >= sparsity else len(shares) - 1
        off, change, flips = (arrays[what][:, :, i] for what in ("off", "change", "flips"))
        out[f"s = {sparsity:g}"] = {
            "ell_over_d": float(shares[at]),
            "off": _intervals(MASKS, off[at]),
            "change": _intervals((*MASKS, ROTATED), change[at]),
            "flips": _intervals(MASKS, flips[at]),
            "expected": theory[at]._asdict(),
            "furthest": {
                "off": _furthest(off[..., LAYER], [one.off for one in theory]),
                "flips": _furthest(flips[..., ROWS], [one.flips[ROWS] for one in theory]),
                "change": {
                    name: _furthest(change[..., j], [one.change[name] for one in theory])
                    for j, name in ((LAYER, MASKS[LAYER]), (WANDA, MASKS[WANDA]), (3, ROTATED))
                },
            },
        }
        out["sentences"].append(
            f"s = {sparsity:g}, ℓ/d = {shares[at]:.2g}: on P magnitude changes N by "
            f"{_percent(change[at, :, LAYER])}, Wanda by at most {change[at, :, WANDA].max():.2g}, "
            f"and by {_percent(change[at, :, -1])} if P is rotated. Redrawing the frozen noise "
            f"flips {_percent(flips[at, :, ROWS])} of the decisions on P of magnitude by rows, "
            f"{_percent(flips[at, :, LAYER])} of those by layer, and at most "
            f"{flips[at, :, WANDA].max():.2g} of Wanda's."
        )
    return out


experiment = Experiment(
    name="healing.frozen-noise",
    title="Magnitude reads frozen noise, activations do not",
    source=Source(paper="starfish2026", arxiv="2606.01126", label="H4", provenance="derived"),
    presets={
        "smoke": Settings(d=20, ells=(5, 10, 15), width=20, samples=20, steps=300, trials=6),
        "course": Settings(),
        "paper": Settings(
            d=120, ells=(12, 24, 36, 48, 60, 72, 84, 90, 96, 108), width=100, samples=120, trials=96
        ),
    },
    run=run,
    draw=draw,
    summary=summary,
)
