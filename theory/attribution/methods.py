"""Attribution methods: how much each word of an embedded text matters to a logit.

A text is x ∈ R^{T×d}, one embedded word per row, and padding is the zero vector. Every method is a
pure function of the logit and the text, for `jax.jit` and, over texts, `jax.vmap`.

Every method refuses, by a ValueError, a text that is not one of at least one word, or not finite:
the gate of a ReLU at a NaN is closed, and a gradient would be 0 there. In a compiled program only
its shape can be looked at.
"""

from collections.abc import Callable
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
from jaxtyping import Array, Bool, Float, Key

from theory.checks import check_finite, check_number
from theory.geometry import as_subspace

Logit = Callable[[Float[Array, "words d"]], Float[Array, ""]]
"""A logit of one embedded text."""

REFINEMENTS = 4
"""Times that the path of integrated gradients is divided anew, each time ``steps`` times finer."""


def present(x: Float[Array, "words d"]) -> Bool[Array, " words"]:
    """The words of a text that are not padding: the rows that are not zero.

    Example:
        >>> present(jnp.array([[0.0, 2.0], [0.0, 0.0]])).tolist()
        [True, False]
    """
    return jnp.any(x != 0, axis=-1)


def check_text(x: Any) -> None:
    """Refuse what is not an embedded text of at least one word, all finite.

    Raises:
        ValueError: otherwise.

    Example:
        >>> check_text(jnp.ones((1, 5, 2)))
        Traceback (most recent call last):
        ValueError: the text has shape (1, 5, 2) and must have (words, d), of at least one word
    """
    if jnp.ndim(x) != 2 or len(x) == 0:
        raise ValueError(
            f"the text has shape {jnp.shape(x)} and must have (words, d), of at least one word"
        )
    check_finite("the words of the text", x)


def gradient(logit: Logit, x: Any) -> Float[Array, "words d"]:
    """∂ logit/∂x_t for every word; padding has a gradient too.

    References:
        Simonyan, Vedaldi, Zisserman, 2014 (arXiv 1312.6034).

    Example:
        >>> gradient(lambda x: x[0, 0] - 2 * x[1, 1], jnp.ones((2, 2))).tolist()
        [[1.0, 0.0], [0.0, -2.0]]
    """
    check_text(x)
    return jax.grad(logit)(x)


def gradient_times_input(logit: Logit, x: Any) -> Float[Array, " words"]:
    """⟨∂ logit/∂x_t, x_t⟩, the logit's change to first order as word t appears; 0 for padding.

    References:
        Shrikumar, Greenside, Kundaje, 2017 (arXiv 1704.02685).

    Example:
        >>> gradient_times_input(lambda x: x[0, 0] - 2 * x[1, 1], 3 * jnp.ones((2, 2))).tolist()
        [3.0, -6.0]
    """
    check_text(x)
    return jnp.sum(jax.grad(logit)(x) * x, axis=-1)


class IntegratedGradients(NamedTuple):
    """Attributions along a straight path, and by how much they fail to add up.

    Attributes:
        attributions: one per word.
        gap: Σ_t attribution_t − (logit(x) − logit(baseline)), 0 for an exact integral.
    """

    attributions: Float[Array, " words"]
    gap: Float[Array, ""]


def integrated_gradients(
    logit: Logit,
    x: Any,
    baseline: Any = None,
    steps: int = 1024,
) -> IntegratedGradients:
    r"""The gradient averaged over the path from a baseline to the text, times the path.

    .. math::
        \Big\langle \int_0^1 \partial_{x_t} \mathrm{logit}(b + \alpha(x - b))\,d\alpha,\;
        x_t - b_t\Big\rangle

    by the midpoint rule, on a grid that is finer where the logit changes: an LSTM can jump
    within a thousandth of the path, where an even grid would need as many steps. A kink of a ReLU
    network costs every rule an error of the order of the kink over ``steps``; one without biases
    has no kink between 0 and x, and one step is exact. The steps go one after the other, to need
    no more memory than one gradient: batch over texts.

    Args:
        logit: the logit explained.
        x: the text.
        baseline: where the path starts, of the text's shape; all padding when None.
        steps: midpoints. Raise it until the gap is small beside the difference of the logits.

    Returns:
        The attributions and the completeness gap.

    Raises:
        ValueError: if there are no steps, or for a baseline of another shape or not finite.

    References:
        Sundararajan, Taly, Yan, 2017 (arXiv 1703.01365).

    Example:
        >>> attributions, gap = integrated_gradients(lambda x: jnp.sum(x**2), jnp.ones((2, 3)))
        >>> attributions.round(4).tolist(), bool(abs(gap) < 1e-4)
        ([3.0, 3.0], True)
    """
    if steps < 1:
        raise ValueError(f"steps is {steps}; the path needs at least one")
    check_text(x)
    start = jnp.zeros_like(x) if baseline is None else baseline
    if start.shape != x.shape:
        raise ValueError(
            f"the baseline has shape {start.shape} and must have {x.shape}, the text's"
        )
    check_finite("the words of the baseline", start)
    path = x - start

    grid = _adapted_grid(lambda alpha: logit(start + alpha * path), steps, x.dtype)

    def add(k, total):
        alpha, width = (grid[k] + grid[k + 1]) / 2, grid[k + 1] - grid[k]
        return total + width * jax.grad(logit)(start + alpha * path)

    total = jax.lax.fori_loop(0, steps, add, jnp.zeros_like(x))
    attributions = jnp.sum(total * path, axis=-1)
    return IntegratedGradients(attributions, jnp.sum(attributions) - (logit(x) - logit(start)))


