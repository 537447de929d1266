"""What else people do to forget: seven baselines, each a pure function of a trained network.

All act on the hidden layer of a two-layer network trained to a large margin, where the loss is
e^{−margin} and plain steps stand still. Two choices make them comparable at any margin, to each
other and to one step of gradient ascent, and both cost nothing, because the network is
homogeneous in its weights:

* they see the network scaled to the smallest training margin `MARGIN`, as one would calibrate it
  by a temperature, and the result is scaled back;
* a step of descent or ascent is normalised as in `train_to_large_margin`: its direction is
  Σ_i c_i ∇N(x_i), c = −∂objective/∂N(x_i) scaled to max_i |c_i| = 1, and its length
  `LEARNING_RATE` times the largest one that is safe for the retained and forgotten points.

All iterative methods take the same number of steps of the same length, none tuned. Gates are those
of automatic differentiation: at kinks they are 0 or 1, unlike those of `gradient_ascent`.
"""

from collections.abc import Callable, Sequence

import jax
import jax.numpy as jnp
import numpy as np
from jax.scipy.sparse.linalg import cg
from jaxtyping import Array, Bool, Float

from theory.networks import TwoLayerReLU
from theory.unlearning.checks import check_forget
from theory.unlearning.gradient_ascent import common_step
from theory.unlearning.margin import LEARNING_RATE

MARGIN = 5.0
"""Smallest margin at which the baselines see the network; a probability of 0.993."""

STEPS = 100
"""Steps of every iterative method."""

SPARSITY = 0.2
"""What the soft thresholds of all steps add up to, in mean absolute weights."""

Points = Float[Array, "n d"]
Labels = Float[Array, " n"]
Forget = int | Sequence[int]
"""Index or indices of the points to forget."""

Coefficients = Callable[[Array, Float[Array, " n"]], Float[Array, " n"]]
"""(step, outputs N(x)) -> −∂objective/∂N(x_i), up to a positive factor."""


def _out(forget: Forget, n: int) -> Bool[np.ndarray, " n"]:
    """Which points are forgotten."""
    return np.isin(np.arange(n), check_forget(forget, n))


def _temperature(net: TwoLayerReLU, x: Points, y: Labels) -> Float[Array, ""]:
    """What the weights are divided by to bring the smallest training margin to `MARGIN`."""
    return jnp.min(y * net(x)) / MARGIN


def _pull(y: Labels, outputs: Float[Array, " n"]) -> Float[Array, " n"]:
    """−∂ℓ/∂N of the logistic loss: y|ℓ'(yN)|."""
    return y * jax.nn.sigmoid(-y * outputs)


def _largest_one(c: Float[Array, " n"]) -> Float[Array, " n"]:
    size = jnp.max(jnp.abs(c))
    return c / jnp.where(size > 0, size, 1)


def _descend(
    net: TwoLayerReLU,
    x: Points,
    y: Labels,
    coefficients: Coefficients,
    steps: int,
    threshold: float | Float[Array, ""] = 0.0,
) -> TwoLayerReLU:
    """``steps`` normalised steps along Σ_i c_i ∇N(x_i), each followed by a soft threshold."""
    temperature = _temperature(net, x, y)
    curvature = jnp.max(jnp.sum(jnp.abs(x @ x.T), axis=1)) * jnp.sum(net.u**2)
    rate = LEARNING_RATE / curvature

    def step(count, w):
        z = w @ x.T
        c = _largest_one(coefficients(count, net.u @ jax.nn.relu(z)))
        w = w + rate * (net.u[:, None] * jnp.where(z > 0, c[None, :], 0)) @ x
        return jnp.sign(w) * jnp.maximum(jnp.abs(w) - threshold / temperature, 0)

    w = jax.lax.fori_loop(0, steps, step, net.w / temperature)
    return net._replace(w=temperature * w)


def _descend_on_retained(
    net: TwoLayerReLU,
    x: Points,
    y: Labels,
    forget: Forget,
    steps: int,
    threshold: float | Float[Array, ""] = 0.0,
) -> TwoLayerReLU:
    """`_descend` on the loss of the retained points."""
    kept = ~_out(forget, len(x))
    return _descend(
        net, x, y, lambda _, outputs: jnp.where(kept, _pull(y, outputs), 0), steps, threshold
    )


