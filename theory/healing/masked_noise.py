"""Masks on networks trained on inputs from a subspace P: what they do, and what to expect of it.

P is spanned by d − ℓ of d coordinate axes, and the weights off P stay as they were drawn, N(0, σ²).
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

from typing import NamedTuple

import jax
import jax.numpy as jnp
import numpy as np
import optax
from jaxtyping import Array, Bool, Float, Int, Key
from scipy import optimize, stats

from theory.geometry import orthonormalise
from theory.healing.masks import apply_masks, magnitude, smallest, smallest_of_rows, wanda
from theory.networks import TwoLayerReLU, two_layer_relu
from theory.training import train_in_span

LAYER, ROWS, WANDA = "magnitude, layer", "magnitude, rows", "Wanda, rows"
ROTATED = "Wanda, rows, P rotated"
MASKS = (LAYER, ROWS, WANDA, ROTATED)


class Decided(NamedTuple):
    """What the masks do to one network.

    Attributes:
        off: of the weights that are pruned, the share off P; NaN where P is rotated.
        flips: of the decisions on P, those that differ when the noise is redrawn; NaN likewise.
        change: ‖N_pruned − N‖/‖N‖ over test points.
    """

    off: Float[Array, " masks"]
    flips: Float[Array, " masks"]
    change: Float[Array, " masks"]


def decided(
    network: TwoLayerReLU,
    x: Float[Array, "n d"],
    test: Float[Array, "k d"],
    on: Bool[Array, " d"],
    again: Float[Array, "m d"],
    turn: Float[Array, "d d"],
    sparsity: float,
) -> Decided:
    """Prune a network by each of `MASKS`.

    Args:
        network: trained on P.
        x: points of P to calibrate on.
        test: points of P to compare at.
        on: which axes span P.
        again: hidden weights, of which those off P replace the network's as noise redrawn.
        turn: orthogonal; rotates P.
        sparsity: share of the hidden weights that is pruned.
    """
    w, u = network
    dense = network(test)

    def masks(w):
        return jnp.stack(
            [
                smallest(magnitude(w), sparsity),
                smallest_of_rows(magnitude(w), sparsity),
                smallest_of_rows(wanda(w, x), sparsity),
            ]
        )

    def share(chosen, among):
        return jnp.sum(chosen & among[None, :]) / jnp.maximum(jnp.sum(chosen), 1)

    def change(weights, mask, inputs):
        pruned = TwoLayerReLU(apply_masks(weights, mask), u)
        return jnp.linalg.norm(pruned(inputs) - dense) / jnp.linalg.norm(dense)

    before, after = jax.lax.map(masks, jnp.stack([w, jnp.where(on[None, :], w, again)]))
    turned = smallest_of_rows(wanda(w @ turn.T, x @ turn.T), sparsity)
    flips = jnp.sum((before != after) & on[None, None, :], axis=(1, 2)) / (len(w) * jnp.sum(on))
    changes = [
        *(change(w, mask, test) for mask in before),
        change(w @ turn.T, turned, test @ turn.T),
    ]
    return Decided(
        off=jnp.stack([*(share(mask == 0, ~on) for mask in before), jnp.nan]),
        flips=jnp.append(flips, jnp.nan),
        change=jnp.stack(changes),
    )


def trial(
    ell: Int[Array, ""],
    key: Key[Array, ""],
    *,
    sparsities: tuple[float, ...],
    d: int,
    width: int,
    samples: int,
    scale: float,
    steps: int,
    margin: float,
) -> dict[str, Float[Array, "..."]]:
    """Train one network on a linear rule on a random P, and prune it.

    Args:
        ell: ℓ = dim P^⊥, which may be traced.
        key: of P, the rule, and all that is drawn.
        sparsities: shares of the hidden weights that are pruned.
        d: input dimension.
        width: neurons m.
        samples: training points n, on which masks are calibrated too, and as many test points.
        scale: standard deviation σ of the hidden weights at the start, in units of 1/√d.
        steps: largest number of training steps.
        margin: stop when every y_j N(x_j) is at least this.

    Returns:
        What `Decided` holds, over sparsities and masks; ``moved`` τ/σ, ``mean_square`` of N at
        test points, and ``margin`` reached.
    """
    key_p, key_x, key_rule, key_net, key_again, key_turn = jax.random.split(key, 6)
    on = jnp.argsort(jax.random.uniform(key_p, (d,))) >= ell
    points = jnp.where(on[None, :], jax.random.normal(key_x, (2 * samples, d)), 0)
    points = points * (d**0.5 / jnp.linalg.norm(points, axis=1, keepdims=True))
    y = jnp.where(points @ jax.random.normal(key_rule, (d,)) > 0, 1.0, -1.0).astype(points.dtype)
    x, test = points[:samples], points[samples:]
    sigma = scale * d**-0.5
    trained = train_in_span(
        two_layer_relu(key_net, d, width, sigma),
        x,
        y[:samples],
        optimizer=optax.sgd(4 / d),
        steps=steps,
        margin=margin,
    )
    again = two_layer_relu(key_again, d, width, sigma).w
    turn = orthonormalise(jax.random.normal(key_turn, (d, d)))
    found = [decided(trained.network, x, test, on, again, turn, s)._asdict() for s in sparsities]
    squares = jnp.mean(trained.network.w**2, axis=0)
    return jax.tree.map(lambda *parts: jnp.stack(parts), *found) | {
        "moved": jnp.sqrt(jnp.mean(squares, where=on)) / sigma,
        "mean_square": jnp.mean(trained.network(test) ** 2),
        "margin": trained.margin,
    }


class Expected(NamedTuple):
    """The approximations of the module's docstring, by mask where there are some.

    Attributes:
        off: of the weights that are pruned, the share off P.
        flips: of the decisions on P, those that differ when the noise is redrawn.
        change: root mean square of N_pruned − N in units of N's.
    """

    off: dict[str, float]
    flips: dict[str, float]
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


def expected(
    d: int,
    ell: int,
    sparsity: float,
    moved: float,
    size: float,
    *,
    width: int = 50,
    scale: float = 1.0,
) -> Expected:
    """What to expect for weights N(0, σ²) off P and N(0, (``moved``·σ)²) on P.

    Args:
        d: input dimension.
        ell: ℓ = dim P^⊥.
        sparsity: share s of the weights that is pruned.
        moved: τ/σ.
        size: E N² at inputs of norm √d.
        width: neurons m.
        scale: σ in units of 1/√d.

    Example:
        >>> nothing_learned = expected(60, 30, 0.5, 1.0, 0.5)
        >>> round(nothing_learned.off[LAYER], 4), round(nothing_learned.flips[ROWS], 4)
        (0.5, 0.0515)
    """
    law, share = stats.halfnorm, ell / d

    def excess(c):
        return share * law.cdf(c) + (1 - share) * law.cdf(c / moved) - sparsity

    # In units of σ, as are all scales of weights here.
    c = float(optimize.brentq(excess, 0, 40 * max(1.0, moved)))  # pyright: ignore[reportArgumentType]
    below = law.cdf(c)
    a, b = (1 - share) * law.pdf(c / moved) / moved, share * law.pdf(c)

    def flips(rows):
        spread = np.sqrt(rows * ell * below * (1 - below) / np.pi)
        return float(2 * a / (a + b) * spread / (rows * (d - ell)))

    random = min(size, scale**2 * moved**2 / 2)

    def change(e, variance):
        kernel = relu_kernel(min(1.0, e * variance / moved**2))
        return float(np.sqrt((random * kernel + e**2 * (size - random)) / size))

    row = int(sparsity * d + 1e-9)  # as `smallest_of_rows` rounds
    return Expected(
        off={LAYER: float(share * below / sparsity)},
        flips={LAYER: flips(width), ROWS: flips(1)},
        change={
            LAYER: change(stats.chi2.cdf((c / moved) ** 2, 3), moved**2),
            WANDA: change(taken(d - ell, row - ell), moved**2),
            ROTATED: change(taken(d, row), share + (1 - share) * moved**2),
        },
    )