def _adapted_grid(along: Callable, steps: int, dtype) -> Float[Array, " grid"]:
    """0 = α_0 < ... < α_steps = 1, cells with equal shares of path, of rise, and of rule's error.

    The logit's rise over a cell is known, hence so is the midpoint rule's error there. Its root
    makes cells small beside a jump too, where the rule is wrong although little rises.
    """

    def slope(alpha):
        return jax.jvp(along, (alpha,), (jnp.ones_like(alpha),))[1]

    def share(part):
        total = jnp.sum(part)
        return part / jnp.where(total > 0, total, 1)

    grid = jnp.linspace(0, 1, steps + 1, dtype=dtype)
    for _ in range(REFINEMENTS):
        width, rise = jnp.diff(grid), jnp.diff(jax.lax.map(along, grid))
        error = jnp.abs(jax.lax.map(slope, (grid[1:] + grid[:-1]) / 2) * width - rise)
        cost = width + share(jnp.abs(rise)) + share(jnp.sqrt(error))
        reached = jnp.concatenate([jnp.zeros_like(cost, shape=(1,)), jnp.cumsum(cost)])
        grid = jnp.interp(jnp.linspace(0, 1, steps + 1, dtype=dtype) * reached[-1], reached, grid)
    return grid


def smooth_grad(
    logit: Logit,
    x: Any,
    key: Key[Array, ""],
    noise: float | Float[Array, ""],
    samples: int,
) -> Float[Array, "words d"]:
    """The gradient averaged over Gaussian noise on the words; padding stays padding.

    Args:
        logit: the logit explained.
        x: the text.
        key: a typed JAX key.
        noise: the standard deviation of the noise, per coordinate.
        samples: noisy copies of the text.

    Raises:
        ValueError: if there are no samples, or for noise that is negative or not finite.

    References:
        Smilkov, Thorat, Kim, Viégas, Wattenberg, 2017 (arXiv 1706.03825).

    Example:
        >>> x = jnp.ones((1, 2))
        >>> smooth_grad(lambda x: x[0, 0] + x[0, 1], x, jax.random.key(0), 0.1, 8).tolist()
        [[1.0, 1.0]]
    """
    if samples < 1:
        raise ValueError(f"samples is {samples}; an average needs at least one")
    check_text(x)
    check_number("noise", noise)
    shifts = noise * jax.random.normal(key, (samples, *x.shape), x.dtype)
    shifts = jnp.where(present(x)[None, :, None], shifts, 0)
    return jax.vmap(lambda shift: jax.grad(logit)(x + shift))(shifts).mean(axis=0)


def seed_averaged(gradients: Float[Array, "models *shape"]) -> Float[Array, "*shape"]:
    """The mean gradient of independently trained copies, which keeps what they share.

    Args:
        gradients: one gradient per copy.

    Example:
        >>> seed_averaged(jnp.array([[[1.0, 1.0]], [[1.0, -1.0]]])).tolist()
        [[1.0, 0.0]]
    """
    return gradients.mean(axis=0)


def occlusion(logit: Logit, x: Any) -> Float[Array, " words"]:
    """logit(x) − logit(x with word t replaced by padding), for every t; 0 for padding.

    References:
        Zeiler, Fergus, 2014 (arXiv 1311.2901).

    Example:
        >>> occlusion(lambda x: x[0, 0] - 2 * x[1, 1], 3 * jnp.ones((2, 2))).tolist()
        [3.0, -6.0]
    """
    check_text(x)
    without = jax.vmap(lambda t: logit(x.at[t].set(0)))(jnp.arange(x.shape[0]))
    # In a batch of texts, the unchanged one is the text only up to rounding.
    return jnp.where(present(x), logit(x) - without, 0)


def span_share(gradients: Float[Array, "*batch D"], basis: Any) -> Float[Array, "*batch"]:
    """‖Π_P g‖²/‖g‖², the share of a flattened gradient along the training texts.

    Without weight decay, gradient descent moves the first layer only inside the span P of the
    flattened training texts: off P its rows, which the gradient adds up, stay as drawn.

    Args:
        gradients: flattened gradients, D = words·d.
        basis: orthonormal columns spanning P, (D, dim).

    Returns:
        One share in [0, 1] per gradient; 0 for a zero gradient, NaN for one that is not finite.

    Raises:
        ValueError: for a basis of another shape, or one that is not orthonormal.

    Example:
        >>> float(span_share(jnp.array([1.0, 1.0]), jnp.array([[1.0], [0.0]])))
        0.5
    """
    plane = as_subspace(basis, gradients.shape[-1])
    # Times a power of two, which rounds nothing: the squares of 1e-25 are 0 in single precision.
    largest = jax.lax.stop_gradient(jnp.max(jnp.abs(gradients), axis=-1, keepdims=True))
    scaled = jnp.ldexp(gradients, -jnp.frexp(largest)[1])
    whole = jnp.sum(scaled**2, axis=-1)
    inside = jnp.sum(plane.project(scaled) ** 2, axis=-1)
    still = whole == 0
    return jnp.where(still, 0, inside / jnp.where(still, 1, whole))