def fine_tune(
    net: TwoLayerReLU, x: Points, y: Labels, forget: Forget, *, steps: int = STEPS
) -> TwoLayerReLU:
    """Descent on the retained points, in the hope that the others fade (Golatkar et al. 2020).

    Args:
        net: the trained network.
        x: training inputs.
        y: labels ±1.
        forget: index or indices of the points to forget.
        steps: steps to take.

    Raises:
        ValueError: for an index out of range, given twice, or all points.

    Example:
        >>> net, y = TwoLayerReLU(jnp.eye(2), jnp.array([1.0, -1.0])), jnp.array([1.0, -1.0])
        >>> fine_tune(net, jnp.eye(2), y, forget=0, steps=50).w.round(1).tolist()
        [[1.0, 0.0], [0.0, 3.5]]
    """
    return _descend_on_retained(net, x, y, forget, steps)


def neg_grad(
    net: TwoLayerReLU, x: Points, y: Labels, forget: Forget, *, steps: int = STEPS
) -> TwoLayerReLU:
    """Many small steps of ascent on the loss of the forgotten points (NegGrad, Golatkar 2020).

    Unlike `gradient_ascent`, whose one step has the length that the KKT conditions say.
    Arguments as for `fine_tune`.

    Example:
        >>> net, y = TwoLayerReLU(jnp.eye(2), jnp.array([1.0, -1.0])), jnp.array([1.0, -1.0])
        >>> neg_grad(net, jnp.eye(2), y, forget=0, steps=10).w.round(1).tolist()
        [[0.5, 0.0], [0.0, 1.0]]
    """
    out = _out(forget, len(x))

    def coefficients(_, outputs):
        return jnp.where(out, -_pull(y, outputs), 0)

    return _descend(net, x, y, coefficients, steps)


def neg_grad_plus(
    net: TwoLayerReLU, x: Points, y: Labels, forget: Forget, *, steps: int = STEPS
) -> TwoLayerReLU:
    """Descent on the retained and ascent on the forgotten points (NegGrad+, Kurmanji et al. 2023).

    The two gradients are normalised one by one, because the loss of the forgotten points soon has
    by far the larger slope, and the sum would be `neg_grad`. Arguments as for `fine_tune`.

    Example:
        >>> net, y = TwoLayerReLU(jnp.eye(2), jnp.array([1.0, -1.0])), jnp.array([1.0, -1.0])
        >>> neg_grad_plus(net, jnp.eye(2), y, forget=0, steps=10).w.round(1).tolist()
        [[0.5, 0.0], [0.0, 1.5]]
    """
    out = _out(forget, len(x))

    def coefficients(_, outputs):
        pull = _pull(y, outputs)
        return _largest_one(jnp.where(out, 0, pull)) - _largest_one(jnp.where(out, pull, 0))

    return _descend(net, x, y, coefficients, steps)


def random_labels(
    net: TwoLayerReLU, x: Points, y: Labels, forget: Forget, *, steps: int = STEPS
) -> TwoLayerReLU:
    """Descent with the forgotten points' labels redrawn (Golatkar et al. 2020, Graves et al. 2021).

    Labels are uniform and new in every step, and the mean over the draws is taken: the loss of a
    forgotten point is ½ℓ(q) + ½ℓ(−q), whose minimum is the output 0. Arguments as for `fine_tune`.

    Example:
        >>> net, y = TwoLayerReLU(jnp.eye(2), jnp.array([1.0, -1.0])), jnp.array([1.0, -1.0])
        >>> after = random_labels(net, jnp.eye(2), y, forget=0, steps=50)
        >>> (y * after(jnp.eye(2))).round(1).tolist()
        [0.0, 2.5]
    """
    out = _out(forget, len(x))

    def coefficients(_, outputs):
        return jnp.where(out, -jnp.tanh(outputs / 2) / 2, _pull(y, outputs))

    return _descend(net, x, y, coefficients, steps)


def sparse(
    net: TwoLayerReLU, x: Points, y: Labels, forget: Forget, *, steps: int = STEPS
) -> TwoLayerReLU:
    """Fine-tuning with an ℓ1 penalty on the weights, by proximal descent (Jia et al. 2023).

    Every step ends with a soft threshold, which leaves exact zeros. Arguments as for `fine_tune`.

    Example:
        >>> w = jnp.array([[1.0, 0.01], [0.0, 1.0]])
        >>> net, y = TwoLayerReLU(w, jnp.array([1.0, -1.0])), jnp.array([1.0, -1.0])
        >>> float(sparse(net, jnp.eye(2), y, forget=0).w[0, 1])
        0.0
    """
    threshold = SPARSITY * jnp.mean(jnp.abs(net.w)) / max(steps, 1)
    return _descend_on_retained(net, x, y, forget, steps, threshold)


def scrub(
    net: TwoLayerReLU, x: Points, y: Labels, forget: Forget, *, steps: int = STEPS
) -> TwoLayerReLU:
    """Distillation that obeys the teacher on retained points only (SCRUB, Kurmanji et al. 2023).

    The teacher is ``net``. Steps alternate: one raises the divergence KL(teacher ‖ student) of the
    labels' distribution at the forgotten points, one lowers it at the retained ones, plus their
    loss. At the teacher itself the divergence has no slope, and above its confidence it is
    bounded; where that would be the way, the student is made less confident instead. Arguments as
    for `fine_tune`.

    Example:
        >>> net, y = TwoLayerReLU(jnp.eye(2), jnp.array([1.0, -1.0])), jnp.array([1.0, -1.0])
        >>> margins = y * scrub(net, jnp.eye(2), y, forget=0)(jnp.eye(2))
        >>> bool(margins[0] < 0.1), bool(margins[1] > 1)
        (True, True)
    """
    out = _out(forget, len(x))
    teacher = jax.nn.sigmoid(net(x) / _temperature(net, x, y))

    def coefficients(count, outputs):
        ahead = jax.nn.sigmoid(outputs) - teacher
        away = y * jnp.minimum(y * ahead, -jnp.finfo(x.dtype).eps)
        obey = _pull(y, outputs) - ahead
        return jnp.where(count % 2 == 0, jnp.where(out, away, 0), jnp.where(out, 0, obey))

    return _descend(net, x, y, coefficients, steps)


def newton_step(net: TwoLayerReLU, x: Points, y: Labels, forget: Forget) -> TwoLayerReLU:
    """Removal by influence: one Newton step with the retained Hessian (Guo et al. 2020).

    .. math:: \\theta + (H_{retained} + \\mu I)^{-1} \\nabla \\mathcal L_{forgotten}

    A KKT point, λ_i = |ℓ'(q_i)|/μ, is a stationary point of ℒ + ½μ‖θ‖² with the μ that Euler's
    formula gives (`common_step` is 1/μ): that μ is the damping. Without the curvature of the
    retained loss, H = 0, the step would be the one of `gradient_ascent`. The system is solved by
    conjugate gradients with products of the Hessian, whose rank is that of the data.

    Args:
        net: the trained network.
        x: training inputs.
        y: labels ±1.
        forget: index or indices of the points to forget.

    Raises:
        ValueError: as `fine_tune`.

    Example:
        >>> net, y = TwoLayerReLU(jnp.eye(2), jnp.array([1.0, -1.0])), jnp.array([1.0, -1.0])
        >>> (y * newton_step(net, jnp.eye(2), y, forget=0)(jnp.eye(2))).round(3).tolist()
        [0.0, 1.0]
    """
    out = _out(forget, len(x))
    temperature = _temperature(net, x, y)
    w = net.w / temperature
    inverse_damping = jnp.exp(common_step(net._replace(w=w), x, y))

    def gradient(chosen, w):
        def loss(w):
            return jnp.sum(jnp.where(chosen, jax.nn.softplus(-y * net._replace(w=w)(x)), 0))

        # In units of the damping, so that the system is of order one.
        return inverse_damping * jax.grad(loss)(w)

    def product(v):
        return v + jax.jvp(lambda w: gradient(~out, w), (w,), (v,))[1]

    # Rounding spoils the exact end after rank + 1 products; twice as many make up for it.
    step, _ = cg(product, gradient(out, w), tol=1e-12, maxiter=2 * len(x) + 2)
    return net._replace(w=temperature * (w + step))


BASELINES = {
    "Newton step": newton_step,
    "NegGrad": neg_grad,
    "NegGrad+": neg_grad_plus,
    "random labels": random_labels,
    "SCRUB": scrub,
    "fine-tuning": fine_tune,
    "ℓ1-sparse": sparse,
}
"""All of them by name, each called as ``(net, x, y, forget)``."""
